/* control: administration while the broker runs. Requests from $CONTROL/pullcord/v1, and reading the policy's file again,
 * are carried out one after another by a thread of its own (admin.h), because each change is durable before it is answered,
 * a large policy takes seconds to compile, and the broker's thread waits for neither; what came of them is fetched at the
 * broker's next idle moment. Broker's thread only, but for that thread.
 *
 * What more than looks is first put on record: the thread hands over what is about to be done and waits until it is told that
 * this is durable (control_go), or that it cannot be.
 *
 * The thread goes by the newest policy it made, in force already or about to be, and the newest on trial. So one that was
 * followed by another here may be closed by whoever took both. */
#ifndef PULLCORD_CONTROL_H
#define PULLCORD_CONTROL_H

#include "admin.h"
#include "freshness.h"

#define CONTROL_TOPIC "$CONTROL/pullcord/v1"
#define CONTROL_RESPONSE CONTROL_TOPIC "/response"
#define CONTROL_WAITING_MAX 16          /* requests, of COMMAND_REQUEST_MAX each */
#define CONTROL_SHARE_MAX 4             /* of them one author's */

struct control;

/* Whose request it is; copied. */
struct control_author {
	Pullcord__V1__Party party;
	char tenant[WORD_BYTES_MAX + 1];
	char id[WORD_BYTES_MAX + 1], client[WORD_BYTES_MAX + 1], address[ADDRESS_MAX];
};

/* What came of a request, or of a reload, in order of asking. */
struct control_result {
	struct control_author author;   /* PARTY_NONE: nobody's, a reload */
	char *response;             /* JSON; NULL: there was no memory for one */
	struct admin_note *note;
	bool asks;                  /* the notes are of what is about to be done, and the thread waits for control_go() */
	bool undone;                /* it was told no: nothing was done */
	struct policy *fresh;       /* to be put in force, NULL: none; the caller must take it, in this order */
	bool shadow_changed;        /* another policy is on trial, or none: NULL, because of shadow_refused if that says why */
	struct shadow *shadow;      /* the caller must take it, in this order */
	char shadow_refused[320];
	struct freshness_report *freshness;     /* NULL: it was not asked for, or there was no memory for it */
	int64_t since_us;           /* the caller's: when it was taken, monotonic */
	unsigned noted;             /* the caller's: how many of the notes are on record, are all, and the last one's ticket */
	bool done;
	uint64_t ticket;
	char signed_by[ASSENT_WHO_MAX];   /* fresh; "": nobody had to */
	bool old_policy;            /* one was refused, being the text of an earlier version */
	bool unsigned_policy;       /* one was refused for want of officers' signatures */
	char refused[640];          /* why the policy's file was not read: file, line and remedy; "": nothing of the kind */
	struct control_result *next;
};

/* Who wants to change segments of the record asks it, and who wants what can be read back erased asks the history; before
 * anything is asked of control. They must outlive that. */
void control_keep(struct control *c, struct record *r, struct history *h);

/* `dir` is where the policy's file lies, `policy` what was read there and is in force: it becomes an edition if it is none.
 * `officers`: the file of those two of whom must sign another (assent.h), borrowed; NULL: nobody must.
 * The directory must outlive it. */
enum err control_open(struct directory *d, const char *dir, const struct policy *policy, const char *officers,
		      struct control **out) MUST_USE;
/* Waits until everything asked for is done, but for what waits for control_go(), which is not; nothing more is taken
 * (ERR_BUSY), but what came of it can still be fetched. */
void control_stop(struct control *c);
void control_close(struct control **c);   /* stops it, if it was not; results that were not fetched are freed */

/* Copies the payload. ERR_BUSY: too many wait; ERR_TOO_LARGE; ERR_FULL. */
enum err control_ask(struct control *c, const struct control_author *who, struct span payload) MUST_USE;
/* The policy's file is to be read again, after what was asked before. One that is good becomes an edition and, if it is
 * another than the newest, `fresh`. A reload that has not begun stands for all that are asked for meanwhile. ERR_FULL. */
enum err control_reload(struct control *c) MUST_USE;

/* The policy on trial may be another: the same about it, `shadow`. */
enum err control_shadow(struct control *c) MUST_USE;

/* The changes up to this line of the directory's journal are on record: marked there and beside it (seen.h). ERR_BUSY: another
 * waits; ERR_FULL. */
enum err control_recorded(struct control *c, uint64_t line) MUST_USE;

/* The end of emergency access is on record (emergency_row.h). ERR_BUSY: another waits; ERR_FULL. */
enum err control_emergency_over(struct control *c, struct span id, int64_t at_us) MUST_USE;

/* The files are looked at: the same about it, `freshness`. Copies. ERR_BUSY: it waits already; ERR_FULL. */
enum err control_freshness(struct control *c, const struct freshness_order *o) MUST_USE;

/* Once for each result that asks, in their order: what it is about is on durable record and may be done; or it is not to be. */
void control_go(struct control *c, bool go);
/* The thread writes a small file whole (whole.h), for others to read. Copies. ERR_BUSY: one waits already; ERR_FULL. */
enum err control_write(struct control *c, const char *path, struct span text) MUST_USE;
/* Why the last could not be written; OK when it could. */
enum err control_written(const struct control *c);

/* All that is done by now, oldest first; NULL: nothing. The caller's: control_result_free() each. */
struct control_result *control_results(struct control *c);
void control_result_free(struct control_result **r);

/* Is all that was asked for done? */
bool control_idle(struct control *c);

/* Why the last edition could not be kept; OK when it could. */
enum err control_trouble(const struct control *c);

#endif
