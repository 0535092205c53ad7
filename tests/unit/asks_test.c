/* asks: whoever asks gets what they may receive now, of what they may subscribe to; alone, marked, and on record. */
#include "guarded.h"

#define UNIT "mercy/unit/icu3/alert/+/+"
#define MARK SPAN_LIT("mark-1")

static uint8_t memory[ENVELOPE_ARENA];
static struct readback_page page;

static struct readback about(const char *filter)
{
	struct readback r = { .limit = READBACK_ITEMS_MAX, .oldest_first = true };

	if (filter)
		strcpy(r.filter[r.filters++], filter);
	return r;
}

static enum gate asks_at(int at, const char *client, const struct readback *r, const char *response, struct span mark)
{
	uint8_t raw[READBACK_REQUEST_MAX];
	struct put b = put(raw, sizeof(raw));
	struct client c = client_at(at, client, NULL);
	enum gate said;

	assert_int_equal(readback_write(r, &b), OK);
	said = guard_publish(g, &c, READBACK_TOPIC, &(struct publish){ put_span(&b), 1, false });
	if (said == GATE_ALLOW)
		guard_ask(g, &c, READBACK_TOPIC, put_span(&b), response, mark);
	return said;
}

static enum gate asks(int at, const char *client, const char *filter)
{
	struct readback r = about(filter);

	return asks_at(at, client, &r, NULL, MARK);
}

/* Waits for the next answer. */
static void answered_again(void)
{
	struct arena arena = { memory, sizeof(memory), 0 };

	(void)UNTIL(sent_back.n, guard_tick(g));
	assert_int_equal(sent_back.n, 1);
	sent_back.n = 0;
	assert_int_equal(readback_page_read(span(sent_back.raw, sent_back.bytes), &arena, &page), OK);
}

static struct message pressed(const char *device, int at, uint8_t key_byte, const char *topic)
{
	struct message m = alert_from(device, key_byte, PULLCORD__V1__PHASE__PHASE_START);

	assert_int_equal(publishes(at, device, topic, &m, false), GATE_ALLOW);
	return m;
}

/* Two alerts of ICU 3, one of Med 4. */
static struct message a, b, other;

static void everybody(void)
{
	save(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-2", "nursecall-device", "med4", NULL);
	guard_tick(g);
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(device_login(1, "mercy", "nc-2", "nc-2", NULL), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(3, "bea", "bea.t1", "battery staple"), GATE_ALLOW);
	a = pressed("nc-1", 0, 1, ALERT);
	id_init(&ids, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT("nc-2"), 0);
	other = pressed("nc-2", 1, 1, "mercy/unit/med4/alert/high/nc-2");
	id_init(&ids, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT("nc-1"), 9);
	b = pressed("nc-1", 0, 2, ALERT);
}

static bool is_item(unsigned i, const struct message *m)
{
	return i < page.n && span_eq(page.item[i].payload, span(m->raw, m->n));
}

static void a_nurse_reads_back_her_unit_and_no_other(void **state)
{
	(void)state;
	everybody();
	assert_int_equal(asks(2, "ana.t1", UNIT), GATE_ALLOW);
	answered_again();
	assert_int_equal(page.n, 2);
	assert_true(is_item(0, &a) && is_item(1, &b));
	assert_string_equal(sent_back.client, "ana.t1");
	assert_string_equal(sent_back.topic, READBACK_RESPONSE);
	assert_true(span_eq(span(sent_back.mark, sent_back.marked), MARK));
	assert_int_equal(asks(3, "bea.t1", "mercy/unit/med4/alert/+/+"), GATE_ALLOW);
	answered_again();
	assert_int_equal(page.n, 1);
	assert_true(is_item(0, &other));
}

static void a_filter_that_is_not_granted_is_refused_whole(void **state)
{
	static const char *const wide[] = { "mercy/unit/med4/alert/+/+", "mercy/unit/+/alert/+/+", "mercy/#", "#" };

	(void)state;
	everybody();
	for (size_t i = 0; i < countof(wide); i++) {
		struct readback r = about(UNIT);

		strcpy(r.filter[r.filters++], wide[i]);
		assert_int_equal(asks_at(2, "ana.t1", &r, NULL, MARK), GATE_ALLOW);
		answered_again();
		assert_int_equal(page.n, 0);
		assert_non_null(strstr(page.refused, "may not read"));
	}
}

/* There is no filter to be granted: the message's own topic decides; and what is not theirs is as if it were not there. */
static void one_message_by_its_id_only_if_it_is_theirs(void **state)
{
	struct readback r = about(NULL);

	(void)state;
	everybody();
	r.has_id = true;
	r.id = b.id;
	asks_at(2, "ana.t1", &r, NULL, MARK);
	answered_again();
	assert_int_equal(page.n, 1);
	assert_true(is_item(0, &b));
	r.id = other.id;
	asks_at(2, "ana.t1", &r, NULL, MARK);
	answered_again();
	assert_int_equal(page.n, 0);
	assert_string_equal(page.refused, "");
	memset(&r.id, 9, sizeof(r.id));
	asks_at(2, "ana.t1", &r, NULL, MARK);
	answered_again();
	assert_int_equal(page.n, 0);
	assert_string_equal(page.refused, "");
}

/* Who may hear it, but may not ask for it, does not get it by its id either. */
static void what_nobody_may_subscribe_to_is_not_had_by_its_id(void **state)
{
	struct readback r = about(NULL);

	(void)state;
	everybody();
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  allow receive mercy/unit/{unit}/alert/+/+\n");
	reload();
	r.has_id = true;
	r.id = a.id;
	assert_int_equal(receives(2, "ana.t1", ALERT), GATE_ALLOW);
	assert_int_equal(asks_at(2, "ana.t1", &r, NULL, MARK), GATE_ALLOW);
	answered_again();
	assert_int_equal(page.n, 0);
}

/* Between the question and its answer. */
static void who_lost_the_right_meanwhile_is_shown_nothing(void **state)
{
	(void)state;
	everybody();
	assert_int_equal(asks(2, "ana.t1", UNIT), GATE_ALLOW);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "med4", NULL);
	assert_true(UNTIL(sent_back.n || asked.kicks, guard_tick(g)));
	if (sent_back.n) {
		answered_again();
		assert_int_equal(page.n, 0);
	}
}

