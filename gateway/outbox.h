/* outbox: what was accepted from a source and is not yet safe at the broker, on disk, sealed (the gateway's only LMDB).
 *
 * Calls on the loop's thread queue work and return; one committer thread of its own does it, and whatever was queued
 * during the last commit goes into the next, or the next few when the file is nearly full: group commit without a timer.
 * What only deletes rides along with the next commit, and makes one of its own when none comes for OUTBOX_RIDE_MS: half the
 * writes to flash. Each piece of work comes back, in order, from outbox_next(): with OK it survives power loss.
 *
 * Messages stand in tiers (0 code, 1 high, ... 4 info, 5 observations), each in the order of its sequence numbers. A
 * message may be held: kept with its count so far, not yet due; put() under the same id or release() makes it due. A
 * (source, source_id, digest) is taken once: outbox_seen() knows the last ones. outbox_name() names it, so that one which
 * went out and was not kept comes again under the same id, also after a restart (era.h).
 *
 * When the file runs full, less important messages than the newcomer yield, oldest first (WORK_EVICT tells each), but not what was
 * delivered; observations yield to observations; code and high never, unless they are set aside and the newcomer is no less
 * important. Then put() and hold() come back with ERR_FULL. What yielded was not seen: repeated, it is taken anew. Work
 * that only tidies up is tried again until it succeeds.
 *
 * Sealing: each start makes a data key, kept in the file wrapped by the root key; a record is bound to its place
 * (table, tier, sequence, id). Limits: OUTBOX_WORK_MAX pieces of work queued that bring something, OUTBOX_ENVELOPE_MAX bytes. */
#ifndef PULLCORD_OUTBOX_H
#define PULLCORD_OUTBOX_H

#include "crypt.h"
#include "flight.h"
#include "id.h"
#include "key.h"
#include "latency.h"
#include "open.h"

#define OUTBOX_WORK_MAX 1024
#define OUTBOX_ASIDE_MAX (OUTBOX_WORK_MAX / 2)   /* set aside; then the least important gives way */
#define OUTBOX_ENVELOPE_MAX 66000
#define OUTBOX_RECORD_MAX (OUTBOX_ENVELOPE_MAX + 1024)
#define OUTBOX_RIDE_MS 100
#define OUTBOX_PATH_MAX 320

struct outbox;

struct outbox_spec {
	const char *path;
	const uint8_t *root;            /* AEAD_KEY_BYTES */
	size_t map_bytes;
	void (*wake)(void *ctx);        /* from the committer's thread: outbox_next() has something */
	void *ctx;
};

struct outbox_message {
	struct id id;
	uint64_t order;                 /* among our messages; 0: the id has it */
	unsigned tier;
	int64_t expires_us;
	bool opens;                     /* remember it as the open alert of `key` */
	uint8_t reason;                 /* of what is set aside: the broker's */
	uint8_t key[OPEN_KEY];          /* Alert.key; zero for what is no alert */
	struct span topic, input, source, source_id, envelope;
	struct digest digest;           /* of what came; known while it is new work, not kept with the message */
	bool folded, early;             /* it is but one more of others; it is on its way already; as digest */
};

enum outbox_work {
	WORK_PUT, WORK_HOLD,            /* new */
	WORK_RELEASE,                   /* what was held is due */
	WORK_DELIVERED, WORK_ASIDE,     /* the broker has it; or refuses it for good */
	WORK_AGAIN,                     /* what was set aside is due once more */
	WORK_RECALL,                    /* a repeated message: what became of it */
	WORK_FORGET,                    /* an open alert is finished */
	WORK_TELL, WORK_UNTELL,         /* an alarm of the gateway's own is open; is over */
	WORK_EVICT,                     /* had to yield: not asked for */
	WORK_NAME,                      /* the outbox's own: is not handed out */
};

struct outbox_done {
	enum outbox_work work;
	enum err err;                   /* ERR_NOT_FOUND, ERR_EXISTS, ERR_FULL, ERR_IO, ERR_KEY */
	struct id id;
	uint64_t seq;
	bool queued, aside;             /* RECALL: it still waits for the broker; it is set aside, or was and is tried once more */
	bool known;                     /* ASIDE: it had been before */
	int reason;                     /* ASIDE: as given */
	struct outbox_message m;        /* spans are borrowed until the next outbox_next() */
};

/* ERR_KEY: another root key sealed it. ERR_CORRUPT, ERR_VERSION: not ours, or damaged. ERR_BUSY: another gateway has it.
 * What was held when the last run ended is due. */
enum err outbox_open(const struct outbox_spec *spec, struct outbox **out) MUST_USE;
void outbox_close(struct outbox **o);       /* after what is queued was committed */
/* A file that cannot be opened is moved out of the way, never deleted: `kept` says where to. ERR_BUSY: another gateway has it. */
enum err outbox_keep_aside(const char *path, char kept[OUTBOX_PATH_MAX]) MUST_USE;
/* What is set aside, most important first, beside a gateway that runs. `m` is for the call. */
enum err outbox_each_aside(const struct outbox_spec *spec, void (*visit)(void *ctx, const struct outbox_message *m),
			   void *ctx) MUST_USE;

