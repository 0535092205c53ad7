#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ftw.h>
#include <jansson.h>

#include "seed.h"
#include "tree.h"

static int crypt_up(void **state)
{
	(void)state;
	return crypt_init() == OK ? 0 : -1;
}

/* ---- a second opinion: RFC 6962 §2.1 as it is written, recursively ---- */

#define LEAVES 130
#define TILED 70000          /* three levels of tiles */
static struct hash leaf[LEAVES];

static size_t split(size_t n)
{
	size_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

static struct hash mth(const struct hash *d, size_t n)
{
	struct hash l, r, h;

	if (n == 0) {
		SHA256(h.b, SPAN_LIT(""));
		return h;
	}
	if (n == 1)
		return d[0];
	l = mth(d, split(n));
	r = mth(d + split(n), n - split(n));
	return tree_node(&l, &r);
}

static size_t path(size_t m, const struct hash *d, size_t n, struct hash *out)
{
	size_t k = split(n), c;

	if (n == 1)
		return 0;
	c = m < k ? path(m, d, k, out) : path(m - k, d + k, n - k, out);
	out[c] = m < k ? mth(d + k, n - k) : mth(d, k);
	return c + 1;
}

static size_t subproof(size_t m, const struct hash *d, size_t n, bool whole, struct hash *out)
{
	size_t k = split(n), c;

	if (m == n) {
		if (!whole)
			out[0] = mth(d, n);
		return !whole;
	}
	c = m <= k ? subproof(m, d, k, whole, out) : subproof(m - k, d + k, n - k, false, out);
	out[c] = m <= k ? mth(d + k, n - k) : mth(d, k);
	return c + 1;
}

static void fill_leaves(void)
{
	for (size_t i = 0; i < LEAVES; i++)
		leaf[i] = tree_leaf(span(&i, sizeof(i)));
}

static void assert_hash(const struct hash *a, const struct hash *b)
{
	assert_memory_equal(a->b, b->b, SHA256_BYTES);
}

static void root_is_that_of_the_rfc_at_every_size(void **state)
{
	struct tree t = { 0 };
	struct hash have, want;

	(void)state;
	fill_leaves();
	for (size_t n = 0;; n++) {
		have = tree_root(&t);
		want = mth(leaf, n);
		assert_hash(&have, &want);
		if (n == LEAVES)
			break;
		tree_append(&t, &leaf[n]);
		assert_int_equal(t.size, n + 1);
	}
}

static void frontier_survives_writing_and_reading(void **state)
{
	struct tree t = { 0 }, back;
	uint8_t raw[TREE_BYTES_MAX + 1];
	struct hash a, b;

	(void)state;
	fill_leaves();
	for (size_t n = 0; n < LEAVES; n++) {
		size_t len = tree_write(&t, raw);

		assert_int_equal(tree_read(span(raw, len), &back), OK);
		tree_append(&t, &leaf[n]);
		tree_append(&back, &leaf[n]);
		a = tree_root(&t);
		b = tree_root(&back);
		assert_hash(&a, &b);
		assert_int_not_equal(tree_read(span(raw, len + 1), &back), OK);
		assert_int_not_equal(tree_read(span(raw, len - 1), &back), OK);
	}
}

static void every_inclusion_proof_leads_to_the_root_and_no_other_leaf_has_it(void **state)
{
	struct hash proof[TREE_PROOF_MAX], root;

	(void)state;
	fill_leaves();
	for (size_t n = 1; n <= 70; n++) {
		root = mth(leaf, n);
		for (size_t m = 0; m < n; m++) {
			size_t c = path(m, leaf, n, proof), other = (m + 1) % n;

			assert_int_equal(tree_check_inclusion(m, n, &leaf[m], proof, c, &root), OK);
			if (n > 1) {
				assert_int_equal(tree_check_inclusion(m, n, &leaf[other], proof, c, &root), ERR_KEY);
				assert_int_equal(tree_check_inclusion(m, n, &leaf[m], proof, c - 1, &root), ERR_KEY);
				proof[seed_below(c)].b[seed_below(32)] ^= 1;
				assert_int_equal(tree_check_inclusion(m, n, &leaf[m], proof, c, &root), ERR_KEY);
			}
			assert_int_equal(tree_check_inclusion(n, n, &leaf[m], proof, c, &root), ERR_RANGE);
		}
	}
}

static void every_consistency_proof_holds_and_none_for_changed_history(void **state)
{
	struct hash proof[TREE_PROOF_MAX], old, new, forged;

	(void)state;
	fill_leaves();
	for (size_t n = 1; n <= 70; n++) {
		new = mth(leaf, n);
		for (size_t m = 1; m <= n; m++) {
			size_t c = subproof(m, leaf, n, true, proof);

			old = mth(leaf, m);
			forged = old;
			forged.b[seed_below(32)] ^= 0x80;
			assert_int_equal(tree_check_consistency(m, n, proof, c, &old, &new), OK);
			assert_int_equal(tree_check_consistency(m, n, proof, c, &forged, &new), ERR_KEY);
			assert_int_equal(tree_check_consistency(m, n, proof, c, &old, &forged), ERR_KEY);
			assert_false(tree_forks(m, n, proof, c, &old, &new));
			/* It shows the old root it was made for, but when that is a node of the path and left out. */
			assert_int_equal(tree_forks(m, n, proof, c, &forged, &new), m == n || (m & (m - 1)));
			assert_int_equal(tree_forks(m, n, proof, c, &old, &forged), m == n);
			assert_false(tree_forks(m, n, proof, c, &forged, &forged));
			assert_int_equal(tree_check_consistency(n + 1, n, proof, c, &old, &new), ERR_RANGE);
		}
	}
}

/* ---- proofs from tiles ---- */

static struct { struct hash leaf[TILED], one[TILED / 256], two[1]; size_t n[3]; } tiled;
static size_t reads;

static enum err read_tile(void *ctx, unsigned level, uint64_t first, unsigned n, struct hash *out)
{
	struct hash *const row[] = { tiled.leaf, tiled.one, tiled.two };

	(void)ctx;
	assert_true(level < 3 && n <= 128 && (n & (n - 1)) == 0 && first % n == 0 && first + n <= tiled.n[level]);
	memcpy(out, row[level] + first, n * sizeof(*out));
	reads++;
	return OK;
}

static const struct tree_source from_tiles = { read_tile, NULL };

static void fill_tiles(void)
{
	struct hash full[TREE_TILE_LEVELS];
	struct tree t = { 0 };

	memset(&tiled.n, 0, sizeof(tiled.n));
	for (size_t i = 0; i < TILED; i++) {
		tiled.leaf[i] = tree_leaf(span(&i, sizeof(i)));
		unsigned n = tree_append_full(&t, &tiled.leaf[i], full);

		tiled.n[0]++;
		assert_true(n <= 2);
		if (n > 0)
			tiled.one[tiled.n[1]++] = full[0];
		if (n > 1)
			tiled.two[tiled.n[2]++] = full[1];
	}
	assert_int_equal(tiled.n[1], TILED / 256);
	assert_int_equal(tiled.n[2], TILED / 65536);
}

static void proofs_from_tiles_are_those_of_the_rfc(void **state)
{
	struct hash proof[TREE_PROOF_MAX], want[TREE_PROOF_MAX], root, old;
	size_t n;

	(void)state;
	fill_tiles();
	for (size_t size = 1; size <= 70; size++)
		for (size_t m = 1; m <= size; m++) {
			assert_int_equal(tree_prove_consistency(&from_tiles, m, size, proof, &n), OK);
			assert_int_equal(n, subproof(m, tiled.leaf, size, true, want));
			assert_memory_equal(proof, want, n * sizeof(*want));
		}
	for (int i = 0; i < SEED_ROUNDS(60); i++) {
		size_t size = i % 2 ? 1 + seed_below(1200) : 1 + seed_below(TILED), index = seed_below(size);

		root = mth(tiled.leaf, size);
		assert_int_equal(tree_root_at(&from_tiles, size, &old), OK);
		assert_hash(&old, &root);
		assert_int_equal(tree_prove_inclusion(&from_tiles, index, size, proof, &n), OK);
		assert_int_equal(n, path(index, tiled.leaf, size, want));
		assert_memory_equal(proof, want, n * sizeof(*want));
		assert_int_equal(tree_check_inclusion(index, size, &tiled.leaf[index], proof, n, &root), OK);
		index++;
		assert_int_equal(tree_prove_consistency(&from_tiles, index, size, proof, &n), OK);
		assert_int_equal(n, subproof(index, tiled.leaf, size, true, want));
		assert_memory_equal(proof, want, n * sizeof(*want));
		old = mth(tiled.leaf, index);
		assert_int_equal(tree_check_consistency(index, size, proof, n, &old, &root), OK);
	}
	assert_int_equal(tree_prove_inclusion(&from_tiles, 5, 5, proof, &n), ERR_RANGE);
	assert_int_equal(tree_prove_consistency(&from_tiles, 0, 5, proof, &n), ERR_RANGE);
	assert_int_equal(tree_prove_consistency(&from_tiles, 6, 5, proof, &n), ERR_RANGE);
	assert_int_equal(tree_root_at(&from_tiles, 0, &root), OK);
	old = mth(tiled.leaf, 0);
	assert_hash(&old, &root);
}

/* A proof costs the square of the tree's height in reads at the very most, whatever the size. */
static void a_proof_reads_little(void **state)
{
	struct hash proof[TREE_PROOF_MAX];
	size_t n;

	(void)state;
	fill_tiles();
	for (int i = 0; i < 200; i++) {
		reads = 0;
		assert_int_equal(tree_prove_inclusion(&from_tiles, seed_below(TILED), TILED, proof, &n), OK);
		assert_int_equal(tree_prove_consistency(&from_tiles, 1 + seed_below(TILED), TILED, proof, &n), OK);
		assert_true(reads <= 2 * 17 * 2);
	}
}

static enum err any_hash(void *ctx, unsigned level, uint64_t first, unsigned n, struct hash *out)
{
	(void)ctx;
	(void)level;
	(void)first;
	memset(out, 0x41, n * sizeof(*out));
	return OK;
}

/* Sizes are believed before any signature is: the longest proofs there are fit. */
static void the_longest_proof_has_room(void **state)
{
	const struct tree_source any = { any_hash, NULL };
	struct hash proof[2 * TREE_PROOF_MAX];
	size_t n, longest = 0;

	(void)state;
	for (uint64_t old = 1; old < 200; old++) {
		assert_int_equal(tree_prove_consistency(&any, old, UINT64_MAX, proof, &n), OK);
		longest = n > longest ? n : longest;
		assert_int_equal(tree_prove_inclusion(&any, old - 1, UINT64_MAX, proof, &n), OK);
		longest = n > longest ? n : longest;
	}
	assert_int_equal(longest, TREE_PROOF_MAX);
}

/* ---- vectors of transparency-dev/merkle, most of them hostile ---- */

static unsigned good, hostile, wrong;

static bool hash_of(const json_t *text, struct hash *out)
{
	return json_is_string(text) && base64_decode(span_str(json_string_value(text)), out->b, SHA256_BYTES) == SHA256_BYTES;
}

/* False when a node is not 32 bytes: such a proof cannot even be handed in. */
static bool proof_of(const json_t *j, struct hash *proof, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < json_array_size(j); i++)
		if (i >= TREE_PROOF_MAX || !hash_of(json_array_get(j, i), &proof[(*n)++]))
			return false;
	return true;
}

