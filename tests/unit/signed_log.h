/* signed_log: a log of a test's own, in memory, that signs what it is told to and proves what it can. */
#ifndef PULLCORD_SIGNED_LOG_H
#define PULLCORD_SIGNED_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness.h"

#define LOG_ORIGIN "hospital.example/audit/main"
#define LOG_LEAVES_MAX 1024

struct signed_log {
	uint8_t secret[SIGN_KEY_BYTES];
	struct cosigner key;
	uint64_t n;
	struct hash leaf[LOG_LEAVES_MAX];
};

static inline void log_init(struct signed_log *l)
{
	*l = (struct signed_log){ .secret = { 4, 2 }, .key.name = SPAN_LIT(LOG_ORIGIN) };
	assert_int_equal(sign_public(l->secret, l->key.pub), OK);
}

/* Up to `n` leaves; `history` tells one log from another of the same key. */
static inline void log_grow(struct signed_log *l, uint64_t n, uint8_t history)
{
	must(n <= LOG_LEAVES_MAX);
	for (; l->n < n; l->n++) {
		uint8_t raw[3] = { history, (uint8_t)(l->n >> 8), (uint8_t)l->n };

		l->leaf[l->n] = tree_leaf(span(raw, sizeof(raw)));
	}
}

/* Two of the same key and the same beginning. */
static inline void log_fork(struct signed_log *l, struct signed_log *other)
{
	log_init(l);
	*other = *l;
	log_grow(l, 1000, 'a');
	log_grow(other, 100, 'a');
	log_grow(other, 1000, 'b');
}

static inline enum err log_read(void *ctx, unsigned level, uint64_t first, unsigned n, struct hash *out)
{
	const struct signed_log *l = ctx;
	uint64_t width = level ? TREE_TILE_HASHES : 1;

	must(level < 2 && (first + n) * width <= l->n);
	for (unsigned i = 0; i < n; i++) {
		struct tree t = { 0 };

		for (uint64_t k = 0; level && k < width; k++)
			tree_append(&t, &l->leaf[(first + i) * width + k]);
		out[i] = level ? tree_root(&t) : l->leaf[first + i];
	}
	return OK;
}

/* An add-checkpoint body from size `old` to `size`, with all that is in it in `out`. */
static inline struct span log_body(struct signed_log *l, uint64_t old, uint64_t size, uint8_t out[WITNESS_BODY_MAX])
{
	const struct tree_source source = { log_read, l };
	struct checkpoint c = { .origin = l->key.name, .size = size };
	uint8_t text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text)), body = put(out, WITNESS_BODY_MAX);
	struct witness_request r = { .old = old };
	struct hash proof[TREE_PROOF_MAX];

	must(size <= l->n);
	assert_int_equal(tree_root_at(&source, size, &c.root), OK);
	assert_int_equal(note_write(&c, l->secret, &note), OK);
	if (old && old < size) {
		assert_int_equal(tree_prove_consistency(&source, old, size, proof, &r.hashes), OK);
		memcpy(r.hash, proof, r.hashes * sizeof(*proof));
	}
	r.note = put_span(&note);
	assert_int_equal(witness_write(&r, &body), OK);
	return put_span(&body);
}

#endif
