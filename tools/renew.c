#include "renew.h"

#include "cmd.h"
#include "install.h"
#include "opt.h"
#include "report.h"
#include "seal.h"
#include "successor.h"

static int renew(struct successor *r)
{
	enum err e = successor_begin(r);

	if (e != OK) {
		(void)report_fail(e, "begin a new record in %s", r->dir);
		if (e == ERR_BUSY)
			report_hint("stop the broker first: it writes the record");
		else if (e == ERR_EXISTS)
			report_hint("files of number %u were put aside before: move them elsewhere", r->number);
		else if (e == ERR_FULL || e == ERR_IO)
			report_hint("what was begun is gone on with when this is run again");
		return CMD_NO;
	}
	report_line(TONE_GOOD, "%s begins%s", r->new,
		    r->resumed ? ", as an earlier run had prepared it and with the reason given then"
		    : r->quotes ? ", quoting what was signed last" : "");
	report_line(TONE_PLAIN, "  put aside  record.mdb.%u, record.mdb.%u-keys, record.sizes.%u, record.vkey.%u", r->number,
		    r->number, r->number, r->number);
	report_hint("auditors and witnesses need the new record.vkey; keep what was put aside: it is evidence");
	return CMD_DONE;
}

int audit_renew(int argc, char **argv)
{
	const char *dir = NULL;
	struct successor r = { 0 };
	struct install in;
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
			"be replaced by its newer copy instead. The new one gets a forward-secure line of its own when the broker starts, "
			"and the old one's seed is overwritten then. Whenever it was interrupted, run it again: it goes on.",
		.example = "pullcord audit renew --reason \"the disk was restored from a backup of Monday\"",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	if (!r.reason || !*r.reason || strlen(r.reason) > ENTRY_TEXT_MAX)
		return opt_wrong(&page, "--reason TEXT is needed, of at most 200 bytes");
	if (install_open(dir, &in) != OK)
		return CMD_NO;
	r.dir = in.dir;
	r.sizes = in.sizes[0] ? in.sizes : NULL;
	install_enter(&in);
	return renew(&r);
}
