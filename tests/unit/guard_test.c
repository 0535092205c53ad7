#include <sys/stat.h>
#include <sys/statvfs.h>

#include "guarded.h"
#include "recorded.h"
#include "audited.h"
#include "policy_file.h"
#include "reader.h"

/* ---- policies, and reading them again ---- */

static void a_bad_policy_keeps_the_old_and_a_good_one_takes_over(void **state)
{
	uint8_t before[16];

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+");
	memcpy(before, policy_version(g->policy), 16);
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  alow subscribe mercy/#\n");
	reload();
	assert_memory_equal(policy_version(g->policy), before, 16);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
	write_file("pullcord.policy", "tenant other\nrole nurse\n");
	reload();
	assert_memory_equal(policy_version(g->policy), before, 16);
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  deny both mercy/#\n");
	reload();
	assert_memory_not_equal(policy_version(g->policy), before, 16);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_DENY);
	assert_int_equal(asked.kicks, 1);
}

/* "n": a note of n officers beside the policy's file, as that version. */
static void sign_policy(uint64_t version, uint8_t n)
{
	uint8_t text[RATIFY_TEXT_MAX], note[NOTE_BYTES_MAX];
	struct put t = put(text, sizeof(text)), b = put(note, sizeof(note) - 1);
	CLEANUP(policy_close) struct policy *p = NULL;
	struct ratification r = { .tenant = SPAN_LIT("mercy"), .version = version };
	struct policy_error where;

	assert_int_equal(policy_file_load(in_dir("pullcord.policy"), &p, &where), OK);
	policy_hash(p, r.policy);
	assert_int_equal(ratify_write(&r, &t), OK);
	put_bytes(&b, put_span(&t));
	put_str(&b, "\n");
	for (uint8_t i = 0; i < n; i++)
		assert_int_equal(note_sign(put_span(&t), i ? SPAN_LIT("ben") : SPAN_LIT("ana"), (uint8_t[SIGN_KEY_BYTES]){ i }, &b), OK);
	note[b.n] = '\0';
	write_file("pullcord.policy.signed", (const char *)note);
}

static void list_officers(void)
{
	static char path[128];
	uint8_t pub[SIGN_KEY_BYTES];
	char text[300] = "", vkey[128];

	for (uint8_t i = 0; i < 2; i++) {
		assert_int_equal(sign_public((uint8_t[SIGN_KEY_BYTES]){ i }, pub), OK);
		assert_int_equal(vkey_write(i ? SPAN_LIT("ben") : SPAN_LIT("ana"), pub, vkey, sizeof(vkey)), OK);
		strcat(strcat(text, vkey), "\n");
	}
	write_file("policy-officers", text);
	snprintf(path, sizeof(path), "%s", in_dir("policy-officers"));
	officers_path = path;
}

/* At a reload, and at a start, where what was in force before takes its place; operators hear of it each time. */
static void what_two_officers_have_not_signed_is_not_in_force(void **state)
{
	char topic[TOPIC_BYTES_MAX + 1];
	uint8_t before[16];

	(void)state;
	memcpy(before, policy_version(g->policy), 16);
	UNTIL(control_idle(g->control));
	list_officers();
	guard_close(&g);
	guard_start();                  /* what is in force stays so, though nobody signed it */
	assert_memory_equal(policy_version(g->policy), before, 16);
	assert_int_equal(TOPIC_BUILD(topic, TOPIC_ALERT, "mercy", "operators", "medium", GUARD_SENDER), OK);
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  deny both mercy/#\n");
	sign_policy(2, 1);
	reload();
	assert_memory_equal(policy_version(g->policy), before, 16);
	UNTIL((guard_tick(g), times_published(topic, "") == 1));
	guard_close(&g);
	guard_start();
	assert_memory_equal(policy_version(g->policy), before, 16);
	UNTIL((guard_tick(g), times_published(topic, "") == 2));
	sign_policy(2, 2);
	reload();
	assert_memory_not_equal(policy_version(g->policy), before, 16);
	UNTIL(control_idle(g->control));
	remove(in_dir("pullcord.policy.signed"));
	write_file("pullcord.policy", policy_text);     /* an older one, no longer signed for this place in the row */
	sign_policy(1, 2);
	guard_close(&g);
	guard_start();
	assert_memory_not_equal(policy_version(g->policy), before, 16);
}

