/* guard: everything the plugin knows, put together: policy, directory, sessions, record, history; and what it asks of
 * the broker. Knows nothing of Mosquitto: shim.c brings its calls here and carries the answers back.
 *
 *     login.c   who is this?                    guard_login(), guard_logoff()
 *     gate.c    may they say, may they hear that?    guard_publish(), guard_subscribe()
 *     deliver.c  may they have this message now?     guard_receive(), guard_passes(), guard_sent()
 *     dispatch.c  orders to devices: first on record, then on their way
 *     extras.c  what travels beside a payload   guard_extras()
 *     beside.c  what would another policy say?  guard_shadow_ask(): counted, never obeyed
 *     desk.c    administration                  guard_control()
 *     asks.c    reading back what was kept, and which alerts are open    guard_ask()
 *     notice.c  what is odd about all that?     guard_notice_tick(): alerts for operators
 *     metrics.c how are we?                     counted there, told here
 *     follow.c  what is changed in the directory
 *     emergencies.c  what rests on emergency access, and when that ended
 *     rights.c  what does a session hold, and until when?
 *     tend.c    what is due to sessions: open alerts, the end of a right, of idleness
 *     bypass.c  who got past us?
 *     guard.c   opening, closing, reloading, and what is done in the broker's idle moments
 *
 * What these say to each other is in guard_inside.h.
 *
 * Broker's thread only. Nothing here waits for a disk or a hash. Deliveries allocate nothing, but for the first one to a
 * session after its rights ended or another policy came, and one a minute to a session that is offline since before a
 * restart: rights are looked up then; and, where the broker says what it sends, for what does not come live (awaited.h). */
#ifndef PULLCORD_GUARD_H
#define PULLCORD_GUARD_H

#include "anomaly.h"
#include "carried.h"
#include "control.h"
#include "digest.h"
#include "envelope.h"
#include "freshness.h"
#include "held.h"
#include "history.h"
#include "locks.h"
#include "log.h"
#include "owners.h"
#include "password.h"
#include "places.h"
#include "record.h"
#include "session.h"
#include "tally.h"
#include "whole.h"

#define OPERATORS_UNIT "operators"
#define GUARD_SENDER "pullcord"   /* Envelope.sender of the broker's own messages, party PARTY_BROKER */

/* What the guard asks of the broker; only from guard_tick(), where it is safe (a kick inside a delivery recurses), but for
 * answer(), which the broker takes up at its next turn, and the last two, which only look. */
struct guard_host {
	void (*kick)(const char *client);                 /* its will is sent */
	/* client NULL: to everybody subscribed; else to this client alone, unasked. Copies. False: it cannot. */
	bool (*publish)(const char *client, const char *topic, struct span payload, int qos, bool retain);
	/* To one client, unasked, as the answer to a request with this correlation data (empty: none). Copies. */
	void (*answer)(const char *client, const char *topic, struct span payload, struct span correlation);
	int (*subscriptions)(const void *context);        /* how many it has, also those of a session it resumed */
	/* Does somebody speak through it just now who showed a certificate? NULL: nobody ever does. */
	bool (*is_certified)(const void *context);
};

#define GUARD_ASKS_MAX 64           /* requests to read back that wait */
#define GUARD_ASKS_EACH 2           /* of one connection */

enum gate {
	GATE_DENY,                    /* refused, and told so where the protocol can */
	GATE_ALLOW,
	GATE_CLOSE,                   /* the connection ends without an answer: it cannot be done now, try again */
	GATES
};

/* What was decided and done since the start (metrics.h). Only the broker's thread counts. */
struct guard_counts {
	uint64_t publish[GATES], subscribe[GATES], receive[GATES], login[GATES];
	uint64_t passwords_wrong, lockouts, bypasses;
	uint64_t ended, cleared, receipts;  /* sessions; retained messages; alerts acknowledged as stored */
	uint64_t missing;           /* alerts that were open and had not come, as those who subscribe say */
};

#define METRICS_MAX 64
#define METRICS_TEXT_MAX 16384

