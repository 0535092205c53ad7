/* pipeline: input → throttle → outbox → uplink, and what people do about an alert back down to its source. Everything
 * that is decided when parts meet is decided here, and nothing here knows sockets, Paho or the loop: the caller brings
 * clocks and an uplink, calls pipeline_run() when woken and when its answer has passed.
 *
 * An event that was pushed is answered: DURABLE after the commit that keeps it, STORED when the broker has it for good,
 * or REFUSED; UNSENT when the broker will not have it, or it had to yield. `code`, `high` and `medium` are on the wire while
 * that commit is being flushed. A source that repeats a message (event.h says what that is) is answered again and makes no
 * second one. */
#ifndef PULLCORD_PIPELINE_H
#define PULLCORD_PIPELINE_H

#include "cert.h"
#include "conf.h"
#include "input.h"
#include "scout.h"
#include "self.h"
#include "uplink.h"
#include "attest.h"
#include "orders.h"

struct gateway;

struct pipeline_spec {
	const struct conf *conf;            /* texts and units are borrowed until pipeline_close() */
	struct cert cert;
	struct scout *scout;                /* borrowed until pipeline_close(); NULL: the first broker, the files as they are */
	struct attest *attest;                /* borrowed until pipeline_close(); NULL: no witness, or it could not become one */
	struct orders *orders;              /* borrowed until pipeline_close(); NULL: it obeys none but reports */
	/* What is not the pipeline's to do was ordered: orders_standing() says what; false: it cannot be done. */
	bool (*obey)(void *ctx, Pullcord__V1__CommandKind kind);
	const char *device, *tenant;
	const uint8_t *root;                /* of the outbox, 32 bytes; borrowed for the call */
	const struct uplink_kind *uplink;
	int64_t (*now_ms)(void *ctx);       /* monotonic */
	int64_t (*real_us)(void *ctx);
	void (*wake)(void *ctx);            /* from any thread: pipeline_run() soon */
	void *ctx;
};

/* Dials at once. Errors: those of outbox_open(), of the uplink, ERR_FULL. */
enum err pipeline_open(const struct pipeline_spec *spec, struct gateway **out) MUST_USE;
void pipeline_close(struct gateway **g);

/* Where the input `name` pushes to; answers go to kind->answer(). Borrows the name. At most CONF_INPUTS_MAX; valid
 * until pipeline_close(). */
const struct pipeline *pipeline_port(struct gateway *g, const char *name, const struct input_kind *kind);
/* The input pushes no more, and takes no more answers. */
void pipeline_port_close(struct gateway *g, const char *name);

/* An input cannot be opened, for long: its devices are not heard. */
void pipeline_set_closed(struct gateway *g, bool closed);

/* Does what is to be done; milliseconds until it wants to be called again, whatever happens. */
int64_t pipeline_run(struct gateway *g);
void pipeline_set_throttle(struct gateway *g, const struct conf *c);
/* It has become a witness only now. Borrowed until pipeline_close(). */
void pipeline_set_attest(struct gateway *g, struct attest *a);
/* Tries what the broker refused for good once more: somebody may have mended its policy. Also done at the start. */
void pipeline_try_again(struct gateway *g);

/* Takes nothing more, answers what is being committed, says goodbye to the broker; pipeline_stopped() when that is
 * over, one way or another. */
void pipeline_stop(struct gateway *g);
bool pipeline_stopped(const struct gateway *g);

struct pipeline_counts pipeline_counts(const struct gateway *g);
/* How it is now. What has not moved for stuck_ms is stuck. Borrows its texts until the next call. */
void pipeline_health(struct gateway *g, int64_t stuck_ms, struct health *out);
int64_t pipeline_real_us(const struct gateway *g);      /* by the broker's clock where ours is wrong */
uint32_t pipeline_queued(const struct gateway *g);
void pipeline_sync(struct gateway *g);      /* waits for the outbox; for tests */

#endif
