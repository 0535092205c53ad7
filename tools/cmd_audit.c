/* audit: what the record says, and whether it is whole. Reads only; the broker may write meanwhile. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "install.h"
#include "opt.h"
#include "policy.h"
#include "reader.h"
#include "report.h"
#include "vault.h"
#include "verify.h"

#define FOLLOW_MS 200
#define RECIPIENTS_SHOWN 4
#define VKEY_BYTES_MAX 1024

#define OPT_DIR(out) OPT_TEXT("dir", "DIR", out, INSTALL_DIR_TEXT)
#define OPT_RECORD(out) OPT_TEXT("record", "FILE", out, "a record's store, instead of an installation's")
#define OPT_KEY(out) OPT_TEXT("key", "FILE", out, "root key that opens its entries (default: the installation's)")

/* ---- which record -------------------------------------------------------------------------------------------------- */

struct source {
	const char *dir, *record, *key, *sizes, *vkey;     /* options; NULL: not given */
	struct install_path record_path, key_path, sizes_path, vkey_path;
};

/* What was not named is the installation's, unless a record was named: then nothing is guessed. */
static enum err source_fill(struct source *s)
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

static int say_key(enum err e, const char *path)
{
	(void)report_fail(e, "use the root key %s", path);
	report_hint("it is 64 hex digits in a file that only its owner may read (mode 0600)");
	return CMD_NO;
}

static int say_record(enum err e, const char *path)
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

/* ---- tail: one line for each event --------------------------------------------------------------------------------- */

static const struct { const char *name; bool by_policy; } types[] = {
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_NONE] = { "none", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_START] = { "start", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_STOP] = { "stop", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGIN] = { "login", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_REAUTH] = { "reauth", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGOFF] = { "logoff", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_TAKEOVER] = { "takeover", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_SUBSCRIBE] = { "subscribe", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_UNSUBSCRIBE] = { "unsubscribe", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH] = { "publish", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_WILL] = { "will", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER] = { "deliver", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_POLICY] = { "policy", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_DIRECTORY] = { "directory", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_KICK] = { "kick", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_CONFIGURATION] = { "configuration", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP] = { "gap", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_STORED] = { "stored", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_CLOCK] = { "clock", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN] = { "admin", false },
};

static const struct { const char *name; enum tone tone; } outcomes[] = {
	[PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_NONE] = { "", TONE_PLAIN },
	[PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED] = { "allowed", TONE_GOOD },
	[PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED] = { "denied", TONE_WARN },
	[PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED] = { "failed", TONE_BAD },
};

static const char *const parties[] = { "", "device", "user", "broker" };

static const char *type_name(const Pullcord__V1__AuditEvent *e)
{
	return (size_t)e->type < countof(types) ? types[e->type].name : "unknown";
}

static const char *outcome_name(const Pullcord__V1__AuditEvent *e)
{
	return (size_t)e->outcome < countof(outcomes) ? outcomes[e->outcome].name : "unknown";
}

/* Only where the policy decided does `why` number its reasons. */
static const char *event_why(const Pullcord__V1__AuditEvent *e)
{
	bool by_policy = (size_t)e->type < countof(types) && types[e->type].by_policy;

	return by_policy && e->outcome && e->why < WHY_COUNT ? why_text((enum why)e->why) : NULL;
}

static void say_one(const char *actor, const char *client)
{
	report_say(TONE_STRONG, "%s", *actor ? actor : *client ? "-" : "");
	if (*client && strcmp(actor, client) != 0)
		report_say(TONE_DIM, " (%s)", client);
}

static void say_who(const Pullcord__V1__AuditEvent *e)
{
	if (*e->actor || *e->client || *e->address) {
		say_one(e->actor, e->client);
		report_say(TONE_DIM, "%s%s", *e->address ? " " : "", e->address);
		report_say(TONE_PLAIN, "  ");
	}
}

static void say_recipients(const Pullcord__V1__AuditEvent *e)
{
	for (size_t i = 0; i < e->n_recipient && i < RECIPIENTS_SHOWN; i++) {
		report_say(TONE_PLAIN, i ? ", " : " to ");
		say_one(e->recipient[i]->actor, e->recipient[i]->client);
	}
	if (e->n_recipient > RECIPIENTS_SHOWN)
		report_say(TONE_PLAIN, " and %zu more", e->n_recipient - RECIPIENTS_SHOWN);
}

