/* init: makes an installation folder. Nothing that exists is ever overwritten: keys cannot be made again. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "baseline.h"
#include "cmd.h"
#include "install.h"
#include "note.h"
#include "opt.h"
#include "pki.h"
#include "policy.h"
#include "report.h"
#include "topic.h"
#include "vault.h"

struct making {
	struct baseline base;
	const char *host;
	struct install in;
	const struct passwd *broker;    /* whom files are given to; NULL: nobody, they stay ours */
	int64_t now_s;
};

/* ---- what is made, in order -------------------------------------------------------------------------------------- */

static enum err make_ca(const struct making *m, const char *path)
{
	const struct install_path key = install_path(&m->in, "keys/ca.key");

	return pki_make_ca(&(struct pki_files){ path, key.text }, m->base.tenant, m->now_s);
}

static enum err make_server(const struct making *m, const char *path)
{
	const struct install_path ca = install_path(&m->in, "ca.crt"), ca_key = install_path(&m->in, "keys/ca.key");
	const struct install_path key = install_path(&m->in, "keys/server.key");
	const char *host[] = { m->host, "localhost", "127.0.0.1", "::1" };
	bool local = strcmp(m->host, "localhost") == 0;

	return pki_make_server(&(struct pki_files){ ca.text, ca_key.text }, &(struct pki_files){ path, key.text },
			       host + local, countof(host) - local, m->now_s);
}

static enum err make_crl(const struct making *m, const char *path)
{
	const struct install_path ca = install_path(&m->in, "ca.crt"), key = install_path(&m->in, "keys/ca.key");

	return pki_make_crl(&(struct pki_files){ ca.text, key.text }, path, m->now_s);
}

static enum err make_root(const struct making *m, const char *path)
{
	(void)m;
	return vault_make_root(path);
}

/* The public half of record.seed, under the name of this hospital's record. */
static enum err make_vkey(const struct making *m, const char *path)
{
	uint8_t seed[SIGN_KEY_BYTES], pub[SIGN_KEY_BYTES];
	char origin[ORIGIN_BYTES_MAX + 1], vkey[512];
	enum err e;

	snprintf(origin, sizeof(origin), "%s/audit/main", m->base.tenant);
	TRY(vault_root(install_path(&m->in, "keys/record.seed").text, seed));
	e = sign_public(seed, pub);
	crypt_wipe(seed, sizeof(seed));
	TRY(e);
	TRY(vkey_write(span_str(origin), pub, vkey, sizeof(vkey) - 1));
	strcat(vkey, "\n");
	return install_write(path, span_str(vkey), 0644);
}

static enum err make_directory(const struct making *m, const char *path)
{
	uint8_t root[AEAD_KEY_BYTES];
	struct directory *d = NULL;
	enum err e;

	TRY(vault_root(install_path(&m->in, "keys/root.key").text, root));
	e = directory_open(path, root, false, &d);
	crypt_wipe(root, sizeof(root));
	directory_close(&d);
	return e;
}

static enum err make_text(const struct making *m, const char *path, unsigned mode,
			  enum err (*write)(const struct baseline *, struct put *))
{
	CLEANUP(free_cleanup) char *text = malloc(BASELINE_BYTES_MAX);
	struct put out = put(text, BASELINE_BYTES_MAX);

	if (!text)
		return ERR_FULL;
	TRY(write(&m->base, &out));
	return install_write(path, put_span(&out), mode);
}

/* The tenant's name moves the columns. */
static enum err write_policy(const struct baseline *b, struct put *out)
{
	CLEANUP(free_cleanup) char *text = malloc(BASELINE_BYTES_MAX);
	struct put fitted = put(text, BASELINE_BYTES_MAX);

	if (!text)
		return ERR_FULL;
	TRY(baseline_write_policy(b, &fitted));
	return policy_format(put_span(&fitted), out);
}

static enum err make_policy(const struct making *m, const char *path)
{
	return make_text(m, path, 0644, write_policy);
}