static void nobody_else_gets_the_answer(void **state)
{
	(void)state;
	everybody();
	asks(2, "ana.t1", UNIT);
	guard_logoff(g, &ctx[2], 0);
	assert_int_equal(person_login(4, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	usleep(50000);
	for (int i = 0; i < 20; i++)
		guard_tick(g);
	assert_int_equal(sent_back.n, 0);
}

static void the_answer_comes_where_it_is_wanted_but_not_anywhere(void **state)
{
	struct readback r = about(UNIT);

	(void)state;
	everybody();
	asks_at(2, "ana.t1", &r, READBACK_RESPONSE "/7", span(NULL, 0));
	answered_again();
	assert_string_equal(sent_back.topic, READBACK_RESPONSE "/7");
	assert_int_equal(sent_back.marked, 0);
	assert_int_equal(page.n, 2);
	for (int i = 0; i < 3; i++) {
		static const char *const bad[] = { ALERT, READBACK_RESPONSE "x", READBACK_RESPONSE "/a/b" };

		asks_at(2, "ana.t1", &r, bad[i], MARK);
		answered_again();
		assert_string_equal(sent_back.topic, READBACK_RESPONSE);
		assert_non_null(strstr(page.refused, "response topic"));
	}
}

static void an_answer_may_be_subscribed_to_and_hears_nothing_else(void **state)
{
	struct message m = { .n = 1 };

	(void)state;
	everybody();
	assert_int_equal(subscribes(2, "ana.t1", READBACK_RESPONSE), GATE_ALLOW);
	assert_int_equal(subscribes(2, "ana.t1", READBACK_TOPIC), GATE_DENY);
	assert_int_equal(subscribes(2, "ana.t1", "$CONTROL/#"), GATE_DENY);
	assert_int_equal(publishes(3, "bea.t1", READBACK_RESPONSE, &m, false), GATE_DENY);
	assert_int_equal(publishes(3, "bea.t1", READBACK_TOPIC, &m, true), GATE_DENY);
}

static void what_is_no_request_is_told_so(void **state)
{
	struct client c = client_at(2, "ana.t1", NULL);

	(void)state;
	everybody();
	guard_ask(g, &c, READBACK_TOPIC, SPAN_LIT("\xff\xff"), NULL, MARK);
	answered_again();
	assert_true(page.refused[0] != '\0');
	guard_ask(g, &c, READBACK_TOPIC, SPAN_LIT(""), NULL, MARK);
	answered_again();
	assert_non_null(strstr(page.refused, "names filters"));
}

static void one_connection_has_few_requests_waiting(void **state)
{
	int refused = 0, n = 0;

	(void)state;
	everybody();
	for (int i = 0; i < GUARD_ASKS_EACH + 3; i++)
		asks(2, "ana.t1", UNIT);
	n = sent_back.n;                         /* refusals come at once */
	assert_int_equal(n, 3);
	refused = n;
	(void)UNTIL(sent_back.n >= refused + GUARD_ASKS_EACH, guard_tick(g));
	assert_int_equal(sent_back.n, refused + GUARD_ASKS_EACH);
	sent_back.n = 0;
	asks(2, "ana.t1", UNIT);
	answered_again();
	assert_int_equal(page.n, 2);
}

static void nothing_is_kept_of_what_is_refused_or_has_no_class(void **state)
{
	struct readback r = about("mercy/unit/icu3/alert/+/+");

	(void)state;
	everybody();
	assert_int_equal(publishes(1, "nc-2", ALERT, &other, false), GATE_DENY);
	asks_at(2, "ana.t1", &r, NULL, MARK);
	answered_again();
	assert_int_equal(page.n, 2);
}

static void it_outlives_the_broker(void **state)
{
	(void)state;
	everybody();
	tick_until_published("mercy/device/nc-1/stored", "");
	guard_close(&g);
	guard_start();
	assert_int_equal(person_login(2, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	asks(2, "ana.t1", UNIT);
	answered_again();
	assert_int_equal(page.n, 2);
}

/* ---- what is open ---- */

static struct readback_open open_now;

static bool many_ask;

static void asks_open(int at, const char *client, const struct id *missing, size_t n)
{
	struct arena arena = { memory, sizeof(memory), 0 };
	uint8_t raw[READBACK_REQUEST_MAX];
	struct put o = put(raw, sizeof(raw));
	struct client c = client_at(at, client, NULL);

	sent_back.n = 0;
	session_of(&g->sessions, &ctx[at])->asked_ms = 0;       /* a moment later */
	if (!many_ask)
		g->open_free_us = 0;
	assert_int_equal(readback_missing_write(missing, n, &o), OK);
	assert_int_equal(guard_publish(g, &c, READBACK_OPEN, &(struct publish){ put_span(&o), 1, false }), GATE_ALLOW);
	guard_ask(g, &c, READBACK_OPEN, put_span(&o), NULL, MARK);
	assert_int_equal(sent_back.n, 1);
	assert_int_equal(readback_open_read(span(sent_back.raw, sent_back.bytes), &arena, &open_now), OK);
}

static bool is_open(size_t i, const struct message *m)
{
	return (i + 1) * ID_BYTES <= open_now.ids.n && memcmp(open_now.ids.p + i * ID_BYTES, m->id.b, ID_BYTES) == 0;
}

/* Those of its unit that nobody has seen to, in the order in which they came; only what it subscribed to. */
static void what_should_have_come_is_named(void **state)
{
	(void)state;
	everybody();
	asks_open(2, "ana.t1", NULL, 0);
	assert_int_equal(open_now.ids.n, 0);
	subscribes(2, "ana.t1", UNIT);
	guard_tick(g);
	asks_open(2, "ana.t1", NULL, 0);
	assert_int_equal(open_now.ids.n, 2 * ID_BYTES);
	assert_true(is_open(0, &a) && is_open(1, &b));
	assert_string_equal(sent_back.client, "ana.t1");
	assert_string_equal(sent_back.topic, READBACK_RESPONSE);
	assert_true(span_eq(span(sent_back.mark, sent_back.marked), MARK));
	answers(2, "ana.t1", "ana", 1);
	asks_open(2, "ana.t1", NULL, 0);
	assert_int_equal(open_now.ids.n, ID_BYTES);
	assert_true(is_open(0, &b));
}

static void what_had_not_come_is_sent_once_more(void **state)
{
	struct id missing[2];

	(void)state;
	everybody();
	subscribes(2, "ana.t1", UNIT);
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 2);
	missing[0] = b.id;
	missing[1] = other.id;
	asks_open(2, "ana.t1", missing, 2);
	assert_int_equal(times_published(ALERT, "ana.t1"), 3);
	assert_memory_equal(asked.shown, b.raw, b.n);
	assert_int_equal(times_published("mercy/unit/med4/alert/high/nc-2", "ana.t1"), 0);
	assert_int_equal(g->count.missing, 1);
	assert_int_equal(open_now.ids.n, 2 * ID_BYTES);
}

/* It is what they may receive now, and of what nobody can tell them yet they are told so. */
static void what_is_open_is_not_told_whatever_is_asked(void **state)
{
	struct client c = client_at(2, "ana.t1", NULL);
	struct session *s;

	(void)state;
	everybody();
	subscribes(2, "ana.t1", UNIT);
	asks_open(2, "ana.t1", NULL, 0);
	assert_non_null(strstr(open_now.refused, "being shown"));
	guard_tick(g);
	guard_ask(g, &c, READBACK_OPEN, SPAN_LIT("\xff\xff"), NULL, MARK);
	assert_int_equal(sent_back.n, 2);
	asks_open(2, "ana.t1", NULL, 0);
	guard_ask(g, &c, READBACK_OPEN, SPAN_LIT(""), NULL, MARK);
	assert_int_equal(sent_back.n, 2);
	assert_true(sent_back.bytes < 2 * ID_BYTES + 64);       /* a moment ago */
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  allow subscribe mercy/unit/{unit}/alert/code/+\n");
	reload();
	s = session_of(&g->sessions, &ctx[2]);
	assert_int_equal(s->filters, 1);
	asks_open(2, "ana.t1", NULL, 0);
	assert_int_equal(open_now.ids.n, 0);
}

/* Or whoever watches could answer no call. */
static void asking_what_is_open_leaves_the_person_what_they_may_say(void **state)
{
	(void)state;
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  allow subscribe mercy/unit/{unit}/alert/+/+\n"
		   "  allow publish mercy/unit/{unit}/ack/+\n  limit rate 1/h burst 1\nrole nursecall-device\n"
		   "  allow publish mercy/unit/{unit}/alert/+/{device}\n");
	reload();
	everybody();
	for (int i = 0; i < 3; i++)
		asks_open(2, "ana.t1", NULL, 0);
	assert_int_equal(answers(2, "ana.t1", "ana", 1), GATE_ALLOW);
	session_of(&g->sessions, &ctx[2])->asked_ms = g->turn_ms;
	assert_int_equal(publishes(2, "ana.t1", READBACK_OPEN, &(struct message){ .n = 0 }, false), GATE_DENY);
}

/* What each costs is not spent again at once, whoever asks. */
static void those_who_ask_what_is_open_do_not_keep_others_waiting(void **state)
{
	int64_t before = guard_mono_us();

	(void)state;
	everybody();
	asks_open(2, "ana.t1", NULL, 0);
	assert_true(!open_now.refused || !open_now.refused[0]);
	assert_true(g->open_free_us > before);
	many_ask = true;
	g->open_free_us += 60 * INT64_C(1000000);
	asks_open(2, "ana.t1", NULL, 0);
	assert_non_null(strstr(open_now.refused, "many ask"));
	many_ask = false;
}

/* A program asks for itself, also when nobody is there. */
static void asking_what_is_open_is_no_sign_of_somebody(void **state)
{
	struct session *s;
	int64_t active_ms;

	(void)state;
	everybody();
	s = session_of(&g->sessions, &ctx[2]);
	active_ms = s->active_ms -= 1000;
	asks_open(2, "ana.t1", NULL, 0);
	assert_int_equal(s->active_ms, active_ms);
	assert_int_equal(asks(2, "ana.t1", UNIT), GATE_ALLOW);
	assert_true(s->active_ms > active_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_nurse_reads_back_her_unit_and_no_other),
		TEST(a_filter_that_is_not_granted_is_refused_whole),
		TEST(one_message_by_its_id_only_if_it_is_theirs),
		TEST(what_nobody_may_subscribe_to_is_not_had_by_its_id),
		TEST(who_lost_the_right_meanwhile_is_shown_nothing),
		TEST(nobody_else_gets_the_answer),
		TEST(the_answer_comes_where_it_is_wanted_but_not_anywhere),
		TEST(an_answer_may_be_subscribed_to_and_hears_nothing_else),
		TEST(what_is_no_request_is_told_so),
		TEST(one_connection_has_few_requests_waiting),
		TEST(nothing_is_kept_of_what_is_refused_or_has_no_class),
		TEST(it_outlives_the_broker),
		TEST(what_should_have_come_is_named),
		TEST(what_had_not_come_is_sent_once_more),
		TEST(what_is_open_is_not_told_whatever_is_asked),
		TEST(those_who_ask_what_is_open_do_not_keep_others_waiting),
		TEST(asking_what_is_open_leaves_the_person_what_they_may_say),
		TEST(asking_what_is_open_is_no_sign_of_somebody),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
