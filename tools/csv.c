#include "csv.h"

#include "delta.h"
#include "event.h"
#include "mapped.h"

#define RECIPIENTS_BYTES_MAX 49152   /* AUDITED_BYTES_MAX: the packed event is no larger */

static void field(struct csv *c)
{
	if (c->begun)
		put_u8(c->out, ',');
	c->begun = true;
}

static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f || strchr(",\"", s.p[i]))
			return false;
	return true;
}

void csv_text(struct csv *c, struct span s)
{
	bool quote = !is_plain(s);

	field(c);
	if (quote)
		put_u8(c->out, '"');
	if (s.n && strchr("=+-@", s.p[0]) && s.p[0])
		put_u8(c->out, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			put_fmt(c->out, "\\x%02x", s.p[i]);
		else
			put_u8(c->out, s.p[i]);
		if (s.p[i] == '"')
			put_u8(c->out, '"');
	}
	if (quote)
		put_u8(c->out, '"');
}

void csv_number(struct csv *c, unsigned long long n)
{
	field(c);
	put_fmt(c->out, "%llu", n);
}

void csv_end(struct csv *c)
{
	put_str(c->out, "\r\n");
	c->begun = false;
}

/* ---- an event ---- */

static const char *const names[] = {
	"index", "time", "until", "event", "outcome", "party", "actor", "client", "address", "topic", "message", "patient",
	"policy", "line", "why", "qos", "retain", "life_critical", "count", "last", "digest", "detail", "change", "by", "claimed",
	"certificate", "basis", "emergency", "recipients",
};

void csv_event_head(struct put *out)
{
	struct csv c = { .out = out };

	for (size_t i = 0; i < countof(names); i++)
		csv_text(&c, span_str(names[i]));
	csv_end(&c);
}

static void time_field(struct csv *c, uint64_t us)
{
	char text[MAPPED_TIME] = "";

	if (us)
		mapped_time((int64_t)us, text);
	csv_text(c, span_str(text));
}

static void hex_field(struct csv *c, const ProtobufCBinaryData *b)
{
	char text[65] = "";

	if (b->len <= 32)
		hex_encode(span(b->data, b->len), text);
	csv_text(c, span_str(text));
}

/* "ana (ana.t1, live); bea (bea.t2)" */
static void recipients_field(struct csv *c, const Pullcord__V1__AuditEvent *e)
{
	char buf[RECIPIENTS_BYTES_MAX];
	struct put list = put(buf, sizeof(buf));

	for (size_t i = 0; i < e->n_recipient; i++)
		put_fmt(&list, "%s%s (%s%s%s)", i ? "; " : "", e->recipient[i]->actor, e->recipient[i]->client,
			*event_how(e->recipient[i]) ? ", " : "", event_how(e->recipient[i]));
	csv_text(c, put_span(&list));
}

/* "-role nurse; +role clerk" */
static void change_field(struct csv *c, const Pullcord__V1__AuditEvent *e)
{
	struct span left = span_str(e->change), line;
	char buf[2 * DELTA_MAX];
	struct put list = put(buf, sizeof(buf));

	while (delta_next(&left, &line))
		put_fmt(&list, "%s%.*s", list.n ? "; " : "", SPAN_FMT(line));
	csv_text(c, put_span(&list));
}

void csv_event(struct put *out, uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	struct csv c = { .out = out };

	csv_number(&c, index);
	time_field(&c, e->at_us);
	time_field(&c, e->until_us);
	csv_text(&c, span_str(event_type(e)));
	csv_text(&c, span_str(event_outcome(e)));
	csv_text(&c, span_str(event_party(e)));
	csv_text(&c, span_str(e->actor));
	csv_text(&c, span_str(e->client));
	csv_text(&c, span_str(e->address));
	csv_text(&c, span_str(e->topic));
	hex_field(&c, &e->message);
	hex_field(&c, &e->patient);
	hex_field(&c, &e->policy);
	csv_number(&c, e->line);
	csv_text(&c, span_str(event_why(e)));
	csv_number(&c, e->qos);
	csv_text(&c, span_str(e->retain ? "true" : "false"));
	csv_text(&c, span_str(e->life_critical ? "true" : "false"));
	csv_number(&c, e->count ? e->count : 1);
	hex_field(&c, &e->last);
	hex_field(&c, &e->digest);
	csv_text(&c, span_str(e->detail));
	change_field(&c, e);
	csv_text(&c, span_str(e->by));
	csv_text(&c, span_str(e->claimed));
	hex_field(&c, &e->certificate);
	csv_text(&c, span_str(event_basis(e)));
	time_field(&c, (uint64_t)event_emergency_us(e));
	recipients_field(&c, e);
	csv_end(&c);
}
