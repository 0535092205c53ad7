/* directory: who exists, whose a client id is, and how a reader learns what changed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "crypt.h"
#include "cur.h"
#include "directory.h"
#include "scratch.h"
#include "seed.h"
#include "store.h"
#include "topic.h"
#include "until.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define NOBODY PULLCORD__V1__PARTY__PARTY_NONE
#define PHC "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

static const uint8_t root[32] = { 1 }, other_root[32] = { 2 };
static struct scratch scratch;

static const char *path_of(const char *name)
{
	return scratch_path(&scratch, name);
}

static struct directory *open_at(const char *name)
{
	struct directory *d = NULL;

	assert_int_equal(directory_open(path_of(name), root, false, &d), OK);
	return d;
}

static struct directory *fresh(void)
{
	remove(path_of("d.mdb"));
	remove(path_of("d.mdb-lock"));
	return open_at("d.mdb");
}

static struct account account_of(Pullcord__V1__Party party, const char *id)
{
	return (struct account){ .subject = { .party = party, .tenant = SPAN_LIT("mercy"), .id = span_str(id) } };
}

static enum err save(struct directory *d, Pullcord__V1__Party party, const char *id, bool create)
{
	struct account a = account_of(party, id);

	return directory_save(d, &a, create);
}

static bool is_there(struct directory *d, Pullcord__V1__Party party, const char *id)
{
	CLEANUP(account_free) struct account *a = NULL;
	enum err e = directory_find(d, party, span_str(id), &a);

	assert_true(e == OK || e == ERR_NOT_FOUND);
	return e == OK;
}

static void assert_same(const struct account *a, const struct account *b)
{
	assert_int_equal(a->subject.party, b->subject.party);
	assert_true(span_eq(a->subject.id, b->subject.id));
	assert_true(span_eq(a->subject.tenant, b->subject.tenant));
	assert_true(span_eq(a->name, b->name));
	assert_string_equal(a->password, b->password);
	assert_true(a->changed_us == b->changed_us);
	assert_int_equal(a->subject.suspended, b->subject.suspended);
	assert_int_equal(a->subject.roles, b->subject.roles);
	for (size_t i = 0; i < a->subject.roles; i++)
		assert_true(span_eq(a->subject.role[i], b->subject.role[i]));
	assert_int_equal(a->subject.attributes, b->subject.attributes);
	for (size_t i = 0; i < a->subject.attributes; i++) {
		assert_true(span_eq(a->subject.attribute[i].name, b->subject.attribute[i].name));
		assert_true(span_eq(a->subject.attribute[i].value, b->subject.attribute[i].value));
	}
}

static struct span random_word(char *room)
{
	static const char letters[] = "abcXYZ019._:-";
	size_t n = 1 + seed_below(64);

	for (size_t i = 0; i < n; i++)
		room[i] = letters[seed_below(sizeof(letters) - 1)];
	return span(room, n);
}

/* The largest accounts too. */
static void an_account_comes_back_as_it_was_saved(void **state)
{
	static char words[2 + ACCOUNT_ROLES_MAX + 2 * ACCOUNT_ATTRIBUTES_MAX][64];
	static struct span role[ACCOUNT_ROLES_MAX];
	static struct attribute attribute[ACCOUNT_ATTRIBUTES_MAX];
	struct directory *d = fresh();

	(void)state;
	for (int round = 0; round < 40; round++) {
		CLEANUP(account_free) struct account *back = NULL;
		struct account a = account_of(round % 2 ? USER : DEVICE, "x");
		char id[80];
		size_t w = 0;

		a.subject.id = random_word(words[w++]);
		snprintf(id, sizeof(id), "%d-%.*s", round, SPAN_FMT(a.subject.id));
		id[WORD_BYTES_MAX] = '\0';   /* no two begin alike: else one could be called like another's client id */
		a.subject.id = span_str(id);
		a.subject.tenant = random_word(words[w++]);
		a.subject.roles = round == 0 ? ACCOUNT_ROLES_MAX : seed_below(8);
		a.subject.attributes = round == 0 ? ACCOUNT_ATTRIBUTES_MAX : seed_below(20);
		for (size_t i = 0; i < a.subject.roles; i++)
			role[i] = random_word(words[w++]);
		for (size_t i = 0; i < a.subject.attributes; i++) {
			attribute[i].name = random_word(words[w++]);
			attribute[i].value = random_word(words[w++]);
		}
		a.subject.role = role;
		a.subject.attribute = attribute;
		a.subject.suspended = seed_below(2);
		a.name = round % 3 ? SPAN_LIT("Station 3, K\xc3\xbc" "che") : span(NULL, 0);
		a.changed_us = seed_next();
		if (round % 4 == 1)
			memcpy(a.password, PHC, sizeof(PHC));
		assert_int_equal(directory_save(d, &a, true), OK);
		assert_int_equal(directory_find(d, a.subject.party, a.subject.id, &back), OK);
		assert_same(&a, back);
	}
	directory_close(&d);
	assert_null(d);
	directory_close(&d);
}

