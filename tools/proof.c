#include "proof.h"

#define HEAD "c2sp.org/tlog-proof@v1"
enum { EXTRA_ENTRY = 1, EXTRA_DISCLOSED = 2 };

static enum err read_extra(struct span text, struct proof *p)
{
	static const size_t most = 1 + AEAD_KEY_BYTES + ENTRY_BYTES_MAX;
	uint8_t raw[1 + AEAD_KEY_BYTES + ENTRY_BYTES_MAX + 3];
	long n = text.n > 4 * (most / 3 + 1) ? -1 : base64_decode(text, raw, sizeof(raw));
	struct cur c = cur(span(raw, n > 0 ? (size_t)n : 0));
	uint8_t kind = cur_u8(&c);
	struct span key, entry;

	if (n < 0 || (kind != EXTRA_ENTRY && kind != EXTRA_DISCLOSED))
		return ERR_SYNTAX;
	p->has_key = kind == EXTRA_DISCLOSED;
	key = cur_take(&c, p->has_key ? AEAD_KEY_BYTES : 0);
	entry = cur_take(&c, c.left.n);
	if (cur_end(&c) != OK || entry.n == 0 || entry.n > sizeof(p->entry))
		return ERR_SYNTAX;
	if (p->has_key)
		memcpy(p->key, key.p, key.n);
	memcpy(p->entry, entry.p, entry.n);
	p->entry_n = entry.n;
	crypt_wipe(raw, sizeof(raw));
	return OK;
}

/* The rest of a line that begins with a word and a blank. */
static enum err line_of(struct span *text, const char *word, struct span *value)
{
	struct span line = span_cut(*text, '\n', text);

	return span_is(span_cut(line, ' ', value), word) && value->n ? OK : ERR_SYNTAX;
}

enum err proof_read(struct span text, struct proof *p)
{
	struct span line = span_cut(text, '\n', &text), value;

	if (!span_is(line, HEAD))
		return ERR_VERSION;
	TRY(line_of(&text, "extra", &value));
	TRY(read_extra(value, p));
	TRY(line_of(&text, "index", &value));
	if (!span_u64(value, UINT64_MAX - 1, &p->index) || (value.n > 1 && value.p[0] == '0'))
		return ERR_SYNTAX;
	for (p->hashes = 0; (line = span_cut(text, '\n', &text)).n; p->hashes++)
		if (p->hashes == TREE_PROOF_MAX ||
		    base64_decode(line, p->hash[p->hashes].b, sizeof(p->hash->b)) != (long)sizeof(p->hash->b))
			return ERR_SYNTAX;
	if (text.n == 0 || text.n > sizeof(p->note))
		return text.n ? ERR_TOO_LARGE : ERR_SYNTAX;
	memcpy(p->note, text.p, text.n);
	p->note_n = text.n;
	return OK;
}

void proof_write(const struct proof *p, struct put *out)
{
	uint8_t raw[1 + AEAD_KEY_BYTES + ENTRY_BYTES_MAX];
	struct put extra = put(raw, sizeof(raw));

	put_u8(&extra, p->has_key ? EXTRA_DISCLOSED : EXTRA_ENTRY);
	if (p->has_key)
		put_bytes(&extra, span(p->key, sizeof(p->key)));
	put_bytes(&extra, span(p->entry, p->entry_n));
	put_str(out, HEAD "\nextra ");
	put_base64(out, put_span(&extra));
	put_fmt(out, "\nindex %llu\n", (unsigned long long)p->index);
	for (size_t i = 0; i < p->hashes; i++) {
		put_base64(out, span(p->hash[i].b, sizeof(p->hash[i].b)));
		put_u8(out, '\n');
	}
	put_u8(out, '\n');
	put_bytes(out, span(p->note, p->note_n));
	crypt_wipe(raw, sizeof(raw));
}

enum err proof_check(const struct proof *p, struct span origin, const uint8_t pub[SIGN_KEY_BYTES], struct checkpoint *out,
		     bool *signature)
{
	struct hash leaf = tree_leaf(span(p->entry, p->entry_n));
	struct checkpoint c;

	*signature = false;
	TRY(note_open(span(p->note, p->note_n), origin, pub, &c));
	*signature = true;
	*out = c;
	return tree_check_inclusion(p->index, c.size, &leaf, p->hash, p->hashes, &c.root);
}
