#include "norm.h"

#include "nursecall.h"
#include "oru.h"

/* How people say it. Units: ISO/IEEE 11073-10101 names; everything else is shown as the source named it. */
static const struct { const char *name, *said; } labels[] = {
	{ "MDC_DIM_PERCENT", "%" },
	{ "MDC_DIM_MMHG", "mmHg" },
	{ "MDC_DIM_KILO_PASCAL", "kPa" },
	{ "MDC_DIM_BEAT_PER_MIN", "/min" },
	{ "MDC_DIM_RESP_PER_MIN", "/min" },
	{ "MDC_DIM_PER_MIN", "/min" },
	{ "MDC_DIM_DEGC", "°C" },
	{ "MDC_DIM_FAHR", "°F" },
	{ "MDC_DIM_MILLI_L_PER_HR", "ml/h" },
	{ "MDC_DIM_DIMLESS", "" },
	{ "MDC_PULS_OXIM_SAT_O2", "SpO2" },
	{ "MDC_PULS_OXIM_PULS_RATE", "Pulse" },
	{ "MDC_ECG_HEART_RATE", "Heart rate" },
	{ "MDC_ECG_CARD_BEAT_RATE", "Heart rate" },
	{ "MDC_RESP_RATE", "Respiration" },
	{ "MDC_TTHOR_RESP_RATE", "Respiration" },
	{ "MDC_PRESS_BLD_NONINV_SYS", "Blood pressure, systolic" },
	{ "MDC_PRESS_BLD_NONINV_DIA", "Blood pressure, diastolic" },
	{ "MDC_PRESS_BLD_NONINV_MEAN", "Blood pressure, mean" },
	{ "MDC_EVT_LO", "low" },
	{ "MDC_EVT_LO_VAL_LT_LIM", "low" },
	{ "MDC_EVT_HI", "high" },
	{ "MDC_EVT_HI_VAL_GT_LIM", "high" },
	{ "MDC_EVT_LEAD_OFF", "lead off" },
	{ "MDC_EVT_FLUID_LINE_OCCL", "line occluded" },
	{ "MDC_EVT_ALARM", "alarm" },
};

/* ---- small tools ---- */

struct work {
	const struct hl7 *m;
	struct oru o;
	const struct norm_feed *feed;
	struct arena *arena;
	bool full;                     /* the arena was too small: the event is not to be used */
};

static const char *const none = "";    /* an empty text of the schema: not NULL */

static void *make(struct work *w, size_t n)
{
	size_t start = (w->arena->used + 15) & ~(size_t)15;

	if (start > w->arena->cap || n > w->arena->cap - start) {
		w->full = true;
		return NULL;
	}
	w->arena->used = start + n;
	return memset(w->arena->p + start, 0, n);
}

/* Text under construction at the end of the arena, closed by text_end(). */
static struct put text_begin(struct work *w, size_t most)
{
	size_t room = w->arena->cap - w->arena->used;

	if (room < most + 1) {
		w->full = true;
		return put(NULL, 0);
	}
	return put(w->arena->p + w->arena->used, most);
}

static char *text_end(struct work *w, struct put *text)
{
	if (text->n == 0)
		return (char *)none;
	text->p[text->n] = '\0';
	w->arena->used += text->n + 1;
	return (char *)text->p;
}

static char *text_of(struct work *w, struct span raw, size_t most)
{
	struct put text;

	if (raw.n == 0)
		return (char *)none;
	text = text_begin(w, most);
	(void)hl7_text(w->m, raw, &text);   /* cut at a character is what we want */
	return text_end(w, &text);
}

static char *word_of(struct work *w, struct span raw)
{
	return text_of(w, raw, NORM_WORD_MAX);
}

static bool contains(struct span s, struct span part)
{
	return part.n && s.n && memmem(s.p, s.n, part.p, part.n);
}

static void put_cut(struct put *out, const char *text)
{
	if (strlen(text) <= out->cap - out->n)
		put_str(out, text);
}

static int64_t time_of(struct work *w, struct span text)
{
	int64_t us;

	return hl7_time(text, w->feed->zone_minutes, &us) ? us : 0;
}