static void accounts_outlive_the_process(void **state)
{
	struct directory *d = fresh();

	(void)state;
	assert_int_equal(save(d, USER, "ana", true), OK);
	directory_close(&d);
	d = open_at("d.mdb");
	assert_true(is_there(d, USER, "ana"));
	assert_false(is_there(d, DEVICE, "ana"));
	assert_int_equal(directory_remove(d, USER, SPAN_LIT("ana")), OK);
	assert_int_equal(directory_remove(d, USER, SPAN_LIT("ana")), ERR_NOT_FOUND);
	directory_close(&d);
	assert_int_equal(directory_open(path_of("d.mdb"), root, true, &d), OK);
	assert_false(is_there(d, USER, "ana"));
	directory_close(&d);
}

static void another_root_key_does_not_open_it(void **state)
{
	struct directory *d = fresh();

	(void)state;
	assert_int_equal(save(d, USER, "ana", true), OK);
	directory_close(&d);
	for (int read_only = 0; read_only < 2; read_only++)
		assert_int_equal(directory_open(path_of("d.mdb"), other_root, read_only, &d), ERR_KEY);
	assert_null(d);
	assert_int_equal(directory_open(path_of("none.mdb"), root, true, &d), ERR_NOT_FOUND);
	d = open_at("d.mdb");
	assert_true(is_there(d, USER, "ana"));
	directory_close(&d);
}

static void nothing_is_kept_in_clear(void **state)
{
	struct directory *d = fresh();
	struct account a = account_of(USER, "ana");
	struct attribute unit = { SPAN_LIT("unit"), SPAN_LIT("cardiology-7") };
	static uint8_t file[4 << 20];
	size_t n;
	FILE *f;

	(void)state;
	a.name = SPAN_LIT("Marker Of Ana");
	a.subject.attribute = &unit;
	a.subject.attributes = 1;
	memcpy(a.password, PHC, sizeof(PHC));
	assert_int_equal(directory_save(d, &a, true), OK);
	directory_close(&d);
	f = fopen(path_of("d.mdb"), "rb");
	assert_non_null(f);
	n = fread(file, 1, sizeof(file), f);
	fclose(f);
	assert_non_null(memmem(file, n, "ana", 3));   /* ids are keys; the rest is sealed */
	assert_null(memmem(file, n, "Marker", 6));
	assert_null(memmem(file, n, "cardiology", 10));
	assert_null(memmem(file, n, "argon2", 6));
}

