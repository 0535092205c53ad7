#include "audited.h"

#include <stdlib.h>

#include "cur.h"
#include "pack.h"

/* ---- the form in ring and spill: this struct, the texts one after another, shadow and sum where there are ---- */

/* To be raised with every change to them. What is set aside in the form of the version before is read, too (head_read()). */
#define LAYOUT 4

struct head {
	int64_t at_us, mono_us, emergency_us;
	struct id message;
	uint8_t policy[16];
	uint32_t why, line;
	uint16_t type, topic_n, detail_n, change_n;
	uint8_t outcome, party, actor_n, client_n, address_n, patient_n, by_n, claimed_n, certificate_n, qos, basis, how;
	bool retain, life_critical, has_message, has_policy, has_sum, has_shadow;
};

/* Of those that stand for several. */
struct sum {
	uint64_t count;
	int64_t until_us;
	struct id last;
	uint8_t digest[32];
	bool has_digest;
};

static void sum_fill(struct sum *to, const struct happening *h)
{
	*to = (struct sum){ .count = h->count, .until_us = h->until_us, .has_digest = h->digest && h->last };
	if (!to->has_digest)
		return;
	to->last = *h->last;
	memcpy(to->digest, h->digest, sizeof(to->digest));
}

static uint64_t gap_lost(const struct gap *g)
{
	uint64_t n = 0;

	for (size_t i = 0; i < RECORD_CLASSES; i++)
		n += g->lost[i];
	return n;
}

bool gap_is_none(const struct gap *g)
{
	return g->aside == 0 && gap_lost(g) == 0;
}

void gap_widen(struct gap *g, int64_t at_us)
{
	if (g->from_us == 0 || at_us < g->from_us)
		g->from_us = at_us;
	if (at_us > g->until_us)
		g->until_us = at_us;
}

void gap_add(struct gap *g, const struct gap *more)
{
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		g->lost[i] += more->lost[i];
	g->aside += more->aside;
	gap_widen(g, more->from_us);
	gap_widen(g, more->until_us);
}

#define LAYOUT_OF(number) ((uint32_t)(number) << 16 |                                                                             \
	(uint32_t)(sizeof(struct head) + sizeof(struct sum) + sizeof(struct shadow_verdict) + sizeof(struct gap)))

struct spill_layout audited_layout(void)
{
	return (struct spill_layout){ .now = LAYOUT_OF(LAYOUT), .before = LAYOUT_OF(LAYOUT - 1) };
}

/* The version before had no `how`, and what follows it a byte earlier. */
static struct head head_read(struct span raw, uint32_t layout)
{
	enum { HOW = offsetof(struct head, how), AFTER = offsetof(struct head, retain) };
	struct head head = { .at_us = 0 };

	must(raw.n == sizeof(head));
	if (layout == audited_layout().now) {
		memcpy(&head, raw.p, sizeof(head));
		return head;
	}
	memcpy(&head, raw.p, HOW);
	memcpy((uint8_t *)&head + AFTER, raw.p + HOW, offsetof(struct head, has_shadow) + 1 - AFTER);
	return head;
}

#define GATHERED_MAX (sizeof(struct head) + AUDITED_ACTOR_MAX + AUDITED_CLIENT_MAX + AUDITED_ADDRESS_MAX + AUDITED_TOPIC_MAX +    \
		      AUDITED_DETAIL_MAX + AUDITED_PATIENT_MAX + AUDITED_CHANGE_MAX + AUDITED_BY_MAX +                         \
		      AUDITED_CLAIMED_MAX + AUDITED_CERTIFICATE_MAX +                                                          \
		      sizeof(struct shadow_verdict) + sizeof(struct sum))

static struct span cut(struct span s, size_t max)
{
	return span(s.p, s.n < max ? s.n : max);
}

/* Its length, when it was cut. */
static size_t add(uint8_t **at, struct span s, size_t max)
{
	s = cut(s, max);
	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return s.n;
}

static struct span gather(const struct happening *h, uint8_t to[GATHERED_MAX])
{
	struct head head = {
		.at_us = h->at_us, .mono_us = h->mono_us, .emergency_us = h->emergency_us,
		.type = (uint16_t)h->type, .outcome = (uint8_t)h->outcome,
		.party = (uint8_t)h->party, .why = h->why, .line = h->line, .qos = h->qos, .basis = (uint8_t)h->basis, .how = (uint8_t)h->how,
		.retain = h->retain, .life_critical = h->life_critical, .has_message = h->message, .has_policy = h->policy,
		.has_shadow = h->shadow, .has_sum = h->count,
	};
	uint8_t *at = to + sizeof(head);
	struct sum sum;

