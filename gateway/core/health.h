/* health: how a gateway is, in three shapes: DeviceState for the broker, JSON for `pullcord gateway status`, text for
 * Prometheus; and the judgement: is it well, or what is wrong with it? Does everything move that must? Pure. */
#ifndef PULLCORD_HEALTH_H
#define PULLCORD_HEALTH_H

#include "cur.h"
#include "flight.h"
#include "latency.h"
#include "pullcord.pb-c.h"
#include "trouble.h"

#define HEALTH_TEXT_MAX 16384       /* of either text */

#define HEALTH_DISCONNECTED_MS 10000    /* a connection that breaks and comes back at once is no trouble */
#define HEALTH_FLAPS 5
#define HEALTH_WAITING_MS 60000         /* a code or high alert the broker has not stored by then */
#define HEALTH_FULL_PERCENT 80
#define HEALTH_UPLINK_TIMES 4           /* a name server that is away holds the library up for half a minute */

/* X(NAME, word, text): what may be wrong. STUCK ones come first: only a restart helps. */
#define HEALTH_FAULTS(X)                                                                                               \
	X(WRITER, "writer", "the outbox's writer does not move: its disk, or another program, holds it up")            \
	X(UPLINK, "uplink", "the connection to the broker does not move")                                              \
	X(DISCONNECTED, "disconnected", "no broker can be reached; alerts are kept here until one can")                \
	X(FLAPPING, "flapping", "no connection to the broker lasts; the log says why: does another machine have this certificate?") \
	X(WAITING, "waiting", "alerts reach the broker, but it does not say that it has stored them")                  \
	X(DISK, "disk", "the outbox cannot be written: is its disk full, read-only or failing?")                       \
	X(FULL, "full", "the outbox is nearly full: the least important messages will yield")                          \
	X(REFUSING, "refusing", "calls are refused: look at the beds")                                                 \
	X(INPUT, "input", "an input cannot be opened: its devices are not heard; the log names it")                    \
	X(EVICTING, "evicting", "the outbox was full, and less important messages were dropped")                       \
	X(UNREADABLE, "unreadable", "messages in the outbox cannot be read: look at the beds")                         \
	X(ASIDE, "set-aside", "the broker refuses messages for good; `pullcord-gateway --aside` lists them")           \
	X(DEAF, "no-receipts", "the broker lets this gateway hear of no receipts, so alerts are sent again; " \
	  "if it stays so for a minute, mend the policy") \
	X(REPLACED, "outbox-replaced", "the outbox was unreadable; it was kept aside and a new one made")              \
	X(CLOCK, "clock", "the clock is wrong, and messages carry the broker's time; is there a time server?")         \
	X(CERTIFICATE, "certificate", "the device's certificate ends soon, is not valid, or no broker takes it; renew it") \
	X(RECORD, "record-contradicted", "the broker's record contradicts what was seen of it; both notes are kept") \
	X(ORDER, "order-refused", "somebody forges orders to this device; it refuses them, and the log says who sent them") \
	X(QUARANTINE, "quarantined", "in quarantine: alerts below priority high are neither taken nor sent") \
	X(RECORD_SILENT, "record-silent", "the broker shows nothing new of its record, or this gateway cannot be its witness") \
	X(QUIET, "source-quiet", "a source that is never silent says nothing: look at the beds; the log names the input") \
	X(SOURCE, "source", "a source was not understood, turned away, or of a place not listed, in the last ten minutes; " \
	  "the log names it") \
	X(UNHEARD, "witnesses-unheard", "too few of the record's other witnesses are heard: they are off, " \
	  "or the broker keeps back what they say") \
	X(ORDERS_UNREADABLE, "orders-unreadable", "what was ordered, or the list of officers, cannot be read; no order is obeyed")

#define HEALTH_FAULT_NAME(name, word, text) HEALTH_##name,
enum health_fault { HEALTH_FAULTS(HEALTH_FAULT_NAME) HEALTH_FAULTS_END };
#define HEALTH_STUCK_END HEALTH_DISCONNECTED

enum health_condition { HEALTH_WELL, HEALTH_DEGRADED, HEALTH_STUCK };

struct health {
	const char *device, *tenant, *version, *boot, *broker;   /* borrowed */
	int64_t real_us, mono_ms;       /* when this was so */
	int64_t online_us;              /* when the connection came */
	int64_t commit_failed;          /* the last commit to the outbox did not succeed */
	unsigned flaps;                 /* connections in a row that did not last a minute; 0: this one has */
#define METRIC(type, name, scale, text) int64_t name;
#include "health.def"
	struct flight_tier tier[FLIGHT_TIERS];
	struct latency flush;
	bool fault[HEALTH_FAULTS_END];
};

/* Fills in `fault`. The writer is stuck after stuck_ms, the connection after HEALTH_UPLINK_TIMES as long. */
void health_judge(struct health *h, const struct trouble *t, int64_t stuck_ms);
enum health_condition health_condition(const struct health *h);
const char *health_condition_name(enum health_condition c);
const char *health_fault_text(enum health_fault f);

/* DeviceState, with what it points to. Borrows the texts of `h`. */
struct health_state {
	Pullcord__V1__DeviceState state;
	Pullcord__V1__TierState tier[FLIGHT_TIERS], *list[FLIGHT_TIERS];
};
void health_state(const struct health *h, bool online, struct health_state *out);

/* Prometheus; JSON of one object, `every_ms`: how often it is written. ERR_TOO_LARGE. */
enum err health_metrics(const struct health *h, struct put *out) MUST_USE;
enum err health_json(const struct health *h, long pid, int64_t every_ms, struct put *out) MUST_USE;
/* One line for people. */
enum err health_line(const struct health *h, struct put *out) MUST_USE;

#endif
