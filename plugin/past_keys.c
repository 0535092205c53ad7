#include "past_keys.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cur.h"
#include "disk.h"

#define SLOT 64
#define WRAPPED (AEAD_KEY_BYTES + VAULT_EXTRA)
#define STEP ((off_t)64 << 10)      /* the file grows by, half of it ahead */
#define PLACE_AT 3
#define PLACE_BYTES 8
#define WAYS 4
#define SETS (PAST_KEYS_CACHED / WAYS)

_Static_assert(WRAPPED <= SLOT, "a wrapped key has room in its slot");

/* In the store: state u8 | slot u32. */
enum state { STATE_LIVE = 1, STATE_ENDING, STATE_GONE };

struct entry {
	enum state state;
	uint32_t slot;
};

struct cached {
	struct past_key_name name;
	uint32_t used;                  /* 0: it is empty; else when, by `clock` */
	struct vault key;
};

struct ending {
	struct past_key_name name;
	uint32_t slot;
};

struct past_keys {
	int file;
	off_t reserved;
	unsigned table;
	struct vault kek;
	uint8_t place_key[AEAD_KEY_BYTES];
	bool stale;                     /* what follows is not as the store has it */
	bool unflushed;
	uint8_t *taken, *refused;       /* a bit for each slot */
	size_t slots;                   /* that have bits */
	struct ending ending[PAST_KEYS_ENDING_MAX];
	unsigned endings;
	bool destroyed;                 /* those are overwritten */
	struct past_key_name swept;
	struct cached cache[SETS][WAYS];
	uint32_t clock;
	uint64_t unwrapped;
	_Atomic uint64_t refusals;
};

/* ---- months ---- */

unsigned past_month(int64_t us)
{
	time_t at = (time_t)(us / 1000000);
	struct tm tm;

	if (us < 0 || !gmtime_r(&at, &tm) || tm.tm_year < 70 || (tm.tm_year - 70) * 12 + tm.tm_mon > UINT16_MAX)
		return us < 0 ? 0 : UINT16_MAX;
	return (unsigned)((tm.tm_year - 70) * 12 + tm.tm_mon);
}

int64_t past_month_end_us(unsigned month)
{
	struct tm tm = { .tm_year = 70 + (int)(month + 1) / 12, .tm_mon = (int)(month + 1) % 12, .tm_mday = 1 };

	return (int64_t)timegm(&tm) * 1000000;
}

/* ---- names ---- */

static struct span name_span(const struct past_key_name *n) { return span(n->b, sizeof(n->b)); }

static struct past_key_name name_of(const struct past_keys *k, unsigned month, uint8_t class, struct span place)
{
	struct past_key_name n = { { (uint8_t)(month >> 8), (uint8_t)month, class } };
	uint8_t hash[SHA256_BYTES];

	HMAC256(hash, span(k->place_key, sizeof(k->place_key)), place);
	memcpy(n.b + PLACE_AT, hash, PLACE_BYTES);
	return n;
}

#define AGAIN (PAST_KEY_NAME_BYTES - 1)

/* But for how often it was made anew. */
static bool is_same(const struct past_key_name *a, const struct past_key_name *b) { return memcmp(a->b, b->b, AGAIN) == 0; }

static bool entry_read(struct span value, struct entry *out)
{
	struct cur c = cur(value);

	out->state = (enum state)cur_u8(&c);
	out->slot = cur_u32(&c);
	return cur_end(&c) == OK && out->state >= STATE_LIVE && out->state <= STATE_GONE;
}

static enum err entry_get(const struct past_keys *k, struct txn *t, const struct past_key_name *name, struct entry *out)
{
	struct span value;

	TRY(txn_get(t, k->table, name_span(name), &value));
	return entry_read(value, out) ? OK : ERR_CORRUPT;
}

static enum err entry_put(const struct past_keys *k, struct txn *t, const struct past_key_name *name, struct entry e)
{
	uint8_t room[5];
	struct put b = put(room, sizeof(room));

	put_u8(&b, (uint8_t)e.state);
	put_u32(&b, e.slot);
	return txn_put(t, k->table, name_span(name), put_span(&b));
}

/* The next name there is after that one, and what stands there. */
static enum err entry_after(const struct past_keys *k, struct txn *t, struct past_key_name *name, struct entry *out)
{
	struct span at, value;

	do {
		TRY(txn_after(t, k->table, name_span(name), &at, &value));
		if (at.n != sizeof(name->b))
			return ERR_CORRUPT;
		memcpy(name->b, at.p, at.n);
	} while (!entry_read(value, out));
	return OK;
}

