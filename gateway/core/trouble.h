/* trouble: what is wrong with the gateway itself, and telling the staff: each trouble is an alert of type OPERATIONS that
 * begins when the trouble does and ends with it. It does not go through the outbox, which may be what is broken: it is
 * sent until the broker acknowledges it, and again, under the same id, after each new connection while it lasts, so that
 * readers fold it. Pure: the caller brings time and ids, and says when a trouble is seen. */
#ifndef PULLCORD_TROUBLE_H
#define PULLCORD_TROUBLE_H

#include "id.h"
#include "pullcord.pb-c.h"

/* X(name, priority, calm_s, code, text): it is over when it was not seen for calm_s. */
#define TROUBLES(X)                                                                                                    \
	X(REFUSING, HIGH, 60, "gateway.refusing", "This gateway cannot take more calls: look at the beds")             \
	X(INPUT, HIGH, 5, "gateway.input-closed", "This gateway cannot hear some of its devices: look at the beds")    \
	X(QUIET, HIGH, 5, "gateway.source-quiet", "This gateway hears nothing of a device any more: look at the beds")   \
	X(EVICTING, MEDIUM, 600, "gateway.evicting", "This gateway was full: less important messages were dropped")    \
	X(UNREADABLE, HIGH, 600, "gateway.unreadable", "This gateway cannot read a call it had taken: look at the beds") \
	X(ASIDE, MEDIUM, 5, "gateway.set-aside", "The broker refuses messages of this gateway; they are kept there")   \
	X(DEAF, MEDIUM, 5, "gateway.no-receipts", "The broker lets this gateway hear of no receipts: alerts repeat")     \
	X(OUTBOX, MEDIUM, 86400, "gateway.outbox-replaced", "This gateway's store was unreadable and was put aside")   \
	X(CLOCK, LOW, 600, "gateway.clock", "This gateway's clock is wrong; it goes by the broker's")                  \
	X(CERTIFICATE, LOW, 5, "gateway.certificate", "This gateway's certificate ends soon, or does not work: renew it") \
	X(RECORD, MEDIUM, 5, "gateway.record-contradicted", "The broker's record is not what this gateway has seen of it: tell IT") \
	X(ORDER, LOW, 600, "gateway.order-refused", "Somebody forges orders to this gateway, which refused: tell IT")     \
	X(QUARANTINE, MEDIUM, 5, "gateway.quarantined", "This gateway is in quarantine: it takes emergency calls only")  \
	X(RECORD_SILENT, LOW, 5, "gateway.record-silent", "The broker shows this gateway nothing new of its record: tell IT") \
	X(SOURCE, LOW, 600, "gateway.source", "This gateway does not understand a device, or whose it is, or turns it away: tell IT") \
	X(UNHEARD, LOW, 5, "gateway.witnesses-unheard", "Too few of the record's other witnesses are heard: tell IT") \
	X(ORDERS_UNREADABLE, LOW, 5, "gateway.orders-unreadable", "This gateway cannot read its orders, and obeys none: tell IT")

#define TROUBLE_AGAIN_MS 60000
#define TROUBLE_RESTART_MS 60000    /* so long after a restart it may show itself again before it is over */

#define TROUBLE_NAME(name, ...) TROUBLE_##name,
enum trouble_kind { TROUBLES(TROUBLE_NAME) TROUBLE_KINDS };

struct trouble {
	struct {
		bool on, told;          /* there is one; the broker has the last word about it */
		bool ever;              /* it was told that there is one */
		int64_t seen_ms, wait_ms;       /* refused: told again after that */
		struct id id;
		int64_t at_us;          /* wall clock, of its last change */
	} kind[TROUBLE_KINDS];
};

/* It is there now. */
void trouble_seen(struct trouble *t, enum trouble_kind k, int64_t now_ms);
/* Which is to be told now: its beginning, or its end (phase). False: none. A new id is made of `fresh` when it has none. */
struct trouble_told {
	enum trouble_kind kind;
	Pullcord__V1__Priority priority;
	Pullcord__V1__Phase phase;
	const char *code, *text;
	struct id id;
	int64_t at_us;
};
bool trouble_next(struct trouble *t, int64_t now_ms, int64_t real_us, const struct id *fresh, struct trouble_told *out);
/* The broker's answer about `id`; false: not one of ours. What it does not take is told again after TROUBLE_AGAIN_MS. */
bool trouble_acked(struct trouble *t, const struct id *id, bool taken, int64_t now_ms);
void trouble_lost(struct trouble *t);

/* Across a restart: whether readers may still have it open; if so, and while it lasts, what to give back to
 * trouble_restore() then: it goes on as if there had been none. False: no such code, or it is here already. */
const char *trouble_code(enum trouble_kind k);
bool trouble_is_open(const struct trouble *t, enum trouble_kind k);
bool trouble_keep(const struct trouble *t, enum trouble_kind k, struct trouble_told *out);
bool trouble_restore(struct trouble *t, struct span code, const struct id *id, int64_t at_us, int64_t now_ms, int64_t real_us);

#endif
