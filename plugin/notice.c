/* What operators should look at, told: an alert to their unit and no other, and an entry. */
#include <stdio.h>

#include "guard_inside.h"
#include "log.h"

#define HOUR_US (3600 * 1000000LL)
#define TOLD_AT_ONCE 8

void guard_moved(struct guard *g, struct session *s, int64_t mono_us)
{
	if (mono_us - s->moved_us >= HOUR_US) {
		s->moved = 0;
		s->moved_us = mono_us;
	}
	if (++s->moved < anomaly_volume_limit(g->anomaly, s->party))
		return;
	anomaly_volume(g->anomaly, s->party, span_str(s->id), s->moved, mono_us);
	s->moved = 0;
}

/* A denial that a rule states is for those who hold the unit, too; a wildcard is everybody's. */
void guard_refused(struct guard *g, const struct session *s, const struct topic *t, const struct verdict *v)
{
	static const char *const owned[] = { "unit", "channel", "patient" };

	if (s->party != PULLCORD__V1__PARTY__PARTY_USER || v->allow || !t || t->n < 3 ||
	    (v->why != WHY_NO_RULE && v->why != WHY_NOT_HELD && v->why != WHY_FOREIGN))
		return;
	for (size_t i = 0; i < countof(owned); i++)
		if (span_is(t->level[1], owned[i]) &&
		    !policy_holds(g->policy, s->holder, (struct attribute){ t->level[1], t->level[2] }))
			anomaly_outside(g->anomaly, span_str(s->id), guard_mono_us());
}

static void put_on_record(struct guard *g, const struct anomaly_finding *f, const char *topic, int64_t first_us)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_ANOMALY, true, NULL);

	h.until_us = h.at_us;
	h.at_us = first_us;
	h.mono_us = f->first_us;
	h.count = f->count;
	h.party = f->party;
	if (f->party == PULLCORD__V1__PARTY__PARTY_NONE)
		h.address = span_str(f->subject);
	else if (f->party != PULLCORD__V1__PARTY__PARTY_BROKER)
		h.actor = span_str(f->subject);
	h.topic = span_str(f->quiet ? "" : topic);
	h.detail = span_str(f->text);
	h.life_critical = anomaly_is_of_record(f->kind);    /* it is set aside while the record cannot take it, and follows */
	record_push(g->record, &h);
}

/* The same for the same about the same: readers fold by it, and an end finds its beginning. */
static void key_of(const struct anomaly_finding *f, uint8_t key[SHA256_BYTES])
{
	const uint8_t party = (uint8_t)f->party;
	const int64_t when = f->kind == ANOMALY_BREAK_GLASS ? f->first_us : 0;  /* each of these is one of its own */

	SHA256(key, span_str(f->code), span(&party, 1), span_str(f->subject), span(&when, sizeof(when)));
}

/* Kept like any other alert until somebody answers it. */
static void raise_alert(struct guard *g, const struct anomaly_finding *f, const char *topic, int64_t first_us)
{
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;
	char receipt[TOPIC_BYTES_MAX + 1], source[] = GUARD_SENDER, code[64], text[ANOMALY_TEXT], subject[sizeof(f->subject)];
	uint8_t raw[1024], key[SHA256_BYTES];
	struct put b = put(raw, sizeof(raw));
	struct alert kept = { .key = key, .receipt = receipt, .over = f->phase == PULLCORD__V1__PHASE__PHASE_END };
	struct topic parsed;

	key_of(f, key);
	snprintf(code, sizeof(code), "%s", f->code);
	snprintf(subject, sizeof(subject), "%s", f->subject);
	snprintf(text, sizeof(text), "%s", f->text);
	a.key = (ProtobufCBinaryData){ ID_BYTES, key };
	a.priority = f->priority;
	a.type = PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_OPERATIONS;
	a.phase = f->phase;
	a.code = code;
	a.text = text;
	a.source = source;
	if (f->kind == ANOMALY_WITNESS)
		a.source_id = subject;  /* whose it is, for a broker that is restarted meanwhile */
	a.count = f->count < UINT32_MAX ? (uint32_t)f->count : UINT32_MAX;
	a.first_us = a.occurred_us = (uint64_t)first_us;
	kept.id = guard_envelope(g, g->tenant, &a.base, &b);
	kept.payload = put_span(&b);
	kept.topic = &parsed;
	kept.until_us = guard_steady_us(g) + (kept.over ? HISTORY_END_US : HISTORY_KEEP_US);
	must(topic_parse(span_str(topic), &parsed) == OK && TOPIC_BUILD(receipt, TOPIC_STORED, g->tenant, GUARD_SENDER) == OK);
	(void)guard_send(g, NULL, topic, kept.payload, 1, false);
	if (history_put(g->history, &kept) != OK)
		log_say(EV_HISTORY_FAILED, KV_STR("state", "out of memory"));
}

