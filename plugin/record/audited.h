/* audited: from a happening on the broker's thread to the AuditEvent that is recorded, and back for readers.
 *
 * Broker's thread: audited_push() copies it into the ring, cut to its limits; nothing else. Writer's thread: audited_read(),
 * then a fold gathers deliveries of one message that follow one another into one event with its recipients (Mosquitto
 * asks once for each overlapping subscription, and again when an offline client returns). Here, and not before, a topic's
 * patient becomes a pseudonym, and pseudonyms in texts of ours become those of the year: it costs the broker's thread nothing. */
#ifndef PULLCORD_AUDITED_H
#define PULLCORD_AUDITED_H

#include "patients.h"
#include "record.h"
#include "ring.h"
#include "spill.h"

#define AUDITED_ACTOR_MAX 64
#define AUDITED_CLIENT_MAX 64
#define AUDITED_ADDRESS_MAX 64
#define AUDITED_TOPIC_MAX 200
#define AUDITED_TOPIC_SHOWN (AUDITED_TOPIC_MAX + TOPIC_LEVELS_MAX * PATIENT_GAIN)  /* as the event has it */
#define AUDITED_DETAIL_MAX 200
#define AUDITED_CHANGE_MAX 800
#define AUDITED_BY_MAX 140
#define AUDITED_CLAIMED_MAX 64
#define AUDITED_CERTIFICATE_MAX SHA256_BYTES
#define AUDITED_PATIENT_MAX PATIENT_ID_MAX
#define AUDITED_RECIPIENTS_MAX 256   /* of one event; more make another event */
#define AUDITED_BYTES_MAX 49152      /* packed; 256 recipients of 161 bytes at most, and what is above */

/* Events that found no room in the ring. */
struct gap {
	uint64_t lost[RECORD_CLASSES];
	uint64_t aside;             /* went to the spill instead: not lost */
	int64_t from_us, until_us;
};
bool gap_is_none(const struct gap *g);
void gap_widen(struct gap *g, int64_t at_us);       /* so that it has that time in it */
void gap_add(struct gap *g, const struct gap *more);

/* False: no room. A gap is told by a record of its own. */
bool audited_push(struct ring *r, const struct happening *h);
bool audited_push_gap(struct ring *r, const struct gap *g);
bool audited_spill(struct spill *s, const struct happening *h);
bool audited_spill_gap(struct spill *s, const struct gap *g);
/* The form of what these write, and that of the version before, which can be read, too. */
struct spill_layout audited_layout(void);

struct audited {
	struct gap gap;             /* h.type AUDIT_GAP: this is all there is */
	struct happening h;
	struct id message;          /* h.message points here */
	uint8_t policy[16];         /* and h.policy here */
	struct shadow_verdict shadow;   /* and h.shadow here */
	struct id last;             /* and h.last here */
	uint8_t digest[32];         /* and h.digest here */
};
/* What audited_push() wrote; spans borrow from the ring, and *out must stay where it is. */
void audited_read(struct span raw, struct audited *out);
/* The same of a record of the spill, in one of the forms of audited_layout(). */
void audited_read_aside(struct span raw, uint32_t layout, struct audited *out);

/* The event being gathered. Texts are copied, cut at a character's end and made valid UTF-8 ('?' for what is not). */
struct span audited_cut(struct span text, size_t max);
struct fold;
enum err fold_open(struct fold **out) MUST_USE;
/* Makes the pseudonyms of what is added from now on; copies. What names nobody needs none: fold_names(). */
void fold_use(struct fold *f, const struct patients *p);
bool fold_names(const struct fold *f, const struct happening *h);
/* Where topics name a patient, from now on. Takes. */
void fold_places(struct fold *f, struct places *p);
void fold_close(struct fold **f);
/* False: it does not belong to what is gathered; take that first. */
bool fold_add(struct fold *f, const struct happening *h);
/* The AuditEvent gathered, packed (borrows until the next call); the fold is empty then. Empty: there was none. */
struct span fold_take(struct fold *f);
/* An event of our own, which is never folded: packed; what is gathered must have been taken before. */
struct span fold_own(struct fold *f, Pullcord__V1__AuditType type, const struct gap *g, const struct happening *at,
		     const char *detail);

/* A recorded event, out of its seal. audited_free() frees it. ERR_SYNTAX, ERR_TOO_LARGE. */
enum err audited_unpack(struct span packed, Pullcord__V1__AuditEvent **out) MUST_USE;
void audited_free(Pullcord__V1__AuditEvent **e);

#endif
