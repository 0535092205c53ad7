#include "outbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "clock.h"
#include "era.h"
#include "outfile.h"
#include "outrecord.h"
#include "thread.h"

#define EVICT_AT_ONCE 32
#define TRY_AGAIN_S 1
#define SYNC_MAX_S 5
#define RIDERS_MAX 256              /* that wait for the next commit */
#define BUCKETS 512
#define HANGS_MS 1000               /* a commit that takes longer holds nothing back */

struct list {
	struct op *first, **last;
};

struct outbox {
	struct outfile *file;
	void (*wake)(void *ctx);
	void *ctx;

	pthread_t thread;
	bool running;
	pthread_mutex_t lock;           /* over what follows */
	pthread_cond_t more, idle;
	struct list todo, doing, done;
	struct op *by_seen[BUCKETS], *by_id[BUCKETS];   /* what brings a message, in any of these lists */
	unsigned pending;               /* that bring or ask something; what tidies up is never refused, and keeps nothing out */
	unsigned riders;                /* of todo: what only deletes */
	bool hurry;                     /* do not wait for more */
	uint64_t next_seq;
	bool stop, working;
	int64_t since_us;               /* monotonic: when the oldest of what is to do, or is being done, came to its turn */
	struct latency flush;
	enum err last;
	uint64_t written;

	/* the loop's */
	struct op *handed;              /* what outbox_next() lent out */
	uint64_t opened;                /* row of the last open alert that was handed out, or there at the start */
	uint64_t upto;                  /* the last place of what was handed out */
	struct era era;
};

/* ---- lists ---- */

