#include "guard_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "edition.h"
#include "log.h"
#include "listing.h"
#include "metrics.h"
#include "policy_file.h"
#include "retained.h"
#include "stores.h"
#include "vault.h"

/* ---- clocks and happenings ---- */

int64_t guard_mono_us(void) { return clock_us(CLOCK_MONOTONIC); }
int64_t guard_real_us(void) { return clock_us(CLOCK_REALTIME); }
int64_t guard_steady_us(const struct guard *g) { return g->wall_us + guard_mono_us(); }

struct happening guard_happening(const struct guard *g, Pullcord__V1__AuditType type, bool allowed,
				 const struct session *s)
{
	struct happening h = {
		.type = type,
		.outcome = allowed ? PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED : PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED,
		.at_us = guard_real_us(),
		.mono_us = guard_mono_us(),
		.policy = g->policy ? policy_version(g->policy) : NULL,
	};

	if (s) {
		h.party = s->party;
		h.actor = span(s->id, s->id_n);
		h.client = span(s->client, s->client_n);
		h.address = span(s->address, s->address_n);
	}
	return h;
}

static void record_plain(struct guard *g, Pullcord__V1__AuditType type, bool allowed, const char *detail)
{
	struct happening h = guard_happening(g, type, allowed, NULL);

	h.detail = span_str(detail);
	record_push(g->record, &h);
}

static void put_on_record(void *ctx, const struct happening *h)
{
	struct guard *g = ctx;

	record_push(g->record, h);
}

/* Before the end of a session what was counted of it. */
static void put_arrival(void *ctx, const struct happening *h)
{
	struct guard *g = ctx;

	if (h->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGOFF) {
		tally_end(g->tally, h->client);
		digest_end(g->digest, h->client);
	}
	record_push(g->record, h);
}

/* ---- files ---- */

static void path_in(const char *dir, const char *name, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/%s", dir, name);

	must(n > 0 && (size_t)n < cap);
}

static enum err read_policy(const char *dir, struct policy **out, char *what, size_t cap)
{
	struct policy_error where;
	char path[WHOLE_PATH_MAX];
	enum err e;

	path_in(dir, POLICY_FILE, path, sizeof(path));
	e = policy_file_load(path, out, &where);
	if (e != OK)
		policy_error_write(&where, what, cap);
	return e;
}

/* ---- opening ---- */

struct opening {
	struct guard *g;
	const struct guard_spec *spec;
	uint8_t root[32];
	char path[WHOLE_PATH_MAX];             /* what is being opened, for the error */
	struct stores stores;
	char refused[640];          /* why the policy's file is not in force; "": it is */
	enum err no_policy;         /* for there is none in it */
	bool is_old;                /* for it is the text of an earlier version */
	bool is_untold;             /* or those cannot be looked at */
	uint64_t unread;            /* it may be the newest, which cannot be read, or not; 0: that can */
	bool unsettled;             /* and there is none to be in its place */
};

static const char *in_dir(struct opening *o, const char *name)
{
	path_in(o->spec->dir, name, o->path, sizeof(o->path));
	return o->path;
}

static enum err open_directory(struct opening *o)
{
	TRY(vault_root(in_dir(o, "keys/root.key"), o->root));
	return directory_open_room(in_dir(o, "directory.mdb"), o->root, o->spec->directory_mib << 20, &o->g->directory);
}

static const char *officers_of(const struct guard *g) { return g->officers[0] ? g->officers : NULL; }

/* Why the policy's file is not to be put in force: an older text was put back without a command to, or signatures that it takes
 * are missing. False: it may be. */
static bool is_refused(struct opening *o)
{
	struct guard *g = o->g;
	char who[ASSENT_WHO_MAX], why[400];
	uint64_t before;
	enum err e = edition_steps_back_to(g->directory, g->policy, &before, &o->unread);

	o->is_old = before;
	o->is_untold = e != OK;
	if (e != OK) {
		edition_say_untold(e, o->spec->dir, o->refused, sizeof(o->refused));
		return true;
	}
	if (before) {
		edition_say_back(before, o->spec->dir, o->refused, sizeof(o->refused));
		return true;
	}
	if (assent_check_file(officers_of(g), g->directory, g->policy, in_dir(o, POLICY_FILE), who, why, sizeof(why)) == OK)
		return false;
	snprintf(o->refused, sizeof(o->refused), "%.200s: %s", o->path, why);
	return true;
}

