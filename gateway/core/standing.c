#include "standing.h"

#define LAYOUT 1
static const char magic[] = "pullcord orders";

static void put_counted(struct put *b, struct span s)
{
	put_u16(b, (uint16_t)s.n);
	put_bytes(b, s);
}

static void put_receipt(struct put *b, const struct standing_receipt *r)
{
	put_u8(b, (uint8_t)r->kind);
	put_u64(b, r->counter);
	put_bytes(b, span(r->order, sizeof(r->order)));
	put_u8(b, (uint8_t)r->outcome);
	put_u8(b, (uint8_t)r->why);
	put_counted(b, span_str(r->text));
	put_u64(b, (uint64_t)r->at_us);
	put_counted(b, span(r->cert, r->cert_n));
	put_counted(b, span(r->sig, r->sig_n));
}

enum err standing_write(const struct standing *s, struct put *out)
{
	uint8_t sum[SHA256_BYTES];
	size_t start = out->n;

	put_bytes(out, span(magic, sizeof(magic) - 1));
	put_u8(out, LAYOUT);
	put_u64(out, s->executed);
	put_bytes(out, span(s->nonce, sizeof(s->nonce)));
	put_u8(out, s->quarantined);
	put_u8(out, (uint8_t)s->wipe);
	put_counted(out, span_str(s->log_level));
	put_counted(out, span_str(s->settings));
	put_receipt(out, &s->last);
	TRY(put_end(out));
	SHA256(sum, span(out->p + start, out->n - start));
	put_bytes(out, span(sum, sizeof(sum)));
	return put_end(out);
}

static void take_bytes(struct cur *c, uint8_t *out, size_t n)
{
	struct span s = cur_take(c, n);

	if (s.n == n)
		memcpy(out, s.p, n);
}

static void take_text(struct cur *c, char *out, size_t cap)
{
	c->bad |= !span_text(cur_take(c, cur_u16(c)), out, cap);
}

static size_t take_counted(struct cur *c, uint8_t *out, size_t cap)
{
	struct span s = cur_take(c, cur_u16(c));

	c->bad |= s.n > cap;
	if (c->bad)
		return 0;
	if (s.n)
		memcpy(out, s.p, s.n);
	return s.n;
}

static unsigned take_below(struct cur *c, unsigned end)
{
	unsigned v = cur_u8(c);

	c->bad |= v >= end;
	return c->bad ? 0 : v;
}

static void take_receipt(struct cur *c, struct standing_receipt *r)
{
	r->kind = (Pullcord__V1__CommandKind)take_below(c, PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE + 1);
	r->counter = cur_u64(c);
	take_bytes(c, r->order, sizeof(r->order));
	r->outcome = (Pullcord__V1__CommandOutcome)take_below(c, PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_REFUSED + 1);
	r->why = (enum order_verdict)take_below(c, ORDER_VERDICT_COUNT);
	take_text(c, r->text, sizeof(r->text));
	r->at_us = (int64_t)cur_u64(c);
	r->cert_n = take_counted(c, r->cert, sizeof(r->cert));
	r->sig_n = take_counted(c, r->sig, sizeof(r->sig));
}

static enum err take_all(struct cur *c, struct standing *s)
{
	s->executed = cur_u64(c);
	take_bytes(c, s->nonce, sizeof(s->nonce));
	s->quarantined = take_below(c, 2);
	s->wipe = (enum standing_wipe)take_below(c, WIPE_STAGES);
	take_text(c, s->log_level, sizeof(s->log_level));
	take_text(c, s->settings, sizeof(s->settings));
	take_receipt(c, &s->last);
	return cur_end(c);
}

enum err standing_read(struct span bytes, struct standing *out)
{
	struct standing s = { 0 };
	uint8_t sum[SHA256_BYTES];
	struct cur c = cur(bytes);
	size_t n = bytes.n - sizeof(sum);

	if (bytes.n < sizeof(magic) + sizeof(sum) || !span_is(cur_take(&c, sizeof(magic) - 1), magic))
		return ERR_CORRUPT;
	SHA256(sum, span(bytes.p, n));
	if (memcmp(sum, bytes.p + n, sizeof(sum)) != 0)
		return ERR_CORRUPT;
	if (cur_u8(&c) != LAYOUT)
		return ERR_VERSION;
	c.left.n -= sizeof(sum);
	if (take_all(&c, &s) != OK)
		return ERR_CORRUPT;
	*out = s;
	return OK;
}

void standing_obey(struct standing *s, const struct order *o, const uint8_t nonce[WARRANT_NONCE], int64_t now_us)
{
	s->executed = o->counter;
	memcpy(s->nonce, nonce, WARRANT_NONCE);
	s->last = (struct standing_receipt){
		.kind = o->kind, .counter = o->counter, .outcome = PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_BEGUN, .at_us = now_us,
	};
	memcpy(s->last.order, o->hash, SHA256_BYTES);
	switch (o->kind) {
	case PULLCORD__V1__COMMAND_KIND__COMMAND_SETTINGS:
		must(span_text(o->detail, s->settings, sizeof(s->settings)));
		break;
	case PULLCORD__V1__COMMAND_KIND__COMMAND_LOG_LEVEL:
		must(span_text(span_is(o->detail, "file") ? SPAN_LIT("") : o->detail, s->log_level, sizeof(s->log_level)));
		break;
	case PULLCORD__V1__COMMAND_KIND__COMMAND_QUARANTINE:
		s->quarantined = span_is(o->detail, "on");
		break;
	case PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE:
		s->wipe = WIPE_BEGUN;
		break;
	default:
		break;
	}
}

static ProtobufCBinaryData binary(const uint8_t *p, size_t n) { return (ProtobufCBinaryData){ n, (uint8_t *)(uintptr_t)p }; }

void standing_message(const struct standing_receipt *r, Pullcord__V1__CommandReceipt *out)
{
	pullcord__v1__command_receipt__init(out);
	out->command = r->kind;
	out->counter = r->counter;
	out->order = binary(r->order, sizeof(r->order));
	out->outcome = r->outcome;
	out->why = (char *)(uintptr_t)order_word(r->why);
	out->text = (char *)(uintptr_t)r->text;
	out->at_us = (uint64_t)r->at_us;
	out->certificate = binary(r->cert, r->cert_n);
	out->signature = binary(r->sig, r->sig_n);
}