/* A sealed value put in another's place does not open there. */
static void an_account_cannot_take_the_place_of_another(void **state)
{
	static const char *const tables[] = { "account", "owner", "journal", "check", NULL };
	const struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = DIRECTORY_MAP_BYTES, .table = tables };
	struct directory *d = fresh();
	struct account *a = NULL;
	struct store *s = NULL;
	struct txn *t = NULL;
	struct span v;
	uint8_t copy[512];

	(void)state;
	assert_int_equal(save(d, USER, "ana", true), OK);
	assert_int_equal(save(d, USER, "bob", true), OK);
	directory_close(&d);
	assert_int_equal(store_open(path_of("d.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_get(t, 0, SPAN_LIT("\x02" "ana"), &v), OK);
	assert_true(v.n < sizeof(copy));
	memcpy(copy, v.p, v.n);
	assert_int_equal(txn_put(t, 0, SPAN_LIT("\x02" "bob"), span(copy, v.n)), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
	d = open_at("d.mdb");
	assert_int_equal(directory_find(d, USER, SPAN_LIT("bob"), &a), ERR_CORRUPT);
	assert_null(a);
	assert_true(is_there(d, USER, "ana"));
	directory_close(&d);
}

static void what_is_no_account_is_not_saved(void **state)
{
	static const char *const no_words[] = { "", "a b", "a/b", "+", "#", "$x", "a\n", "\xc3\xa4",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct directory *d = fresh();
	struct account good = account_of(USER, "ana"), a;
	struct span role;
	struct attribute attribute;
	char long_name[ACCOUNT_TEXT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < countof(no_words); i++) {
		struct span bad = span_str(no_words[i]);

		assert_int_equal(save(d, USER, no_words[i], true), ERR_RANGE);
		a = good;
		a.subject.tenant = bad;
		assert_int_equal(directory_save(d, &a, true), ERR_RANGE);
		a = good;
		role = bad;
		a.subject.role = &role;
		a.subject.roles = 1;
		assert_int_equal(directory_save(d, &a, true), ERR_RANGE);
		a = good;
		attribute = (struct attribute){ i % 2 ? bad : SPAN_LIT("unit"), i % 2 ? SPAN_LIT("icu3") : bad };
		a.subject.attribute = &attribute;
		a.subject.attributes = 1;
		assert_int_equal(directory_save(d, &a, true), ERR_RANGE);
	}
	assert_int_equal(save(d, NOBODY, "ana", true), ERR_RANGE);
	assert_int_equal(save(d, PULLCORD__V1__PARTY__PARTY_BROKER, "ana", true), ERR_RANGE);
	a = good;
	a.subject.roles = ACCOUNT_ROLES_MAX + 1;
	assert_int_equal(directory_save(d, &a, true), ERR_RANGE);
	a = good;
	a.subject.attributes = ACCOUNT_ATTRIBUTES_MAX + 1;
	assert_int_equal(directory_save(d, &a, true), ERR_RANGE);
	a = good;
	memcpy(a.password, "open sesame", 12);
	assert_int_equal(directory_save(d, &a, true), ERR_RANGE);
	a = good;
	memset(a.password, '$', sizeof(a.password));
	assert_int_equal(directory_save(d, &a, true), ERR_RANGE);
	a = account_of(DEVICE, "nc-1");
	memcpy(a.password, PHC, sizeof(PHC));
	assert_int_equal(directory_save(d, &a, true), ERR_RANGE);
	a = good;
	memset(long_name, 'n', sizeof(long_name));
	a.name = span(long_name, sizeof(long_name));
	assert_int_equal(directory_save(d, &a, true), ERR_TOO_LARGE);
	a.name = SPAN_LIT("\xff");
	assert_int_equal(directory_save(d, &a, true), ERR_UTF8);
	assert_false(is_there(d, USER, "ana"));
	directory_close(&d);
}

static void people_and_devices_share_one_name_space(void **state)
{
	static const struct { Pullcord__V1__Party party; const char *id; bool create; enum err err; } row[] = {
		{ USER, "ana", true, OK },
		{ USER, "ana", true, ERR_EXISTS },
		{ USER, "ana", false, OK },
		{ DEVICE, "ana", true, ERR_EXISTS },
		{ DEVICE, "ana", false, ERR_EXISTS },
		{ DEVICE, "ana.phone", true, ERR_EXISTS },    /* would be ana's client id */
		{ DEVICE, "ana.", true, ERR_EXISTS },
		{ DEVICE, "ana.a.b", false, ERR_EXISTS },
		{ DEVICE, "ana-phone", true, OK },
		{ DEVICE, "anna.phone", true, OK },
		{ DEVICE, "an.a", true, OK },
		{ USER, "anna", true, ERR_EXISTS },           /* the device came first */
		{ USER, "an", true, ERR_EXISTS },
		{ USER, "ana-phone", true, ERR_EXISTS },
		{ USER, "ann", true, OK },
		{ USER, "ana.x", true, OK },
		{ DEVICE, "zeta", true, OK },
		{ USER, "zet", true, OK },
		{ USER, "zeta.x", true, OK },
	};
	struct directory *d = fresh();

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		if (save(d, row[i].party, row[i].id, row[i].create) != row[i].err)
			fail_msg("row %zu: %s", i, row[i].id);
	directory_close(&d);
}

struct seen {
	char text[1024];
	struct put put;
	size_t calls, stop_after;
};

static struct seen *seen_start(struct seen *s)
{
	*s = (struct seen){ .stop_after = SIZE_MAX };
	s->put = put(s->text, sizeof(s->text) - 1);
	return s;
}

static bool see_account(void *ctx, const struct account *a)
{
	struct seen *s = ctx;

	put_fmt(&s->put, "%d:%.*s ", a->subject.party, SPAN_FMT(a->subject.id));
	return ++s->calls < s->stop_after;
}

static void see_change(void *ctx, const struct change *c)
{
	struct seen *s = ctx;

	if (c->fingerprint.n)
		put_fmt(&s->put, "%02x ", c->fingerprint.p[0]);
	else
		put_fmt(&s->put, "%d:%.*s ", c->party, SPAN_FMT(c->id));
	s->calls++;
}

static void see_owner(void *ctx, struct span client_id, const struct owner *o)
{
	struct seen *s = ctx;

	put_fmt(&s->put, "%.*s=%d:%s ", SPAN_FMT(client_id), o->party, o->id);
	s->calls++;
}

static void accounts_are_visited_in_order(void **state)
{
	struct directory *d = fresh();
	struct seen s;

	(void)state;
	assert_int_equal(directory_each(d, see_account, seen_start(&s)), OK);
	assert_string_equal(s.text, "");
	assert_int_equal(save(d, USER, "bob", true), OK);
	assert_int_equal(save(d, USER, "ana", true), OK);
	assert_int_equal(save(d, DEVICE, "nc-2", true), OK);
	assert_int_equal(save(d, DEVICE, "nc-10", true), OK);
	assert_int_equal(directory_each(d, see_account, seen_start(&s)), OK);
	assert_string_equal(s.text, "1:nc-10 1:nc-2 2:ana 2:bob ");
	seen_start(&s)->stop_after = 2;
	assert_int_equal(directory_each(d, see_account, &s), OK);
	assert_string_equal(s.text, "1:nc-10 1:nc-2 ");
	directory_close(&d);
}

static void one_party_is_visited_from_where_one_left_off(void **state)
{
	static const struct { unsigned party; const char *after, *want; } row[] = {
		{ DEVICE, "", "1:nc-10 1:nc-2 " }, { DEVICE, "nc-10", "1:nc-2 " }, { DEVICE, "nc-2", "" },
		{ USER, "", "2:ana 2:bob " }, { USER, "anna", "2:bob " }, { USER, "a", "2:ana 2:bob " },
	};
	struct directory *d = fresh();
	struct seen s;

	(void)state;
	assert_int_equal(save(d, USER, "bob", true), OK);
	assert_int_equal(save(d, USER, "ana", true), OK);
	assert_int_equal(save(d, DEVICE, "nc-2", true), OK);
	assert_int_equal(save(d, DEVICE, "nc-10", true), OK);
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(directory_after(d, row[i].party, span_str(row[i].after), see_account, seen_start(&s)), OK);
		assert_string_equal(s.text, row[i].want);
	}
	assert_int_equal(directory_after(d, USER, SPAN_LIT("a b"), see_account, seen_start(&s)), ERR_RANGE);
	assert_int_equal(directory_after(d, PULLCORD__V1__PARTY__PARTY_NONE, SPAN_LIT(""), see_account, seen_start(&s)), ERR_RANGE);
	directory_close(&d);
}

static void a_client_id_belongs_to_one_owner_for_good(void **state)
{
	struct owner ana = { .party = USER, .id = "ana" }, bob = { .party = USER, .id = "bob" };
	struct owner nc = { .party = DEVICE, .id = "ana" }, have;
	struct directory *d = fresh();
	struct seen s;

	(void)state;
	assert_int_equal(directory_owner(d, SPAN_LIT("ana.phone"), &have), ERR_NOT_FOUND);
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &ana), OK);
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &ana), OK);
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &bob), ERR_EXISTS);
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &nc), ERR_EXISTS);
	assert_int_equal(directory_bind(d, SPAN_LIT("bob.phone"), &bob), OK);
	directory_close(&d);
	d = open_at("d.mdb");
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &bob), ERR_EXISTS);
	assert_int_equal(directory_owner(d, SPAN_LIT("ana.phone"), &have), OK);
	assert_string_equal(have.id, "ana");
	assert_int_equal(have.party, USER);
	assert_int_equal(directory_owners(d, see_owner, seen_start(&s)), OK);
	assert_string_equal(s.text, "ana.phone=2:ana bob.phone=2:bob ");
	directory_close(&d);
}