static void the_first_policy_of_all_takes_signatures_too(void **state)
{
	struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4, .past = past_keep_default(),
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };
	char what[1024];

	(void)state;
	guard_close(&g);
	remove(in_dir("directory.mdb"));
	list_officers();
	spec.officers_path = officers_path;
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), ERR_DENIED);
	assert_non_null(strstr(what, "nobody has signed it"));
	sign_policy(1, 2);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
}

/* It was noticed at the reload, or by nobody: a broker that comes back after a power cut is no moment to learn of it. */
static void a_policy_that_is_none_keeps_the_newest_at_the_start(void **state)
{
	struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4, .past = past_keep_default(),
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };
	uint8_t before[16];
	char what[1024];

	(void)state;
	memcpy(before, policy_version(g->policy), sizeof(before));
	guard_close(&g);
	write_file("pullcord.policy", "tenant mercy\nrole nurse allow\n");
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
	assert_memory_equal(policy_version(g->policy), before, sizeof(before));
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(POLICY), "not loaded; the one before stays in force").entries, 1);
	remove(in_dir("pullcord.policy"));
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
	assert_memory_equal(policy_version(g->policy), before, sizeof(before));
	guard_close(&g);
	remove(in_dir("directory.mdb"));        /* the first start: there is no other */
	write_file("pullcord.policy", "tenant mercy\nrole nurse allow\n");
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), ERR_SYNTAX);
	assert_non_null(strstr(what, "pullcord.policy:2:"));
	write_file("pullcord.policy", policy_text);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
}

static void a_store_others_may_read_is_refused_and_the_right_mode_is_named(void **state)
{
	struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4, .past = past_keep_default(),
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };
	char what[1024];

	(void)state;
	guard_close(&g);
	assert_int_equal(chmod(in_dir("keys/root.key"), 0644), 0);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), ERR_DENIED);
	assert_non_null(strstr(what, "/keys/root.key: it is not allowed; right: the broker's user owns it, mode 0600"));
	assert_int_equal(chmod(in_dir("keys/root.key"), 0600), 0);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
}

static void a_large_policy_is_read_by_another_thread_and_swapped_in_at_a_tick(void **state)
{
	FILE *f = fopen(in_dir("pullcord.policy"), "w");
	uint8_t before[16];

	(void)state;
	assert_non_null(f);
	fputs("tenant mercy\nrole nurse\n", f);
	for (int i = 0; i < 100000; i++)
		fprintf(f, "  allow subscribe mercy/unit/w%d/vitals/d%d\n", i % 1000, i);
	fclose(f);
	memcpy(before, policy_version(g->policy), 16);
	person_login(0, "ana", "ana.t1", "correct horse");
	guard_reload(g);   /* nothing else is called until it is compiled: so it was not this thread */
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
	assert_true(UNTIL(control_idle(g->control)));
	assert_memory_equal(policy_version(g->policy), before, 16);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
	guard_tick(g);
	assert_memory_not_equal(policy_version(g->policy), before, 16);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_DENY);
}

static void a_reload_asks_again_and_needs_no_password(void **state)
{
	const char *mapped;
	struct client c;

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	device_login(1, "mercy", "nc-1", "nc-1", NULL);
	guard_logoff(g, &ctx[1], 7);                         /* a durable session, offline */
	guard_reload(g);
	c = client_at(0, "ana.t1", "ana");
	assert_int_equal(guard_login(g, &c, NULL, "stale", &mapped), GATE_ALLOW);
	c = client_at(1, "nc-1", "nc-1");
	assert_int_equal(guard_login(g, &c, NULL, NULL, &mapped), GATE_ALLOW);
	c = client_at(2, "nc-1", "ana");                     /* never seen, and not its owner's name */
	assert_int_equal(guard_login(g, &c, NULL, NULL, &mapped), GATE_DENY);
	guard_tick(g);
	c = client_at(3, "nc-1", "nc-1");                    /* no longer reloading: everybody proves who they are */
	assert_int_equal(guard_login(g, &c, NULL, NULL, &mapped), GATE_DENY);
}

static void a_reload_lets_no_new_connection_in(void **state)
{
	struct client c = { &ctx[7], "ana.t1", "127.0.0.1", "ana", 5, 60, true, true };
	const char *mapped;

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	guard_reload(g);   /* libwebsockets is served before the next tick */
	assert_int_not_equal(guard_login(g, &c, NULL, "wrong horse", &mapped), GATE_ALLOW);
}

