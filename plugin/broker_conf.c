#include "broker_conf.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cur.h"

#define COMMAND_LINE_BYTES 16384

/* ---- the rules --------------------------------------------------------------------------------------------------- */

enum want { WANT_TRUE, WANT_FALSE, WANT_ABSENT, WANT_PRESENT, WANT_NUMBER, WANT_ONE_OF, WANT_NONE_OF };
enum weight { FINE, WARN, FATAL };

struct rule {
	const char *option;
	enum want want;
	enum weight set, missing;   /* how bad is a line that says otherwise; how bad is no line at all */
	const char *why, *right;
	const char *words;          /* of WANT_ONE_OF and WANT_NONE_OF */
	uint64_t least, most;       /* of WANT_NUMBER */
};

#define PLAIN NULL, 0, 0
#define WORDS(words) (words), 0, 0
#define NUMBER(least, most) NULL, (least), (most)

#define SKIPS_US "the broker then logs clients in without asking the plugin"
#define NAMELESS "a client without a name is let in without asking the plugin"
#define BEFORE_US "it could let somebody in, or refuse them, before the plugin is asked"
#define USE_OURS "remove the line; accounts and rights are managed with `pullcord`"

static const struct rule rules[] = {
	{ "use_identity_as_username", WANT_FALSE, FATAL, FINE, SKIPS_US, "use_identity_as_username false", PLAIN },
	{ "use_subject_as_username", WANT_FALSE, FATAL, FINE, SKIPS_US, "use_subject_as_username false", PLAIN },
	{ "use_username_as_clientid", WANT_FALSE, FATAL, FINE,
	  "client ids are then not what the plugin binds to their owners", "use_username_as_clientid false", PLAIN },
	{ "per_listener_settings", WANT_FALSE, FATAL, FINE,
	  "listeners could then do without the plugin, and its clock stands still", "remove the line", PLAIN },
	{ "allow_anonymous", WANT_FALSE, FATAL, FINE, NAMELESS, "allow_anonymous false", PLAIN },
	{ "listener_allow_anonymous", WANT_FALSE, FATAL, FINE, NAMELESS, "listener_allow_anonymous false", PLAIN },
	{ "allow_zero_length_clientid", WANT_FALSE, FATAL, FATAL,
	  "the broker then makes up client ids, as it does unless told not to; they belong to nobody",
	  "allow_zero_length_clientid false", PLAIN },
	{ "check_retain_source", WANT_TRUE, FATAL, FATAL,
	  "retained messages outlive their sender's rights, for it is off unless set, whatever the manual says",
	  "check_retain_source true", PLAIN },
	{ "connection", WANT_ABSENT, FATAL, FINE, "the plugin is never asked about what a bridge carries",
	  "remove the bridge; link wards through clients that log in", PLAIN },
	{ "mount_point", WANT_ABSENT, FATAL, FINE, "topics then mean something else to a client than to the policy",
	  "remove the line", PLAIN },
	{ "password_file", WANT_ABSENT, FATAL, FINE, BEFORE_US, USE_OURS, PLAIN },
	{ "acl_file", WANT_ABSENT, FATAL, FINE, BEFORE_US, USE_OURS, PLAIN },
	{ "psk_file", WANT_ABSENT, FATAL, FINE, BEFORE_US, USE_OURS, PLAIN },
	{ "psk_hint", WANT_ABSENT, FATAL, FINE, "a client with a pre-shared key shows no certificate",
	  "certfile and keyfile instead", PLAIN },
	{ "tls_version", WANT_ONE_OF, FATAL, FINE, "older versions of TLS are broken", "tls_version tlsv1.3",
	  WORDS("tlsv1.3 tlsv1.2") },
	{ "max_packet_size", WANT_NUMBER, FATAL, FATAL,
	  "packets of up to 256 MB would be taken in before anybody has logged in", "max_packet_size 262144",
	  NUMBER(20, 262144) },
	{ "message_size_limit", WANT_NUMBER, FATAL, FATAL, "our messages have at most 200000 bytes; 0 means no limit",
	  "message_size_limit 200000", NUMBER(1, 200000) },
	{ "max_keepalive", WANT_NUMBER, WARN, WARN, "a broken connection is then noticed late", "max_keepalive 120",
	  NUMBER(10, 120) },
	{ "max_queued_messages", WANT_NUMBER, WARN, WARN,       /* four times HISTORY_ALERTS_MAX; 0 is no limit */
	  "who comes back is shown up to 8,192 alerts, beside what waited and what comes; what has no room is dropped",
	  "max_queued_messages 65536", NUMBER(32768, 1 << 20) },
	{ "persistent_client_expiration", WANT_PRESENT, WARN, WARN,
	  "messages for clients that never come back are kept for ever", "persistent_client_expiration 7d", PLAIN },
	{ "connection_messages", WANT_FALSE, WARN, WARN, "client ids, so people's names, go into the broker's log",
	  "connection_messages false", PLAIN },
	{ "log_type", WANT_NONE_OF, WARN, FINE, "client ids and topics go into the broker's log",
	  "log_type error, log_type warning, log_type notice",
	  WORDS("all debug internal subscribe unsubscribe websockets") },
	{ "log_dest", WANT_NONE_OF, WARN, FINE, "the broker's log is published to its clients", "log_dest stderr",
	  WORDS("topic") },
	{ "disable_client_cert_date_checks", WANT_FALSE, FATAL, FINE, "a device's certificate would then be good for ever",
	  "disable_client_cert_date_checks false", PLAIN },
	{ "enable_proxy_protocol", WANT_ABSENT, FATAL, FINE,
	  "whoever connects then says from where, and lock-outs and networks go by that", "remove the line", PLAIN },
	{ "protocol", WANT_NONE_OF, FATAL, FINE, "the broker then asks the plugin from two threads at once, which none is made for",
	  "remove the listener", WORDS("http_api") },
	{ "protocol", WANT_NONE_OF, WARN, FINE,
	  "a listener for browsers checks no revocation list before 2.1: people only, by password",
	  "protocol mqtt on every listener for devices", WORDS("websockets") },
};

