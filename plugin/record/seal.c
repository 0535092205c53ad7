#include "seal.h"

#include "forward.h"

#define ENTRY_VERSION 1
#define ENTRY_HEAD 10           /* version, kind, segment, seq */

static const uint8_t nonce[AEAD_NONCE_BYTES];

static struct span take_text(struct cur *c)
{
	return cur_take(c, cur_u16(c));
}

static void take_digest(struct cur *c, uint8_t out[SHA256_BYTES])
{
	struct span s = cur_take(c, SHA256_BYTES);

	if (!c->bad)
		memcpy(out, s.p, SHA256_BYTES);
}

static void read_control(struct cur *c, struct entry *e)
{
	uint8_t flag;

	e->type = cur_u8(c);
	e->at_us = (int64_t)cur_u64(c);
	switch (e->type) {
	case CONTROL_GENESIS:
		e->vkey = take_text(c);
		e->before = take_text(c);
		c->bad = c->bad || e->before.n > NOTE_BYTES_MAX;
		break;
	case CONTROL_SEGMENT_OPEN:
		e->segment = cur_u32(c);
		e->keep = cur_u16(c);
		take_digest(c, e->commitment);
		return;
	case CONTROL_SEGMENT_ERASED:
		e->segment = cur_u32(c);
		take_digest(c, e->commitment);
		e->who = take_text(c);
		e->second = take_text(c);
		break;
	case CONTROL_HOLD:
		e->segment = cur_u32(c);
		flag = cur_u8(c);
		c->bad = c->bad || flag > 1;
		e->held = flag;
		e->who = take_text(c);
		e->second = take_text(c);
		break;
	case CONTROL_LINE_BEGIN:
	case CONTROL_LINE_MARK:
		e->number = cur_u64(c);
		take_digest(c, e->commitment);
		return;
	case CONTROL_LINE_ROOT:
		e->depth = cur_u8(c);
		e->every_us = (int64_t)cur_u64(c);
		take_digest(c, e->commitment);
		c->bad = c->bad || e->depth < FORWARD_DEPTH_MIN || e->depth > FORWARD_DEPTH_MAX || e->every_us < 1 ||
			 e->every_us > EPOCH_US_MAX;
		return;
	case CONTROL_EPOCH_END:
		e->number = cur_u64(c);
		flag = cur_u8(c);
		c->bad = c->bad || flag > 1;
		e->clock_set = flag;
		return;
	}
	e->reason = take_text(c);
}

static bool known_control(enum control_type type)
{
	return type >= CONTROL_GENESIS && type <= CONTROL_EPOCH_END;
}

enum err entry_read(struct span raw, struct entry *out)
{
	struct cur c = cur(raw);
	struct entry e = { 0 };
	uint8_t version = cur_u8(&c);

	e.kind = cur_u8(&c);
	if (c.bad)
		return ERR_SHORT;
	if (raw.n > ENTRY_BYTES_MAX)
		return ERR_TOO_LARGE;
	if (version != ENTRY_VERSION || e.kind < ENTRY_SEALED || e.kind > ENTRY_ERASED)
		return ERR_VERSION;
	if (e.kind == ENTRY_CONTROL) {
		if (c.left.n && !known_control(c.left.p[0]))
			return ERR_VERSION;
		read_control(&c, &e);
	} else {
		e.segment = cur_u32(&c);
		e.seq = cur_u32(&c);
	}
	if (e.kind == ENTRY_SEALED) {
		e.sealed = cur_take(&c, c.left.n);
		c.bad = c.bad || e.sealed.n < AEAD_TAG_BYTES;
	}
	TRY(cur_end(&c));
	*out = e;
	return OK;
}

static void put_text(struct put *b, struct span s)
{
	put_u16(b, (uint16_t)s.n);
	put_bytes(b, s);
}

static void put_words(struct put *b, struct span s)
{
	put_text(b, span(s.p, s.n < ENTRY_TEXT_MAX ? s.n : ENTRY_TEXT_MAX));
}

static void write_genesis(const struct entry *e, struct put *out)
{
	must(e->vkey.n <= UINT16_MAX && e->before.n <= NOTE_BYTES_MAX);
	put_text(out, e->vkey);
	put_text(out, e->before);
	put_words(out, e->reason);
}

void entry_write_control(const struct entry *e, struct put *out)
{
	put_u8(out, ENTRY_VERSION);
	put_u8(out, ENTRY_CONTROL);
	put_u8(out, (uint8_t)e->type);
	put_u64(out, (uint64_t)e->at_us);
	switch (e->type) {
	case CONTROL_GENESIS:
		write_genesis(e, out);
		return;
	case CONTROL_SEGMENT_OPEN:
		put_u32(out, e->segment);
		put_u16(out, e->keep);
		put_bytes(out, span(e->commitment, sizeof(e->commitment)));
		return;
	case CONTROL_SEGMENT_ERASED:
		put_u32(out, e->segment);
		put_bytes(out, span(e->commitment, sizeof(e->commitment)));
		put_words(out, e->who);
		put_words(out, e->second);
		put_words(out, e->reason);
		return;
	case CONTROL_HOLD:
		put_u32(out, e->segment);
		put_u8(out, e->held);
		put_words(out, e->who);
		put_words(out, e->second);
		put_words(out, e->reason);
		return;
	case CONTROL_LINE_BEGIN:
	case CONTROL_LINE_MARK:
		put_u64(out, e->number);
		put_bytes(out, span(e->commitment, sizeof(e->commitment)));
		return;
	case CONTROL_LINE_ROOT:
		put_u8(out, e->depth);
		put_u64(out, (uint64_t)e->every_us);
		put_bytes(out, span(e->commitment, sizeof(e->commitment)));
		return;
	case CONTROL_EPOCH_END:
		put_u64(out, e->number);
		put_u8(out, e->clock_set);
		return;
	}
	must(false);
}

