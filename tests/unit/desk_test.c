#include "recorded.h"

#include "edition.h"
#include "faulty_disk.h"
#include "store.h"

#include <sys/wait.h>

/* ---- what ends by itself, states, certificates ---- */

static void save_until(const char *id, const char *role, int64_t until_us)
{
	struct span roles[1] = { span_str(role) };
	struct grant grants[1] = { { .until_us = until_us } };
	struct attribute attributes[1] = { { SPAN_LIT("unit"), SPAN_LIT("icu3") } };
	struct account *was = NULL, a;

	assert_int_equal(directory_find(g->directory, PULLCORD__V1__PARTY__PARTY_USER, span_str(id), &was), OK);
	a = *was;
	a.subject.role = roles;
	a.subject.roles = 1;
	a.role_grant = grants;
	a.subject.attribute = attributes;
	a.subject.attributes = 1;
	assert_int_equal(directory_save(g->directory, &a, false), OK);
	account_free(&was);
}

static void save_state(Pullcord__V1__Party party, const char *id, enum account_state state)
{
	struct account *was = NULL, a;

	assert_int_equal(directory_find(g->directory, party, span_str(id), &was), OK);
	a = *was;
	a.state = state;
	a.subject.suspended = state == ACCOUNT_SUSPENDED || state == ACCOUNT_WIPED;
	assert_int_equal(directory_save(g->directory, &a, false), OK);
	account_free(&was);
}

/* Ana's right ends in a second, or later where what is done until then takes longer. */
static int64_t ana_watches_for_a_while(void)
{
	for (int64_t lasts_us = 1000000;; lasts_us *= 2) {
		int64_t until;

		assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
		assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
		until = guard_real_us() + lasts_us;
		save_until("ana", "nurse", until);
		guard_tick(g);
		if (guard_real_us() < until)
			return until;
		guard_logoff(g, &ctx[0], 0);
		save_until("ana", "nurse", 0);
		guard_tick(g);
		memset(&asked, 0, sizeof(asked));
	}
}

static void a_right_that_ends_is_gone_at_the_very_next_delivery(void **state)
{
	int64_t until;

	(void)state;
	until = ana_watches_for_a_while();
	assert_true(receives(0, "ana.t1", ALERT) == GATE_ALLOW || guard_real_us() >= until);
	while (guard_real_us() < until)
		usleep(1000);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_DENY);   /* no tick between */
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
	assert_string_equal(asked.kicked[0], "ana.t1");
}

static void a_right_that_ends_is_gone_at_the_next_tick_without_being_asked(void **state)
{
	int64_t until;

	(void)state;
	person_login(1, "bea", "bea.t1", "battery staple");
	subscribes(1, "bea.t1", "mercy/unit/med4/alert/+/+");
	until = ana_watches_for_a_while();
	assert_int_equal(asked.kicks, 0);
	while (guard_real_us() < until)
		usleep(1000);
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
	assert_string_equal(asked.kicked[0], "ana.t1");
	guard_tick(g);
	assert_true(g->until_us == INT64_MAX);
}

