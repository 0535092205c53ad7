/* fsline: a forward-secure line for tests: its seeds and keys from a first seed, of few epochs. */
#ifndef PULLCORD_FSLINE_H
#define PULLCORD_FSLINE_H

#include <stdlib.h>

#include "forward.h"

#define FSLINE_EPOCHS_MAX 64

struct fsline {
	struct forward_root root;
	uint8_t seed[FSLINE_EPOCHS_MAX][FORWARD_SEED_BYTES];
	forward_pub pub[FSLINE_EPOCHS_MAX];
	struct forward_key key[FSLINE_EPOCHS_MAX];
};

static inline void fsline_make(struct fsline *l, uint8_t first, unsigned depth)
{
	must(depth <= 6);
	memset(l->seed[0], first, sizeof(l->seed[0]));
	for (uint32_t i = 0; i < forward_epochs(depth); i++) {
		if (i) {
			memcpy(l->seed[i], l->seed[i - 1], sizeof(l->seed[i]));
			forward_seed_next(l->seed[i]);
		}
		must(forward_public(l->seed[i], l->pub[i]) == OK);
	}
	forward_first(l->pub, depth, &l->root, &l->key[0]);
	for (uint32_t i = 1; i < forward_epochs(depth); i++)
		must(forward_next(&l->root, &l->key[i - 1], l->pub, &l->key[i]) == OK);
}

/* A checkpoint with the line of an epoch under it; by: NULL, without. */
static inline struct span fsline_note(const struct fsline *by, uint32_t epoch, const struct checkpoint *c,
				      const uint8_t secret[SIGN_KEY_BYTES], char text[NOTE_BYTES_MAX])
{
	struct put note = put(text, NOTE_BYTES_MAX);
	struct span body, lines;

	must(note_write(c, secret, &note) == OK && note_split(put_span(&note), &body, &lines) == OK);
	must(!by || forward_sign(body, c->origin, &by->root, &by->key[epoch], by->seed[epoch], &note) == OK);
	return put_span(&note);
}

#endif
