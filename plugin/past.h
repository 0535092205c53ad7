/* past: what was published on recorded topics, so that it can be read back for as long as topics of its class are kept.
 * Rows in the history's file, in order of arrival: a row's number is the microsecond it came, and no two are the same; sealed
 * by the key of its place, month and class (past_keys.h). A message is kept once, by its id. Each call is part of the caller's
 * transaction, or is given one; the thread of shelf.c makes them all. */
#ifndef PULLCORD_PAST_H
#define PULLCORD_PAST_H

#include "past_ids.h"
#include "past_keys.h"
#include "readback.h"

#define PAST_LOOK_ROWS 4096     /* looked at for one page: some milliseconds */
#define PAST_SWEEP_ROWS 1024    /* looked at for one sweep */

/* Classes of topics: PAST(name, word, kind of topic, kept unless said otherwise; "": not at all). */
#define PAST_LIST(PAST)                                                                                                \
	PAST(ALERT, "alert", TOPIC_ALERT, "90d")                                                                       \
	PAST(ACK, "ack", TOPIC_ACK, "90d")                                                                             \
	PAST(BROADCAST, "broadcast", TOPIC_BROADCAST, "90d")                                                           \
	PAST(CHANNEL, "channel", TOPIC_CHANNEL_MSG, "1y")                                                              \
	PAST(PATIENT, "patient", TOPIC_PATIENT_MSG, "1y")                                                              \
	PAST(INBOX, "inbox", TOPIC_INBOX, "1y")                                                                        \
	PAST(VITALS, "vitals", TOPIC_VITALS, "")
#define PAST_NAME(name, word, kind, keep) PAST_##name,
enum past_class { PAST_LIST(PAST_NAME) PAST_CLASSES };
#undef PAST_NAME

/* How long each class is kept: keep_read() of seal.h; 0: not at all. */
struct past_keep {
	uint16_t of[PAST_CLASSES];
};
struct past_keep past_keep_default(void);
/* "alert" and "90d", "6y" or "none"; false: there is no such class, or it is no such time. */
bool past_keep_read(struct past_keep *k, struct span word, struct span text);
/* PAST_CLASSES for topics of no class. */
enum past_class past_class_of(enum topic_kind kind);

struct past {
	const struct vault *before;     /* borrowed: what sealed rows before there were keys for each month */
	struct past_keys *keys;         /* borrowed */
	unsigned table, ids_table;      /* their numbers */
	struct past_ids *ids;
	struct past_keep keep;
	uint64_t last;                  /* number of the newest */
	uint64_t swept;                 /* rows up to this number were looked at in this round */
	bool anew;                      /* there may be rows of before, which a sweep seals anew */
};

/* Reads where it stands. On an error, too: past_close(). */
enum err past_open(struct past *p, struct txn *t) MUST_USE;
void past_close(struct past *p);
/* After each transaction in which it put, swept or shed: whether that was committed. */
void past_settle(struct past *p, bool kept);
/* A topic, its length in a byte before it, and the payload. Before the commit: past_keys_flush(). ERR_KEY: it cannot be sealed;
 * nothing was done. */
enum err past_put(struct past *p, struct txn *t, enum past_class class, const struct id *id, uint64_t at_us,
		  struct span row) MUST_USE;
/* Takes out what was kept for long enough, and what has lost its key, some rows further than the call before, and marks keys
 * that nothing is sealed by any more. *changed: so much; after the commit: past_keys_destroy(). Where it fails the caller puts *p
 * back as it was. */
enum err past_sweep(struct past *p, struct txn *t, int64_t now_us, unsigned *changed) MUST_USE;
/* Takes out the `n` oldest. */
enum err past_shed(struct past *p, struct txn *t, unsigned n, unsigned *gone) MUST_USE;
/* One page of what is asked for; texts and payloads are put into `bytes`, READBACK_PAGE_MAX of them. ERR_NOT_FOUND: what comes
 * after a message that is not kept, nobody knows. */
enum err past_look(struct past *p, struct txn *t, const struct readback *want, int64_t now_us, uint8_t *bytes,
		   struct readback_page *out) MUST_USE;

/* Where a topic is: what has keys of its own, and may be erased. */
struct span past_place(struct span topic);

#endif