/* What is wrong with more than one line. */
struct advice {
	enum weight weight;
	const char *why, *right;
};

static const struct advice no_plugin = { FATAL, "the broker would decide alone",
	"plugin /usr/lib/pullcord/mosquitto_pullcord.so" };
static const struct advice plugin_before = { FATAL, "it is asked before ours, and the first answer wins",
	"the line of mosquitto_pullcord.so before it" };
static const struct advice plugin_after = { WARN, "it sees, and may change, every message",
	"remove the line unless you trust it with everything" };
static const struct advice plugin_loaded = { FATAL, "only listeners that say plugin_use then ask it",
	"plugin and its path, above the listeners" };
static const struct advice no_listener = { FATAL, "the broker then opens 1883 on loopback and lets everybody in",
	"listener 8883, and below it cafile, certfile, keyfile" };
static const struct advice plain_listener = { FATAL, "other machines reach it without TLS",
	"certfile and keyfile below it, or bind it to 127.0.0.1" };
static const struct advice default_listener = { FATAL,
	"before the first `listener` line of a file it makes the broker open one more, without TLS on port 1883",
	"move it below a `listener` line" };
static const struct advice many_listeners = { FATAL, "there are more than can be checked", "at most 64 listeners" };
static const struct advice no_tls_version = { WARN, "its TLS listener accepts TLS 1.2 too", "tls_version tlsv1.3" };
static const struct advice bad_boolean = { FATAL, "it is neither true nor false", "true or false" };
static const struct advice nested_include = { WARN, "the broker ignores it inside an included file",
	"put it into the main file" };
static const struct advice unreadable = { FATAL, "it cannot be read, so nobody knows what it allows",
	"a file the broker's user may read; plugin_opt_broker_conf names another" };
static const struct advice too_large = { FATAL, "it is larger than can be checked",
	"at most 1 MiB in a file, at most 256 files in a folder" };

