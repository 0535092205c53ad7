#include "guarded.h"

#include "retained.h"

static void presence_that_was_retained_may_be_shown(void **state)
{
	struct client source = client_at(6, "ana.t1", "ana");
	struct publish empty = { .retain = true };

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(guard_publish(g, &source, "mercy/user/ana/presence", &empty), GATE_ALLOW);
	assert_int_equal(guard_publish(g, &source, "mercy/user/bea/presence", &empty), GATE_DENY);
}

static enum gate retains_presence(int at, const char *client, const char *user)
{
	uint8_t about[ID_BYTES] = { 1 };
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));
	struct id_maker maker;
	int64_t now = guard_real_us();
	Pullcord__V1__Receipt r = PULLCORD__V1__RECEIPT__INIT;
	struct envelope_from from = { "mercy", user, PULLCORD__V1__PARTY__PARTY_USER, { { 0 } }, now, 0, 0 };
	char topic[64];

	snprintf(topic, sizeof(topic), "mercy/user/%s/presence", user);
	id_init(&maker, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_USER, span_str(user), 1);
	from.id = id_next(&maker, now / 1000);
	r.message = (ProtobufCBinaryData){ ID_BYTES, about };
	assert_int_equal(envelope_write(&from, &r.base, &b), OK);
	m.n = b.n;
	return publishes(at, client, topic, &m, true);
}

/* Of a suspended account what it retained is cleared, of one that retained nothing, nothing is sent. */
static void what_was_retained_goes_with_the_right_to_it(void **state)
{
	struct client source = client_at(6, "ana.t1", "ana");
	struct publish empty = { .retain = true };

	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "er1", "correct horse");
	person_login(0, "ana", "ana.t1", "correct horse");
	person_login(1, "bea", "bea.t1", "battery staple");
	assert_int_equal(retains_presence(0, "ana.t1", "ana"), GATE_ALLOW);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "icu3", "correct horse");
	save(PULLCORD__V1__PARTY__PARTY_USER, "bea", "", "med4", "battery staple");
	guard_tick(g);
	assert_int_equal(times_published("mercy/user/ana/presence", ""), 0);   /* she still may */
	assert_int_equal(times_published("mercy/user/bea/presence", ""), 0);   /* there was nothing */
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "", "icu3", "correct horse");
	guard_tick(g);
	assert_int_equal(times_published("mercy/user/ana/presence", ""), 1);
	assert_int_equal(guard_publish(g, &source, "mercy/user/ana/presence", &empty), GATE_DENY);
	guard_tick(g);
	assert_int_equal(times_published("mercy/user/ana/presence", ""), 2);   /* it was asked for */
}

static void sweep(void)
{
	g->swept_us -= RETAINED_SWEEP_US;
	guard_tick(g);
}

/* Over a restart, and whatever it was that took the right. */
static void what_those_long_gone_retained_is_cleared_by_the_sweep(void **state)
{
	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	person_login(1, "bea", "bea.t1", "battery staple");
	assert_int_equal(retains_presence(0, "ana.t1", "ana"), GATE_ALLOW);
	assert_int_equal(retains_presence(1, "bea.t1", "bea"), GATE_ALLOW);
	assert_int_equal(publishes(1, "bea.t1", "mercy/user/bea/presence", &(struct message){ .n = 0 }, true), GATE_ALLOW);
	guard_close(&g);
	guard_start();
	sweep();
	assert_int_equal(times_published("mercy/user/ana/presence", ""), 0);
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  allow subscribe mercy/unit/{unit}/alert/+/+\n");
	reload();
	sweep();
	assert_int_equal(times_published("mercy/user/ana/presence", ""), 1);
	assert_int_equal(times_published("mercy/user/bea/presence", ""), 0);   /* she had cleared it */
	guard_close(&g);
	guard_start();
	sweep();
	assert_int_equal(times_published("mercy/user/ana/presence", ""), 1);
}

/* Time that passed before the start, or while the machine slept, is not made up for in one tick. */
static void a_sweep_takes_no_longer_than_it_may_in_one_tick(void **state)
{
	int64_t from;

	(void)state;
	assert_true(guard_mono_us() - g->swept_us < RETAINED_SWEEP_US / 5);
	from = g->swept_us -= RETAINED_SWEEP_US;
	guard_tick(g);
	assert_true(g->swept_us - from <= RETAINED_AT_ONCE * RETAINED_EACH_US + 10000000);
}

/* An account that is gone does not say any more of which tenant it was; who comes by a network's role keeps it when away. */
static void what_was_retained_is_judged_by_where_it_came_from(void **state)
{
	(void)state;
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  from 127.0.0.0/8\n  allow both mercy/user/{user}/presence\n");
	reload();
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(retains_presence(0, "ana.t1", "ana"), GATE_ALLOW);
	guard_close(&g);
	guard_start();
	sweep();
	assert_int_equal(times_published("mercy/user/ana/presence", ""), 0);
	assert_int_equal(directory_remove(g->directory, PULLCORD__V1__PARTY__PARTY_USER, SPAN_LIT("ana")), OK);
	sweep();
	assert_int_equal(times_published("mercy/user/ana/presence", ""), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(presence_that_was_retained_may_be_shown),
		TEST(what_was_retained_goes_with_the_right_to_it),
		TEST(what_those_long_gone_retained_is_cleared_by_the_sweep),
		TEST(a_sweep_takes_no_longer_than_it_may_in_one_tick),
		TEST(what_was_retained_is_judged_by_where_it_came_from),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
