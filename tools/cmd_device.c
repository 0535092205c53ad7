/* device: machines, their certificates and what they hold. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "accounts.h"
#include "cmd.h"
#include "cur.h"
#include "pki.h"
#include "policy_file.h"
#include "remote.h"
#include "report.h"
#include "topic.h"

static const struct accounts devices = { PULLCORD__V1__PARTY__PARTY_DEVICE, "device", "DEVICE", "icu3-nc1" };

#define CA_BYTES_MAX 65536
#define DEVICE_PORT 8883
#define GATEWAY_HOME "/etc/pullcord"    /* where the gateway looks unless told otherwise: gateway/conf.def */

/* A folder for one device, and where it will lie there. */
struct kit {
	const char *dir, *out, *at;
	long days;
	struct holding holding;
	struct live live;
	bool json, made;                /* made: the folder is new */
	int64_t from_s;                 /* certificates of its name from before then count no more */
	char folder[PATH_MAX];
};

static const char *place_of(const struct kit *k)
{
	return k->at ? k->at : k->folder;
}

static void path_in(const struct kit *k, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 32, k->folder, name);
}

static int make_folder(struct kit *k)
{
	k->made = mkdir(k->out, 0700) == 0;
	if (!k->made && errno != EEXIST) {
		report_error("cannot make the folder %s: %s", k->out, strerror(errno));
		return CMD_NO;
	}
	if (!realpath(k->out, k->folder)) {
		report_error("cannot use the folder %s: %s", k->out, strerror(errno));
		return CMD_NO;
	}
	return CMD_DONE;
}

static int make_certificate(const struct kit *k, const struct install *in, const char *id)
{
	const struct install_path ca = install_path(in, "ca.crt"), ca_key = install_path(in, "keys/ca.key");
	char cert[PATH_MAX], key[PATH_MAX];
	enum err e;

	path_in(k, "device.crt", cert);
	path_in(k, "device.key", key);
	e = pki_make_device_from(&(struct pki_files){ ca.text, ca_key.text }, &(struct pki_files){ cert, key }, in->tenant,
				 id, k->days, time(NULL), k->from_s);
	if (e == OK)
		return CMD_DONE;
	(void)report_fail(e, "make the certificate of %s in %s", id, k->folder);
	if (e == ERR_EXISTS)
		report_hint("keys are never overwritten: name another folder by --out");
	if (e == ERR_NOT_FOUND || e == ERR_DENIED)
		report_hint("%s and %s are needed, and a folder that may be written", ca.text, ca_key.text);
	if (e == ERR_KEY)
		report_hint("%s is not the key of %s", ca_key.text, ca.text);
	if (e == ERR_TIME)
		report_hint("the certificate authority itself ends before that: fewer --days");
	return CMD_NO;
}

static enum err copy_file(const struct kit *k, const struct install *in, const char *name)
{
	CLEANUP(free_cleanup) char *text = NULL;
	char path[PATH_MAX];
	size_t n;
	enum err e;

	TRY(install_read(install_path(in, name).text, CA_BYTES_MAX, &text, &n));
	path_in(k, name, path);
	e = install_write(path, span(text, n), 0644);
	return e == ERR_EXISTS ? OK : e;    /* the folder of a device enrolled before */
}

/* Do its roles let it cosign the record? Then it shall: the policy is here, and so is the record's verifier key. */
static bool may_witness(const struct kit *k, const struct install *in, const char *id)
{
	CLEANUP(policy_close) struct policy *policy = NULL;
	CLEANUP(holder_close) struct holder *holder = NULL;
	char text[TOPIC_BYTES_MAX + 1];
	struct span role[OPT_LIST_MAX];
	struct subject s = { .party = devices.party, .tenant = span_str(in->tenant), .id = span_str(id), .role = role, .anywhere = true };
	struct policy_error where;
	struct topic topic;

	for (; s.roles < k->holding.role.n; s.roles++)
		role[s.roles] = span_str(k->holding.role.text[s.roles]);
	return access(install_path(in, "record.vkey").text, R_OK) == 0 &&
	       policy_file_load(install_path(in, "pullcord.policy").text, &policy, &where) == OK &&
	       span_is(policy_tenant(policy), in->tenant) && policy_bind(policy, &s, &holder) == OK &&
	       TOPIC_BUILD(text, TOPIC_COSIGNATURE, in->tenant, "main", id) == OK && topic_parse(span_str(text), &topic) == OK &&
	       policy_decide(policy, holder, ACCESS_PUBLISH, &topic).allow;
}