/* ---- the record has stopped ---- */

/* Before the library's: a limit on the size of files stands for a full disk, which the record waits for; with room left it
 * would be a failing one, on which it stops for good. */
__attribute__((visibility("default"))) int statvfs(const char *path, struct statvfs *out)
{
	(void)path;
	*out = (struct statvfs){ .f_frsize = 4096, .f_bavail = 0 };
	return 0;
}

static void stop_record(bool stop)
{
	static struct rlimit before;
	struct rlimit full;

	signal(SIGXFSZ, SIG_IGN);
	if (stop)
		assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = (struct rlimit){ 8192, before.rlim_max };   /* LMDB's first pages, no other */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, stop ? &full : &before), 0);
	assert_true(UNTIL((record_state(g->record) == RECORD_STOPPED) == stop, receives(15, "nobody", ALERT)));   /* something to write */
}

static void acceptance_7_without_a_record_only_what_saves_lives_goes_on(void **state)
{
	static const char code[] = "mercy/unit/icu3/alert/code/nc-1";
	struct message high = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START), empty = { .n = 0 },
		       life = alert_of("nc-1", 2, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_CODE);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	person_login(1, "ana", "ana.t1", "correct horse");
	stop_record(true);
	assert_int_equal(publishes(0, "nc-1", "mercy/device/nc-1/state", &empty, true), GATE_ALLOW);       /* or it never comes */
	assert_int_equal(publishes(0, "nc-1", ALERT, &high, false), GATE_CLOSE);   /* no PUBACK: the outbox keeps it */
	assert_int_equal(publishes(0, "nc-1", code, &life, false), GATE_ALLOW);
	assert_int_equal(receives(1, "ana.t1", ALERT), GATE_DENY);
	assert_int_equal(receives(1, "ana.t1", code), GATE_ALLOW);
	assert_int_equal(receives(0, "nc-1", "mercy/device/nc-1/stored"), GATE_ALLOW);     /* or it comes again, and again */
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_DENY);
	assert_int_equal(person_try(2, "ana", "ana.t2", "correct horse"), GATE_CLOSE);
	assert_int_equal(device_login(3, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	stop_record(false);
	assert_int_equal(publishes(3, "nc-1", ALERT, &high, false), GATE_ALLOW);
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
}

/* In MQTT 5, too: some clients take 0x87 for success. */
static void a_person_who_publishes_without_a_record_is_cut_off_as_well(void **state)
{
	static const char presence[] = "mercy/user/ana/presence";
	struct message empty = { .n = 0 };

	(void)state;
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	stop_record(true);
	assert_int_equal(publishes(1, "ana.t1", presence, &empty, true), GATE_CLOSE);
	stop_record(false);
	assert_int_equal(publishes(1, "ana.t1", presence, &empty, true), GATE_ALLOW);
}

static void tick_until(const char *topic, const char *client)
{
	assert_true(UNTIL(times_published(topic, client) > 0, guard_tick(g)));
}

/* Its sender has the receipt and sends it no more; who was there is not to wait for the next time they subscribe. */
static void what_a_stopped_record_kept_from_a_reader_is_shown_when_it_goes_on(void **state)
{
	struct message high = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START),
		       ended = alert_from("nc-1", 2, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	person_login(1, "ana", "ana.t1", "correct horse");
	person_login(2, "bea", "bea.t1", "battery staple");
	publishes(0, "nc-1", ALERT, &ended, false);                     /* before: seen as it came */
	tick_until_published("mercy/device/nc-1/stored", "");
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	tick_until(ALERT, "ana.t1");
	assert_int_equal(publishes(0, "nc-1", ALERT, &high, false), GATE_ALLOW);
	stop_record(true);                                              /* in the middle of its deliveries */
	assert_int_equal(receives(1, "ana.t1", ALERT), GATE_DENY);
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 1);
	stop_record(false);
	assert_true(UNTIL(times_published(ALERT, "ana.t1") > 1, guard_tick(g)));
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 2);          /* once, and not what it had */
	assert_int_equal(times_published(ALERT, "bea.t1"), 0);
}

/* ---- what the policy limits ---- */

