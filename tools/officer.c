#include "officer.h"

#include <stdlib.h>

#include "cmd.h"
#include "install.h"
#include "report.h"

#define KEY_BYTES_MAX 512

int officer_open(const char *path, struct officer *out)
{
	struct span rest;
	enum err e;

	*out = (struct officer){ .n = 0 };
	e = install_read(path, KEY_BYTES_MAX, &out->text, &out->n);
	if (e == OK)
		e = skey_read(span_cut(span(out->text, out->n), '\n', &rest), &out->name, out->secret);
	if (e == OK)
		return CMD_DONE;
	officer_clear(out);
	(void)report_fail(e, "use the key %s", path);
	report_hint("pullcord order key makes one");
	return CMD_NO;
}

void officer_clear(struct officer *o)
{
	if (o->text)
		crypt_wipe(o->text, o->n);
	free(o->text);
	crypt_wipe(o, sizeof(*o));
}

int officers_open(const char *path, char **text, struct officers *out)
{
	unsigned line = 0;
	size_t n;
	enum err e;

	*out = (struct officers){ 0 };
	if (!path)
		return CMD_DONE;
	e = install_read(path, OFFICERS_BYTES_MAX, text, &n);
	if (e == OK)
		e = officers_read(span(*text, n), out, &line);
	if (e == OK)
		return CMD_DONE;
	return line ? report_fail(e, "use line %u of %s", line, path) : report_fail(e, "read %s", path);
}