	if (h->message)
		head.message = *h->message;
	if (h->policy)
		memcpy(head.policy, h->policy, sizeof(head.policy));
	head.actor_n = (uint8_t)add(&at, h->actor, AUDITED_ACTOR_MAX);
	head.client_n = (uint8_t)add(&at, h->client, AUDITED_CLIENT_MAX);
	head.address_n = (uint8_t)add(&at, h->address, AUDITED_ADDRESS_MAX);
	head.topic_n = (uint16_t)add(&at, h->topic, AUDITED_TOPIC_MAX);
	head.detail_n = (uint16_t)add(&at, h->detail, AUDITED_DETAIL_MAX);
	head.patient_n = (uint8_t)add(&at, h->patient, AUDITED_PATIENT_MAX);
	head.change_n = (uint16_t)add(&at, h->change, AUDITED_CHANGE_MAX);
	head.by_n = (uint8_t)add(&at, h->by, AUDITED_BY_MAX);
	head.claimed_n = (uint8_t)add(&at, h->claimed, AUDITED_CLAIMED_MAX);
	head.certificate_n = (uint8_t)add(&at, h->certificate, AUDITED_CERTIFICATE_MAX);
	if (h->shadow)
		(void)add(&at, span(h->shadow, sizeof(*h->shadow)), SIZE_MAX);
	if (h->count) {
		sum_fill(&sum, h);
		(void)add(&at, span(&sum, sizeof(sum)), SIZE_MAX);
	}
	memcpy(to, &head, sizeof(head));
	return span(to, (size_t)(at - to));
}

bool audited_push(struct ring *r, const struct happening *h)
{
	uint8_t gathered[GATHERED_MAX];
	struct span all = gather(h, gathered);

	return ring_push(r, &all, 1);
}

bool audited_spill(struct spill *s, const struct happening *h)
{
	uint8_t gathered[GATHERED_MAX];
	struct span all = gather(h, gathered);

	return spill_push(s, &all, 1);
}

static const struct head gap_head = { .type = PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP };

bool audited_push_gap(struct ring *r, const struct gap *g)
{
	const struct span piece[] = { span(&gap_head, sizeof(gap_head)), span(g, sizeof(*g)) };

	return ring_push(r, piece, countof(piece));
}

static void sum_read(struct span raw, struct audited *out)
{
	struct sum sum;

	must(raw.n == sizeof(sum));
	memcpy(&sum, raw.p, sizeof(sum));
	out->h.count = sum.count;
	out->h.until_us = sum.until_us;
	if (!sum.has_digest)
		return;
	out->last = sum.last;
	memcpy(out->digest, sum.digest, sizeof(out->digest));
	out->h.last = &out->last;
	out->h.digest = out->digest;
}

bool audited_spill_gap(struct spill *s, const struct gap *g)
{
	const struct span piece[] = { span(&gap_head, sizeof(gap_head)), span(g, sizeof(*g)) };

	return spill_push_kept(s, piece, countof(piece));
}

void audited_read(struct span raw, struct audited *out)
{
	audited_read_aside(raw, audited_layout().now, out);
}

void audited_read_aside(struct span raw, uint32_t layout, struct audited *out)
{
	struct cur c = cur(raw);
	struct head head = head_read(cur_take(&c, sizeof(struct head)), layout);
	struct span s;

	if (head.type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP) {
		struct span gap = cur_take(&c, sizeof(out->gap));

		must(cur_end(&c) == OK);
		memcpy(&out->gap, gap.p, sizeof(out->gap));
		out->h = (struct happening){ .type = head.type };
		return;
	}
	out->message = head.message;
	memcpy(out->policy, head.policy, sizeof(out->policy));
	out->h = (struct happening){
		.type = head.type, .outcome = head.outcome, .at_us = head.at_us, .mono_us = head.mono_us,
		.emergency_us = head.emergency_us,
		.party = head.party, .why = head.why, .line = head.line, .qos = head.qos, .retain = head.retain,
		.life_critical = head.life_critical, .basis = head.basis, .how = head.how,
		.message = head.has_message ? &out->message : NULL,
		.policy = head.has_policy ? out->policy : NULL,
	};
	out->h.actor = cur_take(&c, head.actor_n);
	out->h.client = cur_take(&c, head.client_n);
	out->h.address = cur_take(&c, head.address_n);
	out->h.topic = cur_take(&c, head.topic_n);
	out->h.detail = cur_take(&c, head.detail_n);
	out->h.patient = cur_take(&c, head.patient_n);
	out->h.change = cur_take(&c, head.change_n);
	out->h.by = cur_take(&c, head.by_n);
	out->h.claimed = cur_take(&c, head.claimed_n);
	out->h.certificate = cur_take(&c, head.certificate_n);
	if (head.has_shadow) {
		s = cur_take(&c, sizeof(out->shadow));
		must(s.n == sizeof(out->shadow));
		memcpy(&out->shadow, s.p, s.n);
		out->h.shadow = &out->shadow;
	}
	if (head.has_sum)
		sum_read(cur_take(&c, sizeof(struct sum)), out);
	must(cur_end(&c) == OK);
}

