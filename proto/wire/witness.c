#include "witness.h"

#define WORD(name, word, text) word,
#define TEXT(name, word, text) text,
static const char *const words[] = { WITNESS_KINDS(WORD) }, *const texts[] = { WITNESS_KINDS(TEXT) };

const char *witness_word(enum witness_kind k) { return (unsigned)k < countof(words) ? words[k] : "?"; }
const char *witness_text(enum witness_kind k) { return (unsigned)k < countof(texts) ? texts[k] : "?"; }

/* ---- the request ---- */

enum err witness_read(struct span body, struct witness_request *out)
{
	struct witness_request r = { 0 };
	struct span rest, line = span_cut(body, '\n', &rest), size;

	if (body.n > WITNESS_BODY_MAX)
		return ERR_TOO_LARGE;
	if (!span_is(span_cut(line, ' ', &size), "old") || !span_u64(size, UINT64_MAX, &r.old) ||
	    (size.n > 1 && size.p[0] == '0'))
		return ERR_SYNTAX;
	while ((line = span_cut(rest, '\n', &rest)).n) {
		if (r.hashes == WITNESS_HASHES_MAX)
			return ERR_TOO_LARGE;
		if (base64_decode(line, r.hash[r.hashes].b, SHA256_BYTES) != SHA256_BYTES)
			return ERR_SYNTAX;
		r.hashes++;
	}
	if (!rest.n)
		return ERR_SYNTAX;
	r.note = rest;
	*out = r;
	return OK;
}

enum err witness_write(const struct witness_request *r, struct put *out)
{
	char b64[45];

	must(r->hashes <= WITNESS_HASHES_MAX);
	put_fmt(out, "old %llu\n", (unsigned long long)r->old);
	for (size_t i = 0; i < r->hashes; i++) {
		base64_encode(span(r->hash[i].b, SHA256_BYTES), b64);
		put_fmt(out, "%s\n", b64);
	}
	put_str(out, "\n");
	put_bytes(out, r->note);
	return put_end(out);
}

/* ---- the judgement ---- */

static enum witness_kind read_note(const struct cosigner *log, const struct witness_request *r, struct checkpoint *out)
{
	struct span rest;

	if (!span_eq(span_cut(r->note, '\n', &rest), log->name))
		return WITNESS_UNKNOWN_ORIGIN;
	switch (note_open(r->note, log->name, log->pub, out)) {
	case OK: return r->old > out->size ? WITNESS_MALFORMED : WITNESS_ACCEPTED;
	case ERR_KEY: return WITNESS_BAD_SIGNATURE;
	default: return WITNESS_MALFORMED;
	}
}

/* One size, one tree. */
static enum witness_kind judge_same(const struct witnessed *last, const struct witness_request *r,
				    const struct checkpoint *c)
{
	if (memcmp(last->root.b, c->root.b, SHA256_BYTES) != 0)
		return WITNESS_FORK;
	if (r->old != last->size)
		return WITNESS_TOO_OLD;
	return r->hashes ? WITNESS_BAD_PROOF : WITNESS_ACCEPTED;
}

static enum witness_kind judge_larger(const struct witnessed *last, const struct witness_request *r,
				      const struct checkpoint *c)
{
	if (r->old != last->size)
		return WITNESS_TOO_OLD;
	if (last->size == 0)
		return r->hashes ? WITNESS_BAD_PROOF : WITNESS_ACCEPTED;
	if (tree_check_consistency(last->size, c->size, r->hash, r->hashes, &last->root, &c->root) == OK)
		return WITNESS_ACCEPTED;
	return tree_forks(last->size, c->size, r->hash, r->hashes, &last->root, &c->root) ? WITNESS_FORK : WITNESS_BAD_PROOF;
}

enum witness_kind witness_judge(const struct witnessed *last, const struct cosigner *log, const struct witness_request *r,
				bool newest, struct checkpoint *out)
{
	struct checkpoint c;
	enum witness_kind k = read_note(log, r, &c);

	if (k == WITNESS_UNKNOWN_ORIGIN || k == WITNESS_BAD_SIGNATURE || k == WITNESS_MALFORMED)
		return k;
	*out = c;
	if (c.size < last->size)
		return newest ? WITNESS_REWIND : WITNESS_TOO_OLD;
	return c.size == last->size && c.size ? judge_same(last, r, &c) : judge_larger(last, r, &c);
}

bool witness_contradicts(enum witness_kind k, bool newest)
{
	return k == WITNESS_FORK || k == WITNESS_REWIND || (k == WITNESS_BAD_PROOF && newest);
}

/* ---- whose cosignatures count ---- */

static enum err add_witness(struct witnesses *w, struct span key)
{
	struct cosigner c;

	TRY(cosigner_read(key, &c));
	for (size_t i = 0; i < w->n; i++)
		if (span_eq(w->of[i].name, c.name))
			return ERR_EXISTS;
	if (w->n == WITNESSES_MAX)
		return ERR_FULL;
	w->of[w->n++] = c;
	return OK;
}

enum err witnesses_read(struct span text, struct witnesses *out, unsigned *line)
{
	struct witnesses w = { 0 };
	struct span key;

	*line = 0;
	while (vkey_next(&text, &key, line))
		TRY(add_witness(&w, key));
	*line = 0;
	*out = w;
	return OK;
}

size_t witness_majority(size_t n) { return n ? n / 2 + 1 : 0; }

uint64_t witness_quorum_size(const uint64_t *size, size_t n, size_t k)
{
	uint64_t best = 0;

	for (size_t i = 0; k && i < n; i++) {
		size_t vouch = 0;

		for (size_t j = 0; j < n; j++)
			vouch += size[j] >= size[i];
		if (vouch >= k && size[i] > best)
			best = size[i];
	}
	return best;
}
