#include "local_json.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "nursecall.h"

/* ---- what a line may say ---- */

enum field { TYPE, ID, SOURCE, KIND, PRIORITY, PHASE, KEY, TEXT, BED, PLACE, PATIENT, CALL_BACK, AT_US, TEST, VALUES,
	     CODE, NAME, SYSTEM, VALUE, UNIT, RANGE, FLAGS, FIELDS };

static const struct {
	const char *name;
	json_type type;                /* JSON_TRUE: true or false */
	size_t most;                   /* bytes, or elements */
	const char *is;                /* for hints */
} fields[FIELDS] = {
	[TYPE] = { "type", JSON_STRING, 16, "alert, vitals or hello" },
	[ID] = { "id", JSON_STRING, LOCAL_WORD_MAX, "your own id of this message, never used again" },
	[SOURCE] = { "source", JSON_STRING, LOCAL_WORD_MAX, "the name of the device" },
	[KIND] = { "kind", JSON_STRING, LOCAL_WORD_MAX, "e.g. call.normal" },
	[PRIORITY] = { "priority", JSON_STRING, 8, "code, high, medium, low or info" },
	[PHASE] = { "phase", JSON_STRING, 8, "start, point, continue or end" },
	[KEY] = { "key", JSON_STRING, LOCAL_WORD_MAX, "a name of the condition" },
	[TEXT] = { "text", JSON_STRING, NORM_TEXT_MAX, "one line a nurse reads" },
	[BED] = { "bed", JSON_STRING, NORM_WORD_MAX, "e.g. 412-B" },
	[PLACE] = { "place", JSON_STRING, NORM_WORD_MAX, "the point of care as the settings know it" },
	[PATIENT] = { "patient", JSON_STRING, NORM_WORD_MAX, "the patient's identifier" },
	[CALL_BACK] = { "call_back", JSON_STRING, NORM_WORD_MAX, "a telephone number" },
	[AT_US] = { "at_us", JSON_INTEGER, 0, "microseconds since 1970, UTC" },
	[TEST] = { "test", JSON_TRUE, 0, "true or false" },
	[VALUES] = { "values", JSON_ARRAY, EVENT_VALUES_MAX, "a list of objects with code and value" },
	[CODE] = { "code", JSON_STRING, NORM_WORD_MAX, "what was measured, e.g. 150456" },
	[NAME] = { "name", JSON_STRING, NORM_WORD_MAX, "e.g. MDC_PULS_OXIM_SAT_O2" },
	[SYSTEM] = { "system", JSON_STRING, NORM_WORD_MAX, "the code's system: MDC, LN" },
	[VALUE] = { "value", JSON_STRING, NORM_WORD_MAX, "the value as text, so that nothing is rounded: \"36.6\"" },
	[UNIT] = { "unit", JSON_STRING, NORM_WORD_MAX, "e.g. %" },
	[RANGE] = { "range", JSON_STRING, NORM_WORD_MAX, "limits, e.g. 90-100" },
	[FLAGS] = { "flags", JSON_STRING, NORM_WORD_MAX, "N L H LL HH A" },
};

#define BIT(f) (1u << (f))
#define WHO_BITS (BIT(TYPE) | BIT(ID) | BIT(SOURCE))
#define WHERE_BITS (BIT(BED) | BIT(PLACE) | BIT(PATIENT) | BIT(AT_US))

/* The shapes of objects: which fields they may and must have. */
struct shape {
	const char *name;
	uint32_t may, need;
};

enum { SHAPE_ALERT, SHAPE_VITALS, SHAPE_HELLO, SHAPE_TYPES };

static const struct shape shapes[SHAPE_TYPES] = {
	[SHAPE_ALERT] = { "alert",
			  WHO_BITS | WHERE_BITS | BIT(KIND) | BIT(PRIORITY) | BIT(PHASE) | BIT(KEY) | BIT(TEXT) |
				  BIT(CALL_BACK) | BIT(TEST) | BIT(VALUES),
			  BIT(ID) | BIT(KIND) | BIT(TEXT) },
	[SHAPE_VITALS] = { "vitals", WHO_BITS | WHERE_BITS | BIT(VALUES), BIT(ID) | BIT(VALUES) },
	[SHAPE_HELLO] = { "hello", BIT(TYPE) | BIT(SOURCE), BIT(SOURCE) },
};