static void list_init(struct list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_add(struct list *l, struct op *op)
{
	op->next = NULL;
	*l->last = op;
	l->last = &op->next;
}

static struct op *list_pop(struct list *l)
{
	struct op *op = l->first;

	if (!op)
		return NULL;
	l->first = op->next;
	if (!l->first)
		l->last = &l->first;
	return op;
}

/* Nothing is left in `from`. */
static void list_append(struct list *l, struct list *from)
{
	*l->last = from->first;
	if (from->first)
		l->last = from->last;
	list_init(from);
}

static bool brings(const struct op *op) { return op->work == WORK_PUT || op->work == WORK_HOLD; }

/* ---- what is pending, by what it is looked for ---- */

/* Keyed hashes, both, or made by us: nobody else chooses who shares a bucket. */
static struct op **seen_bucket(struct outbox *o, const uint8_t seen[OUTFILE_SEEN_KEY])
{
	return &o->by_seen[(seen[0] | (unsigned)seen[1] << 8) % BUCKETS];
}

static struct op **id_bucket(struct outbox *o, const struct id *id)
{
	return &o->by_id[(id_order(id) * 0x9e3779b97f4a7c15u >> 32) % BUCKETS];
}

/* The lock is held, here and below. */
static void pending_in(struct outbox *o, struct op *op)
{
	struct op **seen = seen_bucket(o, op->seen), **id = id_bucket(o, &op->id);

	if (!brings(op))
		return;
	op->same_seen = *seen;
	*seen = op;
	op->same_id = *id;
	*id = op;
}

static void pending_out(struct outbox *o, struct op *op)
{
	struct op **seen = seen_bucket(o, op->seen), **id = id_bucket(o, &op->id);

	if (!brings(op))
		return;
	while (*seen != op)
		seen = &(*seen)->same_seen;
	*seen = op->same_seen;
	while (*id != op)
		id = &(*id)->same_id;
	*id = op->same_id;
}

static enum outbox_seen pending_seen(struct outbox *o, const uint8_t seen[OUTFILE_SEEN_KEY])
{
	enum outbox_seen found = SEEN_NEVER;

	for (const struct op *op = *seen_bucket(o, seen); op; op = op->same_seen) {
		if (memcmp(op->seen, seen, OUTFILE_SEEN_KEY) == 0)
			return SEEN_SAME;
		if (memcmp(op->seen, seen, OUTFILE_SEEN_ID) == 0)
			found = SEEN_OTHER;
	}
	return found;
}

static const struct op *pending_put(struct outbox *o, const struct id *id)
{
	const struct op *op = *id_bucket(o, id);

	while (op && (op->work != WORK_PUT || memcmp(op->id.b, id->b, ID_BYTES) != 0))
		op = op->same_id;
	return op;
}

static void op_free(struct op **op)
{
	if (*op)
		outfile_record_drop(*op);
	free(*op);
	*op = NULL;
}

static int64_t mono_us(void) { return clock_us(CLOCK_MONOTONIC); }

/* A transaction without changes says nothing about the disk: none is written. */
static bool wrote(const struct op *first, const struct op *end)
{
	for (const struct op *op = first; op != end; op = op->next)
		if (!op->passed && op->err == OK && op->work != WORK_RECALL)
			return true;
	return false;
}

/* By this thread, which writes nothing else; getrusage(2) counts in 512 bytes. */
static uint64_t thread_written(void)
{
	struct rusage used;

	return getrusage(RUSAGE_THREAD, &used) == 0 ? (uint64_t)used.ru_oublock * 512 : 0;
}

static enum err commit(struct outbox *o, struct op *first, const struct op *end)
{
	int64_t began = mono_us();
	enum err e = outfile_commit(o->file, first, end);

	if (e == OK && !wrote(first, end))
		return OK;
	pthread_mutex_lock(&o->lock);
	latency_add(&o->flush, (uint64_t)(mono_us() - began));
	o->last = e;
	o->written = thread_written();
	pthread_mutex_unlock(&o->lock);
	return e;
}

static void refuse(struct op *op)
{
	op->passed = true;
	op->err = ERR_FULL;
}

/* All together; when that fails each alone, so that one which cannot be kept does not take the others with it. Alone they take more
 * room. */
static void commit_list(struct outbox *o, struct list *l)
{
	enum err e = commit(o, l->first, NULL), alone;

	for (struct op *op = l->first; op && e != OK; op = op->next) {
		if (op->passed)
			continue;
		if (brings(op) && e == ERR_FULL && outfile_tight(o->file)) {
			refuse(op);
			continue;
		}
		alone = commit(o, op, op->next);
		if (alone != OK)
			op->err = alone;
	}
}

/* ---- room ---- */

static void add_evict(struct list *l, const struct id *id, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct op *op = calloc(1, sizeof(*op));

		if (!op)
			return;
		op->work = WORK_EVICT;
		op->id = id[i];
		list_add(l, op);
	}
}

static size_t evict_at_once(struct outbox *o)
{
	size_t n = outfile_room(o->file) / outfile_takes(o->file, &(struct op){ .work = WORK_EVICT });

	return n > EVICT_AT_ONCE ? EVICT_AT_ONCE : n ? n : 1;
}

/* The oldest of the least important tier that has any, as ops; none more important than `least`. Then, when it is
 * pages that are wanting, what is set aside, whose source was told already that nobody hears of it, none more important
 * than `aside`. */
static void find_evictable(struct outbox *o, unsigned least, unsigned aside, struct list *out)
{
	struct id id[EVICT_AT_ONCE];
	size_t n = 0, most = evict_at_once(o);

	for (unsigned tier = FLIGHT_TIERS; tier-- > least && !n;)
		n = outfile_oldest(o->file, tier, false, id, most);
	for (unsigned tier = FLIGHT_TIERS; tier-- > aside && !n && outfile_tight(o->file);)
		n = outfile_oldest(o->file, tier, true, id, most);
	add_evict(out, id, n);
}

static unsigned best_of(const struct list *l)
{
	unsigned best = FLIGHT_TIERS - 1;

	for (const struct op *op = l->first; op; op = op->next)
		if (brings(op) && op->m.tier < best)
			best = op->m.tier;
	return best;
}

