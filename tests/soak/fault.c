/* fault: a disk that fails when it is told to. Loaded into a program by LD_PRELOAD; of the files below FAULT_BELOW each write,
 * flush and reservation fails with the error whose number is the first byte of the file FAULT_FILE, for as long as it is not
 * zero. EROFS: opening for writing fails, too. What was written before stays readable. What goes through a mapping, and what
 * libc's own streams write to a file that was open before, is not reached. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

static const volatile unsigned char *told;
static const char *below;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAULT_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

	below = getenv("FAULT_BELOW");
	told = map == MAP_FAILED || !below ? NULL : map;
	if (fd >= 0)
		close(fd);
}

static int wrong(int number)
{
	errno = number;
	return -1;
}

static int of_path(const char *path)
{
	int number = told ? *told : 0;

	return number && strncmp(path, below, strlen(below)) == 0 ? number : 0;
}

static int of_file(int fd)
{
	char link[32], path[512];
	ssize_t n;

	if (!told || !*told)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = '\0';
	return of_path(path);
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* Those that answer -1, by their first argument. */
#define FAILS(type, name, declared, given) \
	PUBLIC type name declared \
	{ \
		static __typeof__(&(name)) real; \
		int number = of_file(fd); \
\
		if (!real) \
			real = REAL(name); \
		return number ? wrong(number) : real given; \
	}

FAILS(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
FAILS(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
FAILS(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
FAILS(int, fsync, (int fd), (fd))
FAILS(int, fdatasync, (int fd), (fd))
FAILS(int, ftruncate, (int fd, off_t n), (fd, n))

PUBLIC int posix_fallocate(int fd, off_t at, off_t n)
{
	int number = of_file(fd);

	return number ? number : REAL(posix_fallocate)(fd, at, n);
}

PUBLIC int rename(const char *from, const char *to)
{
	int number = of_path(to);

	return number ? wrong(number) : REAL(rename)(from, to);
}

static int of_opening(const char *path, int writes)
{
	return writes && of_path(path) == EROFS ? EROFS : 0;
}

PUBLIC int open(const char *path, int flags, ...)
{
	int number = of_opening(path, flags & (O_WRONLY | O_RDWR | O_CREAT));
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
	va_end(more);
	return number ? wrong(number) : REAL(open)(path, flags, mode);
}

PUBLIC FILE *fopen(const char *path, const char *mode)
{
	int number = of_opening(path, strpbrk(mode, "wa+") != NULL);

	if (number)
		errno = number;
	return number ? NULL : REAL(fopen)(path, mode);
}
