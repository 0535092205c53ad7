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
#include "whole.h"

#define BLOCK 65536

static enum err overwrite(const char *path)
{
	static uint8_t zeros[BLOCK];            /* not const: that would be 64 KiB of the program */
	CLEANUP(fd_cleanup) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return errno == EACCES || errno == EPERM || errno == EROFS ? ERR_DENIED : ERR_IO;
	if (!S_ISREG(st.st_mode))
		return ERR_DENIED;
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = write(fd, zeros, left < BLOCK ? (size_t)left : BLOCK);

		if (n <= 0)
			return ERR_IO;
		left -= n;
	}
	return fsync(fd) == 0 ? OK : ERR_IO;
}

static enum err remove_name(const char *path)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return OK;
	return errno == EACCES || errno == EPERM || errno == EROFS ? ERR_DENIED : ERR_IO;
}

/* A file that cannot be removed is overwritten at least, and one that cannot be overwritten removed. */
enum err shred_file(const char *path)
{
	char real[PATH_MAX];
	enum err e;

	if (!realpath(path, real))
		return errno == ENOENT ? remove_name(path) : errno == EACCES ? ERR_DENIED : ERR_IO;
	e = overwrite(real);
	if (e == OK)
		e = remove_name(real);
	else
		(void)!remove_name(real);
	if (e == OK)
		e = whole_flush(real);
	return e == OK ? remove_name(path) : e;
}

/* ---- what there is ---- */

struct shredding {
	struct put left;                /* what could not be destroyed, and why */
	bool good;
};

static void leave(struct shredding *s, const char *path, const char *why)
{
	put_fmt(&s->left, "%s%s: %s", s->good ? "" : "; ", path, why);
	s->good = false;
}

static void shred(struct shredding *s, const char *path)
{
	enum err e = shred_file(path);

	if (e != OK)
		leave(s, path, err_text(e));
}

/* The outbox's lock, and older ones: sealed by the same key. */
static void shred_beside(struct shredding *s, const char *outbox)
{
	static const char *const tails[] = { "-lock", ".unread-*" };
	char pattern[CONF_TEXT + 16];
	glob_t found;

	for (size_t i = 0; i < countof(tails); i++) {
		snprintf(pattern, sizeof(pattern), "%s%s", outbox, tails[i]);
		if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			shred(s, found.gl_pathv[k]);
		globfree(&found);
	}
}

static struct shredding begin(char *text, size_t cap)
{
	text[0] = '\0';
	return (struct shredding){ put(text, cap), true };
}

static bool is_credential(const char *where) { return strncmp(where, "credential:", 11) == 0; }

bool shred_store(const struct conf *c, char *text, size_t cap)
{
	struct shredding s = begin(text, cap);
	char key[CONF_TEXT + 8];

	if (is_credential(c->gateway_root_key))
		leave(&s, c->gateway_root_key, "it is systemd's, and to be removed from the machine");
	else
		shred(&s, c->gateway_root_key);
	shred(&s, c->gateway_outbox);
	shred_beside(&s, c->gateway_outbox);
	snprintf(key, sizeof(key), "%s/key", c->witness_folder);
	shred(&s, key);
	if (access(c->uplink_keyfile, W_OK) != 0)   /* it goes last, when nothing can be said any more */
		leave(&s, c->uplink_keyfile, "it cannot be written");
	return s.good;
}

bool shred_identity(const struct conf *c, char *text, size_t cap)
{
	struct shredding s = begin(text, cap);
	static const char *const tails[] = { "", ".new", ".old" };      /* a renewal's */
	char path[CONF_TEXT + 8];

	for (size_t i = 0; i < countof(tails); i++) {
		snprintf(path, sizeof(path), "%s%s", c->uplink_keyfile, tails[i]);
		shred(&s, path);
	}
	return s.good;
}