static void in_quarantine_a_device_speaks_on_quarantine_topics_only(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START), empty = { .n = 0 };

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	assert_int_equal(subscribes(0, "nc-1", "mercy/unit/icu3/ack/nc-1"), GATE_ALLOW);
	save_state(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-1", ACCOUNT_QUARANTINED);
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
	guard_logoff(g, &ctx[0], 0);
	assert_int_equal(device_login(1, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(publishes(1, "nc-1", ALERT, &m, false), GATE_DENY);
	assert_int_equal(subscribes(1, "nc-1", "mercy/unit/icu3/ack/nc-1"), GATE_DENY);
	assert_int_equal(publishes(1, "nc-1", "mercy/device/nc-1/state", &empty, true), GATE_ALLOW);
	save_state(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-1", ACCOUNT_ACTIVE);
	guard_tick(g);
	assert_int_equal(publishes(1, "nc-1", ALERT, &m, false), GATE_ALLOW);
}

static void whoever_is_suspended_or_wiped_is_cut_off_and_stays_out(void **state)
{
	static const enum account_state out[] = { ACCOUNT_SUSPENDED, ACCOUNT_WIPED };

	(void)state;
	for (int i = 0; i < 2; i++) {
		save_state(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-1", ACCOUNT_ACTIVE);
		guard_tick(g);
		assert_int_equal(device_login(i, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
		save_state(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-1", out[i]);
		guard_tick(g);
		assert_int_equal(asked.kicks, i + 1);
		guard_logoff(g, &ctx[i], 0);
		assert_int_equal(device_login(3, "mercy", "nc-1", "nc-1", NULL), GATE_DENY);
	}
}

static void a_revoked_certificate_is_cut_off_and_stays_out(void **state)
{
	struct client c = client_at(0, "nc-1", NULL);
	X509 *x = certificate("mercy", "nc-1");
	struct denial denial = { .reason = "lost" };
	struct batch *b = NULL;
	const char *mapped;

	(void)state;
	X509_digest(x, EVP_sha256(), denial.fingerprint, NULL);
	assert_int_equal(guard_login(g, &c, x, NULL, &mapped), GATE_ALLOW);
	person_login(1, "ana", "ana.t1", "correct horse");
	assert_int_equal(directory_begin(g->directory, &b), OK);
	assert_int_equal(batch_deny(b, &denial), OK);
	assert_int_equal(batch_commit(&b), OK);
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
	assert_string_equal(asked.kicked[0], "nc-1");
	guard_logoff(g, &ctx[0], 0);
	assert_int_equal(guard_login(g, &c, x, NULL, &mapped), GATE_DENY);
	guard_reload(g);
	assert_int_equal(guard_login(g, &c, x, NULL, &mapped), GATE_DENY);   /* nor is it recognised */
	guard_tick(g);
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);   /* another one */
	X509_free(x);
}

/* ---- sessions that were resumed ---- */

static void a_resumed_session_that_lost_nothing_goes_on(void **state)
{
	(void)state;
	had_before = 1;
	person_login(0, "ana", "ana.t1", "correct horse");
	guard_tick(g);
	for (int i = 0; i < 3; i++) {
		save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "icu3", "another password");
		guard_tick(g);
	}
	assert_int_equal(asked.kicks, 0);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "med4", NULL);
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
}

static void a_resumed_session_that_subscribed_again_is_like_any_other(void **state)
{
	(void)state;
	had_before = 1;
	person_login(0, "ana", "ana.t1", "correct horse");
	guard_tick(g);
	had_before = 0;   /* the same again: known, and in place of it */
	assert_int_equal(subscribes(0, "ana.t1", "mercy/user/ana/presence"), GATE_ALLOW);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "med4", NULL);
	guard_tick(g);
	assert_int_equal(asked.kicks, 0);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "", "med4", NULL);
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
}

/* ---- a damaged journal ---- */

/* Forked before the guard opens the file, as a process opens it once only. Suspends ana when told to, and makes the line that
 * says so unreadable. */
static pid_t child_that_damages(int go)
{
	static const char *const tables[] = { "account", "owner", "journal", NULL };
	const struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = DIRECTORY_MAP_BYTES, .table = tables };
	struct span at, unused;
	struct store *s = NULL;
	struct txn *t = NULL;
	uint8_t line[8];
	pid_t pid = fork();
	char byte;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (read(go, &byte, 1) != 1)
		_exit(1);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "", "icu3", NULL);
	if (store_open(in_dir("directory.mdb"), &spec, &s) != OK || txn_begin_write(s, &t) != OK ||
	    txn_last(t, 2, &at, &unused) != OK)
		_exit(1);
	memcpy(line, at.p, sizeof(line));
	if (txn_put(t, 2, span(line, sizeof(line)), SPAN_LIT("a line nobody can read")) != OK || txn_commit(&t) != OK)
		_exit(1);
	store_close(&s);
	_exit(0);
}

static void a_damaged_journal_leaves_nobody_unfollowed(void **state)
{
	int go[2], status;
	pid_t pid;

	(void)state;
	guard_close(&g);
	assert_int_equal(pipe(go), 0);
	pid = child_that_damages(go[0]);
	guard_start();
	person_login(0, "ana", "ana.t1", "correct horse");
	person_login(1, "bea", "bea.t1", "battery staple");
	guard_tick(g);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	guard_tick(g);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_DENY);
	assert_int_equal(receives(1, "bea.t1", "mercy/unit/med4/alert/high/nc-9"), GATE_ALLOW);
	save(PULLCORD__V1__PARTY__PARTY_USER, "bea", "", "med4", NULL);
	guard_tick(g);
	assert_int_equal(receives(1, "bea.t1", "mercy/unit/med4/alert/high/nc-9"), GATE_DENY);
	guard_close(&g);
	guard_start();
	close(go[0]);
	close(go[1]);
}

/* ---- what is on record ---- */

/* Ticks until the directory knows that all of it is. */
static void tick_until_marked(void)
{
	uint64_t line = 0;

	assert_true(UNTIL(directory_recorded(g->directory, &line) == OK && line == g->journal, g->second = 0, guard_tick(g)));
}

static unsigned changes_on_record(void)
{
	guard_close(&g);
	return recorded(RECORDED(DIRECTORY), "the account was changed").entries;
}