/* What makes the broker open a default listener when it stands before any `listener` (config__parse_args() in conf.c
 * of 2.0). */
static const char default_options[] =
	"bind_address bind_interface cafile capath certfile ciphers ciphers_tls1.3 crlfile dhparamfile keyfile "
	"max_connections max_qos maximum_qos port protocol psk_hint require_certificate socket_domain tls_engine "
	"tls_engine_kpass_sha1 tls_keyform use_identity_as_username use_subject_as_username use_username_as_clientid";

/* ---- what has been read ------------------------------------------------------------------------------------------ */

struct where {
	const char *file;
	uint32_t line;
};

struct listener {
	char file[256], option[32], value[64];
	uint32_t line;              /* 0: it is not there */
	bool local, certfile, keyfile, tls_version;
};

/* listener[0] is the default listener. */
struct conf {
	struct broker_fault *out;
	struct broker_files *files; /* or NULL */
	size_t max, faults;
	bool seen[countof(rules)];
	bool ours;                  /* our plugin's line has been read */
	struct listener listener[1 + BROKER_CONF_LISTENERS_MAX];
	size_t listeners;
};

/* One file. Options belong to the listener `at`; in each file the broker begins with the default one. */
struct file {
	const char *name;
	struct span rest;
	uint32_t line;
	bool main;
	struct listener *at;
};

static void printable(struct span s, char *out, size_t cap)
{
	size_t n = s.n < cap - 1 ? s.n : cap - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = s.p[i] < ' ' || s.p[i] > '~' ? '?' : (char)s.p[i];
	out[n] = '\0';
}

/* `value` NULL: the option is missing. */
static void fault(struct conf *c, const struct advice *a, struct where where, struct span option,
		  const struct span *value)
{
	struct broker_fault *f;

	if (a->weight == FINE || c->faults++ >= c->max)
		return;
	f = &c->out[c->faults - 1];
	*f = (struct broker_fault){ .line = where.line, .missing = !value, .why = a->why, .right = a->right,
				    .fatal = a->weight == FATAL };
	printable(span_str(where.file), f->file, sizeof(f->file));
	printable(option, f->option, sizeof(f->option));
	printable(value ? *value : span(NULL, 0), f->value, sizeof(f->value));
}

static void fault_rule(struct conf *c, const struct rule *r, struct where where, const struct span *value)
{
	struct advice a = { value ? r->set : r->missing, r->why, r->right };

	fault(c, &a, where, span_str(r->option), value);
}

/* ---- single options ---------------------------------------------------------------------------------------------- */

static bool is_true(struct span v) { return span_is(v, "true") || span_is(v, "1"); }
static bool is_false(struct span v) { return span_is(v, "false") || span_is(v, "0"); }

/* "all debug" has the word `v`. */
static bool is_one_of(const char *words, struct span v)
{
	struct span rest = span_str(words);

	do {
		if (span_eq(span_cut(rest, ' ', &rest), v))
			return true;
	} while (rest.p);
	return false;
}

static bool is_right(const struct rule *r, struct span v)
{
	uint64_t n;

	switch (r->want) {
	case WANT_TRUE: return is_true(v);
	case WANT_FALSE: return is_false(v);
	case WANT_ABSENT: return false;
	case WANT_PRESENT: return v.n > 0;
	case WANT_NUMBER: return span_u64(v, r->most, &n) && n >= r->least;
	case WANT_ONE_OF: return is_one_of(r->words, v);
	case WANT_NONE_OF: return !is_one_of(r->words, v);
	}
	return false;
}

static struct span first_word(struct span s, struct span *rest)
{
	size_t n = 0;

	s = span_trim(s);
	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
		n++;
	*rest = n < s.n ? span_trim(span(s.p + n, s.n - n)) : span(NULL, 0);
	return span(s.p, n);
}