/* "GW7^02A1B2FFFE000007^EUI-64" is called GW7; some leave the first component empty. */
static struct span name_of(const struct hl7 *m, struct hl7_segment s, unsigned field)
{
	struct span name = hl7_get(m, s, field, 1);

	for (unsigned i = 2; i <= 3 && !name.n; i++)
		name = hl7_get(m, s, field, i);
	return name;
}

/* ---- who, where, what id ---- */

/* The record number or patient-internal id when the sender says which it is, else the first. */
static struct span patient_of(const struct hl7 *m, struct hl7_segment pid)
{
	struct span field = hl7_field(m, pid, 3);

	for (unsigned i = 1; i <= 16; i++) {
		struct span one = hl7_piece(field, m->repetition, i);
		struct span type = span_trim(hl7_piece(one, m->component, 5));

		if (!one.p)
			break;
		if (span_is(type, "MR") || span_is(type, "PI"))
			return span_trim(hl7_piece(one, m->component, 1));
	}
	return hl7_get(m, pid, 3, 1);
}

static char *bed_of(struct work *w, struct hl7_segment pv1)
{
	struct span room = hl7_get(w->m, pv1, 3, 2), bed = hl7_get(w->m, pv1, 3, 3);
	struct put text = text_begin(w, NORM_WORD_MAX);

	(void)hl7_text(w->m, room, &text);
	if (room.n && bed.n)
		put_cut(&text, "-");
	(void)hl7_text(w->m, bed, &text);
	return text_end(w, &text);
}

/* MSH-10 within MSH-3 and MSH-4, "1f3a9c02:g7-000042": applications that share a device count on their own. The
 * schema's source_id is what the source said; this is what tells its messages from all others. */
static struct span message_id(struct work *w)
{
	struct span id = hl7_get(w->m, w->o.msh, 10, 0);
	struct span piece[] = { hl7_field(w->m, w->o.msh, 3), hl7_field(w->m, w->o.msh, 4), id.n ? id : w->m->text };
	struct put text = text_begin(w, NORM_WORD_MAX);
	char scope[2 * KEY_BYTES + 1];
	uint8_t h[KEY_BYTES];

	key_of(piece, countof(piece), h);
	hex_encode(span(h, sizeof(h)), scope);
	scope[id.n ? 8 : 32] = '\0';
	put_str(&text, scope);
	put_str(&text, ":");
	(void)hl7_text(w->m, id, &text);
	return span_str(text_end(w, &text));
}

/* ---- values ---- */

/* "" for what cannot be carried as text: encapsulated data, references, waveforms. */
static bool is_text_type(struct span type)
{
	static const char *const other[] = { "ED", "RP", "NA", "MA" };

	for (size_t i = 0; i < countof(other); i++)
		if (span_is(type, other[i]))
			return false;
	return true;
}

/* Coded values by their text; ranges (">^100") as they stand. */
static struct span value_of(const struct hl7 *m, struct hl7_segment obx)
{
	struct span type = hl7_get(m, obx, 2, 1), v = span(NULL, 0);
	static const unsigned order[] = { 9, 2, 5, 1 };

	if (!type.n || type.p[0] != 'C')
		return hl7_get(m, obx, 5, 0);
	for (size_t i = 0; i < countof(order) && !v.n; i++)
		v = hl7_get(m, obx, 5, order[i]);
	return v;
}

static bool is_value(const struct hl7 *m, struct hl7_segment obx)
{
	return hl7_is(obx, "OBX") && is_text_type(hl7_get(m, obx, 2, 1)) && value_of(m, obx).n;
}

