#include "edition.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt.h"
#include "policy.h"

enum err edition_find(struct directory *d, const uint8_t hash[32], struct edition *out)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	uint64_t number = 0;

	do {
		edition_clear(&e);
		TRY(directory_edition(d, number, &e));
		number = e.number - 1;
	} while (memcmp(e.hash, hash, sizeof(e.hash)) != 0 && number > 0);
	if (memcmp(e.hash, hash, sizeof(e.hash)) != 0)
		return ERR_NOT_FOUND;
	*out = e;
	e = (struct edition){ 0 };
	return OK;
}

static bool path_of(const char *dir, const char *name, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/%s", dir, name);

	return n > 0 && (size_t)n < cap;
}

static enum err write_all(int fd, struct span text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return errno == ENOSPC ? ERR_FULL : ERR_IO;
		text = span(text.p + n, text.n - (size_t)n);
	}
	return fsync(fd) == 0 ? OK : ERR_IO;
}

/* Beside the policy, with its mode; a rename away from being it. */
static enum err write_beside(const char *dir, struct span text)
{
	CLEANUP(fd_cleanup) int fd = -1;
	char path[600], policy[600];
	struct stat st;
	mode_t mode = 0640;

	if (!path_of(dir, POLICY_FILE ".new", path, sizeof(path)) || !path_of(dir, POLICY_FILE, policy, sizeof(policy)))
		return ERR_TOO_LARGE;
	if (stat(policy, &st) == 0)
		mode = st.st_mode & 0777;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, mode) != 0)
		return errno == EACCES ? ERR_DENIED : ERR_IO;
	return write_all(fd, text);
}

static enum err move_in_place(const char *dir)
{
	CLEANUP(fd_cleanup) int fd = -1;
	char from[600], to[600];

	if (!path_of(dir, POLICY_FILE ".new", from, sizeof(from)) || !path_of(dir, POLICY_FILE, to, sizeof(to)))
		return ERR_TOO_LARGE;
	if (rename(from, to) != 0)
		return ERR_IO;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0 ? OK : ERR_IO;
}

/* The edition is durable before the file changes: after a crash between the two, the file that stayed is found to be
 * another text than the newest edition and becomes one itself; nobody was told that the new one is in force. */
enum err edition_put(struct directory *d, const char *dir, const struct edition *e, uint64_t *number)
{
	CLEANUP(batch_abort) struct batch *b = NULL;

	TRY(write_beside(dir, span_str(e->text)));
	TRY(directory_begin(d, &b));
	TRY(batch_edition(b, e, number));
	TRY(batch_commit(&b));
	return move_in_place(dir);
}

enum err edition_keep_file(struct directory *d, const char *dir, int64_t now_us)
{
	CLEANUP(edition_clear) struct edition newest = { 0 }, e = { .at_us = (uint64_t)now_us };
	CLEANUP(batch_abort) struct batch *b = NULL;
	char path[600];
	uint64_t number;
	FILE *f;
	size_t n;

	if (!path_of(dir, POLICY_FILE, path, sizeof(path)))
		return ERR_TOO_LARGE;
	e.text = malloc(POLICY_BYTES_MAX + 1);
	f = e.text ? fopen(path, "re") : NULL;
	if (!f)
		return e.text ? ERR_NOT_FOUND : ERR_FULL;
	n = fread(e.text, 1, POLICY_BYTES_MAX, f);
	fclose(f);
	e.text[n] = '\0';
	SHA256(e.hash, span(e.text, n));
	if (directory_edition(d, 0, &newest) == OK && memcmp(newest.hash, e.hash, sizeof(e.hash)) == 0)
		return OK;
	TRY(directory_begin(d, &b));
	TRY(batch_edition(b, &e, &number));
	return batch_commit(&b);
}
