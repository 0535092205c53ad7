/* disk: what the record's files ask of the file system. */
#ifndef PULLCORD_DISK_H
#define PULLCORD_DISK_H

#include <sys/types.h>

#include "err.h"
#include "span.h"

/* Opens or makes (0600) a file of at least `bytes`, whose blocks are reserved; a new one is there for good. Never cuts.
 * ERR_NOT_FOUND (folder), ERR_DENIED, ERR_FULL, ERR_IO. */
enum err disk_open(const char *path, off_t bytes, int *fd) MUST_USE;
/* The same for more bytes of an open one. ERR_FULL: as it was, or somewhat larger; ERR_IO. */
enum err disk_reserve(int fd, off_t bytes) MUST_USE;
/* ERR_NOT_FOUND, ERR_DENIED. */
enum err disk_open_read(const char *path, int *fd) MUST_USE;
/* Writes in place and flushes. ERR_FULL, ERR_IO. */
enum err disk_write(int fd, struct span s, off_t at) MUST_USE;
/* ERR_SHORT: the file ends before. */
enum err disk_read(int fd, void *out, size_t n, off_t at) MUST_USE;
/* A file that was made or renamed is only there for good when its folder was flushed. */
enum err disk_flush_folder(const char *path) MUST_USE;
/* Is there room on the file system that holds `path`? Tells a full disk from a failing one, which LMDB cannot. */
bool disk_has_room(const char *path);

#endif