static void say_reason(const Pullcord__V1__AuditEvent *e)
{
	const char *why = event_why(e);
	uint32_t line = e->n_recipient == 1 ? e->recipient[0]->line : e->line;

	if (*outcome_name(e))
		report_say(outcomes[(size_t)e->outcome < countof(outcomes) ? e->outcome : 0].tone, "  %s", outcome_name(e));
	if (*e->detail)
		report_say(TONE_PLAIN, "%s %s", *outcome_name(e) ? ":" : " ", e->detail);
	else if (why)
		report_say(TONE_DIM, ": %s", why);
	if (line)
		report_say(TONE_DIM, " (line %u)", line);
	if (e->count > 1 || e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP)
		report_say(TONE_DIM, "  [%llu events]", (unsigned long long)e->count);
	if (e->life_critical)
		report_say(TONE_CODE, "  life-critical");
}

static void say_event(uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	char when[REPORT_TIME];

	report_say(TONE_DIM, "%6llu  %s  ", (unsigned long long)index, report_date((int64_t)e->at_us, when));
	say_who(e);
	report_say(e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP ? TONE_BAD : TONE_PLAIN, "%s", type_name(e));
	if (*e->topic)
		report_say(TONE_PLAIN, " %s", e->topic);
	say_recipients(e);
	say_reason(e);
	report_end();
}

static struct cell hex_cell(const char *key, const ProtobufCBinaryData *b)
{
	return b->len ? CELL_HEX(key, span(b->data, b->len)) : CELL_NULL(key);
}

static void say_event_json(uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	CLEANUP(free_cleanup) struct span *client = calloc(e->n_recipient + 1, sizeof(*client));
	CLEANUP(free_cleanup) struct span *actor = calloc(e->n_recipient + 1, sizeof(*actor));
	const char *why = event_why(e);

	must(client && actor);
	for (size_t i = 0; i < e->n_recipient; i++) {
		client[i] = span_str(e->recipient[i]->client);
		actor[i] = span_str(e->recipient[i]->actor);
	}
	const struct cell cell[] = {
		CELL_NUM("index", index), CELL_STR("type", type_name(e)), CELL_STR("outcome", outcome_name(e)),
		CELL_NUM("at_us", e->at_us), CELL_NUM("mono_us", e->mono_us),
		CELL_STR("party", e->party < countof(parties) ? parties[e->party] : "unknown"),
		CELL_STR("actor", e->actor), CELL_STR("client", e->client), CELL_STR("address", e->address),
		CELL_STR("topic", e->topic), hex_cell("message", &e->message), hex_cell("policy", &e->policy),
		why ? CELL_STR("why", why) : CELL_NULL("why"), CELL_NUM("line", e->line), CELL_NUM("qos", e->qos),
		CELL_BOOL("retain", e->retain), CELL_BOOL("life_critical", e->life_critical), CELL_STR("detail", e->detail),
		CELL_NUM("count", e->count ? e->count : 1),
		e->until_us ? CELL_NUM("until_us", e->until_us) : CELL_NULL("until_us"),
		CELL_WORDS("recipient_clients", client, e->n_recipient),
		CELL_WORDS("recipient_actors", actor, e->n_recipient),
	};
	report_object(cell, countof(cell));
}

static void say_control(uint64_t index, const struct entry *e)
{
	const char *type = e->type == CONTROL_GENESIS ? "genesis" : "segment-open";
	char when[REPORT_TIME];

	if (report_is_json()) {
		report_object((const struct cell[]){ CELL_NUM("index", index), CELL_STR("type", type),
						     CELL_NUM("at_us", e->at_us), CELL_NUM("segment", e->segment) }, 4);
		return;
	}
	report_say(TONE_DIM, "%6llu  %s  ", (unsigned long long)index, report_date(e->at_us, when));
	if (e->type == CONTROL_GENESIS)
		report_say(TONE_DIM, "the record begins: %.*s", SPAN_FMT(e->vkey));
	else
		report_say(TONE_DIM, "segment %u opens", e->segment);
	report_end();
}