void entry_write_erased(uint32_t segment, uint32_t seq, struct put *out)
{
	put_u8(out, ENTRY_VERSION);
	put_u8(out, ENTRY_ERASED);
	put_u32(out, segment);
	put_u32(out, seq);
}

bool keep_read(struct span text, uint16_t *keep)
{
	uint8_t unit = text.n ? text.p[text.n - 1] : 0;
	uint64_t n;

	if (!text.n || !span_u64(span(text.p, text.n - 1), 999, &n) || n == 0 || (unit != 'y' && unit != 'd'))
		return false;
	*keep = (uint16_t)(n | (unit == 'd' ? KEEP_DAYS : 0));
	return true;
}

void keep_write(uint16_t keep, char out[KEEP_TEXT_MAX])
{
	struct put b = put(out, KEEP_TEXT_MAX);  /* what formats counts the NUL */

	if (keep_year(keep))
		put_fmt(&b, "of %u", keep_year(keep));
	else
		put_fmt(&b, "%u%c", keep & (KEEP_DAYS - 1u), keep & KEEP_DAYS ? 'd' : 'y');
	out[b.n] = '\0';
}

void seal_init(struct seal *s, struct span origin)
{
	SHA256(s->origin, origin);
}

void segment_commitment(const struct segment_key *k, uint8_t out[SHA256_BYTES])
{
	HMAC256_BY(out, &k->of_records, SPAN_LIT("alog key commitment v1"));
}

void segment_key_ready(struct segment_key *k)
{
	hmac_key_init(&k->of_records, span(k->b, sizeof(k->b)));
}

/* `head` is entry[0..9]: its segment and seq make the key, all of it is bound to the ciphertext. */
static void record_key(const struct segment_key *k, const uint8_t head[ENTRY_HEAD], uint8_t key[AEAD_KEY_BYTES])
{
	HMAC256_BY(key, &k->of_records, SPAN_LIT("alog record v1"), span(head + 2, 8));
}

static void bind(const struct seal *s, const uint8_t head[ENTRY_HEAD], uint8_t aad[SHA256_BYTES + ENTRY_HEAD])
{
	memcpy(aad, s->origin, SHA256_BYTES);
	memcpy(aad + SHA256_BYTES, head, ENTRY_HEAD);
}

enum err entry_seal(const struct seal *s, const struct segment_key *k, uint32_t segment, uint32_t seq, struct span text,
		    struct put *out)
{
	uint8_t key[AEAD_KEY_BYTES], aad[SHA256_BYTES + ENTRY_HEAD];
	enum err e;

	if (text.n > ENTRY_BYTES_MAX - ENTRY_SEAL_EXTRA || out->cap - out->n < text.n + ENTRY_SEAL_EXTRA)
		return ERR_TOO_LARGE;
	must(out->n == 0);
	put_u8(out, ENTRY_VERSION);
	put_u8(out, ENTRY_SEALED);
	put_u32(out, segment);
	put_u32(out, seq);
	record_key(k, out->p, key);
	bind(s, out->p, aad);
	e = aead_seal(key, nonce, span(aad, sizeof(aad)), text, out->p + ENTRY_HEAD);
	crypt_wipe(key, sizeof(key));
	TRY(e);
	out->n += text.n + AEAD_TAG_BYTES;
	return put_end(out);
}

/* As entry_read() judges it, which only has to be asked for the reason why not. */
static enum err check_sealed(struct span raw)
{
	struct entry entry;

	if (raw.n >= ENTRY_SEAL_EXTRA && raw.n <= ENTRY_BYTES_MAX && raw.p[0] == ENTRY_VERSION && raw.p[1] == ENTRY_SEALED)
		return OK;
	TRY(entry_read(raw, &entry));
	return ERR_KIND;
}

enum err entry_key(const struct segment_key *k, struct span raw, uint8_t key[AEAD_KEY_BYTES])
{
	TRY(check_sealed(raw));
	record_key(k, raw.p, key);
	return OK;
}

static enum err open_sealed(const struct seal *s, const uint8_t key[AEAD_KEY_BYTES], struct span raw, struct put *text)
{
	struct span sealed = span(raw.p + ENTRY_HEAD, raw.n - ENTRY_HEAD);
	uint8_t aad[SHA256_BYTES + ENTRY_HEAD];

	if (text->cap - text->n < sealed.n)
		return ERR_TOO_LARGE;
	bind(s, raw.p, aad);
	TRY(aead_open(key, nonce, span(aad, sizeof(aad)), sealed, text->p + text->n));
	text->n += sealed.n - AEAD_TAG_BYTES;
	return OK;
}

enum err entry_open_alone(const struct seal *s, const uint8_t key[AEAD_KEY_BYTES], struct span raw, struct put *text)
{
	TRY(check_sealed(raw));
	return open_sealed(s, key, raw, text);
}

enum err entry_open(const struct seal *s, const struct segment_key *k, struct span raw, struct put *text)
{
	uint8_t key[AEAD_KEY_BYTES];
	enum err e = entry_key(k, raw, key);

	if (e == OK)
		e = open_sealed(s, key, raw, text);
	crypt_wipe(key, sizeof(key));
	return e;
}
