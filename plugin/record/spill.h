/* spill: where life-critical events wait when the ring has no room for them: a file of fixed size, reserved when it is
 * made and mapped, so that a full disk does not hold them up. It outlives the process: what a crash left in it is taken at
 * the next start, also by a program of the next version.
 *
 * The pushing thread is the broker's: a push copies, seals and copies, with what was made when the spill was opened. It allocates
 * nothing and makes no system call. One kind of I/O there is that nobody asks for: the file's pages are all there from the start,
 * and stay as far as the system lets us lock them, but a push that meets a page which is just being written back may have to wait
 * for the disk, and one that had to leave (no lock) is read again. Of memory alone it would not outlive a crash.
 *
 * Records are sealed (vault of purpose "record spill"), each bound to its place, under nonces that count from a random one on.
 * One thread pushes, one takes; what was taken stays until it is given back, as with ring.h. */
#ifndef PULLCORD_SPILL_H
#define PULLCORD_SPILL_H

#include "err.h"
#include "span.h"

#define SPILL_BYTES_MIN (64u << 10)
#define SPILL_BYTES_MAX (64u << 20)
#define SPILL_RECORD_MAX 2048
#define SPILL_KEPT (8u << 10)           /* for the last words of those who stop while it is full: twenty of them, at least */

struct spill;

/* How many bytes of records it is to have beside a store of `store_bytes`: a quarter, within the limits; of a file that is there
 * already what it has, for in one of another size what waits would be lost. */
size_t spill_bytes(const char *path, size_t store_bytes);

/* The forms of records, by number: as they are pushed, and as the version before had them; 0: there was none. */
struct spill_layout {
	uint32_t now, before;
};

/* `bytes` of records, a power of two from SPILL_BYTES_MIN on. What an earlier program left in another form than these two, or in a
 * file of another size, cannot be read, and counts as lost. ERR_BUSY: another process has it.
 * ERR_RANGE, ERR_DENIED, ERR_FULL, ERR_IO. */
enum err spill_open(const char *path, size_t bytes, const uint8_t root[32], struct spill_layout layout,
		    struct spill **out) MUST_USE;
void spill_close(struct spill **s);

/* The pushing thread. Copies the pieces as one record; false when it does not fit: SPILL_KEPT bytes are left. spill_push_kept()
 * takes those, too. */
bool spill_push(struct spill *s, const struct span *piece, size_t n);
bool spill_push_kept(struct spill *s, const struct span *piece, size_t n);

/* The taking thread. peek: the next record not taken yet, borrowed until the next call, and its form. */
bool spill_peek(struct spill *s, struct span *out, uint32_t *layout);
void spill_advance(struct spill *s);
void spill_rewind(struct spill *s);
/* How many of those taken could not be read: damaged, or of another layout; at least so many, when nobody can tell. */
uint64_t spill_damaged(const struct spill *s);

/* Any thread. */
bool spill_empty(const struct spill *s);

#endif