static void what_a_client_retained_is_kept_with_whose_it_is(void **state)
{
	struct owner ana = { USER, "ana", "mercy", "10.0.0.1" }, bob = { USER, "bob", "mercy", "10.0.0.1" }, have;
	struct directory *d = fresh();

	(void)state;
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &(struct owner){ .party = USER, .id = "ana" }), OK);
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &ana), OK);
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &bob), ERR_EXISTS);
	strcpy(ana.retained_from, "10.0.0.2");
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &ana), OK);
	directory_close(&d);
	d = open_at("d.mdb");
	assert_int_equal(directory_owner(d, SPAN_LIT("ana.phone"), &have), OK);
	assert_string_equal(have.retained_in, "mercy");
	assert_string_equal(have.retained_from, "10.0.0.2");
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.phone"), &(struct owner){ .party = USER, .id = "ana" }), OK);
	assert_int_equal(directory_owner(d, SPAN_LIT("ana.phone"), &have), OK);
	assert_string_equal(have.retained_in, "");
	directory_close(&d);
}

static void what_is_no_client_id_has_no_owner(void **state)
{
	static const char *const bad[] = { "", "+", "a/#", "a b", "$share", "a\xe2\x80\xae" };
	struct owner ana = { .party = USER, .id = "ana" }, nobody = { .party = NOBODY, .id = "ana" };
	struct owner nameless = { .party = USER };
	struct owner endless = { .party = USER }, have;
	struct directory *d = fresh();

	(void)state;
	memset(endless.id, 'a', sizeof(endless.id));
	for (size_t i = 0; i < countof(bad); i++) {
		assert_int_equal(directory_bind(d, span_str(bad[i]), &ana), ERR_RANGE);
		assert_int_equal(directory_owner(d, span_str(bad[i]), &have), ERR_NOT_FOUND);
	}
	assert_int_equal(directory_bind(d, SPAN_LIT("x"), &nobody), ERR_RANGE);
	assert_int_equal(directory_bind(d, SPAN_LIT("x"), &nameless), ERR_RANGE);
	assert_int_equal(directory_bind(d, SPAN_LIT("x"), &endless), ERR_RANGE);
	directory_close(&d);
}