static enum err make_conf(const struct making *m, const char *path)
{
	return make_text(m, path, 0644, baseline_write_conf);
}

static const struct step {
	const char *name, *text;
	enum err (*make)(const struct making *m, const char *path);
} steps[] = {
	{ "ca.crt", "the certificate authority, with keys/ca.key", make_ca },
	{ "server.crt", "the broker's certificate, with keys/server.key", make_server },
	{ "ca.crl", "revoked certificates, none yet", make_crl },
	{ "keys/root.key", "seals directory, record and kept messages: copy it to a safe place", make_root },
	{ "keys/record.seed", "signs the record", make_root },
	{ "record.vkey", "its public half, for auditors", make_vkey },
	{ "directory.mdb", "who exists and what they hold", make_directory },
	{ "pullcord.policy", "who may do what: read it, change it", make_policy },
	{ "mosquitto.conf", "the broker's settings", make_conf },
};

/* Whose what is, when root makes it for another user: the broker's are its stores and their keys, and the policy, which an
 * administrator sets while it runs. Its settings, certificates and the key of its own it only reads: whoever takes the broker
 * over shall not tell it to be root at the next start. It makes files of its own in both folders, where the sticky bit keeps
 * it from taking away, or putting others in the place of, root's. */
static const struct {
	const char *name;
	enum { ROOTS, READ, BROKERS } whose;    /* READ: root's, and for the broker's group to read */
	unsigned mode;
} held[] = {
	{ "mosquitto.conf", READ, 0640 }, { "ca.crt", READ, 0644 }, { "server.crt", READ, 0644 }, { "ca.crl", READ, 0644 },
	{ "keys/ca.key", ROOTS, 0600 }, { "keys/server.key", READ, 0640 },
	{ "keys/root.key", BROKERS, 0600 }, { "keys/record.seed", BROKERS, 0600 }, { "keys/record.line", BROKERS, 0600 },
	{ "record.vkey", BROKERS, 0644 }, { "directory.mdb", BROKERS, 0600 }, { "directory.mdb-lock", BROKERS, 0600 },
	{ "pullcord.policy", BROKERS, 0644 }, { "keys", READ, 01770 }, { ".", READ, 01770 },
};

static int run_steps(const struct making *m)
{
	for (size_t i = 0; i < countof(steps); i++) {
		const struct install_path path = install_path(&m->in, steps[i].name);
		enum err e = steps[i].make(m, path.text);

		if (e != OK) {
			(void)report_fail(e, "make %s", path.text);
			report_hint("the installation is half made: remove %s and try again", m->in.dir);
			return CMD_NO;
		}
		report_say(TONE_GOOD, "  made");
		report_say(TONE_PLAIN, "  %-18s", steps[i].name);
		report_line(TONE_DIM, "%s", steps[i].text);
	}
	return CMD_DONE;
}

/* ---- the folder, and whose it is --------------------------------------------------------------------------------- */

static bool is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	bool empty = true;

	for (struct dirent *e; d && empty && (e = readdir(d));)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (d)
		closedir(d);
	return empty;
}

static int make_folders(struct making *m, const char *dir)
{
	char full[PATH_MAX];

	if (mkdir(dir, 0750) != 0 && errno != EEXIST) {
		report_error("cannot make the folder %s: %s", dir, strerror(errno));
		return CMD_NO;
	}
	if (!realpath(dir, full) || strlen(full) > INSTALL_PATH_MAX - 64) {
		report_error("cannot use the folder %s: %s", dir, errno ? strerror(errno) : "its path is too long");
		return CMD_NO;
	}
	if (!is_empty(full)) {
		report_error("the folder %s is not empty", full);
		report_hint("an installation is made in a new folder, so that no key is ever overwritten");
		return CMD_NO;
	}
	strcpy(m->in.dir, full);
	m->base.dir = m->in.dir;
	if (mkdir(install_path(&m->in, "keys").text, 0700) != 0) {
		report_error("cannot make the folder %s/keys: %s", full, strerror(errno));
		return CMD_NO;
	}
	return CMD_DONE;
}

