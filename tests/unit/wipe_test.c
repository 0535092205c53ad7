/* wipe: killed anywhere, again and again, it comes to its end, and never says more than is so. */
#include "pipelined.h"

#include <signal.h>
#include <sys/wait.h>

#include "ordered.h"
#include "seed.h"
#include "wipe.h"

static void ignore(void *ctx) { (void)ctx; }

static const struct shred_watch watch = { ignore, NULL };
static char left[WIPE_TEXT_MAX];

static void put_file(const char *path, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	while (n--)
		fputc('s', f);
	fclose(f);
}

static bool is_there(const char *path) { return access(path, F_OK) == 0; }

/* A wipe was ordered, and nothing is done yet. */
static void order_it(void)
{
	const uint8_t nonce[WARRANT_NONCE] = { 0 };
	const struct order o = { .kind = KIND(WIPE), .counter = 1, .hash = { 7 } };
	struct standing s = { 0 };
	uint8_t bytes[STANDING_BYTES_MAX];
	struct put out = put(bytes, sizeof(bytes));
	FILE *file;

	standing_obey(&s, &o, nonce, real);
	assert_int_equal(standing_write(&s, &out), OK);
	file = fopen(standing_path, "w");
	fwrite(bytes, 1, out.n, file);
	fclose(file);
	put_file(conf.gateway_root_key, 65);
	put_file(conf.gateway_outbox, 1 << 20);
}

static int make_ordered(void **state)
{
	if (make(state))
		return -1;
	pipeline_close(&g);
	make_device();
	name_file(conf.gateway_root_key, "outbox.key");
	name_file(conf.witness_folder, "witness");
	assert_int_equal(mkdir(conf.orders_folder, 0700), 0);
	order_it();
	return 0;
}

static int drop_ordered(void **state)
{
	orders_close(&orders);
	return drop(state);
}

static void store_receipt_silence(void **state)
{
	(void)state;
	assert_int_equal(open_orders(), OK);
	assert_int_equal(wipe_store(orders, &conf, &watch, 0, real), OK);
	assert_false(is_there(conf.gateway_root_key) || is_there(conf.gateway_outbox));
	assert_true(is_there(conf.uplink_keyfile));
	assert_int_equal(on_disk().wipe, WIPE_TOLD);
	assert_int_equal(on_disk().last.outcome, OUTCOME(DONE));
	assert_int_equal(wipe_silence(orders, &conf, &watch, left), OK);
	assert_string_equal(left, "");
	assert_false(is_there(conf.uplink_keyfile));
	assert_int_equal(orders_wiped(&conf), WIPE_SILENT);
	assert_int_equal(wipe_silence(orders, &conf, &watch, left), OK);       /* at each later start */
}

/* A clock that lost its time with the power. */
static void the_receipt_is_not_older_than_the_order(void **state)
{
	(void)state;
	assert_int_equal(open_orders(), OK);
	assert_int_equal(wipe_store(orders, &conf, &watch, 0, 1000000), OK);
	assert_int_equal(on_disk().last.at_us, real);
}

static void what_is_left_is_said(void **state)
{
	(void)state;
	strcpy(conf.gateway_root_key, "credential:outbox.key");
	assert_int_equal(open_orders(), OK);
	assert_int_equal(wipe_store(orders, &conf, &watch, 3, real), OK);
	assert_int_equal(on_disk().last.outcome, OUTCOME(FAILED));
	assert_non_null(strstr(on_disk().last.text, "credential:outbox.key"));
	assert_non_null(strstr(on_disk().last.text, "; 3 messages that no broker had"));
}

/* It is tried again after the next start, and then the receipt says so; not before, and not without. */
static void what_failed_is_tried_again(void **state)
{
	(void)state;
	assert_int_equal(unlink(conf.gateway_outbox), 0);
	assert_int_equal(mkdir(conf.gateway_outbox, 0700), 0);         /* not to be overwritten */
	assert_int_equal(open_orders(), OK);
	assert_int_equal(wipe_store(orders, &conf, &watch, 0, real), OK);
	assert_int_equal(on_disk().last.outcome, OUTCOME(FAILED));
	assert_true(is_there(conf.gateway_outbox));
	orders_close(&orders);
	assert_int_equal(open_orders(), OK);
	assert_int_equal(wipe_store(orders, &conf, &watch, 0, real + 1), OK);
	assert_int_equal(on_disk().last.outcome, OUTCOME(FAILED));
	assert_int_equal(on_disk().last.at_us, real);
	assert_int_equal(rmdir(conf.gateway_outbox), 0);
	put_file(conf.gateway_outbox, 1000);
	orders_close(&orders);
	assert_int_equal(open_orders(), OK);
	assert_int_equal(wipe_store(orders, &conf, &watch, 0, real + 2), OK);
	assert_false(is_there(conf.gateway_outbox));
	assert_int_equal(on_disk().wipe, WIPE_TOLD);
	assert_int_equal(on_disk().last.outcome, OUTCOME(DONE));
	assert_int_equal(on_disk().last.at_us, real + 2);
	assert_true(on_disk().last.sig_n > 0);
	assert_non_null(strstr(on_disk().last.text, conf.gateway_outbox));
}

/* One life of it, as short as the parent lets it be. */
static void live(void)
{
	bool good = open_orders() == OK && wipe_store(orders, &conf, &watch, 0, real) == OK &&
		wipe_silence(orders, &conf, &watch, left) == OK;

	_exit(good ? 0 : 1);
}

static void check(void)
{
	enum standing_wipe stage = on_disk().wipe;      /* whole, whenever it was killed */

	if (stage >= WIPE_TOLD)
		assert_false(is_there(conf.gateway_root_key) || is_there(conf.gateway_outbox));
	if (stage < WIPE_SILENT)
		assert_true(is_there(conf.uplink_keyfile));
}

/* Without its key it could not bring the receipt; with a key of the store left the receipt would be a lie. */
static void it_is_killed_anywhere_and_comes_to_its_end(void **state)
{
	static char device_key[4096];
	FILE *f = fopen(conf.uplink_keyfile, "r");
	size_t n = fread(device_key, 1, sizeof(device_key), f);
	unsigned kills = 0;

	(void)state;
	fclose(f);
	for (int round = 0; round < 3; round++) {
		int status = -1;

		for (unsigned most_us = 2000; status != 0; most_us += most_us / 2) {
			pid_t pid = fork();

			if (pid == 0)
				live();
			usleep((unsigned)seed_below(most_us));
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			kills += WIFSIGNALED(status);
			assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
			check();
		}
		assert_int_equal(on_disk().wipe, WIPE_SILENT);
		assert_false(is_there(conf.uplink_keyfile));
		f = fopen(conf.uplink_keyfile, "w");
		fwrite(device_key, 1, n, f);
		fclose(f);
		order_it();
	}
	assert_true(kills > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(store_receipt_silence, make_ordered, drop_ordered),
		cmocka_unit_test_setup_teardown(the_receipt_is_not_older_than_the_order, make_ordered, drop_ordered),
		cmocka_unit_test_setup_teardown(what_is_left_is_said, make_ordered, drop_ordered),
		cmocka_unit_test_setup_teardown(what_failed_is_tried_again, make_ordered, drop_ordered),
		cmocka_unit_test_setup_teardown(it_is_killed_anywhere_and_comes_to_its_end, make_ordered, drop_ordered),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
