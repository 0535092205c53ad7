#include "renew.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "cmd.h"
#include "forward.h"
#include "opt.h"
#include "record.h"
#include "report.h"
#include "seal.h"
#include "sizes.h"
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
	const char *reason;
};

static enum err read_keys(struct renewal *r)
{
	CLEANUP(free_cleanup) char *vkey = NULL;
	struct span origin;
	uint8_t want[SIGN_KEY_BYTES];
	uint64_t mark;
	size_t n;
	enum err e;

	TRY(install_read(install_path(&r->in, "record.vkey").text, 1024, &vkey, &n));
	vkey[strcspn(vkey, "\r\n")] = '\0';
	TRY(vkey_read(span_str(vkey), &origin, want));
	if (!span_text(origin, r->old, sizeof(r->old)))
		return ERR_TOO_LARGE;
	TRY(renew_origin(origin, r->new, sizeof(r->new), &r->number));
	TRY(vault_root(install_path(&r->in, "keys/root.key").text, r->root));
	TRY(vault_root(install_path(&r->in, "keys/record.seed").text, r->seed));
	TRY(sign_public(r->seed, r->pub));
	e = forward_peek(install_path(&r->in, INSTALL_LINE).text, &mark);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;               /* before anything is put aside: the new one goes on with the line */
	return memcmp(r->pub, want, sizeof(want)) == 0 ? OK : ERR_KEY;
}

/* Signing is deterministic: the note made anew is the one that was shown. */
static void read_last(struct renewal *r)
{
	CLEANUP(sizes_close) struct sizes *sizes = NULL;
	struct put note = put(r->note, sizeof(r->note) - 1);
	struct checkpoint c;

	if (sizes_open(install_path(&r->in, "record.sizes").text, span_str(r->old), r->pub, true, &sizes) != OK ||
	    sizes_newest(sizes, &c) != OK || note_write(&c, r->seed, &note) != OK)
		note.n = 0;
	r->note[note.n] = '\0';
}

static struct install_path aside_of(const struct renewal *r, const char *name, const char *tail)
{
	char aside[64];

	snprintf(aside, sizeof(aside), "%s.%u%s", name, r->number, tail);
	return install_path(&r->in, aside);
}

static enum err put_aside(const struct renewal *r, const char *name, const char *tail)
{
	char whole[64];
	struct install_path to = aside_of(r, name, tail);

	snprintf(whole, sizeof(whole), "%s%s", name, tail);
	if (access(to.text, F_OK) == 0)
		return ERR_EXISTS;
	return rename(install_path(&r->in, whole).text, to.text) == 0 || access(install_path(&r->in, whole).text, F_OK) != 0
		? OK : ERR_IO;
}

/* The key goes first: from then on nothing can go on with the old store. */
static enum err put_all_aside(const struct renewal *r)
{
	char vkey[ORIGIN_BYTES_MAX + 64];

	TRY(vkey_write(span_str(r->new), r->pub, vkey, sizeof(vkey) - 1));
	strcat(vkey, "\n");
	TRY(put_aside(r, "record.vkey", ""));
	TRY(install_write(install_path(&r->in, "record.vkey").text, span_str(vkey), 0644));
	TRY(put_aside(r, "record.mdb", ""));
	TRY(put_aside(r, "record.mdb", "-keys"));
	return put_aside(r, "record.sizes", "");
}

/* Its writer holds this lock. */
enum err renew_free(const struct install *in)
{
	CLEANUP(fd_cleanup) int fd = open(install_path(in, "record.mdb").text, O_RDWR | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 ? ERR_BUSY : OK;
}

static enum err begin(struct renewal *r)
{
	struct install_path path = install_path(&r->in, "record.mdb"), sizes = install_path(&r->in, "record.sizes"),
			    line = install_path(&r->in, INSTALL_LINE);
	struct record *record = NULL;

	TRY(record_open(&(struct record_spec){
		.path = path.text, .sizes_path = sizes.text, .origin = r->new, .root = r->root, .sign_secret = r->seed,
		.map_bytes = 4 << 20, .ring_bytes = 1 << 16, .line_path = line.text, .before = span_str(r->note),
		.reason = r->reason,
	}, &record));
	record_close(&record);
	return OK;
}

static int renew(struct renewal *r)
{
	enum err e = read_keys(r);

	if (e == OK)
		e = renew_free(&r->in);
	if (e != OK) {
		(void)report_fail(e, "begin a new record in %s", r->in.dir);
		if (e == ERR_BUSY)
			report_hint("stop the broker first: it writes the record");
		if (e == ERR_CORRUPT)
			report_hint("keys/record.line is damaged: begin another line first, pullcord audit line --out FILE");
		return CMD_NO;
	}
	read_last(r);
	e = put_all_aside(r);
	if (e == OK)
		e = begin(r);
	if (e != OK) {
		(void)report_fail(e, "begin a new record in %s", r->in.dir);
		if (e == ERR_EXISTS)
			report_hint("files of number %u were put aside before: move them elsewhere", r->number);
		return CMD_NO;
	}
	report_line(TONE_GOOD, "%s begins%s", r->new, r->note[0] ? ", quoting what was signed last" : "");
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
			"cannot be (keys/record.line is damaged or gone), begin another with \"pullcord audit line\" before.",
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
