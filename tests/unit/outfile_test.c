/* outfile: what somebody who has the file can make of it, and what becomes of it when it is damaged. */
#include "keyring.h"
#include "outboxed.h"
#include "outfile.h"

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
	settle();
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

/* The first and the last of the queue: one says nothing of itself, the other is of a tier there is none of. */
static void damage_queue(void)
{
	const char *const names[] = { "queue", NULL };
	const struct store_spec spec = { .kind = "outbox", .version = 4, .map_bytes = MAP, .table = names };
	struct span key, value;
	struct store *s = NULL;
	struct txn *t = NULL;
	uint8_t place[9], whole[1024];

	assert_int_equal(store_open(scratch_path(&scratch, "outbox.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_seek(t, 0, span(NULL, 0), &key, &value), OK);
	memcpy(place, key.p, sizeof(place));
	assert_int_equal(txn_put(t, 0, span(place, sizeof(place)), SPAN_LIT("short")), OK);
	assert_int_equal(txn_last(t, 0, &key, &value), OK);
	memcpy(place, key.p, sizeof(place));
	memcpy(whole, value.p, value.n);
	value.p = whole;
	assert_int_equal(txn_del(t, 0, span(place, sizeof(place))), OK);
	place[0] |= 2;
	assert_int_equal(txn_put(t, 0, span(place, sizeof(place)), value), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
}

/* Two that are damaged must not keep all others from whoever waits for them, nor a gateway from starting. */
static void what_nothing_can_be_made_of_is_stepped_over(void **state)
{
	unsigned n = 0;

	(void)state;
	for (; n < 5; n++)
		put_one(n == 4 ? 5 : 4, n);
	settle();
	outbox_close(&o);
	damage_queue();
	for (int i = 0; i < 2; i++) {
		open_it();
		assert_int_equal(outbox_unreadable(o), 2);
		assert_int_equal(all()->n, 3);
		assert_int_equal(number_at(&all()->item[0]), 1);
		outbox_close(&o);
	}
	open_it();
	for (unsigned evicted = 0; evicted < 3; n++) {  /* those that can be read yield as ever */
		put_one(1, n);
		settle();
		for (struct outbox_done d; outbox_next(o, &d);)
			evicted += d.work == WORK_EVICT && d.err == OK;
		assert_in_range(n, 0, MAP / 1024);
	}
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

/* It would go on in it, and its next start not find it. */
static void nor_is_its_file_moved_away(void **state)
{
	char kept[OUTBOX_PATH_MAX];

	(void)state;
	put_one(1, 1);
	assert_int_equal(outbox_keep_aside(spec_of(MAP).path, kept), ERR_BUSY);
	reopen();
	assert_int_equal(all()->n, 1);
	outbox_close(&o);
	assert_int_equal(outbox_keep_aside(spec_of(MAP).path, kept), OK);
	open_it();
	assert_int_equal(all()->n, 0);
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

/* In all tables there is something then. */
static void put_open(unsigned tier, unsigned n)
{
	struct outbox_message m = message(tier, n);

	m.opens = true;
	memset(m.key, (int)n + 1, sizeof(m.key));
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
}

/* Each page of the file in turn. It opens, or says no; it never ends us. */
static void a_damaged_file_says_no_at_most(void **state)
{
	CLEANUP(free_cleanup) uint8_t *whole = malloc(MAP);
	struct outbox_spec spec = spec_of(MAP);
	unsigned refused = 0;

	(void)state;
	for (unsigned n = 0; n < 200; n++)
		put_open(n % FLIGHT_TIERS, n);
	settle();
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
	settle();
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
	settle();
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
	assert_true(outbox_name(o, SPAN_LIT("s"), SPAN_LIT("1"), &d, name[0]));
	outbox_close(&o);
	assert_int_equal(unlink(scratch_path(&scratch, "outbox.mdb")), 0);
	open_it();
	assert_true(outbox_name(o, SPAN_LIT("s"), SPAN_LIT("1"), &d, name[1]));
	assert_memory_not_equal(name[0], name[1], ID_NAME);
}

/* ---- as the layout before wrote it: store 3, record 2, ids by key and keys by number ---- */

enum { QUEUE, WHERE, HELD, ASIDE, SEEN, SEEN_ORDER, OPEN, KEYS };

static void put_counted(struct put *b, struct span s)
{
	put_u16(b, (uint16_t)s.n);
	put_bytes(b, s);
}

static struct span record_before(const struct outbox_message *m, struct span envelope, uint8_t *into, size_t cap)
{
	struct put b = put(into, cap);

	put_u8(&b, 2);
	put_u8(&b, (uint8_t)m->tier);
	put_u64(&b, (uint64_t)m->expires_us);
	put_u8(&b, m->opens);
	put_u8(&b, 0);
	put_bytes(&b, span(m->key, sizeof(m->key)));
	put_counted(&b, m->topic);
	put_counted(&b, m->input);
	put_counted(&b, m->source);
	put_counted(&b, m->source_id);
	put_u32(&b, (uint32_t)envelope.n);
	put_bytes(&b, envelope);
	assert_int_equal(put_end(&b), OK);
	return put_span(&b);
}

static void seal_before(struct keyring *k, struct txn *t, unsigned table, struct span key, const struct outbox_message *m,
			struct span envelope)
{
	static uint8_t value[KEYRING_VALUE_MAX];
	uint8_t record[2048];
	struct span sealed;

	assert_int_equal(keyring_seal(k, table, key, &m->id, record_before(m, envelope, record, sizeof(record)), value, &sealed), OK);
	assert_int_equal(txn_put(t, table, key, sealed), OK);
}

static void seen_before(const struct outbox_message *m, uint8_t seen[OUTFILE_SEEN_KEY])
{
	const uint8_t n[2] = { (uint8_t)(m->source.n >> 8), (uint8_t)m->source.n };
	uint8_t hash[SHA256_BYTES];
	struct vault v = { 0 };

	vault_init(&v, root, "outbox seen");
	HMAC256(hash, span(v.key, AEAD_KEY_BYTES), span(n, sizeof(n)), m->source, m->source_id);
	memcpy(seen, hash, OUTFILE_SEEN_ID);
	HMAC256(hash, span(v.key, AEAD_KEY_BYTES), span(seen, OUTFILE_SEEN_ID), span(m->digest.b, sizeof(m->digest.b)));
	memcpy(seen + OUTFILE_SEEN_ID, hash, OUTFILE_SEEN_KEY - OUTFILE_SEEN_ID);
	vault_clear(&v);
}

/* One message, due and open, the `number`-th it took. */
static void write_before(const struct outbox_message *m, uint64_t number)
{
	static const char *const tables[] = {
		"queue", "where", "held", "aside", "seen", "seen_order", "open", "keys", "yielded", "told", NULL,
	};
	const struct store_spec spec = { .kind = "outbox", .version = 3, .map_bytes = MAP, .table = tables };
	const struct key64 seq = key64(5), no = key64(number);
	uint8_t place[9] = { (uint8_t)m->tier }, seen[OUTFILE_SEEN_KEY];
	struct keyring k = { 0 };
	struct vault wrap = { 0 };
	struct store *s = NULL;
	struct txn *t = NULL;

	memcpy(place + 1, seq.b, sizeof(seq.b));
	seen_before(m, seen);
	assert_int_equal(unlink(scratch_path(&scratch, "outbox.mdb")), 0);
	assert_int_equal(store_open(scratch_path(&scratch, "outbox.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	vault_init(&wrap, root, "outbox keys");
	assert_int_equal(keyring_load(&k, t, KEYS, &wrap), OK);
	assert_int_equal(keyring_add(&k, t, KEYS, &wrap), OK);
	seal_before(&k, t, QUEUE, span(place, sizeof(place)), m, m->envelope);
	seal_before(&k, t, OPEN, span(m->key, OPEN_KEY), m, span(NULL, 0));
	assert_int_equal(txn_put(t, WHERE, span(m->id.b, ID_BYTES), span(place, sizeof(place))), OK);
	assert_int_equal(txn_put(t, SEEN, span(seen, sizeof(seen)), span(m->id.b, ID_BYTES)), OK);
	assert_int_equal(txn_put(t, SEEN_ORDER, key64_span(&no), span(seen, sizeof(seen))), OK);
	assert_int_equal(txn_commit(&t), OK);
	keyring_clear(&k);
	vault_clear(&wrap);
	store_close(&s);
}

static void an_outbox_of_the_layout_before_is_taken(void **state)
{
	static const char *const tables[] = { "queue", NULL };
	const struct store_spec older = { .kind = "outbox", .version = 3, .map_bytes = MAP, .table = tables };
	struct outbox_message m = message(1, 7), got;
	struct open_alert a;
	struct store *s = NULL;

	(void)state;
	m.source_id = SPAN_LIT("id-7");      /* message() has room for one */
	m.opens = true;
	memset(m.key, 7, sizeof(m.key));
	outbox_close(&o);
	write_before(&m, 1);
	open_it();
	assert_int_equal(all()->n, 1);
	assert_int_equal(outbox_read(o, &all()->item[0], &room, &got), OK);
	assert_memory_equal(&got.id, &m.id, sizeof(m.id));
	assert_true(span_eq(got.envelope, m.envelope) && span_eq(got.topic, m.topic) && got.order == 0);
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &m.digest), SEEN_SAME);
	assert_int_equal(outbox_open_alert(o, m.key, &a), OK);
	assert_true(span_is(m.source_id, a.source_id));
	put_one(1, 8);
	assert_int_equal(outbox_delivered(o, &m.id), OK);
	reopen();
	assert_int_equal(all()->n, 1);
	assert_int_equal(number_at(&all()->item[0]), 8);
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &m.digest), SEEN_SAME);
	outbox_close(&o);
	assert_int_equal(store_open(scratch_path(&scratch, "outbox.mdb"), &older, &s), ERR_VERSION);
	open_it();
}

/* Its numbers began with 1, and names went by how often as many had come as it remembers: with more room, that is less. */
static void with_more_room_it_gives_no_old_names(void **state)
{
	const struct digest d = { "bytes" };
	struct outbox_message m = message(1, 7);
	struct outbox_spec larger = spec_of(4 * MAP);
	uint8_t name[2][ID_NAME];

	(void)state;
	outbox_close(&o);
	write_before(&m, 1);
	open_it();
	assert_true(outbox_name(o, SPAN_LIT("s"), SPAN_LIT("1"), &d, name[0]));
	outbox_close(&o);
	write_before(&m, 3000);
	assert_int_equal(outbox_open(&larger, &o), OK);
	assert_true(outbox_name(o, SPAN_LIT("s"), SPAN_LIT("1"), &d, name[1]));
	assert_memory_not_equal(name[0], name[1], ID_NAME);
}

static void later_version(uint32_t version, const char *table)
{
	const char *const tables[] = { table, NULL };
	const struct store_spec later = { .kind = "outbox", .version = version, .map_bytes = MAP, .table = tables };
	struct store *s = NULL;

	outbox_close(&o);
	assert_int_equal(store_open(scratch_path(&scratch, "outbox.mdb"), &later, &s), OK);
	store_close(&s);
}

/* It may have sealed something where this one does not look. */
static void keys_of_a_later_version_are_not_destroyed(void **state)
{
	(void)state;
	reopen();
	assert_int_equal(rows("keys"), 1);
	later_version(4, "what is to come");
	open_it();
	reopen();
	assert_true(rows("keys") > 2);
	put_one(1, 1);
	done(WORK_PUT, OK);
}

/* For the later one to read. */
static void an_outbox_of_a_later_layout_is_kept_as_it_is(void **state)
{
	static const char *const tables[] = { "queue", NULL };
	struct store_spec later = { .kind = "outbox", .version = 5, .map_bytes = MAP, .table = tables };
	struct outbox_spec spec = spec_of(MAP);
	char kept[OUTBOX_PATH_MAX];
	struct store *s = NULL;
	struct txn *t = NULL;
	uint64_t n;

	(void)state;
	put_one(0, 1);
	done(WORK_PUT, OK);
	later_version(5, "queue");
	assert_int_equal(outbox_open(&spec, &o), ERR_VERSION);
	assert_int_equal(outbox_keep_aside(spec.path, kept), OK);
	open_it();
	assert_int_equal(all()->n, 0);
	assert_int_equal(store_open(kept, &later, &s), OK);
	assert_int_equal(txn_begin_read(s, &t), OK);
	assert_int_equal(txn_count(t, 0, &n), OK);
	assert_int_equal(n, 1);
	txn_abort(&t);
	store_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OUTBOX(a_record_is_bound_to_its_place),
		WITH_OUTBOX(what_was_held_and_cannot_be_read_is_stepped_over),
		WITH_OUTBOX(what_nothing_can_be_made_of_is_stepped_over),
		WITH_OUTBOX(another_key_opens_nothing),
		WITH_OUTBOX(the_file_is_sealed),
		WITH_OUTBOX(a_second_gateway_is_refused),
		WITH_OUTBOX(nor_is_its_file_moved_away),
		WITH_OUTBOX(nor_one_in_another_process),
		WITH_OUTBOX(a_damaged_file_says_no_at_most),
		WITH_OUTBOX(a_file_that_was_cut_says_no),
		WITH_OUTBOX(what_is_set_aside_can_be_listed_beside_it),
		WITH_OUTBOX(an_id_that_is_there_is_not_given_twice),
		WITH_OUTBOX(a_file_in_place_of_another_gives_other_names),
		WITH_OUTBOX(an_outbox_of_the_layout_before_is_taken),
		WITH_OUTBOX(with_more_room_it_gives_no_old_names),
		WITH_OUTBOX(keys_of_a_later_version_are_not_destroyed),
		WITH_OUTBOX(an_outbox_of_a_later_layout_is_kept_as_it_is),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
