/* witness: may the next checkpoint of a log be cosigned? What both sides of https://c2sp.org/tlog-witness must agree on;
 * how its messages travel is others' business. Pure.
 *
 *     add-checkpoint   "old " size "\n"  base64(hash) "\n" ...  "\n"  the signed checkpoint
 *     the answer       lines of cosignatures (note.h)
 *
 * A witness remembers the last tree it vouched for, and vouches for no tree that does not continue it. That is all: it
 * never sees an entry. */
#ifndef PULLCORD_WITNESS_H
#define PULLCORD_WITNESS_H

#include "note.h"

#define WITNESS_HASHES_MAX 63
#define WITNESS_BODY_MAX (NOTE_BYTES_MAX + 32 + 45 * WITNESS_HASHES_MAX)

/* X(name, word, text): the word is for scripts, the text completes "the checkpoint is refused: ". */
#define WITNESS_KINDS(X)                                                                                               \
	X(ACCEPTED, "accepted", "it continues what was seen before")                                                   \
	X(MALFORMED, "malformed", "the request is no add-checkpoint body")                                             \
	X(UNKNOWN_ORIGIN, "unknown-origin", "it is of another log")                                                    \
	X(BAD_SIGNATURE, "bad-signature", "the log did not sign it")                                                   \
	X(TOO_OLD, "too-old", "it, or the size its proof begins at, is older than what was seen last")                 \
	X(REWIND, "rewind", "the log's newest is smaller than what was seen before: the log was set back")             \
	X(FORK, "fork", "the log signed two histories: this one is another than was seen before")                      \
	X(BAD_PROOF, "bad-proof", "its proof does not lead from what was seen before to what was signed")

#define WITNESS_NAME(name, ...) WITNESS_##name,
enum witness_kind { WITNESS_KINDS(WITNESS_NAME) WITNESS_KIND_COUNT };

const char *witness_word(enum witness_kind k);
const char *witness_text(enum witness_kind k);

struct witness_request {
	uint64_t old;
	size_t hashes;
	struct hash hash[WITNESS_HASHES_MAX];
	struct span note;               /* borrows from the body */
};

/* ERR_SYNTAX, ERR_TOO_LARGE. Nothing is believed yet. */
enum err witness_read(struct span body, struct witness_request *out) MUST_USE;
enum err witness_write(const struct witness_request *r, struct put *out) MUST_USE;

/* The last tree that was vouched for; size 0: none yet, and any tree of the log is taken as it is. */
struct witnessed {
	uint64_t size;
	struct hash root;
};

/* The log: its name is its origin. `newest`: the log says so just now, asked for the newest it has; only then is a smaller
 * one a sign that it was set back, and not merely late. *out is what the note says, once the log has signed it. */
enum witness_kind witness_judge(const struct witnessed *last, const struct cosigner *log, const struct witness_request *r,
				bool newest, struct checkpoint *out) MUST_USE;

/* Is what was refused evidence against the log, to be kept, and the end of trust in it? What can be garbled on its way, or be
 * somebody's mistake, is not, but for a bad proof in answer to our own question. */
bool witness_contradicts(enum witness_kind k, bool newest);

/* Whose cosignatures count: a cosigner's key a line; blank lines and what follows a '#' are passed over. *line: the first
 * that is none. ERR_SYNTAX, ERR_KEY (a misspelt key), ERR_EXISTS (a name twice), ERR_FULL. */
#define WITNESSES_MAX 64
struct witnesses {
	size_t n;
	struct cosigner of[WITNESSES_MAX];      /* names borrow from the text */
};
enum err witnesses_read(struct span text, struct witnesses *out, unsigned *line) MUST_USE;

/* How many of n are more than half: of two histories no more than one has so many honest witnesses. 0 of none. */
size_t witness_majority(size_t n);
/* The largest size that k of n vouch for: size[i] is what witness i cosigned last, and with it all that is smaller. 0: no k do. */
uint64_t witness_quorum_size(const uint64_t *size, size_t n, size_t k);

#endif