/* ---- folding ---- */

#define TEXT_BYTES (AUDITED_RECIPIENTS_MAX * (AUDITED_ACTOR_MAX + AUDITED_CLIENT_MAX + 2) + 2560)

struct fold {
	Pullcord__V1__AuditEvent event;
	Pullcord__V1__Recipient recipient[AUDITED_RECIPIENTS_MAX], *pointer[AUDITED_RECIPIENTS_MAX];
	bool some;
	uint64_t asked;         /* happenings that became this delivery */
	size_t text_n;
	struct id message, last;
	uint8_t digest[32];
	uint8_t policy[16], patient[PATIENT_PSEUDONYM_BYTES], shadow_policy[16], certificate[AUDITED_CERTIFICATE_MAX];
	uint8_t whom[AUDITED_PATIENT_MAX];      /* whose pseudonym that is */
	size_t whom_n;
	uint8_t topic[AUDITED_TOPIC_MAX];       /* as it was asked about; of deliveries, which are compared by it */
	size_t topic_n;
	Pullcord__V1__Shadow shadow;
	struct patients patients;
	struct places *places;
	uint64_t lost[RECORD_CLASSES];
	char text[TEXT_BYTES];
	uint8_t packed[AUDITED_BYTES_MAX];
};

enum err fold_open(struct fold **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? OK : ERR_FULL;
}

void fold_use(struct fold *f, const struct patients *p)
{
	f->patients = *p;
}

bool fold_names(const struct fold *f, const struct happening *h)
{
	return h->patient.n || places_in(f->places, h->topic) || patient_words_in(h->detail) || patient_words_in(h->change) ||
	       patient_words_in(h->claimed) || patient_words_in(h->client);
}

void fold_places(struct fold *f, struct places *p)
{
	places_close(&f->places);
	f->places = p;
}

void fold_close(struct fold **f)
{
	if (*f) {
		crypt_wipe(&(*f)->patients, sizeof((*f)->patients));
		places_close(&(*f)->places);
	}
	free(*f);
	*f = NULL;
}

/* The length of a text of at most `max` bytes that ends with a character. */
static size_t whole_characters(struct span s, size_t max)
{
	size_t n = s.n < max ? s.n : max, back = n;

	if (s.n < max)
		return n;
	while (back > 0 && n - back < 3 && (s.p[back - 1] & 0xc0) == 0x80)
		back--;
	/* s.p[back - 1] begins the last character: it goes when its bytes are not all there. */
	return back > 0 && s.p[back - 1] >= 0xc0 && !span_utf8(span(s.p + back - 1, n - back + 1)) ? back - 1 : n;
}

struct span audited_cut(struct span text, size_t max)
{
	return span(text.p, whole_characters(text, max));
}

/* protobuf-c wants a NUL after each text. */
static char *keep(struct fold *f, struct span s, size_t max)
{
	char *text = f->text + f->text_n;
	size_t n = whole_characters(s, max);

	must(f->text_n + n < sizeof(f->text));
	if (n)
		memcpy(text, s.p, n);
	if (!span_utf8(span(text, n)))
		for (size_t i = 0; i < n; i++)
			if ((uint8_t)text[i] >= 0x80 || text[i] == '\0')
				text[i] = '?';
	text[n] = '\0';
	f->text_n += n + 1;
	return text;
}

/* What administrators did, and who somebody claimed to be, comes with pseudonyms by the root key. */
static char *keep_ours(struct fold *f, struct span s, size_t max)
{
	char *text = keep(f, s, max);

	patient_renew(&f->patients, text);
	return text;
}