/* What is refused at a reload is refused at the start, too: the newest edition stays in force. A slip of the pen in the file must
 * not be found when the power comes back. ERR_DENIED, or why the file has no policy: there is none that could be in force. */
static enum err settle_policy(struct opening *o)
{
	CLEANUP(edition_clear) struct edition newest = { 0 };
	CLEANUP(policy_close) struct policy *before = NULL;
	struct guard *g = o->g;
	struct policy_error where;
	size_t n;

	if (g->policy && !is_refused(o))
		return OK;
	if (directory_edition(g->directory, 0, &newest) != OK || edition_policy(&newest, &before, &where) != OK) {
		n = strlen(o->refused);
		if (newest.number)
			snprintf(o->refused + n, sizeof(o->refused) - n, "; of version %llu, which was in force, no text was kept that "
				 "could be in its place", (unsigned long long)newest.number);
		o->unsettled = true;
		return o->no_policy != OK ? o->no_policy : ERR_DENIED;
	}
	policy_close(&g->policy);
	g->policy = before;
	before = NULL;          /* given away */
	return OK;
}

static enum err open_accounts(struct opening *o)
{
	TRY(owners_open(o->g->directory, &o->g->owners));
	TRY(locks_open(o->g->directory, guard_real_us(), &o->g->locks));
	return control_open(o->g->directory, o->spec->dir, o->g->policy, officers_of(o->g), &o->g->control);
}

static enum err open_anomaly(const struct opening *o)
{
	struct anomaly_limits limits = o->spec->anomaly ? *o->spec->anomaly : anomaly_defaults();

	if (!span_text(span_str(o->spec->operators ? o->spec->operators : OPERATORS_UNIT), o->g->operators,
		       sizeof(o->g->operators)))
		return ERR_TOO_LARGE;
	return anomaly_open(&limits, &o->g->anomaly);
}

/* Who was not told of a newer policy still says topics of those before: as far back as they are kept. */
static void places_of_before(struct guard *g)
{
	uint64_t number = 0;

	do {
		CLEANUP(edition_clear) struct edition e = { 0 };
		CLEANUP(policy_close) struct policy *p = NULL;
		struct policy_error where;
		enum err err = directory_edition(g->directory, number, &e);

		if (err == OK && edition_policy(&e, &p, &where) == OK)
			guard_places(g, p);
		number = err == OK || edition_unreadable(err) ? e.number : 0;
	} while (number-- > 1);
}

static enum err open_all(struct opening *o)
{
	struct guard *g = o->g;
	uint64_t seed[2];

	TRY(open_directory(o));
	TRY(settle_policy(o));
	must(span_text(policy_tenant(g->policy), g->tenant, sizeof(g->tenant)));
	guard_places(g, g->policy);
	places_of_before(g);
	if (g->places_due)
		return ERR_FULL;
	crypt_random(seed, sizeof(seed));
	id_init(&g->ids, span_str(g->tenant), PULLCORD__V1__PARTY__PARTY_BROKER, SPAN_LIT(GUARD_SENDER), (uint16_t)seed[1]);
	TRY(sessions_init(&g->sessions, seed[0]));
	g->arena = (struct arena){ malloc(ENVELOPE_ARENA), ENVELOPE_ARENA, 0 };
	if (!g->arena.p)
		return ERR_FULL;
	o->stores = (struct stores){ .spec = o->spec, .root = o->root, .places = g->places };
	stores_probe(&o->stores);
	TRY(open_accounts(o));
	o->path[0] = '\0';              /* what follows names its own */
	TRY(stores_record(&o->stores, &g->record));
	TRY(open_anomaly(o));
	TRY(guard_follow_begin(g, o->stores.is_first));
	TRY(tally_open(TALLY_DENIALS, put_on_record, g, &g->tally));
	TRY(tally_open(TALLY_ARRIVALS, put_arrival, g, &g->arrivals));
	g->receipts = calloc(1, sizeof(*g->receipts));
	if (!g->receipts)
		return ERR_FULL;
	crypt_random(g->receipts->key, sizeof(g->receipts->key));
	TRY(digest_open(put_on_record, g, &g->digest));
	TRY(stores_history(&o->stores, &g->history));
	history_retain(g->history, &o->spec->past);
	guard_notice_begin(g);
	control_keep(g->control, g->record, g->history);
	return password_open(&g->passwords);
}