static void measurement(struct work *w, struct hl7_segment obx, int64_t taken_us, Pullcord__V1__Measurement *v)
{
	const struct hl7 *m = w->m;
	struct span unit = hl7_get(m, obx, 6, 2);
	int64_t at = time_of(w, oru_obx(m, obx, 14, 1));

	pullcord__v1__measurement__init(v);
	v->code = word_of(w, hl7_get(m, obx, 3, 1));
	v->name = word_of(w, hl7_get(m, obx, 3, 2));
	v->system = word_of(w, hl7_get(m, obx, 3, 3));
	v->value = word_of(w, value_of(m, obx));
	v->unit = word_of(w, unit.n ? unit : hl7_get(m, obx, 6, 1));
	v->range = word_of(w, hl7_get(m, obx, 7, 0));
	v->flags = word_of(w, hl7_get(m, obx, 8, 0));
	v->at_us = (uint64_t)(at ? at : taken_us);
}

/* Room for n measurements. NULL when the arena is full, or none are wanted. */
static Pullcord__V1__Measurement **values_make(struct work *w, size_t n)
{
	Pullcord__V1__Measurement **list = n ? make(w, n * sizeof(*list)) : NULL;
	Pullcord__V1__Measurement *row = list ? make(w, n * sizeof(*row)) : NULL;

	if (!row)
		return NULL;
	for (size_t i = 0; i < n; i++)
		list[i] = &row[i];
	return list;
}

/* ---- alerts ---- */

static struct span label_of(struct span name)
{
	for (size_t i = 0; i < countof(labels); i++)
		if (span_is(name, labels[i].name))
			return span_str(labels[i].said);
	return span(NULL, 0);
}

/* The nurse's word for a name of the nomenclature, else the name without its prefix. */
static void put_label(struct work *w, struct put *out, struct span name, const char *prefix)
{
	struct span said = label_of(name);

	if (said.p)
		put_cut(out, (const char *)said.p);
	else if (name.n > strlen(prefix) && memcmp(name.p, prefix, strlen(prefix)) == 0)
		(void)hl7_text(w->m, span(name.p + strlen(prefix), name.n - strlen(prefix)), out);
	else
		(void)hl7_text(w->m, name, out);
}

/* " 84 % (90-100)" */
static void put_value(struct work *w, struct put *out)
{
	struct hl7_segment s = w->o.facet[FACET_SOURCE];
	struct span value = oru_value(&w->o), range = hl7_get(w->m, s, 7, 0);
	struct span unit = hl7_get(w->m, s, 6, 2), said = label_of(unit);

	if (!value.n || contains(put_span(out), value))
		return;
	put_cut(out, " ");
	(void)hl7_text(w->m, value, out);
	unit = said.p ? said : unit.n ? unit : hl7_get(w->m, s, 6, 1);
	if (unit.n) {
		put_cut(out, " ");
		if (said.p)
			put_cut(out, (const char *)said.p);
		else
			(void)hl7_text(w->m, unit, out);
	}
	if (range.n) {
		put_cut(out, " (");
		(void)hl7_text(w->m, range, out);
		put_cut(out, ")");
	}
}

/* "SpO2 low 84 % (90-100)": the source's text, or the names in people's words; then the value, unless it is in it. */
static void put_line(struct work *w, struct put *out)
{
	struct span text = oru_text(&w->o);
	struct span metric = hl7_get(w->m, w->o.facet[FACET_SOURCE], 3, 2);

	if (text.n) {
		(void)hl7_text(w->m, text, out);
	} else {
		if (oru_value(&w->o).n && metric.n) {
			put_label(w, out, metric, "MDC_");
			put_cut(out, " ");
		}
		put_label(w, out, oru_code(&w->o), "MDC_EVT_");
	}
	put_value(w, out);
}

/* When the source does not say: rather too high than too low. */
static Pullcord__V1__Priority priority_unsaid(Pullcord__V1__AlertType type)
{
	switch (type) {
	case PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL: return PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM;
	case PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_ADVISORY: return PULLCORD__V1__PRIORITY__PRIORITY_LOW;
	default: return PULLCORD__V1__PRIORITY__PRIORITY_HIGH;
	}
}

/* Nurse calls come without a measured value and never as physiological events. */
static const struct nursecall *call_of(const struct oru *o, const char *line)
{
	const struct nursecall *c;

	if (oru_type(o) == PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_PHYSIOLOGICAL || oru_value(o).n)
		return NULL;
	c = nursecall_named(span_str(line));
	return c ? c : nursecall_named(oru_code(o));
}