static char *keep_topic(struct fold *f, struct span topic)
{
	uint8_t text[AUDITED_TOPIC_SHOWN];
	struct put out = put(text, sizeof(text));

	f->topic_n = 0;
	if (topic.n)
		f->topic_n = cut(topic, sizeof(f->topic)).n;
	if (f->topic_n)
		memcpy(f->topic, topic.p, f->topic_n);
	patient_conceal(&f->patients, f->places, audited_cut(span(f->topic, f->topic_n), sizeof(f->topic)), &out);
	must(put_end(&out) == OK);
	return keep(f, put_span(&out), sizeof(text));
}

static ProtobufCBinaryData bytes(void *to, const void *from, size_t n)
{
	if (!from)
		return (ProtobufCBinaryData){ 0, NULL };
	memcpy(to, from, n);
	return (ProtobufCBinaryData){ n, to };
}

static void begin(struct fold *f, const struct happening *h)
{
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;

	f->text_n = 0;
	f->asked = 0;
	e.version = 1;
	e.type = h->type;
	e.outcome = h->outcome;
	e.at_us = (uint64_t)h->at_us;
	e.mono_us = (uint64_t)h->mono_us;
	e.topic = keep_topic(f, h->topic);
	e.message = bytes(&f->message, h->message, sizeof(f->message));
	e.policy = bytes(f->policy, h->policy, sizeof(f->policy));
	e.count = h->count;
	e.until_us = (uint64_t)h->until_us;
	e.last = bytes(&f->last, h->last, sizeof(f->last));
	e.digest = bytes(f->digest, h->digest, sizeof(f->digest));
	e.why = h->why;
	e.retain = h->retain;
	e.life_critical = h->life_critical;
	e.basis = h->basis;
	e.detail = keep_ours(f, h->detail, AUDITED_DETAIL_MAX);
	e.change = keep_ours(f, h->change, AUDITED_CHANGE_MAX);
	e.by = keep(f, h->by, AUDITED_BY_MAX);
	e.claimed = keep_ours(f, h->claimed, AUDITED_CLAIMED_MAX);
	e.certificate = bytes(f->certificate, h->certificate.n == sizeof(f->certificate) ? h->certificate.p : NULL,
			      sizeof(f->certificate));
	e.recipient = f->pointer;
	f->whom_n = cut(h->patient, sizeof(f->whom)).n;
	if (h->patient.n) {
		memcpy(f->whom, h->patient.p, f->whom_n);
		patient_pseudonym(&f->patients, h->patient, f->patient);
		e.patient = (ProtobufCBinaryData){ sizeof(f->patient), f->patient };
	}
	f->event = e;
	f->some = true;
}

static void add_recipient(struct fold *f, const struct happening *h)
{
	Pullcord__V1__AuditEvent *e = &f->event;
	Pullcord__V1__Recipient *to = &f->recipient[e->n_recipient], init = PULLCORD__V1__RECIPIENT__INIT;
	size_t mark = f->text_n;

	*to = init;
	to->client = keep(f, h->client, AUDITED_CLIENT_MAX);
	to->actor = keep(f, h->actor, AUDITED_ACTOR_MAX);
	to->qos = h->qos;
	to->line = h->line;
	to->emergency_us = (uint64_t)h->emergency_us;
	to->how = h->how;
	for (size_t i = 0; i < e->n_recipient; i++) {
		if (strcmp(f->recipient[i].client, to->client) == 0 && strcmp(f->recipient[i].actor, to->actor) == 0) {
			f->text_n = mark;
			return;
		}
	}
	f->pointer[e->n_recipient++] = to;
}

/* A digest is of the same messages; what is none goes with what is none. */
static bool same_sum(const Pullcord__V1__AuditEvent *e, const struct happening *h)
{
	if (!h->digest)
		return e->digest.len == 0 && h->count == 0;
	return e->count == h->count && span_eq(span(e->digest.data, e->digest.len), span(h->digest, 32));
}

/* One delivery is told by message, whom that is about, topic, verdict and what it rests on. Whom it was for, with which QoS
 * and by which line of the policy may differ. */