static bool give(const struct making *m, size_t i)
{
	const struct install_path path = install_path(&m->in, held[i].name);
	const uid_t uid = held[i].whose == BROKERS ? m->broker->pw_uid : 0;
	const gid_t gid = held[i].whose == ROOTS ? 0 : m->broker->pw_gid;

	return (lchown(path.text, uid, gid) == 0 && chmod(path.text, held[i].mode) == 0) || errno == ENOENT;
}

static int give_to_broker(const struct making *m)
{
	bool good = true;

	if (!m->broker)
		return CMD_DONE;
	for (size_t i = 0; i < countof(held) && good; i++)
		good = give(m, i);
	if (good)
		return CMD_DONE;
	report_error("cannot give %s to the user %s: %s", m->in.dir, m->base.user, strerror(errno));
	return CMD_NO;
}

/* A folder above that is closed to others keeps the broker out of its own. */
static void warn_closed(const struct making *m)
{
	char path[INSTALL_PATH_MAX];
	struct stat st;

	if (!m->broker)
		return;
	strcpy(path, m->in.dir);
	for (char *slash = strrchr(path, '/'); slash && slash != path; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (stat(path, &st) != 0 || (st.st_mode & 0001) || st.st_uid == m->broker->pw_uid)
			continue;
		report_hint("warning: the broker's user %s cannot pass %s (mode %04o): chmod o+x it, or install elsewhere",
			    m->base.user, path, (unsigned)(st.st_mode & 07777));
		return;
	}
}