/* What the source says of the priority counts, but a code is a code. */
static void what_it_is(struct work *w, Pullcord__V1__Alert *a)
{
	const struct nursecall *call = call_of(&w->o, a->text);

	a->type = call ? call->type : oru_type(&w->o);
	a->code = call ? (char *)call->code : word_of(w, oru_code(&w->o));
	a->priority = oru_priority(&w->o);
	if (call && (!a->priority || call->priority == PULLCORD__V1__PRIORITY__PRIORITY_CODE))
		a->priority = call->priority;
	if (!a->priority)
		a->priority = priority_unsaid(a->type);
	a->phase = oru_phase(&w->o);
}

/* The value the alarm is about first, then what else came along. */
static void alert_values(struct work *w, Pullcord__V1__Alert *a)
{
	struct hl7_segment s = { 0 }, found[NORM_ALERT_VALUES_MAX];
	size_t n = 0;

	if (oru_value(&w->o).n)
		found[n++] = w->o.facet[FACET_SOURCE];
	while (n < countof(found) && hl7_next(w->m, &s))
		if (is_value(w->m, s) && oru_facet(w->m, s) == FACET_NONE)
			found[n++] = s;
	a->value = values_make(w, n);
	a->n_value = a->value ? n : 0;
	for (size_t i = 0; i < a->n_value; i++)
		measurement(w, found[i], time_of(w, hl7_get(w->m, w->o.obr, 7, 1)), a->value[i]);
}

static struct span source_of(struct work *w)
{
	struct span equipment = oru_obx(w->m, w->o.facet[FACET_EVENT], 18, 0), name;

	name = equipment.n ? name_of(w->m, w->o.facet[FACET_EVENT], oru_column(w->m, w->o.facet[FACET_EVENT], 18))
			   : name_of(w->m, w->o.msh, 3);
	return span_str(word_of(w, name));
}

/* What every event says, whichever kind. */
static void event_head(struct work *w, struct event *e)
{
	e->source = source_of(w);
	if (!e->source.n)
		e->source = span_str(w->feed->source);
	e->source_id = message_id(w);
	e->place = span_str(word_of(w, hl7_get(w->m, w->o.pv1, 3, 1)));
}

static void alert_event(struct work *w, struct event *e)
{
	Pullcord__V1__Alert *a = &e->alert;
	struct put line;
	uint8_t *key = make(w, KEY_BYTES);

	e->kind = EVENT_ALERT;
	event_head(w, e);
	pullcord__v1__alert__init(a);
	if (key) {
		oru_key(&w->o, key);
		a->key = (ProtobufCBinaryData){ KEY_BYTES, key };
	}
	line = text_begin(w, NORM_TEXT_MAX);
	put_line(w, &line);
	a->text = text_end(w, &line);
	a->bed = bed_of(w, w->o.pv1);
	a->patient = word_of(w, patient_of(w->m, w->o.pid));
	a->occurred_us = (uint64_t)time_of(w, oru_obx(w->m, w->o.facet[FACET_EVENT], 14, 1));
	a->count = 1;
	a->first_us = (uint64_t)w->feed->received_us;
	a->source = (char *)e->source.p;
	a->source_id = word_of(w, hl7_get(w->m, w->o.msh, 10, 0));
	a->call_back = word_of(w, hl7_get(w->m, w->o.obr, 17, 1));
	a->test = oru_test(&w->o);
	what_it_is(w, a);
	alert_values(w, a);
}

/* The same alert, as far as it could be read, told as a fault of the equipment. */
static void alert_unreadable(struct work *w, struct event *e)
{
	Pullcord__V1__Alert *a = &e->alert;
	struct put line = text_begin(w, NORM_TEXT_MAX);

	put_cut(&line, "Unreadable alarm from ");
	put_cut(&line, a->source);
	if (*a->text) {
		put_cut(&line, ": ");
		put_line(w, &line);
	}
	a->text = text_end(w, &line);
	a->code = (char *)"pullcord.unreadable";
	a->type = PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL;
	a->phase = PULLCORD__V1__PHASE__PHASE_TPOINT;
	if (!oru_priority(&w->o))
		a->priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH;
}