/* The policy of all tests, with more lines for nurses and for devices. */
static void limit(const char *device, const char *nurse)
{
	static const char nurses[] = "role nurse\n", devices[] = "role nursecall-device\n";
	const char *n = strstr(policy_text, nurses) + strlen(nurses), *d = strstr(policy_text, devices) + strlen(devices);
	char text[2048];

	snprintf(text, sizeof(text), "%.*s%s%.*s%s%s", (int)(n - policy_text), policy_text, nurse, (int)(d - n), n, device, d);
	write_file("pullcord.policy", text);
	reload();
}

static void limit_devices(const char *lines) { limit(lines, ""); }

static enum gate says(int at, const char *topic, const struct message *m, uint8_t qos, bool retain)
{
	struct client c = client_at(at, "nc-1", NULL);

	return guard_publish(g, &c, topic, &(struct publish){ span(m->raw, m->n), qos, retain });
}

/* What was said so far is durable, however slow the disk is. */
static uint64_t entries(void)
{
	uint64_t said = record_ticket(g->record);

	assert_true(UNTIL(record_settled(g->record, said)));
	return record_durable(g->record);
}

static void a_payload_over_the_size_is_refused(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	char lines[64];

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	snprintf(lines, sizeof(lines), "  limit size %zuB\n", m.n - 1);
	limit_devices(lines);
	assert_int_equal(says(0, ALERT, &m, 1, false), GATE_DENY);
	snprintf(lines, sizeof(lines), "  limit size %zuB\n", m.n);
	limit_devices(lines);
	assert_int_equal(says(0, ALERT, &m, 1, false), GATE_ALLOW);
}

static void a_quality_of_service_over_the_limit_is_refused(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	limit_devices("  limit qos 1\n");
	assert_int_equal(says(0, ALERT, &m, 2, false), GATE_DENY);
	assert_int_equal(says(0, ALERT, &m, 1, false), GATE_ALLOW);
}

static void no_retain_is_refused_and_no_will_is_not_sent(void **state)
{
	static const char mine[] = "mercy/device/nc-1/state";
	struct message empty = { .n = 0 };

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	limit_devices("  no retain\n");
	assert_int_equal(says(0, mine, &empty, 1, true), GATE_DENY);
	limit_devices("  no will\n");
	assert_int_equal(says(0, mine, &empty, 1, true), GATE_ALLOW);
	guard_logoff(g, &ctx[0], 7);
	assert_int_equal(says(0, mine, &empty, 1, true), GATE_DENY);
	limit_devices("  limit qos 1\n");
	assert_int_equal(says(0, mine, &empty, 1, true), GATE_ALLOW);
}

static void over_the_rate_a_device_is_closed_and_keeps_its_message(void **state)
{
	static const char code[] = "mercy/unit/icu3/alert/code/nc-1";
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START),
		       life = alert_of("nc-1", 2, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_CODE);

	(void)state;
	limit_devices("  limit rate 2/h burst 2\n");
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	for (int i = 0; i < 5; i++)
		assert_int_equal(says(0, code, &life, 1, false), GATE_ALLOW);   /* not counted */
	assert_int_equal(says(0, ALERT, &m, 1, false), GATE_ALLOW);
	assert_int_equal(says(0, ALERT, &m, 1, false), GATE_ALLOW);
	assert_int_equal(says(0, ALERT, &m, 1, false), GATE_CLOSE);
	assert_int_equal(says(0, ALERT, &m, 0, false), GATE_DENY);
	assert_int_equal(says(0, code, &life, 1, false), GATE_ALLOW);
	guard_logoff(g, &ctx[0], 7);
	device_login(1, "mercy", "nc-1", "nc-1", NULL);                         /* which gives it no more */
	assert_int_equal(says(1, ALERT, &m, 1, false), GATE_CLOSE);
	session_of(&g->sessions, &ctx[1])->full_ns -= INT64_C(1800000000000);   /* half an hour later: one more */
	assert_int_equal(says(1, ALERT, &m, 1, false), GATE_ALLOW);
	assert_int_equal(says(1, ALERT, &m, 1, false), GATE_CLOSE);
}

static void over_the_rate_a_person_is_refused(void **state)
{
	(void)state;
	limit("", "  limit rate 1/h\n");
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(answers(0, "ana.t1", "ana", 1), GATE_ALLOW);
	assert_int_equal(answers(0, "ana.t1", "ana", 2), GATE_DENY);
}