/* What the gateway takes for granted is not said: the folder may lie there, or be copied there once more. */
static void put_path(struct put *out, const char *setting, const char *at, const char *file)
{
	if (strcmp(at, GATEWAY_HOME) != 0)
		put_fmt(out, "%s = %s/%s\n", setting, at, file);
}

/* Whose orders the devices of this installation obey. */
static bool has_officers(const struct install *in) { return access(install_path(in, "officers").text, R_OK) == 0; }

/* Settings that work where the folder will lie; inputs are added there. What the gateway writes goes into the folder
 * only when it stays here: a device's /etc is not for that. */
static enum err write_settings(const struct kit *k, const struct install *in, bool witness)
{
	const char *at = place_of(k), *unit = k->holding.unit.n ? k->holding.unit.text[0] : "default";
	struct pki_facts broker;
	char text[8 * PATH_MAX], path[PATH_MAX];
	struct put out = put(text, sizeof(text));
	enum err e;

	if (k->live.on && k->live.login.host)
		(void)!span_text(span_str(k->live.login.host), broker.subject, sizeof(broker.subject));
	else
		TRY(pki_read(install_path(in, "server.crt").text, &broker));
	put_fmt(&out, "; Settings of this device; all there are: pullcord-gateway.conf(5). It needs an [input NAME] for\n"
		"; what is wired to it, as at the end: HL7 over MLLP, or lines of JSON, pullcord-local(7).\n"
		"[gateway]\nunit = %s\n", unit);
	if (!k->at) {
		put_path(&out, "outbox", at, "outbox.mdb");
		put_path(&out, "root_key", at, "outbox.key");
	}
	put_fmt(&out, "\n[uplink]\nhost = %s\nport = %d\n", broker.subject, in->device_port ? in->device_port : DEVICE_PORT);
	put_path(&out, "cafile", at, "ca.crt");
	put_path(&out, "certfile", at, "device.crt");
	put_path(&out, "keyfile", at, "device.key");
	if (!k->at) {
		put_str(&out, "\n[health]\n");
		put_path(&out, "status", at, "gateway.status");
	}
	if (witness)
		put_fmt(&out, "\n[witness]\nvkey = %s/record.vkey\n", at);
	if (witness && !k->at)
		put_fmt(&out, "folder = %s/witness\n", at);
	if (has_officers(in))
		put_fmt(&out, "\n[orders]\nofficers = %s/officers\n", at);
	if (has_officers(in) && !k->at)
		put_fmt(&out, "folder = %s/orders\n", at);
	put_fmt(&out, "\n;[input controller]\n;kind = mllp\n;address = 127.0.0.1:2575\n\n;[input station]\n;kind = local\n"
		";address = %s/station.sock\n", k->at ? "/run/pullcord" : at);
	TRY(put_end(&out));
	path_in(k, "gateway.ini", path);
	e = install_write(path, put_span(&out), 0644);
	return e == ERR_EXISTS ? OK : e;
}

static void remove_certificate(const struct kit *k)
{
	char path[PATH_MAX];

	path_in(k, "device.crt", path);
	unlink(path);
	path_in(k, "device.key", path);
	unlink(path);
}

static int fill_folder(const struct kit *k, const struct install *in, const char *id)
{
	int code = make_certificate(k, in, id);
	bool witness = may_witness(k, in, id);
	enum err e;

	if (code != CMD_DONE)
		return code;
	e = copy_file(k, in, "ca.crt");
	if (e == OK && witness)
		e = copy_file(k, in, "record.vkey");
	if (e == OK && has_officers(in))
		e = copy_file(k, in, "officers");
	if (e == OK)
		e = write_settings(k, in, witness);
	if (e == OK)
		return CMD_DONE;
	remove_certificate(k);
	return report_fail(e, "fill the folder %s", k->folder);
}

static void say_certificate(const struct kit *k, const char *id, const char *what, const char *files)
{
	struct pki_facts facts;
	char cert[PATH_MAX], date[REPORT_TIME], time[COMMAND_TIME];

	path_in(k, "device.crt", cert);
	report_line(TONE_GOOD, "device %s %s", id, what);
	if (pki_read(cert, &facts) != OK)
		return;
	report_line(TONE_PLAIN, "  %s/%s, valid until %s", k->folder, files, report_date(facts.not_after_s * 1000000, date));
	if (report_is_json())
		report_object((const struct cell[]){ CELL_STR("id", id), CELL_STR("folder", k->folder),
						     CELL_STR("valid_until", command_time(facts.not_after_s * 1000000, time)) }, 3);
}

