#include "carried.h"


#include "topic.h"
#include "words.h"

/* Names of officers are words parted by '/'. */
static bool is_name(struct span s)
{
	if (s.n > WARRANT_OFFICER_MAX)
		return false;
	do
		if (!word_ok(span_cut(s, '/', &s)))
			return false;
	while (s.p);
	return true;
}

/* As in the officer's verifier key. Senders of before name no key. */
static void put_officer(struct put *b, const Pullcord__V1__Approval *a)
{
	char hex[2 * NOTE_KEY_ID + 1];

	put_str(b, is_name(span_str(a->officer)) ? a->officer : "?");
	if (a->key.len != NOTE_KEY_ID)
		return;
	hex_encode(span(a->key.data, NOTE_KEY_ID), hex);
	put_fmt(b, "+%s", hex);
}

/* What does not fit is left out, and said to be. */
static void put_officers(struct put *b, const Pullcord__V1__DeviceCommand *c)
{
	for (size_t i = 0; i < c->n_approval; i++) {
		struct put room = put(b->p, b->cap - sizeof(" and more"));

		room.n = b->n;
		put_str(&room, i ? " and " : " by ");
		put_officer(&room, c->approval[i]);
		if (put_end(&room) != OK) {
			put_str(b, " and more");
			return;
		}
		b->n = room.n;
	}
}

static void put_order(struct put *b, Pullcord__V1__CommandKind kind, uint64_t counter, const uint8_t hash[SHA256_BYTES])
{
	char hex[2 * SHA256_BYTES + 1];

	hex_encode(span(hash, SHA256_BYTES), hex);
	put_fmt(b, "%s %llu order %s", warrant_kind_name(kind), (unsigned long long)counter, hex);
}

bool carried_order(const Pullcord__V1__DeviceCommand *c, const char *tenant, const char *device, char out[CARRIED_TEXT_MAX])
{
	struct put b = put(out, CARRIED_TEXT_MAX - 1), text;
	uint8_t room[WARRANT_TEXT_MAX], hash[SHA256_BYTES];
	struct warrant w;

	text = put(room, sizeof(room));
	if (!c->n_approval || !warrant_kind_name(c->command) || warrant_of(c, tenant, device, &w) != OK ||
	    warrant_write(&w, &text) != OK)
		return false;
	SHA256(hash, put_span(&text));
	put_order(&b, c->command, c->counter, hash);
	put_officers(&b, c);
	out[b.n] = '\0';
	return true;
}

bool carried_receipt(const Pullcord__V1__CommandReceipt *r, char out[CARRIED_TEXT_MAX], bool *done)
{
	static const char *const words[] = {
		[PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_BEGUN] = "begun", [PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_DONE] = "done",
		[PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_FAILED] = "failed", [PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_REFUSED] = "refused",
	};
	struct put b = put(out, CARRIED_TEXT_MAX - 1);

	if (!r || !warrant_kind_name(r->command) || r->order.len != SHA256_BYTES || (size_t)r->outcome >= countof(words) ||
	    !words[r->outcome])
		return false;
	*done = r->outcome == PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_BEGUN || r->outcome == PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_DONE;
	put_order(&b, r->command, r->counter, r->order.data);
	put_fmt(&b, ": %s", words[r->outcome]);
	if (*r->why) {
		put_str(&b, ", ");
		put_str(&b, word_ok(span_str(r->why)) ? r->why : "?");
	}
	if (r->certificate.len && r->signature.len)
		put_str(&b, ", signed");
	out[b.n] = '\0';
	return true;
}

bool carried_is_new(struct carried_seen *seen, struct span device, const char *text)
{
	uint8_t room[WORD_BYTES_MAX + 1 + CARRIED_TEXT_MAX];
	struct put b = put(room, sizeof(room));
	uint64_t tag, *bucket;

	put_bytes(&b, device);
	put_u8(&b, 0);
	put_str(&b, text);
	if (put_end(&b) != OK)
		return true;
	tag = words_hash(seen->key, put_span(&b)) | 1;
	bucket = seen->tag[(tag >> 1) % CARRIED_BUCKETS];
	for (int i = 0; i < CARRIED_WAYS; i++)
		if (bucket[i] == tag)
			return false;
	memmove(bucket + 1, bucket, (CARRIED_WAYS - 1) * sizeof(*bucket));
	bucket[0] = tag;
	return true;
}