static void what_is_changed_while_no_broker_runs_is_on_record_once(void **state)
{
	(void)state;
	guard_tick(g);
	tick_until_marked();
	assert_int_equal(changes_on_record(), 3);       /* the accounts that were there first */
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "", "icu3", NULL);
	guard_start();
	guard_tick(g);
	tick_until_marked();
	assert_int_equal(changes_on_record(), 4);
	assert_string_equal(recorded(RECORDED(DIRECTORY), "the account was changed").actor, "ana");
	guard_start();
	guard_tick(g);
	save(PULLCORD__V1__PARTY__PARTY_USER, "bea", "", "icu3", NULL);
	assert_int_equal(changes_on_record(), 4);       /* it went before it looked */
	guard_start();
	guard_tick(g);
	tick_until_marked();
	assert_int_equal(changes_on_record(), 5);
	guard_start();
}

/* ---- administration ---- */

static enum gate commands(int at, const char *client, const char *text)
{
	struct client c = client_at(at, client, NULL);
	enum gate answer = guard_publish(g, &c, CONTROL_TOPIC, &(struct publish){ span_str(text), 1, false });

	if (answer == GATE_ALLOW)
		guard_control(g, &c, span_str(text));
	return answer;
}

static const char *answered(const char *client)
{
	int before = times_published(CONTROL_RESPONSE, client);

	(void)UNTIL(times_published(CONTROL_RESPONSE, client) != before, guard_tick(g));
	return asked.payload;
}

static void an_administrators_change_is_in_force_when_it_is_answered(void **state)
{
	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_tick(g);
	person_login(0, "ana", "ana.t1", "correct horse");
	person_login(1, "bea", "bea.t1", "battery staple");
	assert_int_equal(receives(1, "bea.t1", ALERT), GATE_DENY);
	assert_int_equal(commands(0, "ana.t1", "{\"commands\":[{\"command\":\"setAttribute\",\"username\":\"bea\","
			 "\"name\":\"unit\",\"value\":\"icu3\"}]}"), GATE_ALLOW);
	assert_string_equal(answered("ana.t1"), "{\"responses\":[{\"command\":\"setAttribute\"}]}");
	assert_int_equal(receives(1, "bea.t1", ALERT), GATE_ALLOW);
	assert_int_equal(asked.kicks, 0);
}

static bool holds_unit(const char *id, const char *unit)
{
	struct account *a = NULL;
	bool held = false;

	assert_int_equal(directory_find(g->directory, PULLCORD__V1__PARTY__PARTY_USER, span_str(id), &a), OK);
	for (size_t i = 0; i < a->subject.attributes; i++)
		held = held || (span_is(a->subject.attribute[i].name, "unit") && span_is(a->subject.attribute[i].value, unit));
	account_free(&a);
	return held;
}

static void ana_gives_bea_icu3(void)
{
	assert_int_equal(commands(0, "ana.t1", "{\"commands\":[{\"command\":\"setAttribute\",\"username\":\"bea\","
			 "\"name\":\"unit\",\"value\":\"icu3\"}]}"), GATE_ALLOW);
}

/* It is done, and what came of it was not fetched: no tick comes after the one that let it go. */
static void until_done(void)
{
	assert_true(UNTIL(g->unanswered || control_idle(g->control), guard_tick(g)));
	assert_true(UNTIL(!g->unanswered, guard_tick(g)));
	assert_true(UNTIL(control_idle(g->control)));
}

static void ana_administers(void)
{
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_tick(g);
	person_login(0, "ana", "ana.t1", "correct horse");
}

static void record_refuses(int why)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/record.mdb", g->dir);
	disk_refuses(why, path);
}

static void what_is_about_to_be_done_is_on_record_first(void **state)
{
	(void)state;
	ana_administers();
	ana_gives_bea_icu3();
	usleep(50000);
	assert_false(holds_unit("bea", "icu3"));        /* no tick: it cannot be on record */
	assert_string_equal(answered("ana.t1"), "{\"responses\":[{\"command\":\"setAttribute\"}]}");
	assert_true(holds_unit("bea", "icu3"));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(REQUEST), "username=bea name=unit value=icu3").entries, 1);
	assert_int_equal(recorded(RECORDED(ADMIN), "user:bea unit=icu3: not held -> for good").entries, 1);
	assert_true(recorded(RECORDED(REQUEST), "username=bea").index < recorded(RECORDED(ADMIN), "user:bea").index);
}

