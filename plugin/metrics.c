#include "metrics.h"

#include "guard_inside.h"
#include "log.h"
#include "metric.h"

#define PREFIX "pullcord_broker_"

static const struct metric_row rows[] = {
#define METRIC(type, name, scale, text) METRIC_ROW(type, name, scale, text, struct metrics),
#include "metrics.def"
};

_Static_assert(countof(rows) <= METRICS_MAX, "guard.h: METRICS_MAX");

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static void look_at_counts(const struct guard_counts *c, struct metrics *m)
{
	m->publishes_allowed_total = (int64_t)c->publish[GATE_ALLOW];
	m->publishes_denied_total = (int64_t)c->publish[GATE_DENY];
	m->publishes_closed_total = (int64_t)c->publish[GATE_CLOSE];
	m->subscriptions_allowed_total = (int64_t)c->subscribe[GATE_ALLOW];
	m->subscriptions_denied_total = (int64_t)c->subscribe[GATE_DENY];
	m->deliveries_allowed_total = (int64_t)c->receive[GATE_ALLOW];
	m->deliveries_denied_total = (int64_t)c->receive[GATE_DENY];
	m->logins_total = (int64_t)c->login[GATE_ALLOW];
	m->logins_denied_total = (int64_t)c->login[GATE_DENY];
	m->logins_deferred_total = (int64_t)c->login[GATE_CLOSE];
	m->passwords_wrong_total = (int64_t)c->passwords_wrong;
	m->lockouts_total = (int64_t)c->lockouts;
	m->bypasses_total = (int64_t)c->bypasses;
	m->sessions_ended_total = (int64_t)c->ended;
	m->retained_cleared_total = (int64_t)c->cleared;
	m->receipts_total = (int64_t)c->receipts;
	m->alerts_missing_total = (int64_t)c->missing;
}

static void look_at_sessions(const struct sessions *t, struct metrics *m)
{
	for (const struct session *s = t->all; s; s = s->all_next) {
		if (s->state != SESSION_LIVE)
			continue;
		if (s->party == PULLCORD__V1__PARTY__PARTY_DEVICE)
			m->sessions_devices++;
		else
			m->sessions_users++;
	}
}

static void look_at_record(const struct record *r, struct metrics *m)
{
	struct record_witnesses w = record_witnesses(r);
	struct record_health h;

	record_health(r, &h);
	m->record_witnesses = w.listed;
	m->record_witness_silence_seconds = w.silent_us;
	m->record_quorum = w.quorum;
	m->record_quorum_entries = (int64_t)w.quorum_size;
	m->record_quorum_silence_seconds = w.quorum_silent_us;
	m->record_state = h.state;
	m->record_entries_total = (int64_t)h.entries;
	m->record_gaps_total = (int64_t)h.gaps;
	m->record_lost_total = (int64_t)h.lost;
	m->record_queue_bytes = (int64_t)h.queue_bytes;
	m->record_queue_room_bytes = (int64_t)h.queue_room;
	m->record_free_bytes = (int64_t)h.free_bytes;
	m->record_room_bytes = (int64_t)h.room_bytes;
	m->record_unsigned_entries = (int64_t)(h.entries - h.signed_entries);
	m->record_checkpoint_age_seconds = h.checkpoint_age_us;
}

static void look_at_stores(const struct guard *g, struct metrics *m)
{
	m->history_alerts = (int64_t)history_count(g->history);
	m->history_room_alerts = HISTORY_ALERTS_MAX;
	m->history_evicted_total = (int64_t)history_evicted(g->history);
	m->history_failing = history_trouble(g->history) != OK;
	m->history_unreadable = (int64_t)(history_damaged(g->history) + history_keys_refused(g->history));
	m->history_yielded_total = (int64_t)history_yielded(g->history);
	m->history_unkept_total = (int64_t)history_unnoted(g->history);
	m->stores_put_aside = g->put_aside;
	m->directory_failing = g->directory_was != OK || owners_trouble(g->owners) != OK || locks_trouble(g->locks) != OK ||
			       control_trouble(g->control) != OK;
}

