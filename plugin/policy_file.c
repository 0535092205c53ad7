#include "policy_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "file.h"

#define PATH_BYTES_MAX 1024

/* What was read, until the policy is loaded. */
struct shelf {
	struct {
		char *text, *path;
	} file[POLICY_FILES_MAX];
	size_t n;
};

static void shelf_clear(struct shelf *s)
{
	while (s->n) {
		s->n--;
		free(s->file[s->n].text);
		free(s->file[s->n].path);
	}
}

static void file_cleanup(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* A whole file. Grows with what is there: a policy is a few kilobytes, its limit many megabytes. */
static enum err read_all(FILE *f, char **text, size_t *n)
{
	size_t cap = 0;
	char *more;

	for (*n = 0;; *n += fread(*text + *n, 1, cap - *n, f)) {
		if (ferror(f))
			return ERR_IO;
		if (*n > POLICY_BYTES_MAX)
			return ERR_TOO_LARGE;
		if (*n < cap)
			return OK;
		cap = cap ? 2 * cap : 65536;
		more = realloc(*text, cap);
		if (!more)
			return ERR_FULL;
		*text = more;
	}
}

static enum err take(struct shelf *s, const char *path, struct policy_file *out)
{
	CLEANUP(file_cleanup) FILE *f = fopen(path, "re");
	size_t n = 0;

	if (!f)
		return file_err(errno);
	must(s->n < POLICY_FILES_MAX);
	s->file[s->n].text = NULL;
	s->file[s->n].path = strdup(path);
	if (!s->file[s->n++].path)
		return ERR_FULL;
	TRY(read_all(f, &s->file[s->n - 1].text, &n));
	*out = (struct policy_file){ span_str(s->file[s->n - 1].path), span(s->file[s->n - 1].text, n) };
	return OK;
}

/* In the folder of the file that includes it. */
static enum err bring(void *ctx, struct span from, struct span path, struct policy_file *out)
{
	const uint8_t *slash = memrchr(from.p, '/', from.n);
	char full[PATH_BYTES_MAX];
	int n = snprintf(full, sizeof(full), "%.*s%.*s", slash ? (int)(slash + 1 - from.p) : 0, (const char *)from.p,
			 SPAN_FMT(path));

	if (n < 0 || (size_t)n >= sizeof(full) || memchr(path.p, '\0', path.n))
		return ERR_TOO_LARGE;
	return take(ctx, full, out);
}

enum err policy_file_load(const char *path, struct policy **out, struct policy_error *where)
{
	CLEANUP(shelf_clear) struct shelf shelf = { 0 };
	const struct policy_reader reader = { bring, &shelf };
	struct policy_file first;
	enum err e;

	*where = (struct policy_error){ 0 };
	e = take(&shelf, path, &first);
	if (e == OK)
		e = policy_load_files(&first, &reader, out, where);
	if (e != OK && !where->text[0])
		snprintf(where->text, sizeof(where->text), "%s", err_text(e));
	if (e != OK && !where->file[0])
		snprintf(where->file, sizeof(where->file), "%s", path);
	return e;
}

void policy_error_write(const struct policy_error *where, char *out, size_t cap)
{
	if (where->line)
		snprintf(out, cap, "%s:%u:%u: %s", where->file, where->line, where->column, where->text);
	else
		snprintf(out, cap, "%s: %s", where->file, where->text);
}
