#include "oru.h"

/* ---- words of the standard ---- */

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

/* ---- words ---- */

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

/* ---- OBX ---- */

static bool is_status(struct span s)
{
	return s.n == 1 && memchr("CDFINOPRSUVWX", s.p[0], 13);   /* table 0085 */
}

/* Seen in the field: one separator is missing before the result status, and all that follows sits one column early. */
unsigned oru_column(const struct hl7 *m, struct hl7_segment obx, unsigned field)
{
	bool early = is_status(hl7_get(m, obx, 10, 1)) && !is_status(hl7_get(m, obx, 11, 1));

	return field > 10 && early ? field - 1 : field;
}

struct span oru_obx(const struct hl7 *m, struct hl7_segment obx, unsigned field, unsigned component)
{
	return hl7_get(m, obx, oru_column(m, obx, field), component);
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

enum facet oru_facet(const struct hl7 *m, struct hl7_segment obx)
{
	enum facet named = facet_named(hl7_get(m, obx, 3, 2));
	uint64_t index;

	if (named)
		return named;
	if (span_u64(span_trim(hl7_piece(hl7_get(m, obx, 4, 0), '.', 5)), FACETS - 1, &index) && index)
		return (enum facet)index;
	return facet_coded(hl7_get(m, obx, 3, 1));
}

static void keep_first(struct hl7_segment *slot, struct hl7_segment s)
{
	if (!slot->text.p)
		*slot = s;
}

/* A PID or PV1 that is about somebody, or somewhere, else. */
static bool is_other(const struct hl7 *m, struct hl7_segment first, struct hl7_segment s)
{
	struct span a = hl7_get(m, first, 3, 0), b = hl7_get(m, s, 3, 0);

	return first.text.p && (a.n != b.n || (a.n && memcmp(a.p, b.p, a.n) != 0));
}

/* Under an OBR behind that of the first alarm. Told by its name alone: an index may be that of a waveform. */
static bool is_alarm(const struct hl7 *m, struct hl7_segment obx)
{
	enum facet f = facet_named(hl7_get(m, obx, 3, 2));

	return f == FACET_EVENT || f == FACET_PHASE;
}

static bool is_more(const struct oru *o, struct hl7_segment s, bool later)
{
	return (hl7_is(s, "MSH") && o->msh.text.p) || (hl7_is(s, "PID") && is_other(o->m, o->pid, s)) ||
	       (hl7_is(s, "PV1") && is_other(o->m, o->pv1, s)) || (later && hl7_is(s, "OBX") && is_alarm(o->m, s));
}

struct oru oru_read(const struct hl7 *m)
{
	struct hl7_segment s = { 0 };
	struct oru o = { .m = m };
	bool later = false;

	while (hl7_next(m, &s)) {
		bool obx = hl7_is(s, "OBX");

		o.cut = obx && !hl7_field(m, s, 5).p;
		o.more = o.more || is_more(&o, s, later);
		later = later || (hl7_is(s, "OBR") && o.facet[FACET_EVENT].text.p);
		if (hl7_is(s, "MSH"))
			keep_first(&o.msh, s);
		else if (hl7_is(s, "PID"))
			keep_first(&o.pid, s);
		else if (hl7_is(s, "PV1"))
			keep_first(&o.pv1, s);
		else if (hl7_is(s, "OBR"))
			keep_first(&o.obr, s);
		else if (obx)
			keep_first(&o.facet[oru_facet(m, s)], s);
	}
	o.facet[FACET_NONE] = (struct hl7_segment){ 0 };
	return o;
}

/* ---- which alert it is ---- */

/* An entity identifier in pieces: id, namespace, universal id. Its type is spelled in too many ways to count. */
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
static struct entity alert_id(const struct oru *o)
{
	struct span parent = hl7_get(o->m, o->obr, 29, 0);
	bool flat = hl7_get(o->m, o->obr, 29, 3).n || hl7_get(o->m, o->obr, 29, 4).n;
	struct entity e = entity_of(parent, o->m->component);