static void more_sessions_than_the_limit_are_not_let_in(void **state)
{
	(void)state;
	limit("", "  limit sessions 2\n");
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t3", "correct horse"), GATE_DENY);
	assert_null(session_of(&g->sessions, &ctx[2]));
	assert_int_equal(person_login(3, "ana", "ana.t2", "correct horse"), GATE_ALLOW);   /* takes over */
	guard_logoff(g, &ctx[0], 0);
	assert_int_equal(person_login(2, "ana", "ana.t3", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(4, "bea", "bea.t1", "battery staple"), GATE_ALLOW);
}

static void what_is_off_the_record_is_not_on_it_unless_denied(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct client ana = client_at(1, "ana.t1", NULL), bea = client_at(2, "bea.t1", NULL);
	struct publish empty = { .retain = true };
	uint64_t n;

	(void)state;
	limit_devices("  record off mercy/user/+/presence\n");
	person_login(1, "ana", "ana.t1", "correct horse");
	person_login(2, "bea", "bea.t1", "battery staple");
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	n = entries();
	assert_int_equal(guard_publish(g, &ana, "mercy/user/ana/presence", &empty), GATE_ALLOW);
	assert_int_equal(guard_receive(g, &ana, "mercy/user/ana/presence", &empty), GATE_ALLOW);
	assert_int_equal(entries(), n);
	assert_int_equal(guard_publish(g, &bea, "mercy/user/ana/presence", &empty), GATE_DENY);
	assert_int_equal(entries(), n + 1);
	assert_int_equal(says(0, ALERT, &m, 0, false), GATE_ALLOW);
	assert_true(entries() > n + 1);
}

/* ---- wills, and who takes over ---- */

static void a_will_speaks_only_of_its_own_device(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START), empty = { .n = 0 };

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	guard_logoff(g, &ctx[0], 7);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", "mercy/device/nc-1/state", &empty, true), GATE_ALLOW);
	device_login(1, "mercy", "nc-1", "nc-1", NULL);
	device_login(2, "mercy", "nc-1", "nc-1", NULL);
	assert_int_equal(publishes(1, "nc-1", ALERT, &m, false), GATE_DENY);   /* taken over, its end still to come */
	assert_int_equal(publishes(2, "nc-1", ALERT, &m, false), GATE_ALLOW);
}

static void a_taken_over_connection_does_not_end_the_new_one(void **state)
{
	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	device_login(1, "mercy", "nc-1", "nc-1", NULL);
	guard_logoff(g, &ctx[0], 0);
	guard_logoff(g, &ctx[0], 0);
	assert_int_equal(session_of(&g->sessions, &ctx[1])->state, SESSION_LIVE);
	assert_int_equal(subscribes(1, "nc-1", "mercy/unit/icu3/ack/nc-1"), GATE_ALLOW);
}

/* ---- whom a message was about ---- */

static struct message alert_about(const char *patient)
{
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));
	uint8_t key16[ID_BYTES] = { 1 };
	int64_t now = guard_real_us();
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;
	struct envelope_from from = { "mercy", "nc-1", PULLCORD__V1__PARTY__PARTY_DEVICE, id_next(&ids, now / 1000), now, 0, 0 };

	a.key = (ProtobufCBinaryData){ ID_BYTES, key16 };
	a.priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH;
	a.phase = PULLCORD__V1__PHASE__PHASE_START;
	a.count = 1;
	a.patient = strdup(patient);
	assert_int_equal(envelope_write(&from, &a.base, &b), OK);
	free(a.patient);
	m.n = b.n;
	m.id = from.id;
	return m;
}

/* How many entries of that type are about that patient. */
static int recorded_about(Pullcord__V1__AuditType type, const char *patient)
{
	const Pullcord__V1__AuditEvent *e;
	uint8_t root[32], pseudonym[PATIENT_PSEUDONYM_BYTES];
	const struct patients *p;
	struct reader *r = NULL;
	struct entry entry;
	size_t years;
	int n = 0;

	assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
	assert_int_equal(reader_open(in_dir("record.mdb"), root, &r), OK);
	years = reader_patients(r, &p);
	patient_pseudonym(&p[years - 1], span_str(patient), pseudonym);
	for (uint64_t i = 0; reader_get(r, i, &entry, &e) == OK; i++)
		n += e && e->type == type && e->patient.len == sizeof(pseudonym) &&
		     memcmp(e->patient.data, pseudonym, sizeof(pseudonym)) == 0;
	reader_close(&r);
	return n;
}