/* ---- slots ---- */

static bool bit(const uint8_t *of, uint32_t slot) { return of[slot / 8] & 1u << slot % 8; }
static void bit_set(uint8_t *of, uint32_t slot) { of[slot / 8] |= (uint8_t)(1u << slot % 8); }

#define SLOTS_MAX (1u << 24)

static enum err slots_reach(struct past_keys *k, uint32_t slot)
{
	size_t want = (slot / 1024 + 1) * 1024;
	uint8_t *taken, *refused;

	if (slot >= SLOTS_MAX)
		return ERR_CORRUPT;
	if (slot < k->slots)
		return OK;
	taken = realloc(k->taken, want / 8);
	if (!taken)
		return ERR_FULL;
	k->taken = taken;
	refused = realloc(k->refused, want / 8);
	if (!refused)
		return ERR_FULL;
	k->refused = refused;
	memset(taken + k->slots / 8, 0, (want - k->slots) / 8);
	memset(refused + k->slots / 8, 0, (want - k->slots) / 8);
	k->slots = want;
	return OK;
}

static enum err slot_new(struct past_keys *k, uint32_t *out)
{
	uint32_t slot = 0;

	while (slot < k->slots && bit(k->taken, slot))
		slot++;
	TRY(slots_reach(k, slot));
	*out = slot;
	return OK;
}

/* Ahead of need: when the disk is full by then, keys go on being made. */
static void reserve(struct past_keys *k, uint32_t slot)
{
	off_t want = (((off_t)slot + 1) * SLOT + STEP / 2 + STEP - 1) / STEP * STEP;

	if (want > k->reserved && disk_reserve(k->file, want) == OK)
		k->reserved = want;
}

static enum err slot_write(struct past_keys *k, uint32_t slot, const uint8_t bytes[SLOT])
{
	reserve(k, slot);
	return pwrite(k->file, bytes, SLOT, (off_t)slot * SLOT) == SLOT ? OK : errno == ENOSPC ? ERR_FULL : ERR_IO;
}

/* Said once of each. */
static enum err refuse(struct past_keys *k, uint32_t slot)
{
	if (!bit(k->refused, slot))
		atomic_fetch_add(&k->refusals, 1);
	bit_set(k->refused, slot);
	return ERR_KEY;
}

static enum err unwrap(struct past_keys *k, const struct past_key_name *name, uint32_t slot, struct vault *out)
{
	uint8_t bytes[SLOT];

	TRY(slots_reach(k, slot));
	if (disk_read(k->file, bytes, sizeof(bytes), (off_t)slot * SLOT) != OK ||
	    vault_open(&k->kek, name_span(name), span(bytes, WRAPPED), out->key) != OK)
		return refuse(k, slot);
	k->unwrapped++;
	return OK;
}

/* ---- what is unwrapped ---- */

static struct cached *set_of(struct past_keys *k, const struct past_key_name *name)
{
	uint32_t x = 0;

	for (size_t i = 0; i < AGAIN; i++)      /* most of it is a keyed hash */
		x = x * 31 + name->b[i];
	return k->cache[x % SETS];
}

static struct cached *cached(struct past_keys *k, const struct past_key_name *name, bool whichever)
{
	struct cached *set = set_of(k, name);

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].used && is_same(&set[i].name, name) && (whichever || set[i].name.b[AGAIN] == name->b[AGAIN])) {
			set[i].used = ++k->clock;
			return &set[i];
		}
	return NULL;
}

/* In the place of what was not used for the longest time. */
static struct cached *remember(struct past_keys *k, const struct past_key_name *name, const struct vault *key)
{
	struct cached *set = set_of(k, name), *c = set;

	for (unsigned i = 1; i < WAYS; i++)
		if (set[i].used < c->used)
			c = &set[i];
	*c = (struct cached){ *name, ++k->clock, *key };
	return c;
}

static void forget(struct past_keys *k, const struct past_key_name *name)
{
	struct cached *set = set_of(k, name);

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].used && is_same(&set[i].name, name))
			crypt_wipe(&set[i], sizeof(set[i]));
}

/* ---- as the store has it ---- */

static void clear(struct past_keys *k)
{
	crypt_wipe(k->cache, sizeof(k->cache));
	if (k->slots)
		memset(k->taken, 0, k->slots / 8);
	k->endings = 0;
	k->destroyed = false;
	k->unflushed = false;
}

