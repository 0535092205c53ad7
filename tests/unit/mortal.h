/* mortal: a process that dies before one of its steps. What a step is, is said before this is included, in one file of a program:
 *
 *     MORTAL_WRITES    a write to a file at a place, or of several parts
 *     MORTAL_FLUSHES   a flush
 *     MORTAL_NAMES     a change of a name: rename, link, unlink
 *
 * These calls of the C library are taken over for the whole program, LMDB's among them. */
#ifndef PULLCORD_MORTAL_H
#define PULLCORD_MORTAL_H

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define DIED 42                     /* its exit code */
#define OURS __attribute__((visibility("default")))

static atomic_long mortal_left = -1;        /* steps; below 0: it lives for ever */

/* It takes `steps` more, and dies before the next. */
static inline void mortal_after(long steps) { atomic_store(&mortal_left, steps); }

static void mortal_step(void)
{
	if (atomic_load(&mortal_left) >= 0 && atomic_fetch_sub(&mortal_left, 1) == 0)
		_exit(DIED);
}

#ifdef MORTAL_WRITES
OURS ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	mortal_step();
	return syscall(SYS_pwrite64, fd, p, n, at);
}

OURS ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at)
{
	mortal_step();
	return syscall(SYS_pwritev, fd, v, n, (long)at, 0L);
}

OURS ssize_t writev(int fd, const struct iovec *v, int n)
{
	mortal_step();
	return syscall(SYS_writev, fd, v, n);
}

OURS ssize_t pwrite(int fd, const void *p, size_t n, off_t at) { return pwrite64(fd, p, n, at); }
OURS ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { return pwritev64(fd, v, n, at); }
#endif

#ifdef MORTAL_FLUSHES
OURS int fsync(int fd)
{
	mortal_step();
	return (int)syscall(SYS_fsync, fd);
}

OURS int fdatasync(int fd)
{
	mortal_step();
	return (int)syscall(SYS_fdatasync, fd);
}
#endif

#ifdef MORTAL_NAMES
OURS int rename(const char *from, const char *to)
{
	mortal_step();
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

OURS int link(const char *from, const char *to)
{
	mortal_step();
	return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

OURS int unlink(const char *path)
{
	mortal_step();
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
#endif

#endif
