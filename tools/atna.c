#include "atna.h"

/* Our own words: a blank for what XML cannot carry. Strangers' go through mapped_percent(), which leaves nothing to escape. */
static void put_text(struct put *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<': put_str(out, "&lt;"); break;
		case '>': put_str(out, "&gt;"); break;
		case '&': put_str(out, "&amp;"); break;
		case '"': put_str(out, "&quot;"); break;
		default: put_u8(out, (uint8_t)*text < 0x20 || (uint8_t)*text >= 0x7f ? ' ' : (uint8_t)*text);
		}
}

static void put_code(struct put *out, const char *element, const struct mapped_code *c)
{
	if (!c)
		return;
	put_fmt(out, "<%s csd-code=\"%s\" codeSystemName=\"%s\" originalText=\"", element, c->code, c->system);
	put_text(out, c->text);
	put_str(out, "\"/>");
}

static void put_event(struct put *out, const struct mapped *m)
{
	char at[MAPPED_TIME];

	mapped_time(m->at_us, at);
	put_fmt(out, "<EventIdentification EventActionCode=\"%c\" EventDateTime=\"%s\" EventOutcomeIndicator=\"%d\">", m->action,
		at, m->outcome);
	put_code(out, "EventID", m->event);
	put_code(out, "EventTypeCode", m->type);
	put_code(out, "EventTypeCode", m->ours);
	if (*m->why) {
		put_str(out, "<EventOutcomeDescription>");
		put_text(out, m->why);
		put_str(out, "</EventOutcomeDescription>");
	}
	put_code(out, "PurposeOfUse", m->purpose);
	put_str(out, "</EventIdentification>");
}

static void put_agent(struct put *out, const struct mapped_agent *a)
{
	put_str(out, "<ActiveParticipant UserID=\"");
	mapped_percent(out, a->id);
	if (a->client.n) {
		put_str(out, "\" AlternativeUserID=\"");
		mapped_percent(out, a->client);
	}
	put_fmt(out, "\" UserIsRequestor=\"%s\"", a->requestor ? "true" : "false");
	if (a->address.n) {
		put_str(out, " NetworkAccessPointID=\"");
		mapped_percent(out, a->address);
		put_str(out, "\" NetworkAccessPointTypeCode=\"2\"");
	}
	put_str(out, a->role ? ">" : "/>");
	if (a->role) {
		put_code(out, "RoleIDCode", a->role);
		put_str(out, "</ActiveParticipant>");
	}
}

static void put_detail(struct put *out, const struct mapped_detail *d)
{
	put_fmt(out, "<ParticipantObjectDetail type=\"%s\" value=\"", d->type);
	put_base64(out, d->bytes.n ? d->bytes : span_str(d->text));
	put_str(out, "\"/>");
}

static void put_object(struct put *out, const struct mapped *m, const struct mapped_object *o)
{
	put_fmt(out, "<ParticipantObjectIdentification ParticipantObjectID=\"%s", o->id_scheme);
	if (o->with_host) {
		mapped_percent(out, span_str(m->source->host));
		put_u8(out, '/');
	}
	mapped_percent(out, o->id);
	put_fmt(out, "\" ParticipantObjectTypeCode=\"%u\" ParticipantObjectTypeCodeRole=\"%u\"", o->type, o->role);
	if (o->life)
		put_fmt(out, " ParticipantObjectDataLifeCycle=\"%u\"", o->life);
	put_str(out, ">");
	put_code(out, "ParticipantObjectIDTypeCode", o->id_type);
	if (o->name) {
		put_str(out, "<ParticipantObjectName>");
		put_text(out, o->name);
		put_str(out, "</ParticipantObjectName>");
	} else if (o->query) {
		put_str(out, "<ParticipantObjectQuery>");
		put_base64(out, o->id);
		put_str(out, "</ParticipantObjectQuery>");
	}
	for (size_t i = 0; i < o->details; i++)
		put_detail(out, &o->detail[i]);
	put_str(out, "</ParticipantObjectIdentification>");
}

void atna_write(const struct mapped *m, struct put *out)
{
	put_str(out, "<AuditMessage>");
	put_event(out, m);
	for (size_t i = 0; i < m->agents; i++)
		put_agent(out, &m->agent[i]);
	put_str(out, "<AuditSourceIdentification AuditEnterpriseSiteID=\"");
	mapped_percent(out, span_str(m->source->host));
	put_str(out, "\" AuditSourceID=\"");
	mapped_percent(out, span_str(m->source->origin));
	put_str(out, "\"><AuditSourceTypeCode csd-code=\"4\" codeSystemName=\"RFC-3881\" originalText=\"Application Server Process\"/>"
		"</AuditSourceIdentification>");
	for (size_t i = 0; i < m->objects; i++)
		put_object(out, m, &m->object[i]);
	put_str(out, "</AuditMessage>");
}
