/* shred: what a wipe destroys, and what it says it could not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "shred.h"

static struct scratch scratch;
static struct conf conf;
static char text[1000];

static unsigned alive;

static void count(void *ctx)
{
	(void)ctx;
	alive++;
}

static const struct shred_watch watch = { count, NULL };

static const char *in(const char *name) { return scratch_path(&scratch, name); }

static void put_file(const char *name, const char *content)
{
	FILE *f = fopen(in(name), "w");

	assert_non_null(f);
	fputs(content, f);
	fclose(f);
}

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(in(name), &st) == 0;
}

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	conf_init(&conf);
	snprintf(conf.gateway_root_key, CONF_TEXT, "%s", in("outbox.key"));
	snprintf(conf.gateway_outbox, CONF_TEXT, "%s", in("outbox.mdb"));
	snprintf(conf.witness_folder, CONF_TEXT, "%s", in("witness"));
	snprintf(conf.uplink_keyfile, CONF_TEXT, "%s", in("device.key"));
	snprintf(conf.uplink_certfile, CONF_TEXT, "%s", in("device.crt"));
	assert_int_equal(mkdir(conf.witness_folder, 0700), 0);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

/* Whoever has it open, or a second name of it, finds nothing there. */
static void what_is_shredded_is_overwritten(void **state)
{
	char got[8] = "";
	int fd;

	(void)state;
	put_file("a", "secret!");
	fd = open(in("a"), O_RDONLY);
	assert_int_equal(shred_file(in("a"), &watch), OK);
	assert_false(is_there("a"));
	assert_int_equal(read(fd, got, 7), 7);
	assert_memory_equal(got, "\0\0\0\0\0\0\0", 7);
	close(fd);
	assert_int_equal(shred_file(in("a"), &watch), OK);   /* once more does no harm */
}

static void a_slow_disk_is_no_standstill(void **state)
{
	(void)state;
	put_file("a", "");
	assert_int_equal(truncate(in("a"), 9 << 20), 0);
	alive = 0;
	assert_int_equal(shred_file(in("a"), &watch), OK);
	assert_int_equal(alive, 3);
}

/* The outbox's name is one, and no pattern. */
static void what_only_looks_alike_stays(void **state)
{
	(void)state;
	snprintf(conf.gateway_outbox, CONF_TEXT, "%s", in("o[ab]x"));
	put_file("o[ab]x.unread-1", "sealed");
	put_file("oax.unread-1", "another's");
	assert_false(shred_store(&conf, &watch, text, sizeof(text)));   /* there is no key of the device */
	assert_false(is_there("o[ab]x.unread-1"));
	assert_true(is_there("oax.unread-1"));
}

static void a_link_takes_what_it_leads_to_along(void **state)
{
	char key[400];

	(void)state;
	put_file("key", "secret!");
	snprintf(key, sizeof(key), "%s", in("key"));
	assert_int_equal(symlink(key, in("link")), 0);
	assert_int_equal(shred_file(in("link"), &watch), OK);
	assert_false(is_there("key"));
	assert_false(is_there("link"));
	assert_int_equal(symlink("/nowhere/at/all", in("link")), 0);
	assert_int_equal(shred_file(in("link"), &watch), OK);
	assert_false(is_there("link"));
}

static void the_store_goes_and_the_identity_stays_till_last(void **state)
{
	static const char *const goes[] = {
		"outbox.key", "outbox.mdb", "outbox.mdb-lock", "outbox.mdb.unread-17", "outbox.mdb.unread-17-lock", "witness/key",
	}, *const stays[] = { "device.key", "device.crt", "outbox.mdb2", "witness/vkey" };

	(void)state;
	for (size_t i = 0; i < countof(goes); i++)
		put_file(goes[i], "secret!");
	for (size_t i = 0; i < countof(stays); i++)
		put_file(stays[i], "secret!");
	assert_true(shred_store(&conf, &watch, text, sizeof(text)));
	assert_string_equal(text, "");
	for (size_t i = 0; i < countof(goes); i++)
		assert_false(is_there(goes[i]));
	for (size_t i = 0; i < countof(stays); i++)
		assert_true(is_there(stays[i]));
	assert_true(shred_store(&conf, &watch, text, sizeof(text)));   /* killed in the middle, done again */
	put_file("device.key.new", "secret!");
	put_file("device.key.old", "secret!");
	assert_true(shred_identity(&conf, &watch, text, sizeof(text)));
	assert_false(is_there("device.key") || is_there("device.key.new") || is_there("device.key.old"));
	assert_true(is_there("device.crt"));
}

static void what_could_not_be_destroyed_is_named(void **state)
{
	(void)state;
	put_file("device.key", "secret!");
	put_file("outbox.key", "secret!");
	assert_int_equal(mkdir(conf.gateway_outbox, 0700), 0);   /* not a file that can be overwritten */
	assert_false(shred_store(&conf, &watch, text, sizeof(text)));
	assert_non_null(strstr(text, conf.gateway_outbox));
	assert_null(strstr(text, "outbox.key"));
	assert_false(is_there("outbox.key"));
	rmdir(conf.gateway_outbox);
	strcpy(conf.gateway_root_key, "credential:outbox.key");
	put_file("outbox.mdb", "sealed");
	assert_false(shred_store(&conf, &watch, text, sizeof(text)));
	assert_non_null(strstr(text, "credential:outbox.key"));
	assert_false(is_there("outbox.mdb"));
	strcpy(conf.gateway_root_key, "none.key");
	strcpy(conf.uplink_keyfile, "/proc/no/key");    /* where nothing can be destroyed */
	assert_false(shred_store(&conf, &watch, text, sizeof(text)));
	assert_string_equal(text, "/proc/no/key: it cannot be written");
}

/* As on a disk that fails. */
static void files_can_be_written(bool can)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = can ? l.rlim_max : 0;
	signal(SIGXFSZ, can ? SIG_DFL : SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* Or a second try would take it for destroyed. */
static void what_cannot_be_overwritten_stays_till_the_last(void **state)
{
	(void)state;
	put_file("device.key", "secret!");
	put_file("outbox.key", "secret!");
	files_can_be_written(false);
	for (int i = 0; i < 2; i++) {
		assert_false(shred_store(&conf, &watch, text, sizeof(text)));
		assert_non_null(strstr(text, "outbox.key"));
	}
	files_can_be_written(true);
	assert_true(shred_store(&conf, &watch, text, sizeof(text)));
	assert_false(is_there("outbox.key"));
	put_file("outbox.key", "secret!");
	files_can_be_written(false);
	assert_false(shred_identity(&conf, &watch, text, sizeof(text)));
	files_can_be_written(true);
	assert_non_null(strstr(text, "outbox.key"));
	assert_non_null(strstr(text, "device.key"));
	assert_false(is_there("outbox.key") || is_there("device.key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_shredded_is_overwritten, make, drop),
		cmocka_unit_test_setup_teardown(a_slow_disk_is_no_standstill, make, drop),
		cmocka_unit_test_setup_teardown(what_only_looks_alike_stays, make, drop),
		cmocka_unit_test_setup_teardown(a_link_takes_what_it_leads_to_along, make, drop),
		cmocka_unit_test_setup_teardown(the_store_goes_and_the_identity_stays_till_last, make, drop),
		cmocka_unit_test_setup_teardown(what_could_not_be_destroyed_is_named, make, drop),
		cmocka_unit_test_setup_teardown(what_cannot_be_overwritten_stays_till_the_last, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
