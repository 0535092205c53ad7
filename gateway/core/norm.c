#include "norm.h"

#include "crypt.h"

/* ---- words of the standards ---- */

/* Rows are tried in order. Phrases are whole words; after '=' a phrase must be the whole text ("code" alone is a code,
 * "error code 17" is not). Classes after UL 1069 and requirement D3; code blue and pink are the resuscitation codes
 * hospitals agree on (HASC, "Hospital Emergency Codes"). A loose call cord is a fault of the equipment. */
static const struct norm_call calls[] = {
	{ "call.code", PULLCORD__V1__PRIORITY__PRIORITY_CODE, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "code blue|code pink|cardiac arrest|crash call|resuscitation|=code|=code call" },
	{ "call.cord", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL,
	  "cord out|cord removed|cord disconnected|call cord" },
	{ "call.bath", PULLCORD__V1__PRIORITY__PRIORITY_HIGH, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "bath|bathroom|toilet|lavatory|shower|washroom" },
	{ "call.assist", PULLCORD__V1__PRIORITY__PRIORITY_HIGH, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "staff assist|staff assistance|staff assist call|assist call" },
	{ "call.emergency", PULLCORD__V1__PRIORITY__PRIORITY_HIGH, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "emergency|staff emergency|rapid response" },
	{ "call.exit", PULLCORD__V1__PRIORITY__PRIORITY_HIGH, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "bed exit|chair exit|fall detected" },
	{ "call.pain", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "pain|pain medication" },
	{ "call.normal", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "normal call|patient call|nurse call|routine call|bed call|call light|call button|=normal|=routine" },
	{ "call.service", PULLCORD__V1__PRIORITY__PRIORITY_LOW, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "service call|housekeeping|=service" },
};

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

/* The facets of IHE ACM PCD-04, numbered as in OBX-4. */
enum facet { FACET_NONE, FACET_EVENT, FACET_SOURCE, FACET_PHASE, FACET_STATE, FACET_INACTIVATION, FACET_PRIORITY,
	     FACET_TYPE, FACETS };

/* Codes: those of the framework, and those that GE and Draeger send. */
static const struct { const char *name, *code, *seen; enum facet is; } facet_rows[] = {
	{ "MDC_EVT_ALARM", "196616", "", FACET_EVENT },
	{ "MDC_ATTR_ALERT_SOURCE", "68480", "68164", FACET_SOURCE },
	{ "MDC_ATTR_EVENT_PHASE", "68481", "68165", FACET_PHASE },
	{ "MDC_ATTR_ALARM_STATE", "68482", "68166", FACET_STATE },
	{ "MDC_ATTR_ALERT_STATE", "", "", FACET_STATE },
	{ "MDC_ATTR_ALARM_INACTIVATION_STATE", "68483", "68167", FACET_INACTIVATION },
	{ "MDC_ATTR_ALARM_PRIORITY", "68484", "68168", FACET_PRIORITY },
	{ "MDC_ATTR_ALERT_PRIORITY", "", "", FACET_PRIORITY },
	{ "MDC_ATTR_ALERT_TYPE", "68485", "68169", FACET_TYPE },
	{ "MDC_ATTR_ALARM_TYPE", "", "", FACET_TYPE },
};

struct word { const char *text; int is; };

static const struct word priority_words[] = {
	{ "PH", PULLCORD__V1__PRIORITY__PRIORITY_HIGH },   { "PM", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM },
	{ "PL", PULLCORD__V1__PRIORITY__PRIORITY_LOW },    { "PI", PULLCORD__V1__PRIORITY__PRIORITY_INFO },
	{ "PN", PULLCORD__V1__PRIORITY__PRIORITY_INFO },   { NULL, 0 },
};

static const struct word type_words[] = {
	{ "SP", PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_PHYSIOLOGICAL },
	{ "ST", PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL },
	{ "SA", PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_ADVISORY },
	{ NULL, 0 },
};