struct guard {
	struct guard_host host;
	char dir[WHOLE_DIR_MAX], tenant[WORD_BYTES_MAX + 1];     /* the policy's first tenant */
	struct policy *policy;
	struct places *places;          /* where topics name patients by the policies there were so far */
	bool places_due;                /* there was no memory to say so: again later */
	uint64_t policies;              /* that were in force so far; session.bound */
	struct shadow *shadow;          /* on trial; NULL: none */
	bool shadow_attend;             /* some session may still be to be bound to it */
	uint64_t shadows;               /* that were on trial so far, or were none; session.shadow_bound */
	struct directory *directory;
	struct record *record;
	struct tally *tally;            /* denials on their way to the record */
	struct tally *arrivals;         /* the same of who comes and goes */
	struct carried_seen *receipts;  /* what devices said became of orders, as far as it is on record */
	struct held_orders held;        /* to devices, until they are on record */
	struct digest *digest;          /* telemetry on its way there */
	struct history *history;
	struct ask *ask[GUARD_ASKS_MAX];
	struct owners *owners;
	struct locks *locks;
	struct password_desk *passwords;
	struct sessions sessions;
	struct arena arena;
	struct id_maker ids;
	struct memo_topics topics;
	struct guard_counts count;
	bool told_of_sending;           /* the broker calls guard_sent(): that is what "delivered" rests on, and so says the start */
	bool websocket_lists;           /* as guard_spec says */
	struct {                        /* who got past us, in the broker's log: the first at once, then once a minute how many */
		uint64_t said;              /* of count.bypasses */
		int64_t said_us;            /* monotonic; 0: never */
		char client[WORD_BYTES_MAX + 1], address[ADDRESS_MAX];     /* the last */
	} bypass;
	int64_t started_ms;             /* monotonic */
	int64_t wall_us;                /* by how much the wall clock was ahead of the monotonic one then */
	struct told {                   /* of metrics.h: what was said last, and where to */
		char path[WHOLE_PATH_MAX];  /* "": no file */
		int64_t due_s;
		bool ever;
		enum err was;
		int64_t value[METRICS_MAX];
		char text[METRICS_TEXT_MAX];
	} told;
	const void *ending;             /* context of the connection we are about to end; NULL: none */
	struct {                        /* whom the broker serves just now; NULL: anybody */
		const struct session *who;
		Pullcord__V1__AuditHow how;     /* what it then asks for them has come so */
	} serving;
	struct passing {                /* what somebody who is there was let have, and the broker has not yet said to send */
		struct session *s;          /* NULL: nothing */
		struct verdict verdict;
		const uint8_t *payload;     /* where it lay */
		struct id message;
		bool named, retain;
		uint8_t qos;
		size_t topic_n, patient_n;
		char topic[TOPIC_BYTES_MAX], patient[WORD_BYTES_MAX];
	} passing;
	struct subject_seen {           /* whom the last message is about, as its payload says */
		const uint8_t *payload;     /* where that lies: an id may come again with another one */
		struct id message;
		size_t n;
		char text[WORD_BYTES_MAX];
		bool known;
	} about;
	struct { Pullcord__V1__Party party; char id[WORD_BYTES_MAX + 1]; } stale[16];     /* see retained_ask_later() */
	size_t stales;
	int64_t swept_us;           /* how far the sweep of retained.h has come; monotonic */
	struct control *control;
	struct anomaly *anomaly;
	char officers[WHOLE_PATH_MAX];  /* guard_spec.officers_path; "": none */
	char operators[WORD_BYTES_MAX + 1];     /* unit that hears of anomalies */
	struct freshness freshness;     /* of what the broker's TLS stands on */
	struct control_result *unanswered;  /* done, but not yet on durable record */
	uint64_t ticks;                 /* so far, from 1 */
	uint64_t journal, checkpoint;
	bool directory_replaced;        /* since the broker ran last; not yet on record */
	uint64_t journal_told, journal_ticket;  /* the last line of the journal that was put on record, and its ticket there */
	uint64_t journal_marked;        /* the last that the directory was told so of */
	struct {                        /* emergency access that has begun */
		struct emergency_open *open;
		size_t n;
		int64_t due_us;         /* wall clock: when the first ends */
		bool look;              /* the directory has changed, or something is still to be told */
		enum err was;
	} emergencies;
	int64_t until_us;               /* wall clock: when the first session's rights change by themselves */
	int64_t turn_us, turn_ms;       /* wall clock, and monotonic, at the last tick: of what needs no better one */
	int64_t second;                 /* of the last once-a-second work, monotonic */
	enum record_state record_was;   /* what was last said of them in the log */
	enum err history_was, owners_was, directory_was, control_was, locks_was, witnesses_was;
	enum record_disk disk_was;
	unsigned put_aside;             /* stores, at the start */
	uint64_t evicted_was, unnoted_was, keys_refused_was, missing_was;
	int64_t open_free_us;           /* monotonic; nobody is told before what is open */
	bool record_out;                /* it had stopped at the last tick or publish */
	bool attend;                    /* some session has something to be tended at the next tick */
	bool reloading;                 /* between a reload and the next tick every session is asked again who it is */
};

/* A client as the broker shows it at one moment. `username` is what CONNECT said, or what we mapped it to. What stands after
 * it is asked for at a login only. */
struct client {
	const void *context;
	const char *client, *address, *username;
	int protocol, keepalive_s;      /* 3, 4 or 5 */
	bool clean;                     /* it wants no session from before (clean start) */
	bool websocket;
};

struct guard_spec {
	const char *dir;                /* as made by `pullcord init` */
	size_t record_mib, history_mib; /* disk taken by record and history */
	unsigned line_depth;            /* the record's next line has 2^this epochs; 0: the most */
	unsigned quorum;                /* so many witnesses are to vouch for the record; 0: the majority of those listed */
	struct guard_host host;
	size_t directory_mib;           /* the directory has that much at least; 0: as it is */
	uint16_t keep[RECORD_CLASSES];  /* how long the record keeps each class: keep_read(); 0: six years */
	struct past_keep past;          /* how long what can be read back is kept */
	const struct anomaly_limits *anomaly;   /* NULL: anomaly_defaults() */
	const char *operators;          /* unit that hears of them, a word; NULL: OPERATORS_UNIT */
	const char *metrics_path;       /* file for Prometheus; NULL: none */
	const char *sizes_path;         /* where record.sizes lies; NULL: in `dir` */
	bool damaged_refused;           /* a damaged record or history keeps it from starting (stores.h) */
	const char *officers_path;      /* of those two of whom must sign a policy (assent.h); NULL: nobody must */
	bool told_of_sending;           /* the broker calls guard_sent() */
	bool websocket_lists;           /* it looks at revocation lists by websocket, too; else no device comes by one */
};