static void one_person_cannot_fill_it_with_client_ids(void **state)
{
	struct owner ana = { .party = USER, .id = "ana" }, bob = { .party = USER, .id = "bob" };
	struct directory *d = fresh();
	char id[32];

	(void)state;
	for (int i = 0; i < DIRECTORY_CLIENTS_MAX; i++) {
		snprintf(id, sizeof(id), "ana.%d", i);
		assert_int_equal(directory_bind(d, span_str(id), &ana), OK);
	}
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.more"), &ana), ERR_FULL);
	assert_int_equal(directory_bind(d, SPAN_LIT("ana.7"), &ana), OK);
	assert_int_equal(directory_bind(d, SPAN_LIT("bob.1"), &bob), OK);
	directory_close(&d);
}

static void a_reader_learns_what_changed(void **state)
{
	struct directory *d = fresh();
	uint64_t since = 0;
	struct seen s;

	(void)state;
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "");
	assert_true(since == 0);
	assert_int_equal(save(d, USER, "ana", true), OK);
	assert_int_equal(save(d, DEVICE, "nc-1", true), OK);
	assert_int_equal(save(d, USER, "ana", false), OK);
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "2:ana 1:nc-1 2:ana ");
	assert_int_equal(save(d, DEVICE, "ana", true), ERR_EXISTS);
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "");
	assert_int_equal(directory_remove(d, DEVICE, SPAN_LIT("nc-1")), OK);
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "1:nc-1 ");
	directory_close(&d);
	d = open_at("d.mdb");
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "");
	directory_close(&d);
}

static void a_reader_ahead_of_the_journal_reads_all(void **state)
{
	struct directory *d = fresh();
	uint64_t since = 1000;
	struct seen s;

	(void)state;
	assert_int_equal(save(d, USER, "ana", true), OK);
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "0: ");
	assert_true(since == 1);
	directory_close(&d);
}

