/* session: the broker's connections as we know them, keyed by the broker's context pointer, never by client id: on a
 * takeover the old connection's end arrives after the new one's login under the same client id. An entry outlives its
 * connection, because a will and the deliveries of a durable session are checked after the disconnect; it is freed when
 * the same client id logs in again, when the pointer is used again, or SESSION_LINGER_MS after the connection ended
 * (a later question is answered from the table of owners, see guard.h).
 *
 * Looking up is one hash step and allocates nothing; adding may allocate. Broker's thread only. */
#ifndef PULLCORD_SESSION_H
#define PULLCORD_SESSION_H

#include "awaited.h"
#include "directory.h"
#include "emergency.h"
#include "envelope.h"
#include "memo.h"
#include "policy.h"

#define SESSION_FILTERS_MAX 64
#define SESSION_LINGER_MS 60000

enum session_state {
	SESSION_NONE,
	SESSION_LIVE,
	SESSION_SUPERSEDED,         /* another connection took its client id; its own end is still to come */
	SESSION_CLOSED,             /* the connection ended; a will or queued messages may follow */
};

/* A subscription that was granted, kept to see whether it still would be, and to catch up on open alerts. */
struct session_filter {
	char text[TOPIC_BYTES_MAX + 1];
	uint64_t alerts_before;     /* open alerts up to this number are still to be sent to it; 0: none */
};

struct session {
	const void *context;
	enum session_state state;
	uint8_t client_n, address_n, id_n;  /* how long they are */
	char client[WORD_BYTES_MAX + 1], address[ADDRESS_MAX];
	Pullcord__V1__Party party;
	char tenant[WORD_BYTES_MAX + 1];
	char id[WORD_BYTES_MAX + 1];
	struct holder *holder;      /* NULL: may do nothing */
	bool unread;                /* nor does anybody know what it may: its account could not be read */
	struct holder *shadow;      /* of the policy on trial; NULL: it is not asked */
	uint64_t shadow_bound;      /* of which, as guard.shadows counts them; 0: it is still to be bound */
	struct memo_verdicts verdicts;  /* of this holder */
	uint64_t passes[MEMO_VERDICTS]; /* numbers of topics (memo.h) of which it may have what comes without a trace: see
	                                 * guard_passes_unseen(). Of this holder, policy and time; 0: none */
	struct emergency_held *taken;   /* what they took in an emergency; NULL: nothing */
	uint64_t bound;             /* which of the policies that were in force it is of, see guard_refresh(): of an earlier one
	                             * it is not to be asked */
	struct session_filter *filter;
	size_t filters;
	int64_t active_ms;          /* last publish or subscribe; when it ended, for a closed one */
	uint32_t moved;             /* messages on record since moved_us, within an hour */
	int64_t moved_us;           /* monotonic */
	int64_t full_ns;            /* when its allowance of messages will be whole again; past: it is */
	int64_t tries_full_ns;      /* the same of what it may be refused, see session_count_refusal() */
	struct envelope_sender sender;  /* of what it published last */
	uint8_t fingerprint[32];    /* of its certificate; zeros: it came with none */
	int64_t not_before_s;       /* when that began to be good */
	int64_t until_us;           /* wall clock: when what it holds changes by itself; 0 or INT64_MAX: never */
	bool kick;                  /* to be ended at the next tick */
	bool catch_up;              /* some filter has alerts_before set */
	struct awaited awaited;     /* only of a broker that says when it sends */
	int64_t asked_ms;           /* what is open, last; monotonic */
	uint64_t subscribed;        /* in which of guard.ticks it did so last */
	bool withheld;              /* ...and alerts that came since wait to be shown after those that are open */
	bool missed;                /* alerts after this number, for the record had stopped: shown when it goes on */
	uint64_t missed_after;
	bool fresh;                 /* logged in since the last tick */
	uint64_t resumed_before;    /* it came with subscriptions we were never asked about, from before a restart: open
	                             * alerts up to this number are to be sent by what it may receive; 0: no such */
	bool unknown_filters;       /* the same: whatever it loses may be something it uses */
	struct session *by_context, *by_client, *by_account, **account_prev, *all_next, **all_prev;
};