/* Whoever is less important than the most important newcomer yields; observations also to each other. */
static unsigned may_evict_from(unsigned best)
{
	return best == FLIGHT_TIERS - 1 ? best : best + 1 > FLIGHT_TIER_CALM ? best + 1 : FLIGHT_TIER_CALM;
}

static bool is_full(struct outbox *o) { return outfile_crowded(o->file) || outfile_tight(o->file); }

/* False: nothing may yield, or it cannot now. */
static bool evict_some(struct outbox *o, unsigned least, unsigned aside, struct list *evicted)
{
	struct list some;
	bool good;

	list_init(&some);
	find_evictable(o, least, aside, &some);
	if (!some.first)
		return false;
	commit_list(o, &some);
	good = some.first->err == OK;
	for (struct op *op; (op = list_pop(&some));)
		list_add(evicted, op);
	return good;
}

/* What the broker has makes room, and is not to be told that it had to yield. One whose message is in the same list is not found
 * yet: its turn comes again. */
static void drop_delivered(struct outbox *o, struct list *l)
{
	for (struct op *op = l->first; op; op = op->next)
		op->passed = op->work != WORK_DELIVERED;
	commit_list(o, l);
	for (struct op *op = l->first; op; op = op->next)
		op->passed = op->work == WORK_DELIVERED && op->err == OK;
}

static void make_room(struct outbox *o, struct list *l, struct list *evicted)
{
	bool needed = false;
	unsigned best = best_of(l), from = may_evict_from(best);

	for (const struct op *op = l->first; op; op = op->next)
		needed = needed || brings(op);
	if (!needed || !is_full(o))
		return;
	drop_delivered(o, l);
	while (is_full(o))
		if (!evict_some(o, from, best, evicted))
			break;
	if (!is_full(o))
		return;
	for (struct op *op = l->first; op; op = op->next)
		if (brings(op))
			refuse(op);
}

/* What is set aside beyond its limit, after the commit that did it: the newcomer may be what gives way. */
static void trim_aside(struct outbox *o, struct list *evicted)
{
	struct id id[EVICT_AT_ONCE];

	for (enum err e = OK; e == OK;) {
		struct list some;

		list_init(&some);
		add_evict(&some, id, outfile_aside_over(o->file, id, evict_at_once(o)));
		if (!some.first)
			return;
		commit_list(o, &some);
		e = some.first->err;
		for (struct op *op; (op = list_pop(&some));)
			list_add(evicted, op);
	}
}

/* ---- the committer ---- */

static bool rides(const struct op *op) { return op->work == WORK_DELIVERED || op->work == WORK_FORGET; }

/* lock is held. Until there is something that cannot wait for more. */
static void wait_for_work(struct outbox *o)
{
	while (!o->todo.first && !o->stop)
		pthread_cond_wait(&o->more, &o->lock);
	if (o->riders && !o->hurry && !o->stop)
		thread_cond_wait_ms(&o->more, &o->lock, OUTBOX_RIDE_MS);   /* woken for no reason: no harm */
	o->hurry = false;
	o->riders = 0;
}

/* What is queued, all of it. False: stopped, and nothing is left. */
static bool take_work(struct outbox *o, struct list *taken)
{
	pthread_mutex_lock(&o->lock);
	o->working = false;
	if (!o->todo.first)
		pthread_cond_broadcast(&o->idle);
	wait_for_work(o);
	list_init(taken);
	list_append(taken, &o->todo);
	o->working = taken->first != NULL;
	o->since_us = mono_us();
	pthread_mutex_unlock(&o->lock);
	return o->working;
}

/* As much as one commit may be, to `doing`: while there is room enough that is all. False: nothing is left. */
static bool take_part(struct outbox *o, struct list *taken)
{
	size_t room = outfile_room(o->file), takes = 0;

	list_init(&o->doing);
	while (taken->first && (!o->doing.first || takes + outfile_takes(o->file, taken->first) <= room)) {
		takes += outfile_takes(o->file, taken->first);
		list_add(&o->doing, list_pop(taken));
	}
	return o->doing.first != NULL;
}