static bool same_delivery(const struct fold *f, const struct happening *h)
{
	const Pullcord__V1__AuditEvent *e = &f->event;

	return e->type == h->type && span_eq(span(f->whom, f->whom_n), cut(h->patient, sizeof(f->whom))) &&
	       h->message && e->message.len == sizeof(*h->message) &&
	       memcmp(e->message.data, h->message, sizeof(*h->message)) == 0 && e->outcome == h->outcome &&
	       e->why == h->why && e->retain == h->retain && e->life_critical == h->life_critical && e->basis == h->basis &&
	       span_eq(span(e->policy.data, e->policy.len), span(h->policy, h->policy ? 16 : 0)) &&
	       span_eq(cut(h->topic, sizeof(f->topic)), span(f->topic, f->topic_n)) && span_is(h->detail, e->detail) && same_sum(e, h);
}

static bool add_delivery(struct fold *f, const struct happening *h)
{
	if (f->some && (!same_delivery(f, h) || f->event.n_recipient == AUDITED_RECIPIENTS_MAX))
		return false;
	if (!f->some)
		begin(f, h);
	add_recipient(f, h);
	if (f->asked++ == 0 || h->digest)
		return true;
	f->event.count = f->asked;
	f->event.until_us = (uint64_t)h->at_us;
	return true;
}

static void add_shadow(struct fold *f, const struct shadow_verdict *v)
{
	Pullcord__V1__Shadow init = PULLCORD__V1__SHADOW__INIT;

	f->shadow = init;
	f->shadow.policy = bytes(f->shadow_policy, v->policy, sizeof(v->policy));
	f->shadow.access = v->access;
	f->shadow.allow = v->allow;
	f->shadow.why = v->why;
	f->shadow.line = v->line;
	f->shadow.since_us = (uint64_t)v->since_us;
	f->event.shadow = &f->shadow;
	f->event.count = v->count;
}

bool fold_add(struct fold *f, const struct happening *h)
{
	if (h->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER)
		return add_delivery(f, h);
	if (f->some)
		return false;
	begin(f, h);
	f->event.party = h->party;
	f->event.actor = keep(f, h->actor, AUDITED_ACTOR_MAX);
	f->event.client = keep_ours(f, h->client, AUDITED_CLIENT_MAX);
	f->event.address = keep(f, h->address, AUDITED_ADDRESS_MAX);
	f->event.line = h->line;
	f->event.emergency_us = (uint64_t)h->emergency_us;
	f->event.qos = h->qos;
	if (h->shadow)
		add_shadow(f, h->shadow);
	return true;
}

/* What packing adds to the texts: a tag and a length each, and numbers of at most 10 bytes. That it fits is so by these
 * bounds: asking for the size first would cost as much as packing. */
#define PACKED_RECIPIENT_MAX (3 + AUDITED_CLIENT_MAX + AUDITED_ACTOR_MAX + 2 * 2 + 2 * 6 + 9 + 2 + 3)
#define PACKED_REST_MAX 3072
_Static_assert(AUDITED_RECIPIENTS_MAX * PACKED_RECIPIENT_MAX + PACKED_REST_MAX <= AUDITED_BYTES_MAX, "an event has room");

struct span fold_take(struct fold *f)
{
	if (!f->some)
		return span(NULL, 0);
	f->some = false;
	return span(f->packed, pack_event(&f->event, f->packed));
}

struct span fold_own(struct fold *f, Pullcord__V1__AuditType type, const struct gap *g, const struct happening *at,
		     const char *detail)
{
	must(!f->some);
	begin(f, &(struct happening){
		.type = type, .at_us = g ? g->from_us : at->at_us, .mono_us = at ? at->mono_us : 0, .detail = span_str(detail),
		.party = PULLCORD__V1__PARTY__PARTY_BROKER,
	});
	if (!g)
		return fold_take(f);
	memcpy(f->lost, g->lost, sizeof(f->lost));
	f->event.lost = f->lost;
	f->event.n_lost = RECORD_CLASSES;
	f->event.aside = g->aside;
	f->event.count = gap_lost(g);
	f->event.until_us = (uint64_t)g->until_us;
	return fold_take(f);
}

/* ---- readers ---- */

/* These bytes were sealed by us and cannot nest; the limit bounds what unpacking allocates. */
enum err audited_unpack(struct span packed, Pullcord__V1__AuditEvent **out)
{
	if (packed.n > AUDITED_BYTES_MAX)
		return ERR_TOO_LARGE;
	*out = pullcord__v1__audit_event__unpack(NULL, packed.n, packed.p);
	return *out ? OK : ERR_SYNTAX;
}

void audited_free(Pullcord__V1__AuditEvent **e)
{
	if (*e)
		pullcord__v1__audit_event__free_unpacked(*e, NULL);
	*e = NULL;
}
