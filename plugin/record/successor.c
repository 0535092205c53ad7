#include "successor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "record.h"
#include "sizes.h"
#include "trail.h"
#include "whole.h"

#define VKEY_MODE 0644

enum err successor_origin(struct span origin, char *out, size_t cap, unsigned *number)
{
	struct put b = put(out, cap - 1);
	size_t base = origin.n;
	uint64_t n = 1;

	while (base > 0 && origin.p[base - 1] != '/')
		base--;
	if (base > 1 && base < origin.n && origin.p[base] != '0' && span_u64(span(origin.p + base, origin.n - base), 999999, &n))
		origin.n = base - 1;
	else
		n = 1;
	put_fmt(&b, "%.*s/%u", SPAN_FMT(origin), (unsigned)n + 1);
	TRY(put_end(&b));
	out[b.n] = '\0';
	*number = (unsigned)n;
	return b.n <= ORIGIN_BYTES_MAX ? OK : ERR_TOO_LARGE;
}

/* One at work. */
struct renewal {
	struct successor *s;
	uint8_t root[AEAD_KEY_BYTES], seed[SIGN_KEY_BYTES], pub[SIGN_KEY_BYTES];
	char note[NOTE_BYTES_MAX];      /* what was signed last; "": nothing can be told */
};

struct path {
	char text[SUCCESSOR_PATH_MAX];
};

/* The new ones are made beside the old as NAME.new. In this order each takes the place of the old one, which is put aside
 * as NAME.1: until the last of them has, no broker goes on with either record. */
static const struct { const char *name, *tail; } file[] = {
	{ "record.mdb", "" }, { "record.mdb", "-keys" }, { "record.sizes", "" }, { "record.vkey", "" },
};
enum { STORE, KEYS, SIZES, VKEY };

static struct path in_dir(const struct renewal *r, const char *name)
{
	struct path p;

	must(snprintf(p.text, sizeof(p.text), "%s/%s", r->s->dir, name) < (int)sizeof(p.text));     /* successor_begin() looked */
	return p;
}

static struct path named(const struct renewal *r, unsigned which, const char *middle)
{
	bool elsewhere = which == SIZES && r->s->sizes;
	struct path p;

	must(snprintf(p.text, sizeof(p.text), "%s%s%s%s%s", elsewhere ? r->s->sizes : r->s->dir, elsewhere ? "" : "/",
		      elsewhere ? "" : file[which].name, middle, file[which].tail) < (int)sizeof(p.text));
	return p;
}

static struct path is_at(const struct renewal *r, unsigned which) { return named(r, which, ""); }
static struct path new_at(const struct renewal *r, unsigned which) { return named(r, which, ".new"); }

static struct path aside_at(const struct renewal *r, unsigned which)
{
	char middle[16];

	snprintf(middle, sizeof(middle), ".%u", r->s->number);
	return named(r, which, middle);
}

static bool is_there(struct path path)
{
	return access(path.text, F_OK) == 0;
}

static enum err read_keys(struct renewal *r)
{
	char vkey[1024];
	struct span origin, rest;
	uint8_t want[SIGN_KEY_BYTES];
	size_t n;

	TRY(whole_read(is_at(r, VKEY).text, vkey, sizeof(vkey), &n));
	TRY(vkey_read(span_trim(span_cut(span(vkey, n), '\n', &rest)), &origin, want));
	if (!span_text(origin, r->s->old, sizeof(r->s->old)))
		return ERR_TOO_LARGE;
	TRY(successor_origin(origin, r->s->new, sizeof(r->s->new), &r->s->number));
	TRY(vault_root(in_dir(r, "keys/root.key").text, r->root));
	TRY(vault_root(in_dir(r, "keys/record.seed").text, r->seed));
	TRY(sign_public(r->seed, r->pub));
	return memcmp(r->pub, want, sizeof(want)) == 0 ? OK : ERR_KEY;
}

/* ---- what was signed last ---- */

struct signed_last {
	uint64_t size;                  /* 0: nothing */
	struct hash root;
};

static void ask_sizes(const struct renewal *r, struct signed_last *out)
{
	CLEANUP(sizes_close) struct sizes *sizes = NULL;
	struct checkpoint c;

	if (sizes_open(is_at(r, SIZES).text, span_str(r->s->old), r->pub, true, &sizes) == OK && sizes_newest(sizes, &c) == OK)
		*out = (struct signed_last){ c.size, c.root };
}

static _Noreturn void answer(const struct renewal *r, int to)
{
	struct signed_last last = { 0 };
	struct checkpoint_row row;
	struct trail *t = NULL;
	struct txn *view = NULL;
	struct checkpoint c;

	store_probe_begin();
	if (trail_open(is_at(r, STORE).text, 1 << 20, true, &t) == OK && trail_view(t, &view) == OK &&
	    view_newest_checkpoint(view, &row) == OK && note_open(row.note, span_str(r->s->old), r->pub, &c) == OK)
		last = (struct signed_last){ c.size, c.root };
	_exit(write(to, &last, sizeof(last)) != sizeof(last));
}