/* Silencing at the source is shown, not obeyed: inactivate and acknowledged do not end an alert. */
static const struct word phase_words[] = {
	{ "start", PULLCORD__V1__PHASE__PHASE_START },         { "present", PULLCORD__V1__PHASE__PHASE_START },
	{ "tpoint", PULLCORD__V1__PHASE__PHASE_TPOINT },       { "start_only", PULLCORD__V1__PHASE__PHASE_TPOINT },
	{ "continue", PULLCORD__V1__PHASE__PHASE_CONTINUE },   { "update", PULLCORD__V1__PHASE__PHASE_CONTINUE },
	{ "escalate", PULLCORD__V1__PHASE__PHASE_ESCALATE },   { "deescalate", PULLCORD__V1__PHASE__PHASE_DEESCALATE },
	{ "inactivate", PULLCORD__V1__PHASE__PHASE_CONTINUE }, { "acknowledged", PULLCORD__V1__PHASE__PHASE_CONTINUE },
	{ "end", PULLCORD__V1__PHASE__PHASE_END },             { "reset", PULLCORD__V1__PHASE__PHASE_END },
	{ "stop", PULLCORD__V1__PHASE__PHASE_END },            { NULL, 0 },
};

static const struct word demo_words[] = { { "DEMO", 1 }, { "TEST", 1 }, { NULL, 0 } };

/* ---- small tools ---- */

struct work {
	const struct hl7 *m;
	const struct norm_feed *feed;
	struct arena *arena;
	bool full;                     /* the arena was too small: the event is not to be used */
};

static const char *const none = "";    /* what the schema's empty texts point to does not matter, only that they are set */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c == '_' ? ' ' : c;
}

static bool same_word(struct span s, const char *word)
{
	size_t n = strlen(word);

	if (s.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower(s.p[i]) != lower((uint8_t)word[i]))
			return false;
	return true;
}

static int word_is(const struct word *row, struct span s)
{
	for (; row->text; row++)
		if (same_word(s, row->text))
			return row->is;
	return 0;
}

/* The first repetition of a field that is one of these words. */
static int word_among(const struct hl7 *m, const struct word *row, struct span field)
{
	for (unsigned i = 1; i <= 16; i++) {
		struct span one = hl7_piece(field, m->repetition, i);
		int is = word_is(row, span_trim(hl7_piece(one, m->component, 1)));

		if (is || !one.p)
			return is;
	}
	return 0;
}

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

void norm_key(const struct span *piece, size_t n, uint8_t key[NORM_KEY_BYTES])
{
	uint8_t h[SHA256_BYTES];

	SHA256(h, SPAN_LIT("pullcord alert key v1"));
	for (size_t i = 0; i < n; i++)
		SHA256(h, span(h, sizeof(h)), piece[i]);
	memcpy(key, h, NORM_KEY_BYTES);
}

/* ---- nurse calls ---- */

