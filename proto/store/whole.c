#include "whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

struct look {
	mode_t mode;
	bool owned;             /* by these, or by whoever we are */
	uid_t uid;
	gid_t gid;
};

/* What lies there under the temporary name is left over from a crash, or somebody's trap: it is not written to, and what is
 * written is given away by its descriptor. */
static enum err write_beside(const char *beside, struct span text, const struct look *look, bool flush)
{
	CLEANUP(fd_cleanup) int fd = -1;

	if (unlink(beside) != 0 && errno != ENOENT)
		return file_err(errno);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || (look->owned && fchown(fd, look->uid, look->gid) != 0) || fchmod(fd, look->mode) != 0)
		return file_err(errno);
	TRY(file_write(fd, text));
	return flush && fsync(fd) != 0 ? file_err(errno) : OK;
}

enum err whole_read(const char *path, void *out, size_t cap, size_t *n)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 1;

	*n = 0;
	if (fd < 0)
		return file_err(errno);
	while (*n < cap && got != 0) {
		got = read(fd, (uint8_t *)out + *n, cap - *n);
		if (got < 0 && errno != EINTR)
			return file_err(errno);
		*n += got > 0 ? (size_t)got : 0;
	}
	return *n == cap ? ERR_TOO_LARGE : OK;
}

/* Names are kept in the folder. */
enum err whole_flush(const char *path)
{
	CLEANUP(fd_cleanup) int fd = -1;
	char folder[WHOLE_PATH_MAX];
	const char *end = strrchr(path, '/');

	if (!span_text(end ? span(path, (size_t)(end - path) + (end == path)) : SPAN_LIT("."), folder, sizeof(folder)))
		return ERR_TOO_LARGE;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) != 0 ? file_err(errno) : OK;
}

static enum err put_there(const char *path, struct span text, const struct look *look, bool flush)
{
	char beside[WHOLE_PATH_MAX];
	enum err e;

	if (snprintf(beside, sizeof(beside), "%s.tmp", path) >= (int)sizeof(beside))
		return ERR_TOO_LARGE;
	e = write_beside(beside, text, look, flush);
	if (e == OK && rename(beside, path) != 0)
		e = file_err(errno);
	if (e != OK)
		(void)unlink(beside);
	return e == OK && flush ? whole_flush(path) : e;
}

enum err whole_write(const char *path, struct span text, unsigned mode)
{
	return put_there(path, text, &(struct look){ .mode = (mode_t)mode }, false);
}

enum err whole_keep(const char *path, struct span text, unsigned mode)
{
	return put_there(path, text, &(struct look){ .mode = (mode_t)mode }, true);
}

/* Of two that make it at once one is first. Half of it would be in the way of the next try. */
enum err whole_make(const char *path, struct span text)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;
	enum err e;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &st) != 0)
		return errno == EWOULDBLOCK ? ERR_BUSY : file_err(errno);
	if (st.st_size)
		return ERR_EXISTS;
	e = fchmod(fd, 0600) != 0 ? file_err(errno) : file_write(fd, text);
	if (e == OK && fsync(fd) != 0)
		e = file_err(errno);
	if (e == OK)
		return whole_flush(path);
	unlink(path);
	return e;
}

enum err whole_replace(const char *path, struct span text)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return file_err(errno);
	if (!S_ISREG(st.st_mode))
		return ERR_DENIED;
	return put_there(path, text, &(struct look){ st.st_mode & 0777, geteuid() == 0, st.st_uid, st.st_gid }, true);
}
