/* outfile: the file behind the outbox: its tables, what is sealed how, and what each piece of work does to them in one
 * transaction. outfile_commit() is called by one thread, everything else by any; each call is one transaction. */
#ifndef PULLCORD_OUTFILE_H
#define PULLCORD_OUTFILE_H

#include "cur.h"
#include "outbox.h"

#define OUTFILE_SEEN_ID 16          /* keyed hash of (source, source_id) */
#define OUTFILE_SEEN_KEY 32         /* that, then a keyed hash of it and the digest */

struct outfile;

/* One piece of work, and afterwards its result. */
struct op {
	struct op *next, *same_seen, *same_id;  /* of its list; of its bucket, as long as its result was not fetched */
	enum outbox_work work;
	enum err err;
	struct id id;
	uint64_t seq;
	bool queued, aside, known;
	int reason;
	bool passed;                    /* over: for want of room, or because it is done */
	uint8_t seen[OUTFILE_SEEN_KEY], key[OPEN_KEY];
	uint64_t seen_as, yielded_as, forgot, buried;   /* taken.h's: numbers of rows it adds and takes away; 0: none */
	uint32_t forgot_print;
	uint64_t opened_as, closed_as, upto;    /* opened.h's: the same; FORGET: nothing of a later row */
	uint64_t number;                /* NAME: names go by it from now on */
	struct outbox_message m;        /* its spans point into `record` */
	uint8_t *record;                /* malloc */
	size_t n;
};

enum err outfile_open(const char *path, const uint8_t root[AEAD_KEY_BYTES], size_t map_bytes,
		      struct outfile **out) MUST_USE;
void outfile_close(struct outfile **f);
/* As outbox_each_aside() and outbox_keep_aside(). */
enum err outfile_each_aside(const char *path, const uint8_t root[AEAD_KEY_BYTES], size_t map_bytes,
			    void (*visit)(void *ctx, const struct outbox_message *m), void *ctx) MUST_USE;
enum err outfile_keep_aside(const char *path, char kept[OUTBOX_PATH_MAX]) MUST_USE;

/* All ops from `first` up to `end` (NULL: to the last) or none; each op's err says what became of it. */
enum err outfile_commit(struct outfile *f, struct op *first, const struct op *end) MUST_USE;
void outfile_record_drop(struct op *op);         /* wipes and frees its record, if it has one */
bool outfile_tidies(enum outbox_work work);     /* brings nothing: must succeed sooner or later */
bool outfile_queues(enum outbox_work work);     /* needs a sequence number */
bool outfile_answers(enum err e);               /* is about one message; anything else spoils a transaction */

bool outfile_crowded(const struct outfile *f);  /* it holds as many messages as it may; what is set aside is none */
bool outfile_tight(struct outfile *f);          /* it has hardly any pages left; asked by whoever commits */
/* Pages that one commit may take so that the next finds enough, whatever it does; those that this work takes, about. */
size_t outfile_room(struct outfile *f);
size_t outfile_takes(const struct outfile *f, const struct op *op);
/* The ids of the oldest messages of a tier: due, or set aside. */
size_t outfile_oldest(struct outfile *f, unsigned tier, bool aside, struct id *out, size_t max);
/* The ids of the least important of what is set aside, as many as are more than OUTBOX_ASIDE_MAX. */
size_t outfile_aside_over(struct outfile *f, struct id *out, size_t max);

void outfile_seen_key(const struct outfile *f, struct span source, struct span source_id, const struct digest *d,
		      uint8_t out[OUTFILE_SEEN_KEY]);
/* Names go by a number, era.h's; it is on disk. */
void outfile_name(const struct outfile *f, const uint8_t key[OUTFILE_SEEN_KEY], uint64_t number, uint8_t name[ID_NAME]);
uint64_t outfile_number(const struct outfile *f);       /* as it was at opening */
uint64_t outfile_kept(const struct outfile *f);         /* number of the next row of what it remembers */
uint64_t outfile_opened(const struct outfile *f);       /* as which row the last open alert was kept; asked at the start */
enum outbox_seen outfile_seen(struct outfile *f, const uint8_t key[OUTFILE_SEEN_KEY]);

enum err outfile_read(struct outfile *f, const struct flight_item *at, struct outbox_scratch *scratch,
		      struct outbox_message *out) MUST_USE;
enum err outfile_each(struct outfile *f, enum err (*visit)(void *ctx, const struct flight_item *at),
		      void *ctx) MUST_USE;
enum err outfile_open_alert(struct outfile *f, const uint8_t key[OPEN_KEY], struct open_alert *out) MUST_USE;
enum err outfile_each_open(struct outfile *f, void (*visit)(void *ctx, const struct open_alert *a),
			   void *ctx) MUST_USE;
enum err outfile_each_told(struct outfile *f, void (*visit)(void *ctx, const struct outbox_message *m), void *ctx) MUST_USE;
uint64_t outfile_aside_count(struct outfile *f);
/* What is set aside, oldest first; how many. */
size_t outfile_aside(struct outfile *f, struct flight_item *out, size_t max);
uint32_t outfile_most(const struct outfile *f);          /* messages it will keep */
uint32_t outfile_remembers(const struct outfile *f);     /* of what it took, delivered or not */
uint64_t outfile_next_seq(const struct outfile *f);
uint64_t outfile_newest(const struct outfile *f);
uint32_t outfile_unreadable(const struct outfile *f);

#endif
