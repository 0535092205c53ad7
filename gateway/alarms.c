#include "alarms.h"

#include <stdlib.h>

#include "log.h"

#define CLOCK_WRONG_US (5 * 60 * 1000000LL)
#define EARLIEST_US (1577836800 * 1000000LL)    /* 2020; what is outside is no time */
#define LATEST_US (4102444800 * 1000000LL)      /* 2100 */
#define STEP_US 1000000             /* so far no clock runs away between two looks: somebody set it */
#define BUSY_MS 2000                /* a queue that is full longer than this is no mere burst */
#define CERTIFICATE_WARN_DAYS 30
#define RENEWAL_DAYS 2              /* it may take, with a CA that is away now and then */

void alarms_init(struct alarms *a) { *a = (struct alarms){ .certificate_said = UINT32_MAX }; }

static bool is_trouble(struct alarms *a, enum err e, int64_t now_ms)
{
	if (e != ERR_BUSY)
		return e == ERR_FULL || e == ERR_IO || e == ERR_DENIED || e == ERR_CRYPTO;
	if (!a->busy_since_ms)
		a->busy_since_ms = now_ms;
	return now_ms - a->busy_since_ms >= BUSY_MS;
}

void alarms_refused(struct alarms *a, enum err e, int64_t now_ms)
{
	if (is_trouble(a, e, now_ms))
		trouble_seen(&a->trouble, TROUBLE_REFUSING, now_ms);
}

void alarms_kept(struct alarms *a) { a->busy_since_ms = 0; }

static int64_t clock_off(int64_t off_us) { return llabs(off_us) < CLOCK_WRONG_US ? 0 : off_us; }

void alarms_clock(struct alarms *a, int64_t broker_us, int64_t own_us, int64_t now_ms)
{
	int64_t off = broker_us - own_us;

	if (broker_us < EARLIEST_US || broker_us > LATEST_US)
		return;
	a->clock_heard = true;
	a->clock_last_us = off;
	if (!a->clock_off_us && clock_off(off))
		log_say(EV_CLOCK_WRONG, KV_NUM("seconds", off / 1000000));
	a->clock_off_us = clock_off(off);
	if (a->clock_off_us)
		trouble_seen(&a->trouble, TROUBLE_CLOCK, now_ms);
}

/* Only what brings a wrong clock nearer to the broker's is taken for that: a machine that slept, and one that was set wrong, wait
 * for the next receipt. */
void alarms_own_clock(struct alarms *a, int64_t own_us, int64_t now_ms)
{
	int64_t step = own_us - a->own_us - (now_ms - a->own_ms) * 1000, off = a->clock_last_us - step;
	bool first = !a->own_us;

	a->own_us = own_us;
	a->own_ms = now_ms;
	if (first || !a->clock_off_us || llabs(step) < STEP_US || llabs(off) >= llabs(a->clock_last_us))
		return;
	a->clock_last_us = off;
	a->clock_off_us = clock_off(off);
}

static uint32_t warn_days(const struct conf *c)
{
	int32_t overdue = c->renew_days > RENEWAL_DAYS ? c->renew_days - RENEWAL_DAYS : 1;

	return c->renew_cmp[0] && c->renew_days && overdue < CERTIFICATE_WARN_DAYS ? (uint32_t)overdue : CERTIFICATE_WARN_DAYS;
}

void alarms_certificate(struct alarms *a, const struct cert *c, const struct conf *conf, int64_t real_us, int64_t now_ms)
{
	uint32_t days = cert_days_left(c, real_us / 1000000);
	bool early = c->not_before_s > real_us / 1000000, late = c->not_after_s <= real_us / 1000000;

	if (days >= warn_days(conf) && !early) {
		a->certificate_said = UINT32_MAX;
		return;
	}
	trouble_seen(&a->trouble, TROUBLE_CERTIFICATE, now_ms);
	if (a->certificate_said != days)
		log_say(EV_CERTIFICATE_ENDS, KV_STR("file", conf->uplink_certfile), KV_NUM("days", days),
			KV_STR("text", early ? "it is not valid yet: is the clock right?" :
			       late ? "it has ended: enroll it anew (pullcord device renew), or set the clock" : ""));
	a->certificate_said = days;
}

void alarms_record(struct alarms *a, enum attest_state s, int64_t now_ms)
{
	if (s == ATTEST_CONTRADICTED)
		trouble_seen(&a->trouble, TROUBLE_RECORD, now_ms);
	if (s == ATTEST_SILENT)
		trouble_seen(&a->trouble, TROUBLE_RECORD_SILENT, now_ms);
	if (s == ATTEST_UNHEARD)
		trouble_seen(&a->trouble, TROUBLE_UNHEARD, now_ms);
}

struct restoring {
	struct alarms *a;
	int64_t now_ms, real_us;
};

/* What cannot be given back, a code of another version, is told no more and ends by itself after a day. */
static void restore_one(void *ctx, const struct outbox_message *m)
{
	struct restoring *r = ctx;

	(void)trouble_restore(&r->a->trouble, m->source_id, &m->id, m->expires_us, r->now_ms, r->real_us);
}

enum err alarms_restore(struct alarms *a, struct outbox *o, int64_t now_ms, int64_t real_us)
{
	struct trouble_told t;

	TRY(outbox_each_told(o, restore_one, &(struct restoring){ a, now_ms, real_us }));
	for (unsigned k = 0; k < TROUBLE_KINDS; k++)
		if (trouble_keep(&a->trouble, k, &t))
			a->kept[k] = t.id;
	return OK;
}

void alarms_keep(struct alarms *a, struct outbox *o)
{
	static const struct id none;

	for (unsigned k = 0; k < TROUBLE_KINDS; k++) {
		struct trouble_told t;
		bool kept = memcmp(&a->kept[k], &none, sizeof(none)) != 0;

		if (trouble_keep(&a->trouble, k, &t) && memcmp(&a->kept[k], &t.id, sizeof(t.id)) != 0) {
			if (outbox_tell(o, span_str(t.code), &t.id, t.at_us) == OK)
				a->kept[k] = t.id;
		} else if (kept && !trouble_is_open(&a->trouble, k)) {
			if (outbox_untell(o, span_str(trouble_code(k))) == OK)
				a->kept[k] = none;
		}
	}
}