struct sessions {
	struct session **context, **client, **account, *all;
	size_t buckets, n;
	unsigned shift;             /* buckets is 1 << (64 - shift) */
	uint64_t key;               /* of the client id hash: names are chosen by clients */
};

enum err sessions_init(struct sessions *t, uint64_t hash_key) MUST_USE;
void sessions_clear(struct sessions *t);

/* Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): pointers, which nobody chooses, differ in their middle
 * bits; these reach the upper ones. */
static inline size_t session_bucket(const struct sessions *t, const void *context)
{
	return ((uintptr_t)context * 0x9e3779b97f4a7c15u) >> t->shift;
}

/* NULL when unknown. Here, because each delivery asks. */
static inline struct session *session_of(const struct sessions *t, const void *context)
{
	struct session *s = t->context[session_bucket(t, context)];

	while (s && s->context != context)
		s = s->by_context;
	return s;
}

/* The live entry of a client id, else any other of it; NULL when there is none. */
struct session *session_client(const struct sessions *t, const char *client);

/* A new live entry; an older one of the same pointer goes, but for a closed one of another client, which is found by that
 * alone from then on; a live one of the same client id becomes SUPERSEDED, closed
 * ones of it go. `resume`: the filters of the one before pass to it, as MQTT's session does. What it used of its allowance
 * passes in any case: connecting again gives nobody more. NULL: out of memory. */
struct session *session_add(struct sessions *t, const void *context, const char *client, bool resume);
/* A closed entry for a session nobody is connected to, keyed by a pointer of the caller's that is no context. */
struct session *session_add_offline(struct sessions *t, const void *key, const char *client);
void session_drop(struct sessions *t, struct session *s);
/* Drops entries not live that did nothing for SESSION_LINGER_MS. */
void sessions_reap(struct sessions *t, int64_t now_ms);

/* Where it comes from; too long to be an address: nowhere. */
void session_address(struct session *s, struct span address);

/* Says whose it is; once. */
void session_own(struct sessions *t, struct session *s, Pullcord__V1__Party party, const char *id);
/* The sessions of an account, in no order: the first (after NULL), the next; NULL: no more. */
struct session *session_account(const struct sessions *t, Pullcord__V1__Party party, struct span id,
				const struct session *after);

/* Live sessions of somebody under other client ids than this. */
size_t sessions_beside(const struct sessions *t, Pullcord__V1__Party party, const char *id, const char *client);

/* Counts one message, unless it is more than `per_h` (from 1) allows on average and `burst` (from 1) at once. */
bool session_count_message(struct session *s, uint32_t per_h, uint32_t burst, int64_t now_us) MUST_USE;

/* Counts one more message it was refused. False: it has had SESSION_REFUSALS of them, and since then more than so many a second.
 * Each takes the broker's time from everybody. */
#define SESSION_REFUSALS 500
#define SESSION_REFUSALS_PER_S 100
bool session_count_refusal(struct session *s, int64_t now_us) MUST_USE;

/* Of whom something is held that they took themselves: what they would be without it. */
struct emergency_held {
	struct holder *plain;       /* without any */
	size_t n;
	struct { int64_t at_us; struct holder *without; } one[EMERGENCIES_MAX];     /* of the last, the newest first */
};
void emergency_held_free(struct emergency_held **t);

/* Takes the holder; what was taken in an emergency goes with the one before. */
void session_hold(struct session *s, struct holder *h);
/* What rests on how things are with it is asked anew: nothing passes unseen, and whom its messages name is compared. */
void session_ask_anew(struct session *s);
/* Remembers a granted filter (once). ERR_FULL past SESSION_FILTERS_MAX. */
/* An alert of that number was not delivered to it. */
void session_missed(struct session *s, uint64_t number);
enum err session_filter_add(struct session *s, struct span filter, uint64_t alerts_before) MUST_USE;
void session_filter_del(struct session *s, struct span filter);

#endif
