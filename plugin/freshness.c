#include "freshness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cur.h"
#include "identity.h"

static const struct { const char *option; int64_t ahead_s; const char *renew; } kinds[] = {
	[BROKER_CRL] = { "crlfile", 24 * 3600, "have the CA issue a new list and reload the broker" },
	[BROKER_CERTIFICATE] = { "certfile", 14 * 86400, "put a new certificate there and reload the broker" },
	[BROKER_CA] = { "cafile", 14 * 86400, "put the new CA beside the old one there and reload the broker" },
};

enum freshness_state freshness_look(enum broker_file_kind kind, int64_t now_s, int64_t ends_s)
{
	if (now_s > ends_s)
		return FRESHNESS_ENDED;
	/* Both are times of this age, or "never". */
	return ends_s - now_s < kinds[kind].ahead_s ? FRESHNESS_ENDING : FRESHNESS_GOOD;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static void close_cleanup(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A pipe would never end: files only. */
static enum err read_end(const struct broker_file *file, char *room, int64_t *ends_s)
{
	CLEANUP(close_cleanup) int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return access(file->path, F_OK) == 0 ? ERR_DENIED : ERR_NOT_FOUND;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return ERR_IO;
	while ((got = read(fd, room + n, FRESHNESS_BYTES_MAX + 1 - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		return ERR_IO;
	return n > FRESHNESS_BYTES_MAX ? ERR_TOO_LARGE : identity_ends(span(room, n), file->kind == BROKER_CRL, ends_s);
}

struct freshness_report *freshness_read(const struct freshness_order *o)
{
	CLEANUP(free_cleanup) char *room = malloc(FRESHNESS_BYTES_MAX + 1);
	struct freshness_report *r = calloc(1, sizeof(*r) + o->files.n * sizeof(r->seen[0]));

	if (!r || !room) {
		free(r);
		return NULL;
	}
	r->load = o->load;
	r->n = o->files.n;
	for (size_t i = 0; i < r->n; i++) {
		r->seen[i].file = o->files.file[i];
		r->seen[i].err = read_end(&o->files.file[i], room, &r->seen[i].ends_s);
	}
	return r;
}

/* ---- remembering ------------------------------------------------------------------------------------------------- */

static bool is_same(const struct broker_file *a, const struct broker_file *b)
{
	return a->kind == b->kind && strcmp(a->path, b->path) == 0;
}

static size_t find(const struct freshness *f, const struct broker_file *file)
{
	size_t i = 0;

	while (i < f->order.files.n && !is_same(&f->file[i].file, file))
		i++;
	return i;
}

/* In place: those still named move up to where they now stand, by exchange, so that nothing said is lost. */
void freshness_watch(struct freshness *f, const struct broker_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		size_t at = find(f, &files->file[i]);
		struct freshness_file row = { .file = files->file[i] };

		if (at == f->order.files.n) {           /* new: the one that stands here goes to the end */
			at = f->order.files.n < countof(f->file) ? f->order.files.n++ : i;
			f->file[at] = row;
		}
		row = f->file[at];
		f->file[at] = f->file[i];
		f->file[i] = row;
	}
	f->order.files = *files;
	f->order.load++;
	f->due = true;
}

bool freshness_due(const struct freshness *f, int64_t mono_s)
{
	return f->order.files.n && (f->due || mono_s - f->looked_s >= FRESHNESS_EVERY_S);
}

void freshness_asked(struct freshness *f, int64_t mono_s)
{
	f->due = false;
	f->looked_s = mono_s;
}

static void put_printable(struct put *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] < ' ' || s.p[i] > '~' ? '?' : (char)s.p[i];

		put_bytes(b, span(&c, 1));
	}
}

/* "crlfile /etc/pullcord/ca.crl ends at 2026-11-29T10:00:00Z: have ..."; of a long path its end. */
static void write_text(const struct freshness_file *r, bool newer, enum err err, char text[FRESHNESS_TEXT + 1])
{
	static const char *const does[] = { [FRESHNESS_GOOD] = "is good again, until", [FRESHNESS_ENDING] = "ends at",
					    [FRESHNESS_ENDED] = "ended at" };
	struct put b = put(text, FRESHNESS_TEXT);
	struct span path = span_str(r->file.path);
	time_t ends = (time_t)r->ends_s;
	char when[32] = "ever";
	struct tm tm;

	if (path.n > 80)
		path = span(path.p + path.n - 80, 80);
	put_fmt(&b, "%s ", kinds[r->file.kind].option);
	put_printable(&b, path);
	if (r->ends_s != INT64_MAX && gmtime_r(&ends, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (r->state == FRESHNESS_UNREADABLE)
		put_fmt(&b, " cannot be read: %s", err_text(err));
	else
		put_fmt(&b, " %s %s", does[r->state], when);
	if (r->state == FRESHNESS_ENDING || r->state == FRESHNESS_ENDED)
		put_fmt(&b, ": %s", newer ? "a newer one lies there: reload the broker" : kinds[r->file.kind].renew);
	must(put_end(&b) == OK);
	text[b.n] = '\0';
}

/* Good is said after something else only; then all may be said again. */
static bool is_to_be_said(struct freshness_file *r, enum freshness_state now, int64_t now_s)
{
	int64_t said_s = r->said_s[now];
	bool say = now == FRESHNESS_GOOD ? r->state != FRESHNESS_GOOD
					 : !said_s || now_s < said_s || now_s - said_s >= FRESHNESS_AGAIN_S;

	r->state = now;
	if (now == FRESHNESS_GOOD)
		memset(r->said_s, 0, sizeof(r->said_s));
	else if (say)
		r->said_s[now] = now_s;
	return say;
}

bool freshness_take(struct freshness *f, uint64_t load, const struct freshness_seen *seen, int64_t now_s,
		    const struct freshness_file **file, char text[FRESHNESS_TEXT + 1])
{
	size_t i = find(f, &seen->file);
	struct freshness_file *r = &f->file[i];
	enum freshness_state now = FRESHNESS_UNREADABLE;
	bool newer;

	if (i == f->order.files.n || load != f->order.load)
		return false;           /* the broker was reloaded meanwhile: that look comes */
	if (seen->err == OK && (r->load != load || !r->known || seen->ends_s < r->ends_s)) {
		r->ends_s = seen->ends_s;
		r->known = true;
	}
	r->load = load;
	newer = seen->err == OK && seen->ends_s > r->ends_s;
	if (seen->err == OK)
		now = freshness_look(r->file.kind, now_s, r->ends_s);
	if (!is_to_be_said(r, now, now_s))
		return false;
	write_text(r, newer, seen->err, text);
	*file = r;
	return true;
}