/* lock is held. Nobody asked for them. */
static void hand_over_evicted(struct outbox *o, struct list *evicted)
{
	for (struct op *op; (op = list_pop(evicted));)
		list_add(&o->done, op);
}

/* Hands results over, with what was evicted before and after; tidying that failed is to be tried again. */
static void hand_over(struct outbox *o, struct list *before, struct list *after, struct list *again)
{
	pthread_mutex_lock(&o->lock);
	hand_over_evicted(o, before);
	for (struct op *op; (op = list_pop(&o->doing));)
		list_add(outfile_tidies(op->work) && !outfile_answers(op->err) && !o->stop ? again : &o->done, op);
	hand_over_evicted(o, after);
	o->since_us = mono_us();
	pthread_mutex_unlock(&o->lock);
}

/* In front of what is queued. False: there was nothing. */
static bool put_back(struct outbox *o, struct list *again)
{
	bool failed = again->first != NULL;

	pthread_mutex_lock(&o->lock);
	list_append(again, &o->todo);
	list_append(&o->todo, again);
	pthread_mutex_unlock(&o->lock);
	return failed;
}

/* A disk that fails is not asked at full speed; new work or the end of the program cuts the pause short. */
static void pause_a_little(struct outbox *o)
{
	pthread_mutex_lock(&o->lock);
	if (!o->stop)
		thread_cond_wait_ms(&o->more, &o->lock, TRY_AGAIN_S * 1000);
	pthread_mutex_unlock(&o->lock);
}

static void commit_part(struct outbox *o, struct list *again)
{
	struct list before, after;

	list_init(&before);
	list_init(&after);
	make_room(o, &o->doing, &before);
	commit_list(o, &o->doing);
	trim_aside(o, &after);
	hand_over(o, &before, &after, again);
	o->wake(o->ctx);
}

static void *committer(void *arg)
{
	struct outbox *o = arg;
	struct list taken, again;

	(void)pthread_setname_np(pthread_self(), "outbox");
	while (take_work(o, &taken)) {
		list_init(&again);
		while (take_part(o, &taken))
			commit_part(o, &again);
		if (put_back(o, &again))
			pause_a_little(o);
	}
	return NULL;
}

/* ---- asking for work ---- */

/* Takes the op. */
static enum err submit(struct outbox *o, struct op *op, uint64_t *seq)
{
	enum err e = OK;

	pthread_mutex_lock(&o->lock);
	if (o->pending >= OUTBOX_WORK_MAX && !outfile_tidies(op->work)) {
		e = ERR_BUSY;
	} else {
		o->pending += !outfile_tidies(op->work);
		op->seq = outfile_queues(op->work) ? o->next_seq++ : 0;
		if (seq)
			*seq = op->seq;
		if (!o->todo.first && !o->working)
			o->since_us = mono_us();
		list_add(&o->todo, op);
		pending_in(o, op);
		o->riders += rides(op);
		o->hurry = o->hurry || !rides(op) || o->riders >= RIDERS_MAX;
		if (o->hurry || o->riders == 1)
			pthread_cond_signal(&o->more);
	}
	pthread_mutex_unlock(&o->lock);
	if (e != OK)
		op_free(&op);
	return e;
}

static enum err bring(struct outbox *o, enum outbox_work work, const struct outbox_message *m, uint64_t *seq)
{
	CLEANUP(op_free) struct op *op = calloc(1, sizeof(*op));
	size_t most = 64 + m->topic.n + m->input.n + m->source.n + m->source_id.n + m->envelope.n;
	struct put b;
	struct op *given;