static void judge(struct conf *c, struct where where, struct span option, struct span value)
{
	struct span rest, word = first_word(value, &rest);

	for (size_t i = 0; i < countof(rules); i++) {
		const struct rule *r = &rules[i];
		bool boolean = r->want == WANT_TRUE || r->want == WANT_FALSE;

		if (!span_is(option, r->option))
			continue;
		c->seen[i] = true;
		if (boolean && !is_true(word) && !is_false(word))
			fault(c, &bad_boolean, where, option, &value);
		else if (!is_right(r, word))
			fault_rule(c, r, where, &value);
	}
}

/* ---- plugins ----------------------------------------------------------------------------------------------------- */

static bool is_ours(struct span path)
{
	static const char name[] = "mosquitto_pullcord";
	struct span rest = path, last;

	do
		last = span_cut(rest, '/', &rest);
	while (rest.p);
	return last.n >= sizeof(name) - 1 && memcmp(last.p, name, sizeof(name) - 1) == 0;
}

/* 2.0 has plugin and auth_plugin; 2.1 also global_plugin, and plugin_load with a name before the path. */
static void judge_plugin(struct conf *c, struct where where, struct span option, struct span value)
{
	struct span path = value;

	if (span_is(option, "plugin_load"))
		first_word(value, &path);
	else if (!is_one_of("plugin auth_plugin global_plugin", option))
		return;
	if (is_ours(path)) {
		c->ours = true;
		if (span_is(option, "plugin_load"))
			fault(c, &plugin_loaded, where, option, &value);
	} else {
		fault(c, c->ours ? &plugin_after : &plugin_before, where, option, &value);
	}
}

/* ---- listeners --------------------------------------------------------------------------------------------------- */

/* Names other than localhost may lead anywhere, also when they begin with 127. */
static bool is_local(struct span address)
{
	bool v4 = address.n > 4 && memcmp(address.p, "127.", 4) == 0;

	for (size_t i = 0; v4 && i < address.n; i++)
		v4 = address.p[i] == '.' || (address.p[i] >= '0' && address.p[i] <= '9');
	return v4 || span_is(address, "localhost") || span_is(address, "::1");
}

static void listener_at(struct listener *l, struct where where, struct span option, struct span value)
{
	l->line = where.line;
	printable(span_str(where.file), l->file, sizeof(l->file));
	printable(option, l->option, sizeof(l->option));
	printable(value, l->value, sizeof(l->value));
}

/* listener PORT [ADDRESS]; port 0 is a Unix socket. */
static struct listener *listener_new(struct conf *c, struct where where, struct span option, struct span value)
{
	struct span rest, port = first_word(value, &rest), address = first_word(rest, &rest);
	struct listener *l;

	if (c->listeners == BROKER_CONF_LISTENERS_MAX) {
		fault(c, &many_listeners, where, option, &value);
		return &c->listener[c->listeners];
	}
	l = &c->listener[++c->listeners];
	listener_at(l, where, option, value);
	l->local = span_is(port, "0") || is_local(address);
	return l;
}

static void note_file(struct broker_files *files, enum broker_file_kind kind, struct span path)
{
	size_t i = 0;

	while (i < files->n && !(files->file[i].kind == kind && span_is(path, files->file[i].path)))
		i++;
	if (i < files->n || i == BROKER_FILES_MAX || !path.n || !span_text(path, files->file[i].path, sizeof(files->file[i].path)))
		return;
	files->file[i].kind = kind;
	files->n++;
}

static void note_files(struct conf *c, struct span option, struct span value)
{
	static const char *const name[] = { [BROKER_CRL] = "crlfile", [BROKER_CERTIFICATE] = "certfile", [BROKER_CA] = "cafile" };

	for (size_t i = 0; c->files && i < countof(name); i++)
		if (span_is(option, name[i]))
			note_file(c->files, (enum broker_file_kind)i, value);
}

