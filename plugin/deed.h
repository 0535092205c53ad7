/* deed: what each command of an administrator does. Internal to admin.c, deed.c (what changes), enact.c (policies), look.c
 * (what only looks), trial.c (policies on trial), custody.c (the record's segments).
 * A deed says by work_fail() why it cannot be done, by work_tell() what it did, and answers into work.r. */
#ifndef PULLCORD_DEED_H
#define PULLCORD_DEED_H

#include "admin.h"
#include "draft.h"

/* What one request works with. */
struct work {
	struct admin *a;
	struct holder *holder;      /* of who asks */
	char tenant[WORD_BYTES_MAX + 1];    /* theirs: no other's accounts are seen */
	struct batch *b;            /* of commands that change */
	char name[ADMIN_NAME];      /* whose changes they are */
	struct reply *r;
	int64_t since_us, cpu_us;   /* when its commands began: a clock, and what the thread had used */
	struct draft draft;
	struct account *account;    /* as it was */
	struct verdict verdict;     /* that permits the command under way */
	bool self;                  /* the command under way is about what they hold themselves */
	bool taken;                 /* and takes some of it in an emergency */
	bool refused;               /* because they may not, as the verdict says */
	bool partly;                /* some of it came to pass and stays: what was noted of that is kept */
	uint64_t unread;            /* the policy that is set may be that version's, which cannot be read; 0: it is not */
	struct act act;             /* that is asked for, or confirmed */
	char why[256];              /* it cannot be done; "": it was */
	char noted[256];            /* the same for the record, when that is not to have it so */
	struct span patient;        /* whom the command under way is about; empty: nobody, or several */
	char detail[ACCOUNT_TEXT_MAX + 1];
	struct delta change;        /* beside it */
};

void work_fail(struct work *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* They may not, though they may give the command: goes on record as denied, by that verdict. */
void work_refuse(struct work *w, struct verdict v, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* After one of these: what the record is to have instead. */
void work_conceal(struct work *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void work_fail_err(struct work *w, enum err e, const char *what);       /* "cannot <what>: ..." */
/* "user:ana role nurse: not held -> for good", in our own words: what the record keeps. */
void work_tell(struct work *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Beside what is told: what the batch changed last, before and after. */
void work_changed(struct work *w);
/* Puts what was told on record, and forgets it. */
void work_note(struct work *w, enum command c);

/* Whom a command is about, and in which words. */
Pullcord__V1__Party order_party(const struct order *o);
struct span order_id(const struct order *o);
struct attribute order_team(const struct order *o);     /* who holds channel=NAME or patient=NAME */
const char *party_noun(Pullcord__V1__Party party);

/* Somebody of another tenant is nobody here. */
bool work_sees(const struct work *w, const struct account *a);

void deed_do(struct work *w, const struct order *o);

/* ---- enact.c ---- */
void deed_set_policy(struct work *w, const struct order *o);
/* Compiled, of the same house; where not, its author was told what is wrong. */
bool deed_compile(struct work *w, const char *text, struct policy **out);
/* Puts the text in force, unless the order is about another version. */
void deed_put_policy(struct work *w, const struct order *o, const char *text);

/* ---- trial.c ---- */
void deed_set_shadow(struct work *w, const struct order *o);
void deed_clear_shadow(struct work *w, const struct order *o);
void deed_get_shadow(struct work *w, const struct order *o);
void deed_promote_shadow(struct work *w, const struct order *o);

/* ---- custody.c ---- */
void deed_segments(struct work *w, const struct order *o);
void deed_list_requests(struct work *w, const struct order *o);

/* ---- look.c ---- */
void deed_get(struct work *w, const struct order *o);
void deed_list(struct work *w, const struct order *o);
void deed_get_team(struct work *w, const struct order *o);
void deed_list_teams(struct work *w, const struct order *o);
void deed_list_grants(struct work *w, const struct order *o);
void deed_list_certificates(struct work *w, const struct order *o);
void deed_get_policy(struct work *w, const struct order *o);
void deed_list_policies(struct work *w, const struct order *o);
void deed_who_can(struct work *w, const struct order *o);
void deed_explain(struct work *w, const struct order *o);
/* The lines a verdict and an explanation name, as they stand in which file. */
void reply_line(struct reply *r, const struct policy *p, uint32_t line);
void reply_hash(struct reply *r, const uint8_t hash[32]);

#endif