static void whom_a_message_is_about_is_recorded_as_a_pseudonym(void **state)
{
	struct client ana = client_at(1, "ana.t1", NULL);
	struct message one, two;

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	one = alert_about("MRN-1");
	assert_int_equal(publishes(0, "nc-1", ALERT, &one, false), GATE_ALLOW);
	assert_int_equal(guard_receive(g, &ana, ALERT, &(struct publish){ span(one.raw, one.n), 1, false }), GATE_ALLOW);
	two = alert_about("MRN-2");
	assert_int_equal(publishes(0, "nc-1", ALERT, &two, false), GATE_ALLOW);
	assert_int_equal(guard_receive(g, &ana, ALERT, &(struct publish){ span(two.raw, two.n), 1, false }), GATE_ALLOW);
	assert_int_equal(guard_receive(g, &ana, ALERT, &(struct publish){ span(one.raw, one.n), 1, false }), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH, "MRN-1"), 1);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH, "MRN-2"), 1);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, "MRN-1"), 2);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, "MRN-2"), 1);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, ""), 0);
}

static void whoever_is_shown_an_open_alert_later_is_recorded_with_its_patient(void **state)
{
	struct message m = alert_about("MRN-1");

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m, false);
	person_login(1, "ana", "ana.t1", "correct horse");
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 1);
	guard_close(&g);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, "MRN-1"), 1);
}

/* An id may come again with another payload. */
static struct message alert_under_the_id_of(const struct message *other, const char *patient)
{
	struct message m = alert_about(patient);

	for (size_t i = 0; i + ID_BYTES <= m.n; i++)
		if (memcmp(m.raw + i, m.id.b, ID_BYTES) == 0)
			memcpy(m.raw + i, other->id.b, ID_BYTES);
	return m;
}

static void the_short_way_puts_on_record_who_got_what(void **state)
{
	struct message one = alert_about("MRN-1"), two = alert_under_the_id_of(&one, "MRN-2");
	const struct publish first = { span(one.raw, one.n), 1, false }, second = { span(two.raw, two.n), 1, false };
	struct client ana = client_at(1, "ana.t1", NULL);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	person_login(1, "ana", "ana.t1", "correct horse");
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	guard_tick(g);
	assert_int_equal(publishes(0, "nc-1", ALERT, &one, false), GATE_ALLOW);
	assert_false(guard_passes(g, &ctx[1], "ana.t1", ALERT, &first));   /* it was never asked about */
	assert_int_equal(guard_receive(g, &ana, ALERT, &first), GATE_ALLOW);
	assert_true(guard_passes(g, &ctx[1], "ana.t1", ALERT, &second));
	assert_true(guard_passes(g, &ctx[1], "ana.t1", ALERT, &first));
	guard_close(&g);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, "MRN-1"), 2);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, "MRN-2"), 1);
}

/* What is read back is what was kept. */
static void what_is_read_back_is_recorded_with_its_own_patient(void **state)
{
	struct message one = alert_about("MRN-1"), two = alert_under_the_id_of(&one, "MRN-2");
	struct client ana = client_at(1, "ana.t1", NULL);

	(void)state;
	person_login(1, "ana", "ana.t1", "correct horse");
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	guard_tick(g);
	assert_int_equal(guard_receive(g, &ana, ALERT, &(struct publish){ span(two.raw, two.n), 1, false }), GATE_ALLOW);
	assert_true(guard_may_read(g, session_of(&g->sessions, &ctx[1]), ALERT, span(one.raw, one.n)));
	guard_close(&g);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, "MRN-1"), 1);
	assert_int_equal(recorded_about(PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, "MRN-2"), 1);
}

/* ---- two hospitals on one broker: each sees its own, and a shared channel is heard by both ----------------------------- */

static const char two[] =
	"tenant mercy\n"
	"share channel tumors with lakeside\n"
	"role nurse\n"
	"  allow both mercy/channel/{channel}/#\n"
	"  allow subscribe mercy/unit/{unit}/alert/+/+\n"
	"role nursecall-device\n"
	"  allow publish mercy/unit/{unit}/alert/+/{device}\n"
	"tenant lakeside\n"
	"join channel tumors of mercy\n"
	"role lake-nurse\n"
	"  allow both mercy/channel/{guest}/#\n"
	"  allow publish lakeside/unit/{unit}/ack/+\n"
	"  allow subscribe lakeside/unit/{unit}/alert/+/+\n"
	"role lake-box\n"
	"  allow publish lakeside/unit/{unit}/alert/+/{device}\n"
	"  allow publish lakeside/device/{device}/state\n";

