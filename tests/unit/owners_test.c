#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypt.h"
#include "owners.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE

static char dir[64], path[80];
static const uint8_t root[32] = { 7 };
static struct directory *d;
static struct owners *o;

static void begin(void)
{
	assert_int_equal(directory_open(path, root, false, &d), OK);
	assert_int_equal(owners_open(d, &o), OK);
}

static void end(void)
{
	owners_close(&o);
	directory_close(&d);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(crypt_init(), OK);
	snprintf(dir, sizeof(dir), "/tmp/owners.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/d.mdb", dir);
	begin();
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	end();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void a_client_id_stays_whose_it_is(void **state)
{
	(void)state;
	assert_int_equal(owners_bind(o, "ana.t1", USER, "ana"), OK);
	assert_int_equal(owners_bind(o, "ana.t1", USER, "ana"), OK);
	assert_int_equal(owners_bind(o, "ana.t1", USER, "bea"), ERR_EXISTS);
	assert_int_equal(owners_bind(o, "ana.t1", DEVICE, "ana"), ERR_EXISTS);
	end();
	begin();
	assert_string_equal(owners_find(o, "ana.t1")->id, "ana");
	assert_null(owners_find(o, "ana.t2"));
}

/* In memory as on disk: names of terminals are for whoever logs in to choose. */
static void a_person_has_no_more_client_ids_than_anybody_may(void **state)
{
	char client[32];

	(void)state;
	for (int i = 0; i < DIRECTORY_CLIENTS_MAX; i++) {
		snprintf(client, sizeof(client), "ana.%d", i);
		assert_int_equal(owners_bind(o, client, USER, "ana"), OK);
	}
	assert_int_equal(owners_bind(o, "ana.more", USER, "ana"), ERR_FULL);
	assert_null(owners_find(o, "ana.more"));
	assert_int_equal(owners_bind(o, "ana.0", USER, "ana"), OK);
	assert_int_equal(owners_bind(o, "bea.t1", USER, "bea"), OK);
	assert_int_equal(owners_bind(o, "nc-1", DEVICE, "nc-1"), OK);
	end();
	begin();
	assert_int_equal(owners_trouble(o), OK);
	assert_int_equal(owners_bind(o, "ana.more", USER, "ana"), ERR_FULL);
	assert_int_equal(owners_bind(o, "bea.t2", USER, "bea"), OK);
}

static void who_retained_something_comes_up_in_turn(void **state)
{
	(void)state;
	assert_int_equal(owners_bind(o, "ana.t1", USER, "ana"), OK);
	assert_int_equal(owners_bind(o, "bea.t1", USER, "bea"), OK);
	assert_int_equal(owners_bind(o, "nc-1", DEVICE, "nc-1"), OK);
	assert_null(owners_next_retaining(o));
	owners_retain(o, "ana.t1", "mercy", "10.0.0.1");
	owners_retain(o, "nc-1", "mercy", "");
	owners_retain(o, "who", "mercy", "");
	assert_null(owners_device_retaining(o, SPAN_LIT("ana.t1")));
	assert_string_equal(owners_device_retaining(o, SPAN_LIT("nc-1")), "nc-1");
	end();
	begin();
	assert_int_equal(owners_retaining(o), 2);
	assert_string_equal(owners_next_retaining(o), "ana.t1");
	assert_string_equal(owners_next_retaining(o), "nc-1");
	assert_string_equal(owners_next_retaining(o), "ana.t1");
	assert_string_equal(owners_find(o, "ana.t1")->retained_from, "10.0.0.1");
	owners_retain(o, "ana.t1", NULL, NULL);
	owners_retain(o, "bea.t1", NULL, NULL);
	assert_int_equal(owners_retaining(o), 1);
	assert_string_equal(owners_next_retaining(o), "nc-1");
	assert_string_equal(owners_next_retaining(o), "nc-1");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_id_stays_whose_it_is),
		TEST(a_person_has_no_more_client_ids_than_anybody_may),
		TEST(who_retained_something_comes_up_in_turn),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