static int say_entries(struct reader *r, const char *path, uint64_t from, uint64_t to)
{
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;

	for (uint64_t i = from; i < to && !report_broken(); i++) {
		enum err e = reader_get(r, i, &entry, &event);

		if (e != OK) {
			(void)say_record(e, path);
			report_hint("entry %llu; pullcord audit verify says more", (unsigned long long)i);
			return CMD_NO;
		}
		if (!event)
			say_control(i, &entry);
		else if (report_is_json())
			say_event_json(i, event);
		else
			say_event(i, event);
	}
	return CMD_DONE;
}

static int tail_follow(struct reader *r, const char *path, uint64_t at)
{
	const struct timespec pause = { 0, FOLLOW_MS * 1000000L };
	uint64_t generation = 0, size;
	int code = CMD_DONE;

	while (code == CMD_DONE && !report_broken()) {
		if (reader_generation(r) == generation) {
			nanosleep(&pause, NULL);
			continue;
		}
		generation = reader_generation(r);
		if (reader_size(r, &size) != OK)
			return say_record(ERR_IO, path);
		code = say_entries(r, path, at, size);
		at = size;
	}
	return code;
}

static int tail_read(const struct source *s, uint64_t count, bool follow)
{
	CLEANUP(reader_close) struct reader *r = NULL;
	uint8_t root[AEAD_KEY_BYTES];
	uint64_t size, from;
	enum err e = vault_root(s->key, root);
	int code;

	if (e != OK)
		return say_key(e, s->key);
	e = reader_open(s->record, root, &r);
	crypt_wipe(root, sizeof(root));
	if (e == OK)
		e = reader_size(r, &size);
	if (e != OK)
		return say_record(e, s->record);
	from = size > count ? size - count : 0;
	code = say_entries(r, s->record, from, size);
	return code == CMD_DONE && follow ? tail_follow(r, s->record, size) : code;
}

