/* self: what a gateway knows of itself: when it is to say so, how long its broker is silent, and all of it together
 * (core/health.h). The caller brings the clocks. */
#ifndef PULLCORD_SELF_H
#define PULLCORD_SELF_H

#include "alarms.h"
#include "event.h"
#include "health.h"
#include "open.h"
#include "outbox.h"

#define SELF_STEADY_MS 60000
#define SELF_CHANGE_MS 1000         /* a changed state is published after this, and no state sooner after another */

struct self {
	char boot[17];
	int64_t started_ms, link_ms, online_us;
	bool connected;
	uint64_t connections;
	unsigned flaps;             /* in a row, up to the last that ended */
	unsigned unanswered;        /* sent through this connection */
	int64_t heard_ms;           /* of the broker, or since when something is unanswered */
	int64_t due_ms, said_ms;    /* when it is to say how it is, when it last did */
};

/* What it has counted since its start. */
struct pipeline_counts {
	uint64_t accepted, folded, refused, repeated, delivered, set_aside, evicted, unreadable, updates, missed[MISSED_KINDS];
};

void self_init(struct self *s, int64_t now_ms);

/* To be said soon; at once, because nobody was there to hear it. */
void self_changed(struct self *s, int64_t now_ms);
/* True: now, and then again after every_ms. */
bool self_speaks(struct self *s, int64_t now_ms, int64_t every_ms);
int64_t self_due_ms(const struct self *s);

/* The connection came or was lost. */
void self_linked(struct self *s, bool up, int64_t now_ms, int64_t real_us);
void self_sent(struct self *s, int64_t now_ms);
void self_heard(struct self *s, bool answer, int64_t now_ms);
/* How long the broker has owed an answer and said nothing at all; 0: it does not. */
int64_t self_silent_ms(const struct self *s, int64_t now_ms);

/* Connections in a row that ended before SELF_STEADY_MS; 0: the present one has lasted. */
unsigned self_flaps(const struct self *s, int64_t now_ms);

/* Everything a look at oneself takes; borrowed for the call. */
struct self_parts {
	const char *device, *tenant, *broker;
	const struct pipeline_counts *counts;
	const struct alarms *alarms;
	const struct cert *cert;
	const struct flight *flight;
	const struct open *open;
	struct outbox *outbox;
	int64_t uplink_busy_ms, stuck_ms, now_ms, real_us;
};
void self_health(const struct self *s, const struct self_parts *p, struct health *out);

#endif