static void find_broker_user(struct making *m)
{
	const struct passwd *user = getpwnam(m->base.user);

	if (geteuid() == 0 && user && user->pw_uid != 0)
		m->broker = user;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* In the build tree the plugin lies beside the tool; installed, in ../lib/pullcord. */
static const char *find_plugin(char out[PATH_MAX])
{
	static const char *const from_bin[] = { "mosquitto_pullcord.so", "../lib/pullcord/mosquitto_pullcord.so" };
	char self[PATH_MAX], near[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < countof(from_bin); i++) {
		snprintf(near, sizeof(near), "%.*s/%s", (int)(slash - self), self, from_bin[i]);
		if (access(near, R_OK) == 0 && realpath(near, out))
			return out;
	}
	return "/usr/local/lib/pullcord/mosquitto_pullcord.so";
}

/* As the broker is to be told it, who is started elsewhere. */
static int name_plugin(struct making *m, char out[PATH_MAX])
{
	if (!m->base.plugin) {
		m->base.plugin = find_plugin(out);
		return CMD_DONE;
	}
	if (!realpath(m->base.plugin, out) || access(out, R_OK) != 0) {
		report_error("cannot read the plugin %s: %s", m->base.plugin, strerror(errno));
		report_hint("--plugin names mosquitto_pullcord.so; without it the one beside this tool is taken");
		return CMD_NO;
	}
	m->base.plugin = out;
	return CMD_DONE;
}

/* Where everything is that somebody, or a script, needs next. */
static void say_made(const struct making *m)
{
	const struct install_path conf = install_path(&m->in, "mosquitto.conf"), ca = install_path(&m->in, "ca.crt");
	const struct install_path vkey = install_path(&m->in, "record.vkey");

	if (report_is_json())
		report_object((const struct cell[]){
			CELL_STR("dir", m->in.dir), CELL_STR("tenant", m->base.tenant), CELL_STR("host", m->host),
			CELL_NUM("port", m->base.device_port), CELL_NUM("app_port", m->base.app_port),
			m->broker ? CELL_STR("broker_user", m->base.user) : CELL_NULL("broker_user"),
			CELL_STR("conf", conf.text), CELL_STR("ca", ca.text), CELL_STR("vkey", vkey.text),
		}, 9);
}

static void say_next(const struct making *m)
{
	char dir[REPORT_WORD], conf[REPORT_WORD];

	report_end();
	report_line(TONE_STRONG, "Next:");
	report_line(TONE_PLAIN, "  export PULLCORD_DIR=%s", report_word(m->in.dir, dir));
	report_line(TONE_PLAIN, "  mosquitto -c %s", report_word(install_path(&m->in, "mosquitto.conf").text, conf));
	report_line(TONE_PLAIN, "  pullcord device enroll icu3-nc1 --unit icu3 --role nursecall-device --out icu3-nc1");
	report_line(TONE_PLAIN, "  pullcord user add ana --unit icu3 --role nurse");
	report_line(TONE_PLAIN, "  pullcord watch --user ana --unit icu3");
	report_line(TONE_DIM, "Move keys/ca.key to a machine of its own once the devices are enrolled.");
}

static int run(struct making *m, const char *dir)
{
	int code;

	umask(027);
	find_broker_user(m);
	code = make_folders(m, dir);
	if (code == CMD_DONE)
		code = run_steps(m);
	if (code == CMD_DONE)
		code = give_to_broker(m);
	if (code != CMD_DONE)
		return code;
	warn_closed(m);
	say_made(m);
	say_next(m);
	return CMD_DONE;
}

int cmd_init(int argc, char **argv)
{
	char plugin[PATH_MAX];
	struct opt_list dir = { 0 };
	bool json = false;
	struct making m = {
		.base = { .user = "mosquitto", .device_port = 8883, .app_port = 8884, .record_mib = 1024 },
		.host = "localhost", .now_s = time(NULL),
	};
	const struct opt opt[] = {
		OPT_NEED("tenant", "NAME", &m.base.tenant, "the hospital's name, first level of every topic"),
		OPT_TEXT("host", "HOST", &m.host, "name or address in the broker's certificate (default: localhost)"),
		OPT_NUMBER("port", "PORT", &m.base.device_port, 1, 65535, "for devices (default: 8883)"),
		OPT_NUMBER("app-port", "PORT", &m.base.app_port, 1, 65535, "for people (default: 8884)"),
		OPT_TEXT("broker-user", "USER", &m.base.user, "the broker runs as this user (default: mosquitto)"),
		OPT_TEXT("plugin", "PATH", &m.base.plugin, "mosquitto_pullcord.so (default: the one beside this tool)"),
		OPT_NUMBER("record-mib", "MIB", &m.base.record_mib, 4, 1 << 20,
			   "disk set aside for the record (default: 1024)"),
		OPT_FLAG("json", &json, "as JSON: where what was made lies, and the ports"),
	};
	const struct opt_page page = {
		.command = "init", .operands = "DIR", .least = 1, .most = 1,
		.text = "Makes an installation in a new or empty folder: certificate authority, broker certificate, "
			"keys, an empty directory of accounts, a policy to start from and the broker's settings.\n"
			"As root, the broker's stores, their keys and the policy are given to its user; its settings, certificates and their "
			"keys stay root's, for it to read where it must. Private keys are for nobody else.",
		.example = "pullcord init /etc/pullcord --tenant mercy --host broker.mercy.example\n"
			   "pullcord init ./trial --tenant trial --broker-user $USER --json",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &dir);

	if (code != OPT_RUN)
		return code;
	if (opt_word(&page, "--tenant", m.base.tenant) != CMD_DONE)
		return CMD_USAGE;
	if (m.base.device_port == m.base.app_port)
		return opt_wrong(&page, "--port and --app-port are both %ld; they must differ", m.base.app_port);
	if (!pki_host_ok(m.host))
		return opt_wrong(&page, "--host is a name or an address, of at most %d letters, as the certificate has it, not \"%s\"",
				 PKI_HOST_MAX, m.host);
	if (!getpwnam(m.base.user))
		return opt_wrong(&page, "there is no user %s here: install the broker first, or name another by --broker-user", m.base.user);
	report_json(json);
	code = name_plugin(&m, plugin);
	return code == CMD_DONE ? run(&m, dir.text[0]) : code;
}
