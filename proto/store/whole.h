/* whole: small files of which a reader finds the old or the new, never a part: written beside it as PATH.tmp and renamed.
 * whole_write() does not flush: after a power cut the file may be old, or empty. For what is told again soon. */
#ifndef PULLCORD_WHOLE_H
#define PULLCORD_WHOLE_H

#include "err.h"
#include "span.h"

#define WHOLE_PATH_MAX 1024     /* bytes of a path, with its NUL */
#define WHOLE_DIR_MAX 512       /* of that of a folder in which files of ours lie */

/* `mode` whatever the umask says. ERR_NOT_FOUND (no such folder), ERR_DENIED (also a read-only file system), ERR_FULL,
 * ERR_KIND (a folder), ERR_IO, ERR_TOO_LARGE (the path). Waits for the disk. */
enum err whole_write(const char *path, struct span text, unsigned mode) MUST_USE;
/* The same, and OK means that it survives a power cut. */
enum err whole_keep(const char *path, struct span text, unsigned mode) MUST_USE;
/* In place: a file of mode 0600 that is not there yet, or is empty, as a power cut leaves one that was being made. OK means that it
 * survives the next. ERR_EXISTS; ERR_BUSY: somebody is making it. */
enum err whole_make(const char *path, struct span text) MUST_USE;
/* As whole_keep(), for a file that is there, which keeps its mode and its owner. Also ERR_DENIED: it is a link, or no file. */
enum err whole_replace(const char *path, struct span text) MUST_USE;
/* All of a small file. ERR_TOO_LARGE: it has `cap` bytes or more; ERR_NOT_FOUND, ERR_DENIED, ERR_KIND, ERR_IO. Waits for the
 * disk. */
enum err whole_read(const char *path, void *out, size_t cap, size_t *n) MUST_USE;
/* That a file has this name, or none of this name is there, survives one. */
enum err whole_flush(const char *path) MUST_USE;

#endif
