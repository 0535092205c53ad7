/* reads: who read the record. Whoever opens its entries by the root key first puts a note beside it, durably, in
 * `record.reads` of `record.mdb`; the record's writer takes what lies there, when it starts and once a second, and makes
 * an entry of each. So nobody who reads waits for a broker, and who reads while none runs is on record when one starts.
 *
 *     length of what follows, u32 | sealed (vault of purpose "record reads"): at, u64 (us) | who | as | what | patient | topic
 *
 * Texts have a length, u16, before them; a topic that was not asked for is left out. Notes are sealed because they may name a
 * patient, and so that nobody makes one up. Who may write in the folder can take them away before they were taken: the broker's
 * user, and root. */
#ifndef PULLCORD_READS_H
#define PULLCORD_READS_H

#include "audited.h"

#define READS_WHO_MAX AUDITED_ACTOR_MAX
#define READS_WHAT_MAX AUDITED_DETAIL_MAX
#define READS_PATIENT_MAX AUDITED_PATIENT_MAX
#define READS_TOPIC_MAX AUDITED_TOPIC_MAX
#define READS_NOTE_MAX (8 + 5 * 2 + 2 * READS_WHO_MAX + READS_WHAT_MAX + READS_PATIENT_MAX + READS_TOPIC_MAX)

struct read_note {
	int64_t at_us;
	struct span who;                /* the operating system's word: "os:ana" */
	struct span as;                 /* as whom, when that is another: "os:root"; or empty */
	struct span what;               /* "audit search --user bea" */
	struct span patient;            /* whose entries were asked for, by id; empty: nobody's in particular */
	struct span topic;              /* on which, and filters that could meet it; empty: any. It may name a patient */
};

/* Texts are cut at their limits. Durable when OK. ERR_DENIED: the folder may not be written; ERR_FULL, ERR_IO,
 * ERR_NOT_FOUND, ERR_TOO_LARGE (the path). ERR_CLOSED: a file system on which nobody can write. */
enum err reads_put(const char *record, const uint8_t root[AEAD_KEY_BYTES], const struct read_note *n) MUST_USE;

/* A note as it is sealed, and back; spans borrow from `raw`. */
void read_note_write(const struct read_note *n, struct put *out);
enum err read_note_read(struct span raw, struct read_note *out) MUST_USE;

/* ---- the record's writer ---- */

struct reads;
enum err reads_open(const char *record, const uint8_t root[AEAD_KEY_BYTES], struct reads **out) MUST_USE;
void reads_close(struct reads **r);

/* Is there something to peek at? Looks into the folder once a second, and takes what was put there since. */
bool reads_due(struct reads *r);
/* The next one, borrowed until the next call; or that it could not be read, nor what followed it. */
bool reads_peek(struct reads *r, struct happening *out);
/* What was peeked at is on durable record, and is forgotten; or it is not, and comes again. */
void reads_advance(struct reads *r);
void reads_rewind(struct reads *r);

#endif
