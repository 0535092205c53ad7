#include "source.h"

#include "cmd.h"
#include "opt.h"
#include "reader.h"
#include "report.h"

/* What was not named is the installation's, unless a record was named: then nothing is guessed. */
enum err source_fill(struct source *s)
{
	struct install in;

	if (s->record)
		return OK;
	TRY(install_open(s->dir, &in));
	install_enter(&in);   /* for good: nothing but reading follows, and LMDB's lock file must stay the broker's */
	s->record_path = install_path(&in, "record.mdb");
	s->key_path = install_path(&in, "keys/root.key");
	s->sizes_path = install_path(&in, "record.sizes");
	s->vkey_path = install_path(&in, "record.vkey");
	s->record = s->record_path.text;
	s->key = s->key ? s->key : s->key_path.text;
	s->sizes = s->sizes ? s->sizes : s->sizes_path.text;
	s->vkey = s->vkey ? s->vkey : s->vkey_path.text;
	return OK;
}

int source_no_key(enum err e, const char *path)
{
	(void)report_fail(e, "use the root key %s", path);
	report_hint("it is 64 hex digits in a file that only its owner may read (mode 0600)");
	return CMD_NO;
}

int source_no_record(enum err e, const char *path)
{
	(void)report_fail(e, "read the record %s", path);
	if (e == ERR_NOT_FOUND)
		report_hint("the broker makes it at its first start; name the installation by --dir or a file by --record");
	if (e == ERR_DENIED)
		report_hint("it belongs to the broker's user");
	if (e == ERR_KEY)
		report_hint("another root key sealed it");
	return CMD_NO;
}

enum err source_reader(const struct install *in, struct reader **out)
{
	const struct install_path path = install_path(in, "record.mdb");
	uint8_t root[AEAD_KEY_BYTES];
	enum err e;

	TRY(install_root_key(in, root));
	install_enter(in);
	e = reader_open(path.text, root, out);
	install_leave(in);
	crypt_wipe(root, sizeof(root));
	if (e != OK)
		(void)source_no_record(e, path.text);
	return e;
}
