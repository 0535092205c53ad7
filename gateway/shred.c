#include "shred.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cur.h"
#include "store.h"
#include "whole.h"

#define BLOCK 65536
#define FLUSH_BYTES (4 << 20)           /* a slow disk takes its time: it is heard of after so many */

static enum err zero(int fd, off_t size, const struct shred_watch *w)
{
	static uint8_t zeros[BLOCK];            /* not const: that would be 64 KiB of the program */
	off_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, zeros, size - done < BLOCK ? (size_t)(size - done) : BLOCK);

		if (n <= 0)
			return ERR_IO;
		done += n;
		if (done < size && done / FLUSH_BYTES == (done - n) / FLUSH_BYTES)
			continue;
		if (fsync(fd) != 0)
			return ERR_IO;
		w->alive(w->ctx);
	}
	return OK;
}

/* A key that nobody was to change may be read-only. */
static enum err overwrite(const char *path, const struct shred_watch *w)
{
	CLEANUP(fd_cleanup) int fd = -1;
	struct stat st;

	(void)!chmod(path, 0600);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0)
		return errno == EACCES || errno == EPERM || errno == EROFS ? ERR_DENIED : ERR_IO;
	return S_ISREG(st.st_mode) ? zero(fd, st.st_size, w) : ERR_DENIED;
}

static enum err remove_name(const char *path)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return OK;
	return errno == EACCES || errno == EPERM || errno == EROFS ? ERR_DENIED : ERR_IO;
}

/* A file that cannot be removed is overwritten at least. */
enum err shred_file(const char *path, const struct shred_watch *w)
{
	char real[PATH_MAX];
	enum err e;

	if (!realpath(path, real))
		return errno == ENOENT ? remove_name(path) : errno == EACCES ? ERR_DENIED : ERR_IO;
	e = overwrite(real, w);
	if (e == OK)
		e = remove_name(real);
	if (e == OK)
		e = whole_flush(real);
	return e == OK ? remove_name(path) : e;
}

/* ---- what there is ---- */

struct shredding {
	const struct shred_watch *watch;
	struct put left;                /* what could not be destroyed, and why */
	bool good;
	bool last;                      /* nobody tries again: what cannot be overwritten is removed at least */
};

static void leave(struct shredding *s, const char *path, const char *why)
{
	put_fmt(&s->left, "%s%s: %s", s->good ? "" : "; ", path, why);
	s->good = false;
}

static void remove_at_least(const char *path)
{
	char real[PATH_MAX];
	struct stat st;

	if (realpath(path, real) && lstat(real, &st) == 0 && S_ISREG(st.st_mode))
		(void)remove_name(real);
	(void)remove_name(path);
}

static void shred(struct shredding *s, const char *path)
{
	enum err e = shred_file(path, s->watch);

	if (e == OK)
		return;
	leave(s, path, err_text(e));
	if (s->last)
		remove_at_least(path);
}

/* The outbox's lock, and older ones: sealed by the same key. */
static void shred_beside(struct shredding *s, const char *outbox)
{
	static const char *const tails[] = { STORE_LOCK, ".unread-*" };
	char plain[2 * CONF_TEXT], pattern[2 * CONF_TEXT + 16];
	glob_t found;
	size_t n = 0;

	for (; *outbox; plain[n++] = *outbox++)
		if (strchr("*?[\\", *outbox))
			plain[n++] = '\\';
	for (size_t i = 0; i < countof(tails); i++) {
		snprintf(pattern, sizeof(pattern), "%.*s%s", (int)n, plain, tails[i]);
		if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			shred(s, found.gl_pathv[k]);
		globfree(&found);
	}
}

static struct shredding begin(const struct shred_watch *w, char *text, size_t cap)
{
	text[0] = '\0';
	return (struct shredding){ w, put(text, cap), true, false };
}

/* Written to, and removed. */
static bool may_go(const char *path)
{
	char folder[CONF_TEXT];
	const char *end = strrchr(path, '/');

	return access(path, W_OK) == 0 && span_text(end ? span(path, (size_t)(end - path) + 1) : SPAN_LIT("."), folder, sizeof(folder)) &&
	       access(folder, W_OK) == 0;
}

static bool is_credential(const char *where) { return strncmp(where, "credential:", 11) == 0; }

static void shred_kept(struct shredding *s, const struct conf *c)
{
	char key[CONF_TEXT + 8];

	if (!is_credential(c->gateway_root_key))
		shred(s, c->gateway_root_key);
	shred(s, c->gateway_outbox);
	shred_beside(s, c->gateway_outbox);
	snprintf(key, sizeof(key), "%s/key", c->witness_folder);
	shred(s, key);
}

bool shred_store(const struct conf *c, const struct shred_watch *w, char *text, size_t cap)
{
	struct shredding s = begin(w, text, cap);

	if (is_credential(c->gateway_root_key))
		leave(&s, c->gateway_root_key, "it is systemd's, and to be removed from the machine");
	shred_kept(&s, c);
	if (!may_go(c->uplink_keyfile))   /* it goes last, when nothing can be said any more */
		leave(&s, c->uplink_keyfile, "it cannot be written");
	return s.good;
}

bool shred_identity(const struct conf *c, const struct shred_watch *w, char *text, size_t cap)
{
	struct shredding s = begin(w, text, cap);
	static const char *const tails[] = { "", ".new", ".old" };      /* a renewal's */
	char path[CONF_TEXT + 8];

	s.last = true;
	shred_kept(&s, c);
	for (size_t i = 0; i < countof(tails); i++) {
		snprintf(path, sizeof(path), "%s%s", c->uplink_keyfile, tails[i]);
		shred(&s, path);
	}
	return s.good;
}