/* There is no other that could be in force: nobody is locked out for that. */
static void say_unread_edition(struct guard *g, uint64_t number)
{
	char doubt[EDITION_UNREAD_TEXT], detail[EDITION_UNREAD_TEXT + 16];

	log_say(EV_EDITION_UNREAD, KV_NUM("version", number), KV_STR("dir", g->dir),
		KV_STR("right", "see that the text in force is the one that should be; directory.mdb from a backup has that version"));
	edition_say_unread(number, doubt);
	snprintf(detail, sizeof(detail), "in force%s", doubt);
	record_plain(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_POLICY, true, detail);
	anomaly_damaged(g->anomaly, SPAN_LIT("directory"), guard_mono_us());
}

/* What is kept of the spec beyond the call, but for what it borrows. */
static enum err keep_paths(struct guard *g, const struct guard_spec *spec, char *what, size_t cap)
{
	const struct { const char *from; char *to; size_t room; const char *of; } path[] = {
		{ spec->dir, g->dir, sizeof(g->dir), "the folder" },
		{ spec->metrics_path, g->told.path, sizeof(g->told.path), "the metrics" },
		{ spec->officers_path, g->officers, sizeof(g->officers), "the officers' keys" },
	};

	for (size_t i = 0; i < countof(path); i++)
		if (!span_text(span_str(path[i].from), path[i].to, path[i].room)) {
			snprintf(what, cap, "the path of %s is longer than %zu bytes", path[i].of, path[i].room - 1);
			return ERR_TOO_LARGE;
		}
	return OK;
}

static void begin(struct guard *g, const struct guard_spec *spec)
{
	g->host = spec->host;
	g->told_of_sending = spec->told_of_sending;
	g->websocket_lists = spec->websocket_lists;
	g->swept_us = guard_mono_us();
	g->started_ms = g->turn_ms = g->swept_us / 1000;
	g->turn_us = guard_real_us();
	g->wall_us = g->turn_us - guard_mono_us();
	g->until_us = INT64_MAX;
	g->emergencies.look = true;
	g->ticks = 1;
}

static const char *remedy(const struct opening *o, enum err e)
{
	if (o->stores.sizes_unmoved)
		return "; move record.sizes there: it knows what was signed last";
	if (o->stores.sizes_missing)
		return "; is its disk mounted? if it is lost, `pullcord audit renew` begins another record";
	if (o->stores.in_record && (e == ERR_CORRUPT || e == ERR_VERSION))
		return "; `pullcord audit verify` says more, and `pullcord audit renew` begins another";
	return e == ERR_DENIED ? "; right: the broker's user owns it, mode 0600, and may enter its folder" :
	       e == ERR_NOT_FOUND ? "; bring it back from where a copy was kept (`pullcord init` makes a new installation's)" :
	       e == ERR_KEY ? "; bring back those that belong together: keys/root.key, keys/record.seed, record.vkey, the stores" :
	       e == ERR_BUSY ? "; another broker has it" : "";
}

static void say_why(const struct opening *o, enum err e, char *what, size_t cap)
{
	const char *path = o->path[0] ? o->path : o->stores.path[0] ? o->stores.path : o->spec->dir;

	if (o->unsettled)
		snprintf(what, cap, "%s", o->refused);
	else
		snprintf(what, cap, "%s: %s%s", path, err_text(e), remedy(o, e));
}

/* What was found at opening, when all is open. */
static void tell_opened(struct guard *g, const struct opening *o)
{
	stores_tell(g, &o->stores);
	record_plain(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_START, true,
		     g->told_of_sending ? "pullcord " PULLCORD_VERSION ", delivered: when the broker sends it" :
					  "pullcord " PULLCORD_VERSION ", delivered: when it is queued");
	if (o->refused[0]) {
		guard_refuse_policy(g, o->refused, o->is_old);
		if (!o->is_old && !o->is_untold && o->no_policy == OK)
			anomaly_policy(g->anomaly, span(NULL, 0), guard_mono_us());
	}
	if (o->unread)
		say_unread_edition(g, o->unread);
	if (history_damaged(g->history))
		log_say(EV_HISTORY_DAMAGED, KV_NUM("alerts", history_damaged(g->history)));
}

enum err guard_open(const struct guard_spec *spec, struct guard **out, char *what, size_t cap)
{
	CLEANUP(guard_close) struct guard *g = calloc(1, sizeof(*g));
	struct opening o = { .g = g, .spec = spec };
	enum err e;

