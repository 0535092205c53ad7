#include "epochs.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "disk.h"
#include "thread.h"
#include "whole.h"

#define SLOTS 2
#define FILE_BYTES (SLOTS * EPOCHS_SLOT_BYTES)
#define CHECK_BYTES 8
#define PATH_MAX_BYTES 1024
#define TABLE_MODE 0644
#define NICE 10               /* behind whatever else there is to do, but not for ever */
#define PEEKS 8                 /* a reader may meet the writer between its two slots */

/* The thread that makes keys: all of a new line, or of the line of now those to come. */
struct maker {
	pthread_t thread;
	bool running, anew;
	bool refused;                   /* the disk took no table: until the next epoch it is not asked again */
	atomic_bool stop;
	_Atomic int came;               /* MADE or why not */
	uint8_t seed[FORWARD_SEED_BYTES];       /* of `first` */
	uint32_t first, end;
	forward_pub *pub;               /* all of the line; those from `first` on are made */
};
enum { MAKING = -1, MADE = 0 };

struct epochs {
	int fd;
	char path[PATH_MAX_BYTES], table[PATH_MAX_BYTES + 8];
	bool has[SLOTS], blank[SLOTS];  /* what was read at opening */
	struct epoch slot[SLOTS];
	bool is_now, is_next, looked;
	struct epoch now, next, made;   /* made: epoch 0 of the line that was */
	bool is_made;
	struct maker maker;
};

/* ---- slots ---- */

static void check_of(struct span written, uint8_t out[CHECK_BYTES])
{
	uint8_t digest[SHA256_BYTES];

	SHA256(digest, written);
	memcpy(out, digest, CHECK_BYTES);
}

static void slot_write(const struct epoch *e, uint8_t slot[EPOCHS_SLOT_BYTES])
{
	struct put b = put(slot, EPOCHS_SLOT_BYTES);
	uint8_t check[CHECK_BYTES];

	memset(slot, 0, EPOCHS_SLOT_BYTES);
	put_u64(&b, e->n);
	put_bytes(&b, span(e->root.hash.b, SHA256_BYTES));
	put_u8(&b, e->root.depth);
	put_u32(&b, e->key.epoch);
	put_bytes(&b, span(e->seed, sizeof(e->seed)));
	put_bytes(&b, span(e->key.path, e->root.depth * sizeof(*e->key.path)));
	check_of(put_span(&b), check);
	put_bytes(&b, span(check, sizeof(check)));
	must(put_end(&b) == OK);
}

static bool slot_read(const uint8_t *slot, unsigned at, struct epoch *out)
{
	struct cur c = cur(span(slot, EPOCHS_SLOT_BYTES));
	uint8_t check[CHECK_BYTES];
	struct span root, seed, path;
	struct epoch e = { .n = cur_u64(&c) };
	bool good;

	root = cur_take(&c, SHA256_BYTES);
	e.root.depth = cur_u8(&c);
	e.key.epoch = cur_u32(&c);
	seed = cur_take(&c, sizeof(e.seed));
	if (e.n % SLOTS != at || e.root.depth < FORWARD_DEPTH_MIN || e.root.depth > FORWARD_DEPTH_MAX)
		return false;
	path = cur_take(&c, e.root.depth * sizeof(*e.key.path));
	check_of(span(slot, EPOCHS_SLOT_BYTES - c.left.n), check);
	if (memcmp(cur_take(&c, sizeof(check)).p, check, sizeof(check)) != 0)
		return false;
	memcpy(e.root.hash.b, root.p, root.n);
	memcpy(e.seed, seed.p, seed.n);
	memcpy(e.key.path, path.p, path.n);
	good = forward_public(e.seed, e.key.pub) == OK && forward_fits(&e.root, &e.key) == OK;
	if (good)
		*out = e;
	crypt_wipe(&e, sizeof(e));
	return good;
}

static bool is_blank(const uint8_t *slot)
{
	for (size_t i = 0; i < EPOCHS_SLOT_BYTES; i++)
		if (slot[i])
			return false;
	return true;
}

static enum err read_slots(int fd, struct epoch slot[SLOTS], bool has[SLOTS], bool blank[SLOTS])
{
	uint8_t file[FILE_BYTES];
	enum err e = disk_read(fd, file, sizeof(file), 0);

	for (unsigned i = 0; e == OK && i < SLOTS; i++) {
		has[i] = slot_read(file + i * EPOCHS_SLOT_BYTES, i, &slot[i]);
		blank[i] = is_blank(file + i * EPOCHS_SLOT_BYTES);
	}
	crypt_wipe(file, sizeof(file));
	return e;
}