static void what_cannot_be_put_on_record_is_not_done(void **state)
{
	(void)state;
	ana_administers();
	record_refuses(ENOSPC);
	ana_gives_bea_icu3();
	assert_non_null(strstr(answered("ana.t1"), "it could not be put on record, so nothing was done"));
	assert_false(holds_unit("bea", "icu3"));
	disk_heals();
	assert_true(UNTIL(record_state(g->record) == RECORD_FLOWING));
	ana_gives_bea_icu3();
	assert_string_equal(answered("ana.t1"), "{\"responses\":[{\"command\":\"setAttribute\"}]}");
	assert_true(holds_unit("bea", "icu3"));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(REQUEST), "username=bea").entries, 2);
	assert_int_equal(recorded(RECORDED(ADMIN), "nothing was done").entries, 1);
	assert_int_equal(recorded(RECORDED(ADMIN), "user:bea unit=icu3: not held -> for good").entries, 1);
}

/* It is done, and the disk fails before that is on record. */
static void nothing_is_answered_before_it_is_on_durable_record(void **state)
{
	(void)state;
	ana_administers();
	ana_gives_bea_icu3();
	until_done();
	assert_true(holds_unit("bea", "icu3"));
	record_refuses(ENOSPC);
	for (int i = 0; i < 100; i++) {
		guard_tick(g);
		usleep(5000);
	}
	assert_int_equal(times_published(CONTROL_RESPONSE, "ana.t1"), 0);
	disk_heals();
	assert_string_equal(answered("ana.t1"), "{\"responses\":[{\"command\":\"setAttribute\"}]}");
}

/* One is done and cannot be told, another waits to be done: it is not, and is told so. Nor does the broker's end wait for them. */
static void who_waits_behind_it_is_told_no(void **state)
{
	(void)state;
	ana_administers();
	ana_gives_bea_icu3();
	until_done();
	commands(0, "ana.t1", "{\"commands\":[{\"command\":\"suspend\",\"username\":\"bea\"}]}");
	commands(0, "ana.t1", "{\"commands\":[{\"command\":\"wipe\",\"username\":\"bea\"}]}");
	record_refuses(ENOSPC);
	assert_non_null(strstr(answered("ana.t1"), "so nothing was done"));
	assert_int_equal(times_published(CONTROL_RESPONSE, "ana.t1"), 1);
	guard_close(&g);
	disk_heals();
	guard_start();
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(person_login(1, "bea", "bea.t1", "battery staple"), GATE_ALLOW);
}

/* The ring is full, and the disk takes its time for a flush: what was done is on record all the same. */
static void the_end_waits_for_a_slow_disk(void **state)
{
	struct guard_spec spec = { .dir = dir, .record_mib = 64, .line_depth = 4, .history_mib = 4, .past = past_keep_default(),
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };
	struct happening h;
	char what[1024];

	(void)state;
	guard_close(&g);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
	ana_administers();
	ana_gives_bea_icu3();
	until_done();
	atomic_store(&disk.slow_ms, 3000);
	h = guard_happening(g, RECORDED(LOGOFF), true, NULL);
	assert_true(record_push(g->record, &h));
	assert_true(UNTIL(atomic_load(&disk.slow_now)));
	h.topic = SPAN_LIT("mercy/unit/icu3/alert/high/nc-1/with/as/much/text/as/goes/into/it/so/that/the/ring/is/full/soon");
	while (record_try(g->record, &h))
		;
	assert_true(atomic_load(&disk.slow_now));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ADMIN), "user:bea unit=icu3: not held -> for good").entries, 1);
}

/* However long the record takes nothing, and however often the policy is read again meanwhile. */
static void what_nobody_waits_for_is_not_kept(void **state)
{
	unsigned kept = 0;

	(void)state;
	record_refuses(ENOSPC);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(control_freshness(g->control, &g->freshness.order), OK);
		until_done();
		guard_tick(g);
	}
	for (const struct control_result *r = g->unanswered; r; r = r->next)
		kept++;
	assert_int_equal(kept, 0);
	disk_heals();
}

/* Who only looks waits for nothing; a secret is in no entry. */
static void what_only_looks_is_not_announced_and_secrets_never(void **state)
{
	(void)state;
	ana_administers();
	commands(0, "ana.t1", "{\"commands\":[{\"command\":\"getUser\",\"username\":\"bea\"}]}");
	assert_non_null(strstr(answered("ana.t1"), "\"username\":\"bea\""));
	commands(0, "ana.t1", "{\"commands\":[{\"command\":\"setUserPassword\",\"username\":\"bea\",\"password\":\"open sesame\"},"
		 "{\"command\":\"batch\",\"commands\":[{\"command\":\"suspend\",\"username\":\"bea\",\"reason\":\"gone\"},"
		 "{\"command\":\"resume\",\"username\":\"bea\"}]}]}");
	assert_null(strstr(answered("ana.t1"), "error"));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(REQUEST), "").entries, 3);
	assert_int_equal(recorded(RECORDED(REQUEST), "username=bea password=...").entries, 1);
	assert_int_equal(recorded(RECORDED(REQUEST), "username=bea reason=...").entries, 1);
	assert_int_equal(recorded(RECORDED(REQUEST), "sesame").entries, 0);
}

