#include "lockout.h"

#include <stdlib.h>

#include "crypt.h"

#define KNOWN_AGAIN_US LOCKOUT_QUIET_US

/* All zero: free. */
struct entry {
	uint64_t tag;               /* of kind, name and address; 0: free */
	uint64_t name;              /* whose; only in `known` */
	int64_t from_us, last_us;   /* of the failures counted; the last of all */
	int64_t until_us;           /* locked; past: was */
	int64_t known_us;           /* last right password; only in `known` */
	uint32_t failures, times;
};

/* Who is known has a table of their own, which only right passwords fill. */
struct lockout {
	uint8_t key[SHA256_BYTES];
	struct entry entry[LOCKOUT_ENTRIES], known[LOCKOUT_KNOWN];
	struct entry crowd[LOCKOUT_KINDS];      /* of those who found no room */
};

enum err lockout_open(struct lockout **out)
{
	struct lockout *l = calloc(1, sizeof(*l));

	if (!l)
		return ERR_FULL;
	crypt_random(l->key, sizeof(l->key));
	*out = l;
	return OK;
}

void lockout_close(struct lockout **l)
{
	free_cleanup(l);
}

/* ---- names of entries ------------------------------------------------------------------------------------------- */

struct span lockout_machine(struct span address, struct network *n)
{
	if (!address_read(address, n))
		return address;
	return span(n->address, n->bytes == 16 ? 8 : n->bytes);
}

static uint64_t tag_of(const struct lockout *l, enum lockout_kind kind, const struct lockout_who *who)
{
	const uint8_t head[] = { (uint8_t)kind, (uint8_t)who->name.n };
	struct span name = kind == LOCKOUT_ADDRESS ? span(NULL, 0) : who->name, address = span(NULL, 0);
	uint8_t hash[SHA256_BYTES];
	struct network n;
	uint64_t tag;

	if (kind != LOCKOUT_ACCOUNT)
		address = lockout_machine(who->address, &n);
	HMAC256(hash, span(l->key, sizeof(l->key)), span(head, kind == LOCKOUT_ADDRESS ? 1 : 2), name, address);
	memcpy(&tag, hash, sizeof(tag));
	return tag ? tag : 1;
}

static uint64_t name_of(const struct lockout *l, const struct lockout_who *who)
{
	uint8_t hash[SHA256_BYTES];
	uint64_t name;

	HMAC256(hash, span(l->key, sizeof(l->key)), who->name);
	memcpy(&name, hash, sizeof(name));
	return name;
}

/* A look at every entry: little beside the handshake and the hash of a login. */
static struct entry *find(struct entry *table, size_t n, uint64_t tag)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].tag == tag)
			return &table[i];
	return NULL;
}

/* ---- one entry in time ------------------------------------------------------------------------------------------- */

static int64_t length_us(const struct policy_lockout *limit, enum lockout_kind kind, uint32_t times)
{
	int64_t us = (int64_t)limit->for_s * 1000000;

	if (kind != LOCKOUT_PERSON || times < 2)
		return us;
	return us << (times - 1 < LOCKOUT_DOUBLINGS ? times - 1 : LOCKOUT_DOUBLINGS);
}

static void clear(struct entry *e)
{
	*e = (struct entry){ .tag = e->tag, .name = e->name, .known_us = e->known_us };
}

/* What the time that passed, the policy of now and an administrator made of it. */
static void settle(struct entry *e, const struct policy_lockout *limit, enum lockout_kind kind, int64_t unlocked_us,
		   int64_t now_us)
{
	int64_t longest = now_us + length_us(limit, kind, e->times);

	if (e->last_us && unlocked_us >= e->last_us && unlocked_us <= now_us && kind != LOCKOUT_ADDRESS)
		clear(e);
	if (e->until_us > longest)
		e->until_us = longest;
	if (e->last_us > now_us)
		e->last_us = now_us;
	if (e->from_us > now_us)
		e->from_us = now_us;
	if (now_us - e->from_us >= (int64_t)limit->within_s * 1000000)
		e->failures = 0;
	if (e->until_us <= now_us && now_us - e->last_us >= LOCKOUT_QUIET_US && now_us - e->until_us >= LOCKOUT_QUIET_US)
		e->times = 0;
}