/* ---- observations ---- */

static size_t count_values(const struct hl7 *m)
{
	struct hl7_segment s = { 0 };
	size_t n = 0;

	while (hl7_next(m, &s))
		n += is_value(m, s);
	return n;
}

static void observation_values(struct work *w, Pullcord__V1__Observations *o, size_t n)
{
	struct hl7_segment s = { 0 };
	int64_t taken = 0;

	o->value = values_make(w, n);
	while (o->value && o->n_value < n && hl7_next(w->m, &s)) {
		if (hl7_is(s, "OBR"))
			taken = time_of(w, hl7_get(w->m, s, 7, 1));
		else if (is_value(w->m, s))
			measurement(w, s, taken, o->value[o->n_value++]);
	}
}

static struct ack observations_event(struct work *w, struct event *e)
{
	Pullcord__V1__Observations *o = &e->observations;
	size_t n = count_values(w->m);

	if (n > EVENT_VALUES_MAX)
		return (struct ack){ ACK_ERROR, ACK_INTERNAL, "OBX", "more than 256 values in one message" };
	event_head(w, e);
	pullcord__v1__observations__init(o);
	o->bed = bed_of(w, w->o.pv1);
	o->patient = word_of(w, patient_of(w->m, w->o.pid));
	o->source = (char *)e->source.p;
	o->source_id = word_of(w, hl7_get(w->m, w->o.msh, 10, 0));
	o->taken_us = (uint64_t)time_of(w, hl7_get(w->m, w->o.obr, 7, 1));
	observation_values(w, o, n);
	if (w->full || pullcord__v1__observations__get_packed_size(o) > NORM_BODY_MAX)
		return (struct ack){ ACK_ERROR, ACK_INTERNAL, "OBX", "more than 60000 bytes of values in one message" };
	e->kind = EVENT_OBSERVATIONS;   /* only now there is an event */
	return (struct ack){ 0 };
}

/* ---- the message ---- */

enum message { MESSAGE_FOREIGN, MESSAGE_OTHER, MESSAGE_ALARM, MESSAGE_OBSERVATIONS };

static const struct { const char *event, *structure; enum message is; } messages[] = {
	{ "R40", "ORU_R40", MESSAGE_ALARM },
	{ "R01", "ORU_R01", MESSAGE_OBSERVATIONS },
};

static enum message message_named(const struct hl7 *m, struct hl7_segment msh)
{
	struct span event = hl7_get(m, msh, 9, 2), structure = hl7_get(m, msh, 9, 3);

	if (!span_is(hl7_get(m, msh, 9, 1), "ORU"))
		return MESSAGE_FOREIGN;
	for (size_t i = 0; i < countof(messages); i++)
		if (span_is(event, messages[i].event) || (!event.n && span_is(structure, messages[i].structure)))
			return messages[i].is;
	return MESSAGE_OTHER;
}

/* Of several in one frame an alarm is what somebody has to hear of. */
static enum message message_of(const struct oru *o)
{
	enum message is = message_named(o->m, o->msh);
	struct hl7_segment s = { 0 };

	while (o->more && is != MESSAGE_ALARM && hl7_next(o->m, &s))
		if (hl7_is(s, "MSH") && message_named(o->m, s) == MESSAGE_ALARM)
			is = MESSAGE_ALARM;
	return is;
}

/* "2.6", "2.3.1"; missing is seen, and taken for one of ours. */
static bool version_ok(struct span v)
{
	if (v.n == 0)
		return true;
	if (v.n < 3 || v.p[0] != '2' || v.p[1] != '.' || v.p[2] < '1' || v.p[2] > '9')
		return false;
	return v.n == 3 || (v.n == 5 && v.p[3] == '.');
}

static struct ack check_header(const struct hl7 *m, struct hl7_segment msh)
{
	struct span processing = hl7_get(m, msh, 11, 1), id = hl7_get(m, msh, 10, 0);

