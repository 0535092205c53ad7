#include "health.h"


#include "metric.h"
#include "topic.h"

static const struct metric_row rows[] = {
#define METRIC(type, name, scale, text) METRIC_ROW(type, name, scale, text, struct health),
#include "health.def"
};

static const struct { const char *word, *text; } faults[] = {
#define FAULT(name, word, text) [HEALTH_##name] = { word, text },
	HEALTH_FAULTS(FAULT)
};

const char *health_fault_text(enum health_fault f) { return faults[f].text; }

/* ---- judging ---- */

static int64_t queued(const struct health *h)
{
	int64_t n = 0;

	for (unsigned i = 0; i < FLIGHT_TIERS; i++)
		n += h->tier[i].n;
	return n;
}

/* Of the tiers before `end`. */
static int64_t oldest_ms(const struct health *h, unsigned end)
{
	int64_t ms = 0;

	for (unsigned i = 0; i < end; i++)
		if (h->tier[i].oldest_ms > ms)
			ms = h->tier[i].oldest_ms;
	return ms;
}

void health_judge(struct health *h, const struct trouble *t, int64_t stuck_ms)
{
	bool *is = h->fault;

	is[HEALTH_WRITER] = h->writer_busy_seconds > stuck_ms;
	is[HEALTH_UPLINK] = h->uplink_busy_seconds > HEALTH_UPLINK_TIMES * stuck_ms;
	is[HEALTH_DISCONNECTED] = !h->connected && h->link_seconds >= HEALTH_DISCONNECTED_MS;
	is[HEALTH_FLAPPING] = h->flaps >= HEALTH_FLAPS && !is[HEALTH_DISCONNECTED];
	is[HEALTH_WAITING] = h->connected && h->link_seconds >= HEALTH_WAITING_MS &&
			     oldest_ms(h, FLIGHT_TIER_CALM) >= HEALTH_WAITING_MS;
	is[HEALTH_DISK] = h->commit_failed;
	is[HEALTH_FULL] = queued(h) * 100 >= h->room_messages * HEALTH_FULL_PERCENT;
	is[HEALTH_REFUSING] = t->kind[TROUBLE_REFUSING].on;
	is[HEALTH_INPUT] = t->kind[TROUBLE_INPUT].on;
	is[HEALTH_EVICTING] = t->kind[TROUBLE_EVICTING].on;
	is[HEALTH_UNREADABLE] = t->kind[TROUBLE_UNREADABLE].on;
	is[HEALTH_ASIDE] = h->set_aside_messages > 0;
	is[HEALTH_DEAF] = t->kind[TROUBLE_DEAF].on;
	is[HEALTH_REPLACED] = t->kind[TROUBLE_OUTBOX].on;
	is[HEALTH_CLOCK] = h->clock_quality == PULLCORD__V1__CLOCK_QUALITY__CLOCK_WRONG;
	is[HEALTH_CERTIFICATE] = t->kind[TROUBLE_CERTIFICATE].on;
	is[HEALTH_RECORD] = t->kind[TROUBLE_RECORD].on;
	is[HEALTH_ORDER] = t->kind[TROUBLE_ORDER].on;
	is[HEALTH_QUARANTINE] = t->kind[TROUBLE_QUARANTINE].on;
	is[HEALTH_ORDERS_UNREADABLE] = t->kind[TROUBLE_ORDERS_UNREADABLE].on;
	is[HEALTH_RECORD_SILENT] = t->kind[TROUBLE_RECORD_SILENT].on;
	is[HEALTH_UNHEARD] = t->kind[TROUBLE_UNHEARD].on;
	is[HEALTH_SOURCE] = t->kind[TROUBLE_SOURCE].on;
	is[HEALTH_QUIET] = t->kind[TROUBLE_QUIET].on;
}

enum health_condition health_condition(const struct health *h)
{
	for (unsigned i = 0; i < HEALTH_FAULTS_END; i++)
		if (h->fault[i])
			return i < HEALTH_STUCK_END ? HEALTH_STUCK : HEALTH_DEGRADED;
	return HEALTH_WELL;
}

const char *health_condition_name(enum health_condition c)
{
	static const char *const name[] = { [HEALTH_WELL] = "well", [HEALTH_DEGRADED] = "degraded", [HEALTH_STUCK] = "stuck" };

	return name[c];
}