	snprintf(what, cap, "%s: %s", spec->dir, err_text(ERR_FULL));
	if (!g)
		return ERR_FULL;
	TRY(keep_paths(g, spec, what, cap));
	begin(g, spec);
	TRY(crypt_init());
	o.no_policy = read_policy(g->dir, &g->policy, o.refused, sizeof(o.refused));
	e = open_all(&o);
	crypt_wipe(o.root, sizeof(o.root));
	if (e != OK) {
		say_why(&o, e, what, cap);
		return e;
	}
	tell_opened(g, &o);
	*out = g;
	g = NULL;
	return OK;
}

void guard_close(struct guard **gp)
{
	struct guard *g = *gp;

	*gp = NULL;
	if (!g)
		return;
	guard_not_sent(g);
	guard_control_end(g);
	anomaly_close(&g->anomaly);
	tally_close(&g->arrivals);      /* tells of the others */
	digest_close(&g->digest);
	tally_close(&g->tally);
	if (g->record)
		record_plain(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_STOP, true, "");
	guard_follow_end(g);
	guard_emergency_end(g);
	password_close(&g->passwords);
	history_close(&g->history);
	record_close(&g->record);
	places_close(&g->places);
	owners_close(&g->owners);
	locks_close(&g->locks);
	control_close(&g->control);
	directory_close(&g->directory);
	if (g->sessions.buckets)
		sessions_clear(&g->sessions);
	shadow_close(&g->shadow);
	policy_close(&g->policy);
	free(g->arena.p);
	free(g->receipts);
	free(g);
}

void guard_say_trouble(enum log_event ev, enum err now, enum err *was)
{
	if (now != *was)
		log_say(ev, KV_STR("state", err_name(now)));
	*was = now;
}

/* ---- reloading ---- */

void guard_misconfigured(struct guard *g)
{
	record_plain(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_CONFIGURATION, false, "the broker was told to use an option we forbid");
}

static void add_place(void *ctx, struct span pattern)
{
	struct guard *g = ctx;

	g->places_due = places_add(&g->places, pattern) != OK || g->places_due;
}

void guard_places(struct guard *g, const struct policy *p)
{
	policy_each_place(p, SPAN_LIT("patient"), add_place, g);
	if (g->record && record_places(g->record, g->places) != OK)
		g->places_due = true;
}

void guard_put_policy(struct guard *g, struct policy *fresh, const char *detail)
{
	char version[33];

	digest_flush(g->digest);   /* what was summed was decided by the one before */
	policy_close(&g->policy);
	g->policy = fresh;
	g->attend = true;
	memo_forget(&g->topics);
	guard_places(g, fresh);
	g->policies++;          /* tens of thousands of sessions are not bound anew at once: guard_refresh(), guard_tend() */
	hex_encode(span(policy_version(g->policy), 16), version);
	log_say(EV_POLICY_LOADED, KV_STR("version", version));
	record_plain(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_POLICY, true, detail);
}

void guard_refuse_policy(struct guard *g, const char *why, bool old)
{
	log_say(EV_POLICY_REFUSED, KV_STR("reason", why));
	record_plain(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_POLICY, false, old ? "an older text, not loaded; the newest stays in force"
									   : "not loaded; the one before stays in force");
	if (old)
		anomaly_old_policy(g->anomaly, guard_mono_us());
}

void guard_reload(struct guard *g)
{
	enum err e = control_reload(g->control);

	g->reloading = true;
	record_turn(g->record);
	if (e != OK)
		guard_refuse_policy(g, err_text(e), false);
}

/* ---- the broker's files ---- */

void guard_watch(struct guard *g, const struct broker_files *files)
{
	freshness_watch(&g->freshness, files);
}

/* Read by the thread of `control`: a disk that hangs holds up no alert. */
static void watch_files(struct guard *g)
{
	int64_t mono_s = guard_mono_us() / 1000000;

	if (freshness_due(&g->freshness, mono_s) && control_freshness(g->control, &g->freshness.order) == OK)
		freshness_asked(&g->freshness, mono_s);
}

