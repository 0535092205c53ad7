/* fold: which alerts a screen has seen. A device that is not sure sends a message again, and the same condition raises
 * one message after another. Remembers the last FOLD_MAX of each. Pure; all zero is ready. */
#ifndef PULLCORD_FOLD_H
#define PULLCORD_FOLD_H

#include "id.h"

#define FOLD_MAX 1024
#define FOLD_KEY_BYTES 16

enum fold_seen {
	FOLD_NEW,           /* a condition not seen before */
	FOLD_AGAIN,         /* a further message about one that was */
	FOLD_SAME,          /* the very same message */
};

struct fold {
	struct id id[FOLD_MAX];
	uint8_t key[FOLD_MAX][FOLD_KEY_BYTES];
	size_t ids, keys;   /* ever remembered */
};

enum fold_seen fold_see(struct fold *f, const struct id *id, const uint8_t key[FOLD_KEY_BYTES]);

#endif