static void sooner(int64_t *first, int64_t ends_s)
{
	if (ends_s != INT64_MAX && (*first == METRICS_NONE || ends_s < *first))
		*first = ends_s;
}

static void look_at_files(const struct freshness *f, struct metrics *m)
{
	m->certificate_expiry_timestamp_seconds = m->crl_expiry_timestamp_seconds = METRICS_NONE;
	for (size_t i = 0; i < f->order.files.n; i++) {
		const struct freshness_file *file = &f->file[i];

		m->files_unreadable += file->state == FRESHNESS_UNREADABLE;
		if (file->known)
			sooner(file->file.kind == BROKER_CRL ? &m->crl_expiry_timestamp_seconds
								  : &m->certificate_expiry_timestamp_seconds, file->ends_s);
	}
}

void metrics_look(const struct guard *g, struct metrics *out)
{
	*out = (struct metrics){ .uptime_seconds = guard_mono_us() / 1000 - g->started_ms };
	look_at_counts(&g->count, out);
	look_at_sessions(&g->sessions, out);
	look_at_record(g->record, out);
	look_at_stores(g, out);
	look_at_files(&g->freshness, out);
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

enum err metrics_text(const struct metrics *m, const char *tenant, struct put *b)
{
	const struct metric_label label[] = { { "tenant", tenant }, { "version", PULLCORD_VERSION } };

	metric_head(b, PREFIX "info", METRIC_GAUGE, "Which plugin this is; always 1.");
	metric_sample(b, PREFIX "info", "", label, countof(label), 1, 1);
	for (size_t i = 0; i < countof(rows); i++)
		if (metric_value(&rows[i], m) != METRICS_NONE)
			metric_put(b, PREFIX, &rows[i], m);
	return put_end(b);
}

bool metrics_next(const struct metrics *m, size_t *at, const char **name, char value[32])
{
	const struct metric_row *r;
	struct put b = put(value, 31);

	if (*at == countof(rows))
		return false;
	r = &rows[(*at)++];
	if (metric_value(r, m) != METRICS_NONE)
		metric_decimal(&b, metric_value(r, m), r->scale);
	must(put_end(&b) == OK);
	value[b.n] = '\0';
	*name = r->name;
	return true;
}

/* What is retained is what its reader gets when they come; what is not known any more, or was not when we came, is cleared
 * (MQTT 5 §3.3.1.3). */
static void publish(struct guard *g, const struct metrics *m)
{
	const char *name;
	char value[32], topic[TOPIC_BYTES_MAX + 1];
	size_t at = 0;

	while (metrics_next(m, &at, &name, value)) {
		int64_t *was = &g->told.value[at - 1], now = metric_value(&rows[at - 1], m);

		if ((g->told.ever && *was == now) || TOPIC_BUILD(topic, TOPIC_METRIC, g->tenant, name) != OK)
			continue;
		*was = now;
		(void)guard_send(g, NULL, topic, span_str(value), 0, true);
	}
	g->told.ever = true;
}

/* By the thread of `control`: a disk that hangs holds up no alert. While it is busy, the next will do. */
static void write_file(struct guard *g, const struct metrics *m)
{
	struct put b = put(g->told.text, sizeof(g->told.text));
	enum err e = control_written(g->control);

	if (!g->told.path[0])
		return;
	if (e != OK && e != g->told.was)
		log_say(EV_METRICS_NOT_WRITTEN, KV_STR("file", g->told.path), KV_STR("why", err_text(e)));
	g->told.was = e;
	if (metrics_text(m, g->tenant, &b) == OK)
		(void)!control_write(g->control, g->told.path, put_span(&b));
}

void metrics_tick(struct guard *g)
{
	int64_t now_s = guard_mono_us() / 1000000;
	struct metrics m;

	if (now_s < g->told.due_s)
		return;
	g->told.due_s = now_s + METRICS_S;
	metrics_look(g, &m);
	publish(g, &m);
	write_file(g, &m);
}