static bool is_locked(const struct entry *e, int64_t now_us)
{
	return e->until_us > now_us;
}

/* True: a lock begins. */
static bool count(struct entry *e, const struct policy_lockout *limit, enum lockout_kind kind, int64_t now_us)
{
	if (e->failures == 0)
		e->from_us = now_us;
	e->last_us = now_us;
	if (++e->failures < limit->failures)
		return false;
	e->failures = 0;
	e->times += e->times <= LOCKOUT_DOUBLINGS;
	e->until_us = now_us + length_us(limit, kind, e->times);
	return true;
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

/* Which of two has less to lose: free, then what was never locked, then what was heard of longest ago. */
static bool yields_before(const struct entry *a, const struct entry *b)
{
	int64_t a_us = a->known_us > a->last_us ? a->known_us : a->last_us, b_us = b->known_us > b->last_us ? b->known_us : b->last_us;

	if (!a->tag || !b->tag)
		return !a->tag && b->tag;
	if (!a->times != !b->times)
		return !a->times;
	return a_us < b_us;
}

/* A fresh entry in the place of one that is not locked; NULL: all are. */
static struct entry *make_room(struct entry *table, size_t n, uint64_t tag, int64_t now_us)
{
	struct entry *least = NULL;

	for (size_t i = 0; i < n; i++)
		if (!is_locked(&table[i], now_us) && (!least || yields_before(&table[i], least)))
			least = &table[i];
	if (least)
		*least = (struct entry){ .tag = tag };
	return least;
}

/* The same where who is known is kept, of which nobody has more than their share. */
static struct entry *make_known(struct lockout *l, const struct lockout_who *who, uint64_t tag, int64_t now_us)
{
	uint64_t name = name_of(l, who);
	struct entry *oldest = NULL, *e;
	size_t have = 0;

	for (e = l->known; e < l->known + LOCKOUT_KNOWN; e++) {
		if (!e->tag || e->name != name)
			continue;
		have++;
		if (!is_locked(e, now_us) && (!oldest || yields_before(e, oldest)))
			oldest = e;
	}
	e = have < LOCKOUT_PLACES ? make_room(l->known, LOCKOUT_KNOWN, tag, now_us) : oldest;
	if (e)
		*e = (struct entry){ .tag = tag, .name = name };
	return e;
}

static bool is_full(const struct lockout *l, int64_t now_us)
{
	for (size_t i = 0; i < LOCKOUT_ENTRIES; i++)
		if (!is_locked(&l->entry[i], now_us))
			return false;
	return true;
}

static struct entry *known_entry(struct lockout *l, const struct lockout_who *who)
{
	return find(l->known, LOCKOUT_KNOWN, tag_of(l, LOCKOUT_PERSON, who));
}

static bool is_known(const struct entry *e, int64_t now_us)
{
	return e && now_us - e->known_us < LOCKOUT_KNOWN_US;
}

bool lockout_knows(struct lockout *l, const struct lockout_who *who, int64_t now_us)
{
	return is_known(known_entry(l, who), now_us);
}

/* Where failures of this kind are counted now; NULL: nowhere yet. */
static struct entry *entry_of(struct lockout *l, enum lockout_kind kind, const struct lockout_who *who, struct entry *known,
			      int64_t now_us)
{
	struct entry *e = kind == LOCKOUT_PERSON && known ? known : find(l->entry, LOCKOUT_ENTRIES, tag_of(l, kind, who));

	return e || !is_full(l, now_us) ? e : &l->crowd[kind];
}

/* ---- what happens ----------------------------------------------------------------------------------------------- */

int64_t lockout_until(struct lockout *l, const struct policy_lockout *limit, const struct lockout_who *who, int64_t now_us)
{
	struct entry *known = known_entry(l, who);
	int64_t until = 0;

	for (enum lockout_kind kind = 0; kind < LOCKOUT_KINDS; kind++) {
		struct entry *e = limit[kind].failures ? entry_of(l, kind, who, known, now_us) : NULL;

		if (!e || (kind != LOCKOUT_PERSON && is_known(known, now_us)))
			continue;
		settle(e, &limit[kind], kind, e == &l->crowd[kind] ? 0 : who->unlocked_us, now_us);
		if (is_locked(e, now_us) && e->until_us > until)
			until = e->until_us;
	}
	return until;
}

unsigned lockout_fail(struct lockout *l, const struct policy_lockout *limit, const struct lockout_who *who, int64_t now_us,
		      struct lockout_mark mark[LOCKOUT_KINDS])
{
	struct entry *known = known_entry(l, who);
	unsigned begun = 0;

	for (enum lockout_kind kind = 0; kind < LOCKOUT_KINDS; kind++) {
		struct entry *e = limit[kind].failures ? entry_of(l, kind, who, known, now_us) : NULL;

		if (!limit[kind].failures)
			continue;
		if (!e)
			e = make_room(l->entry, LOCKOUT_ENTRIES, tag_of(l, kind, who), now_us);
		settle(e, &limit[kind], kind, e == &l->crowd[kind] ? 0 : who->unlocked_us, now_us);
		if (is_locked(e, now_us) || !count(e, &limit[kind], kind, now_us))
			continue;
		mark[kind] = (struct lockout_mark){ now_us, e->until_us, e->times };
		begun |= 1u << kind;
	}
	return begun;
}

bool lockout_pass(struct lockout *l, const struct lockout_who *who, int64_t now_us)
{
	uint64_t tag = tag_of(l, LOCKOUT_PERSON, who);
	struct entry *known = find(l->known, LOCKOUT_KNOWN, tag), *stranger = find(l->entry, LOCKOUT_ENTRIES, tag);
	int64_t before;

	if (stranger)
		*stranger = (struct entry){ 0 };
	if (!known)
		known = make_known(l, who, tag, now_us);
	if (!known)
		return false;
	before = known->known_us;
	clear(known);
	known->known_us = now_us - before >= KNOWN_AGAIN_US || before > now_us ? now_us : before;
	return known->known_us != before;
}

/* ---- what was kept ---------------------------------------------------------------------------------------------- */

void lockout_restore(struct lockout *l, enum lockout_kind kind, const struct lockout_who *who, const struct lockout_mark *m)
{
	uint64_t tag = tag_of(l, kind, who);
	struct entry *e = kind == LOCKOUT_PERSON ? find(l->known, LOCKOUT_KNOWN, tag) : NULL;

	if (!e)
		e = find(l->entry, LOCKOUT_ENTRIES, tag);
	if (!e)
		e = make_room(l->entry, LOCKOUT_ENTRIES, tag, m->at_us);
	if (!e)
		return;
	e->last_us = m->at_us;
	e->until_us = m->until_us;
	e->times = m->times;
}

void lockout_restore_known(struct lockout *l, const struct lockout_who *who, int64_t at_us)
{
	uint64_t tag = tag_of(l, LOCKOUT_PERSON, who);
	struct entry *e = find(l->known, LOCKOUT_KNOWN, tag), *stranger = find(l->entry, LOCKOUT_ENTRIES, tag);

	if (!e)
		e = make_known(l, who, tag, at_us);
	if (!e)
		return;
	if (stranger && stranger->last_us > at_us) {
		uint64_t name = e->name;

		*e = *stranger;     /* what is counted against them there since stands */
		e->name = name;
	}
	if (stranger)
		*stranger = (struct entry){ 0 };
	e->known_us = at_us;
}
