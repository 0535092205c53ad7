#include "whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err err_of_errno(void)
{
	switch (errno) {
	case ENOENT: case ENOTDIR: return ERR_NOT_FOUND;
	case EACCES: case EPERM: case EROFS: return ERR_DENIED;
	case ENOSPC: case EDQUOT: return ERR_FULL;
	default: return ERR_IO;
	}
}

static enum err write_all(int fd, struct span text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_of_errno();
		text = span(text.p + n, text.n - (size_t)n);
	}
	return OK;
}

/* What lies there under the temporary name is left over from a crash, or somebody's trap: it is not written to. */
static enum err write_beside(const char *beside, struct span text, unsigned mode, bool flush)
{
	CLEANUP(fd_cleanup) int fd = -1;

	if (unlink(beside) != 0 && errno != ENOENT)
		return err_of_errno();
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, (mode_t)mode) != 0)
		return err_of_errno();
	TRY(write_all(fd, text));
	return flush && fsync(fd) != 0 ? err_of_errno() : OK;
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
	return fd < 0 || fsync(fd) != 0 ? err_of_errno() : OK;
}

static enum err put_there(const char *path, struct span text, unsigned mode, bool flush)
{
	char beside[WHOLE_PATH_MAX];
	enum err e;

	if (snprintf(beside, sizeof(beside), "%s.tmp", path) >= (int)sizeof(beside))
		return ERR_TOO_LARGE;
	e = write_beside(beside, text, mode, flush);
	if (e == OK && rename(beside, path) != 0)
		e = err_of_errno();
	if (e != OK)
		(void)unlink(beside);
	return e == OK && flush ? whole_flush(path) : e;
}

enum err whole_write(const char *path, struct span text, unsigned mode) { return put_there(path, text, mode, false); }
enum err whole_keep(const char *path, struct span text, unsigned mode) { return put_there(path, text, mode, true); }
