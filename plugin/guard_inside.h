/* guard_inside: what the guard's own files say to each other; guard.h says which there are. Only for them. */
#ifndef PULLCORD_GUARD_INSIDE_H
#define PULLCORD_GUARD_INSIDE_H

#include "guard.h"

/* Pointers come again: the client id must be that of the login, too. NULL: nobody logged in so here. */
static inline struct session *guard_session(const struct guard *g, const void *context, const char *client)
{
	struct session *s = session_of(&g->sessions, context);

	return s && client && strcmp(s->client, client) == 0 ? s : NULL;
}

/* ---- guard.c ---- */

int64_t guard_mono_us(void);
int64_t guard_real_us(void);
/* The wall clock as it stood at the start, gone on by itself since: what is kept for so long is so long kept, however the clock
 * is set meanwhile. */
int64_t guard_steady_us(const struct guard *g);
/* Starts a happening with the clocks, the policy and who it is filled in. */
struct happening guard_happening(const struct guard *g, Pullcord__V1__AuditType type, bool allowed,
				 const struct session *s);
/* host.publish(); false, and logged: the broker did not take it. */
bool guard_send(struct guard *g, const char *client, const char *topic, struct span payload, int qos, bool retain);
/* A message of the broker's own, in the name of that tenant; its id. */
struct id guard_envelope(struct guard *g, const char *tenant, const ProtobufCMessage *body, struct put *out);
/* In the log, when it is another than it was. */
void guard_say_trouble(enum log_event ev, enum err now, enum err *was);
/* Puts another policy in force; takes it. `detail` is for the record. Sessions are bound to it before they are asked
 * about next, and a few in each tick. */
void guard_put_policy(struct guard *g, struct policy *fresh, const char *detail);
/* Tells the record where this one's topics name patients; one on trial, too. */
void guard_places(struct guard *g, const struct policy *p);
/* The policy's file is no good: `why`, with file, line and remedy, is logged. */
void guard_refuse_policy(struct guard *g, const char *why, bool old);
/* What was found about the broker's files. */
void guard_freshness(struct guard *g, const struct freshness_report *r);

/* ---- rights.c ---- */

/* What this account holds now (NULL: it may do nothing) and when that changes by itself, which the guard remembers. */
enum err guard_bind(struct guard *g, const struct account *a, const char *address, struct holder **out,
		    int64_t *until_us) MUST_USE;
/* To be called before a session's rights are asked for: some may have ended since, or be those of an earlier policy. */
void guard_refresh(struct guard *g, struct session *s);
/* What it holds has changed: rights it uses and lost end it. */
void guard_renew(struct guard *g, struct session *s);
/* The session of a context BASIC_AUTH never saw. Mosquitto shows such for durable sessions it read back after a restart,
 * and for the source of a retained message (a struct on its stack). Known only if the client id is bound to the stored
 * username: then whatever session that client id has, or a closed one made for it; NULL otherwise. */
struct session *guard_restored(struct guard *g, const struct client *c);
/* Its certificate is. */
bool guard_is_revoked(const struct guard *g, const struct session *s);
void guard_rights_tick(struct guard *g);     /* those that end by themselves */

/* ---- tend.c ---- */

/* A tick's share of what is due to them; `idle_too`: also, who has been idle for too long. May kick, which calls back into
 * guard_logoff(). */
void guard_tend(struct guard *g, bool idle_too);
/* What a session subscribed to, read once for many alerts. Borrows it. */
struct interests {
	const struct session *of;
	size_t n;
	struct topic filter[SESSION_FILTERS_MAX];
};
void guard_interests(const struct session *s, struct interests *out);
/* Is it open, and should it have come to that session, by these and what it may receive? */
bool guard_should_have(const struct guard *g, const struct interests *in, const struct kept *k);

/* ---- bypass.c ---- */

/* Somebody who never logged in reached for that topic, or (NULL) is just there: goes on record, and into the log now and then. */
void guard_bypassed(struct guard *g, const struct client *c, const char *topic);
/* Says so, when it is time. */
void guard_bypass_tick(struct guard *g, int64_t mono_us);

/* ---- login.c ---- */

/* Wrong passwords whose clients did not come back are counted, and recorded in the end. */
void guard_login_tick(struct guard *g, int64_t now_ms);

/* ---- gate.c ---- */

/* Everything that is said to a question, for the record. */
struct decision {
	struct verdict verdict;
	const struct topic *topic;  /* NULL: it was none */
	const struct id *message;
	struct span patient;        /* whom the message is about */
	const char *detail;         /* why not, when it was not the policy */
	Pullcord__V1__AuditBasis basis;     /* of a delivery */
	Pullcord__V1__AuditHow how;
	enum gate answer;
};

static inline struct decision guard_deny(const char *detail)
{
	return (struct decision){ .detail = detail, .answer = GATE_DENY };
}

/* Whether guard_refresh() may have anything to do. */
static inline bool guard_must_refresh(const struct guard *g, const struct session *s)
{
	return s->bound != g->policies || (s->until_us && s->until_us < INT64_MAX);
}