#define PERSON PULLCORD__V1__PARTY__PARTY_USER
#define BOX PULLCORD__V1__PARTY__PARTY_DEVICE

static void save_in(const char *tenant, Pullcord__V1__Party party, const char *id, const char *role, struct attribute held,
		    const char *password)
{
	struct span roles[1] = { span_str(role) };
	struct attribute attributes[2] = { { SPAN_LIT("unit"), SPAN_LIT("icu3") }, held };
	struct account a = { .subject = { .party = party, .tenant = span_str(tenant), .id = span_str(id), .role = roles, .roles = 1,
					  .attribute = attributes, .attributes = 2 } };

	if (password)
		hash_once(password, a.password);
	assert_int_equal(directory_save(g->directory, &a, false), OK);
}

static int install_two(void **state)
{
	assert_int_equal(install(state), 0);
	write_file("pullcord.policy", two);
	guard_close(&g);
	guard_start();
	save_in("mercy", PERSON, "ana", "nurse", (struct attribute){ SPAN_LIT("channel"), SPAN_LIT("tumors") }, "correct horse");
	save_in("lakeside", PERSON, "lou", "lake-nurse", (struct attribute){ SPAN_LIT("guest"), SPAN_LIT("tumors") }, "battery staple");
	save_in("lakeside", BOX, "lb-1", "lake-box", (struct attribute){ SPAN_LIT("unit"), SPAN_LIT("er") }, NULL);
	return 0;
}

#define TEST_TWO(f) cmocka_unit_test_setup_teardown(f, install_two, uninstall)

static struct message spoken(const char *tenant, const char *sender, Pullcord__V1__Party party, const ProtobufCMessage *body)
{
	static uint16_t seed;
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));
	struct id_maker maker;
	int64_t now = guard_real_us();
	struct envelope_from from = { tenant, sender, party, { { 0 } }, now, 0, 0 };

	id_init(&maker, span_str(tenant), (int)party, span_str(sender), ++seed);
	from.id = id_next(&maker, now / 1000);
	assert_int_equal(envelope_write(&from, body, &b), OK);
	m.n = b.n;
	m.id = from.id;
	return m;
}

static struct message alarms(const char *tenant)
{
	uint8_t key16[ID_BYTES] = { 1 };
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;

	a.key = (ProtobufCBinaryData){ ID_BYTES, key16 };
	a.priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH;
	a.phase = PULLCORD__V1__PHASE__PHASE_START;
	a.count = 1;
	return spoken(tenant, "lb-1", BOX, &a.base);
}

static void a_receipt_comes_in_the_senders_tenant(void **state)
{
	struct message good = alarms("lakeside"), forged = alarms("mercy");
	struct envelope e;
	struct topic t;

	(void)state;
	assert_int_equal(device_login(0, "lakeside", "lb-1", "lb-1", NULL), GATE_ALLOW);
	assert_int_equal(publishes(0, "lb-1", "mercy/unit/icu3/alert/high/lb-1", &forged, false), GATE_DENY);
	assert_int_equal(publishes(0, "lb-1", "lakeside/unit/icu3/alert/high/lb-1", &forged, false), GATE_DENY);
	assert_int_equal(publishes(0, "lb-1", "lakeside/unit/icu3/alert/high/lb-1", &good, false), GATE_ALLOW);
	tick_until_published("lakeside/device/lb-1/stored", "");
	assert_int_equal(times_published("lakeside/device/lb-1/stored", ""), 1);
	assert_int_equal(topic_parse(SPAN_LIT("lakeside/device/lb-1/stored"), &t), OK);
	g->arena.used = 0;
	assert_int_equal(envelope_open(span(asked.payload, asked.bytes), &t, 0, &g->arena, &e), OK);
	assert_string_equal(e.head->tenant, "lakeside");
}

static void a_certificate_of_another_tenant_is_refused(void **state)
{
	(void)state;
	assert_int_equal(device_login(0, "mercy", "lb-1", "lb-1", NULL), GATE_DENY);
	assert_int_equal(device_login(0, "stjude", "lb-1", "lb-1", NULL), GATE_DENY);
	assert_int_equal(device_login(0, "lakeside", "nc-1", "nc-1", NULL), GATE_DENY);
}

