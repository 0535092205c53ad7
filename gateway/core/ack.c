#include "ack.h"

#define HEAD_FIELDS 18

enum err ack_head(const struct hl7 *m, struct put *out)
{
	struct hl7_segment msh = hl7_find(m, "MSH");
	struct span last = hl7_field(m, msh, HEAD_FIELDS);
	size_t n = last.p ? (size_t)(last.p + last.n - msh.text.p) : msh.text.n;

	put_bytes(out, span(msh.text.p, n));
	return put_end(out);
}

/* Table 0155. What it does not list is answered: silence is the worse mistake. */
static bool wanted(struct span when, enum ack_code code)
{
	if (when.n == 0 || span_is(when, "NE"))
		return false;
	if (span_is(when, "ER"))
		return code != ACK_ACCEPT;
	if (span_is(when, "SU"))
		return code == ACK_ACCEPT;
	return true;
}

unsigned ack_due(const struct hl7 *m, enum ack_code code, const char *due[ACK_REPLIES_MAX])
{
	static const char *const commit[] = { "CA", "CE", "CR" }, *const application[] = { "AA", "AE", "AR" };
	struct hl7_segment msh = m ? hl7_find(m, "MSH") : (struct hl7_segment){ 0 };
	struct span accept = { 0 }, result = { 0 };
	unsigned n = 0;

	if (m) {
		accept = hl7_get(m, msh, 15, 1);
		result = hl7_get(m, msh, 16, 1);
	}
	if (m && span_is(hl7_get(m, msh, 9, 1), "ACK"))
		return 0;
	if (accept.n == 0 && result.n == 0) {
		due[0] = application[code];
		return 1;
	}
	if (wanted(accept, code))
		due[n++] = commit[code];
	if (wanted(result, code) && (n == 0 || code == ACK_ACCEPT))
		due[n++] = application[code];
	return n;
}

/* A field of the sender's header, given back as it came; line breaks inside would tear the answer apart. */
static void put_echo(struct put *out, struct span field)
{
	for (size_t i = 0; i < field.n; i++)
		put_u8(out, field.p[i] < ' ' ? ' ' : field.p[i]);
}

static void put_field(struct put *out, const struct hl7 *m, struct span field)
{
	put_u8(out, m->field);
	put_echo(out, field);
}

static void put_msh(struct put *out, const struct hl7 *m, struct hl7_segment msh, int64_t now_us, struct span id)
{
	static const unsigned swapped[] = { 5, 6, 3, 4 };
	const uint8_t delimiter[] = { m->component, m->repetition, m->escape, m->sub };
	struct span trigger = hl7_get(m, msh, 9, 2), field;

	put_str(out, "MSH");
	put_u8(out, m->field);
	for (size_t i = 0; i < countof(delimiter) && delimiter[i]; i++)
		put_u8(out, delimiter[i]);
	for (size_t i = 0; i < countof(swapped); i++)
		put_field(out, m, hl7_field(m, msh, swapped[i]));
	put_u8(out, m->field);
	hl7_put_time(out, now_us);
	put_u8(out, m->field);
	put_field(out, m, SPAN_LIT("ACK"));
	if (trigger.n) {
		put_u8(out, m->component);
		put_echo(out, trigger);
		put_u8(out, m->component);
		put_str(out, "ACK");
	}
	put_field(out, m, id);
	field = hl7_field(m, msh, 11);
	put_field(out, m, field.n ? field : SPAN_LIT("P"));
	field = hl7_field(m, msh, 12);
	put_field(out, m, field.n ? field : SPAN_LIT("2.6"));
	field = hl7_field(m, msh, 18);
	for (unsigned i = 13; field.n && i < 18; i++)
		put_u8(out, m->field);
	if (field.n)
		put_field(out, m, field);
	put_u8(out, '\r');
}

/* The ERR segment in its present form came with v2.5; before, MSA-3 carries the text. */
static bool before_err(struct span version)
{
	static const char *const old[] = { "2.1", "2.2", "2.3", "2.3.1", "2.4" };

	for (size_t i = 0; i < countof(old); i++)
		if (span_is(version, old[i]))
			return true;
	return false;
}

/* "MSH^1^9" in the sender's component separator. */
static void put_where(struct put *out, const struct hl7 *m, const char *where)
{
	for (; where && *where; where++)
		put_u8(out, *where == '^' ? m->component : (uint8_t)*where);
}

static void put_err(struct put *out, const struct hl7 *m, const struct ack *a)
{
	static const struct { enum ack_error code; const char *text; } row[] = {
		{ ACK_SEGMENT_SEQUENCE, "Segment sequence error" },
		{ ACK_FIELD_MISSING, "Required field missing" },
		{ ACK_DATA_TYPE, "Data type error" },
		{ ACK_VALUE_NOT_FOUND, "Table value not found" },
		{ ACK_MESSAGE_TYPE, "Unsupported message type" },
		{ ACK_EVENT, "Unsupported event code" },
		{ ACK_PROCESSING_ID, "Unsupported processing id" },
		{ ACK_VERSION_ID, "Unsupported version id" },
		{ ACK_INTERNAL, "Application internal error" },
	};

	put_str(out, "ERR");
	put_u8(out, m->field);
	put_u8(out, m->field);
	put_where(out, m, a->where);
	put_fmt(out, "%c%u", m->field, (unsigned)a->error);
	for (size_t i = 0; i < countof(row); i++)
		if (row[i].code == a->error)
			put_fmt(out, "%c%s%cHL70357", m->component, row[i].text, m->component);
	put_field(out, m, SPAN_LIT("E"));
	for (int i = 5; i < 8; i++)   /* ERR-8 is what a person is told */
		put_u8(out, m->field);
	put_field(out, m, span_str(a->why));
	put_u8(out, '\r');
}

enum err ack_write(const struct hl7 *m, const char *msa1, const struct ack *a, int64_t now_us, struct span id,
		   struct put *out)
{
	static const struct span nobody = SPAN_LIT("MSH|^~\\&|||||||||P|2.6");
	struct hl7_segment msh;
	struct hl7 own;
	bool old;

	if (!m) {
		must(hl7_head(nobody, &own) == OK);
		m = &own;
	}
	msh = hl7_find(m, "MSH");
	old = before_err(hl7_get(m, msh, 12, 1));
	put_msh(out, m, msh, now_us, id);
	put_str(out, "MSA");
	put_field(out, m, span_str(msa1));
	put_field(out, m, hl7_get(m, msh, 10, 0));
	if (a->code != ACK_ACCEPT && old)
		put_field(out, m, span_str(a->why));
	put_u8(out, '\r');
	if (a->code != ACK_ACCEPT && !old)
		put_err(out, m, a);
	return put_end(out);
}