/* Who asks; *known: a connection that logged in here. NULL: nobody, who got past us. What they hold is as of now. */
struct session *guard_who(struct guard *g, const struct client *c, bool *known);
/* Puts a decision on record, and what rests on it; the first, unless it is to leave none, after guard_compare(). */
void guard_record_decision(struct guard *g, Pullcord__V1__AuditType type, struct session *s, struct span topic,
			   const struct publish *p, const struct decision *d);
void guard_put_decision(struct guard *g, Pullcord__V1__AuditType type, struct session *s, struct span topic,
			const struct publish *p, const struct decision *d);
/* What would the policy on trial have said? */
void guard_compare(struct guard *g, Pullcord__V1__AuditType type, const struct session *s, struct span topic,
		   const struct decision *d);
/* Whom a message is about: whom its body names, else the topic; and that is remembered for its deliveries. */
struct span guard_patient_of(const struct topic *t, struct span named);
void guard_about(struct guard *g, const struct id *message, struct span payload, struct span patient);
/* May it read what matches the filter, as it may subscribe to it? Goes on record. */
bool guard_may_look(struct guard *g, struct session *s, const char *filter);

/* ---- deliver.c ---- */

/* What was let pass last has not been sent, now that something else comes: it waits, or was dropped. Before any session goes. */
void guard_not_sent(struct guard *g);
/* May it receive this message, which is shown to it if so? As any delivery, also on record. */
bool guard_may_read(struct guard *g, struct session *s, const char *topic, struct span payload);
/* Sends it an alert that is kept, if it may receive it: on record as `detail` says. False: it does not. */
bool guard_show(struct guard *g, struct session *s, const struct kept *k, const char *detail);

/* ---- dispatch.c ---- */

/* An order at QoS 0, after which nobody comes again: why it does not go on, which the log says, too. */
const char *guard_unanswered_order(const struct session *s, const struct topic *t);
/* Did this order of theirs come before, and is it to come again? Overwrites the arena. */
bool guard_order_waits(struct guard *g, const struct session *s, const struct topic *t, struct span payload);
/* The order that the policy lets them give: is it on durable record? NULL: it is, and may go on. Else why not; its entry is on its
 * way, so that it may go on when it comes again. Overwrites the arena. */
const char *guard_hold_order(struct guard *g, const struct session *s, const struct topic *t, struct span payload);
/* What a device says of orders in its state goes on record, when it says so first. Overwrites the arena. */
void guard_follow_receipts(struct guard *g, const struct session *s, const char *topic, const struct topic *t, struct span payload);

/* ---- asks.c ---- */

/* Answers what was looked up meanwhile, a page or two at a time. */
void guard_ask_tick(struct guard *g);

/* ---- follow.c ---- */

/* From which change on they are to be put on record. */
enum err guard_follow_begin(struct guard *g, bool record_is_new) MUST_USE;
/* What was changed since, by whomever, is in force and put on record. */
void guard_follow(struct guard *g);
/* Once a second: what is durable there is so marked in the directory. */
void guard_follow_mark(struct guard *g);
/* The same before all is closed: waits for it, but not for long. */
void guard_follow_end(struct guard *g);

/* ---- emergencies.c ---- */

/* What somebody would be without what they took themselves; *out NULL: they took nothing. */
enum err guard_emergency_bind(struct guard *g, const struct account *a, const char *address, struct emergency_held **out) MUST_USE;
/* They may, as it was decided. When they took the emergency access without which they might not; 0: they might all the same. */
int64_t guard_emergency(const struct guard *g, const struct session *s, enum access a, struct span topic);
/* Once a second: ends go on record. */
void guard_emergency_tick(struct guard *g);
/* Before all is closed. */
void guard_emergency_end(struct guard *g);

/* ---- notice.c ---- */

/* One more message of that session went on record, at h->mono_us. */
void guard_moved(struct guard *g, struct session *s, int64_t mono_us);
/* Somebody was refused that topic or filter (NULL: it was none): is it outside what they hold? */
void guard_refused(struct guard *g, const struct session *s, const struct topic *t, const struct verdict *v);
void guard_notice_begin(struct guard *g);    /* the history is open */
void guard_notice_tick(struct guard *g);     /* once a second */
/* Is it what operators are told by us? */
bool guard_is_own_alarm(const struct guard *g, const struct topic *t);

/* ---- beside.c ---- */

/* Puts another policy on trial; takes it. NULL: none, because of `refused` if that says why. */
void guard_put_shadow(struct guard *g, struct shadow *fresh, const char *refused);
/* Binds the session to it as well; not on the path of deliveries. */
void guard_shadow_bind(struct guard *g, struct session *s, const struct account *a);
/* What the session holds has changed: it is bound anew at one of the next ticks, and not asked about until then. */
void guard_shadow_forget(struct guard *g, struct session *s);
/* The policy in force said so; what would the other say? Only while there is one. */
void guard_shadow_ask(struct guard *g, const struct session *s, enum access a, struct span topic, const struct verdict *v);
void guard_shadow_tick(struct guard *g, bool once_a_second);     /* while there is one */

/* ---- desk.c ---- */

/* What came of administrators' commands is put in force and recorded, and answered once that is durable. */
void guard_control_tick(struct guard *g, struct control_result *first);
/* Before the record is closed: what administrators still asked for is done and recorded; nobody is left to be answered. */
void guard_control_end(struct guard *g);

#endif