static void tell(struct guard *g, const struct anomaly_finding *f)
{
	int64_t first_us = guard_real_us() - (guard_mono_us() - f->first_us);
	char topic[TOPIC_BYTES_MAX + 1];

	must(TOPIC_BUILD(topic, TOPIC_ALERT, g->tenant, g->operators, priority_name((int)f->priority), GUARD_SENDER) == OK);
	put_on_record(g, f, topic, first_us);
	if (f->quiet)
		return;
	log_say(EV_ANOMALY, KV_STR("code", f->code), KV_STR("text", f->text));
	raise_alert(g, f, topic, first_us);
}

/* Of one witness: its alert says which. */
static void begin_witness(struct guard *g, const struct kept *k)
{
	struct envelope e;

	g->arena.used = 0;
	if (envelope_open(span(k->payload, k->n), &k->topic, 0, &g->arena, &e) == OK && e.body.alert &&
	    e.body.alert->phase == PULLCORD__V1__PHASE__PHASE_START &&
	    strcmp(e.body.alert->code, anomaly_code(ANOMALY_WITNESS)) == 0)
		anomaly_witness_was_told(g->anomaly, span_str(e.body.alert->source_id), guard_mono_us());
}

static void begin_state(struct guard *g, const struct kept *k)
{
	for (size_t kind = 0; kind < ANOMALIES; kind++) {
		struct anomaly_finding f = { .kind = (enum anomaly_kind)kind, .party = PULLCORD__V1__PARTY__PARTY_BROKER,
					     .code = anomaly_code((enum anomaly_kind)kind) };
		uint8_t key[SHA256_BYTES];

		key_of(&f, key);
		if (memcmp(k->key, key, sizeof(k->key)) == 0)
			anomaly_was_told(g->anomaly, f.kind, guard_mono_us());
	}
}

/* The states that an earlier run told are kept still: nobody else would say that they are over. */
void guard_notice_begin(struct guard *g)
{
	for (const struct kept *k = history_next(g->history, NULL); k; k = history_next(g->history, k))
		if (!k->over && guard_is_own_alarm(g, &k->topic)) {
			begin_state(g, k);
			begin_witness(g, k);
		}
}

/* The first tenant's operators, told by the broker. */
bool guard_is_own_alarm(const struct guard *g, const struct topic *t)
{
	return t->kind == TOPIC_ALERT && span_is(t->level[0], g->tenant) && span_is(topic_word(t, "unit"), g->operators) &&
	       span_is(topic_word(t, "device"), GUARD_SENDER);
}

static void look_at_record(struct guard *g, int64_t mono_us)
{
	struct record_health health;

	record_health(g->record, &health);
	anomaly_record(g->anomaly,
		       &(struct anomaly_record){ record_trouble(g->record), health.stuck, health.full, health.gaps }, mono_us);
	anomaly_disk(g->anomaly, (unsigned)record_disk(g->record), mono_us);
}

static void look(struct guard *g)
{
	struct record_witnesses witnesses = record_witnesses(g->record);
	int64_t mono_us = guard_mono_us();
	struct record_witness one;

	anomaly_clock(g->anomaly, guard_real_us() - mono_us, mono_us);
	anomaly_witness(g->anomaly, witnesses.listed ? witnesses.silent_us : -1, mono_us);
	anomaly_quorum(g->anomaly, witnesses.quorum, witnesses.quorum > 1 ? witnesses.quorum_silent_us : -1, mono_us);
	for (unsigned i = 0; witnesses.listed > 1 && record_witness(g->record, i, &one); i++)
		anomaly_witness_named(g->anomaly, span_str(one.name), one.silent_us, mono_us);
	look_at_record(g, mono_us);
}

void guard_notice_tick(struct guard *g)
{
	struct anomaly_finding f;

	look(g);
	for (int i = 0; i < TOLD_AT_ONCE && anomaly_next(g->anomaly, guard_mono_us(), &f); i++)
		tell(g, &f);
}
