/* file: why the system refuses a file, and writes that are whole. */
#ifndef PULLCORD_FILE_H
#define PULLCORD_FILE_H

#include "err.h"
#include "span.h"

/* Of errno. ERR_NOT_FOUND, also a folder on the way; ERR_EXISTS; ERR_DENIED, also a read-only file system and a link that is not
 * to be followed; ERR_FULL, also a quota or a limit; ERR_KIND: a folder; else ERR_IO. */
enum err file_err(int why);

/* All of it, however often the system takes only a part; on a failure, file_err()'s, some of it may be there. Not flushed. */
enum err file_write(int fd, struct span s) MUST_USE;

#endif