/* The journal is made long by hand: its first lines are moved as many lines back as it keeps. */
static void a_reader_too_far_behind_reads_all(void **state)
{
	static const char *const tables[] = { "account", "owner", "journal", "check", NULL };
	const struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = DIRECTORY_MAP_BYTES, .table = tables };
	struct key64 late = key64(DIRECTORY_JOURNAL_MAX + 100);
	struct directory *d = fresh();
	struct store *s = NULL;
	struct txn *t = NULL;
	uint64_t since = 1, lines;
	struct seen seen;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(save(d, USER, "ana", false), OK);
	directory_close(&d);
	assert_int_equal(store_open(path_of("d.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_append(t, 2, key64_span(&late), SPAN_LIT("a line nobody can read")), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
	d = open_at("d.mdb");
	assert_int_equal(save(d, USER, "bob", true), OK);   /* trims */
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&seen)), OK);
	assert_string_equal(seen.text, "0: ");
	assert_true(since == DIRECTORY_JOURNAL_MAX + 101);
	since = DIRECTORY_JOURNAL_MAX + 100;
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&seen)), OK);
	assert_string_equal(seen.text, "2:bob ");
	since = DIRECTORY_JOURNAL_MAX + 99;
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&seen)), ERR_CORRUPT);
	directory_close(&d);
	assert_int_equal(store_open(path_of("d.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_read(s, &t), OK);
	assert_int_equal(txn_count(t, 2, &lines), OK);
	assert_int_equal(lines, 2);
	txn_abort(&t);
	store_close(&s);
}

static pid_t child_that_suspends(const char *path, int go)
{
	struct account a = account_of(USER, "ana");
	struct directory *d = NULL;
	pid_t pid = fork();
	char byte;
	bool good;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	a.subject.suspended = true;
	good = read(go, &byte, 1) == 1 && directory_open(path, root, false, &d) == OK &&
	       directory_save(d, &a, false) == OK;
	directory_close(&d);
	_exit(good ? 0 : 1);
}

/* The operator's tool beside the broker. */
static void another_process_is_noticed_without_reading(void **state)
{
	struct account *a = NULL;
	struct directory *d;
	int go[2], status;
	uint64_t before, since = 0;
	struct seen s;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(go), 0);
	pid = child_that_suspends(path_of("two.mdb"), go[0]);
	d = open_at("two.mdb");
	assert_int_equal(save(d, USER, "ana", true), OK);
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	before = directory_generation(d);
	assert_true(is_there(d, USER, "ana"));
	assert_true(directory_generation(d) == before);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(directory_generation(d) > before);
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "2:ana ");
	assert_int_equal(directory_find(d, USER, SPAN_LIT("ana"), &a), OK);
	assert_true(a->subject.suspended);
	account_free(&a);
	directory_close(&d);
	close(go[0]);
	close(go[1]);
}

static pid_t child_that_saves(const char *path, const int ends[2])
{
	int go = ends[0];
	struct directory *d = NULL;
	pid_t pid = fork();
	char byte;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	close(ends[1]);
	if (directory_open(path, root, false, &d) != OK)
		_exit(1);
	while (read(go, &byte, 1) == 1)
		if (save(d, USER, "ana", false) != OK)
			_exit(1);
	directory_close(&d);
	_exit(0);
}

/* LMDB shows a commit's number before readers get what was committed, for as long as its last flush takes: who looks in
 * between must look again. */
static void no_change_is_missed_by_who_looks_while_it_is_flushed(void **state)
{
	struct directory *d;
	uint64_t since = 0;
	struct seen s;
	int go[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(go), 0);
	pid = child_that_saves(path_of("flush.mdb"), go);
	close(go[0]);
	d = open_at("flush.mdb");
	for (int i = 0; i < 200; i++) {
		int64_t end = until_now_s() + UNTIL_S;

		assert_int_equal(write(go[1], "x", 1), 1);
		for (s.calls = 0; s.calls == 0 && until_now_s() < end;)
			if (directory_moved(d))
				assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
		if (s.calls != 1)
			break;
	}
	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(s.calls, 1);
	assert_false(directory_moved(d));
	directory_close(&d);
}

static void a_stored_account_is_checked_when_read(void **state)
{
	struct account a = account_of(USER, "ana"), *back = NULL;
	uint8_t *raw = NULL;
	size_t n;

	(void)state;
	a.name = SPAN_LIT("Ana");
	assert_int_equal(account_write(&a, &raw, &n), OK);
	for (int i = 0; i < 3000; i++) {
		uint8_t copy[256];
		size_t len = seed_below(4) ? n : seed_below(n);

		memcpy(copy, raw, n);
		copy[seed_below(n)] = (uint8_t)seed_next();
		if (account_read(span(copy, len), &back) == OK)
			assert_true(word_ok(back->subject.id) && word_ok(back->subject.tenant));
		account_free(&back);
	}
	assert_int_equal(account_read(span(NULL, 0), &back), ERR_VERSION);
	assert_int_equal(account_read(SPAN_LIT("\x08\x04"), &back), ERR_VERSION);
	assert_int_equal(account_read(SPAN_LIT("\x08\x01"), &back), ERR_CORRUPT);
	assert_int_equal(account_read(SPAN_LIT("\xff"), &back), ERR_CORRUPT);
	assert_null(back);
	free(raw);
}

/* ---- many at once, certificates, editions ------------------------------------------------------------------------ */

