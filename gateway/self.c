#include "self.h"

void self_init(struct self *s, int64_t now_ms)
{
	uint8_t boot[8];

	crypt_random(boot, sizeof(boot));
	*s = (struct self){ .started_ms = now_ms, .link_ms = now_ms, .said_ms = now_ms - SELF_CHANGE_MS };
	hex_encode(span(boot, sizeof(boot)), s->boot);
}

/* ---- when to speak ---- */

void self_changed(struct self *s, int64_t now_ms)
{
	if (now_ms + SELF_CHANGE_MS < s->due_ms)
		s->due_ms = now_ms + SELF_CHANGE_MS;
}

int64_t self_due_ms(const struct self *s)
{
	int64_t soonest = s->said_ms + SELF_CHANGE_MS;

	return s->due_ms > soonest ? s->due_ms : soonest;
}

bool self_speaks(struct self *s, int64_t now_ms, int64_t every_ms)
{
	if (!s->connected || now_ms < self_due_ms(s))
		return false;
	s->said_ms = now_ms;
	s->due_ms = now_ms + every_ms;
	return true;
}

/* ---- the broker ---- */

void self_linked(struct self *s, bool up, int64_t now_ms, int64_t real_us)
{
	s->unanswered = 0;
	if (up == s->connected)
		return;
	if (!up)
		s->flaps = now_ms - s->link_ms < SELF_STEADY_MS ? s->flaps + 1 : 0;
	s->connected = up;
	s->link_ms = now_ms;
	if (!up)
		return;
	s->connections++;
	s->online_us = real_us;
	s->due_ms = now_ms;
	s->said_ms = now_ms - SELF_CHANGE_MS;   /* what it said through the last one, its will has contradicted */
}

void self_sent(struct self *s, int64_t now_ms)
{
	if (s->unanswered++ == 0)
		s->heard_ms = now_ms;
}

void self_heard(struct self *s, bool answer, int64_t now_ms)
{
	s->heard_ms = now_ms;
	if (answer && s->unanswered)
		s->unanswered--;
}

int64_t self_silent_ms(const struct self *s, int64_t now_ms)
{
	return s->connected && s->unanswered ? now_ms - s->heard_ms : 0;
}

unsigned self_flaps(const struct self *s, int64_t now_ms)
{
	return s->connected && now_ms - s->link_ms >= SELF_STEADY_MS ? 0 : s->flaps;
}

/* ---- all of it ---- */

static void add_counts(const struct pipeline_counts *c, struct health *h)
{
	h->accepted_total = (int64_t)c->accepted;
	h->folded_total = (int64_t)c->folded;
	h->repeated_total = (int64_t)c->repeated;
	h->refused_total = (int64_t)c->refused;
	h->delivered_total = (int64_t)c->delivered;
	h->evicted_total = (int64_t)c->evicted;
	h->unreadable_total = (int64_t)c->unreadable;
	h->updates_total = (int64_t)c->updates;
	h->not_understood_total = (int64_t)c->missed[MISSED_MEANING];
	h->broken_off_total = (int64_t)c->missed[MISSED_END];
	h->unknown_places_total = (int64_t)c->missed[MISSED_UNIT];
	h->turned_away_total = (int64_t)c->missed[MISSED_PLACE];
}

static void add_outbox(struct outbox *o, struct health *h)
{
	struct outbox_health seen;

	outbox_health(o, &seen);
	h->flush = seen.flush;
	h->flush_p99_seconds = latency_recent(&seen.flush, 990);
	h->writer_busy_seconds = seen.busy_ms;
	h->commit_failed = seen.last != OK;
	h->written_bytes_total = (int64_t)seen.written;
	h->set_aside_messages = (int64_t)outbox_aside_count(o);
	h->room_messages = outbox_most(o);
}

static void add_clock(const struct alarms *a, struct health *h)
{
	h->clock_quality = !a->clock_heard     ? PULLCORD__V1__CLOCK_QUALITY__CLOCK_NONE
			   : a->clock_off_us ? PULLCORD__V1__CLOCK_QUALITY__CLOCK_WRONG
					     : PULLCORD__V1__CLOCK_QUALITY__CLOCK_GOOD;
	h->clock_offset_seconds = a->clock_last_us / 1000;
}

void self_health(const struct self *s, const struct self_parts *p, struct health *out)
{
	*out = (struct health){
		.device = p->device, .tenant = p->tenant, .version = PULLCORD_VERSION, .boot = s->boot, .broker = p->broker,
		.real_us = p->real_us, .mono_ms = p->now_ms, .online_us = s->online_us,
		.uptime_seconds = p->now_ms - s->started_ms, .connected = s->connected,
		.link_seconds = p->now_ms - s->link_ms, .flaps = self_flaps(s, p->now_ms), .connections_total = (int64_t)s->connections,
		.open_alerts = (int64_t)open_count(p->open), .uplink_busy_seconds = p->uplink_busy_ms,
		.certificate_expiry_timestamp_seconds = p->cert->not_after_s,
	};
	add_counts(p->counts, out);
	add_outbox(p->outbox, out);
	add_clock(p->alarms, out);
	for (unsigned i = 0; i < FLIGHT_TIERS; i++)
		out->tier[i] = flight_look(p->flight, i, p->real_us / 1000);
	health_judge(out, &p->alarms->trouble, p->stuck_ms);
}
