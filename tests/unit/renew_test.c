/* A record that was cut, set back or damaged is put aside, and the next one quotes what was signed last. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cmd.h"
#include "install.h"
#include "reader.h"
#include "recording.h"
#include "renew.h"
#include "scratch.h"
#include "seed.h"
#include "sizes.h"
#include "successor.h"
#include "until.h"
#include "vault.h"

#define MORTAL_NAMES
#define MORTAL_FLUSHES
#include "mortal.h"

static struct scratch scratch;

static int up(void **state)
{
	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	return 0;
}

static int down(void **state)
{
	char aside[512];

	(void)state;
	snprintf(aside, sizeof(aside), "rm -rf '%s/keys'", scratch.dir);
	must(system(aside) == 0);
	scratch_remove(&scratch);
	return 0;
}

static void an_origin_is_counted_on(void **state)
{
	static const struct { const char *old, *new; unsigned number; } row[] = {
		{ "mercy/audit/main", "mercy/audit/main/2", 1 }, { "mercy/audit/main/2", "mercy/audit/main/3", 2 },
		{ "mercy/audit/main/99", "mercy/audit/main/100", 99 }, { "mercy/audit/main/02", "mercy/audit/main/02/2", 1 },
		{ "7", "7/2", 1 }, { "mercy/", "mercy//2", 1 }, { "mercy/x2", "mercy/x2/2", 1 },
	};
	char out[ORIGIN_BYTES_MAX + 1], tight[12];
	unsigned number;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(successor_origin(span_str(row[i].old), out, sizeof(out), &number), OK);
		assert_string_equal(out, row[i].new);
		assert_int_equal(number, row[i].number);
	}
	assert_int_equal(successor_origin(SPAN_LIT("mercy/audit/main"), tight, sizeof(tight), &number), ERR_TOO_LARGE);
}

static struct install_path in(const char *name)
{
	struct install at = { 0 };

	snprintf(at.dir, sizeof(at.dir), "%s", scratch.dir);
	return install_path(&at, name);
}

static void make_installation(uint8_t root[32], uint8_t seed[32], uint8_t pub[32])
{
	char vkey[400];

	assert_int_equal(mkdir(in("keys").text, 0700), 0);
	assert_int_equal(vault_make_root(in("keys/root.key").text), OK);
	assert_int_equal(vault_make_root(in("keys/record.seed").text), OK);
	assert_int_equal(vault_root(in("keys/root.key").text, root), OK);
	assert_int_equal(vault_root(in("keys/record.seed").text, seed), OK);
	assert_int_equal(sign_public(seed, pub), OK);
	assert_int_equal(vkey_write(SPAN_LIT("mercy/audit/main"), pub, vkey, sizeof(vkey)), OK);
	assert_int_equal(install_write(in("record.vkey").text, span_str(vkey), 0644), OK);
	assert_int_equal(install_write(in("mosquitto.conf").text, SPAN_LIT("plugin_opt_tenant mercy\n"), 0644), OK);
}

static int run_renew(const char *reason)
{
	char verb[] = "renew", dir_opt[] = "--dir", dir[64], reason_opt[] = "--reason", why[64];
	char *argv[] = { verb, dir_opt, dir, reason_opt, why, NULL };

	snprintf(dir, sizeof(dir), "%s", scratch.dir);
	snprintf(why, sizeof(why), "%s", reason);
	return audit_renew(5, argv);
}

static void the_new_record_quotes_the_old_one(void **state)
{
	uint8_t root[32], seed[32], pub[32];
	struct install_path path, sizes;
	struct record *record = NULL;
	struct reader *reader = NULL;
	const Pullcord__V1__AuditEvent *event;
	struct checkpoint c;
	struct entry entry;
	struct record_spec spec;

	(void)state;
	make_installation(root, seed, pub);
	path = in("record.mdb");
	sizes = in("record.sizes");
	spec = (struct record_spec){
		.path = path.text, .sizes_path = sizes.text, .origin = "mercy/audit/main", .root = root, .sign_secret = seed,
		.map_bytes = 4 << 20, .ring_bytes = 1 << 16,
	};
	assert_int_equal(record_open(&spec, &record), OK);
	for (uint64_t i = 0; i < 50; i++) {
		struct happening h = publish(i);

		assert_true(record_push(record, &h));
	}
	assert_int_equal(run_renew("too early"), CMD_NO);       /* the broker runs */
	record_close(&record);
	assert_int_equal(unlink(path.text), 0);                 /* cut down to nothing */
	assert_int_equal(record_open(&spec, &record), ERR_CORRUPT);
	unlink(path.text);
	assert_int_equal(run_renew("the disk was lost"), CMD_DONE);
	assert_int_equal(reader_open(path.text, root, &reader), OK);
	assert_int_equal(reader_get(reader, 0, &entry, &event), OK);
	assert_true(span_is(entry.reason, "the disk was lost"));
	assert_int_equal(note_open(entry.before, SPAN_LIT("mercy/audit/main"), pub, &c), OK);
	assert_int_equal(c.size, 52);
	reader_close(&reader);
	assert_int_equal(access(in("record.sizes.1").text, F_OK), 0);
	assert_int_equal(access(in("record.vkey.1").text, F_OK), 0);
	assert_int_equal(record_open(&spec, &record), ERR_KEY);  /* nothing goes on under the old origin */
	spec.origin = "mercy/audit/main/2";
	assert_int_equal(record_open(&spec, &record), OK);
	record_close(&record);
	assert_int_equal(run_renew("once more"), CMD_DONE);
	assert_int_equal(access(in("record.mdb.2").text, F_OK), 0);
	spec.origin = "mercy/audit/main/3";
	assert_int_equal(record_open(&spec, &record), OK);
	record_close(&record);
}

