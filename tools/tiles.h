/* tiles: a log's tree as a folder of C2SP tiles (https://c2sp.org/tlog-tiles), as `audit export --format tiles` writes it:
 * where its files lie, and proofs out of them. What is read is believed by nobody before the proof is checked. */
#ifndef PULLCORD_TILES_H
#define PULLCORD_TILES_H

#include "tree.h"

#define TILES_NUMBER_MAX 40

/* The number of a tile as its path has it: "x001/x234/067". */
void tiles_number(uint64_t n, char out[TILES_NUMBER_MAX]);

struct tiles {
	const char *folder;
	uint64_t size;                  /* of the checkpoint that lies there: it says how far the last tiles go */
};

/* For tree_prove_consistency(), as long as *t lives. Reading: ERR_NOT_FOUND, ERR_DENIED, ERR_IO; ERR_CORRUPT: a tile of
 * another length. */
struct tree_source tiles_source(struct tiles *t);

#endif
