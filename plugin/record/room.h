/* room: how full what was set aside for the record is, by degrees, each with two marks. It gets worse at one and better only
 * some way above it, so that a store near a mark, where every segment that is erased frees a little, does not go to and fro with
 * people let in and turned away in turn. Pure. */
#ifndef PULLCORD_ROOM_H
#define PULLCORD_ROOM_H

#include "record.h"

/* MARK(name, worse, better): percent that is free; worse below the first, better from the second on. */
#define ROOM_MARKS(MARK)                                                                                               \
	MARK(LOW, 20, 23)                                                                                              \
	MARK(SCARCE, 10, 13)                                                                                           \
	MARK(OUT, 5, 8)

/* After `was`; RECORD_DISK_FINE at the start. `all` is not 0. */
enum record_disk room_level(enum record_disk was, size_t free, size_t all);

#endif
