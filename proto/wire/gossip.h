/* gossip: what the witnesses of one log tell each other, so that a log that shows one of them another history than the next is
 * found out by the first who hears of the other. Each says, again and again, what it vouched for last:
 *
 *     the checkpoint as the log signed it, and under it the witness's own cosignature (note.h)
 *
 * The log's broker, which carries it, can forge neither of the two signatures. What it can do is to keep it back, or to hand on
 * what is long said: hence a word counts as heard only when it is of now, and when what it vouches for was found to be of one
 * tree with what we vouch for. Whoever hears less than a majority of all witnesses, itself among them, is told a half of the
 * story, or thinks so: of two parts that a broker keeps from each other one at least is no majority.
 *
 * Which history is right nobody can say: the log signed both, and that is the finding. A witness that has found it, or was shown a
 * smaller log than before, vouches for nothing more. It says what it has seen instead, so that one that was away hears of it:
 *
 *     "pullcord/evidence/v1" "\n"  "had " bytes "\n"  the note it had, as the log signed it
 *     add-checkpoint body of what it got (witness.h), the note again with the log's line alone
 *     "\n"  the witness's line: a signed note (note.h), of type 0x01, for it is no cosignature
 *
 * Only what convicts by itself is believed: both notes the log's, and two trees of one size, or a proof that leads to the other
 * from another tree. Of a log that was set back, or proves nothing, that is a witness's word alone; its notes are compared with
 * ours.
 *
 * Pure; one thread. */
#ifndef PULLCORD_GOSSIP_H
#define PULLCORD_GOSSIP_H

#include "witness.h"

#define GOSSIP_NOTE_MAX 1152            /* text, the log's line, the witness's */
#define GOSSIP_BYTES_MAX NOTE_BYTES_MAX /* of a note, or of evidence, at its longest */
#define GOSSIP_FRESH_S 900              /* a word's age by our clock, before or after it, within which it is of now */

struct gossip_peer {
	struct cosigner key;
	struct witnessed said;          /* what it vouched for last; size 0: nothing was heard */
	uint64_t time_s;                /* of the newest fresh word: what is older is a repetition */
	bool checked, fresh, tried;     /* compared with ours; of now; its proof did not meet our tree: when that has grown */
	int64_t heard_ms;               /* a fresh word was found good then */
	size_t note_n;
	uint8_t note[GOSSIP_NOTE_MAX];
};

struct gossip {
	struct cosigner log;
	size_t n;                       /* of the others; none: there is no gossip */
	struct gossip_peer of[WITNESSES_MAX];
};

/* Borrows names of log and peers; `self` among them, if it is, is passed over. */
void gossip_init(struct gossip *g, const struct witnesses *peers, const struct cosigner *log, const uint8_t self[SIGN_KEY_BYTES]);

/* The list was read again: what those who are on both have said still counts. Of one log. */
void gossip_carry(struct gossip *g, const struct gossip *was);

/* What we say: of a note its text and the log's line, and our cosignature of it. ERR_SYNTAX, ERR_TOO_LARGE. */
enum err gossip_write(struct span note, const struct cosigner *log, struct span line, struct put *out) MUST_USE;

/* Somebody says that; time_s: our clock. */
enum gossip_word {
	GOSSIP_STRANGE,                 /* nobody who counts, of another log, or forged */
	GOSSIP_REPEATED,                /* not newer than what is known of that witness */
	GOSSIP_NEWS,                    /* to be compared */
};
enum gossip_word gossip_hear(struct gossip *g, struct span note, uint64_t time_s) MUST_USE;

/* Evidence, from the two files of a notebook (notebook.h). ERR_SYNTAX: one of them is none; ERR_TOO_LARGE. */
enum err gossip_write_evidence(struct span had, struct span got, const struct cosigner *log, struct span self,
			       const uint8_t secret[SIGN_KEY_BYTES], struct put *out) MUST_USE;
bool gossip_is_evidence(struct span message);
/* Somebody shows that. WITNESS_FORK: it convicts the log by itself, and these are the two, which borrow from the message. Anything
 * else: it does not; what it shows is heard as that witness's, one note after the other, if the log signed both. */
struct gossip_evidence {
	struct span had, got;
};
enum witness_kind gossip_hear_evidence(struct gossip *g, struct span message, struct gossip_evidence *out) MUST_USE;

/* Compares what can be without a question: what is of the size we vouch for. A peer whose tree of that size is another: the log
 * has forked, and both signed it. NULL: none. */
const struct gossip_peer *gossip_compare(struct gossip *g, const struct witnessed *own, int64_t now_ms);

/* The size from which the log is to prove how it came to ours, for one of them has seen so much; 0: nothing is to be asked. */
uint64_t gossip_wants(const struct gossip *g, const struct witnessed *own);
/* Its answer to that, an add-checkpoint body. What witness_contradicts(kind, true): the log showed that peer another tree than us,
 * or cannot show that it did not: its answer is at odds with what that peer said, or, *against NULL, with what we vouch for. What
 * it settles is settled; what it leaves open waits until we have seen more. */
enum witness_kind gossip_prove(struct gossip *g, const struct witnessed *own, struct span body, int64_t now_ms,
			       const struct gossip_peer **against) MUST_USE;

/* When a majority, ourselves counted in, was heard last. INT64_MAX without peers, 0: never. */
int64_t gossip_heard_ms(const struct gossip *g);

#endif