static void a_policy_that_is_set_replaces_the_one_that_decides(void **state)
{
	uint8_t before[16];

	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_tick(g);
	person_login(0, "ana", "ana.t1", "correct horse");
	person_login(1, "bea", "bea.t1", "battery staple");
	subscribes(1, "bea.t1", "mercy/unit/med4/alert/+/+");
	memcpy(before, policy_version(g->policy), 16);
	assert_int_equal(commands(0, "ana.t1", "{\"commands\":[{\"command\":\"setPolicy\",\"policy\":"
			 "\"tenant mercy\\nrole administrator\\n  allow control *\\n\"}]}"), GATE_ALLOW);
	assert_non_null(strstr(answered("ana.t1"), "\"version\":2"));
	assert_memory_not_equal(policy_version(g->policy), before, 16);
	assert_true(asked.kicks > 0);   /* at every tick until she is gone; here nobody takes her away */
	assert_string_equal(asked.kicked[0], "bea.t1");
	guard_close(&g);
	guard_start();
	assert_memory_not_equal(policy_version(g->policy), before, 16);
}

/* What is asked for later comes later: the file read on SIGHUP, then the command given after it. */
static void a_reload_and_commands_are_done_in_the_order_they_were_asked_for(void **state)
{
	CLEANUP(edition_clear) struct edition newest = { 0 };

	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_tick(g);
	person_login(0, "ana", "ana.t1", "correct horse");
	write_file("pullcord.policy", "tenant mercy\nrole administrator\n  allow control policy.*\n");
	guard_reload(g);
	assert_int_equal(commands(0, "ana.t1", "{\"commands\":["
			 "{\"command\":\"getUser\",\"username\":\"bea\"},"   /* not by the file's policy */
			 "{\"command\":\"setPolicy\",\"policy\":\"tenant mercy\\nrole administrator\\n  allow control *\\n\"}]}"),
			 GATE_ALLOW);
	assert_non_null(strstr(answered("ana.t1"), "not permitted: it takes user.get"));
	assert_non_null(strstr(asked.payload, "\"version\":3"));
	assert_int_equal(directory_edition(g->directory, 0, &newest), OK);
	assert_string_equal(newest.by, "ana");
	assert_memory_equal(newest.hash, policy_version(g->policy), 16);
	edition_clear(&newest);
	assert_int_equal(directory_edition(g->directory, 2, &newest), OK);
	assert_string_equal(newest.by, "");
	reload();
	assert_int_equal(directory_edition(g->directory, 4, &newest), ERR_NOT_FOUND);   /* nothing new lies there */
}

/* Each is an entry or three and a flush or two. */
static void commands_are_within_the_limits_of_roles(void **state)
{
	static const char ask[] = "{\"commands\":[{\"command\":\"getPolicyVersion\"}]}";
	char long_one[101];

	(void)state;
	write_file("pullcord.policy",
		   "tenant mercy\nrole administrator\n  allow control *\n  limit rate 1/h burst 2\n  limit size 100B\n");
	reload();
	ana_administers();
	memset(long_one, ' ', sizeof(long_one) - 1);
	memcpy(long_one, ask, sizeof(ask) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	assert_int_equal(commands(0, "ana.t1", long_one), GATE_ALLOW);
	answered("ana.t1");
	assert_int_equal(commands(0, "ana.t1", "{\"commands\":[{\"command\":\"getPolicyVersion\"}]}                              "
				  "                                                        "), GATE_DENY);    /* too long */
	assert_int_equal(commands(0, "ana.t1", ask), GATE_ALLOW);
	answered("ana.t1");
	assert_int_equal(commands(0, "ana.t1", ask), GATE_DENY);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(PUBLISH), "limit size: the payload is larger than the roles allow").entries, 1);
	assert_int_equal(recorded(RECORDED(PUBLISH), "limit rate: more messages than the roles allow").entries, 1);
	guard_start();
}

/* ---- a policy on trial ---- */

#define COMMAND(text) "{\"commands\":[{\"command\":" text "}]}"
/* The policy of all tests, but nurses see vitals and no alerts. */
#define TRIAL "tenant mercy\\nrole nurse\\n  allow both mercy/unit/{unit}/vitals/+\\n  allow publish mercy/unit/{unit}/ack/+\\n" \
	"role administrator\\n  allow control *\\n"

static void root_sets_a_trial(void)
{
	save(PULLCORD__V1__PARTY__PARTY_USER, "root", "administrator", "icu3", "correct staple");
	guard_tick(g);
	person_login(5, "root", "root.t1", "correct staple");
	assert_int_equal(commands(5, "root.t1", COMMAND("\"setShadowPolicy\",\"policy\":\"" TRIAL "\"")), GATE_ALLOW);
	assert_non_null(strstr(answered("root.t1"), "\"hash\":"));
}

