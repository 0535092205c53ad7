#include "fhir.h"

#define HL7 "http://terminology.hl7.org/CodeSystem/"
#define DCM "http://dicom.nema.org/resources/ontology/DCM"

/* Our own words. Strangers' go through mapped_percent(), which leaves nothing to escape. */
static void put_text(struct put *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			put_u8(out, '\\');
		put_u8(out, (uint8_t)*text < 0x20 || (uint8_t)*text >= 0x7f ? ' ' : (uint8_t)*text);
	}
}

static const char *system_of(const struct mapped_code *c)
{
	return strcmp(c->system, "DCM") == 0 ? DCM : strcmp(c->system, MAPPED_ACT_REASON) == 0 ? HL7 "v3-ActReason" : c->system;
}

static void put_coding(struct put *out, const struct mapped_code *c)
{
	put_fmt(out, "{\"system\":\"%s\",\"code\":\"%s\",\"display\":\"", system_of(c), c->code);
	put_text(out, c->text);
	put_str(out, "\"}");
}

static void put_event(struct put *out, const struct mapped *m)
{
	char at[MAPPED_TIME];

	put_str(out, "\"type\":");
	put_coding(out, m->event);
	put_str(out, ",\"subtype\":[");
	if (m->type) {
		put_coding(out, m->type);
		put_u8(out, ',');
	}
	put_coding(out, m->ours);
	mapped_time(m->at_us, at);
	put_fmt(out, "],\"action\":\"%c\",\"recorded\":\"%s\",\"outcome\":\"%d\"", m->action, at, m->outcome);
	if (*m->why) {
		put_str(out, ",\"outcomeDesc\":\"");
		put_text(out, m->why);
		put_u8(out, '"');
	}
	if (m->purpose) {
		put_str(out, ",\"purposeOfEvent\":[{\"coding\":[");
		put_coding(out, m->purpose);
		put_str(out, "]}]");
	}
}

static void put_who(struct put *out, struct span id, bool requestor)
{
	put_str(out, "\"who\":{\"identifier\":{\"value\":\"");
	mapped_percent(out, id);
	put_fmt(out, "\"}},\"requestor\":%s", requestor ? "true" : "false");
}

static void put_network(struct put *out, struct span address)
{
	if (address.n == 0)
		return;
	put_str(out, ",\"network\":{\"address\":\"");
	mapped_percent(out, address);
	put_str(out, "\",\"type\":\"2\"}");
}

static void put_person(struct put *out, struct span id, bool requestor)
{
	put_str(out, "{\"type\":{\"coding\":[{\"system\":\"" HL7 "v3-ParticipationType\",\"code\":\"IRCP\"}]},");
	put_who(out, id, requestor);
	put_u8(out, '}');
}

/* A person at a terminal is two agents: the terminal's client, by which the data went, and the person. */
static void put_agent(struct put *out, const struct mapped_agent *a)
{
	bool apart = a->person && a->client.n;

	if (a->person && !apart && !a->role && a->address.n == 0) {
		put_person(out, a->id, a->requestor);
		return;
	}
	put_u8(out, '{');
	if (a->role) {
		put_str(out, "\"type\":{\"coding\":[");
		put_coding(out, a->role);
		put_str(out, "]},");
	}
	put_who(out, apart ? a->client : a->id, a->requestor && !apart);
	if (!apart && a->client.n) {
		put_str(out, ",\"altId\":\"");
		mapped_percent(out, a->client);
		put_u8(out, '"');
	}
	put_network(out, a->address);
	put_u8(out, '}');
	if (apart) {
		put_u8(out, ',');
		put_person(out, a->id, a->requestor);
	}
}

static void put_detail(struct put *out, const struct mapped_detail *d)
{
	put_fmt(out, "{\"type\":\"%s\",", d->type);
	put_str(out, d->bytes.n ? "\"valueBase64Binary\":\"" : "\"valueString\":\"");
	if (d->bytes.n)
		put_base64(out, d->bytes);
	else
		put_text(out, d->text);
	put_str(out, "\"}");
}

static void put_number(struct put *out, const char *key, const char *system, unsigned n)
{
	put_fmt(out, ",\"%s\":{\"system\":\"" HL7 "%s\",\"code\":\"%u\"}", key, system, n);
}

static void put_entity(struct put *out, const struct mapped *m, const struct mapped_object *o)
{
	bool uri = *o->id_scheme || o->id_type->code[1] == '2';

	put_fmt(out, "{\"what\":{\"identifier\":{%s\"value\":\"%s", uri ? "\"system\":\"urn:ietf:rfc:3986\"," : "", o->id_scheme);
	if (o->with_host) {
		mapped_percent(out, span_str(m->source->host));
		put_u8(out, '/');
	}
	mapped_percent(out, o->id);
	put_str(out, "\"}}");
	put_number(out, "type", "audit-entity-type", o->type);
	put_number(out, "role", "object-role", o->role);
	if (o->life)
		put_number(out, "lifecycle", "dicom-audit-lifecycle", o->life);
	if (o->name) {
		put_str(out, ",\"name\":\"");
		put_text(out, o->name);
		put_u8(out, '"');
	} else if (o->query) {
		put_str(out, ",\"query\":\"");
		put_base64(out, o->id);
		put_u8(out, '"');
	}
	for (size_t i = 0; i < o->details; i++) {
		put_str(out, i ? "," : ",\"detail\":[");
		put_detail(out, &o->detail[i]);
	}
	put_str(out, o->details ? "]}" : "}");
}

void fhir_write(const struct mapped *m, struct put *out)
{
	put_str(out, "{\"resourceType\":\"AuditEvent\",");
	put_event(out, m);
	for (size_t i = 0; i < m->agents; i++) {
		put_str(out, i ? "," : ",\"agent\":[");
		put_agent(out, &m->agent[i]);
	}
	put_str(out, "],\"source\":{\"site\":\"");
	mapped_percent(out, span_str(m->source->host));
	put_str(out, "\",\"observer\":{\"identifier\":{\"value\":\"");
	mapped_percent(out, span_str(m->source->origin));
	put_str(out, "\"}},\"type\":[{\"system\":\"" HL7 "security-source-type\",\"code\":\"4\"}]}");
	for (size_t i = 0; i < m->objects; i++) {
		put_str(out, i ? "," : ",\"entity\":[");
		put_entity(out, m, &m->object[i]);
	}
	put_str(out, "]}");
}