/* In a process of its own: a damaged store can end whoever reads it. */
static void ask_store(const struct renewal *r, struct signed_last *out)
{
	struct signed_last last = { 0 };
	int fd[2];
	pid_t pid;

	if (pipe(fd) != 0)
		return;
	pid = fork();
	if (pid == 0)
		answer(r, fd[1]);
	close(fd[1]);
	if (pid > 0 && read(fd[0], &last, sizeof(last)) == sizeof(last) && last.size > out->size)
		*out = last;
	close(fd[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* Signing is deterministic: the note made anew is the one that was shown. */
static void read_last(struct renewal *r)
{
	struct put note = put(r->note, sizeof(r->note) - 1);
	struct signed_last last = { 0 };

	ask_sizes(r, &last);
	ask_store(r, &last);
	if (last.size == 0 || note_write(&(struct checkpoint){ span_str(r->s->old), last.size, last.root }, r->seed, &note) != OK)
		note.n = 0;
	r->note[note.n] = '\0';
	r->s->quotes = note.n;
}

/* ---- the new one ---- */

/* Its line begins when a broker does: then the seed of the old one's is overwritten. */
static enum err begin(struct renewal *r)
{
	struct path path = new_at(r, STORE), sizes = new_at(r, SIZES);
	struct record *record = NULL;

	TRY(record_open(&(struct record_spec){
		.path = path.text, .sizes_path = sizes.text, .origin = r->s->new, .root = r->root, .sign_secret = r->seed,
		.map_bytes = 4 << 20, .ring_bytes = 1 << 16, .before = span_str(r->note),
		.reason = r->s->reason,
	}, &record));
	record_close(&record);
	(void)unlink(in_dir(r, "record.mdb.new" STORE_LOCK).text);
	return OK;
}

static enum err make_new(struct renewal *r)
{
	char vkey[ORIGIN_BYTES_MAX + 64];

	for (unsigned i = 0; i < countof(file); i++)
		if (unlink(new_at(r, i).text) != 0 && errno != ENOENT)
			return ERR_IO;
	read_last(r);
	TRY(begin(r));
	TRY(vkey_write(span_str(r->s->new), r->pub, vkey, sizeof(vkey) - 1));
	strcat(vkey, "\n");
	TRY(whole_keep(new_at(r, VKEY).text, span_str(vkey), VKEY_MODE));
	return disk_flush_folder(is_at(r, STORE).text);
}

/* ---- changing places ---- */

static bool is_same(struct path a, struct path b)
{
	struct stat one, two;

	return stat(a.text, &one) == 0 && stat(b.text, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* What an interrupted run has put aside already is no hindrance. */
static enum err check_aside(const struct renewal *r)
{
	for (unsigned i = 0; i < countof(file); i++)
		if (is_there(aside_at(r, i)) && !is_same(aside_at(r, i), is_at(r, i)))
			return ERR_EXISTS;
	return OK;
}

/* Put aside by a second name, so that at no time nothing is there. */
static enum err change(const struct renewal *r, unsigned which)
{
	struct path at = is_at(r, which), aside = aside_at(r, which);

	if (!is_there(new_at(r, which)))
		return OK;
	if (link(at.text, aside.text) != 0 && errno != ENOENT && !is_same(at, aside))
		return errno == EEXIST ? ERR_EXISTS : ERR_IO;
	if (rename(new_at(r, which).text, at.text) != 0)
		return ERR_IO;
	return disk_flush_folder(at.text);
}

/* Whoever still reads the old store keeps its locks: those of the new one are not to be the same. */
static enum err change_all(const struct renewal *r)
{
	(void)unlink(in_dir(r, "record.mdb" STORE_LOCK).text);
	for (unsigned i = 0; i < countof(file); i++)
		TRY(change(r, i));
	return OK;
}

/* Its writer holds this lock: none is there, nor begins. */
static enum err lock(const char *dir, int *fd)
{
	char path[SUCCESSOR_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/record.mdb", dir) >= (int)sizeof(path))
		return ERR_TOO_LARGE;
	*fd = open(path, O_RDWR | O_CLOEXEC);
	return *fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) != 0 ? ERR_BUSY : OK;
}

static bool is_prepared(const struct renewal *r)
{
	return is_there(new_at(r, VKEY)) && !is_there(new_at(r, STORE));
}

static enum err make_and_change(struct renewal *r)
{
	CLEANUP(fd_cleanup) int fd = -1;

	TRY(read_keys(r));
	TRY(lock(r->s->dir, &fd));
	r->s->resumed = is_prepared(r);
	if (!r->s->resumed) {
		TRY(check_aside(r));
		TRY(make_new(r));
	}
	return change_all(r);
}

static bool fits(const struct successor *s)
{
	return strlen(s->dir) < SUCCESSOR_PATH_MAX - 64 && (!s->sizes || strlen(s->sizes) < SUCCESSOR_PATH_MAX - 64);
}

enum err successor_begin(struct successor *s)
{
	struct renewal r = { .s = s };
	enum err e = fits(s) ? make_and_change(&r) : ERR_TOO_LARGE;

	crypt_wipe(&r, sizeof(r));
	return e;
}

bool successor_is_begun(const char *dir, const char *sizes)
{
	struct successor s = { .dir = dir, .sizes = sizes };
	const struct renewal r = { .s = &s };

	return fits(&s) && is_prepared(&r);
}