static void a_policy_on_trial_counts_and_changes_no_answer(void **state)
{
	uint8_t before[16];

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	memcpy(before, policy_version(g->policy), 16);
	assert_null(g->shadow);
	root_sets_a_trial();
	assert_non_null(g->shadow);                             /* when it is answered */
	guard_tick(g);
	assert_memory_equal(policy_version(g->policy), before, 16);
	assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	for (int i = 0; i < 100; i++)
		assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
	assert_int_equal(receives(0, "ana.t1", "mercy/unit/icu3/vitals/m-1"), GATE_DENY);
	assert_int_equal(receives(0, "ana.t1", "mercy/unit/med4/vitals/m-1"), GATE_DENY);
	assert_int_equal(shadow_count(g->shadow).asked, 103);
	assert_int_equal(shadow_count(g->shadow).differed, 102);
	assert_int_equal(shadow_count(g->shadow).differences, 3);
	assert_int_equal(asked.kicks, 0);
	/* Whoever comes later is asked about from the first question on. */
	person_login(1, "bea", "bea.t1", "battery staple");
	assert_int_equal(subscribes(1, "bea.t1", "mercy/unit/med4/alert/+/+"), GATE_ALLOW);
	assert_int_equal(shadow_count(g->shadow).differences, 4);
	assert_int_equal(commands(5, "root.t1", COMMAND("\"clearShadowPolicy\"")), GATE_ALLOW);
	assert_null(strstr(answered("root.t1"), "error"));
	assert_null(g->shadow);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
}

/* What somebody holds is asked about as it is now, never as it was. */
static void rights_on_trial_follow_the_directory(void **state)
{
	const struct session *s;

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	root_sets_a_trial();
	guard_tick(g);
	assert_int_equal(receives(0, "ana.t1", "mercy/unit/med4/vitals/m-1"), GATE_DENY);
	assert_int_equal(shadow_count(g->shadow).differed, 0);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "med4", "correct horse");
	guard_tick(g);
	s = session_of(&g->sessions, &ctx[0]);
	assert_true(s->shadow && s->shadow_bound == g->shadows);
	assert_int_equal(receives(0, "ana.t1", "mercy/unit/med4/vitals/m-1"), GATE_DENY);
	assert_int_equal(shadow_count(g->shadow).differed, 1);
	save_until("ana", "nurse", guard_real_us() - 1);        /* ended: nothing is held, in force and on trial */
	guard_tick(g);
	assert_int_equal(receives(0, "ana.t1", "mercy/unit/icu3/vitals/m-1"), GATE_DENY);
	assert_int_equal(shadow_count(g->shadow).differed, 1);
}

/* The sessions are walked through when one may have to be bound, not at each tick. */
static void sessions_are_bound_to_a_trial_when_something_changed(void **state)
{
	struct session *s;

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	root_sets_a_trial();
	guard_tick(g);
	guard_tick(g);
	s = session_of(&g->sessions, &ctx[0]);
	assert_true(s->shadow_bound == g->shadows);
	s->shadow_bound = 0;
	guard_tick(g);
	assert_true(s->shadow_bound == 0);
	guard_shadow_forget(g, s);
	guard_tick(g);
	assert_true(s->shadow && s->shadow_bound == g->shadows);
}

static void a_trial_goes_on_after_a_restart_and_anew_under_another_policy(void **state)
{
	char text[2048];

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	root_sets_a_trial();
	guard_tick(g);
	receives(0, "ana.t1", ALERT);
	assert_int_equal(shadow_count(g->shadow).differed, 1);
	snprintf(text, sizeof(text), "%s# another\n", policy_text);
	write_file("pullcord.policy", text);
	reload();
	assert_non_null(g->shadow);
	assert_int_equal(shadow_count(g->shadow).differed, 0);
	guard_tick(g);
	receives(0, "ana.t1", ALERT);
	assert_int_equal(shadow_count(g->shadow).differed, 1);
	guard_close(&g);
	guard_start();
	assert_true(UNTIL(g->shadow, guard_tick(g)));
}

static char refused[256];

static void hear_refusal(enum log_level level, const char *line)
{
	(void)level;
	if (strstr(line, "shadow_refused"))
		snprintf(refused, sizeof(refused), "%s", line);
}

