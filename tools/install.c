#include "install.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "file.h"
#include "reading.h"
#include "report.h"
#include "topic.h"
#include "vault.h"
#include "witness.h"

#define CONF_BYTES_MAX (1u << 20)

/* ---- mosquitto.conf ---------------------------------------------------------------------------------------------- */

/* The first port that is named belongs to devices, the second to people, as `init` writes them. */
static void conf_listener(struct install *in, struct span value)
{
	struct span rest;
	uint64_t port;

	if (!span_u64(span_cut(value, ' ', &rest), 65535, &port))
		return;
	if (!in->device_port)
		in->device_port = (int)port;
	else if (!in->app_port)
		in->app_port = (int)port;
}

/* The broker takes both ends of lines. */
static struct span conf_line(struct span *text)
{
	struct span line = span_cut(*text, '\n', text);

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return span_trim(line);
}

enum err install_read_conf(struct span text, struct install *out)
{
	struct install in = { 0 };
	uint64_t number;

	while (text.n) {
		struct span value, name = span_cut(conf_line(&text), ' ', &value);

		value = span_trim(value);
		if (span_is(name, "listener"))
			conf_listener(&in, value);
		if (span_is(name, "plugin_opt_policy_officers") && !span_text(value, in.officers, sizeof(in.officers)))
			return ERR_TOO_LARGE;
		if (span_is(name, "plugin_opt_record_sizes") && !span_text(value, in.sizes, sizeof(in.sizes)))
			return ERR_TOO_LARGE;
		if (span_is(name, "plugin_opt_record_quorum"))
			in.quorum = span_u64(value, WITNESSES_MAX, &number) ? (unsigned)number : 0;
		if (!span_is(name, "plugin_opt_tenant"))
			continue;
		if (!word_ok(value) || !span_text(value, in.tenant, sizeof(in.tenant)))
			return ERR_SYNTAX;
	}
	if (!in.tenant[0])
		return ERR_NOT_FOUND;
	memcpy(out->tenant, in.tenant, sizeof(in.tenant));
	memcpy(out->officers, in.officers, sizeof(in.officers));
	memcpy(out->sizes, in.sizes, sizeof(in.sizes));
	out->quorum = in.quorum;
	out->device_port = in.device_port;
	out->app_port = in.app_port;
	return OK;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

struct install_path install_path(const struct install *in, const char *name)
{
	struct install_path path;
	int n = snprintf(path.text, sizeof(path.text), "%s/%s", in->dir, name);

	must(n > 0 && (size_t)n < sizeof(path.text));   /* install_open() left room for every name */
	return path;
}

static void say_conf(const struct install *in, enum err e)
{
	const struct install_path conf = install_path(in, "mosquitto.conf");

	switch (e) {
	case ERR_NOT_FOUND:
		report_error("%s is no installation: no mosquitto.conf with \"plugin_opt_tenant NAME\" is there",
			     in->dir);
		report_hint("name the folder by --dir or PULLCORD_DIR, or make it: pullcord init %s --tenant NAME",
			    in->dir);
		break;
	case ERR_SYNTAX:
		report_error("%s: plugin_opt_tenant takes one word of A-Z a-z 0-9 . _ : -", conf.text);
		break;
	default:
		(void)report_fail(e, "read %s", conf.text);
		report_hint("the tool wants the rights of the broker's user, or root's");
	}
}

/* Whose stores they are; the folder itself may be root's. */
static enum err find_owner(struct install *in)
{
	struct stat st;

	if (stat(install_path(in, "directory.mdb").text, &st) != 0 && stat(in->dir, &st) != 0)
		return file_err(errno);
	in->uid = st.st_uid;
	in->gid = st.st_gid;
	return OK;
}

enum err install_open(const char *dir, struct install *out)
{
	CLEANUP(free_cleanup) char *text = NULL;
	const char *named = getenv("PULLCORD_DIR");
	size_t n;
	enum err e;

