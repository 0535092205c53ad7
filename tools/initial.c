#include "initial.h"

#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "cur.h"
#include "opt.h"
#include "successor.h"
#include "report.h"

#define FILE_BYTES_MAX 4096

static enum err write_file(const char *path, const uint8_t initial[FORWARD_KEY_BYTES])
{
	char line[FORWARD_TEXT_MAX], text[FILE_BYTES_MAX];
	struct put b = put(text, sizeof(text));
	enum err e;

	forward_text_write(initial, line);
	put_str(&b, "# The initial key of the forward-secure line of a Pullcord record. Keep it away from the broker's machine and from\n"
		    "# those who run it: with it one can check the record, and make what looks like it.\n"
		    "#     pullcord audit verify --line THIS-FILE\n");
	put_str(&b, line);
	must(put_end(&b) == OK);
	e = install_write(path, put_span(&b), 0600);
	crypt_wipe(line, sizeof(line));
	crypt_wipe(text, sizeof(text));
	return e;
}

enum err initial_make(const struct install *in, const char *out)
{
	uint8_t initial[FORWARD_KEY_BYTES];
	enum err e;

	crypt_random(initial, sizeof(initial));
	e = write_file(out, initial);
	if (e == OK) {
		install_enter(in);
		e = forward_begin(install_path(in, INSTALL_LINE).text, initial);
		install_leave(in);
		if (e != OK)
			unlink(out);
	}
	crypt_wipe(initial, sizeof(initial));
	return e;
}

enum err initial_read(const char *path, uint8_t initial[FORWARD_KEY_BYTES])
{
	CLEANUP(free_cleanup) char *text = NULL;
	size_t n;
	enum err e;

	TRY(install_read(path, FILE_BYTES_MAX, &text, &n));
	e = forward_text_read(span(text, n), initial);
	crypt_wipe(text, n);
	return e;
}

void initial_say(const char *path)
{
	report_line(TONE_WARN, "Take %s away from this machine, to whoever checks the record and does not run it, and delete "
		    "it here.", path);
	report_line(TONE_DIM, "With it they see whether anybody rewrote the record, even who had every key of this machine: pullcord "
		    "audit verify --line FILE. Whoever takes this machine finds only the key of that minute, unless FILE lies here.");
}

static int run(const struct install *in, const char *out)
{
	enum err e = successor_free(in->dir);

	if (e == OK)
		e = initial_make(in, out);
	if (e != OK) {
		(void)report_fail(e, "begin a line in %s", in->dir);
		if (e == ERR_BUSY)
			report_hint("stop the broker first: it writes the record");
		if (e == ERR_EXISTS)
			report_hint("%s is there already: no key is ever overwritten", out);
		return CMD_NO;
	}
	report_line(TONE_GOOD, "the line begins when the broker starts; its initial key is in %s", out);
	initial_say(out);
	return CMD_DONE;
}

int audit_line(int argc, char **argv)
{
	const char *dir = NULL, *out = NULL;
	struct install in;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &dir, INSTALL_DIR_TEXT),
		OPT_NEED("out", "FILE", &out, "where the initial key goes: a new file, best on a medium to be taken away"),
	};
	const struct opt_page page = {
		.command = "audit line",
		.text = "Begins the forward-secure line of the record: once a minute an entry marks all that came before with a key "
			"that then moves on and is overwritten, so that nobody who takes the machine later can make earlier marks anew. "
			"\"pullcord init\" has begun one; this is for a record without one, and for when its initial key or "
			"keys/record.line was lost. Another line begins then; what it marks covers all entries before it, too.\n"
			"The broker must be stopped. The initial key is written to FILE and nowhere else: who holds it can check the marks, "
			"and could make them, so it is for somebody apart from those who run the machine. Leave keys/record.line out of "
			"backups: an older copy of it undoes what it is for.",
		.example = "pullcord audit line --out /media/auditor/line.key",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	return install_open(dir, &in) == OK ? run(&in, out) : CMD_NO;
}
