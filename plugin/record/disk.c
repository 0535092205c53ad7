#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "file.h"

#define ROOM_BYTES (1 << 20)    /* less than that is none */

enum err disk_flush_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(free_cleanup) char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	CLEANUP(fd_cleanup) int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd >= 0 && fsync(fd) == 0 ? OK : ERR_IO;
}

enum err disk_reserve(int fd, off_t bytes)
{
	int why = posix_fallocate(fd, 0, bytes);

	if (why != 0)
		return file_err(why);
	return fsync(fd) == 0 ? OK : ERR_IO;
}

enum err disk_open(const char *path, off_t bytes, int *out)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return file_err(errno);
	if (fstat(fd, &st) != 0)
		return ERR_IO;
	if (st.st_size < bytes) {
		TRY(disk_reserve(fd, bytes));
		TRY(disk_flush_folder(path));
	}
	*out = fd;
	fd = -1;
	return OK;
}

enum err disk_open_read(const char *path, int *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return file_err(errno);
	*out = fd;
	return OK;
}

enum err disk_write(int fd, struct span s, off_t at)
{
	ssize_t n = pwrite(fd, s.p, s.n, at);

	if (n < 0)
		return file_err(errno);
	if (n != (ssize_t)s.n)
		return ERR_FULL;
	return fdatasync(fd) == 0 ? OK : file_err(errno);
}

enum err disk_read(int fd, void *out, size_t n, off_t at)
{
	ssize_t have = pread(fd, out, n, at);

	if (have < 0)
		return ERR_IO;
	return (size_t)have == n ? OK : ERR_SHORT;
}

bool disk_has_room(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= ROOM_BYTES;
}