	*out = (struct install){ 0 };
	if (!dir)
		dir = named && *named ? named : "/etc/pullcord";
	if (strlen(dir) > INSTALL_PATH_MAX - 64) {
		(void)report_fail(ERR_TOO_LARGE, "use the path of this installation");
		return ERR_TOO_LARGE;
	}
	strcpy(out->dir, dir);
	e = install_read(install_path(out, "mosquitto.conf").text, CONF_BYTES_MAX, &text, &n);
	if (e == OK)
		e = install_read_conf(span(text, n), out);
	if (e == OK)
		e = find_owner(out);
	if (e != OK)
		say_conf(out, e);
	return e;
}

static bool is_for_another(const struct install *in)
{
	return getuid() == 0 && in->uid != 0;
}

void install_enter(const struct install *in)
{
	if (is_for_another(in))
		must(setegid(in->gid) == 0 && seteuid(in->uid) == 0);
}

void install_say_denied(enum err e, const char *path)
{
	char folder[INSTALL_PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct statvfs fs;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	if (e != ERR_DENIED)
		return;
	if (statvfs(folder, &fs) == 0 && fs.f_flag & ST_RDONLY)
		report_hint("its file system is mounted read-only");
	else if (geteuid() != getuid())
		report_hint("an installation is worked on with the rights of the user it belongs to: that user must be able to read it");
}

void install_leave(const struct install *in)
{
	if (is_for_another(in))
		must(seteuid(0) == 0 && setegid(getgid()) == 0);
}

bool install_closed(const struct install *in, struct install_path *out)
{
	bool closed = false;

	install_enter(in);
	for (const char *slash = strchr(in->dir + 1, '/'); slash && !closed; slash = strchr(slash + 1, '/')) {
		snprintf(out->text, sizeof(out->text), "%.*s", (int)(slash - in->dir), in->dir);
		closed = faccessat(AT_FDCWD, out->text, X_OK, AT_EACCESS) != 0 && errno == EACCES;
	}
	install_leave(in);
	return closed;
}

static void say_denied(const struct install *in)
{
	const struct passwd *owner = getpwuid(in->uid);
	struct install_path folder;

	if (is_for_another(in) && install_closed(in, &folder))
		report_hint("%s is closed to %s, whose the installation is: chmod o+x %s, or move the installation",
			    folder.text, owner ? owner->pw_name : "the user", folder.text);
	else if (getuid() == 0)
		report_hint("the key file is to belong to the owner of %s/directory.mdb and to have mode 0600", in->dir);
	else
		report_hint("run this as root or as the owner of %s/directory.mdb; the key file is to have mode 0600", in->dir);
}

enum err install_root_key(const struct install *in, uint8_t root[AEAD_KEY_BYTES])
{
	const struct install_path path = install_path(in, "keys/root.key");
	enum err e;

	install_enter(in);
	e = vault_root(path.text, root);
	install_leave(in);
	if (e == OK)
		return OK;
	(void)report_fail(e, "read the root key %s", path.text);
	if (e == ERR_DENIED)
		say_denied(in);
	else
		report_hint("it is one line of 64 hex digits, made once by pullcord init: put the copy of it back that was kept");
	return e;
}

enum err install_directory(const struct install *in, bool read_only, struct directory **out)
{
	uint8_t root[AEAD_KEY_BYTES];
	char by[DIRECTORY_BY_MAX + 1];
	enum err e;

	TRY(install_root_key(in, root));
	install_enter(in);
	e = directory_open(install_path(in, "directory.mdb").text, root, read_only, out);
	install_leave(in);
	crypt_wipe(root, sizeof(root));
	if (e != OK)
		(void)report_fail(e, "open the directory %s/directory.mdb", in->dir);
	install_say_denied(e, install_path(in, "directory.mdb").text);
	if (e == ERR_KEY)
		report_hint("it was sealed by another root key: put back the pair that belongs together");
	if (e == ERR_CORRUPT || e == ERR_NOT_FOUND)
		report_hint("stop the broker and put it back from a backup, with the root key of then");
	if (e == OK)
		directory_by(*out, span_str(reading_name(by)));
	return e;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static enum err read_all(int fd, char *text, size_t cap, size_t *n)
{
	ssize_t got;

	*n = 0;
	while ((got = read(fd, text + *n, cap - *n)) > 0)
		*n += (size_t)got;
	if (got < 0)
		return file_err(errno);
	return *n == cap ? ERR_TOO_LARGE : OK;
}

enum err install_read(const char *path, size_t max, char **out, size_t *n)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP(free_cleanup) char *text = NULL;

	if (fd < 0)
		return file_err(errno);
	text = malloc(max + 2);
	if (!text)
		return ERR_FULL;
	TRY(read_all(fd, text, max + 1, n));
	text[*n] = '\0';
	*out = text;
	text = NULL;
	return OK;
}

enum err install_write(const char *path, struct span text, unsigned mode)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	enum err e;

	if (fd < 0)
		return file_err(errno);
	e = fchmod(fd, (mode_t)mode) == 0 ? file_write(fd, text) : ERR_IO;
	if (e == OK && fsync(fd) != 0)
		e = file_err(errno);
	if (e != OK)
		unlink(path);
	return e;
}
