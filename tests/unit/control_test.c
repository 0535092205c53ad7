/* control: the policy's file, read again or at a start, among those that were in force. */
#include "recorded.h"

#include "damaged_edition.h"
#include "edition.h"

/* An old file that lies there again is a mistake, or somebody's way round those who set policies. */
static void an_older_text_is_not_taken_from_the_file(void **state)
{
	static const char first[] = "tenant mercy\nrole administrator\n  allow control policy.*\n",
			  second[] = "tenant mercy\nrole administrator\n  allow control *\n";
	uint8_t in_force[16];

	(void)state;
	write_file("pullcord.policy", first);
	reload();
	write_file("pullcord.policy", second);
	reload();
	memcpy(in_force, policy_version(g->policy), sizeof(in_force));
	write_file("pullcord.policy", first);
	reload();
	assert_memory_equal(policy_version(g->policy), in_force, sizeof(in_force));
	write_file("pullcord.policy", "tenant mercy\nrole administrator\n  allow control policy.*  # again, for the audit's sake\n");
	reload();
	assert_memory_not_equal(policy_version(g->policy), in_force, sizeof(in_force));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(POLICY), "an older text, not loaded; the newest stays in force").entries, 1);
	guard_start();
}

#define DENYING "tenant mercy\nrole nurse\n  deny both mercy/#\n"

static void an_older_policy_is_not_in_force_at_a_start_either(void **state)
{
	char topic[TOPIC_BYTES_MAX + 1];
	uint8_t before[16], newest[16];

	(void)state;
	assert_int_equal(TOPIC_BUILD(topic, TOPIC_ALERT, "mercy", "operators", "medium", GUARD_SENDER), OK);
	memcpy(before, policy_version(g->policy), 16);
	write_file("pullcord.policy", DENYING);
	reload();
	memcpy(newest, policy_version(g->policy), 16);
	assert_memory_not_equal(newest, before, 16);
	UNTIL(control_idle(g->control));
	write_file("pullcord.policy", policy_text);
	guard_close(&g);
	guard_start();
	assert_memory_equal(policy_version(g->policy), newest, 16);
	assert_true(UNTIL((guard_tick(g), times_published(topic, "") == 1)));
	UNTIL(control_idle(g->control));
	guard_close(&g);
	guard_start();                  /* it did not become an edition of its own meanwhile */
	assert_memory_equal(policy_version(g->policy), newest, 16);
	assert_true(UNTIL((guard_tick(g), times_published(topic, "") == 2)));
	UNTIL(control_idle(g->control));
	write_file("pullcord.policy", DENYING);
	guard_close(&g);
	guard_start();
	assert_memory_equal(policy_version(g->policy), newest, 16);
	guard_tick(g);
	assert_int_equal(times_published(topic, ""), 2);
}

/* Nobody is let in under a policy that is not the one in force. */
static void where_the_newest_text_was_not_kept_an_older_one_keeps_the_broker_from_starting(void **state)
{
	struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4, .past = past_keep_default(),
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };
	static char huge[EDITION_TEXT_MAX + 128];
	char what[1024];

	(void)state;
	strcpy(huge, DENYING "#");
	memset(huge + strlen(huge), 'x', EDITION_TEXT_MAX);
	write_file("pullcord.policy", huge);
	reload();
	UNTIL(control_idle(g->control));
	write_file("pullcord.policy", policy_text);
	guard_close(&g);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), ERR_DENIED);
	assert_non_null(strstr(what, "pullcord policy rollback 1 --dir"));
	assert_non_null(strstr(what, "of version 2, which was in force, no text was kept"));
	write_file("pullcord.policy", huge);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
}

/* Of the guard that is closed then. */
static void damage(uint64_t number)
{
	struct directory *d = NULL;
	uint8_t root[32];

	assert_true(UNTIL(control_idle(g->control)));
	guard_close(&g);
	assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
	assert_int_equal(directory_open(in_dir("directory.mdb"), root, false, &d), OK);
	damage_edition(in_dir("directory.mdb"), root, number, &d);
	directory_close(&d);
}

#define FIRST "tenant mercy\nrole administrator\n  allow control policy.*\n"
#define SECOND "tenant mercy\nrole administrator\n  allow control *\n"

/* It may be that text. An administrator, who says so themselves, puts it in force (deed_test). */
static void a_version_that_cannot_be_read_lets_no_file_in(void **state)
{
	uint8_t before[16], first[16];

	(void)state;
	write_file("pullcord.policy", FIRST);
	reload();
	memcpy(first, policy_version(g->policy), 16);
	write_file("pullcord.policy", SECOND);
	reload();
	memcpy(before, policy_version(g->policy), 16);
	damage(1);
	guard_start();                  /* what is in force needs no look at it */
	assert_memory_equal(policy_version(g->policy), before, 16);
	write_file("pullcord.policy", FIRST);
	reload();                       /* version 2, which can be read */
	assert_memory_equal(policy_version(g->policy), before, 16);
	write_file("pullcord.policy", DENYING);
	reload();
	assert_memory_equal(policy_version(g->policy), before, 16);
	assert_true(UNTIL(control_idle(g->control)));
	guard_close(&g);
	guard_start();
	assert_memory_equal(policy_version(g->policy), before, 16);
}

/* The file is that of the policy in force, as far as can be told: nobody is locked out for that. */
static void where_the_newest_cannot_be_read_the_file_is_in_force(void **state)
{
	uint8_t before[16];

	(void)state;
	write_file("pullcord.policy", FIRST);
	reload();
	memcpy(before, policy_version(g->policy), 16);
	damage(2);
	guard_start();
	assert_memory_equal(policy_version(g->policy), before, 16);
	assert_true(UNTIL(control_idle(g->control)));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(POLICY), "in force; version 2 cannot be read: it may have been this text").entries, 1);
	guard_start();                  /* it is kept, as version 3 */
	assert_true(UNTIL(control_idle(g->control)));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(POLICY), "in force; version 2 cannot be read: it may have been this text").entries, 1);
	guard_start();
}

/* An older text is none, then as ever. */
static void where_the_newest_cannot_be_read_an_older_text_keeps_the_broker_from_starting(void **state)
{
	struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4, .past = past_keep_default(),
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };
	char what[1024];

	(void)state;
	write_file("pullcord.policy", FIRST);
	reload();
	damage(2);
	write_file("pullcord.policy", policy_text);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), ERR_DENIED);
	assert_non_null(strstr(what, "it is the text of version 1"));
	assert_non_null(strstr(what, "of version 2, which was in force, no text was kept"));
	write_file("pullcord.policy", FIRST);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_older_text_is_not_taken_from_the_file),
		TEST(an_older_policy_is_not_in_force_at_a_start_either),
		TEST(where_the_newest_text_was_not_kept_an_older_one_keeps_the_broker_from_starting),
		TEST(a_version_that_cannot_be_read_lets_no_file_in),
		TEST(where_the_newest_cannot_be_read_the_file_is_in_force),
		TEST(where_the_newest_cannot_be_read_an_older_text_keeps_the_broker_from_starting),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}
