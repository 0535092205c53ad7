/* What is changed in the directory from outside: who did it, what it was before and after, and when; and a directory that is
 * another than before. */
#include "guarded.h"
#include "recorded.h"
#include "until.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER

static struct directory *open_folder(const char *by)
{
	struct directory *d = NULL;
	uint8_t root[32];

	assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
	assert_int_equal(directory_open(in_dir("directory.mdb"), root, false, &d), OK);
	directory_by(d, span_str(by));
	return d;
}

static void change(struct directory *d, const char *id, const char *role)
{
	struct span roles[1] = { span_str(role) };
	const struct account a = { .subject = { .party = USER, .tenant = SPAN_LIT("mercy"), .id = span_str(id), .role = roles,
						.roles = 1 } };

	assert_int_equal(directory_save(d, &a, false), OK);
}

static void tick_until_marked(void)
{
	uint64_t line = 0;

	guard_tick(g);
	assert_true(UNTIL(directory_recorded(g->directory, &line) == OK && line == g->journal, g->second = 0, guard_tick(g)));
	assert_true(UNTIL(control_idle(g->control)));
}

/* The last entry about the directory, of a guard that is closed then. */
static struct recorded last_on_record(const char *detail)
{
	guard_close(&g);
	return recorded(RECORDED(DIRECTORY), detail);
}

static void a_change_through_the_folder_has_who_what_and_when(void **state)
{
	struct directory *d;
	struct recorded r;
	int64_t before;

	(void)state;
	tick_until_marked();
	guard_close(&g);
	d = open_folder("os:opa as os:root");
	before = guard_real_us();
	change(d, "ana", "physician");
	directory_close(&d);
	before = (before + guard_real_us()) / 2;
	guard_start();
	tick_until_marked();
	r = last_on_record("the account was changed");
	assert_string_equal(r.actor, "ana");
	assert_string_equal(r.by, "os:opa as os:root");
	assert_string_equal(r.detail, "the account was changed");
	assert_non_null(strstr(r.change, "-role nurse\n+role physician"));
	assert_true(r.at_us < guard_real_us() && llabs(r.at_us - before) < 3600 * INT64_C(1000000));
	guard_start();
}

static void what_nobody_put_a_name_to_says_so(void **state)
{
	(void)state;
	tick_until_marked();
	change(g->directory, "ana", "physician");
	tick_until_marked();
	assert_string_equal(last_on_record("the account was changed").detail, "the account was changed, by whom is not known");
	guard_start();
}

static void copy(const char *from, const char *to)
{
	char command[256], a[128];

	snprintf(a, sizeof(a), "%s", in_dir(from));
	snprintf(command, sizeof(command), "cp %s %s", a, in_dir(to));
	assert_int_equal(system(command), 0);
}

static const char put_in_place[] = "the directory is an older one, or another, put in its place";

static void an_older_directory_put_in_place_is_told(void **state)
{
	struct recorded r;

	(void)state;
	tick_until_marked();
	guard_close(&g);
	copy("directory.mdb", "aside.mdb");
	guard_start();
	change(g->directory, "ana", "physician");
	tick_until_marked();
	assert_int_equal(last_on_record(put_in_place).entries, 0);
	copy("aside.mdb", "directory.mdb");
	guard_start();
	tick_until_marked();
	r = last_on_record(put_in_place);
	assert_int_equal(r.entries, 1);
	assert_non_null(strstr(r.detail, "by whom is not known"));
	guard_start();
	tick_until_marked();
	change(g->directory, "ana", "physician");       /* known by now */
	tick_until_marked();
	assert_int_equal(last_on_record(put_in_place).entries, 1);
	guard_start();
}

/* As far along as the one before, and yet another. */
static void another_directory_put_in_place_is_told(void **state)
{
	(void)state;
	tick_until_marked();
	guard_close(&g);
	copy("directory.mdb", "aside.mdb");
	guard_start();
	change(g->directory, "ana", "physician");
	tick_until_marked();
	guard_close(&g);
	copy("directory.mdb", "other.mdb");
	copy("aside.mdb", "directory.mdb");
	guard_start();
	change(g->directory, "bea", "physician");
	tick_until_marked();
	guard_close(&g);
	copy("other.mdb", "directory.mdb");
	guard_start();
	tick_until_marked();
	assert_int_equal(last_on_record(put_in_place).entries, 2);
	guard_start();
}

/* Both between two looks: what is connected came with a certificate of the one that was removed. */
static void a_device_that_comes_back_between_two_looks_has_lost_its_connection(void **state)
{
	(void)state;
	guard_tick(g);
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	guard_tick(g);
	save(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-1", "nursecall-device", "icu3", NULL);
	guard_tick(g);
	assert_int_equal(asked.kicks, 0);
	assert_int_equal(directory_remove(g->directory, PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT("nc-1")), OK);
	save(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-1", "nursecall-device", "icu3", NULL);
	guard_tick(g);
	assert_true(asked.kicks == 1 && strcmp(asked.kicked[0], "nc-1") == 0);
	assert_int_equal(device_login(1, "mercy", "nc-1", "nc-1", NULL), GATE_DENY);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(LOGIN), "of a device of this name that was removed").entries, 1);
	guard_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_change_through_the_folder_has_who_what_and_when, install, uninstall),
		cmocka_unit_test_setup_teardown(what_nobody_put_a_name_to_says_so, install, uninstall),
		cmocka_unit_test_setup_teardown(an_older_directory_put_in_place_is_told, install, uninstall),
		cmocka_unit_test_setup_teardown(a_device_that_comes_back_between_two_looks_has_lost_its_connection, install, uninstall),
		cmocka_unit_test_setup_teardown(another_directory_put_in_place_is_told, install, uninstall),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
