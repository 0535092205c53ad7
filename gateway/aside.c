#include "aside.h"

#include <time.h>

#include "local_json.h"

/* What a PUBACK's reason means, "not authorised". */
static const char *reason_text(unsigned reason)
{
	static const struct { unsigned reason; const char *text; } rows[] = {   /* MQTT 5 §3.4.2.1 */
		{ 0x83, "implementation specific error" }, { 0x87, "not authorised" }, { 0x90, "topic name invalid" },
		{ 0x95, "packet too large" }, { 0x97, "quota exceeded" }, { 0x99, "payload format invalid" },
	};

	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].reason == reason)
			return rows[i].text;
	return reason ? "refused" : "not known";   /* an earlier version did not keep it */
}

struct printing {
	FILE *to;
	bool json;
	unsigned n;
};

static void print_text(FILE *to, const struct outbox_message *m)
{
	time_t at = (time_t)outbox_made_s(m->order, &m->id);
	char id[ID_TEXT], when[32] = "";
	struct tm tm;

	id_text(&m->id, id);
	if (gmtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(to, "%s  %s  %.*s  0x%02x %s  from %.*s\n", when, id, (int)m->topic.n, (const char *)m->topic.p, m->reason,
		reason_text(m->reason), (int)m->input.n, (const char *)m->input.p);
}

static void print_json(FILE *to, const struct outbox_message *m)
{
	static char room[LOCAL_LINE_MAX];
	const struct local_kept k = {
		m->id, id_order_ms(m->order ? m->order : id_order(&m->id)), m->reason, reason_text(m->reason), m->topic, m->input,
		m->source, m->source_id,
	};
	struct put line = put((uint8_t *)room, sizeof(room));

	if (local_write_kept(&k, &line) == OK)
		fwrite(room, 1, line.n, to);
}

static void print_one(void *ctx, const struct outbox_message *m)
{
	struct printing *p = ctx;

	p->n++;
	(p->json ? print_json : print_text)(p->to, m);
}

enum err aside_print(const struct outbox_spec *spec, bool json, FILE *to, unsigned *n)
{
	struct printing p = { to, json, 0 };

	TRY(outbox_each_aside(spec, print_one, &p));
	*n = p.n;
	return OK;
}