static void damage_the_trial(void)
{
	static const char *const tables[] = { "account", "owner", "journal", "check", NULL };
	const struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = DIRECTORY_MAP_BYTES, .table = tables };
	struct store *s = NULL;
	struct txn *t = NULL;

	assert_int_equal(store_open(in_dir("directory.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_put(t, 3, SPAN_LIT("shadow"), SPAN_LIT("nothing that was sealed, and long enough to be")), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
}

static void a_trial_that_cannot_be_read_is_said_once(void **state)
{
	(void)state;
	root_sets_a_trial();
	guard_close(&g);
	damage_the_trial();
	log_to(hear_refusal);
	guard_start();
	assert_true(UNTIL(strstr(refused, "reason="), guard_tick(g)));
	assert_null(g->shadow);
	refused[0] = '\0';
	reload();
	assert_string_equal(refused, "");
}

static void a_broken_trial_is_refused_and_a_good_one_is_put_in_force(void **state)
{
	CLEANUP(edition_clear) struct edition newest = { 0 };
	uint8_t hash[32];
	char hex[65], text[200];

	(void)state;
	root_sets_a_trial();
	commands(5, "root.t1", COMMAND("\"setShadowPolicy\",\"policy\":\"tenant mercy\\nrol x\""));
	assert_non_null(strstr(answered("root.t1"), "line 2, column 1"));
	commands(5, "root.t1", COMMAND("\"setShadowPolicy\",\"policy\":\"tenant other\\nrole x\\n\""));
	assert_non_null(strstr(answered("root.t1"), "the first tenant must stay mercy"));
	commands(5, "root.t1", COMMAND("\"setShadowPolicy\",\"version\":1"));
	assert_non_null(strstr(answered("root.t1"), "it is in force already"));
	policy_hash(shadow_policy(g->shadow), hash);
	hex_encode(span(hash, sizeof(hash)), hex);
	snprintf(text, sizeof(text), COMMAND("\"promoteShadowPolicy\",\"hash\":\"%s\""), hex);
	commands(5, "root.t1", text);
	assert_non_null(strstr(answered("root.t1"), "\"version\":2"));
	assert_null(g->shadow);
	assert_int_equal(directory_edition(g->directory, 0, &newest), OK);
	assert_string_equal(newest.by, "root");
	assert_memory_equal(newest.hash, policy_version(g->policy), 16);
	commands(5, "root.t1", COMMAND("\"getShadowPolicy\""));
	assert_non_null(strstr(answered("root.t1"), "there is no shadow policy"));
	commands(5, "root.t1", COMMAND("\"setShadowPolicy\",\"version\":1"));
	assert_null(strstr(answered("root.t1"), "error"));
}

static void who_is_no_administrator_is_not_heard(void **state)
{
	struct client c = client_at(0, "ana.t1", NULL);

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(commands(0, "ana.t1", "{\"commands\":[]}"), GATE_DENY);
	assert_int_equal(subscribes(0, "ana.t1", CONTROL_RESPONSE), GATE_DENY);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_tick(g);
	assert_int_equal(subscribes(0, "ana.t1", CONTROL_RESPONSE), GATE_ALLOW);
	assert_int_equal(subscribes(0, "ana.t1", CONTROL_TOPIC), GATE_DENY);
	assert_int_equal(subscribes(0, "ana.t1", "$CONTROL/#"), GATE_DENY);
	assert_int_equal(guard_publish(g, &c, CONTROL_TOPIC, &(struct publish){ SPAN_LIT("x"), 1, true }), GATE_DENY);
	assert_int_equal(guard_publish(g, &c, CONTROL_RESPONSE, &(struct publish){ SPAN_LIT("x"), 1, false }), GATE_DENY);
	assert_int_equal(guard_publish(g, &c, "mercy/control/user.create", &(struct publish){ SPAN_LIT("x"), 1, false }), GATE_DENY);
	guard_logoff(g, &ctx[0], 7);
	assert_int_equal(commands(0, "ana.t1", "{}"), GATE_DENY);   /* a will */
}

static void an_answer_goes_to_nobody_who_took_the_client_id(void **state)
{
	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_tick(g);
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(commands(0, "ana.t1", "{\"commands\":[{\"command\":\"getUser\",\"username\":\"bea\"}]}"), GATE_ALLOW);
	guard_logoff(g, &ctx[0], 0);
	for (int i = 0; i < 50; i++) {
		guard_tick(g);
		usleep(1000);
	}
	assert_int_equal(times_published(CONTROL_RESPONSE, "ana.t1"), 0);
}

static void what_is_done_while_the_broker_stops_is_on_record(void **state)
{
	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_tick(g);
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(commands(0, "ana.t1", "{\"commands\":[{\"command\":\"setUserPassword\",\"username\":\"bea\","
					       "\"password\":\"12345678\"},{\"command\":\"suspend\",\"username\":\"bea\"}]}"), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ADMIN), "user:bea password").entries, 1);
	assert_int_equal(recorded(RECORDED(ADMIN), "user:bea: active -> suspended").entries, 1);
}

