/* outfile: what somebody who has the file can make of it, and what becomes of it when it is damaged. */
#include "outboxed.h"

static void swap(struct txn *t, const struct key64 key[2], const uint8_t tier)
{
	uint8_t place[2][9], value[2][1024];
	struct span v[2];

	for (int i = 0; i < 2; i++) {
		place[i][0] = tier;
		memcpy(place[i] + 1, key[i].b, 8);
		assert_int_equal(txn_get(t, 0, span(place[i], 9), &v[i]), OK);
		memcpy(value[i], v[i].p, v[i].n);
		v[i].p = value[i];
	}
	assert_int_equal(txn_put(t, 0, span(place[0], 9), v[1]), OK);
	assert_int_equal(txn_put(t, 0, span(place[1], 9), v[0]), OK);
}

/* Whoever can write the file cannot change the order of what is in it. */
static void a_record_is_bound_to_its_place(void **state)
{
	static const char *const tables[] = {
		"queue", "where", "held", "aside", "seen", "seen_order", "open", "keys", NULL,
	};
	const struct store_spec spec = { .kind = "outbox", .version = 4, .map_bytes = MAP, .table = tables };
	struct store *s = NULL;
	struct txn *t = NULL;
	struct key64 key[2];
	struct outbox_message m;

	(void)state;
	put_one(1, 1);
	put_one(1, 2);
	outbox_sync(o);
	for (int i = 0; i < 2; i++)
		key[i] = key64(all()->item[i].seq);
	outbox_close(&o);
	assert_int_equal(store_open(scratch_path(&scratch, "outbox.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	swap(t, key, 1);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
	open_it();
	for (int i = 0; i < 2; i++)
		assert_int_equal(outbox_read(o, &all()->item[i], &room, &m), ERR_KEY);
}

static void damage_held(const struct id *id)
{
	const char *const tables[] = { "held", NULL };
	const struct store_spec spec = { .kind = "outbox", .version = 4, .map_bytes = MAP, .table = tables };
	struct store *s = NULL;
	struct txn *t = NULL;
	struct span value;
	uint8_t other[1024];

	assert_int_equal(store_open(scratch_path(&scratch, "outbox.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_get(t, 0, span(id->b, ID_BYTES), &value), OK);
	memcpy(other, value.p, value.n);
	other[value.n - 1] ^= 1;
	assert_int_equal(txn_put(t, 0, span(id->b, ID_BYTES), span(other, value.n)), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
}

/* All others are sent; it stays for whoever has to look. */
static void what_was_held_and_cannot_be_read_is_stepped_over(void **state)
{
	struct id bad = id_next(&ids, 1000), good = id_next(&ids, 2000);

	(void)state;
	put_one(1, 1);
	done(WORK_PUT, OK);
	hold_one(bad, 2);
	hold_one(good, 3);
	outbox_close(&o);
	damage_held(&bad);
	for (int i = 0; i < 2; i++) {
		open_it();
		assert_int_equal(outbox_unreadable(o), 1);
		assert_int_equal(all()->n, 2);
		assert_int_equal(number_at(&all()->item[1]), 3);
		outbox_close(&o);
	}
	open_it();
	assert_int_equal(outbox_release(o, &bad), OK);
	assert_int_equal(rows("held"), 1);
}

static void another_key_opens_nothing(void **state)
{
	struct outbox_spec spec;
	uint8_t other[AEAD_KEY_BYTES] = "another key of thirty-two bytes!";

	(void)state;
	put_one(1, 1);
	outbox_close(&o);
	spec = spec_of(MAP);
	spec.root = other;
	assert_int_equal(outbox_open(&spec, &o), ERR_KEY);
	open_it();
	assert_int_equal(all()->n, 1);
}

/* Nothing of a message is in the file as it is. */
static void the_file_is_sealed(void **state)
{
	CLEANUP(free_cleanup) uint8_t *file = malloc(MAP);
	FILE *f;
	size_t n;

	(void)state;
	put_one(1, 1);
	done(WORK_PUT, OK);
	f = fopen(scratch_path(&scratch, "outbox.mdb"), "r");
	n = fread(file, 1, MAP, f);
	fclose(f);
	assert_null(memmem(file, n, "MON412B", 7));
	assert_null(memmem(file, n, "message 1", 9));
	assert_null(memmem(file, n, "icu3", 4));
}

static void a_second_gateway_is_refused(void **state)
{
	struct outbox_spec spec = spec_of(MAP);
	struct outbox *second = NULL;

	(void)state;
	assert_int_equal(outbox_open(&spec, &second), ERR_BUSY);
}

/* LMDB alone would let another process in. */
static void nor_one_in_another_process(void **state)
{
	struct outbox_spec spec = spec_of(MAP);
	struct outbox *second = NULL;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(outbox_open(&spec, &second) == ERR_BUSY ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void file_read(const char *path, uint8_t *out)
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_int_equal(fread(out, 1, MAP, f), MAP);
	fclose(f);
}

static void file_write(const char *path, const uint8_t *bytes)
{
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, MAP, f), MAP);
	assert_int_equal(fclose(f), 0);
}

static void read_whatever_is_there(void)
{
	struct all *a = all();

	for (unsigned i = 0; i < a->n; i++) {
		struct outbox_message m;

		(void)!outbox_read(o, &a->item[i], &room, &m);
	}
}

/* What a disk gives back instead of a page: nothing, ones, another page, an old one. */
static void spoil(uint8_t *page, unsigned how, const uint8_t *whole)
{
	if (how < 2)
		memset(page, how ? 0xff : 0, 4096);
	else
		memmove(page, whole + (how == 2 ? 7u : 12u) * 4096, 4096);
}

/* Each page of the file in turn. It opens, or says no; it never ends us. */
static void a_damaged_file_says_no_at_most(void **state)
{
	CLEANUP(free_cleanup) uint8_t *whole = malloc(MAP);
	struct outbox_spec spec = spec_of(MAP);
	unsigned refused = 0;

	(void)state;
	for (unsigned n = 0; n < 200; n++)
		put_one(n % FLIGHT_TIERS, n);
	outbox_sync(o);
	outbox_close(&o);
	file_read(spec.path, whole);
	for (unsigned n = 0; n < (SEED_SLOW ? 90 : 180); n++) {   /* 90 pages, each in one or two of the four ways */
		unsigned page = n % 90;
		uint8_t was[4096];
		enum err e;

		memcpy(was, whole + page * sizeof(was), sizeof(was));
		spoil(whole + page * sizeof(was), (n + n / 90) % 4, whole);
		file_write(spec.path, whole);
		memcpy(whole + page * sizeof(was), was, sizeof(was));
		e = outbox_open(&spec, &o);
		assert_true(e == OK || e == ERR_CORRUPT || e == ERR_VERSION || e == ERR_KEY);
		refused += e != OK;
		if (e == OK)
			read_whatever_is_there();
		outbox_close(&o);
	}
	assert_true(refused > 5);
	file_write(spec.path, whole);
	open_it();
	assert_int_equal(all()->n, 200);
}

static void a_file_that_was_cut_says_no(void **state)
{
	struct outbox_spec spec = spec_of(MAP);
	char kept[OUTBOX_PATH_MAX];

	(void)state;
	for (unsigned n = 0; n < 200; n++)
		put_one(n % FLIGHT_TIERS, n);
	outbox_sync(o);
	outbox_close(&o);
	assert_int_equal(truncate(spec.path, 4096 * 4 + 100), 0);
	assert_int_equal(outbox_open(&spec, &o), ERR_CORRUPT);
	assert_int_equal(outbox_keep_aside(spec.path, kept), OK);
	assert_int_equal(access(kept, F_OK), 0);
	open_it();
	put_one(1, 1000);
	done(WORK_PUT, OK);
}

static unsigned listed;
static struct outbox_message last_listed;
static void list_one(void *ctx, const struct outbox_message *m)
{
	(void)ctx;
	listed++;
	assert_true(span_is(m->topic, "mercy/unit/icu3/alert/high/nc-1"));
	last_listed = *m;
}

static _Noreturn void list_when_told(int told)
{
	struct outbox_spec spec = spec_of(MAP);
	struct id id;
	bool good = read(told, &id, sizeof(id)) == sizeof(id) && outbox_each_aside(&spec, list_one, NULL) == OK &&
		    listed == 1 && last_listed.reason == 0x87 && memcmp(&last_listed.id, &id, sizeof(id)) == 0;

	_exit(good ? 0 : 1);
}

static void what_is_set_aside_can_be_listed_beside_it(void **state)
{
	int told[2], status;
	struct id id;
	pid_t pid;

	(void)state;
	outbox_close(&o);
	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (pid == 0)
		list_when_told(told[0]);
	open_it();
	put_one(1, 1);
	id = put_one(2, 2);
	assert_int_equal(outbox_aside(o, &id, 0x87), OK);
	outbox_sync(o);
	assert_int_equal(write(told[1], &id, sizeof(id)), sizeof(id));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(told[0]);
	close(told[1]);
}

/* It is found by its id, and another that has it by mistake must not make it vanish. */
static void an_id_that_is_there_is_not_given_twice(void **state)
{
	struct id id = put_one(1, 1);
	struct outbox_message m = message(1, 2);

	(void)state;
	done(WORK_PUT, OK);
	m.id = id;
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	done(WORK_PUT, ERR_EXISTS);
	m = message(1, 3);
	m.id = id;
	assert_int_equal(outbox_hold(o, &m), OK);
	done(WORK_HOLD, ERR_EXISTS);
	reopen();
	assert_int_equal(all()->n, 1);
	assert_int_equal(number_at(&all()->item[0]), 1);
	m = message(1, 2);
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &m.digest), SEEN_NEVER);
}

/* What has the name of an old one is taken for it. */
static void a_file_in_place_of_another_gives_other_names(void **state)
{
	const struct digest d = { "bytes" };
	uint8_t name[2][ID_NAME];

	(void)state;
	outbox_name(o, SPAN_LIT("s"), SPAN_LIT("1"), &d, name[0]);
	outbox_close(&o);
	assert_int_equal(unlink(scratch_path(&scratch, "outbox.mdb")), 0);
	open_it();
	outbox_name(o, SPAN_LIT("s"), SPAN_LIT("1"), &d, name[1]);
	assert_memory_not_equal(name[0], name[1], ID_NAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OUTBOX(a_record_is_bound_to_its_place),
		WITH_OUTBOX(what_was_held_and_cannot_be_read_is_stepped_over),
		WITH_OUTBOX(another_key_opens_nothing),
		WITH_OUTBOX(the_file_is_sealed),
		WITH_OUTBOX(a_second_gateway_is_refused),
		WITH_OUTBOX(nor_one_in_another_process),
		WITH_OUTBOX(a_damaged_file_says_no_at_most),
		WITH_OUTBOX(a_file_that_was_cut_says_no),
		WITH_OUTBOX(what_is_set_aside_can_be_listed_beside_it),
		WITH_OUTBOX(an_id_that_is_there_is_not_given_twice),
		WITH_OUTBOX(a_file_in_place_of_another_gives_other_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