static int audit_tail(int argc, char **argv)
{
	struct source s = { 0 };
	bool follow = false, json = false;
	long n = 20;
	const struct opt opt[] = {
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
		OPT_NUMBER("last", "N", &n, 0, LONG_MAX, "how many entries (default: 20)"),
		OPT_FLAG("follow", &follow, "go on as events are recorded"),
		OPT_FLAG("json", &json, "one JSON object a line"),
	};
	const struct opt_page page = {
		.command = "audit tail",
		.text = "Shows the newest entries of the record: when, who, what, on which topic, what came of it and why.\n"
			"A delivery is one entry with its recipients; \"[n events]\" says how many events an entry stands for. "
			"A gap says how many events could not be written down, and when.",
		.example = "pullcord audit tail --last 50\npullcord audit tail --follow --json",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	if (s.record && !s.key)
		return opt_wrong(&page, "--record goes with --key: entries are sealed");
	report_json(json);
	return source_fill(&s) == OK ? tail_read(&s, (uint64_t)n, follow) : CMD_NO;
}

/* ---- verify -------------------------------------------------------------------------------------------------------- */

static void progress(void *ctx, uint64_t done, uint64_t all)
{
	(void)ctx;
	report_progress("entries", done, all);
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

static struct cell number_or_null(const char *key, const char *part, uint64_t n)
{
	return part ? CELL_NUM(key, n) : CELL_NULL(key);
}

static void say_report_json(const struct verify_report *r)
{
	const struct cell cell[] = {
		CELL_BOOL("good", !r->part), CELL_NUM("entries", r->entries), CELL_NUM("opened", r->opened),
		CELL_NUM("segments", r->segments), CELL_NUM("checkpoints", r->checkpoints),
		CELL_NUM("signed_size", r->signed_size),
		r->part ? CELL_NULL("root") : CELL_HEX("root", span(r->root.b, sizeof(r->root.b))),
		r->part ? CELL_STR("part", r->part) : CELL_NULL("part"), number_or_null("index", r->part, r->index),
		r->part ? CELL_STR("what", r->what) : CELL_NULL("what"),
	};
	report_object(cell, countof(cell));
}

/* What is not sealed is the record's bookkeeping: its first entry, and where a segment opens. */
static void say_entries_checked(const struct verify_report *r)
{
	const unsigned long long all = r->entries, opened = r->opened;

	if (opened)
		report_line(TONE_PLAIN, "  entries      %llu: %llu sealed events, all opened; %llu of the record about "
			    "itself, in clear", all, opened, all - opened);
	else
		report_line(TONE_PLAIN, "  entries      %llu, no seal opened", all);
}

static void say_good(const struct verify_report *r)
{
	char root[2 * SHA256_BYTES + 1];

	hex_encode(span(r->root.b, sizeof(r->root.b)), root);
	report_line(TONE_GOOD, "the record is whole");
	say_entries_checked(r);
	report_line(TONE_PLAIN, "  segments     %llu", (unsigned long long)r->segments);
	report_line(TONE_PLAIN, "  checkpoints  %llu, the newest over %llu entries", (unsigned long long)r->checkpoints,
		    (unsigned long long)r->signed_size);
	report_line(TONE_DIM, "  root         %s", root);
}

static void say_bad(const struct verify_report *r)
{
	report_line(TONE_BAD, "%s %llu: %s", r->part, (unsigned long long)r->index, r->what);
	report_line(TONE_PLAIN, "  before that: %llu good entries, %llu of them under a good checkpoint",
		    (unsigned long long)r->entries, (unsigned long long)r->signed_size);
}

static int verify_run(const struct source *s, const struct verify_spec *spec)
{
	struct verify_report report;
	enum err e = verify_record(spec, &report);

	if (e != OK && !report.part) {
		(void)say_record(e, s->record);
		if (e == ERR_NOT_FOUND && *spec->sizes_path)
			report_hint("or its sizes file %s is missing: a record without it may have been set back", spec->sizes_path);
		return CMD_NO;
	}
	if (report_is_json())
		say_report_json(&report);
	else if (report.part)
		say_bad(&report);
	else
		say_good(&report);
	return report.part ? CMD_NO : CMD_DONE;
}

/* Who may not read the root key can still verify everything that is public, and is told what was left out. */
static int verify_with_keys(const struct source *s, bool key_given)
{
	CLEANUP(free_cleanup) char *vkey = NULL;
	uint8_t root[AEAD_KEY_BYTES], pub[SIGN_KEY_BYTES];
	enum err e = read_vkey(s->vkey, &vkey), key = s->key ? vault_root(s->key, root) : ERR_NOT_FOUND;
	struct span name;
	int code;

	if (e == OK)
		e = vkey_read(span_str(vkey), &name, pub);
	if (e != OK) {
		(void)report_fail(e, "use the verifier key %s", s->vkey);
		report_hint("it is one line, name+hash+key, as in record.vkey of the installation");
		return CMD_NO;
	}
	if (key != OK && key_given)
		return say_key(key, s->key);
	if (key != OK && !report_is_json())
		report_hint("without the root key the seals of the entries are not opened");
	code = verify_run(s, &(struct verify_spec){
		.path = s->record, .sizes_path = s->sizes ? s->sizes : "", .vkey = span_str(vkey),
		.root = key == OK ? root : NULL, .progress = progress,
	});
	crypt_wipe(root, sizeof(root));
	return code;
}

static int audit_verify(int argc, char **argv)
{
	struct source s = { 0 };
	bool json = false, key_given;
	const struct opt opt[] = {
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
		OPT_TEXT("vkey", "FILE|KEY", &s.vkey, "the verifier key (default: the installation's record.vkey)"),
		OPT_TEXT("sizes", "FILE", &s.sizes, "the signed sizes (default: the installation's record.sizes)"),
		OPT_FLAG("json", &json, "one JSON object"),
	};
	const struct opt_page page = {
		.command = "audit verify",
		.text = "Recomputes the record from its first entry and compares it with everything that was signed. Names the "
			"first entry that was changed, taken out or added.\n"
			"Without the root key anybody who has the verifier key can check that the entries are those that were "
			"signed; with it, also that each opens. The sizes file tells a record that was cut or set back. "
			"Ends with 0 when all is good and 1 when it is not.",
		.example = "pullcord audit verify\n"
			   "pullcord audit verify --record copy.mdb --vkey record.vkey --sizes record.sizes",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	if (s.record && !s.vkey)
		return opt_wrong(&page, "--record goes with --vkey: whose signature is it to bear?");
	report_json(json);
	key_given = s.key;
	return source_fill(&s) == OK ? verify_with_keys(&s, key_given) : CMD_NO;
}

int cmd_audit(int argc, char **argv)
{
	static const struct opt_verb verbs[] = {
		{ "tail", audit_tail, "show the newest entries" },
		{ "verify", audit_verify, "is the record whole, and what was signed?" },
	};

	return opt_verb("audit", "Reads and verifies the record.", verbs, countof(verbs), argc, argv);
}