static void a_batch_that_is_not_committed_never_was(void **state)
{
	struct account ana = account_of(USER, "ana"), bob = account_of(USER, "bob"), *found = NULL;
	struct directory *d = fresh();
	struct batch *b = NULL;
	uint64_t before;

	(void)state;
	assert_int_equal(save(d, USER, "carl", true), OK);
	before = directory_generation(d);
	assert_int_equal(directory_begin(d, &b), OK);
	assert_int_equal(batch_save(b, &ana, true), OK);
	assert_int_equal(batch_find(b, USER, SPAN_LIT("ana"), &found), OK);
	assert_int_equal(batch_remove(b, USER, SPAN_LIT("carl")), OK);
	assert_int_equal(batch_save(b, &ana, true), ERR_EXISTS);
	assert_false(is_there(d, USER, "ana"));
	batch_abort(&b);
	assert_null(b);
	assert_false(is_there(d, USER, "ana"));
	assert_true(is_there(d, USER, "carl"));
	assert_true(directory_generation(d) == before);
	assert_int_equal(directory_begin(d, &b), OK);
	assert_int_equal(batch_save(b, &ana, true), OK);
	assert_int_equal(batch_save(b, &bob, true), OK);
	assert_int_equal(batch_commit(&b), OK);
	assert_null(b);
	assert_true(is_there(d, USER, "ana") && is_there(d, USER, "bob"));
	account_free(&found);
	directory_close(&d);
}

static bool count_denial(void *ctx, const struct denial *x)
{
	(void)x;
	return ++*(int *)ctx < 2;
}

static void a_revoked_certificate_is_on_the_list_until_it_is_allowed(void **state)
{
	struct denial lost = { .fingerprint = { 0xaa }, .at_us = 9, .reason = "lost", .by = "root" },
		      other = { .fingerprint = { 0xbb } }, x;
	struct directory *d = fresh();
	struct batch *b = NULL;
	uint64_t since = 0;
	struct seen s;
	int n = 0;

	(void)state;
	assert_int_equal(directory_denial(d, lost.fingerprint, &x), ERR_NOT_FOUND);
	assert_int_equal(directory_begin(d, &b), OK);
	assert_int_equal(batch_deny(b, &lost), OK);
	assert_int_equal(batch_deny(b, &other), OK);
	assert_int_equal(batch_deny(b, &lost), ERR_EXISTS);
	assert_int_equal(batch_commit(&b), OK);
	directory_close(&d);
	d = open_at("d.mdb");
	assert_int_equal(directory_denial(d, lost.fingerprint, &x), OK);
	assert_memory_equal(&x, &lost, sizeof(x));
	assert_int_equal(directory_denials(d, count_denial, &n), OK);
	assert_int_equal(n, 2);
	assert_int_equal(directory_begin(d, &b), OK);
	assert_int_equal(batch_allow(b, lost.fingerprint), OK);
	assert_int_equal(batch_allow(b, lost.fingerprint), ERR_NOT_FOUND);
	assert_int_equal(batch_commit(&b), OK);
	assert_int_equal(directory_denial(d, lost.fingerprint, &x), ERR_NOT_FOUND);
	assert_int_equal(directory_denial(d, other.fingerprint, &x), OK);
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "aa bb aa ");
	directory_close(&d);
}

static uint64_t add_edition(struct directory *d, const char *text)
{
	struct edition e = { .at_us = 1, .by = "root", .text = (char *)(uintptr_t)text };
	struct batch *b = NULL;
	uint64_t number = 0;

	SHA256(e.hash, span_str(text));
	assert_int_equal(directory_begin(d, &b), OK);
	assert_int_equal(batch_edition(b, &e, &number), OK);
	assert_int_equal(batch_commit(&b), OK);
	return number;
}

static void editions_are_numbered_for_ever_and_the_last_are_kept(void **state)
{
	static char huge[EDITION_TEXT_MAX + 2];
	struct directory *d = fresh();
	struct edition e = { 0 };

	(void)state;
	assert_int_equal(directory_edition(d, 0, &e), ERR_NOT_FOUND);
	for (uint64_t i = 1; i <= EDITIONS_MAX + 3; i++) {
		char text[16];

		snprintf(text, sizeof(text), "text %d", (int)i);
		assert_int_equal(add_edition(d, text), i);
	}
	assert_int_equal(directory_edition(d, 3, &e), ERR_NOT_FOUND);
	assert_int_equal(directory_edition(d, 4, &e), OK);
	assert_string_equal(e.text, "text 4");
	edition_clear(&e);
	directory_close(&d);
	d = open_at("d.mdb");
	memset(huge, 'x', sizeof(huge) - 1);
	assert_int_equal(add_edition(d, huge), EDITIONS_MAX + 4);
	assert_int_equal(directory_edition(d, 0, &e), OK);
	assert_int_equal(e.number, EDITIONS_MAX + 4);
	assert_null(e.text);
	assert_string_equal(e.by, "root");
	edition_clear(&e);
	directory_close(&d);
}

