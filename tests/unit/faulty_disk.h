/* faulty_disk: a disk that refuses. Our own fdatasync() and statvfs() stand before the library's, for LMDB too. In one file
 * of a program only. */
#ifndef PULLCORD_FAULTY_DISK_H
#define PULLCORD_FAULTY_DISK_H

#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base.h"

static struct {
	atomic_bool full;               /* as if there were no room: tells a full disk from a failing one */
	atomic_int sync_errno;          /* of every flush; 0: they succeed */
	_Atomic dev_t dev;              /* only of this file; 0: of any */
	_Atomic ino_t ino;
	atomic_uint refused, flushes;
	atomic_int slow_ms;             /* the next flush alone takes so long */
	atomic_bool slow_now;           /* it is under way */
} disk;

#define OURS __attribute__((visibility("default")))

OURS int fdatasync(int fd)
{
	int why = atomic_load(&disk.sync_errno);
	struct stat st;

	if (why && atomic_load(&disk.ino) &&
	    (fstat(fd, &st) != 0 || st.st_ino != atomic_load(&disk.ino) || st.st_dev != atomic_load(&disk.dev)))
		why = 0;
	if (why) {
		atomic_fetch_add(&disk.refused, 1);
		errno = why;
		return -1;
	}
	atomic_fetch_add(&disk.flushes, 1);
	why = atomic_exchange(&disk.slow_ms, 0);
	if (why) {
		atomic_store(&disk.slow_now, true);
		usleep((unsigned)why * 1000);
		atomic_store(&disk.slow_now, false);
	}
	return (int)syscall(SYS_fdatasync, fd);
}

OURS int statvfs(const char *path, struct statvfs *out)
{
	(void)path;
	*out = (struct statvfs){ .f_frsize = 4096, .f_bavail = atomic_load(&disk.full) ? 0 : 1 << 20 };
	return 0;
}

static inline void disk_heals(void)
{
	atomic_store(&disk.sync_errno, 0);
	atomic_store(&disk.full, false);
	atomic_store(&disk.ino, 0);
	atomic_store(&disk.refused, 0);
}

/* Every flush fails with that, of all files or of one; a full disk has no room, a failing one has. */
static inline void disk_refuses(int why, const char *file)
{
	struct stat st = { 0 };

	if (file)
		must(stat(file, &st) == 0);
	atomic_store(&disk.dev, st.st_dev);
	atomic_store(&disk.ino, st.st_ino);
	atomic_store(&disk.full, why == ENOSPC);
	atomic_store(&disk.sync_errno, why);
}

#endif