/* ---- for the broker ---- */

static Pullcord__V1__Priority priority_of(unsigned tier)
{
	return (Pullcord__V1__Priority)(FLIGHT_TIERS - 1 - tier);
}

static const char *tier_name(unsigned tier)
{
	const char *name = priority_name((int)priority_of(tier));

	return name ? name : "vitals";
}

static uint32_t u32(int64_t v) { return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v; }

void health_state(const struct health *h, bool online, struct health_state *out)
{
	Pullcord__V1__DeviceState *s = &out->state;
	int64_t left_s = h->certificate_expiry_timestamp_seconds - h->real_us / 1000000;

	pullcord__v1__device_state__init(s);
	s->online = online;
	s->since_us = (uint64_t)(online ? h->online_us : h->real_us);
	s->version = (char *)(uintptr_t)h->version;
	s->uptime_s = (uint64_t)h->uptime_seconds / 1000;
	s->queued = u32(queued(h));
	s->oldest_s = u32(oldest_ms(h, FLIGHT_TIERS) / 1000);
	s->accepted = (uint64_t)h->accepted_total;
	s->folded = (uint64_t)h->folded_total;
	s->refused = (uint64_t)h->refused_total;
	s->set_aside = (uint64_t)h->set_aside_messages;
	s->certificate_days = u32(left_s / 86400);
	s->boot = (char *)(uintptr_t)h->boot;
	s->tier = out->list;
	for (unsigned i = 0; i < FLIGHT_TIERS; i++) {
		Pullcord__V1__TierState *t = &out->tier[s->n_tier];

		if (!h->tier[i].n)
			continue;
		pullcord__v1__tier_state__init(t);
		t->priority = priority_of(i);
		t->queued = h->tier[i].n;
		t->oldest_s = u32(h->tier[i].oldest_ms / 1000);
		out->list[s->n_tier++] = t;
	}
	s->evicted = (uint64_t)h->evicted_total;
	s->delivered = (uint64_t)h->delivered_total;
	s->room = u32(h->room_messages);
	s->flush_p99_us = u32(h->flush_p99_seconds);
	s->written = (uint64_t)h->written_bytes_total;
	s->clock = (Pullcord__V1__ClockQuality)h->clock_quality;
	s->clock_off_ms = h->clock_offset_seconds;
}

/* ---- for Prometheus ---- */

#define PREFIX "pullcord_gateway_"
#define LABELS(...) (const struct metric_label[]){ __VA_ARGS__ }, countof(((const struct metric_label[]){ __VA_ARGS__ }))

static void put_info(struct put *b, const struct health *h)
{
	metric_head(b, PREFIX "info", METRIC_GAUGE, "Which gateway this is; always 1.");
	metric_sample(b, PREFIX "info", "", LABELS({ "device", h->device }, { "tenant", h->tenant }, { "version", h->version },
		      { "boot", h->boot }, { "broker", h->broker }), 1, 1);
}

static void put_tiers(struct put *b, const struct health *h)
{
	metric_head(b, PREFIX "queued_messages", METRIC_GAUGE, "Messages in the outbox.");
	for (unsigned i = 0; i < FLIGHT_TIERS; i++)
		metric_sample(b, PREFIX "queued_messages", "", LABELS({ "tier", tier_name(i) }), h->tier[i].n, 1);
	metric_head(b, PREFIX "oldest_message_seconds", METRIC_GAUGE, "Age of the message that is first in turn; 0: none waits.");
	for (unsigned i = 0; i < FLIGHT_TIERS; i++)
		metric_sample(b, PREFIX "oldest_message_seconds", "", LABELS({ "tier", tier_name(i) }), h->tier[i].oldest_ms, 1000);
}

