#include "file.h"

#include <errno.h>
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
