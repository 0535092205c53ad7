/* pages: is an LMDB file whole? LMDB believes what its pages say of themselves; a damaged one ends whoever reads or writes it,
 * or leads him round for ever. Here nothing is believed: each page of each table is reached once and says its own number, what
 * it lists lies within it and in order, and no page in use is listed as free. What the values say is their owner's to judge.
 *
 * As LMDB 0.9 writes them (data version 1), on this machine. Pure, but for the faults of a disk, which come as signals. */
#ifndef PULLCORD_PAGES_H
#define PULLCORD_PAGES_H

#include "err.h"

struct pages {
	const uint8_t *map;             /* the file */
	size_t bytes, page;
};

/* As of that transaction, which must be read all the while. ERR_CORRUPT; ERR_BUSY: it is not the newest any more, nor the one
 * before; ERR_FULL. */
enum err pages_check(const struct pages *p, size_t txn) MUST_USE;

#endif