void guard_freshness(struct guard *g, const struct freshness_report *r)
{
	static const enum log_event event[] = { [FRESHNESS_GOOD] = EV_FILE_RENEWED, [FRESHNESS_ENDING] = EV_FILE_ENDS,
						[FRESHNESS_ENDED] = EV_FILE_ENDED, [FRESHNESS_UNREADABLE] = EV_FILE_UNREADABLE };
	const struct freshness_file *file;
	char text[FRESHNESS_TEXT + 1];

	for (size_t i = 0; i < r->n; i++) {
		if (!freshness_take(&g->freshness, r->load, &r->seen[i], guard_real_us() / 1000000, &file, text))
			continue;
		log_say(event[file->state], KV_STR("file", text));
		record_plain(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_CONFIGURATION, file->state == FRESHNESS_GOOD, text);
	}
}

/* ---- the broker's idle moments ---- */

bool guard_send(struct guard *g, const char *client, const char *topic, struct span payload, int qos, bool retain)
{
	if (g->host.publish(client, topic, payload, qos, retain))
		return true;
	log_say(EV_NOT_SENT, KV_STR("client", client ? client : ""), KV_STR("topic", topic), KV_NUM("bytes", payload.n));
	return false;
}

struct id guard_envelope(struct guard *g, const char *tenant, const ProtobufCMessage *body, struct put *out)
{
	int64_t now = guard_real_us();
	struct envelope_from from = { tenant, GUARD_SENDER, PULLCORD__V1__PARTY__PARTY_BROKER, { { 0 } }, now, 0, 0 };

	id_tag(span_str(tenant), from.party, SPAN_LIT(GUARD_SENDER), g->ids.tag);
	from.id = id_next(&g->ids, now / 1000);
	must(envelope_write(&from, body, out) == OK);
	return from.id;
}

/* In the name of the topic's tenant. */
static void say_envelope(struct guard *g, const char *topic, const ProtobufCMessage *body)
{
	uint8_t raw[4096];                      /* 64 ids fit */
	char tenant[WORD_BYTES_MAX + 1];
	struct span rest;
	struct put b = put(raw, sizeof(raw));

	must(span_text(span_cut(span_str(topic), '/', &rest), tenant, sizeof(tenant)));
	(void)guard_envelope(g, tenant, body, &b);
	(void)guard_send(g, NULL, topic, put_span(&b), 0, false);   /* a lost receipt is owed again: the sender asks by sending */
}

/* "The broker has it durably": the sender may forget it. */
static void send_receipts(struct guard *g)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct id id[64];
	ProtobufCBinaryData raw[64];
	Pullcord__V1__StoredReceipt r = PULLCORD__V1__STORED_RECEIPT__INIT;

	while ((r.n_id = history_owed(g->history, topic, id, countof(id))) > 0) {
		struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_STORED, true, NULL);

		h.life_critical = record_stopped(g->record);    /* as what it is about: else it could not have been taken */
		for (size_t i = 0; i < r.n_id; i++) {
			raw[i] = (ProtobufCBinaryData){ ID_BYTES, id[i].b };
			h.topic = span_str(topic);
			h.message = &id[i];
			record_push(g->record, &h);
		}
		g->count.receipts += r.n_id;
		r.id = raw;
		r.stored_us = (uint64_t)guard_real_us();
		say_envelope(g, topic, &r.base);
	}
}

static void publish_checkpoint(struct guard *g)
{
	char note[NOTE_BYTES_MAX], topic[TOPIC_BYTES_MAX + 1];

	if (!record_checkpoint(g->record, &g->checkpoint, note, sizeof(note)))
		return;
	if (TOPIC_BUILD(topic, TOPIC_CHECKPOINT, g->tenant, "main") == OK)
		(void)guard_send(g, NULL, topic, span_str(note), 1, true);
}

/* To those who asked for it: the newest checkpoint, and that it continues what they have seen. */
static void answer_witnesses(struct guard *g)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct record_answer a;

	while (record_witness_answer(g->record, &a))
		if (TOPIC_BUILD(topic, TOPIC_WITNESS_ADD, g->tenant, "main", a.who) == OK)
			(void)guard_send(g, NULL, topic, span(a.body, a.n), 1, false);
}

static void watch_witnesses(struct guard *g)
{
	struct record_witnesses now = record_witnesses(g->record);

	if (now.trouble != g->witnesses_was && now.trouble != OK)
		log_say(EV_WITNESSES_REFUSED, KV_STR("dir", g->dir), KV_STR("file", "witnesses"), KV_NUM("line", now.line),
			KV_STR("why", err_text(now.trouble)), KV_STR("right", "a line of each witness's file vkey, and no name twice"));
	g->witnesses_was = now.trouble;
}

