#include "renew.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "disk.h"
#include "forward.h"
#include "opt.h"
#include "record.h"
#include "report.h"
#include "seal.h"
#include "sizes.h"
#include "trail.h"
#include "vault.h"

enum err renew_origin(struct span origin, char *out, size_t cap, unsigned *number)
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

struct renewal {
	struct install in;
	char old[ORIGIN_BYTES_MAX + 1], new[ORIGIN_BYTES_MAX + 1];
	unsigned number;
	uint8_t root[AEAD_KEY_BYTES], seed[SIGN_KEY_BYTES], pub[SIGN_KEY_BYTES];
	char note[NOTE_BYTES_MAX];      /* what was signed last; "": nothing can be told */
	bool resumed;                   /* an earlier run was interrupted after the new store had taken its place */
	const char *reason;
};

/* The new ones are made beside the old as NAME.new. In this order each takes the place of the old one, which is put aside
 * as NAME.1: until the last of them has, no broker goes on with either record. */
static const struct { const char *name, *tail; } file[] = {
	{ "record.mdb", "" }, { "record.mdb", "-keys" }, { "record.sizes", "" }, { "record.vkey", "" },
};
enum { STORE, KEYS, SIZES, VKEY };

static struct install_path named(const struct renewal *r, unsigned which, const char *middle)
{
	char name[64];

	must(snprintf(name, sizeof(name), "%s%s%s", file[which].name, middle, file[which].tail) < (int)sizeof(name));
	return install_path(&r->in, name);
}

static struct install_path is_at(const struct renewal *r, unsigned which) { return named(r, which, ""); }
static struct install_path new_at(const struct renewal *r, unsigned which) { return named(r, which, ".new"); }

static struct install_path aside_at(const struct renewal *r, unsigned which)
{
	char middle[16];

	snprintf(middle, sizeof(middle), ".%u", r->number);
	return named(r, which, middle);
}

static bool is_there(struct install_path path)
{
	return access(path.text, F_OK) == 0;
}

static enum err read_keys(struct renewal *r)
{
	CLEANUP(free_cleanup) char *vkey = NULL;
	struct span origin;
	uint8_t want[SIGN_KEY_BYTES];
	uint64_t mark;
	size_t n;
	enum err e;

	TRY(install_read(is_at(r, VKEY).text, 1024, &vkey, &n));
	vkey[strcspn(vkey, "\r\n")] = '\0';
	TRY(vkey_read(span_str(vkey), &origin, want));
	if (!span_text(origin, r->old, sizeof(r->old)))
		return ERR_TOO_LARGE;
	TRY(renew_origin(origin, r->new, sizeof(r->new), &r->number));
	TRY(vault_root(install_path(&r->in, "keys/root.key").text, r->root));
	TRY(vault_root(install_path(&r->in, "keys/record.seed").text, r->seed));
	TRY(sign_public(r->seed, r->pub));
	e = forward_peek(install_path(&r->in, INSTALL_LINE).text, &mark, NULL);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;               /* before anything is made: the new one goes on with the line */
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

	if (sizes_open(is_at(r, SIZES).text, span_str(r->old), r->pub, true, &sizes) == OK && sizes_newest(sizes, &c) == OK)
		*out = (struct signed_last){ c.size, c.root };
}

static _Noreturn void answer(const struct renewal *r, int to)
{
	static const int deadly[] = { SIGBUS, SIGSEGV, SIGABRT, SIGFPE, SIGILL };
	struct signed_last last = { 0 };
	struct checkpoint_row row;
	struct trail *t = NULL;
	struct txn *view = NULL;
	struct checkpoint c;

	for (size_t i = 0; i < countof(deadly); i++)
		signal(deadly[i], SIG_DFL);
	if (trail_open(is_at(r, STORE).text, 1 << 20, true, &t) == OK && trail_view(t, &view) == OK &&
	    view_newest_checkpoint(view, &row) == OK && note_open(row.note, span_str(r->old), r->pub, &c) == OK)
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
	if (last.size == 0 || note_write(&(struct checkpoint){ span_str(r->old), last.size, last.root }, r->seed, &note) != OK)
		note.n = 0;
	r->note[note.n] = '\0';
}

/* ---- the new one ---- */

/* It marks nothing yet, so the key of the line stays where it is, for whichever record goes on with it. */
static enum err begin(struct renewal *r)
{
	struct install_path path = new_at(r, STORE), sizes = new_at(r, SIZES), line = install_path(&r->in, INSTALL_LINE);
	struct record *record = NULL;