	if (!op)
		return ERR_FULL;
	if (m->envelope.n > OUTBOX_ENVELOPE_MAX)
		return ERR_TOO_LARGE;
	must(m->tier < FLIGHT_TIERS);
	op->record = malloc(most);
	if (!op->record)
		return ERR_FULL;
	b = put(op->record, most);
	TRY(outrecord_write(m, &b));
	op->n = b.n;
	TRY(outrecord_read(put_span(&b), &op->m));
	op->m.digest = m->digest;
	op->m.folded = m->folded;
	op->m.early = m->early;
	op->work = work;
	op->id = m->id;
	outfile_seen_key(o->file, m->source, m->source_id, &m->digest, op->seen);
	given = op;
	op = NULL;
	TRY(submit(o, given, seq));
	if (work != WORK_RECALL && work != WORK_TELL && work != WORK_UNTELL)
		era_brought(&o->era);
	return OK;
}

enum err outbox_put(struct outbox *o, const struct outbox_message *m, uint64_t *seq)
{
	return bring(o, WORK_PUT, m, seq);
}

enum err outbox_hold(struct outbox *o, const struct outbox_message *m)
{
	return bring(o, WORK_HOLD, m, NULL);
}

static enum err by_id(struct outbox *o, enum outbox_work work, const struct id *id, int reason)
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		return ERR_FULL;
	op->work = work;
	op->id = *id;
	op->reason = reason;
	return submit(o, op, NULL);
}

enum err outbox_release(struct outbox *o, const struct id *id) { return by_id(o, WORK_RELEASE, id, 0); }
enum err outbox_delivered(struct outbox *o, const struct id *id) { return by_id(o, WORK_DELIVERED, id, 0); }

enum err outbox_aside(struct outbox *o, const struct id *id, int reason)
{
	return by_id(o, WORK_ASIDE, id, reason);
}

enum err outbox_again(struct outbox *o, size_t *asked)
{
	struct flight_item at[OUTBOX_ASIDE_MAX];
	size_t n = outfile_aside(o->file, at, countof(at));

	for (*asked = 0; *asked < n; ++*asked)
		TRY(by_id(o, WORK_AGAIN, &at[*asked].id, 0));
	return OK;
}

/* Keeps the first of each condition. */
static size_t firsts(struct flight_item *at, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool first = true;

		for (size_t k = 0; k < kept && at[i].of; k++)
			first = first && at[k].of != at[i].of;
		if (first)
			at[kept++] = at[i];
	}
	return kept;
}

enum err outbox_probe(struct outbox *o, size_t from, size_t most, size_t *asked)
{
	struct flight_item at[OUTBOX_ASIDE_MAX];
	size_t n = firsts(at, outfile_aside(o->file, at, countof(at)));

	for (*asked = 0; *asked < n && *asked < most; ++*asked)
		TRY(by_id(o, WORK_AGAIN, &at[(from + *asked) % n].id, 0));
	return OK;
}

enum err outbox_recall(struct outbox *o, const struct outbox_message *m)
{
	const struct outbox_message asked = {
		.topic = SPAN_LIT("-"), .input = m->input, .source = m->source, .source_id = m->source_id,
		.digest = m->digest,
	};

	return bring(o, WORK_RECALL, &asked, NULL);
}

enum err outbox_forget(struct outbox *o, const uint8_t key[OPEN_KEY])
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		return ERR_FULL;
	op->work = WORK_FORGET;
	op->upto = o->opened;   /* not an event that is being kept: who forgets does not know of it yet */
	memcpy(op->key, key, OPEN_KEY);
	return submit(o, op, NULL);
}

enum err outbox_tell(struct outbox *o, struct span code, const struct id *id, int64_t at_us)
{
	const struct outbox_message m = { .id = *id, .topic = SPAN_LIT("-"), .source_id = code, .expires_us = at_us };

	return bring(o, WORK_TELL, &m, NULL);
}