static const struct shape value_shape = {
	"a value", BIT(CODE) | BIT(NAME) | BIT(SYSTEM) | BIT(VALUE) | BIT(UNIT) | BIT(RANGE) | BIT(FLAGS) | BIT(AT_US),
	BIT(CODE) | BIT(VALUE),
};

static const struct { const char *word; Pullcord__V1__Phase is; } phases[] = {
	{ "start", PULLCORD__V1__PHASE__PHASE_START },
	{ "point", PULLCORD__V1__PHASE__PHASE_TPOINT },
	{ "continue", PULLCORD__V1__PHASE__PHASE_CONTINUE },
	{ "end", PULLCORD__V1__PHASE__PHASE_END },
};

/* ---- saying no ---- */

/* Formats into a char[LOCAL_WHY_MAX]. What does not fit is cut at a character. */
static void say(char *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(char *out, const char *fmt, ...)
{
	va_list args;
	size_t n;

	va_start(args, fmt);
	vsnprintf(out, LOCAL_WHY_MAX, fmt, args);
	va_end(args);
	for (n = strlen(out); n && !span_utf8(span(out, n)); n--)
		out[n - 1] = '\0';
}

static enum err no_field(struct local_no *no, enum field f, const char *wrong)
{
	say(no->why, "\"%s\" %s", fields[f].name, wrong);
	say(no->hint, "\"%s\": %s", fields[f].name, fields[f].is);
	return ERR_RANGE;
}

static enum err no_such_field(struct local_no *no, const struct shape *shape, const char *name)
{
	char list[LOCAL_WHY_MAX];
	struct put known = put(list, sizeof(list) - 1);

	for (size_t f = 0; f < FIELDS; f++)
		if (shape->may & BIT(f))
			put_fmt(&known, " %s", fields[f].name);
	list[known.n] = '\0';
	say(no->why, "%s has no field \"%s\"", shape->name, name);
	say(no->hint, "its fields are:%s", list);
	return ERR_SYNTAX;
}

/* ---- reading ---- */

static bool is_line(const char *text)
{
	for (; *text; text++)
		if ((uint8_t)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static enum err check_field(enum field f, const json_t *v, struct local_no *no)
{
	bool typed = fields[f].type == JSON_TRUE ? json_is_boolean(v) : json_typeof(v) == fields[f].type;

	if (!typed)
		return no_field(no, f, "is of the wrong type");
	if (json_is_integer(v) && json_integer_value(v) < 0)
		return no_field(no, f, "is negative");
	if (json_is_array(v) && json_array_size(v) > fields[f].most)
		return no_field(no, f, "has more than 256 elements");
	if (!json_is_string(v))
		return OK;
	if (json_string_length(v) == 0)
		return no_field(no, f, "is empty");
	if (json_string_length(v) > fields[f].most)
		return no_field(no, f, "is too long");
	return is_line(json_string_value(v)) ? OK : no_field(no, f, "has a line break or control character in it");
}

/* An object of a shape, taken apart into got[FIELDS]. */
static enum err read_object(json_t *object, const struct shape *shape, json_t **got, struct local_no *no)
{
	const char *name;
	json_t *v;

	json_object_foreach(object, name, v) {
		size_t f = 0;

		while (f < FIELDS && !((shape->may & BIT(f)) && strcmp(fields[f].name, name) == 0))
			f++;
		if (f == FIELDS)
			return no_such_field(no, shape, name);
		TRY(check_field((enum field)f, v, no));
		got[f] = v;
	}
	for (size_t f = 0; f < FIELDS; f++)
		if ((shape->need & BIT(f)) && !got[f])
			return no_field(no, (enum field)f, "is missing");
	return OK;
}

static char *text_of(json_t *const *got, enum field f)
{
	return got[f] ? (char *)json_string_value(got[f]) : (char *)"";
}

static uint64_t time_of(json_t *const *got)
{
	return (uint64_t)json_integer_value(got[AT_US]);
}

static enum err read_value(json_t *object, uint64_t at_us, Pullcord__V1__Measurement *v, struct local_no *no)
{
	json_t *got[FIELDS] = { 0 };

	if (!json_is_object(object))
		return no_field(no, VALUES, "holds something that is no object");
	TRY(read_object(object, &value_shape, got, no));
	pullcord__v1__measurement__init(v);
	v->code = text_of(got, CODE);
	v->name = text_of(got, NAME);
	v->system = text_of(got, SYSTEM);
	v->value = text_of(got, VALUE);
	v->unit = text_of(got, UNIT);
	v->range = text_of(got, RANGE);
	v->flags = text_of(got, FLAGS);
	v->at_us = got[AT_US] ? time_of(got) : at_us;
	return OK;
}

static enum err read_values(json_t *const *got, struct local_said *said, struct local_no *no)
{
	for (size_t i = 0; i < json_array_size(got[VALUES]); i++) {
		TRY(read_value(json_array_get(got[VALUES], i), time_of(got), &said->row[i], no));
		said->list[i] = &said->row[i];
	}
	return OK;
}

static enum err read_phase(json_t *const *got, Pullcord__V1__Phase *out, struct local_no *no)
{
	*out = PULLCORD__V1__PHASE__PHASE_START;
	if (!got[PHASE])
		return OK;
	for (size_t i = 0; i < countof(phases); i++) {
		if (strcmp(text_of(got, PHASE), phases[i].word) != 0)
			continue;
		*out = phases[i].is;
		return OK;
	}
	return no_field(no, PHASE, "is none");
}

static enum err read_kind(json_t *const *got, Pullcord__V1__Alert *a, struct local_no *no)
{
	const struct nursecall *call = nursecall_of(span_str(text_of(got, KIND)));

	if (!word_ok(span_str(text_of(got, KIND))))
		return no_field(no, KIND, "has characters other than A-Z a-z 0-9 . _ : -");
	a->code = text_of(got, KIND);
	a->type = call ? call->type : PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL;
	a->priority = call ? call->priority : PULLCORD__V1__PRIORITY__PRIORITY_NONE;
	if (got[PRIORITY])
		a->priority = (Pullcord__V1__Priority)priority_parse(span_str(text_of(got, PRIORITY)));
	if (a->priority == PULLCORD__V1__PRIORITY__PRIORITY_NONE)
		return no_field(no, PRIORITY, got[PRIORITY] ? "is none" : "is missing, and this kind implies none");
	if (call && call->priority == PULLCORD__V1__PRIORITY__PRIORITY_CODE)
		a->priority = call->priority;   /* a code is a code: as from HL7 */
	return OK;
}

/* The end must find the key of its start, so it is made of what both say. */
static void make_key(json_t *const *got, struct local_said *said)
{
	struct span named[] = { SPAN_LIT("local"), span_str(said->source), span_str(text_of(got, KEY)) };
	struct span told[] = { SPAN_LIT("local"), span_str(said->source), span(NULL, 0), span_str(text_of(got, KIND)),
			       span_str(text_of(got, BED)) };

	if (got[KEY])
		key_of(named, countof(named), said->key);
	else
		key_of(told, countof(told), said->key);
}

static enum err read_alert(json_t *const *got, int64_t received_us, struct local_said *said, struct local_no *no)
{
	Pullcord__V1__Alert *a = &said->event.alert;

	if (json_array_size(got[VALUES]) > NORM_ALERT_VALUES_MAX)
		return no_field(no, VALUES, "has more than 16 elements, and this is an alert");
	pullcord__v1__alert__init(a);
	TRY(read_kind(got, a, no));
	TRY(read_phase(got, &a->phase, no));
	make_key(got, said);
	a->key = (ProtobufCBinaryData){ sizeof(said->key), said->key };
	a->text = text_of(got, TEXT);
	a->bed = text_of(got, BED);
	a->patient = text_of(got, PATIENT);
	a->occurred_us = time_of(got);
	a->count = 1;
	a->first_us = (uint64_t)received_us;
	a->source = (char *)said->source;
	a->source_id = text_of(got, ID);
	a->n_value = json_array_size(got[VALUES]);
	a->value = said->list;
	a->test = json_is_true(got[TEST]);
	a->call_back = text_of(got, CALL_BACK);
	said->event.kind = EVENT_ALERT;
	return OK;
}

static void read_vitals(json_t *const *got, struct local_said *said)
{
	Pullcord__V1__Observations *o = &said->event.observations;

	pullcord__v1__observations__init(o);
	o->bed = text_of(got, BED);
	o->patient = text_of(got, PATIENT);
	o->source = (char *)said->source;
	o->source_id = text_of(got, ID);
	o->taken_us = time_of(got);
	o->n_value = json_array_size(got[VALUES]);
	o->value = said->list;
	said->event.kind = EVENT_OBSERVATIONS;
}

static const struct shape *shape_of(json_t *doc)
{
	const char *type = json_string_value(json_object_get(doc, "type"));

	for (size_t i = 0; type && i < countof(shapes); i++)
		if (strcmp(type, shapes[i].name) == 0)
			return &shapes[i];
	return NULL;
}

static enum err read_line(json_t *doc, const char *source, int64_t received_us, struct local_said *said,
			  struct local_no *no)
{
	const struct shape *shape = shape_of(doc);
	json_t *got[FIELDS] = { 0 };

	if (!shape)
		return no_field(no, TYPE, "is missing or unknown");
	TRY(read_object(doc, shape, got, no));
	said->source = got[SOURCE] ? text_of(got, SOURCE) : source;
	if (shape == &shapes[SHAPE_HELLO]) {
		said->kind = LOCAL_HELLO;
		return OK;
	}
	TRY(read_values(got, said, no));
	if (shape == &shapes[SHAPE_ALERT])
		TRY(read_alert(got, received_us, said, no));
	else
		read_vitals(got, said);
	said->kind = LOCAL_EVENT;
	said->event.source = span_str(said->source);
	said->event.source_id = span_str(text_of(got, ID));
	said->event.place = span_str(text_of(got, PLACE));
	return OK;
}

/* What the refusal is about, if the line says so much in good order. */
static void note_id(json_t *doc, struct local_no *no)
{
	json_t *id = json_object_get(doc, "id");

	if (json_is_string(id) && is_line(json_string_value(id)))
		(void)!span_text(span(json_string_value(id), json_string_length(id)), no->id, sizeof(no->id));
}

static enum err no_json(const json_error_t *e, struct local_no *no)
{
	no->at = e->position;
	say(no->why, "this is not one JSON object: %s", *e->text ? e->text : "it is an array");
	for (char *c = no->why; *c && !span_utf8(span_str(no->why)); c++)   /* it may quote broken text */
		if ((uint8_t)*c >= 0x80)
			*c = '?';
	say(no->hint, "one object a line, such as {\"type\":\"alert\",\"id\":\"b7-1\",\"source\":\"bed-7\","
		      "\"kind\":\"call.normal\",\"text\":\"Help to the bathroom\"}");
	return ERR_SYNTAX;
}

enum err local_read(struct span line, const char *source, int64_t received_us, struct local_said *out,
		    struct local_no *no)
{
	json_error_t e = { 0 };
	json_t *doc;
	enum err err;

	*no = (struct local_no){ .at = -1 };
	out->kind = LOCAL_NONE;
	out->event = (struct event){ 0 };
	doc = json_loadb((const char *)line.p, line.n, JSON_REJECT_DUPLICATES, &e);
	if (!json_is_object(doc)) {
		json_decref(doc);
		return no_json(&e, no);
	}
	out->doc = doc;
	note_id(doc, no);
	err = read_line(doc, source, received_us, out, no);
	if (err != OK)
		local_done(out);
	return err;
}

void local_done(struct local_said *said)
{
	json_decref(said->doc);
	said->doc = NULL;
	said->kind = LOCAL_NONE;
}

/* ---- writing ---- */

static enum err put_json(json_t *doc, struct put *out)
{
	size_t room = out->cap - out->n, n;

	if (!doc)
		return ERR_FULL;
	n = json_dumpb(doc, (char *)out->p + out->n, room, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(doc);
	if (n == 0 || n >= room)
		return ERR_TOO_LARGE;
	out->n += n;
	put_str(out, "\n");
	return put_end(out);
}

static const char *const answer_words[] = {
	[ANSWER_DURABLE] = "durable",
	[ANSWER_STORED] = "stored",
	[ANSWER_UPDATE] = "acknowledged",
	[ANSWER_REFUSED] = "refused",
	[ANSWER_UNSENT] = "refused",
};

/* Of those that say why. */
static const char *hint_of(const struct answer *a)
{
	if (a->kind == ANSWER_UNSENT)
		return "nobody has been told, and nobody will be: help yourself";
	return a->told ? "it went out, but could not be kept here, so it may be lost: send it again, which calls nobody twice"
		       : "nobody has been told: send it again, or help yourself";
}

static const char *const state_words[] = {
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_NONE] = "none",
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_ACCEPTED] = "accepted",
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_ON_THE_WAY] = "on-the-way",
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_RESOLVED] = "resolved",
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_DECLINED] = "declined",
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_ESCALATED] = "escalated",
};