/* NULL: with zeros. */
static enum err put_slot(const struct epochs *e, uint64_t n, const struct epoch *what)
{
	uint8_t slot[EPOCHS_SLOT_BYTES] = { 0 };
	enum err err;

	if (what)
		slot_write(what, slot);
	err = disk_write(e->fd, span(slot, sizeof(slot)), (off_t)(n % SLOTS) * EPOCHS_SLOT_BYTES);
	crypt_wipe(slot, sizeof(slot));
	return err;
}

/* ---- the table ---- */

static enum err table_read(const struct epochs *e, unsigned depth, forward_pub **out)
{
	size_t bytes = forward_epochs(depth) * sizeof(forward_pub), n;
	CLEANUP(free_cleanup) uint8_t *text = malloc(bytes + 1);

	if (!text)
		return ERR_FULL;
	TRY(whole_read(e->table, text, bytes + 1, &n));
	if (n != bytes)
		return ERR_CORRUPT;
	*out = (forward_pub *)text;
	text = NULL;            /* given away */
	return OK;
}

static enum err table_write(const struct epochs *e, const forward_pub *pub, unsigned depth)
{
	return whole_keep(e->table, span(pub, forward_epochs(depth) * sizeof(*pub)), TABLE_MODE);
}

/* ---- making keys ---- */

/* From that of `seed` on, which is wiped. */
static enum err make_keys(uint8_t seed[FORWARD_SEED_BYTES], uint32_t first, uint32_t end, const atomic_bool *stop, forward_pub *pub)
{
	enum err e = OK;

	for (uint32_t i = first; i < end && e == OK; i++) {
		e = atomic_load(stop) ? ERR_CLOSED : forward_public(seed, pub[i]);
		forward_seed_next(seed);
	}
	crypt_wipe(seed, FORWARD_SEED_BYTES);
	return e;
}

static void *make(void *arg)
{
	struct maker *m = arg;
	enum err e;

	(void)setpriority(PRIO_PROCESS, 0, NICE);     /* of this thread alone, on Linux */
	e = make_keys(m->seed, m->first, m->end, &m->stop, m->pub);
	atomic_store(&m->came, e == OK ? MADE : (int)e);
	return NULL;
}

static enum err start_maker(struct epochs *e, const uint8_t seed[FORWARD_SEED_BYTES], uint32_t first, unsigned depth, bool anew)
{
	struct maker *m = &e->maker;

	must(!m->running);
	m->pub = calloc(forward_epochs(depth), sizeof(*m->pub));
	if (!m->pub)
		return ERR_FULL;
	memcpy(m->seed, seed, sizeof(m->seed));
	m->first = first;
	m->end = forward_epochs(depth);
	m->anew = anew;
	m->refused = false;
	atomic_store(&m->came, MAKING);
	m->running = thread_start(&m->thread, make, m) == OK;
	if (m->running)
		return OK;
	crypt_wipe(m->seed, sizeof(m->seed));
	free(m->pub);
	m->pub = NULL;
	return ERR_FULL;
}

static void end_maker(struct epochs *e)
{
	struct maker *m = &e->maker;

	if (m->running)
		pthread_join(m->thread, NULL);
	m->running = false;
	free(m->pub);
	m->pub = NULL;
}

/* Keys to come, made anew: they do from here as long as the disk takes no table. */
static bool is_mended(const struct epochs *e)
{
	return e->maker.running && !e->maker.anew && atomic_load(&e->maker.came) == MADE;
}

static enum err take_made(struct epochs *e)
{
	struct maker *m = &e->maker;

	if (!m->running || atomic_load(&m->came) == MAKING)
		return OK;
	if (atomic_load(&m->came) != MADE) {
		end_maker(e);
		return ERR_CRYPTO;
	}
	if (m->anew) {
		unsigned depth = e->made.root.depth;

		forward_first(m->pub, depth, &e->made.root, &e->made.key);
		e->is_made = true;
		return OK;                      /* its keys stay until it is in force */
	}
	m->refused = m->refused || table_write(e, m->pub, e->now.root.depth) != OK;
	if (!m->refused)
		end_maker(e);
	return OK;
}

enum err epochs_make(struct epochs *e, unsigned depth)
{
	if (e->maker.running && !is_mended(e))
		return OK;
	end_maker(e);
	crypt_random(e->made.seed, sizeof(e->made.seed));
	e->made.root.depth = (uint8_t)depth;
	return start_maker(e, e->made.seed, 0, depth, true);
}

bool epochs_made(const struct epochs *e)
{
	return e->maker.running && e->maker.anew && atomic_load(&e->maker.came) == MADE;
}

/* ---- moving on ---- */

