#include "edition.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "whole.h"

/* What cannot be read may be the one that is looked for: it is stepped over, but then not to find it says nothing. */
static enum err find(struct directory *d, const uint8_t *hash, size_t n, struct edition *out)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	enum err err = directory_edition(d, 0, &e), damage = ERR_NOT_FOUND;
	uint64_t number, unread = 0;

	for (; err == OK || (edition_unreadable(err) && e.number); err = number ? directory_edition(d, number, &e) : ERR_NOT_FOUND) {
		if (err == OK && memcmp(e.hash, hash, n) == 0) {
			*out = e;
			e = (struct edition){ 0 };
			return OK;
		}
		if (err != OK && !unread) {
			unread = e.number;
			damage = err;
		}
		number = e.number - 1;
		edition_clear(&e);
	}
	if (err != ERR_NOT_FOUND)               /* else older ones are kept no more */
		return err;
	*out = (struct edition){ .number = unread };
	return damage;
}

enum err edition_find(struct directory *d, const uint8_t hash[32], struct edition *out)
{
	return find(d, hash, 32, out);
}

enum err edition_of_version(struct directory *d, const uint8_t version[16], struct edition *out)
{
	return find(d, version, 16, out);
}

static bool path_of(const char *dir, const char *name, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/%s", dir, name);

	return n > 0 && (size_t)n < cap;
}

/* Beside the policy, with its mode; a rename away from being it. */
static enum err write_beside(const char *dir, struct span text)
{
	CLEANUP(fd_cleanup) int fd = -1;
	char path[WHOLE_PATH_MAX], policy[WHOLE_PATH_MAX];
	struct stat st;
	mode_t mode = 0640;

	if (!path_of(dir, POLICY_FILE ".new", path, sizeof(path)) || !path_of(dir, POLICY_FILE, policy, sizeof(policy)))
		return ERR_TOO_LARGE;
	if (stat(policy, &st) == 0)
		mode = st.st_mode & 0777;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, mode) != 0)
		return file_err(errno);
	TRY(file_write(fd, text));
	return fsync(fd) == 0 ? OK : file_err(errno);
}

static enum err move_in_place(const char *dir)
{
	char from[WHOLE_PATH_MAX], to[WHOLE_PATH_MAX];

	if (!path_of(dir, POLICY_FILE ".new", from, sizeof(from)) || !path_of(dir, POLICY_FILE, to, sizeof(to)))
		return ERR_TOO_LARGE;
	return rename(from, to) == 0 ? whole_flush(to) : file_err(errno);
}

/* The edition is durable before the file changes: after a crash between the two, the file that stayed is found to be
 * another text than the newest edition and becomes one itself; nobody was told that the new one is in force. */
enum err edition_put(struct directory *d, const char *dir, const struct edition *e, uint64_t *number)
{
	CLEANUP(edition_clear) struct edition newest = { 0 };

	TRY(write_beside(dir, span_str(e->text)));
	if (directory_edition(d, 0, &newest) == OK && memcmp(newest.hash, e->hash, sizeof(e->hash)) == 0) {
		*number = newest.number;        /* kept before, when the file could not be moved */
		return move_in_place(dir);
	}
	TRY(edition_add(d, e, number));
	return move_in_place(dir);
}

enum err edition_add(struct directory *d, const struct edition *e, uint64_t *number)
{
	CLEANUP(batch_abort) struct batch *b = NULL;

	TRY(directory_begin(d, &b));
	TRY(batch_edition(b, e, number));
	return batch_commit(&b);
}

enum err edition_keep(struct directory *d, const struct policy *p, int64_t now_us)
{
	CLEANUP(edition_clear) struct edition newest = { 0 }, e = { 0 }, same = { 0 };
	uint64_t number;

	TRY(edition_of_policy(p, &e));
	e.at_us = (uint64_t)now_us;
	if (directory_edition(d, 0, &newest) == OK && memcmp(newest.hash, e.hash, sizeof(e.hash)) == 0)
		return OK;
	if (edition_find(d, e.hash, &same) == OK)       /* whether it may go back was asked before */
		e.rollback_of = same.number;
	return edition_add(d, &e, &number);
}