/* As jansson writes it with JSON_ENSURE_ASCII; `s` is UTF-8. */
static void put_quoted(struct put *out, struct span s)
{
	put_u8(out, '"');
	while (s.n) {
		uint32_t c = s.p[0];
		size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

		must(n <= s.n);
		c = n == 1 ? c : c & (0x7fu >> n);
		for (size_t i = 1; i < n; i++)
			c = c << 6 | (s.p[i] & 0x3f);
		s = span(s.p + n, s.n - n);
		if (c == '"' || c == '\\')
			put_fmt(out, "\\%c", (int)c);
		else if (c >= ' ' && c < 0x7f)
			put_u8(out, (uint8_t)c);
		else if (c > 0xffff)
			put_fmt(out, "\\u%04X\\u%04X", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
		else
			put_fmt(out, "\\u%04X", c);
	}
	put_u8(out, '"');
}

static void put_field(struct put *out, const char *name, struct span value)
{
	put_str(out, ",\"");
	put_str(out, name);
	put_str(out, "\":");
	put_quoted(out, value);
}

static void put_what_became(const struct answer *a, struct put *out)
{
	char alert[ID_TEXT];

	id_text(&a->alert, alert);
	put_field(out, "alert", span_str(alert));
	if (a->folded)
		put_str(out, ",\"folded\":true");
	if (a->kind != ANSWER_UPDATE)
		return;
	must((size_t)a->state < countof(state_words));
	put_field(out, "state", span_str(state_words[a->state]));
	put_field(out, "by", a->by);
}

/* Two for each alert: without building a tree. */
enum err local_write(const struct answer *a, struct put *out)
{
	if (!span_utf8(a->source_id) || !span_utf8(a->by))
		return ERR_UTF8;
	put_str(out, "{\"answer\":");
	put_quoted(out, span_str(answer_words[a->kind]));
	put_field(out, "id", a->source_id);
	if (a->kind == ANSWER_REFUSED || a->kind == ANSWER_UNSENT) {
		put_field(out, "why", span_str(err_text(a->why)));
		put_field(out, "hint", span_str(hint_of(a)));
	} else {
		put_what_became(a, out);
	}
	put_str(out, "}\n");
	return put_end(out);
}

enum err local_write_no(const struct local_no *no, struct put *out)
{
	const char *id = *no->id ? no->id : NULL;
	json_t *doc = json_pack("{s:s, s:s*, s:s, s:s}", "answer", "refused", "id", id, "why", no->why, "hint",
				no->hint);

	if (doc && no->at >= 0)
		json_object_set_new(doc, "at", json_integer(no->at));
	return put_json(doc, out);
}

enum err local_write_hello(const char *source, struct put *out)
{
	return put_json(json_pack("{s:s, s:s}", "answer", "hello", "source", source), out);
}

static json_t *json_text(struct span s) { return json_stringn(s.n ? (const char *)s.p : "", s.n); }

enum err local_write_kept(const struct local_kept *k, struct put *out)
{
	char id[ID_TEXT];

	id_text(&k->id, id);
	return put_json(json_pack("{s:s, s:I, s:i, s:s, s:o, s:o, s:o, s:o}", "id", id, "at_ms", (json_int_t)k->at_ms, "reason",
				  (int)k->reason, "why", k->why, "topic", json_text(k->topic), "input", json_text(k->input),
				  "source", json_text(k->source), "source_id", json_text(k->source_id)), out);
}