/* Of an installation the CA's machine may have a part only. */
static void say_guessed(const struct install *in)
{
	if (!in->device_port)
		report_line(TONE_WARN, "No mosquitto.conf here says the broker's port for devices: gateway.ini has %d. Look at [uplink] in it.",
			    DEVICE_PORT);
	if (access(install_path(in, "record.vkey").text, R_OK) != 0)
		report_line(TONE_WARN, "No record.vkey is here: the device will not witness the record. Put it and pullcord.policy beside "
			    "ca.crt first.");
}

static void say_enrolled(const struct kit *k, const struct install *in, const char *id)
{
	char settings[PATH_MAX + 16], word[REPORT_WORD];

	say_certificate(k, id, "is enrolled", "{device.crt,device.key,ca.crt,gateway.ini} and what these name");
	if (k->at)
		report_line(TONE_DIM, "Next: move the folder to %s on the device, add its inputs to gateway.ini, and there",
			    k->at);
	else
		report_line(TONE_DIM, "Next: add its inputs to gateway.ini. The folder works where it is; for another "
			    "place enroll with --at.");
	snprintf(settings, sizeof(settings), "%s/gateway.ini", place_of(k));
	report_line(TONE_PLAIN, "  pullcord-gateway --config %s --check", report_word(settings, word));
	say_guessed(in);
	if (k->holding.role.n == 0)
		report_line(TONE_WARN, "It may do nothing yet: pullcord device grant %s --role ROLE", id);
}

/* Whatever it says of the time from which on it is good, that one is this device's. */
static void pin_certificate(const struct kit *k, struct draft *d)
{
	struct pki_facts facts;
	char cert[PATH_MAX];

	path_in(k, "device.crt", cert);
	if (pki_read(cert, &facts) == OK)
		memcpy(d->account.certificate, facts.fingerprint, sizeof(d->account.certificate));
}

/* What a refusal leaves is as before. Not empty: it stays, for there is something of somebody in it. */
static void drop_folder(const struct kit *k)
{
	if (k->made)
		(void)rmdir(k->folder);
}

/* The folder the CA lies in: an installation, or with --live and --tenant, any that has ca.crt and keys/ca.key. */
static bool open_ca(const struct kit *k, struct install *in)
{
	if (!k->live.on || !k->live.login.tenant || !k->dir) {
		bool good = install_open(k->dir, in) == OK;

		if (!good && k->live.on && k->dir)
			report_hint("or, where there is no more than ca.crt and keys/ca.key, name the --tenant, too, and --port");
		return good;
	}
	*in = (struct install){ 0 };
	if (span_text(span_str(k->dir), in->dir, sizeof(in->dir) - 64) &&
	    span_text(span_str(k->live.login.tenant), in->tenant, sizeof(in->tenant)) && word_ok(span_str(in->tenant)))
		return true;
	report_error("--tenant takes one word, and --dir a path");
	return false;
}

/* What fill_folder() made, when the device is not to be. Settings that were there before stay. */
static void empty_folder(const struct kit *k)
{
	static const char *const made[] = { "ca.crt", "record.vkey", "officers", "gateway.ini" };
	char path[PATH_MAX];

	remove_certificate(k);
	for (size_t i = 0; k->made && i < countof(made); i++) {
		path_in(k, made[i], path);
		unlink(path);
	}
	drop_folder(k);
}

/* The account comes last: a certificate without one is worth nothing. */
static int enroll_folder(struct kit *k, const struct opt_page *page, const struct install *in, struct draft *d, const char *id)
{
	CLEANUP(directory_close) struct directory *dir = NULL;
	int code = holding_add(page, &k->holding, d);

	if (code != CMD_DONE)
		return code;
	if (install_directory(in, false, &dir) != OK || accounts_try(&devices, dir, d) != CMD_DONE || make_folder(k) != CMD_DONE)
		return CMD_NO;
	code = fill_folder(k, in, id);
	if (code != CMD_DONE && k->made)
		empty_folder(k);
	if (code != CMD_DONE)
		return code;
	pin_certificate(k, d);
	code = accounts_save(&devices, dir, d, true);
	if (code != CMD_DONE)
		empty_folder(k);
	return code;
}

/* The key is made here and never leaves; the broker hears of the account and of which certificate it is. */
static int enroll_live(struct kit *k, const struct opt_page *page, const struct install *in, struct draft *d, const char *id)
{
	const struct install_path ca = install_path(in, "ca.crt");
	int code = holding_add(page, &k->holding, d);
	bool unsure = false;

	if (code != CMD_DONE)
		return code;
	if (!k->live.login.cafile)
		k->live.login.cafile = ca.text;
	code = live_open(&k->live, page, k->dir);
	if (code == CMD_DONE)
		code = make_folder(k);
	if (code == CMD_DONE && (code = fill_folder(k, in, id)) != CMD_DONE && k->made)
		empty_folder(k);
	pin_certificate(k, d);
	if (code == CMD_DONE && (code = remote_create(&k->live, &devices, d, &unsure)) != CMD_DONE && !unsure)
		empty_folder(k);
	if (unsure)
		report_hint("%s stays: pullcord device show %s --live says whether it is enrolled", k->folder, id);
	live_close(&k->live);
	return code;
}

