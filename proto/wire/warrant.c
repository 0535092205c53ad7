#include "warrant.h"

#include "topic.h"

static const char context[] = "pullcord/device-command/v1\n", receipt_context[] = "pullcord/command-receipt/v1\n";

static const struct { Pullcord__V1__CommandKind kind; const char *word; unsigned officers; } kinds[] = {
#define KIND(name, word, officers) { PULLCORD__V1__COMMAND_KIND__COMMAND_##name, word, officers },
	KIND(REPORT, "report", 0)
	KIND(SETTINGS, "settings", 1)
	KIND(RENEW, "renew", 1)
	KIND(LOG_LEVEL, "log-level", 1)
	KIND(QUARANTINE, "quarantine", 1)       /* in haste, and it can be undone */
	KIND(WIPE, "wipe", 2)
#undef KIND
};

const char *warrant_kind_name(Pullcord__V1__CommandKind kind)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].word;
	return NULL;
}

Pullcord__V1__CommandKind warrant_kind(struct span word)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (span_is(word, kinds[i].word))
			return kinds[i].kind;
	return PULLCORD__V1__COMMAND_KIND__COMMAND_NONE;
}

const char *warrant_details(Pullcord__V1__CommandKind kind)
{
	static const char *const details[] = {
#define KIND(name) [PULLCORD__V1__COMMAND_KIND__COMMAND_##name]
		KIND(REPORT) = "", KIND(SETTINGS) = "*", KIND(RENEW) = "", KIND(LOG_LEVEL) = "debug|info|warning|error|file",
		KIND(QUARANTINE) = "on|off", KIND(WIPE) = "",
#undef KIND
	};

	return (size_t)kind < countof(details) ? details[kind] : NULL;
}

bool warrant_detail_ok(Pullcord__V1__CommandKind kind, struct span detail)
{
	struct span rest = span_str(warrant_details(kind));

	if (!warrant_details(kind) || span_is(rest, "*"))
		return warrant_details(kind);
	do
		if (span_eq(span_cut(rest, '|', &rest), detail))
			return true;
	while (rest.p);
	return false;
}

unsigned warrant_officers(Pullcord__V1__CommandKind kind)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].officers;
	return WARRANT_APPROVALS_MAX + 1;
}

/* A person is to see all of what is signed. */
static bool detail_ok(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && s.p[i] != '\n') || s.p[i] == 0x7f)
			return false;
	return s.n <= WARRANT_DETAIL_MAX && span_utf8(s);
}

enum err warrant_write(const struct warrant *w, struct put *out)
{
	const char *kind = warrant_kind_name(w->kind);
	char nonce[2 * WARRANT_NONCE + 1];

	if (!kind)
		return ERR_KIND;
	if (!word_ok(w->tenant) || !word_ok(w->device))
		return ERR_SYNTAX;
	if (w->expires_us < 0 || !detail_ok(w->detail))
		return ERR_RANGE;
	hex_encode(span(w->nonce, sizeof(w->nonce)), nonce);
	put_str(out, context);
	put_fmt(out, "tenant %.*s\ndevice %.*s\ncommand %s\ncounter %llu\nnonce %s\nexpires %lld\ndetail %zu\n",
		SPAN_FMT(w->tenant), SPAN_FMT(w->device), kind, (unsigned long long)w->counter, nonce,
		(long long)w->expires_us, w->detail.n);
	put_bytes(out, w->detail);
	put_str(out, "\n");
	return put_end(out);
}

struct span warrant_line(struct span *text, const char *name)
{
	struct span value = span(NULL, 0), line = span_cut(*text, '\n', text);

	return span_is(span_cut(line, ' ', &value), name) ? value : span(NULL, 0);
}

static bool read_fields(struct span text, struct warrant *w, uint64_t *detail_n)
{
	struct span nonce;
	uint64_t expires;

	w->tenant = warrant_line(&text, "tenant");
	w->device = warrant_line(&text, "device");
	w->kind = warrant_kind(warrant_line(&text, "command"));
	if (!span_u64(warrant_line(&text, "counter"), UINT64_MAX, &w->counter))
		return false;
	nonce = warrant_line(&text, "nonce");
	if (nonce.n != 2 * WARRANT_NONCE || !hex_decode(nonce, w->nonce, sizeof(w->nonce)) ||
	    !span_u64(warrant_line(&text, "expires"), INT64_MAX, &expires) ||
	    !span_u64(warrant_line(&text, "detail"), WARRANT_DETAIL_MAX, detail_n))
		return false;
	w->expires_us = (int64_t)expires;
	w->detail = text;
	return true;
}

