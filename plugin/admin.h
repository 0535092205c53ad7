/* admin: carries out what an administrator asked for: permission, change, answer, and what is to be recorded. May take
 * long (it hashes passwords, flushes, reads the whole directory): never on the broker's thread. */
#ifndef PULLCORD_ADMIN_H
#define PULLCORD_ADMIN_H

#include "acts.h"
#include "command.h"
#include "directory.h"
#include "history.h"
#include "assent.h"
#include "policy.h"
#include "record.h"
#include "shadow.h"
#include "topic.h"

#define ADMIN_PASSWORDS_MAX 64          /* in one request: each costs 25 ms */

/* What one request may take, so that it keeps nobody else waiting for long: an answer of so many bytes, with one command more
 * at most, and so much time (passwords aside). What is left then is not done, and told so. */
#define ADMIN_ANSWER_MAX (4u << 20)
#define ADMIN_TIME_US (5 * INT64_C(1000000))

/* May whoever holds `h` give this command? The one place that says so, by the policy's `allow control` and
 * `deny control` (pullcord-policy(5)). What is only a bracket around others needs no permission and gets none. */
struct verdict control_allowed(const struct policy *p, const struct holder *h, enum command c);
/* Any command at all? Then they may speak on $CONTROL/pullcord/v1. */
bool control_allowed_any(const struct policy *p, const struct holder *h);

struct admin;

/* What happened, or is about to, for the record: `command` by the request's author. */
struct admin_note {
	struct admin_note *next;
	enum command command;
	Pullcord__V1__AuditOutcome outcome;
	uint32_t why, line;         /* of the verdict */
	bool self;                  /* about what its author holds themselves */
	int64_t taken_us;           /* they took some of that in an emergency: when; 0: they did not */
	char detail[ACCOUNT_TEXT_MAX + 1];
	char patient[WORD_BYTES_MAX + 1];   /* whom it is about, by id; "": nobody, or several */
	struct delta change;        /* what it did to an account, or a certificate */
};

/* Puts on durable record what is about to be done, as notes, which it takes, and waits for that. False: it cannot be, so
 * nothing is to be done. */
typedef bool admin_first(struct admin *a, struct admin_note *about);

struct admin {
	struct directory *directory;
	const char *dir;            /* where the policy's file lies */
	const char *officers;       /* who must sign a policy (assent.h); NULL: nobody */
	const struct policy *policy;    /* in force */
	const struct shadow *shadow;    /* on trial; NULL: none */
	struct record *record;
	struct history *history;    /* NULL: not open */
	struct acts *acts;          /* that wait for a second person */
	Pullcord__V1__Party party;  /* whose request it is */
	const char *id, *address;   /* where they speak from; NULL: not known, so roles bound to networks are not held */
	int64_t now_us;
	admin_first *first;         /* before anything is done that more than looks; NULL: as it is */
	void *first_ctx;
	int64_t most_us;            /* less than ADMIN_TIME_US; 0: that */
	/* out: */
	struct admin_note *note, **last_note;
	struct policy *fresh;       /* to be put in force; the caller's */
	char signed_by[ASSENT_WHO_MAX];   /* it; "": nobody had to */
	bool unsigned_policy;       /* it was refused for want of signatures */
	bool shadow_changed;        /* in the directory */
};

/* In whose name it changes the directory: "user:root". */
#define ADMIN_NAME (WORD_BYTES_MAX + 8)
const char *admin_name(const struct admin *a, char out[ADMIN_NAME]);
/* The answer as JSON text, a block of its own; NULL: no memory. */
char *admin_run(struct admin *a, struct span payload);
void admin_notes_free(struct admin_note **n);

#endif
