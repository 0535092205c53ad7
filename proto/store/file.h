/* file: why the system refuses a file, writes that are whole, and files put aside. */
#ifndef PULLCORD_FILE_H
#define PULLCORD_FILE_H

#include "err.h"
#include "span.h"

/* Of errno. ERR_NOT_FOUND, also a folder on the way; ERR_EXISTS; ERR_DENIED, also a read-only file system and a link that is not
 * to be followed; ERR_FULL, also a quota or a limit; ERR_KIND: a folder; else ERR_IO. */
enum err file_err(int why);

/* All of it, however often the system takes only a part; on a failure, file_err()'s, some of it may be there. Not flushed. */
enum err file_write(int fd, struct span s) MUST_USE;

/* One that cannot be opened is evidence: it becomes PATH.unread-TIME, a name nothing has yet, which `kept` says. With it goes what
 * belongs to it, which is called like it with one of `beside` behind (NULL: the last), and need not be there; the file itself last,
 * so that whatever stops this, it is tried again. ERR_NOT_FOUND, ERR_DENIED, ERR_TOO_LARGE (a path), ERR_EXISTS (too many of that
 * second), ERR_FULL, ERR_IO. */
enum err file_keep_aside(const char *path, const char *const beside[], char *kept, size_t cap) MUST_USE;

#endif
