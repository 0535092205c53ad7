#include "forward.h"

#define TYPE "\xffpullcord fs1"
#define RAW_MAX (NOTE_KEY_ID + 4 + SIGN_KEY_BYTES + FORWARD_DEPTH_MAX * SHA256_BYTES + SIGN_BYTES)

void forward_seed_next(uint8_t seed[FORWARD_SEED_BYTES])
{
	uint8_t next[FORWARD_SEED_BYTES];

	HMAC256(next, span(seed, FORWARD_SEED_BYTES), SPAN_LIT("fs1 next"));
	memcpy(seed, next, sizeof(next));
	crypt_wipe(next, sizeof(next));
}

static void secret_of(const uint8_t seed[FORWARD_SEED_BYTES], uint8_t secret[SIGN_KEY_BYTES])
{
	HMAC256(secret, span(seed, FORWARD_SEED_BYTES), SPAN_LIT("fs1 sig"));
}

enum err forward_public(const uint8_t seed[FORWARD_SEED_BYTES], forward_pub pub)
{
	uint8_t secret[SIGN_KEY_BYTES];
	enum err e;

	secret_of(seed, secret);
	e = sign_public(secret, pub);
	crypt_wipe(secret, sizeof(secret));
	return e;
}

/* ---- the tree of the public keys ---- */

static struct hash leaf_of(const forward_pub pub)
{
	return tree_leaf(span(pub, SIGN_KEY_BYTES));
}

static struct hash root_of(const forward_pub *pub, uint32_t n)
{
	struct tree t = { .size = 0 };

	for (uint32_t i = 0; i < n; i++) {
		struct hash leaf = leaf_of(pub[i]);

		tree_append(&t, &leaf);
	}
	return tree_root(&t);
}

/* What stands to the right of an epoch, in the levels below `top`: keys to come. */
static void path_ahead(const forward_pub *pub, uint32_t epoch, unsigned top, struct hash *path)
{
	for (unsigned l = 0; l < top; l++)
		path[l] = root_of(pub + (((epoch >> l) ^ 1) << l), 1u << l);
}

void forward_first(const forward_pub *pub, unsigned depth, struct forward_root *root, struct forward_key *out)
{
	must(depth >= FORWARD_DEPTH_MIN && depth <= FORWARD_DEPTH_MAX);
	*root = (struct forward_root){ .depth = (uint8_t)depth, .hash = root_of(pub, forward_epochs(depth)) };
	*out = (struct forward_key){ .epoch = 0 };
	memcpy(out->pub, pub[0], sizeof(out->pub));
	path_ahead(pub, 0, depth, out->path);
}

enum err forward_fits(const struct forward_root *root, const struct forward_key *k)
{
	struct hash leaf = leaf_of(k->pub);

	return tree_check_inclusion(k->epoch, forward_epochs(root->depth), &leaf, k->path, root->depth, &root->hash);
}

/* Where the epoch's number has its lowest bit that is set, a subtree is behind it now: what is left of it on the old path and the
 * old key fold to its root. Above that nothing changes, and below it all is ahead. */
enum err forward_next(const struct forward_root *root, const struct forward_key *now, const forward_pub *pub,
		      struct forward_key *out)
{
	struct hash behind = leaf_of(now->pub);
	struct forward_key k = *now;
	unsigned top = 0;

	if (++k.epoch >= forward_epochs(root->depth))
		return ERR_RANGE;
	for (; !(k.epoch >> top & 1); top++)
		behind = tree_node(&now->path[top], &behind);
	k.path[top] = behind;
	path_ahead(pub, k.epoch, top, k.path);
	memcpy(k.pub, pub[k.epoch], sizeof(k.pub));
	TRY(forward_fits(root, &k));
	*out = k;
	return OK;
}

/* ---- the line ---- */

static void id_of(struct span name, const struct forward_root *root, uint8_t id[NOTE_KEY_ID])
{
	uint8_t typed[sizeof(TYPE) - 1 + SHA256_BYTES];

	memcpy(typed, TYPE, sizeof(TYPE) - 1);
	memcpy(typed + sizeof(TYPE) - 1, root->hash.b, SHA256_BYTES);
	note_key_id(name, span(typed, sizeof(typed)), id);
}

static size_t raw_bytes(const struct forward_root *root)
{
	return NOTE_KEY_ID + 4 + SIGN_KEY_BYTES + root->depth * (size_t)SHA256_BYTES + SIGN_BYTES;
}

enum err forward_sign(struct span text, struct span name, const struct forward_root *root, const struct forward_key *k,
		      const uint8_t seed[FORWARD_SEED_BYTES], struct put *out)
{
	uint8_t raw[RAW_MAX], id[NOTE_KEY_ID], sig[SIGN_BYTES], secret[SIGN_KEY_BYTES];
	struct put b = put(raw, sizeof(raw));
	enum err e;

	id_of(name, root, id);
	secret_of(seed, secret);
	e = sign_make(secret, text, sig);
	crypt_wipe(secret, sizeof(secret));
	TRY(e);
	put_bytes(&b, span(id, sizeof(id)));
	put_u32(&b, k->epoch);
	put_bytes(&b, span(k->pub, sizeof(k->pub)));
	put_bytes(&b, span(k->path, root->depth * sizeof(*k->path)));
	put_bytes(&b, span(sig, sizeof(sig)));
	must(put_end(&b) == OK);
	return note_put_line(name, put_span(&b), out);
}

static enum err check_line(struct span text, const struct forward_root *root, const uint8_t *raw, uint32_t *epoch)
{
	struct cur c = cur(span(raw + NOTE_KEY_ID, raw_bytes(root) - NOTE_KEY_ID));
	struct forward_key k = { .epoch = cur_u32(&c) };
	struct span pub = cur_take(&c, sizeof(k.pub)), path = cur_take(&c, root->depth * sizeof(*k.path)),
		    sig = cur_take(&c, SIGN_BYTES);

	must(cur_end(&c) == OK);
	memcpy(k.pub, pub.p, pub.n);
	memcpy(k.path, path.p, path.n);
	if (forward_fits(root, &k) != OK)
		return ERR_KEY;
	TRY(sign_check(k.pub, text, sig.p));
	*epoch = k.epoch;
	return OK;
}

enum err forward_check(struct span note, struct span name, const struct forward_root *root, uint32_t *epoch)
{
	uint8_t raw[RAW_MAX], more[RAW_MAX], id[NOTE_KEY_ID];
	struct span text, lines;
	enum err e;

	TRY(note_split(note, &text, &lines));
	id_of(name, root, id);
	TRY(note_next_line(&lines, name, id, raw, raw_bytes(root)));
	e = note_next_line(&lines, name, id, more, raw_bytes(root));
	if (e != ERR_NOT_FOUND)
		return e == OK ? ERR_EXISTS : e;
	return check_line(text, root, raw, epoch);
}