/* Written again, it must be the same: so nothing but the one form needs to be refused by hand. */
enum err warrant_read(struct span text, struct warrant *out)
{
	uint8_t again[WARRANT_TEXT_MAX];
	struct put b = put(again, sizeof(again));
	size_t begin = sizeof(context) - 1;
	struct warrant w = { 0 };
	uint64_t n;

	if (text.n < begin || !read_fields(span(text.p + begin, text.n - begin), &w, &n) || w.detail.n != n + 1)
		return ERR_SYNTAX;
	w.detail.n = (size_t)n;
	if (warrant_write(&w, &b) != OK || !span_eq(put_span(&b), text))
		return ERR_SYNTAX;
	*out = w;
	return OK;
}

enum err warrant_of(const Pullcord__V1__DeviceCommand *c, const char *tenant, const char *device, struct warrant *out)
{
	struct warrant w = {
		.tenant = span_str(tenant), .device = span_str(device), .kind = c->command, .counter = c->counter,
		.expires_us = (int64_t)c->expires_us, .detail = span(c->detail.data, c->detail.len),
	};

	if (c->nonce.len != WARRANT_NONCE || c->expires_us > INT64_MAX)
		return ERR_RANGE;
	memcpy(w.nonce, c->nonce.data, WARRANT_NONCE);
	*out = w;
	return OK;
}

enum err receipt_write(const Pullcord__V1__CommandReceipt *r, const char *tenant, const char *device, struct put *out)
{
	const char *kind = warrant_kind_name(r->command);
	char order[2 * SHA256_BYTES + 1];

	if (!kind || r->order.len != SHA256_BYTES || !word_ok(span_str(tenant)) || !word_ok(span_str(device)))
		return ERR_SYNTAX;
	hex_encode(span(r->order.data, r->order.len), order);
	put_str(out, receipt_context);
	put_fmt(out, "tenant %s\ndevice %s\ncommand %s\ncounter %llu\norder %s\noutcome %d\nwhy %zu %s\nat %llu\ntext %zu\n%s\n",
		tenant, device, kind, (unsigned long long)r->counter, order, (int)r->outcome, strlen(r->why), r->why,
		(unsigned long long)r->at_us, strlen(r->text), r->text);
	return put_end(out);
}

/* ---- whose signatures count ---- */

static enum err add_officer(struct officers *o, struct span key)
{
	struct cosigner c;

	TRY(vkey_read(key, &c.name, c.pub));
	if (c.name.n > WARRANT_OFFICER_MAX)
		return ERR_TOO_LARGE;
	for (size_t i = 0; i < o->n; i++)   /* one key under two names would be two officers */
		if (span_eq(o->of[i].name, c.name) || memcmp(o->of[i].pub, c.pub, sizeof(c.pub)) == 0)
			return ERR_EXISTS;
	if (o->n == OFFICERS_MAX)
		return ERR_FULL;
	o->of[o->n++] = c;
	return OK;
}

enum err officers_read(struct span text, struct officers *out, unsigned *line)
{
	struct officers o = { 0 };
	struct span key;

	*line = 0;
	while (vkey_next(&text, &key, line))
		TRY(add_officer(&o, key));
	*line = 0;
	*out = o;
	return OK;
}

enum officer_signature officers_check(const struct officers *list, struct span name, struct span text,
				      const uint8_t sig[SIGN_BYTES], const struct cosigner **who)
{
	*who = NULL;
	for (size_t i = 0; i < list->n && !*who; i++)
		if (span_eq(list->of[i].name, name))
			*who = &list->of[i];
	if (!*who)
		return SIGNATURE_STRANGER;
	return sign_check((*who)->pub, text, sig) == OK ? SIGNATURE_GOOD : SIGNATURE_BAD;
}