static void put_flush(struct put *b, const struct latency *l)
{
	static const char name[] = PREFIX "flush_seconds";
	uint64_t sum = 0;

	metric_head(b, name, METRIC_HISTOGRAM, "How long commits to the outbox take, flush included.");
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		char text[32] = "+Inf";
		struct put le = put(text, sizeof(text) - 1);

		if (i < LATENCY_BUCKETS - 1)
			metric_decimal(&le, latency_limit_us[i], 1000000);
		if (le.n)
			text[le.n] = '\0';
		sum += l->bucket[i];
		metric_sample(b, name, "_bucket", LABELS({ "le", text }), (int64_t)sum, 1);
	}
	metric_sample(b, name, "_sum", NULL, 0, (int64_t)l->total_us, 1000000);
	metric_sample(b, name, "_count", NULL, 0, (int64_t)l->n, 1);
}

static void put_faults(struct put *b, const struct health *h)
{
	metric_head(b, PREFIX "fault", METRIC_GAUGE, "1 while that is wrong, else 0.");
	for (unsigned i = 0; i < HEALTH_FAULTS_END; i++)
		metric_sample(b, PREFIX "fault", "", LABELS({ "fault", faults[i].word }), h->fault[i], 1);
}

enum err health_metrics(const struct health *h, struct put *b)
{
	put_info(b, h);
	put_faults(b, h);
	put_tiers(b, h);
	put_flush(b, &h->flush);
	for (size_t i = 0; i < countof(rows); i++)
		metric_put(b, PREFIX, &rows[i], h);
	return put_end(b);
}

/* ---- for people and their tools ---- */

/* RFC 8259 §7. Names are ASCII, hosts' too (RFC 5890). */
static void put_text(struct put *b, const char *name, const char *text)
{
	put_fmt(b, "\"%s\":\"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			put_u8(b, '\\');
		if ((unsigned char)*text < ' ')
			put_fmt(b, "\\u%04x", *text);
		else
			put_u8(b, (unsigned char)*text < 0x7f ? (uint8_t)*text : '?');
	}
	put_str(b, "\",");
}

static void put_number(struct put *b, const char *name, int64_t value, uint32_t scale)
{
	put_fmt(b, "\"%s\":", name);
	metric_decimal(b, value, scale);
	put_str(b, ",");
}

/* In place of the last comma. */
static void put_close(struct put *b, const char *with)
{
	if (!b->bad && b->n && b->p[b->n - 1] == ',')
		b->n--;
	put_str(b, with);
}

static void put_lists(struct put *b, const struct health *h)
{
	put_str(b, "\"faults\":[");
	for (unsigned i = 0; i < HEALTH_FAULTS_END; i++) {
		if (!h->fault[i])
			continue;
		put_str(b, "{");
		put_text(b, "fault", faults[i].word);
		put_text(b, "text", faults[i].text);
		put_close(b, "},");
	}
	put_close(b, "],\"tiers\":[");
	for (unsigned i = 0; i < FLIGHT_TIERS; i++) {
		put_str(b, "{");
		put_text(b, "tier", tier_name(i));
		put_number(b, "queued", h->tier[i].n, 1);
		put_number(b, "oldest_seconds", h->tier[i].oldest_ms, 1000);
		put_close(b, "},");
	}
	put_close(b, "],");
}

enum err health_json(const struct health *h, long pid, int64_t every_ms, struct put *b)
{
	put_str(b, "{");
	put_text(b, "device", h->device);
	put_text(b, "tenant", h->tenant);
	put_text(b, "version", h->version);
	put_text(b, "boot", h->boot);
	put_text(b, "broker", h->broker);
	put_number(b, "pid", pid, 1);
	put_number(b, "at_us", h->real_us, 1);
	put_number(b, "mono_ms", h->mono_ms, 1);
	put_number(b, "every_ms", every_ms, 1);
	put_text(b, "condition", health_condition_name(health_condition(h)));
	put_lists(b, h);
	for (size_t i = 0; i < countof(rows); i++)
		put_number(b, rows[i].name, metric_value(&rows[i], h), rows[i].scale);
	put_close(b, "}\n");
	return put_end(b);
}

enum err health_line(const struct health *h, struct put *b)
{
	enum health_condition c = health_condition(h);
	bool first = true;

	put_fmt(b, "%s, %lld waiting", health_condition_name(c), (long long)queued(h));
	for (unsigned i = 0; i < HEALTH_FAULTS_END; i++) {
		if (!h->fault[i])
			continue;
		put_fmt(b, "%s%s", first ? ": " : "; ", faults[i].text);
		first = false;
	}
	return put_end(b);
}