enum err outbox_untell(struct outbox *o, struct span code)
{
	return bring(o, WORK_UNTELL, &(struct outbox_message){ .topic = SPAN_LIT("-"), .source_id = code }, NULL);
}

/* ---- looking ---- */

enum outbox_seen outbox_seen(struct outbox *o, struct span source, struct span source_id, const struct digest *d)
{
	enum outbox_seen pending, kept;
	uint8_t key[OUTFILE_SEEN_KEY];

	outfile_seen_key(o->file, source, source_id, d, key);
	pthread_mutex_lock(&o->lock);
	pending = pending_seen(o, key);
	pthread_mutex_unlock(&o->lock);
	kept = pending == SEEN_SAME ? SEEN_SAME : outfile_seen(o->file, key);
	return kept > pending ? kept : pending;
}

bool outbox_name(struct outbox *o, struct span source, struct span source_id, const struct digest *d, uint8_t name[ID_NAME])
{
	uint8_t key[OUTFILE_SEEN_KEY];

	if (!era_names(&o->era, outfile_kept(o->file)))
		return false;
	outfile_seen_key(o->file, source, source_id, d, key);
	outfile_name(o->file, key, o->era.number, name);
	return true;
}

static bool is_hanging(struct outbox *o)
{
	struct outbox_health h;

	outbox_health(o, &h);
	return h.busy_ms >= HANGS_MS;
}

uint64_t outbox_upto(struct outbox *o)
{
	return era_early(&o->era, outfile_kept(o->file)) || is_hanging(o) ? FLIGHT_SEQ_MAX : o->upto;
}

static void step_era(struct outbox *o)
{
	uint64_t kept = outfile_kept(o->file);
	struct op *op;

	if (!era_step(&o->era, kept))
		return;
	op = calloc(1, sizeof(*op));
	if (op) {
		op->work = WORK_NAME;
		op->number = kept;
	}
	if (!op || submit(o, op, NULL) != OK)
		era_written(&o->era, kept, false);
}

static struct op *take_done(struct outbox *o)
{
	struct op *op;

	pthread_mutex_lock(&o->lock);
	op = list_pop(&o->done);
	if (op) {
		o->pending -= !outfile_tidies(op->work);
		pending_out(o, op);
	}
	pthread_mutex_unlock(&o->lock);
	return op;
}

bool outbox_next(struct outbox *o, struct outbox_done *out)
{
	struct op *op;

	op_free(&o->handed);
	while ((op = take_done(o)) && op->work == WORK_NAME) {
		era_written(&o->era, op->number, op->err == OK);
		op_free(&op);
	}
	if (op && brings(op))
		era_back(&o->era, op->m.early, op->err == OK, outfile_kept(o->file));
	step_era(o);
	if (!op)
		return false;
	if (op->opened_as > o->opened)
		o->opened = op->opened_as;
	if (op->seq > o->upto)
		o->upto = op->seq;
	o->handed = op;
	*out = (struct outbox_done){ op->work, op->err, op->id, op->seq, op->queued, op->aside, op->known, op->reason, op->m };
	return true;
}

bool outbox_sync(struct outbox *o)
{
	const struct timespec until = thread_in_ms(SYNC_MAX_S * 1000);
	bool done;

	pthread_mutex_lock(&o->lock);
	o->hurry = true;
	pthread_cond_signal(&o->more);
	while ((o->todo.first || o->working) && pthread_cond_timedwait(&o->idle, &o->lock, &until) == 0)
		;
	done = !o->todo.first && !o->working;
	pthread_mutex_unlock(&o->lock);
	return done;
}

enum err outbox_read(struct outbox *o, const struct flight_item *at, struct outbox_scratch *scratch,
		     struct outbox_message *out)
{
	const struct op *op;
	size_t n = 0;