/* jansson has no integers past 2^63, two vectors have 2^64 - 1: numbers are read as reals. */
static uint64_t number(const json_t *j, const char *name)
{
	double d = json_real_value(json_object_get(j, name));

	return d >= 0x1p64 ? UINT64_MAX : (uint64_t)d;
}

static bool vector_holds(const json_t *j)
{
	struct hash proof[TREE_PROOF_MAX], root, root1, one;
	size_t n;

	if (!proof_of(json_object_get(j, "proof"), proof, &n))
		return false;
	if (json_object_get(j, "treeSize"))
		return hash_of(json_object_get(j, "root"), &root) && hash_of(json_object_get(j, "leafHash"), &one) &&
		       tree_check_inclusion(number(j, "leafIdx"), number(j, "treeSize"), &one, proof, n, &root) == OK;
	return hash_of(json_object_get(j, "root1"), &root1) && hash_of(json_object_get(j, "root2"), &root) &&
	       tree_check_consistency(number(j, "size1"), number(j, "size2"), proof, n, &root1, &root) == OK;
}

/* One good vector compares two "don't care" roots of 12 bytes; a root of ours has 32. */
static bool is_the_exception(const char *file)
{
	return strstr(file, "additional/sizes-are-equal-one-and-proof-is-empty.json");
}