static void copy_first_tables(const char *from, const char *to)
{
	static const char *const tables[] = { "account", "owner", "journal", "check", NULL };
	const struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = DIRECTORY_MAP_BYTES, .table = tables };
	struct store *a = NULL, *b = NULL;
	struct txn *r = NULL, *w = NULL;
	struct span key, value;

	assert_int_equal(store_open(path_of(from), &spec, &a), OK);
	assert_int_equal(store_open(path_of(to), &spec, &b), OK);
	assert_int_equal(txn_begin_read(a, &r), OK);
	assert_int_equal(txn_begin_write(b, &w), OK);
	for (unsigned t = 0; t < 4; t++)
		for (key = span(NULL, 0); txn_after(r, t, key, &key, &value) == OK;)
			assert_int_equal(txn_put(w, t, key, value), OK);
	assert_int_equal(txn_commit(&w), OK);
	txn_abort(&r);
	store_close(&a);
	store_close(&b);
}

/* As it was before there were denials and editions. */
static void a_store_of_the_first_version_still_opens(void **state)
{
	struct directory *d = fresh();
	struct edition e = { 0 };
	struct denial x;

	(void)state;
	assert_int_equal(save(d, USER, "ana", true), OK);
	directory_close(&d);
	copy_first_tables("d.mdb", "old.mdb");
	assert_int_equal(directory_open(path_of("old.mdb"), root, true, &d), OK);
	assert_true(is_there(d, USER, "ana"));
	assert_int_equal(directory_denial(d, root, &x), ERR_NOT_FOUND);
	assert_int_equal(directory_edition(d, 0, &e), ERR_NOT_FOUND);
	directory_close(&d);
	d = open_at("old.mdb");
	assert_true(is_there(d, USER, "ana"));
	assert_int_equal(add_edition(d, "text"), 1);
	directory_close(&d);
}

static int set_up(void **state)
{
	(void)state;
	scratch_make(&scratch);
	return crypt_init() == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

static void room_once_given_stays(void **state)
{
	struct directory *d = fresh();
	struct stat st;

	(void)state;
	directory_close(&d);
	assert_int_equal(directory_open_room(path_of("d.mdb"), root, 2 * DIRECTORY_MAP_BYTES, &d), OK);
	directory_close(&d);
	d = open_at("d.mdb");
	assert_int_equal(save(d, USER, "ana", true), OK);
	directory_close(&d);
	assert_int_equal(stat(path_of("d.mdb"), &st), 0);
	assert_int_equal(st.st_size, 2 * DIRECTORY_MAP_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_comes_back_as_it_was_saved),
		cmocka_unit_test(accounts_outlive_the_process),
		cmocka_unit_test(another_root_key_does_not_open_it),
		cmocka_unit_test(nothing_is_kept_in_clear),
		cmocka_unit_test(an_account_cannot_take_the_place_of_another),
		cmocka_unit_test(what_is_no_account_is_not_saved),
		cmocka_unit_test(people_and_devices_share_one_name_space),
		cmocka_unit_test(accounts_are_visited_in_order),
		cmocka_unit_test(one_party_is_visited_from_where_one_left_off),
		cmocka_unit_test(a_client_id_belongs_to_one_owner_for_good),
		cmocka_unit_test(what_a_client_retained_is_kept_with_whose_it_is),
		cmocka_unit_test(what_is_no_client_id_has_no_owner),
		cmocka_unit_test(one_person_cannot_fill_it_with_client_ids),
		cmocka_unit_test(a_reader_learns_what_changed),
		cmocka_unit_test(a_reader_ahead_of_the_journal_reads_all),
		cmocka_unit_test(a_reader_too_far_behind_reads_all),
		cmocka_unit_test(another_process_is_noticed_without_reading),
		cmocka_unit_test(no_change_is_missed_by_who_looks_while_it_is_flushed),
		cmocka_unit_test(a_stored_account_is_checked_when_read),
		cmocka_unit_test(a_batch_that_is_not_committed_never_was),
		cmocka_unit_test(a_revoked_certificate_is_on_the_list_until_it_is_allowed),
		cmocka_unit_test(editions_are_numbered_for_ever_and_the_last_are_kept),
		cmocka_unit_test(a_store_of_the_first_version_still_opens),
		cmocka_unit_test(room_once_given_stays),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
