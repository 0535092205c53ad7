#include "sizes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 192

struct sizes {
	int fd;
	off_t end, at;              /* behind the last whole line; of sizes_next() */
	size_t origin_n;
	char origin[ORIGIN_BYTES_MAX];
	uint8_t pub[SIGN_KEY_BYTES];
};

/* Where the line that ends at `end` (with its newline) begins; `end` itself when it is no line. */
static off_t line_start(int fd, off_t end)
{
	char buf[LINE_MAX_BYTES];
	off_t from = end > (off_t)sizeof(buf) ? end - (off_t)sizeof(buf) : 0;
	ssize_t n = pread(fd, buf, (size_t)(end - from), from);

	if (n != end - from || n < 1 || buf[n - 1] != '\n')
		return end;
	for (ssize_t i = n - 2; i >= 0; i--)
		if (buf[i] == '\n')
			return from + i + 1;
	return from == 0 ? 0 : end;
}

/* Behind the last newline: at most one line can be unfinished. */
static off_t last_newline(int fd, off_t size)
{
	char buf[LINE_MAX_BYTES];
	off_t from = size > (off_t)sizeof(buf) ? size - (off_t)sizeof(buf) : 0;
	ssize_t n = pread(fd, buf, (size_t)(size - from), from);

	while (n > 0 && buf[n - 1] != '\n')
		n--;
	return n > 0 ? from + n : from == 0 ? 0 : size;
}

/* A new file is only there for good when its folder was flushed too. */
static enum err flush_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(free_cleanup) char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	CLEANUP(fd_cleanup) int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd >= 0 && fsync(fd) == 0 ? OK : ERR_IO;
}

enum err sizes_open(const char *path, struct span origin, const uint8_t pub[SIGN_KEY_BYTES], bool read_only,
		    struct sizes **out)
{
	CLEANUP(sizes_close) struct sizes *s = calloc(1, sizeof(*s));
	struct stat st;

	if (!s)
		return ERR_FULL;
	s->fd = -1;
	if (origin.n > sizeof(s->origin))
		return ERR_TOO_LARGE;
	memcpy(s->origin, origin.p, origin.n);
	s->origin_n = origin.n;
	memcpy(s->pub, pub, sizeof(s->pub));
	s->fd = open(path, (read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
	if (fstat(s->fd, &st) != 0)
		return ERR_IO;
	if (st.st_size == 0 && !read_only)
		TRY(flush_folder(path));
	s->end = last_newline(s->fd, st.st_size);
	if (!read_only && s->end != st.st_size && ftruncate(s->fd, s->end) != 0)
		return ERR_IO;
	*out = s;
	s = NULL;
	return OK;
}

void sizes_close(struct sizes **s)
{
	if (*s)
		fd_cleanup(&(*s)->fd);
	free(*s);
	*s = NULL;
}

/* A line becomes the note it was made of, whose signature is the check. */
static enum err line_read(const struct sizes *s, struct span line, struct checkpoint *out)
{
	struct span origin = span(s->origin, s->origin_n), rest, size = span_cut(line, ' ', &rest),
		    root = span_cut(rest, ' ', &rest);
	char text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text));

	put_fmt(&note, "%.*s\n%.*s\n%.*s\n\n", SPAN_FMT(origin), SPAN_FMT(size), SPAN_FMT(root));
	put_fmt(&note, "\xe2\x80\x94 %.*s %.*s\n", SPAN_FMT(origin), SPAN_FMT(rest));
	if (put_end(&note) != OK || note_open(put_span(&note), origin, s->pub, out) != OK)
		return ERR_CORRUPT;
	out->origin = origin;
	return OK;
}

static enum err read_at(const struct sizes *s, off_t from, off_t to, struct checkpoint *out)
{
	char buf[LINE_MAX_BYTES];
	size_t n = (size_t)(to - from);

	if (n < 2 || n > sizeof(buf))
		return ERR_CORRUPT;
	if (pread(s->fd, buf, n, from) != (ssize_t)n)
		return ERR_IO;
	return line_read(s, span(buf, n - 1), out);
}

enum err sizes_newest(struct sizes *s, struct checkpoint *out)
{
	if (s->end == 0)
		return ERR_NOT_FOUND;
	return read_at(s, line_start(s->fd, s->end), s->end, out);
}

enum err sizes_next(struct sizes *s, struct checkpoint *out)
{
	char buf[LINE_MAX_BYTES], *newline;
	ssize_t n;
	off_t from = s->at;

	if (from >= s->end)
		return ERR_NOT_FOUND;
	n = pread(s->fd, buf, sizeof(buf), from);
	newline = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;
	if (!newline)
		return n < 0 ? ERR_IO : ERR_CORRUPT;
	s->at += newline - buf + 1;
	return line_read(s, span(buf, (size_t)(newline - buf)), out);
}

/* The note's third word of its last line is key id and signature. */
static struct span signature_of(struct span note)
{
	size_t n = note.n - 1, i = n;

	while (i > 0 && note.p[i - 1] != ' ')
		i--;
	return span(note.p + i, n - i);
}

enum err sizes_append(struct sizes *s, struct span note)
{
	char line[LINE_MAX_BYTES];
	struct put b = put(line, sizeof(line));
	struct span rest, size, root;
	ssize_t n;
	int why;

	(void)span_cut(note, '\n', &rest);
	size = span_cut(rest, '\n', &rest);
	root = span_cut(rest, '\n', &rest);
	put_fmt(&b, "%.*s %.*s %.*s\n", SPAN_FMT(size), SPAN_FMT(root), SPAN_FMT(signature_of(note)));
	TRY(put_end(&b));
	n = pwrite(s->fd, line, b.n, s->end);
	why = errno;
	if (n == (ssize_t)b.n && fdatasync(s->fd) == 0) {
		s->end += n;
		return OK;
	}
	(void)!ftruncate(s->fd, s->end);   /* if that fails too, the next line overwrites what is there */
	return n < 0 && (why == ENOSPC || why == EDQUOT) ? ERR_FULL : ERR_IO;
}
