#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum err file_err(int why)
{
	switch (why) {
	case ENOENT: case ENOTDIR: return ERR_NOT_FOUND;
	case EEXIST: return ERR_EXISTS;
	case EACCES: case EPERM: case EROFS: case ELOOP: return ERR_DENIED;
	case ENOSPC: case EDQUOT: case EFBIG: return ERR_FULL;
	case EISDIR: return ERR_KIND;
	default: return ERR_IO;
	}
}

enum err file_write(int fd, struct span s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? file_err(errno) : ERR_IO;
		s = span(s.p + n, s.n - (size_t)n);
	}
	return OK;
}

#define KEPT_A_SECOND 1000
#define PATH_BYTES_MAX 1024

static enum err free_name(const char *path, char *out, size_t cap)
{
	const long long now_s = time(NULL);

	for (unsigned n = 0; n < KEPT_A_SECOND; n++) {
		if (snprintf(out, cap, n ? "%s.unread-%lld-%u" : "%s.unread-%lld", path, now_s, n) >= (int)cap)
			return ERR_TOO_LARGE;
		if (access(out, F_OK) != 0)
			return OK;
	}
	return ERR_EXISTS;
}

static enum err move(const char *path, const char *kept, const char *beside)
{
	char from[PATH_BYTES_MAX], to[PATH_BYTES_MAX];

	if (snprintf(from, sizeof(from), "%s%s", path, beside) >= (int)sizeof(from) ||
	    snprintf(to, sizeof(to), "%s%s", kept, beside) >= (int)sizeof(to))
		return ERR_TOO_LARGE;
	return rename(from, to) == 0 ? OK : file_err(errno);
}

enum err file_keep_aside(const char *path, const char *const beside[], char *kept, size_t cap)
{
	enum err e;

	TRY(free_name(path, kept, cap));
	for (; *beside; beside++)
		if ((e = move(path, kept, *beside)) != OK && e != ERR_NOT_FOUND)
			return e;
	return move(path, kept, "");
}