	TRY(record_open(&(struct record_spec){
		.path = path.text, .sizes_path = sizes.text, .origin = r->new, .root = r->root, .sign_secret = r->seed,
		.map_bytes = 4 << 20, .ring_bytes = 1 << 16, .line_path = line.text, .before = span_str(r->note),
		.reason = r->reason,
	}, &record));
	record_close(&record);
	(void)unlink(install_path(&r->in, "record.mdb.new-lock").text);
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
	TRY(vkey_write(span_str(r->new), r->pub, vkey, sizeof(vkey) - 1));
	strcat(vkey, "\n");
	TRY(install_write(new_at(r, VKEY).text, span_str(vkey), 0644));
	return disk_flush_folder(is_at(r, STORE).text);
}

/* ---- changing places ---- */

static bool is_same(struct install_path a, struct install_path b)
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
	struct install_path at = is_at(r, which), aside = aside_at(r, which);

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
	(void)unlink(install_path(&r->in, "record.mdb-lock").text);
	for (unsigned i = 0; i < countof(file); i++)
		TRY(change(r, i));
	return OK;
}

/* Its writer holds this lock: none is there, nor begins. */
static enum err lock(const struct install *in, int *fd)
{
	*fd = open(install_path(in, "record.mdb").text, O_RDWR | O_CLOEXEC);
	return *fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) != 0 ? ERR_BUSY : OK;
}

enum err renew_free(const struct install *in)
{
	CLEANUP(fd_cleanup) int fd = -1;

	return lock(in, &fd);
}

static enum err make_and_change(struct renewal *r)
{
	CLEANUP(fd_cleanup) int fd = -1;

	TRY(read_keys(r));
	TRY(lock(&r->in, &fd));
	r->resumed = is_there(new_at(r, VKEY)) && !is_there(new_at(r, STORE));
	if (!r->resumed) {
		TRY(check_aside(r));
		TRY(make_new(r));
	}
	return change_all(r);
}

static int renew(struct renewal *r)
{
	enum err e = make_and_change(r);

	if (e != OK) {
		(void)report_fail(e, "begin a new record in %s", r->in.dir);
		if (e == ERR_BUSY)
			report_hint("stop the broker first: it writes the record");
		else if (e == ERR_EXISTS)
			report_hint("files of number %u were put aside before: move them elsewhere", r->number);
		else if (e == ERR_CORRUPT)
			report_hint("keys/record.line is damaged: begin another line first, pullcord audit line --out FILE");
		else if (e == ERR_FULL || e == ERR_IO)
			report_hint("what was begun is gone on with when this is run again");
		return CMD_NO;
	}
	report_line(TONE_GOOD, "%s begins%s", r->new,
		    r->resumed ? ", as an earlier run had prepared it and with the reason given then"
		    : r->note[0] ? ", quoting what was signed last" : "");
	report_line(TONE_PLAIN, "  put aside  record.mdb.%u, record.mdb.%u-keys, record.sizes.%u, record.vkey.%u", r->number,
		    r->number, r->number, r->number);
	report_hint("auditors and witnesses need the new record.vkey; keep what was put aside: it is evidence");
	return CMD_DONE;
}

int audit_renew(int argc, char **argv)
{
	const char *dir = NULL;
	struct renewal r = { 0 };
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &dir, INSTALL_DIR_TEXT),
		OPT_TEXT("reason", "TEXT", &r.reason, "why, in a few words; it is written in clear, so no patient's name"),
	};
	const struct opt_page page = {
		.command = "audit renew",
		.text = "Begins a new record under the next origin, when the broker refuses the one there is: because it is damaged, "
			"was cut or set back to an older copy, or has a layout of another version. The old one is put aside as "
			"evidence, and the first entry of the new one quotes what was signed last, and why it ended.\n"
			"The broker must be stopped. Look first at what \"pullcord audit verify\" says: a record that was set back may "
			"be replaced by its newer copy instead. Its forward-secure line goes on in the new one with the next mark; if that "
			"cannot be (keys/record.line is damaged or gone), begin another with \"pullcord audit line\" before. Whenever it "
			"was interrupted, run it again: it goes on.",
		.example = "pullcord audit renew --reason \"the disk was restored from a backup of Monday\"",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	if (!r.reason || !*r.reason || strlen(r.reason) > ENTRY_TEXT_MAX)
		return opt_wrong(&page, "--reason TEXT is needed, of at most 200 bytes");
	if (install_open(dir, &r.in) != OK)
		return CMD_NO;
	install_enter(&r.in);
	code = renew(&r);
	crypt_wipe(&r, sizeof(r));
	return code;
}