/* ---- interrupted ---- */

static uint8_t root[32], seed[32], pub[32];

static struct record_spec spec_of(const char *path, const char *sizes, const char *line, const char *origin)
{
	return (struct record_spec){
		.path = path, .sizes_path = sizes, .origin = origin, .root = root, .sign_secret = seed, .map_bytes = 4 << 20,
		.ring_bytes = 1 << 16, .line_path = line, .line_depth = 4,
	};
}

/* What the broker's start says, under the key that lies there. */
static enum err start_broker(uint64_t events)
{
	struct install_path path = in("record.mdb"), sizes = in("record.sizes"), line = in(INSTALL_LINE);
	struct record *record = NULL;
	struct record_spec spec;
	struct span origin;
	char *vkey, name[ORIGIN_BYTES_MAX + 1];
	uint8_t key[32];
	size_t n;

	TRY(install_read(in("record.vkey").text, 1024, &vkey, &n));
	vkey[strcspn(vkey, "\n")] = '\0';
	must(vkey_read(span_str(vkey), &origin, key) == OK && span_text(origin, name, sizeof(name)));
	free(vkey);
	spec = spec_of(path.text, sizes.text, line.text, name);
	TRY(record_open(&spec, &record));
	assert_true(UNTIL(record_lined(record)));
	for (uint64_t i = 0; i < events; i++) {
		struct happening h = publish(i);

		must(record_push(record, &h));
	}
	record_close(&record);
	return OK;
}

static void read_genesis(const char *reason, uint64_t size)
{
	const Pullcord__V1__AuditEvent *event;
	struct reader *reader = NULL;
	struct checkpoint c;
	struct entry entry;

	assert_int_equal(reader_open(in("record.mdb").text, root, &reader), OK);
	assert_int_equal(reader_get(reader, 0, &entry, &event), OK);
	assert_true(span_is(reader_origin(reader), "mercy/audit/main/2"));
	if (reason)
		assert_true(span_is(entry.reason, reason));
	assert_int_equal(note_open(entry.before, SPAN_LIT("mercy/audit/main"), pub, &c), OK);
	assert_int_equal(c.size, size);
	reader_close(&reader);
}

static bool renew_dies_at(unsigned n)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		mortal_after((long)n - 1);
		_exit(run_renew("the first try"));
	}
	must(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status) == DIED;
}

/* What was signed last, by the file that says so. */
static uint64_t signed_size(const char *name)
{
	struct sizes *sizes = NULL;
	struct checkpoint c;

	assert_int_equal(sizes_open(in(name).text, SPAN_LIT("mercy/audit/main"), pub, true, &sizes), OK);
	assert_int_equal(sizes_newest(sizes, &c), OK);
	sizes_close(&sizes);
	return c.size;
}

/* A record, and its line, that is whole, or whose store was set back to what it was before. */
static void make_old(bool set_back)
{
	uint8_t *before;
	size_t n;

	scratch_make(&scratch);
	make_installation(root, seed, pub);
	assert_int_equal(start_broker(10), OK);
	before = slurp(in("record.mdb").text, &n);
	assert_int_equal(start_broker(39), OK);
	if (set_back)
		spill(in("record.mdb").text, before, n);
	free(before);
}

