/* anomaly: what operators should look at, found in what happens anyway. Events in, findings out; pure: the caller brings
 * the time (monotonic) and takes the findings when it likes.
 *
 * A finding is folded: the same kind about the same subject is told once in `again`, and the next one says how many
 * events came since. Of one kind at most ANOMALY_TOLD are told in that time; what more is found is for the record alone
 * (`quiet`), and how many they were is told in one finding without a subject when the time is over. A state (disk,
 * all witnesses, one of them, what holds the record) is told when it begins, when it gets worse, and when it is over.
 *
 * That the record has stopped is told whenever the last word was that it goes on. That is said after `calm`; when it stops again
 * within `again`, after four times as long, and so on: of a disk that comes and goes the alert stays open, and says how
 * often, ever more rarely, an hour apart in the end. A stop that lasts twice as long as all before, a minute at least, is told
 * at once. (How many alerts an hour that makes at most, anomaly_test.c says.)
 *
 * Counted in ANOMALY_ROWS rows; when all are in use, who has been seen least makes room, and never what is yet to be taken.
 * Counting begins with the first event and ends `within` later. Allocates nothing after opening. */
#ifndef PULLCORD_ANOMALY_H
#define PULLCORD_ANOMALY_H

#include "err.h"
#include "pullcord.pb-c.h"
#include "span.h"
#include "topic.h"

#define ANOMALY_ROWS 512
#define ANOMALY_TOLD 5
#define ANOMALY_MANY 20         /* times as many guesses are too many from anywhere, each for another name */
#define ANOMALY_TEXT 160
#define ANOMALY_WITNESSES 64
#define ANOMALY_UNNAMED_US INT64_C(10000000)

#define ANOMALY(name, priority, code, text) ANOMALY_##name,
enum anomaly_kind {
#include "anomaly.def"
	ANOMALIES
};

struct anomaly_limits {
#define SETTING(name, min, max, def, unit, text) uint32_t name;
#include "anomaly.def"
};

/* As they are when nothing is said; 0 of what is counted: that is not looked for. */
struct anomaly_limits anomaly_defaults(void);
/* `name` without "plugin_opt_". ERR_NOT_FOUND: no such setting; ERR_RANGE: `right` says what it takes. */
enum err anomaly_set(struct anomaly_limits *l, struct span name, struct span value, char right[ANOMALY_TEXT]) MUST_USE;

struct anomaly;

enum err anomaly_open(const struct anomaly_limits *l, struct anomaly **out) MUST_USE;
void anomaly_close(struct anomaly **a);

/* ---- events. Subjects are copied, cut at WORD_BYTES_MAX bytes. ---- */

/* A wrong password, or a try while locked out. */
void anomaly_guess(struct anomaly *a, struct span address, struct span name, int64_t now_us);
/* `n` messages of a connection within an hour; the caller has counted them, up to anomaly_volume_limit(). */
void anomaly_volume(struct anomaly *a, Pullcord__V1__Party party, struct span id, uint64_t n, int64_t now_us);
uint32_t anomaly_volume_limit(const struct anomaly *a, Pullcord__V1__Party party);  /* UINT32_MAX: it is not looked for */
/* Was refused what is not theirs. */
void anomaly_outside(struct anomaly *a, struct span user, int64_t now_us);
/* Gave themselves rights. */
void anomaly_break_glass(struct anomaly *a, struct span user, int64_t now_us);
/* Wanted a policy that lacks officers' signatures; empty: it lies in the policy's file. */
void anomaly_policy(struct anomaly *a, struct span user, int64_t now_us);
/* A store was damaged, or set back, and put aside for another; of the directory its newest policy. */
void anomaly_damaged(struct anomaly *a, struct span store, int64_t now_us);
/* Found an older policy in the file. */
void anomaly_old_policy(struct anomaly *a, int64_t now_us);
/* Wall clock minus monotonic clock, now and then. */
void anomaly_clock(struct anomaly *a, int64_t offset_us, int64_t now_us);
/* Since the last cosignature, or since the start; below 0: no witness is configured. What was told before the start goes on until
 * one comes. */
void anomaly_witness(struct anomaly *a, int64_t age_us, int64_t now_us);
/* Since `quorum` of them last vouched for the same; below 0: one is enough, and so nothing is told here. Not told while all are
 * silent. */
void anomaly_quorum(struct anomaly *a, unsigned quorum, int64_t age_us, int64_t now_us);
/* The same of one of several, after that of all of them, once a second or so: who is not named for ANOMALY_UNNAMED_US is no longer
 * to be a witness. Told while others speak; ANOMALY_WITNESSES of them are watched. */
void anomaly_witness_named(struct anomaly *a, struct span name, int64_t age_us, int64_t now_us);
/* 0 fine, 1 below 20 %, 2 below 10 %, 3 below 5 %. */
void anomaly_disk(struct anomaly *a, unsigned level, int64_t now_us);

/* What holds the record: `why` it cannot be written (OK: it can), or else whether its writer is stuck, and its queue full. */
struct anomaly_record {
	enum err why;
	bool stuck, full;
	uint64_t gaps;                  /* on record since it was opened */
};
void anomaly_record(struct anomaly *a, const struct anomaly_record *now, int64_t now_us);
/* An alert of this state was raised before the broker started: if it is so no more, that is to be told. */
void anomaly_was_told(struct anomaly *a, enum anomaly_kind kind, int64_t now_us);
/* The same of one witness of several, which it may not be any more. */
void anomaly_witness_was_told(struct anomaly *a, struct span name, int64_t now_us);
/* Is it a state of the record itself: measured at any time, and told whether or not the record can keep it? */
bool anomaly_is_of_record(enum anomaly_kind kind);
const char *anomaly_code(enum anomaly_kind kind);

/* ---- findings ---- */

struct anomaly_finding {
	enum anomaly_kind kind;
	Pullcord__V1__Priority priority;
	Pullcord__V1__Phase phase;      /* TPOINT; of a state START or END */
	Pullcord__V1__Party party;      /* what the subject is; NONE: an address, or nobody; BROKER: none of these */
	char subject[WORD_BYTES_MAX + 1];       /* "": of the broker itself, or of many */
	uint64_t count;                 /* events it stands for */
	int64_t first_us;               /* the first of them, monotonic */
	bool quiet;                     /* for the record alone */
	const char *code;
	char text[ANOMALY_TEXT];        /* one line for people, printable ASCII */
};

/* The next one; false: there is none now. */
bool anomaly_next(struct anomaly *a, int64_t now_us, struct anomaly_finding *out);

#endif
