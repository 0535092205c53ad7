/* farewell: a wiped device's last word. Its store is gone; all it does is to come to a broker, with the certificate it still
 * has, and say what became of the wipe, until one has that and stay_s of [orders] later still has. Then it hangs up,
 * politely, so that its will is not published.
 * Which brokers, how often, how long to wait: as ever. The caller brings clocks and an uplink, and calls farewell_run(). */
#ifndef PULLCORD_FAREWELL_H
#define PULLCORD_FAREWELL_H

#include "conf.h"
#include "orders.h"
#include "uplink.h"

struct farewell;

struct farewell_spec {
	const struct conf *conf;            /* all borrowed until farewell_close() */
	const char *cafile, *certfile, *keyfile;    /* that are in force */
	const char *device, *tenant;
	struct orders *orders;
	const struct uplink_kind *uplink;
	int64_t (*now_ms)(void *ctx);       /* monotonic */
	int64_t (*real_us)(void *ctx);
	void (*wake)(void *ctx);            /* from any thread: farewell_run() soon */
	void *ctx;
};

/* Errors: those of the uplink, ERR_SYNTAX (brokers), ERR_FULL. */
enum err farewell_open(const struct farewell_spec *spec, struct farewell **out) MUST_USE;
void farewell_close(struct farewell **f);
/* Milliseconds until it wants to be called again. */
int64_t farewell_run(struct farewell *f);
/* A broker has it to stay, and the connection is over. */
bool farewell_over(const struct farewell *f);

#endif