/* ERR_BUSY when too much is queued (not for what tidies up), ERR_TOO_LARGE. Messages are copied. *seq is the message's
 * place. They come back with ERR_EXISTS when the message was taken before, or another that is due or set aside has its id. */
enum err outbox_put(struct outbox *o, const struct outbox_message *m, uint64_t *seq) MUST_USE;
enum err outbox_hold(struct outbox *o, const struct outbox_message *m) MUST_USE;
enum err outbox_release(struct outbox *o, const struct id *id) MUST_USE;
enum err outbox_delivered(struct outbox *o, const struct id *id) MUST_USE;
enum err outbox_aside(struct outbox *o, const struct id *id, int reason) MUST_USE;
/* What was set aside is due again, in its old place: all of it, oldest first; or to see whether the broker takes it now, the
 * first of at most `most` conditions, going round: from the `from`-th on. WORK_AGAIN tells each of `asked`. */
enum err outbox_again(struct outbox *o, size_t *asked) MUST_USE;
enum err outbox_probe(struct outbox *o, size_t from, size_t most, size_t *asked) MUST_USE;
/* By input, source, source_id and digest. WORK_RECALL with ERR_NOT_FOUND: it is not here any more, and was not delivered. */
enum err outbox_recall(struct outbox *o, const struct outbox_message *m) MUST_USE;
/* With its last event that outbox_next() handed out. WORK_FORGET with ERR_NOT_FOUND: there was another since. */
enum err outbox_forget(struct outbox *o, const uint8_t key[OPEN_KEY]) MUST_USE;
/* An alarm of the gateway's own that readers have open, so that a restart can end it: by its code. */
enum err outbox_tell(struct outbox *o, struct span code, const struct id *id, int64_t at_us) MUST_USE;
enum err outbox_untell(struct outbox *o, struct span code) MUST_USE;

/* Was this taken before, or is it being taken? */
enum outbox_seen {
	SEEN_NEVER,
	SEEN_OTHER,                     /* the id, for something else */
	SEEN_YIELDED,                   /* and then it yielded: it is taken anew, and must not have the name it had */
	SEEN_SAME,
};
enum outbox_seen outbox_seen(struct outbox *o, struct span source, struct span source_id, const struct digest *d);
/* Of what outbox_seen() does not know: the same for the same that was not kept, over any number of restarts, as long as fewer than
 * era_keeps(outbox_most()) others were (era_late(), when the disk fails between two eras); another than what was kept under it and
 * is forgotten had. A keyed hash. False: no name. */
bool outbox_name(struct outbox *o, struct span source, struct span source_id, const struct digest *d,
	uint8_t name[ID_NAME]) MUST_USE;
/* Messages up to this sequence number may be sent now; later ones not before they are kept. FLIGHT_SEQ_MAX: all of them. */
uint64_t outbox_upto(struct outbox *o);
/* The next piece of finished work. */
bool outbox_next(struct outbox *o, struct outbox_done *out);
bool outbox_sync(struct outbox *o);         /* waits until all that is queued is done, at most 5 s (a failing disk): false */

/* A due message, also before its commit. Spans point into `scratch`. */
struct outbox_scratch {
	uint8_t b[OUTBOX_RECORD_MAX];
};
enum err outbox_read(struct outbox *o, const struct flight_item *at, struct outbox_scratch *scratch,
		     struct outbox_message *out) MUST_USE;

/* All due messages in order of tier and sequence; one open alert, as of the last commit (ERR_NOT_FOUND); all of them that can be
 * read. Those of all are for the start, and stop at the first failure. */
enum err outbox_each(struct outbox *o, enum err (*visit)(void *ctx, const struct flight_item *at), void *ctx) MUST_USE;
enum err outbox_open_alert(struct outbox *o, const uint8_t key[OPEN_KEY], struct open_alert *out) MUST_USE;
enum err outbox_each_open(struct outbox *o, void (*visit)(void *ctx, const struct open_alert *a), void *ctx) MUST_USE;
/* The alarms that were told: id, `source_id` their code, `expires_us` since when. */
enum err outbox_each_told(struct outbox *o, void (*visit)(void *ctx, const struct outbox_message *m), void *ctx) MUST_USE;
uint64_t outbox_aside_count(struct outbox *o);
/* How the committer is. One that answers moves, also when all it can say is that its disk fails. */
struct outbox_health {
	struct latency flush;           /* of its commits, failed ones included */
	int64_t busy_ms;                /* since it got what it has not finished yet; 0: nothing is to do */
	enum err last;                  /* what came of its last commit */
	uint64_t written;               /* bytes its commits had the kernel write, by whole pages */
};
void outbox_health(struct outbox *o, struct outbox_health *out);
uint32_t outbox_most(const struct outbox *o);   /* messages it will keep; those it had when it was opened, at least */
uint64_t outbox_newest(const struct outbox *o);         /* the last order it had taken when it was opened; 0: none */
uint32_t outbox_unreadable(const struct outbox *o);     /* of what it had then: it stays in the file, but cannot be sent */

/* When it was made, in seconds since 1970. */
static inline uint32_t outbox_made_s(uint64_t order, const struct id *id)
{
	return (uint32_t)(id_order_ms(order ? order : id_order(id)) / 1000);
}

#endif