static void add_ending(struct past_keys *k, const struct past_key_name *name, uint32_t slot)
{
	k->ending[k->endings++] = (struct ending){ *name, slot };
	k->destroyed = false;
}

static enum err load(struct past_keys *k, struct txn *t, bool check)
{
	struct past_key_name name = { { 0 } };
	struct vault key;
	struct entry e;
	enum err err;

	clear(k);
	while ((err = entry_after(k, t, &name, &e)) == OK) {
		if (e.state == STATE_GONE)
			continue;
		TRY(slots_reach(k, e.slot));
		bit_set(k->taken, e.slot);
		if (e.state == STATE_ENDING && k->endings < PAST_KEYS_ENDING_MAX)
			add_ending(k, &name, e.slot);
		else if (check && e.state == STATE_LIVE)
			(void)!unwrap(k, &name, e.slot, &key);
	}
	vault_clear(&key);
	k->stale = err != ERR_NOT_FOUND;
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err refresh(struct past_keys *k, struct txn *t) { return k->stale ? load(k, t, false) : OK; }

void past_keys_undo(struct past_keys *k) { k->stale = true; }

enum err past_keys_open(const char *path, const uint8_t root[AEAD_KEY_BYTES], unsigned table, struct txn *t,
			struct past_keys **out)
{
	CLEANUP(past_keys_close) struct past_keys *k = calloc(1, sizeof(*k));
	char name[4096];
	int n = snprintf(name, sizeof(name), "%s-keys", path);
	struct vault places;

	if (!k)
		return ERR_FULL;
	k->file = -1;
	k->table = table;
	if (n < 0 || (size_t)n >= sizeof(name))
		return ERR_TOO_LARGE;
	vault_init(&k->kek, root, "history keys");
	vault_init(&places, root, "history places");
	memcpy(k->place_key, places.key, sizeof(k->place_key));
	vault_clear(&places);
	TRY(disk_open(name, 4096, &k->file));
	TRY(load(k, t, true));
	k->unwrapped = 0;
	(void)!past_keys_destroy(k);    /* else with the next */
	*out = k;
	k = NULL;
	return OK;
}

void past_keys_close(struct past_keys **kp)
{
	struct past_keys *k = *kp;

	*kp = NULL;
	if (!k)
		return;
	fd_cleanup(&k->file);
	free(k->taken);
	free(k->refused);
	crypt_wipe(k, sizeof(*k));
	free(k);
}

/* ---- taking and finding ---- */

static enum err make(struct past_keys *k, struct txn *t, const struct past_key_name *name, struct vault *out)
{
	struct entry e = { STATE_LIVE, 0 };
	uint8_t bytes[SLOT] = { 0 };

	TRY(slot_new(k, &e.slot));
	crypt_random(out->key, sizeof(out->key));
	TRY(vault_seal(&k->kek, name_span(name), span(out->key, sizeof(out->key)), bytes));
	TRY(slot_write(k, e.slot, bytes));
	TRY(entry_put(k, t, name, e));
	bit_set(k->taken, e.slot);
	k->refused[e.slot / 8] &= (uint8_t)~(1u << e.slot % 8);
	k->unflushed = true;
	return OK;
}

/* One that ends, or does not open, is left as it is, and another one made. */
static enum err take(struct past_keys *k, struct txn *t, struct past_key_name *name, struct vault *out)
{
	struct entry e;
	enum err err;

	for (unsigned again = 0; again <= UINT8_MAX; again++) {
		name->b[AGAIN] = (uint8_t)again;
		err = entry_get(k, t, name, &e);
		if (err == ERR_NOT_FOUND)
			return make(k, t, name, out);
		if (err != OK && err != ERR_CORRUPT)
			return err;
		if (err == OK && e.state == STATE_LIVE && unwrap(k, name, e.slot, out) == OK)
			return OK;
	}
	return ERR_KEY;
}

enum err past_keys_take(struct past_keys *k, struct txn *t, unsigned month, uint8_t class, struct span place,
			struct past_key_name *name, const struct vault **key)
{
	struct cached *c;
	struct vault made;
	enum err e;

	TRY(refresh(k, t));
	*name = name_of(k, month, class, place);
	c = cached(k, name, true);
	if (!c) {
		e = take(k, t, name, &made);
		if (e == OK)
			c = remember(k, name, &made);
		vault_clear(&made);
		TRY(e);
	}
	*name = c->name;
	*key = &c->key;
	return OK;
}

enum err past_keys_find(struct past_keys *k, struct txn *t, const struct past_key_name *name, const struct vault **key)
{
	struct cached *c;
	struct vault opened;
	struct entry e;
	enum err err;