const struct epoch *epochs_now(const struct epochs *e) { return e->is_now ? &e->now : NULL; }
const struct epoch *epochs_next(const struct epochs *e) { return e->is_next ? &e->next : NULL; }

/* From now to that epoch of its own line, as one step of the file. What the keys say of it must be what the seed says, and lead to
 * the root. */
static enum err go_by(const forward_pub *pub, const struct epoch *now, uint32_t epoch, struct epoch *next)
{
	forward_pub want;

	*next = *now;
	next->n++;
	while (next->key.epoch < epoch) {
		TRY(forward_next(&next->root, &next->key, pub, &next->key));
		forward_seed_next(next->seed);
	}
	TRY(forward_public(next->seed, want));
	return memcmp(want, next->key.pub, sizeof(want)) == 0 ? OK : ERR_KEY;
}

static enum err go_on(const struct epochs *e, const struct epoch *now, uint32_t epoch, struct epoch *next)
{
	CLEANUP(free_cleanup) forward_pub *kept = NULL;

	if (!is_mended(e))
		TRY(table_read(e, now->root.depth, &kept));
	return go_by(kept ? kept : e->maker.pub, now, epoch, next);
}

/* The table is lost or damaged, or cannot be read: what is to come is made anew. A thread that cannot start may the next time. */
static enum err mend_table(struct epochs *e)
{
	if (!e->maker.running)
		(void)!start_maker(e, e->now.seed, e->now.key.epoch, e->now.root.depth, false);
	return ERR_BUSY;
}

static enum err choose_next(struct epochs *e)
{
	enum err err;

	if (e->is_made) {
		(void)!table_write(e, e->maker.pub, e->made.root.depth);        /* without, keys to come are made anew when it is time */
		e->next = e->made;
		e->next.n = e->is_now ? e->now.n + 1 : 0;
		return OK;
	}
	if (!e->is_now)
		return ERR_BUSY;
	if (e->now.key.epoch + 1 >= forward_epochs(e->now.root.depth))
		return e->maker.running ? ERR_BUSY : ERR_RANGE;
	err = go_on(e, &e->now, e->now.key.epoch + 1, &e->next);
	return err == OK || err == ERR_CRYPTO ? err : mend_table(e);
}

enum err epochs_tend(struct epochs *e)
{
	enum err err;

	TRY(take_made(e));
	if (!e->is_now || e->is_next || e->looked || e->is_made)
		return OK;
	e->looked = true;
	err = choose_next(e);
	crypt_wipe(&e->next, sizeof(e->next));
	return err == ERR_BUSY || err == ERR_RANGE ? OK : err;
}

enum err epochs_prepare(struct epochs *e)
{
	if (e->is_next)
		return OK;
	TRY(take_made(e));
	TRY(choose_next(e));
	TRY(put_slot(e, e->next.n, &e->next));
	e->is_next = true;
	return OK;
}

enum err epochs_leave(struct epochs *e)
{
	must(e->is_next);
	TRY(put_slot(e, e->next.n + 1, NULL));
	e->now = e->next;
	e->is_now = true;
	e->is_next = false;
	e->maker.refused = false;
	crypt_wipe(&e->next, sizeof(e->next));
	if (e->is_made && memcmp(&e->made.root, &e->now.root, sizeof(e->now.root)) == 0) {
		crypt_wipe(&e->made, sizeof(e->made));
		e->is_made = false;
		end_maker(e);
	}
	return OK;
}

/* ---- the file ---- */

enum err epochs_open(const char *path, struct epochs **out)
{
	CLEANUP(epochs_close) struct epochs *e = calloc(1, sizeof(*e));

	if (!e)
		return ERR_FULL;
	e->fd = -1;
	(void)mlock(e, sizeof(*e));     /* as far as the system lets us: seeds are not for the swap */
	if (!span_text(span_str(path), e->path, sizeof(e->path)))
		return ERR_TOO_LARGE;
	snprintf(e->table, sizeof(e->table), "%s.pub", path);
	TRY(disk_open(path, FILE_BYTES, &e->fd));
	TRY(read_slots(e->fd, e->slot, e->has, e->blank));
	*out = e;
	e = NULL;
	return OK;
}

void epochs_close(struct epochs **e)
{
	if (*e) {
		atomic_store(&(*e)->maker.stop, true);
		end_maker(*e);
		fd_cleanup(&(*e)->fd);
		crypt_wipe(*e, sizeof(**e));
		(void)munlock(*e, sizeof(**e));
	}
	free(*e);
	*e = NULL;
}

/* What was read at opening is not kept beside what is now: the seed of then would make every key since. */
static void wipe_slots(struct epochs *e)
{
	crypt_wipe(e->slot, sizeof(e->slot));
	e->has[0] = e->has[1] = false;
}