	if (!flat)
		e = entity_of(hl7_get(o->m, o->obr, 29, 2), o->m->sub);
	if (!e.piece[0].n)
		e = entity_of(hl7_get(o->m, o->obr, 29, 1), o->m->sub);
	if (!e.piece[0].n)
		e = entity_of(hl7_get(o->m, o->obr, 3, 0), o->m->component);
	return e;
}

/* Without any id the condition is what it says it is: this event of this source in this place. An event that is only
 * "alarm" is told by its text. */
void oru_key(const struct oru *o, uint8_t key[KEY_BYTES])
{
	struct entity e = alert_id(o);
	struct span piece[] = {
		hl7_field(o->m, o->msh, 3), hl7_field(o->m, o->msh, 4), e.piece[0], e.piece[1], e.piece[2],
		span(NULL, 0), span(NULL, 0), span(NULL, 0),
	};

	if (!e.piece[0].n) {
		piece[5] = oru_obx(o->m, o->facet[FACET_EVENT], 18, 0);
		piece[6] = hl7_get(o->m, o->pv1, 3, 0);
		piece[7] = span_is(oru_code(o), "MDC_EVT_ALARM") ? oru_text(o) : oru_code(o);
	}
	key_of(piece, e.piece[0].n ? 5 : countof(piece), key);
}

/* ---- what it says ---- */

/* What the event OBX says in words of the source; coded values are told by their components, whatever OBX-2 says. */
struct span oru_text(const struct oru *o)
{
	struct hl7_segment event = o->facet[FACET_EVENT];
	static const unsigned order[] = { 9, 2, 5 };
	struct span v = hl7_get(o->m, event, 5, 0);

	if (!v.n || !memchr(v.p, o->m->component, v.n))
		return oru_is_mdc(v) ? span(NULL, 0) : v;
	for (size_t i = 0; i < countof(order); i++) {
		v = hl7_get(o->m, event, 5, order[i]);
		if (v.n && !oru_is_mdc(v))
			return v;
	}
	return span(NULL, 0);
}

/* A physiological event is named in OBX-3; a technical one says only MDC_EVT_ALARM there and its name in OBX-5. */
struct span oru_code(const struct oru *o)
{
	struct hl7_segment event = o->facet[FACET_EVENT];
	struct span name = hl7_get(o->m, event, 3, 2), inner = hl7_get(o->m, event, 5, 2);

	if (!oru_is_mdc(inner))
		inner = hl7_get(o->m, event, 5, 1);
	if ((!name.n || span_is(name, "MDC_EVT_ALARM")) && oru_is_mdc(inner))
		return inner;
	return name.n ? name : hl7_get(o->m, event, 3, 1);
}

/* The measured value an alarm is about: facet 2, unless it only names an object. */
struct span oru_value(const struct oru *o)
{
	struct hl7_segment s = o->facet[FACET_SOURCE];

	return facet_named(hl7_get(o->m, s, 3, 2)) == FACET_SOURCE ? span(NULL, 0) : hl7_get(o->m, s, 5, 1);
}

static int facet_word(const struct oru *o, enum facet f, const struct word *row)
{
	return word_is(row, hl7_get(o->m, o->facet[f], 5, 1));
}

/* Senders of before the facets put priority and type among the abnormality flags; the facets win. */
static int facet_or_flag(const struct oru *o, enum facet f, const struct word *row)
{
	int is = facet_word(o, f, row);

	return is ? is : word_among(o->m, row, hl7_field(o->m, o->facet[FACET_EVENT], 8));
}

/* A latched alarm is over only when somebody has reset it at the source; one that begins is not, whatever its state. */
Pullcord__V1__Phase oru_phase(const struct oru *o)
{
	struct span said = hl7_get(o->m, o->facet[FACET_PHASE], 5, 1), state = hl7_get(o->m, o->facet[FACET_STATE], 5, 1);
	Pullcord__V1__Phase phase = (Pullcord__V1__Phase)word_is(phase_words, said);

	if (phase == PULLCORD__V1__PHASE__PHASE_END && same_word(state, "latched"))
		return PULLCORD__V1__PHASE__PHASE_CONTINUE;
	if (phase == PULLCORD__V1__PHASE__PHASE_TPOINT || phase == PULLCORD__V1__PHASE__PHASE_ESCALATE || same_word(said, "start"))
		return phase;
	if (same_word(state, "inactive"))
		return PULLCORD__V1__PHASE__PHASE_END;
	return phase ? phase : PULLCORD__V1__PHASE__PHASE_START;
}

Pullcord__V1__AlertType oru_type(const struct oru *o)
{
	return (Pullcord__V1__AlertType)facet_or_flag(o, FACET_TYPE, type_words);
}

Pullcord__V1__Priority oru_priority(const struct oru *o)
{
	return (Pullcord__V1__Priority)facet_or_flag(o, FACET_PRIORITY, priority_words);
}

bool oru_test(const struct oru *o)
{
	struct span processing = hl7_get(o->m, o->msh, 11, 1);

	for (size_t f = FACET_EVENT; f < FACETS; f++)
		if (word_among(o->m, demo_words, hl7_field(o->m, o->facet[f], 8)))
			return true;
	return span_is(processing, "D") || span_is(processing, "T");
}

bool oru_readable(const struct oru *o)
{
	return !o->cut && o->facet[FACET_EVENT].text.p && (oru_text(o).n || oru_code(o).n);
}