static void verify_line(void)
{
	struct install_path path = in("record.mdb"), sizes = in("record.sizes"), line = in(INSTALL_LINE);
	struct verify_report report;
	char key[400];

	assert_int_equal(vkey_write(SPAN_LIT("mercy/audit/main/2"), pub, key, sizeof(key)), OK);
	assert_int_equal(verify_record(&(struct verify_spec){ .path = path.text, .sizes_path = sizes.text, .vkey = span_str(key),
							      .root = root, .line_path = line.text }, &report), OK);
	assert_int_equal(report.line.ends, 1);          /* a line of its own, from its first epoch on */
}

static bool is_new(void)
{
	char *vkey;
	size_t n;
	bool is;

	must(install_read(in("record.vkey").text, 1024, &vkey, &n) == OK);
	is = strstr(vkey, "/main/2");
	free(vkey);
	return is;
}

/* Wherever it dies: no broker goes on with half of it, and the next run ends it. */
static bool dies_and_goes_on(bool set_back, unsigned n)
{
	uint64_t size;
	bool died, done;
	enum err e;

	make_old(set_back);
	size = signed_size("record.sizes");
	died = renew_dies_at(n);
	done = is_new();
	e = start_broker(0);
	if (done || (!set_back && e == OK))
		assert_int_equal(e, OK);
	else
		assert_true(e == ERR_CORRUPT || e == ERR_KEY);
	if (!done && e == OK) {                 /* the old one goes on, and so does what was signed */
		assert_int_equal(start_broker(5), OK);
		assert_true(signed_size("record.sizes") > size);
		size = signed_size("record.sizes");
	}
	if (!done)
		assert_int_equal(run_renew("the next try"), CMD_DONE);
	assert_int_equal(start_broker(3), OK);
	read_genesis(NULL, size);
	for (size_t i = 0; i < 4; i++) {
		static const char *const name[] = { "record.mdb.1", "record.mdb.1-keys", "record.sizes.1", "record.vkey.1" };
		static const char *const other[] = { "record.mdb", "record.mdb-keys", "record.sizes", "record.vkey" };
		struct stat aside, now;

		assert_int_equal(stat(in(name[i]).text, &aside), 0);
		assert_int_equal(stat(in(other[i]).text, &now), 0);
		assert_true(aside.st_ino != now.st_ino);
	}
	verify_line();
	(void)down(NULL);
	return died;
}

static void it_may_die_at_any_step(void **state)
{
	unsigned n = 1, step = SEED_SLOW ? 3 : 1;

	(void)state;
	must(crypt_init() == OK);
	while (dies_and_goes_on(true, n))
		n += step;
	assert_true(n > 10);
	for (n = 1 + (unsigned)seed_below(step); dies_and_goes_on(false, n); n += step)
		;
}

/* The store has the checkpoints, too. */
static void a_lost_sizes_file_is_no_lost_quote(void **state)
{
	uint64_t size;

	(void)state;
	(void)down(NULL);
	make_old(false);
	size = signed_size("record.sizes");
	assert_int_equal(unlink(in("record.sizes").text), 0);
	assert_int_equal(start_broker(0), ERR_CORRUPT);
	assert_int_equal(unlink(in("record.sizes").text), 0);   /* it made an empty one */
	assert_int_equal(run_renew("the sizes were lost"), CMD_DONE);
	read_genesis("the sizes were lost", size);
}

static void what_was_put_aside_before_is_not_touched(void **state)
{
	uint64_t size;

	(void)state;
	(void)down(NULL);
	make_old(true);
	size = signed_size("record.sizes");
	assert_int_equal(install_write(in("record.sizes.1").text, SPAN_LIT("evidence"), 0600), OK);
	assert_int_equal(run_renew("why"), CMD_NO);
	assert_int_equal(access(in("record.mdb.1").text, F_OK), -1);
	assert_false(is_new());
	assert_int_equal(unlink(in("record.sizes.1").text), 0);
	assert_int_equal(run_renew("why"), CMD_DONE);
	read_genesis("why", size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_origin_is_counted_on, up, down),
		cmocka_unit_test_setup_teardown(the_new_record_quotes_the_old_one, up, down),
		cmocka_unit_test(it_may_die_at_any_step),
		cmocka_unit_test_setup_teardown(a_lost_sizes_file_is_no_lost_quote, up, down),
		cmocka_unit_test_setup_teardown(what_was_put_aside_before_is_not_touched, up, down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