static int enroll(struct kit *k, const struct opt_page *page, const char *id)
{
	struct install in;
	struct draft d;
	int code;

	if (opt_word(page, "DEVICE", id) != CMD_DONE)
		return CMD_USAGE;
	if (!open_ca(k, &in))
		return CMD_NO;
	/* The certificate says whose it is; the broker makes the account its administrator's, so both are to be the same. */
	code = k->live.on && access(install_path(&in, "pullcord.policy").text, R_OK) != 0
		       ? CMD_DONE : holding_tenant(page, &in, &k->holding, k->live.login.tenant);
	if (code != CMD_DONE)
		return code;
	draft_init(&d, &devices, in.tenant, id);
	code = k->live.on ? enroll_live(k, page, &in, &d, id) : enroll_folder(k, page, &in, &d, id);
	if (code != CMD_DONE)
		return code;
	say_enrolled(k, &in, id);
	if (!k->live.on)
		holding_note_unasked(&in, &d.account);
	return code;
}

/* A certificate is to say whose the device is, and not to be taken for one of before; one that was wiped shall have none. */
struct found {
	struct install *in;
	bool usable;
	int64_t from_s;
};

static bool take_facts(void *ctx, const struct account *a, int64_t locked_us)
{
	struct found *f = ctx;

	(void)locked_us;
	f->usable = accounts_usable(&devices, a);
	f->from_s = a->removed_us / 1000000;
	must(span_text(a->subject.tenant, f->in->tenant, sizeof(f->in->tenant)));
	return true;
}

static int find_live(struct kit *k, const struct opt_page *page, struct install *in, const char *id)
{
	const struct install_path ca = install_path(in, "ca.crt");
	struct found f = { .in = in };
	int code;

	if (!k->live.login.cafile)
		k->live.login.cafile = ca.text;
	code = live_open(&k->live, page, k->dir);
	if (code == CMD_DONE)
		code = remote_find(&k->live, &devices, id, take_facts, &f);
	live_close(&k->live);
	k->from_s = f.from_s;
	return code == CMD_DONE && !f.usable ? CMD_NO : code;
}

static int find_folder(struct kit *k, struct install *in, const char *id)
{
	CLEANUP(account_free) struct account *a = NULL;
	CLEANUP(directory_close) struct directory *dir = NULL;
	struct found f = { .in = in };
	int code;

	if (install_directory(in, true, &dir) != OK)
		return CMD_NO;
	code = accounts_find(&devices, dir, k->live.login.tenant, id, &a);
	if (code == CMD_DONE)
		code = take_facts(&f, a, 0) && f.usable ? CMD_DONE : CMD_NO;
	k->from_s = f.from_s;
	return code;
}

/* The device has settings, which may have been changed there: it is given none. */
static int fill_renewed(const struct kit *k, const struct install *in, const char *id)
{
	int code = make_certificate(k, in, id);
	enum err e = code == CMD_DONE ? copy_file(k, in, "ca.crt") : OK;

	if (e == OK)
		return code;
	remove_certificate(k);
	return report_fail(e, "fill the folder %s", k->folder);
}

static void say_renewed(const struct kit *k, const char *id)
{
	say_certificate(k, id, "has a new key and certificate", "{device.crt,device.key,ca.crt}");
	report_line(TONE_DIM, "Next: put device.key and device.crt over those in %s on the device, which then tries the new pair by "
		    "itself.", k->at ? k->at : "the device's folder");
	report_line(TONE_DIM, "The old certificate works until it ends; sooner: revokeCertificate, see pullcord-control(5).");
}

/* The account must exist already, and stays as it is. */
static int renew(struct kit *k, const struct opt_page *page, const char *id)
{
	struct install in;
	int code;

	if (!open_ca(k, &in))
		return CMD_NO;
	code = k->live.on ? find_live(k, page, &in, id) : find_folder(k, &in, id);
	if (code == CMD_DONE)
		code = make_folder(k);
	if (code != CMD_DONE)
		return code;
	code = fill_renewed(k, &in, id);
	if (code == CMD_DONE)
		say_renewed(k, id);
	else if (k->made)
		empty_folder(k);
	return code;
}