	if (processing.n && !(processing.n == 1 && memchr("PDT", processing.p[0], 3)))
		return (struct ack){ ACK_REJECT, ACK_PROCESSING_ID, "MSH^1^11", "processing id is none of P D T" };
	if (!version_ok(hl7_get(m, msh, 12, 1)))
		return (struct ack){ ACK_REJECT, ACK_VERSION_ID, "MSH^1^12", "version is not 2.1 to 2.9" };
	if (id.n == 0)
		return (struct ack){ ACK_REJECT, ACK_FIELD_MISSING, "MSH^1^10", "message control id is missing" };
	if (id.n > 199)
		return (struct ack){ ACK_REJECT, ACK_DATA_TYPE, "MSH^1^10", "message control id is longer than 199" };
	return (struct ack){ 0 };
}

/* MSH-9 does not say what it is, and there is an alarm in it. */
static bool is_nameless_alarm(const struct oru *o)
{
	struct span type = hl7_get(o->m, o->msh, 9, 1);
	bool unsaid = !type.n || (span_is(type, "ORU") && !hl7_get(o->m, o->msh, 9, 2).n && !hl7_get(o->m, o->msh, 9, 3).n);

	return unsaid && o->facet[FACET_EVENT].text.p;
}

/* What is of one must never be told of another, nor be passed over with a yes. */
static struct ack check_message(const struct oru *o)
{
	struct ack header = check_header(o->m, o->msh);

	if (header.code == ACK_ACCEPT && o->more)
		return (struct ack){ ACK_ERROR, ACK_SEGMENT_SEQUENCE, NULL,
				     "more than one message, patient, place or alarm: send each in a message and frame of its own" };
	return header;
}

/* `header` is what was found wrong before, if anything. */
static struct ack alarm_event(struct work *w, struct ack header, struct event *e)
{
	alert_event(w, e);
	if (header.code == ACK_ACCEPT && w->o.cut)
		header = (struct ack){ ACK_ERROR, ACK_DATA_TYPE, "OBX", "the message ends inside an OBX" };
	if (header.code == ACK_ACCEPT && !oru_readable(&w->o))
		header = (struct ack){ ACK_ERROR, ACK_FIELD_MISSING, "OBX", "no event OBX with a code or a text" };
	if (header.code != ACK_ACCEPT)
		alert_unreadable(w, e);
	must(!w->full);   /* an alert within the limits needs less than half of NORM_ARENA */
	return header;
}

static struct work begin(const struct hl7 *m, const struct norm_feed *feed, struct arena *arena)
{
	must(arena->cap >= NORM_ARENA && feed->source[0]);
	arena->used = 0;
	return (struct work){ m, oru_read(m), feed, arena, false };
}

static struct ack refused(struct work *w, struct ack why, struct event *e)
{
	return message_of(&w->o) == MESSAGE_ALARM || is_nameless_alarm(&w->o) ? alarm_event(w, why, e) : why;
}

void norm_refused(const struct hl7 *m, struct ack why, const struct norm_feed *feed, struct arena *arena,
		  struct event *out)
{
	struct work w = begin(m, feed, arena);

	must(why.code != ACK_ACCEPT);
	*out = (struct event){ 0 };
	(void)refused(&w, why, out);
}

struct ack norm_hl7(const struct hl7 *m, const struct norm_feed *feed, struct arena *arena, struct event *out)
{
	struct work w = begin(m, feed, arena);
	struct ack a;

	*out = (struct event){ 0 };
	switch (message_of(&w.o)) {
	case MESSAGE_FOREIGN:
		return refused(&w, (struct ack){ ACK_REJECT, ACK_MESSAGE_TYPE, "MSH^1^9", "only ORU is taken here" }, out);
	case MESSAGE_OTHER:
		return refused(&w, (struct ack){ ACK_REJECT, ACK_EVENT, "MSH^1^9", "only R01 and R40 are taken here" }, out);
	case MESSAGE_ALARM:
		return alarm_event(&w, check_message(&w.o), out);
	case MESSAGE_OBSERVATIONS:
		break;
	}
	a = check_message(&w.o);
	return a.code == ACK_ACCEPT ? observations_event(&w, out) : a;
}