	TRY(refresh(k, t));
	c = cached(k, name, false);
	if (!c) {
		TRY(entry_get(k, t, name, &e));
		if (e.state != STATE_LIVE)
			return ERR_NOT_FOUND;
		err = unwrap(k, name, e.slot, &opened);
		if (err == OK)
			c = remember(k, name, &opened);
		vault_clear(&opened);
		TRY(err);
	}
	*key = &c->key;
	return OK;
}

bool past_keys_are_gone(struct past_keys *k, struct txn *t, const struct past_key_name *name)
{
	struct entry e;
	enum err err = entry_get(k, t, name, &e);

	return err == ERR_NOT_FOUND || (err == OK && e.state != STATE_LIVE);
}

enum err past_keys_flush(struct past_keys *k)
{
	if (!k->unflushed)
		return OK;
	if (fdatasync(k->file) != 0)
		return ERR_IO;
	k->unflushed = false;
	return OK;
}

/* ---- the end of keys ---- */

/* Slots that were overwritten are free from the commit on. */
static enum err say_gone(struct past_keys *k, struct txn *t, unsigned *changed)
{
	*changed = 0;
	if (!k->destroyed)
		return OK;
	for (unsigned i = 0; i < k->endings; i++, ++*changed) {
		TRY(entry_put(k, t, &k->ending[i].name, (struct entry){ STATE_GONE, 0 }));
		k->taken[k->ending[i].slot / 8] &= (uint8_t)~(1u << k->ending[i].slot % 8);
	}
	k->endings = 0;
	k->destroyed = false;
	return OK;
}

static enum err end_one(struct past_keys *k, struct txn *t, const struct past_key_name *name, struct entry e)
{
	TRY(entry_put(k, t, name, (struct entry){ STATE_ENDING, e.slot }));
	add_ending(k, name, e.slot);
	forget(k, name);
	return OK;
}

enum err past_keys_sweep(struct past_keys *k, struct txn *t, bool (*is_over)(void *ctx, unsigned month, uint8_t class),
			 void *ctx, unsigned *changed)
{
	enum err err = OK;
	struct entry e;

	TRY(refresh(k, t));
	TRY(say_gone(k, t, changed));
	for (unsigned i = 0; i < PAST_KEYS_SWEEP && k->endings < PAST_KEYS_ENDING_MAX; i++) {
		err = entry_after(k, t, &k->swept, &e);
		if (err != OK)
			break;
		if (e.state == STATE_ENDING || !is_over(ctx, (unsigned)k->swept.b[0] << 8 | k->swept.b[1], k->swept.b[2]))
			continue;
		TRY(e.state == STATE_LIVE ? end_one(k, t, &k->swept, e) : txn_del(t, k->table, name_span(&k->swept)));
		++*changed;
	}
	if (err == ERR_NOT_FOUND)
		k->swept = (struct past_key_name){ { 0 } };     /* all round */
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err past_keys_end(struct past_keys *k, struct txn *t, struct span place, unsigned *marked)
{
	const struct past_key_name of = name_of(k, 0, 0, place);
	struct past_key_name name = { { 0 } };
	enum err err = OK;
	struct entry e;
	unsigned gone;

	*marked = 0;
	TRY(refresh(k, t));
	TRY(say_gone(k, t, &gone));
	while (k->endings < PAST_KEYS_ENDING_MAX && (err = entry_after(k, t, &name, &e)) == OK) {
		if (e.state != STATE_LIVE || memcmp(name.b + PLACE_AT, of.b + PLACE_AT, PLACE_BYTES) != 0)
			continue;
		TRY(end_one(k, t, &name, e));
		++*marked;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err past_keys_destroy(struct past_keys *k)
{
	static const uint8_t zero[SLOT];

	if (k->stale || k->destroyed || !k->endings)
		return OK;
	for (unsigned i = 0; i < k->endings; i++)
		TRY(slot_write(k, k->ending[i].slot, zero));
	if (fdatasync(k->file) != 0)
		return ERR_IO;
	k->destroyed = true;
	return OK;
}

uint64_t past_keys_refused(const struct past_keys *k) { return atomic_load(&k->refusals); }
uint64_t past_keys_unwrapped(const struct past_keys *k) { return k->unwrapped; }