static int one_vector(const char *file, const struct stat *st, int kind, struct FTW *ftw)
{
	size_t n = strlen(file);
	json_t *j;
	bool want;

	(void)st;
	(void)ftw;
	if (kind != FTW_F || n < 5 || strcmp(file + n - 5, ".json") != 0)
		return 0;
	j = json_load_file(file, JSON_DECODE_INT_AS_REAL, NULL);
	assert_non_null(j);
	want = !json_is_true(json_object_get(j, "wantErr"));
	good += want;
	hostile += !want;
	if (vector_holds(j) != want && !is_the_exception(file)) {
		wrong++;
		printf("# %s: we say %s\n", file, want ? "no" : "yes");
	}
	json_decref(j);
	return 0;
}

static void every_published_vector_good_or_hostile_is_judged_as_published(void **state)
{
	const char *data = getenv("SHARED_DATA");
	char folder[1024];

	(void)state;
	snprintf(folder, sizeof(folder), "%s/vectors/merkle-proofs", data ? data : "../shared/data");
	if (nftw(folder, one_vector, 16, FTW_PHYS) != 0) {
		printf("# %s is not there\n", folder);
		skip();
	}
	assert_true(good >= 10 && hostile >= 150);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_is_that_of_the_rfc_at_every_size),
		cmocka_unit_test(frontier_survives_writing_and_reading),
		cmocka_unit_test(every_inclusion_proof_leads_to_the_root_and_no_other_leaf_has_it),
		cmocka_unit_test(every_consistency_proof_holds_and_none_for_changed_history),
		cmocka_unit_test(proofs_from_tiles_are_those_of_the_rfc),
		cmocka_unit_test(a_proof_reads_little),
		cmocka_unit_test(the_longest_proof_has_room),
		cmocka_unit_test(every_published_vector_good_or_hostile_is_judged_as_published),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, crypt_up, NULL);
}