static void judge_listener(struct conf *c, struct file *f, struct where where, struct span option, struct span value)
{
	if (span_is(option, "listener")) {
		f->at = listener_new(c, where, option, value);
		return;
	}
	if (f->at->line == 0 && is_one_of(default_options, option))
		listener_at(f->at, where, option, value);
	f->at->certfile |= span_is(option, "certfile");
	f->at->keyfile |= span_is(option, "keyfile");
	f->at->tls_version |= span_is(option, "tls_version");
	f->at->local |= span_is(option, "bind_address") && is_local(value);
	f->at->local |= span_is(option, "bind_interface") && span_is(value, "lo");
}

/* The broker speaks TLS where there are both certfile and keyfile. */
static void judge_listeners(struct conf *c)
{
	for (size_t i = 0; i <= c->listeners; i++) {
		const struct listener *l = &c->listener[i];
		struct where where = { l->file, l->line };
		struct span value = span_str(l->value);
		bool tls = l->certfile && l->keyfile;

		if (l->line == 0)
			continue;
		if (!tls && !l->local)
			fault(c, i == 0 ? &default_listener : &plain_listener, where, span_str(l->option), &value);
		if (tls && !l->tls_version)
			fault(c, &no_tls_version, where, SPAN_LIT("tls_version"), NULL);
	}
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Up to its end, or to a NUL, where the broker stops too. */
static struct span next_line(struct file *f)
{
	struct span unused, line = span_cut(f->rest, '\n', &f->rest);

	f->line++;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return span_cut(line, '\0', &unused);
}

/* Reads on to the next include_dir of the main file and gives its folder; false at the end of the file. */
static bool next_include(struct conf *c, struct file *f, struct span *dir)
{
	while (f->rest.n) {
		struct span value, option = first_word(next_line(f), &value);
		struct where where = { f->name, f->line };

		if (option.n == 0 || option.p[0] == '#')
			continue;
		if (span_is(option, "include_dir") && f->main) {
			*dir = value;
			return true;
		}
		if (span_is(option, "include_dir"))
			fault(c, &nested_include, where, option, &value);
		judge(c, where, option, value);
		judge_plugin(c, where, option, value);
		judge_listener(c, f, where, option, value);
		note_files(c, option, value);
	}
	return false;
}

static void finish(struct conf *c, const char *name)
{
	const struct where missing = { name, 0 };

	judge_listeners(c);
	if (!c->ours)
		fault(c, &no_plugin, missing, SPAN_LIT("plugin"), NULL);
	if (!c->listeners && !c->listener[0].line)
		fault(c, &no_listener, missing, SPAN_LIT("listener"), NULL);
	for (size_t i = 0; i < countof(rules); i++)
		if (!c->seen[i])
			fault_rule(c, &rules[i], missing, NULL);
}

size_t broker_conf_scan(const char *name, struct span text, struct broker_fault *out, size_t max)
{
	struct conf c = { .out = out, .max = max };
	struct file f = { .name = name, .rest = text, .main = true, .at = c.listener };
	struct span dir;

	while (next_include(&c, &f, &dir))
		;
	finish(&c, name);
	return c.faults;
}

/* At most BROKER_CONF_BYTES_MAX + 1 bytes; -1 with errno. */
static ssize_t read_all(const char *path, char *p)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0, got = -1;

	if (fd < 0)
		return -1;
	while ((got = read(fd, p + n, (size_t)(BROKER_CONF_BYTES_MAX + 1 - n))) > 0)
		n += got;
	return got < 0 ? -1 : n;
}

/* NULL, and a fault, when it cannot be read. The caller frees. */
static char *read_file(struct conf *c, const char *path, struct span *text)
{
	CLEANUP(free_cleanup) char *p = malloc(BROKER_CONF_BYTES_MAX + 1);
	ssize_t n = p ? read_all(path, p) : -1;
	struct span said = span_str(n < 0 ? strerror(errno) : "");
	char *out = p;

	if (n < 0 || n > BROKER_CONF_BYTES_MAX) {
		fault(c, n < 0 ? &unreadable : &too_large, (struct where){ path, 0 }, said, &(struct span){ NULL, 0 });
		return NULL;
	}
	*text = span(p, (size_t)n);
	p = NULL;
	return out;
}

