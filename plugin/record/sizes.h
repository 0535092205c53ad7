/* sizes: the second small file: every (size, root) that was ever signed, one a line, flushed before the checkpoint is
 * shown to anybody. A store that was cut or set back to an older copy is smaller than its last line.
 *
 *     size " " base64(root) " " base64(key id | signature) "\n"       the checkpoint's note without its names
 */
#ifndef PULLCORD_SIZES_H
#define PULLCORD_SIZES_H

#include "note.h"

struct sizes;

/* Creates the file unless read-only, and cuts off a last line that a crash left unfinished. Copies origin and key.
 * ERR_NOT_FOUND (read-only), ERR_DENIED, ERR_IO. */
enum err sizes_open(const char *path, struct span origin, const uint8_t pub[SIGN_KEY_BYTES], bool read_only,
		    struct sizes **out) MUST_USE;
void sizes_close(struct sizes **s);

/* The last line. ERR_NOT_FOUND: there is none. ERR_CORRUPT: not a line of this file, or not signed by this key. */
enum err sizes_newest(struct sizes *s, struct checkpoint *out) MUST_USE;
/* From the first line on, one by one; ERR_NOT_FOUND after the last; ERR_CORRUPT as above. */
enum err sizes_next(struct sizes *s, struct checkpoint *out) MUST_USE;
/* Durable when OK; else as if it had not been called. ERR_FULL, ERR_IO. */
enum err sizes_append(struct sizes *s, struct span note) MUST_USE;

#endif