	pthread_mutex_lock(&o->lock);
	op = pending_put(o, &at->id);
	if (op) {
		n = op->n;
		memcpy(scratch->b, op->record, n);
	}
	pthread_mutex_unlock(&o->lock);
	if (!n)
		return outfile_read(o->file, at, scratch, out);
	TRY(outrecord_read(span(scratch->b, n), out));
	out->id = at->id;
	return OK;
}

enum err outbox_each(struct outbox *o, enum err (*visit)(void *ctx, const struct flight_item *at), void *ctx)
{
	return outfile_each(o->file, visit, ctx);
}

enum err outbox_open_alert(struct outbox *o, const uint8_t key[OPEN_KEY], struct open_alert *out)
{
	return outfile_open_alert(o->file, key, out);
}

enum err outbox_each_open(struct outbox *o, void (*visit)(void *ctx, const struct open_alert *a), void *ctx)
{
	return outfile_each_open(o->file, visit, ctx);
}

enum err outbox_each_told(struct outbox *o, void (*visit)(void *ctx, const struct outbox_message *m), void *ctx)
{
	return outfile_each_told(o->file, visit, ctx);
}

enum err outbox_keep_aside(const char *path, char kept[OUTBOX_PATH_MAX]) { return outfile_keep_aside(path, kept); }

enum err outbox_each_aside(const struct outbox_spec *spec, void (*visit)(void *ctx, const struct outbox_message *m),
			   void *ctx)
{
	return outfile_each_aside(spec->path, spec->root, spec->map_bytes, visit, ctx);
}

void outbox_health(struct outbox *o, struct outbox_health *out)
{
	pthread_mutex_lock(&o->lock);
	out->flush = o->flush;
	out->busy_ms = o->working || o->todo.first ? (mono_us() - o->since_us) / 1000 : 0;
	out->last = o->last;
	out->written = o->written;
	pthread_mutex_unlock(&o->lock);
}

uint64_t outbox_aside_count(struct outbox *o) { return outfile_aside_count(o->file); }
uint32_t outbox_most(const struct outbox *o) { return outfile_most(o->file); }
uint64_t outbox_newest(const struct outbox *o) { return outfile_newest(o->file); }
uint32_t outbox_unreadable(const struct outbox *o) { return outfile_unreadable(o->file); }

/* ---- life ---- */

static enum err start(struct outbox *o)
{
	pthread_mutex_init(&o->lock, NULL);
	TRY(thread_cond_init(&o->more));
	TRY(thread_cond_init(&o->idle));
	TRY(thread_start(&o->thread, committer, o));
	o->running = true;
	return OK;
}

enum err outbox_open(const struct outbox_spec *spec, struct outbox **out)
{
	CLEANUP(outbox_close) struct outbox *o = calloc(1, sizeof(*o));

	if (!o)
		return ERR_FULL;
	list_init(&o->todo);
	list_init(&o->doing);
	list_init(&o->done);
	o->wake = spec->wake;
	o->ctx = spec->ctx;
	TRY(outfile_open(spec->path, spec->root, spec->map_bytes, &o->file));
	o->next_seq = outfile_next_seq(o->file);
	o->opened = outfile_opened(o->file);
	o->upto = o->next_seq - 1;
	era_init(&o->era, outfile_number(o->file), outfile_kept(o->file), outfile_remembers(o->file));
	TRY(start(o));
	*out = o;
	o = NULL;
	return OK;
}

static void stop(struct outbox *o)
{
	pthread_mutex_lock(&o->lock);
	o->stop = true;
	pthread_cond_signal(&o->more);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	pthread_cond_destroy(&o->more);
	pthread_cond_destroy(&o->idle);
	pthread_mutex_destroy(&o->lock);
}

void outbox_close(struct outbox **out)
{
	struct outbox *o = *out;

	if (!o)
		return;
	if (o->running)
		stop(o);
	op_free(&o->handed);
	for (struct op *op; (op = list_pop(&o->done));)
		op_free(&op);
	outfile_close(&o->file);
	free(o);
	*out = NULL;
}