#define KIT_OPTS(k)                                                                                                    \
	OPT_NEED("out", "FOLDER", &(k)->out, "where key, certificate, CA and settings are put"),                       \
	OPT_NUMBER("days", "DAYS", &(k)->days, 1, PKI_SERVER_DAYS, "the certificate's life (default: 90)"),         \
	OPT_TEXT("at", "PATH", &(k)->at, "where the folder will lie on the device, e.g. " GATEWAY_HOME                 \
		 " (default: where it is made)"),                                                                      \
	OPT_FLAG("json", &(k)->json, "as JSON"),                                                                       \
	OPT_TEXT("dir", "DIR", &(k)->dir, "the folder of the CA: the installation's (default: $PULLCORD_DIR, else /etc/pullcord)"), \
	LIVE_OPTS(&(k)->live)

static int device_enroll(int argc, char **argv)
{
	struct kit k = { .days = PKI_DEVICE_DAYS };
	struct opt_list id = { 0 };
	const struct opt opt[] = { HOLDING_OPTS(&k.holding), KIT_OPTS(&k) };
	const struct opt_page page = {
		.command = "device enroll", .operands = "DEVICE", .least = 1, .most = 1,
		.text = "Adds a device: makes its key and certificate and enters what it holds into the directory. "
			"With --live the certificate is made here, where ca.crt and keys/ca.key lie, and the running broker told. "
			"Of several tenants, the device is of the one whose roles are given, or of --tenant; with --live that must be the "
			"administrator's.",
		.example = "pullcord device enroll icu3-nc1 --unit icu3 --role nursecall-device --out icu3-nc1\n"
			   "pullcord device enroll icu3-nc1 --unit icu3 --role nursecall-device --out icu3-nc1 --live --user root "
			   "--host broker.mercy.example",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &id);

	if (code != OPT_RUN)
		return code;
	report_json(k.json);
	return live_check(&k.live, &page) == CMD_DONE ? enroll(&k, &page, id.text[0]) : CMD_USAGE;
}

static int device_renew(int argc, char **argv)
{
	struct kit k = { .days = PKI_DEVICE_DAYS };
	struct opt_list id = { 0 };
	const struct opt opt[] = { KIT_OPTS(&k) };
	const struct opt_page page = {
		.command = "device renew", .operands = "DEVICE", .least = 1, .most = 1,
		.text = "Makes a new key and certificate for a device that is enrolled, in a new folder. Its settings are left to it.",
		.example = "pullcord device renew icu3-nc1 --out icu3-nc1.new",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &id);

	if (code != OPT_RUN)
		return code;
	report_json(k.json);
	return live_check(&k.live, &page) == CMD_DONE ? renew(&k, &page, id.text[0]) : CMD_USAGE;
}

static int device_list(int argc, char **argv) { return accounts_list(&devices, argc, argv); }
static int device_show(int argc, char **argv) { return accounts_show(&devices, argc, argv); }
static int device_grant(int argc, char **argv) { return accounts_grant(&devices, argc, argv); }
static int device_revoke(int argc, char **argv) { return accounts_revoke(&devices, argc, argv); }
static int device_suspend(int argc, char **argv) { return accounts_suspend(&devices, argc, argv); }
static int device_resume(int argc, char **argv) { return accounts_resume(&devices, argc, argv); }
static int device_quarantine(int argc, char **argv) { return accounts_quarantine(&devices, argc, argv); }
static int device_release(int argc, char **argv) { return accounts_release(&devices, argc, argv); }
static int device_wipe(int argc, char **argv) { return accounts_wipe(&devices, argc, argv); }
static int device_remove(int argc, char **argv) { return accounts_remove(&devices, argc, argv); }

static const struct opt_verb verbs[] = {
	{ "enroll", device_enroll, "add a device, with key and certificate" },
	{ "renew", device_renew, "give it a new key and certificate" },
	{ "list", device_list, "which there are" },
	{ "show", device_show, "what a device holds" },
	{ "grant", device_grant, "give roles and attributes" },
	{ "revoke", device_revoke, "take roles and attributes away" },
	{ "suspend", device_suspend, "lock out, keep the account" },
	{ "resume", device_resume, "undo suspend" },
	{ "quarantine", device_quarantine, "let it speak on the quarantine topics only" },
	{ "release", device_release, "undo quarantine" },
	{ "wipe", device_wipe, "shut out for good" },
	{ "remove", device_remove, "remove the account; its certificate is worth nothing then" },
};

int cmd_device(int argc, char **argv)
{
	return opt_verb("device", "Enrolls devices and changes what they hold. A running broker notices by itself.",
			verbs, countof(verbs), argc, argv);
}