/* On failure `what` says what was being read and what would be right. */
enum err guard_open(const struct guard_spec *spec, struct guard **out, char *what, size_t cap) MUST_USE;
void guard_close(struct guard **g);
/* Asks for the policy to be read again and returns at once: a later tick puts it in force. A bad one is refused with
 * file, line and remedy in the log, and the old one stays. */
void guard_reload(struct guard *g);
/* The broker read its configuration again and found a forbidden option there: goes on record. We still decide first. */
void guard_misconfigured(struct guard *g);
/* What the broker's listeners read, as it starts or has just read its configuration again. Whatever of it ends soon, has
 * ended or cannot be read is logged and on record, looked at now and once an hour; at most once a day for each. */
void guard_watch(struct guard *g, const struct broker_files *files);
/* Often. Kicks, receipts, checkpoints, changes of the directory, idle people. */
void guard_tick(struct guard *g);

/* `x509` of the connection (borrowed) or NULL. On ALLOW *username is what the broker should call it from now on: NULL
 * leaves it as it is; else it lives as long as the session. */
enum gate guard_login(struct guard *g, const struct client *c, void *x509, const char *password, const char **username);
void guard_logoff(struct guard *g, const void *context, int reason);
/* They are connected now, as 2.1 says and 2.0 does not. Who did not log in here got past us: nothing that is known of an earlier
 * connection is theirs. */
void guard_connected(struct guard *g, const struct client *c);

struct publish {
	struct span payload;
	uint8_t qos;
	bool retain;
};

/* A payload on $CONTROL/pullcord/v1, which guard_publish() let through. */
void guard_control(struct guard *g, const struct client *c, struct span payload);

/* A payload on READBACK_TOPIC or READBACK_OPEN, the same; where its answer is to go (NULL: READBACK_RESPONSE) and what marks it. */
void guard_ask(struct guard *g, const struct client *c, const char *topic, struct span payload, const char *response,
	       struct span correlation);

enum gate guard_publish(struct guard *g, const struct client *c, const char *topic, const struct publish *p);
enum gate guard_subscribe(struct guard *g, const struct client *c, const char *filter, uint8_t qos);
enum gate guard_unsubscribe(struct guard *g, const struct client *c, const char *filter);
/* What a message carries beside its payload (MQTT 5 §3.3.2.3), when that is anything. */
#define EXTRAS_USERS_MAX 32
struct extras {
	const char *response;       /* NULL: none */
	size_t users;               /* user properties; beyond EXTRAS_USERS_MAX what comes after them may not have been looked at */
	size_t bytes, payload;      /* of user properties, correlation data and content type; of the payload */
};
/* The response topic goes with the correlation data, which is of no use without it. */
enum { EXTRA_RESPONSE = 1, EXTRA_ALL = 2 };
/* Asked after guard_publish() let the message through: it goes on, alerts above all, and what it may not carry is taken off it
 * and on record. Answers what that is, or'ed; 0: nothing. */
unsigned guard_extras(struct guard *g, const struct client *c, const char *topic, const struct extras *x);
enum gate guard_receive(struct guard *g, const struct client *c, const char *topic, const struct publish *p);

/* The broker is sending it down that connection, as 2.1 says and 2.0 does not. For the record alone: it was decided by
 * guard_receive(), which then leaves an entry only of what must wait: for its recipient is away, or has too much unanswered.
 * Nothing is sent so unless guard_spec.told_of_sending says so. */
void guard_sent(struct guard *g, const void *context, const char *client, const char *topic, const struct publish *p);

/* Most deliveries are to a connection that logged in here, on a topic it was asked about before, and allowed: then this says
 * so at once, and has put on record what is to be. False says nothing: guard_receive() is to be asked. */
bool guard_passes(struct guard *g, const void *context, const char *client, const char *topic, const struct publish *p);

/* The same of deliveries that leave no record, as far as guard_passes() has let one by before; it is to be asked after this.
 * What the session may have is known by the number of the topic, which no other topic has, nor the same under another
 * policy; where things are otherwise with the session, it forgets them. Pointers come again: texts are compared. */
static inline bool guard_passes_unseen(struct guard *g, const void *context, const char *client, const char *topic)
{
	const struct memo_topic *t = g->topics.last;
	const struct session *s = session_of(&g->sessions, context);

	if (!s || !t || s->passes[t->number % MEMO_VERDICTS] != t->number || g->record_out || !client ||
	    strcmp(s->client, client) != 0 || strcmp(t->text, topic) != 0)
		return false;
	g->count.receive[GATE_ALLOW]++;
	return true;
}

#endif
