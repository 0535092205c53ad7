/* sizes: the second small file: the newest (size, root) pairs that were signed, each flushed before its checkpoint is
 * shown to anybody. A store that was cut or set back to an older copy is smaller than the newest.
 *
 * A ring of SIZES_SLOTS lines of 256 bytes, blank-padded, reserved when it is made: it never grows and never wants for
 * room, and no line straddles a sector.
 *
 *     size " " base64(root) " " base64(key id | signature) blanks "\n"      the checkpoint's note without its names
 *
 * Sizes rise (a crash may leave one twice) from the oldest slot, the one written next, to the newest. A crash may leave
 * that one slot torn; any other that cannot be read makes the file ERR_CORRUPT. */
#ifndef PULLCORD_SIZES_H
#define PULLCORD_SIZES_H

#include "note.h"

#define SIZES_SLOTS 16
#define SIZES_SLOT_BYTES 256

struct sizes;

/* Makes the file unless read-only. Copies origin and key. ERR_NOT_FOUND (read-only), ERR_DENIED, ERR_FULL, ERR_IO,
 * ERR_CORRUPT: not such a file, or slots that this key did not sign. */
enum err sizes_open(const char *path, struct span origin, const uint8_t pub[SIGN_KEY_BYTES], bool read_only,
		    struct sizes **out) MUST_USE;
void sizes_close(struct sizes **s);

/* The newest of all. ERR_NOT_FOUND: there is none. */
enum err sizes_newest(const struct sizes *s, struct checkpoint *out) MUST_USE;
/* From the oldest on, one by one, as they were at opening; ERR_NOT_FOUND after the last. */
enum err sizes_next(struct sizes *s, struct checkpoint *out) MUST_USE;
/* Durable when OK. ERR_FULL, ERR_IO: its slot holds the line before, half of this one, or all of it, which only who opens the
 * file anew can tell; called again, it writes there. */
enum err sizes_append(struct sizes *s, struct span note) MUST_USE;

#endif