/* Said when it gets worse; how it is, "pullcord audit verify" and df tell. */
static void watch_disk(struct guard *g)
{
	static const char *const word[] = { "fine", "below 20 %", "below 10 %", "below 5 %" };
	enum record_disk now = record_disk(g->record);

	if (now > g->disk_was)
		log_say(EV_RECORD_DISK, KV_STR("room", word[now]), KV_STR("right", "plugin_opt_record_mib, or erase what has had "
			"its time"));
	g->disk_was = now;
}

/* The threads do not log: the broker's log is for its own thread. */
static void watch_threads(struct guard *g)
{
	static const char *const word[] = { "flowing", "behind", "stopped" };
	enum record_state now = record_state(g->record);

	if (now != g->record_was)
		log_say(EV_RECORD_STATE, KV_STR("state", word[now]), KV_STR("error", err_name(record_trouble(g->record))),
			KV_NUM("entries", record_durable(g->record)), KV_NUM("lost", record_lost(g->record)));
	g->record_was = now;
	watch_disk(g);
	if (history_evicted(g->history) != g->evicted_was) {
		log_say(EV_ALERTS_EVICTED, KV_NUM("alerts", history_evicted(g->history) - g->evicted_was));
		record_plain(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_STORED, false, "too many open alerts: the least important are no longer kept");
	}
	g->evicted_was = history_evicted(g->history);
	if (g->count.missing != g->missing_was)
		log_say(EV_ALERTS_MISSING, KV_NUM("alerts", g->count.missing - g->missing_was));
	g->missing_was = g->count.missing;
	if (history_unnoted(g->history) != g->unnoted_was)
		log_say(EV_HISTORY_SHORT, KV_NUM("messages", history_unnoted(g->history) - g->unnoted_was));
	g->unnoted_was = history_unnoted(g->history);
	if (history_keys_refused(g->history) != g->keys_refused_was)
		log_say(EV_HISTORY_KEYS_REFUSED, KV_STR("file", "history.mdb-keys"),
			KV_NUM("keys", history_keys_refused(g->history) - g->keys_refused_was));
	g->keys_refused_was = history_keys_refused(g->history);
	guard_say_trouble(EV_HISTORY_FAILED, history_trouble(g->history), &g->history_was);
	guard_say_trouble(EV_OWNER_NOT_KEPT, owners_trouble(g->owners), &g->owners_was);
	guard_say_trouble(EV_LOCK_NOT_KEPT, locks_trouble(g->locks), &g->locks_was);
	watch_witnesses(g);
	guard_say_trouble(EV_EDITION_NOT_KEPT, control_trouble(g->control), &g->control_was);
}

void guard_tick(struct guard *g)
{
	int64_t mono_us = guard_mono_us(), second = mono_us / 1000000;
	bool once_a_second = second != g->second;
	struct control_result *done = control_results(g->control);

	guard_not_sent(g);
	g->ticks++;
	g->reloading = false;
	g->serving.who = NULL;
	g->second = second;
	g->turn_ms = mono_us / 1000;
	g->turn_us = guard_real_us();
	guard_follow(g);    /* what is done is in force before it is answered */
	if (done || g->unanswered)
		guard_control_tick(g, done);
	guard_rights_tick(g);
	retained_tick(g, mono_us);
	record_tick(g->record);
	g->record_out = record_stopped(g->record);
	send_receipts(g);
	answer_witnesses(g);
	guard_ask_tick(g);
	guard_tend(g, once_a_second);
	if (g->shadow)
		guard_shadow_tick(g, once_a_second);
	if (once_a_second || record_urgent(g->record))
		publish_checkpoint(g);
	if (!once_a_second)
		return;         /* a tick follows every message */
	if (g->places_due) {
		g->places_due = false;
		guard_places(g, g->policy);
	}
	guard_notice_tick(g);
	guard_emergency_tick(g);
	guard_login_tick(g, guard_mono_us() / 1000);
	guard_bypass_tick(g, guard_mono_us());
	tally_tick(g->tally, guard_mono_us());
	tally_tick(g->arrivals, guard_mono_us());
	digest_tick(g->digest, guard_mono_us());
	history_expire(g->history, guard_steady_us(g));
	sessions_reap(&g->sessions, guard_mono_us() / 1000);
	guard_follow_mark(g);
	watch_threads(g);
	watch_files(g);
	metrics_tick(g);
}
