#include "source.h"

#include <stdarg.h>
#include <stdio.h>

#include "cmd.h"
#include "opt.h"
#include "reader.h"
#include "reading.h"
#include "report.h"

#define VKEY_BYTES_MAX 1024

/* What was not named is the installation's, unless a record was named: then nothing is guessed. */
enum err source_fill(struct source *s)
{
	struct install in;

	if (s->record)
		return OK;
	TRY(install_open(s->dir, &in));
	install_enter(&in);
	s->install = in;
	s->entered = true;
	s->record_path = install_path(&in, "record.mdb");
	s->key_path = install_path(&in, "keys/root.key");
	s->sizes_path = install_path(&in, "record.sizes");
	s->vkey_path = install_path(&in, "record.vkey");
	s->line_path = install_path(&in, INSTALL_LINE);
	s->witnesses_path = install_path(&in, "witnesses");
	s->record = s->record_path.text;
	s->key = s->key ? s->key : s->key_path.text;
	if (in.sizes[0])
		(void)!span_text(span_str(in.sizes), s->sizes_path.text, sizeof(s->sizes_path.text));  /* it is shorter */
	s->sizes = s->sizes ? s->sizes : s->sizes_path.text;
	s->vkey = s->vkey ? s->vkey : s->vkey_path.text;
	s->quorum = s->witnesses ? 0 : in.quorum;
	s->witnesses = s->witnesses ? s->witnesses : s->witnesses_path.text;
	s->line = s->line_path.text;
	return OK;
}

void source_says(struct source *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->what, sizeof(s->what), fmt, ap);
	va_end(ap);
}

void source_leave(const struct source *s)
{
	if (s->entered)
		install_leave(&s->install);
}

int source_no_key(enum err e, const char *path)
{
	(void)report_fail(e, "use the root key %s", path);
	install_say_denied(e, path);
	report_hint("it is 64 hex digits in a file that only its owner may read (mode 0600)");
	return CMD_NO;
}

int source_no_file(enum err e, const char *path)
{
	(void)report_fail(e, "make the file %s", path);
	if (e == ERR_EXISTS)
		report_hint("nothing is overwritten: name a new file by --out");
	if (e == ERR_NOT_FOUND)
		report_hint("the folder it is to lie in is made before");
	return CMD_NO;
}

void source_hint_key(const char *record)
{
	report_hint("another root key sealed it, or its segments' keys in %s-keys are not there or not to be read", record);
}

int source_no_record(enum err e, const char *path)
{
	(void)report_fail(e, "read the record %s", path);
	if (e == ERR_NOT_FOUND)
		report_hint("the broker makes it at its first start; name the installation by --dir or a file by --record");
	if (e == ERR_DENIED)
		report_hint("it belongs to the broker's user");
	if (e == ERR_KEY)
		source_hint_key(path);
	if (e == ERR_VERSION)
		report_hint("another version of Pullcord wrote it, in a layout this one does not read");
	return CMD_NO;
}

enum err source_reader(const struct install *in, const char *what, struct reader **out)
{
	const struct install_path path = install_path(in, "record.mdb");
	uint8_t root[AEAD_KEY_BYTES];
	enum err e;

	TRY(install_root_key(in, root));
	install_enter(in);
	e = reader_open(path.text, root, out);
	if (e != OK)
		(void)source_no_record(e, path.text);
	else if (reading_announce(path.text, root, what, NULL, NULL) != CMD_DONE)
		e = ERR_DENIED;
	install_leave(in);
	crypt_wipe(root, sizeof(root));
	return e;
}

/* A file that holds the key, or the key itself. */
static enum err read_vkey(const char *given, char **out)
{
	size_t n;
	enum err e = install_read(given, VKEY_BYTES_MAX, out, &n);

	if (e == ERR_NOT_FOUND && strchr(given, '+')) {
		*out = strdup(given);
		return *out ? OK : ERR_FULL;
	}
	if (e == OK)
		(*out)[strcspn(*out, "\r\n")] = '\0';
	return e;
}

int source_vkey(const char *given, char **text, struct span *origin, uint8_t pub[SIGN_KEY_BYTES])
{
	enum err e = read_vkey(given, text);

	if (e == OK)
		e = vkey_read(span_str(*text), origin, pub);
	if (e == OK)
		return CMD_DONE;
	(void)report_fail(e, "use the verifier key %s", given);
	install_say_denied(e, given);
	report_hint("it is one line, name+hash+key, as in record.vkey of the installation");
	return CMD_NO;
}
