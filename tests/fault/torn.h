/* torn: every write to a file, or to some, and every flush, written down as they happen, and from that the files as they may
 * look after the power went at any moment: what was flushed is there; of what was not, any of its 512-byte sectors is or is not.
 *
 * The calls of the C library are taken over for the whole program, LMDB's among them. torn_watch() begins with the file as
 * it is, which is number 0, or the next; torn_at() says how much has been written down so far, to any of them. */
#ifndef PULLCORD_TORN_H
#define PULLCORD_TORN_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base.h"
#include "seed.h"

#define TORN_SECTOR 512
#define TORN_MOST 65536             /* writes and flushes */
#define TORN_FILES 4
#define TORN_GROWTH (1u << 20)      /* bytes a file may grow by */

struct torn_entry {
	int file;
	off_t at;
	size_t n;                       /* 0: a flush */
	uint8_t *bytes;
	bool alone;                     /* flushed by itself (O_DSYNC) before the call returned */
};

static struct {
	pthread_mutex_t lock;
	bool on;
	int files;
	struct {
		dev_t dev;
		ino_t ino;
		uint8_t *base;
		size_t size;
	} file[TORN_FILES];
	size_t entries;
	struct torn_entry entry[TORN_MOST];
} torn = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Its number; below 0: it is not watched. */
static int torn_file(int fd)
{
	struct stat st;

	if (torn.on && fstat(fd, &st) == 0)
		for (int i = 0; i < torn.files; i++)
			if (st.st_dev == torn.file[i].dev && st.st_ino == torn.file[i].ino)
				return i;
	return -1;
}

static void torn_note(int file, int fd, off_t at, const void *bytes, size_t n)
{
	struct torn_entry *e;

	pthread_mutex_lock(&torn.lock);
	must(torn.entries < TORN_MOST);
	e = &torn.entry[torn.entries];
	*e = (struct torn_entry){ .file = file, .at = at, .n = n, .alone = n && (fcntl(fd, F_GETFL) & O_DSYNC) };
	if (n) {
		e->bytes = malloc(n);
		must(e->bytes && (size_t)at + n <= torn.file[file].size + TORN_GROWTH);
		memcpy(e->bytes, bytes, n);
	}
	torn.entries++;
	pthread_mutex_unlock(&torn.lock);
}

#define TAKEN_OVER __attribute__((visibility("default")))

TAKEN_OVER ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
	ssize_t done = syscall(SYS_pwrite64, fd, bytes, n, at);

	if (done > 0 && torn_file(fd) >= 0)
		torn_note(torn_file(fd), fd, at, bytes, (size_t)done);
	return done;
}

TAKEN_OVER ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) { return pwrite64(fd, bytes, n, at); }

TAKEN_OVER ssize_t writev(int fd, const struct iovec *v, int count)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	ssize_t done = syscall(SYS_writev, fd, v, count), left = done;

	for (int i = 0; left > 0 && i < count && torn_file(fd) >= 0; i++) {
		size_t n = v[i].iov_len < (size_t)left ? v[i].iov_len : (size_t)left;

		torn_note(torn_file(fd), fd, at, v[i].iov_base, n);
		at += (off_t)n;
		left -= (ssize_t)n;
	}
	return done;
}

TAKEN_OVER int fdatasync(int fd)
{
	int rc = (int)syscall(SYS_fdatasync, fd);

	if (rc == 0 && torn_file(fd) >= 0)
		torn_note(torn_file(fd), fd, 0, NULL, 0);
	return rc;
}

TAKEN_OVER int fsync(int fd) { return fdatasync(fd); }

static inline int torn_watch(const char *path)
{
	FILE *f = fopen(path, "r");
	int i = torn.files;
	struct stat st;

	must(i < TORN_FILES && f && fstat(fileno(f), &st) == 0);
	torn.file[i].dev = st.st_dev;
	torn.file[i].ino = st.st_ino;
	torn.file[i].size = (size_t)st.st_size;
	torn.file[i].base = calloc(1, torn.file[i].size + TORN_GROWTH);
	must(torn.file[i].base && fread(torn.file[i].base, 1, torn.file[i].size, f) == torn.file[i].size);
	fclose(f);
	torn.files++;
	torn.on = true;
	return i;
}

static inline size_t torn_at(void)
{
	size_t n;

	pthread_mutex_lock(&torn.lock);
	n = torn.entries;
	pthread_mutex_unlock(&torn.lock);
	return n;
}

static inline void torn_end(void)
{
	torn.on = false;
	for (size_t i = 0; i < torn.entries; i++)
		free(torn.entry[i].bytes);
	while (torn.files)
		free(torn.file[--torn.files].base);
	torn.entries = 0;
}

/* Entries before `end` that are surely on the disk when the power goes then. */
static inline bool torn_is_flushed(size_t i, size_t end)
{
	if (torn.entry[i].alone && i + 1 < end)
		return true;
	for (size_t k = i + 1; k < end; k++)
		if (torn.entry[k].n == 0 && torn.entry[k].file == torn.entry[i].file)
			return true;
	return false;
}

/* A file as it may be when the power goes after `end` entries. chance: of 4, for a sector that was not flushed. */
static inline void torn_image_of(int file, const char *path, size_t end, unsigned chance)
{
	CLEANUP(free_cleanup) uint8_t *image = malloc(torn.file[file].size + TORN_GROWTH);
	size_t size = torn.file[file].size;
	FILE *f = fopen(path, "w");

	must(image && f);
	memcpy(image, torn.file[file].base, size + TORN_GROWTH);
	for (size_t i = 0; i < end; i++) {
		const struct torn_entry *e = &torn.entry[i];
		bool flushed = torn_is_flushed(i, end);

		if (e->file != file)
			continue;
		for (size_t at = 0; at < e->n; at += TORN_SECTOR)
			if (flushed || seed_below(4) < chance)
				memcpy(image + e->at + at, e->bytes + at,
				       e->n - at < TORN_SECTOR ? e->n - at : TORN_SECTOR);
		if ((size_t)e->at + e->n > size)
			size = (size_t)e->at + e->n;
	}
	must(fwrite(image, 1, size, f) == size && fclose(f) == 0);
}

static inline void torn_image(const char *path, size_t end, unsigned chance) { torn_image_of(0, path, end, chance); }

#endif