/* One author's requests leave room for others'. */
static void an_author_has_a_share_of_the_places(void **state)
{
	int turned_away;

	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	save(PULLCORD__V1__PARTY__PARTY_USER, "bea", "administrator", "icu3", "battery staple");
	guard_tick(g);
	person_login(0, "ana", "ana.t1", "correct horse");
	person_login(1, "bea", "bea.t1", "battery staple");
	for (int i = 0; i < CONTROL_WAITING_MAX; i++)
		commands(0, "ana.t1", "{\"commands\":[{\"command\":\"setUserPassword\",\"username\":\"ana\",\"password\":\"12345678\"}]}");
	turned_away = times_published(CONTROL_RESPONSE, "ana.t1");
	assert_true(turned_away > 0 && turned_away <= CONTROL_WAITING_MAX - CONTROL_SHARE_MAX);
	assert_non_null(strstr(asked.payload, "too many requests wait"));
	commands(1, "bea.t1", "{\"commands\":[{\"command\":\"getUser\",\"username\":\"bea\"}]}");
	assert_int_equal(times_published(CONTROL_RESPONSE, "bea.t1"), 0);
	assert_non_null(strstr(answered("bea.t1"), "administrator"));
}

/* An alert that was not handed over was not disclosed, and an answer is not as if there had been none. */
static void what_the_broker_does_not_take_is_not_called_sent(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m, false);
	person_login(1, "ana", "ana.t1", "correct horse");
	broker_refuses = true;
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	for (int i = 0; i < 10; i++)
		guard_tick(g);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(DELIVER), "").entries, 0);
	guard_start();
}

static void requests_past_the_limit_are_told_to_wait(void **state)
{
	static char large[COMMAND_REQUEST_MAX + 2];

	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_tick(g);
	person_login(0, "ana", "ana.t1", "correct horse");
	memset(large, ' ', sizeof(large) - 1);
	commands(0, "ana.t1", large);
	assert_non_null(strstr(asked.payload, "it is larger than the limit"));
	for (int i = 0; i < CONTROL_WAITING_MAX + 2; i++)
		commands(0, "ana.t1", "{\"commands\":[{\"command\":\"setUserPassword\",\"username\":\"bea\",\"password\":\"12345678\"}]}");
	assert_non_null(strstr(asked.payload, "too many requests wait"));
	(void)UNTIL(times_published(CONTROL_RESPONSE, "ana.t1") >= CONTROL_WAITING_MAX, guard_tick(g));
	assert_non_null(strstr(answered("ana.t1"), "responses"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_right_that_ends_is_gone_at_the_very_next_delivery),
		TEST(what_is_done_while_the_broker_stops_is_on_record),
		TEST(a_right_that_ends_is_gone_at_the_next_tick_without_being_asked),
		TEST(in_quarantine_a_device_speaks_on_quarantine_topics_only),
		TEST(whoever_is_suspended_or_wiped_is_cut_off_and_stays_out),
		TEST(a_revoked_certificate_is_cut_off_and_stays_out),
		TEST(a_resumed_session_that_lost_nothing_goes_on),
		TEST(a_resumed_session_that_subscribed_again_is_like_any_other),
		TEST(a_damaged_journal_leaves_nobody_unfollowed),
		TEST(what_is_changed_while_no_broker_runs_is_on_record_once),
		TEST(an_administrators_change_is_in_force_when_it_is_answered),
		TEST(nothing_is_answered_before_it_is_on_durable_record),
		TEST(what_is_about_to_be_done_is_on_record_first),
		TEST(what_cannot_be_put_on_record_is_not_done),
		TEST(who_waits_behind_it_is_told_no),
		TEST(the_end_waits_for_a_slow_disk),
		TEST(what_nobody_waits_for_is_not_kept),
		TEST(what_only_looks_is_not_announced_and_secrets_never),
		TEST(a_policy_that_is_set_replaces_the_one_that_decides),
		TEST(a_reload_and_commands_are_done_in_the_order_they_were_asked_for),
		TEST(commands_are_within_the_limits_of_roles),
		TEST(a_policy_on_trial_counts_and_changes_no_answer),
		TEST(rights_on_trial_follow_the_directory),
		TEST(sessions_are_bound_to_a_trial_when_something_changed),
		TEST(a_trial_goes_on_after_a_restart_and_anew_under_another_policy),
		TEST(a_trial_that_cannot_be_read_is_said_once),
		TEST(a_broken_trial_is_refused_and_a_good_one_is_put_in_force),
		TEST(who_is_no_administrator_is_not_heard),
		TEST(an_answer_goes_to_nobody_who_took_the_client_id),
		TEST(an_author_has_a_share_of_the_places),
		TEST(what_the_broker_does_not_take_is_not_called_sent),
		TEST(requests_past_the_limit_are_told_to_wait),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}