enum err edition_steps_back_to(struct directory *d, const struct policy *p, uint64_t *number, uint64_t *unread)
{
	CLEANUP(edition_clear) struct edition newest = { 0 }, same = { 0 };
	uint8_t hash[32];
	enum err e = directory_edition(d, 0, &newest);

	*number = *unread = 0;
	policy_hash(p, hash);
	if (e == OK && memcmp(newest.hash, hash, sizeof(hash)) == 0)
		return OK;
	e = edition_find(d, hash, &same);
	if (e == OK)
		*number = same.number;
	if (edition_unreadable(e) && same.number == newest.number)
		*unread = newest.number;
	return e == ERR_NOT_FOUND || *unread ? OK : e;
}

void edition_say_untold(enum err e, const char *dir, char *out, size_t cap)
{
	snprintf(out, cap, "%.200s/" POLICY_FILE ": whether it is an older text cannot be told: a version that was in force "
		 "cannot be read: %s; right would be `pullcord policy shadow FILE --dir %.100s` and `--promote`, "
		 "an administrator's setPolicy, or directory.mdb from a backup", dir, err_text(e), dir);
}

void edition_say_unread(uint64_t unread, char out[EDITION_UNREAD_TEXT])
{
	snprintf(out, EDITION_UNREAD_TEXT, "; version %llu cannot be read: it may have been this text", (unsigned long long)unread);
}

void edition_say_back(uint64_t number, const char *dir, char *out, size_t cap)
{
	const unsigned long long n = (unsigned long long)number;

	snprintf(out, cap, "%.200s/" POLICY_FILE ": it is the text of version %llu, which others came after; right would be: pullcord "
		 "policy rollback %llu --dir %.200s, or a comment in it that says why", dir, n, n, dir);
}

/* ---- editions and policies --------------------------------------------------------------------------------------- */

/* With what is before the last '/'. */
static size_t folder_of(struct span name)
{
	const uint8_t *slash = name.n ? memrchr(name.p, '/', name.n) : NULL;

	return slash ? (size_t)(slash + 1 - name.p) : 0;
}

static char *copy(struct span s)
{
	return strndup(s.n ? (const char *)s.p : "", s.n);
}

enum err edition_of_policy(const struct policy *p, struct edition *out)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	struct policy_file first = policy_source(p, 0), f;
	size_t above = folder_of(first.name);
	uint32_t files = policy_count(p).files;

	policy_hash(p, e.hash);
	e.text = copy(first.text);
	e.file = calloc(files, sizeof(*e.file));
	if (!e.text || !e.file)
		return ERR_FULL;
	for (uint32_t i = 1; i < files; i++) {
		struct edition_file *to = &e.file[e.files++];

		f = policy_source(p, i);
		to->name = copy(span(f.name.p + above, f.name.n - above));
		to->text = copy(f.text);
		if (!to->name || !to->text)
			return ERR_FULL;
	}
	*out = e;
	e = (struct edition){ 0 };   /* given away */
	return OK;
}

static enum err bring(void *ctx, struct span from, struct span path, struct policy_file *out)
{
	const struct edition *e = ctx;
	size_t above = folder_of(from);

	for (size_t i = 0; i < e->files; i++) {
		struct span name = span_str(e->file[i].name);

		if (name.n == above + path.n && (!above || memcmp(name.p, from.p, above) == 0) &&
		    memcmp(name.p + above, path.p, path.n) == 0) {
			*out = (struct policy_file){ name, span_str(e->file[i].text) };
			return OK;
		}
	}
	return ERR_NOT_FOUND;
}

enum err edition_policy(const struct edition *e, struct policy **out, struct policy_error *where)
{
	const struct policy_reader reader = { bring, (void *)(uintptr_t)e };
	CLEANUP(policy_close) struct policy *p = NULL;
	uint8_t hash[32];

	*where = (struct policy_error){ 0 };
	if (!e->text)
		return ERR_NOT_FOUND;
	TRY(policy_load_files(&(struct policy_file){ .text = span_str(e->text) }, &reader, &p, where));
	policy_hash(p, hash);
	if (memcmp(hash, e->hash, sizeof(hash)) != 0)
		return ERR_CORRUPT;
	*out = p;
	p = NULL;               /* given away */
	return OK;
}