enum err epochs_forget(struct epochs *e)
{
	wipe_slots(e);
	for (unsigned i = 0; i < SLOTS; i++)
		if (!e->blank[i])
			TRY(put_slot(e, i, NULL));
	return OK;
}

static bool is_of(const struct epoch *e, const struct forward_root *root)
{
	return e->root.depth == root->depth && memcmp(&e->root.hash, &root->hash, sizeof(root->hash)) == 0;
}

/* The one due, or of those before it the newest; what it is that is there, if none. */
static enum err pick(const struct epochs *e, const struct forward_root *root, uint32_t epoch, unsigned *at)
{
	enum err why = e->blank[0] && e->blank[1] ? ERR_NOT_FOUND : ERR_CORRUPT;
	bool found = false;

	for (unsigned i = 0; i < SLOTS; i++) {
		const struct epoch *s = &e->slot[i];

		if (!e->has[i])
			continue;
		if (!is_of(s, root) || s->key.epoch > epoch) {
			why = is_of(s, root) || why == ERR_RANGE ? ERR_RANGE : ERR_KEY;
		} else if (!found || s->key.epoch > e->slot[*at].key.epoch) {
			*at = i;
			found = true;
		}
	}
	return found ? OK : why;
}

/* As go_on(), with keys that are made here and now: the start waits for them, for it signs nothing before. */
static enum err go_on_without_table(const struct epochs *e, uint32_t epoch, struct epoch *next)
{
	const unsigned depth = e->now.root.depth;
	CLEANUP(free_cleanup) forward_pub *pub = calloc(forward_epochs(depth), sizeof(*pub));
	uint8_t seed[FORWARD_SEED_BYTES];

	if (!pub)
		return ERR_FULL;
	memcpy(seed, e->now.seed, sizeof(seed));
	TRY(make_keys(seed, e->now.key.epoch, forward_epochs(depth), &e->maker.stop, pub));
	(void)!table_write(e, pub, depth);
	return go_by(pub, &e->now, epoch, next);
}

/* The next's place is overwritten, whatever is in it: half of one that was being written, or one that the record does not know. Of
 * what lies between nothing is written. */
static enum err catch_up(struct epochs *e, uint32_t epoch)
{
	if (e->now.key.epoch == epoch)
		return put_slot(e, e->now.n + 1, NULL);
	if (go_on(e, &e->now, epoch, &e->next) != OK)
		TRY(go_on_without_table(e, epoch, &e->next));
	TRY(put_slot(e, e->next.n, &e->next));
	e->is_next = true;
	return epochs_leave(e);
}

static enum err find(struct epochs *e, const struct forward_root *root, uint32_t epoch, bool sealed)
{
	unsigned at = 0;
	const struct epoch *before;

	TRY(pick(e, root, epoch, &at));
	before = &e->slot[!at];
	e->is_now = true;
	if (sealed || e->slot[at].key.epoch < epoch) {
		e->now = e->slot[at];
		TRY(catch_up(e, sealed ? epoch : epoch - 1));
		return sealed ? OK : epochs_prepare(e);
	}
	if (!e->has[!at] || before->n + 1 != e->slot[at].n)
		return ERR_CORRUPT;             /* it went before its last checkpoint was there: the record was set back */
	e->now = *before;
	e->next = e->slot[at];
	e->is_next = true;
	return OK;
}

enum err epochs_find(struct epochs *e, const struct forward_root *root, uint32_t epoch, bool sealed)
{
	enum err err = find(e, root, epoch, sealed);

	if (err == OK || err == ERR_BUSY)
		wipe_slots(e);
	return err;
}

enum err epochs_peek(const char *path, struct forward_root *root, uint32_t *epoch)
{
	CLEANUP(fd_cleanup) int fd = -1;
	struct epoch slot[SLOTS] = { { 0 } };
	bool has[SLOTS] = { false }, blank[SLOTS];
	enum err e = OK;

	TRY(disk_open_read(path, &fd));
	for (int i = 0; i < PEEKS && e == OK && !has[0] && !has[1]; i++)
		e = read_slots(fd, slot, has, blank);
	if (e == OK && (has[0] || has[1])) {
		unsigned at = has[0] && (!has[1] || slot[0].n < slot[1].n) ? 0 : 1;

		*root = slot[at].root;
		*epoch = slot[at].key.epoch;
	} else if (e == OK || e == ERR_SHORT) {
		e = e == OK && blank[0] && blank[1] ? ERR_NOT_FOUND : ERR_CORRUPT;
	}
	crypt_wipe(slot, sizeof(slot));
	return e;
}