static void a_shared_channel_is_heard_by_both(void **state)
{
	Pullcord__V1__ChatMessage c = PULLCORD__V1__CHAT_MESSAGE__INIT;
	struct message own, forged;

	(void)state;
	c.text = (char *)"Round at two";
	own = spoken("lakeside", "lou", PERSON, &c.base);
	forged = spoken("mercy", "lou", PERSON, &c.base);
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(1, "lou", "lou.t1", "battery staple"), GATE_ALLOW);
	assert_int_equal(subscribes(0, "ana.t1", "mercy/channel/tumors/msg"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "lou.t1", "mercy/channel/tumors/msg"), GATE_ALLOW);
	assert_int_equal(publishes(1, "lou.t1", "mercy/channel/tumors/msg", &own, false), GATE_ALLOW);
	assert_int_equal(publishes(1, "lou.t1", "mercy/channel/tumors/msg", &forged, false), GATE_DENY);
	assert_int_equal(receives(0, "ana.t1", "mercy/channel/tumors/msg"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "lou.t1", "mercy/unit/icu3/alert/+/+"), GATE_DENY);
	assert_int_equal(receives(1, "lou.t1", "mercy/unit/icu3/alert/high/nc-1"), GATE_DENY);
	assert_int_equal(receives(0, "ana.t1", "lakeside/unit/icu3/alert/high/lb-1"), GATE_DENY);
}

static void taking_back_one_side_ends_it_at_once(void **state)
{
	char text[sizeof(two)];

	(void)state;
	assert_int_equal(person_login(1, "lou", "lou.t1", "battery staple"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "lou.t1", "mercy/channel/tumors/msg"), GATE_ALLOW);
	strcpy(text, two);
	memset(strstr(text, "share channel tumors with lakeside"), '#', 1);
	write_file("pullcord.policy", text);
	guard_reload(g);
	assert_true(UNTIL(receives(1, "lou.t1", "mercy/channel/tumors/msg") == GATE_DENY, guard_tick(g)));
	guard_tick(g);
	assert_string_equal(asked.kicked[0], "lou.t1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bad_policy_keeps_the_old_and_a_good_one_takes_over),
		TEST(what_two_officers_have_not_signed_is_not_in_force),
		TEST(the_first_policy_of_all_takes_signatures_too),
		TEST(a_policy_that_is_none_keeps_the_newest_at_the_start),
		TEST(a_store_others_may_read_is_refused_and_the_right_mode_is_named),
		TEST(a_large_policy_is_read_by_another_thread_and_swapped_in_at_a_tick),
		TEST(a_reload_asks_again_and_needs_no_password),
		TEST(a_reload_lets_no_new_connection_in),
		TEST(a_person_who_publishes_without_a_record_is_cut_off_as_well),
		TEST(what_a_stopped_record_kept_from_a_reader_is_shown_when_it_goes_on),
		TEST(acceptance_7_without_a_record_only_what_saves_lives_goes_on),
		TEST(a_payload_over_the_size_is_refused),
		TEST(a_quality_of_service_over_the_limit_is_refused),
		TEST(no_retain_is_refused_and_no_will_is_not_sent),
		TEST(over_the_rate_a_device_is_closed_and_keeps_its_message),
		TEST(over_the_rate_a_person_is_refused),
		TEST(more_sessions_than_the_limit_are_not_let_in),
		TEST(what_is_off_the_record_is_not_on_it_unless_denied),
		TEST(whom_a_message_is_about_is_recorded_as_a_pseudonym),
		TEST(whoever_is_shown_an_open_alert_later_is_recorded_with_its_patient),
		TEST(the_short_way_puts_on_record_who_got_what),
		TEST(what_is_read_back_is_recorded_with_its_own_patient),
		TEST(a_will_speaks_only_of_its_own_device),
		TEST(a_taken_over_connection_does_not_end_the_new_one),
		TEST_TWO(a_receipt_comes_in_the_senders_tenant),
		TEST_TWO(a_certificate_of_another_tenant_is_refused),
		TEST_TWO(a_shared_channel_is_heard_by_both),
		TEST_TWO(taking_back_one_side_ends_it_at_once),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}
