/* orders: what officers order this gateway to do. It decides by core/order.h, has on disk that an order was obeyed before
 * anything is done about it, and says what came of it in a receipt that the device's key has signed. What is begun and not
 * done when the gateway ends is begun again at the next start, which does no harm. A thread of its own writes, signs and
 * renews: the loop never waits for it. One order at a time. Loop's thread only; where an `orders` is NULL none is obeyed. */
#ifndef PULLCORD_ORDERS_H
#define PULLCORD_ORDERS_H

#include "conf.h"
#include "standing.h"

struct orders;

struct orders_spec {
	const struct conf *conf;        /* [orders]; borrowed */
	const char *certfile, *keyfile; /* the pair in force, which signs; borrowed */
	const char *tenant, *device;    /* borrowed */
	/* Has the CA certify a new key, however long that takes; `text` says why not. On a thread of its own. */
	enum err (*renew)(const struct conf *c, char text[STANDING_TEXT_MAX + 1]);
	void (*wake)(void *ctx);        /* from its thread: orders_run() has something to do */
	void *ctx;
};

/* `what` names the file that is wrong, `line` where. ERR_CORRUPT, ERR_VERSION: what was kept of orders; ERR_NOT_FOUND,
 * ERR_DENIED, ERR_IO; those of officers_read(). For want of those it obeys nobody, and *out is made all the same: what was
 * ordered before, as far as it can be read, stands. Without *out: ERR_FULL, ERR_TOO_LARGE (a path). */
enum err orders_open(const struct orders_spec *spec, struct orders **out, const char **what, unsigned *line) MUST_USE;
void orders_close(struct orders **o);           /* waits for what is under way */

/* The list of officers as it is now; a bad one changes nothing. Errors: those of officers_read(). */
enum err orders_reread(struct orders *o, unsigned *line) MUST_USE;
/* Is the list of officers one? As orders_open(); for --check. */
enum err orders_check(const struct conf *c, unsigned *line) MUST_USE;

/* OBEY: orders_run() will say when; a report, which nobody needs to sign, at once. Receipts bear now_us, by the best clock there
 * is; an order has expired by latest_us, the latest of any. */
enum order_verdict orders_hear(struct orders *o, const Pullcord__V1__DeviceCommand *c, int64_t now_us, int64_t latest_us);
/* What is to be done now, on disk already; NONE: nothing. The caller does it and says so by orders_done(). */
Pullcord__V1__CommandKind orders_run(struct orders *o, int64_t now_us);
void orders_done(struct orders *o, bool good, const char *text, int64_t now_us);
/* The certificate is due: renewed without an order, unless that was tried less than ORDERS_RENEW_MS ago. */
#define ORDERS_RENEW_MS (6 * 3600 * 1000LL)
void orders_renew(struct orders *o, int64_t now_ms);
/* There is something to tell since the last call. */
bool orders_news(struct orders *o);

/* How far a wipe has come, before anything else is known: a wiped device may have no key any more. */
enum standing_wipe orders_wiped(const struct conf *c);

/* What it says of orders in a DeviceState; borrows from o until the next call. */
void orders_state(struct orders *o, Pullcord__V1__DeviceState *s);
/* What was ordered and lasts. */
const struct standing *orders_standing(const struct orders *o);
bool orders_quarantined(const struct orders *o);
/* It obeys nobody, and somebody should look why. */
bool orders_unreadable(const struct orders *o);

/* The next stage of a wipe, on disk; waits for it. The receipt is written and signed with the first; it bears no
 * time before that at which the wipe was begun, whatever the clock was like since. */
enum err orders_wipe(struct orders *o, enum standing_wipe stage, bool good, const char *text, int64_t now_us) MUST_USE;

#endif