/* The broker's choice: names of more than five bytes that end so. */
static int is_conf(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && strcmp(e->d_name + n - 5, ".conf") == 0;
}

/* The broker's order (conf_includedir.c): the first two letters that differ decide, by case if in nothing else. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	const char *x = (*a)->d_name, *y = (*b)->d_name;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	return toupper(*x) == toupper(*y) ? *x - *y : toupper(*x) - toupper(*y);
}

static void read_included(struct conf *c, const char *dir, const char *name)
{
	CLEANUP(free_cleanup) char *text = NULL;
	char path[PATH_MAX];
	struct file f = { .name = path, .at = c->listener };
	struct put b = put(path, sizeof(path));
	struct span unused;

	put_fmt(&b, "%s/%s", dir, name);
	must(put_end(&b) == OK);   /* a folder's path of 255 bytes and a name of 255 fit */
	text = read_file(c, path, &f.rest);
	while (text && next_include(c, &f, &unused))
		;
}

static void read_dir(struct conf *c, struct where where, struct span dir)
{
	struct dirent **entry = NULL;
	char path[256];
	int n = span_text(dir, path, sizeof(path)) ? scandir(path, &entry, is_conf, by_name) : -1;

	if (n < 0)
		fault(c, &unreadable, where, SPAN_LIT("include_dir"), &dir);
	if (n > BROKER_CONF_FILES_MAX)
		fault(c, &too_large, where, SPAN_LIT("include_dir"), &dir);
	for (int i = 0; i < n; i++) {
		if (i < BROKER_CONF_FILES_MAX)
			read_included(c, path, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
}

size_t broker_conf_check(const char *path, struct broker_fault *out, size_t max, struct broker_files *files)
{
	struct conf c = { .out = out, .max = max, .files = files };
	struct file f = { .name = path, .main = true, .at = c.listener };
	CLEANUP(free_cleanup) char *text = read_file(&c, path, &f.rest);
	struct span dir;

	if (files)
		files->n = 0;
	if (!text)
		return c.faults;
	while (next_include(&c, &f, &dir))
		read_dir(&c, (struct where){ path, f.line }, dir);
	finish(&c, path);
	return c.faults;
}

void broker_fault_text(const struct broker_fault *f, char out[BROKER_FAULT_TEXT])
{
	struct put b = put(out, BROKER_FAULT_TEXT - 1);

	put_str(&b, f->file);
	if (f->line)
		put_fmt(&b, ":%u", f->line);
	if (f->option[0])
		put_fmt(&b, ": %s", f->option);
	if (f->value[0])
		put_fmt(&b, " %s", f->value);
	put_fmt(&b, "%s: %s; right: %s", f->missing ? " is missing" : "", f->why, f->right);
	out[b.n] = '\0';
}

/* ---- which file -------------------------------------------------------------------------------------------------- */

enum err broker_conf_path_in(struct span cmdline, char *out, size_t cap)
{
	struct span rest = cmdline, word;
	bool is_path = false, found = false;

	out[0] = '\0';
	do {
		word = span_cut(rest, '\0', &rest);
		if (is_path) {
			if (found)
				return ERR_EXISTS;
			if (!span_text(word, out, cap))
				return ERR_TOO_LARGE;
			found = true;
			is_path = false;
		} else {
			is_path = rest.n && (span_is(word, "-c") || span_is(word, "--config-file"));
		}
	} while (rest.p);
	return found ? OK : ERR_NOT_FOUND;
}

enum err broker_conf_path(char *out, size_t cap)
{
	CLEANUP(fd_cleanup) int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char text[COMMAND_LINE_BYTES];
	size_t n = 0;
	ssize_t got = -1;

	out[0] = '\0';
	if (fd >= 0)
		while ((got = read(fd, text + n, sizeof(text) - n)) > 0)
			n += (size_t)got;
	if (got < 0)
		return ERR_IO;
	return n == sizeof(text) ? ERR_TOO_LARGE : broker_conf_path_in(span(text, n), out, cap);
}