static bool is_letter(uint8_t c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static bool has_phrase(struct span text, struct span phrase)
{
	for (size_t i = 0; i + phrase.n <= text.n; i++) {
		size_t k = 0;

		while (k < phrase.n && lower(text.p[i + k]) == phrase.p[k])
			k++;
		if (k == phrase.n && (i == 0 || !is_letter(text.p[i - 1])) &&
		    (i + k == text.n || !is_letter(text.p[i + k])))
			return true;
	}
	return false;
}

static bool call_matches(const struct norm_call *c, struct span text)
{
	struct span rest = span_str(c->words);

	while (rest.n) {
		struct span phrase = span_cut(rest, '|', &rest);
		bool whole = phrase.p[0] == '=';

		if (whole)
			phrase = span(phrase.p + 1, phrase.n - 1);
		if ((!whole || text.n == phrase.n) && has_phrase(text, phrase))
			return true;
	}
	return false;
}

const struct norm_call *norm_call_named(struct span text)
{
	text = span_trim(text);
	for (size_t i = 0; i < countof(calls); i++)
		if (call_matches(&calls[i], text))
			return &calls[i];
	return NULL;
}

const struct norm_call *norm_call_of(struct span code)
{
	for (size_t i = 0; i < countof(calls); i++)
		if (span_is(code, calls[i].code))
			return &calls[i];
	return NULL;
}

/* ---- OBX ---- */

static bool is_status(struct span s)
{
	return s.n == 1 && memchr("CDFINOPRSUVWX", s.p[0], 13);   /* table 0085 */
}

/* Seen in the field: one separator is missing before the result status, and all that follows sits one column early. */
static unsigned obx_column(const struct hl7 *m, struct hl7_segment obx, unsigned field)
{
	bool early = is_status(hl7_get(m, obx, 10, 1)) && !is_status(hl7_get(m, obx, 11, 1));

	return field > 10 && early ? field - 1 : field;
}

static struct span obx_get(const struct hl7 *m, struct hl7_segment obx, unsigned field, unsigned component)
{
	return hl7_get(m, obx, obx_column(m, obx, field), component);
}

/* Without its last digit a code of six is one of five: 684810 is seen for 68481. */
static bool same_code(struct span s, const char *code)
{
	return *code && (span_is(s, code) || (s.n == 6 && span_is(span(s.p, 5), code)));
}

static enum facet facet_named(struct span name)
{
	for (size_t i = 0; i < countof(facet_rows); i++)
		if (same_word(name, facet_rows[i].name))
			return facet_rows[i].is;
	return name.n > 8 && memcmp(name.p, "MDC_EVT_", 8) == 0 ? FACET_EVENT : FACET_NONE;
}

static enum facet facet_coded(struct span code)
{
	for (size_t i = 0; i < countof(facet_rows); i++)
		if (same_code(code, facet_rows[i].code) || same_code(code, facet_rows[i].seen))
			return facet_rows[i].is;
	return FACET_NONE;
}

static enum facet facet_of(const struct hl7 *m, struct hl7_segment obx)
{
	enum facet named = facet_named(hl7_get(m, obx, 3, 2));
	uint64_t index;

	if (named)
		return named;
	if (span_u64(span_trim(hl7_piece(hl7_get(m, obx, 4, 0), '.', 5)), FACETS - 1, &index) && index)
		return (enum facet)index;
	return facet_coded(hl7_get(m, obx, 3, 1));
}

/* What a message says, by segment; missing ones are empty and read as nothing. */
struct parts {
	struct hl7_segment msh, pid, pv1, obr, facet[FACETS];
	bool cut;                      /* the message ends inside an OBX */
};

static void keep_first(struct hl7_segment *slot, struct hl7_segment s)
{
	if (!slot->text.p)
		*slot = s;
}

static struct parts parts_of(const struct hl7 *m)
{
	struct hl7_segment s = { 0 };
	struct parts p = { 0 };

	while (hl7_next(m, &s)) {
		bool obx = hl7_is(s, "OBX");

		p.cut = obx && !hl7_field(m, s, 5).p;
		if (hl7_is(s, "MSH"))
			keep_first(&p.msh, s);
		else if (hl7_is(s, "PID"))
			keep_first(&p.pid, s);
		else if (hl7_is(s, "PV1"))
			keep_first(&p.pv1, s);
		else if (hl7_is(s, "OBR"))
			keep_first(&p.obr, s);
		else if (obx)
			keep_first(&p.facet[facet_of(m, s)], s);
	}
	p.facet[FACET_NONE] = (struct hl7_segment){ 0 };
	return p;
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

/* MSH-10 within MSH-3 and MSH-4, "1f3a9c02:g7-000042": applications that share a device count on their own. The schema's
 * source_id is what the source said; this is what tells its messages from all others. */
static struct span message_id(struct work *w, const struct parts *p)
{
	struct span id = hl7_get(w->m, p->msh, 10, 0);
	struct span piece[] = { hl7_field(w->m, p->msh, 3), hl7_field(w->m, p->msh, 4), id.n ? id : w->m->text };
	struct put text = text_begin(w, NORM_WORD_MAX);
	char scope[2 * NORM_KEY_BYTES + 1];
	uint8_t h[NORM_KEY_BYTES];

	norm_key(piece, countof(piece), h);
	hex_encode(span(h, sizeof(h)), scope);
	scope[id.n ? 8 : 32] = '\0';
	put_str(&text, scope);
	put_str(&text, ":");
	(void)hl7_text(w->m, id, &text);
	return span_str(text_end(w, &text));
}

/* An entity identifier in pieces: id, namespace, universal id. Its type is spelled in too many ways to be part of it. */
struct entity {
	struct span piece[3];
};

static struct entity entity_of(struct span s, uint8_t separator)
{
	struct entity e;

	for (unsigned i = 0; i < 3; i++)
		e.piece[i] = span_trim(hl7_piece(s, separator, i + 1));
	return e;
}

/* OBR-29 names the alert: in its second component, as IHE has it, or the first; some write it flat, with components
 * where subcomponents belong. SDPi leaves it empty at first and later repeats the first OBR-3. */
static struct entity alert_id(const struct hl7 *m, const struct parts *p)
{
	struct span parent = hl7_get(m, p->obr, 29, 0);
	bool flat = hl7_get(m, p->obr, 29, 3).n || hl7_get(m, p->obr, 29, 4).n;
	struct entity e = entity_of(parent, m->component);

	if (!flat)
		e = entity_of(hl7_get(m, p->obr, 29, 2), m->sub);
	if (!e.piece[0].n)
		e = entity_of(hl7_get(m, p->obr, 29, 1), m->sub);
	if (!e.piece[0].n)
		e = entity_of(hl7_get(m, p->obr, 3, 0), m->component);
	return e;
}

/* Without any id the condition is what it says it is: this event of this source in this place. */
static void alert_key(const struct hl7 *m, const struct parts *p, uint8_t key[NORM_KEY_BYTES])
{
	struct entity e = alert_id(m, p);
	struct span piece[] = {
		hl7_field(m, p->msh, 3), hl7_field(m, p->msh, 4), e.piece[0], e.piece[1], e.piece[2],
		span(NULL, 0), span(NULL, 0), span(NULL, 0),
	};

	if (!e.piece[0].n) {
		piece[5] = obx_get(m, p->facet[FACET_EVENT], 18, 0);
		piece[6] = hl7_get(m, p->pv1, 3, 0);
		piece[7] = hl7_get(m, p->facet[FACET_EVENT], 3, 1);
	}
	norm_key(piece, e.piece[0].n ? 5 : countof(piece), key);
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
	int64_t at = time_of(w, obx_get(m, obx, 14, 1));

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
	else if (contains(name, span_str(prefix)))
		(void)hl7_text(w->m, span(name.p + strlen(prefix), name.n - strlen(prefix)), out);
	else
		(void)hl7_text(w->m, name, out);
}

static bool is_mdc(struct span s)
{
	return s.n > 4 && memcmp(s.p, "MDC_", 4) == 0;
}

/* What the event OBX says in words of the source; coded values are told by their components, whatever OBX-2 says. */
static struct span event_text(const struct hl7 *m, struct hl7_segment event)
{
	static const unsigned order[] = { 9, 2, 5 };
	struct span v = hl7_get(m, event, 5, 0);

	if (!contains(v, span(&m->component, 1)))
		return is_mdc(v) ? span(NULL, 0) : v;
	for (size_t i = 0; i < countof(order); i++) {
		v = hl7_get(m, event, 5, order[i]);
		if (v.n && !is_mdc(v))
			return v;
	}
	return span(NULL, 0);
}

/* A physiological event is named in OBX-3; a technical one says only MDC_EVT_ALARM there and its name in OBX-5. */
static struct span event_code(const struct hl7 *m, struct hl7_segment event)
{
	struct span name = hl7_get(m, event, 3, 2), inner = hl7_get(m, event, 5, 2);

	if (!is_mdc(inner))
		inner = hl7_get(m, event, 5, 1);
	if ((!name.n || span_is(name, "MDC_EVT_ALARM")) && is_mdc(inner))
		return inner;
	return name.n ? name : hl7_get(m, event, 3, 1);
}

/* The measured value an alarm is about: facet 2, unless it only names an object. */
static struct span source_value(const struct hl7 *m, const struct parts *p)
{
	struct hl7_segment s = p->facet[FACET_SOURCE];

	return facet_named(hl7_get(m, s, 3, 2)) == FACET_SOURCE ? span(NULL, 0) : hl7_get(m, s, 5, 1);
}

/* " 84 % (90-100)" */
static void put_value(struct work *w, struct put *out, const struct parts *p)
{
	struct hl7_segment s = p->facet[FACET_SOURCE];
	struct span value = source_value(w->m, p), range = hl7_get(w->m, s, 7, 0);
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
static void put_line(struct work *w, struct put *out, const struct parts *p)
{
	struct span text = event_text(w->m, p->facet[FACET_EVENT]);
	struct span metric = hl7_get(w->m, p->facet[FACET_SOURCE], 3, 2);

	if (text.n) {
		(void)hl7_text(w->m, text, out);
	} else {
		if (source_value(w->m, p).n && metric.n) {
			put_label(w, out, metric, "MDC_");
			put_cut(out, " ");
		}
		put_label(w, out, event_code(w->m, p->facet[FACET_EVENT]), "MDC_EVT_");
	}
	put_value(w, out, p);
}

static int facet_word(const struct hl7 *m, const struct parts *p, enum facet f, const struct word *row)
{
	return word_is(row, hl7_get(m, p->facet[f], 5, 1));
}

/* Senders of before the facets put priority and type among the abnormality flags; the facets win. */
static int facet_or_flag(const struct hl7 *m, const struct parts *p, enum facet f, const struct word *row)
{
	int is = facet_word(m, p, f, row);

	return is ? is : word_among(m, row, hl7_field(m, p->facet[FACET_EVENT], 8));
}

/* A latched alarm is over only when somebody has reset it at the source. */
static Pullcord__V1__Phase phase_of(const struct hl7 *m, const struct parts *p)
{
	Pullcord__V1__Phase phase = facet_word(m, p, FACET_PHASE, phase_words);
	struct span state = hl7_get(m, p->facet[FACET_STATE], 5, 1);

	if (phase == PULLCORD__V1__PHASE__PHASE_NONE)
		phase = PULLCORD__V1__PHASE__PHASE_START;
	if (phase == PULLCORD__V1__PHASE__PHASE_END && same_word(state, "latched"))
		return PULLCORD__V1__PHASE__PHASE_CONTINUE;
	if (phase != PULLCORD__V1__PHASE__PHASE_TPOINT && same_word(state, "inactive"))
		return PULLCORD__V1__PHASE__PHASE_END;
	return phase;
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

static bool is_test(const struct hl7 *m, const struct parts *p)
{
	struct span processing = hl7_get(m, p->msh, 11, 1);

	for (size_t f = FACET_EVENT; f < FACETS; f++)
		if (word_among(m, demo_words, hl7_field(m, p->facet[f], 8)))
			return true;
	return processing.n && !span_is(processing, "P");
}

/* Nurse calls come without a measured value and never as physiological events. */
static const struct norm_call *call_of(const struct hl7 *m, const struct parts *p, int type, struct span line)
{
	const struct norm_call *c;

	if (type == PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_PHYSIOLOGICAL || source_value(m, p).n)
		return NULL;
	c = norm_call_named(line);
	return c ? c : norm_call_named(event_code(m, p->facet[FACET_EVENT]));
}

static void what_it_is(struct work *w, const struct parts *p, Pullcord__V1__Alert *a)
{
	int type = facet_or_flag(w->m, p, FACET_TYPE, type_words);
	int priority = facet_or_flag(w->m, p, FACET_PRIORITY, priority_words);
	const struct norm_call *call = call_of(w->m, p, type, span_str(a->text));

	a->type = call ? call->type : (Pullcord__V1__AlertType)type;
	a->code = call ? (char *)call->code : word_of(w, event_code(w->m, p->facet[FACET_EVENT]));
	a->priority = priority ? (Pullcord__V1__Priority)priority : call ? call->priority : priority_unsaid(a->type);
	if (call && call->priority == PULLCORD__V1__PRIORITY__PRIORITY_CODE)
		a->priority = call->priority;
	a->phase = phase_of(w->m, p);
}

/* The value the alarm is about first, then what else came along. */
static void alert_values(struct work *w, const struct parts *p, Pullcord__V1__Alert *a)
{
	struct hl7_segment s = { 0 }, found[NORM_ALERT_VALUES_MAX];
	size_t n = 0;

	if (source_value(w->m, p).n)
		found[n++] = p->facet[FACET_SOURCE];
	while (n < countof(found) && hl7_next(w->m, &s))
		if (is_value(w->m, s) && facet_of(w->m, s) == FACET_NONE)
			found[n++] = s;
	a->value = values_make(w, n);
	a->n_value = a->value ? n : 0;
	for (size_t i = 0; i < a->n_value; i++)
		measurement(w, found[i], time_of(w, hl7_get(w->m, p->obr, 7, 1)), a->value[i]);
}

static struct span source_of(struct work *w, const struct parts *p)
{
	struct span equipment = obx_get(w->m, p->facet[FACET_EVENT], 18, 0), name;

	name = equipment.n ? name_of(w->m, p->facet[FACET_EVENT], obx_column(w->m, p->facet[FACET_EVENT], 18))
			   : name_of(w->m, p->msh, 3);
	return span_str(word_of(w, name));
}

/* What every event says, whichever kind. */
static void event_head(struct work *w, const struct parts *p, struct event *e)
{
	e->source = source_of(w, p);
	if (!e->source.n)
		e->source = span_str(w->feed->source);
	e->source_id = message_id(w, p);
	e->place = span_str(word_of(w, hl7_get(w->m, p->pv1, 3, 1)));
}

static void alert_event(struct work *w, const struct parts *p, struct event *e)
{
	Pullcord__V1__Alert *a = &e->alert;
	struct put line;
	uint8_t *key = make(w, NORM_KEY_BYTES);

	e->kind = EVENT_ALERT;
	event_head(w, p, e);
	pullcord__v1__alert__init(a);
	if (key) {
		alert_key(w->m, p, key);
		a->key = (ProtobufCBinaryData){ NORM_KEY_BYTES, key };
	}
	line = text_begin(w, NORM_TEXT_MAX);
	put_line(w, &line, p);
	a->text = text_end(w, &line);
	a->bed = bed_of(w, p->pv1);
	a->patient = word_of(w, patient_of(w->m, p->pid));
	a->occurred_us = (uint64_t)time_of(w, obx_get(w->m, p->facet[FACET_EVENT], 14, 1));
	a->count = 1;
	a->first_us = (uint64_t)w->feed->received_us;
	a->source = (char *)e->source.p;
	a->source_id = word_of(w, hl7_get(w->m, p->msh, 10, 0));
	a->call_back = word_of(w, hl7_get(w->m, p->obr, 17, 1));
	a->test = is_test(w->m, p);
	what_it_is(w, p, a);
	alert_values(w, p, a);
}

/* The same alert, as far as it could be read, told as a fault of the equipment. */
static void alert_unreadable(struct work *w, const struct parts *p, struct event *e)
{
	Pullcord__V1__Alert *a = &e->alert;
	struct put line = text_begin(w, NORM_TEXT_MAX);

	put_cut(&line, "Unreadable alarm from ");
	put_cut(&line, a->source);
	if (*a->text) {
		put_cut(&line, ": ");
		put_line(w, &line, p);
	}
	a->text = text_end(w, &line);
	a->code = (char *)"pullcord.unreadable";
	a->type = PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL;
	a->phase = PULLCORD__V1__PHASE__PHASE_TPOINT;
	if (!facet_or_flag(w->m, p, FACET_PRIORITY, priority_words))
		a->priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH;
}

static bool alarm_readable(const struct hl7 *m, const struct parts *p)
{
	struct hl7_segment event = p->facet[FACET_EVENT];

	return !p->cut && event.text.p && (event_text(m, event).n || event_code(m, event).n);
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

static struct ack observations_event(struct work *w, const struct parts *p, struct event *e)
{
	Pullcord__V1__Observations *o = &e->observations;
	size_t n = count_values(w->m);

	if (n > EVENT_VALUES_MAX)
		return (struct ack){ ACK_ERROR, ACK_INTERNAL, "OBX", "more than 256 values in one message" };
	event_head(w, p, e);
	pullcord__v1__observations__init(o);
	o->bed = bed_of(w, p->pv1);
	o->patient = word_of(w, patient_of(w->m, p->pid));
	o->source = (char *)e->source.p;
	o->source_id = word_of(w, hl7_get(w->m, p->msh, 10, 0));
	o->taken_us = (uint64_t)time_of(w, hl7_get(w->m, p->obr, 7, 1));
	observation_values(w, o, n);
	if (w->full || pullcord__v1__observations__get_packed_size(o) > NORM_BODY_MAX)
		return (struct ack){ ACK_ERROR, ACK_INTERNAL, "OBX", "more than 60000 bytes of values in one message" };
	e->kind = EVENT_OBSERVATIONS;
	return (struct ack){ 0 };
}

/* ---- the message ---- */

enum message { MESSAGE_OTHER, MESSAGE_ALARM, MESSAGE_OBSERVATIONS };

static const struct { const char *event, *structure; enum message is; } messages[] = {
	{ "R40", "ORU_R40", MESSAGE_ALARM },
	{ "R01", "ORU_R01", MESSAGE_OBSERVATIONS },
};

static enum message message_of(const struct hl7 *m, struct hl7_segment msh)
{
	struct span event = hl7_get(m, msh, 9, 2), structure = hl7_get(m, msh, 9, 3);

	for (size_t i = 0; i < countof(messages); i++)
		if (span_is(event, messages[i].event) || (!event.n && span_is(structure, messages[i].structure)))
			return messages[i].is;
	return MESSAGE_OTHER;
}

/* "2.6", "2.3.1"; missing is seen, and taken for one of ours. */
static bool version_ok(struct span v)
{
	bool good = v.n == 0 || (v.n >= 3 && v.n <= 5 && v.p[0] == '2' && v.p[1] == '.' && v.p[2] >= '1' && v.p[2] <= '9');

	return good && (v.n <= 3 || (v.p[3] == '.' && v.n == 5));
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

static struct ack alarm_event(struct work *w, const struct parts *p, struct ack header, struct event *e)
{
	alert_event(w, p, e);
	if (header.code == ACK_ACCEPT && !alarm_readable(w->m, p))
		header = (struct ack){ ACK_ERROR, p->cut ? ACK_DATA_TYPE : ACK_FIELD_MISSING, "OBX",
				       p->cut ? "the message ends inside an OBX" : "no event OBX with a code or a text" };
	if (header.code != ACK_ACCEPT)
		alert_unreadable(w, p, e);
	must(!w->full);   /* an alert within the limits needs less than half of NORM_ARENA */
	return header;
}

void norm_refused(const struct hl7 *m, struct ack why, const struct norm_feed *feed, struct arena *arena, struct event *out)
{
	struct work w = { m, feed, arena, false };
	struct parts p = parts_of(m);
	struct event e = { 0 };

	must(why.code != ACK_ACCEPT);
	arena->used = 0;
	if (span_is(hl7_get(m, p.msh, 9, 1), "ORU") && message_of(m, p.msh) == MESSAGE_ALARM)
		(void)alarm_event(&w, &p, why, &e);
	*out = e;
}

struct ack norm_hl7(const struct hl7 *m, const struct norm_feed *feed, struct arena *arena, struct event *out)
{
	struct work w = { m, feed, arena, false };
	struct event e = { 0 };
	struct parts p = parts_of(m);
	enum message message = message_of(m, p.msh);
	struct ack a;

	must(arena->cap >= NORM_ARENA && feed->source[0]);
	arena->used = 0;
	*out = e;
	if (!span_is(hl7_get(m, p.msh, 9, 1), "ORU"))
		return (struct ack){ ACK_REJECT, ACK_MESSAGE_TYPE, "MSH^1^9", "only ORU is taken here" };
	if (message == MESSAGE_OTHER)
		return (struct ack){ ACK_REJECT, ACK_EVENT, "MSH^1^9", "only R01 and R40 are taken here" };
	a = check_header(m, p.msh);
	if (message == MESSAGE_ALARM)
		a = alarm_event(&w, &p, a, &e);
	else if (a.code == ACK_ACCEPT)
		a = observations_event(&w, &p, &e);
	if (message == MESSAGE_ALARM || a.code == ACK_ACCEPT)
		*out = e;
	return a;
}
