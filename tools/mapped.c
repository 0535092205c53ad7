#include "mapped.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "cur.h"
#include "emergency.h"
#include "event.h"
#include "pullcord.pb-c.h"

/* ---- codes: DICOM PS3.16 CID 400 and following ---- */

#define DCM(c, t) &(const struct mapped_code){ c, "DCM", t }
#define OURS(c, t) &(const struct mapped_code){ c, MAPPED_OURS, t }
#define MAPPED_OURS "urn:pullcord:audit"

#define ACTIVITY DCM("110100", "Application Activity")
#define EXPORT DCM("110106", "Export")
#define LOG_USED DCM("110101", "Audit Log Used")
#define IMPORT DCM("110107", "Import")
#define QUERY DCM("110112", "Query")
#define ALERT DCM("110113", "Security Alert")
#define AUTHENTICATION DCM("110114", "User Authentication")

#define START DCM("110120", "Application Start")
#define STOP DCM("110121", "Application Stop")
#define LOGIN DCM("110122", "Login")
#define LOGOUT DCM("110123", "Logout")
#define SECURITY_CONFIGURATION DCM("110129", "Security Configuration")
#define SOFTWARE_CONFIGURATION DCM("110131", "Software Configuration")
#define RESTRICTED DCM("110132", "Use of Restricted Function")
#define RECORDING_STOPPED DCM("110133", "Audit Recording Stopped")
#define EMERGENCY DCM("110127", "Emergency Override Started")
#define EMERGENCY_OVER DCM("110138", "Emergency Override Stopped")
#define OBJECT_ATTRIBUTES DCM("110135", "Object Security Attributes Changed")
#define ROLES DCM("110136", "Security Roles Changed")
#define USER_ATTRIBUTES DCM("110137", "User Security Attributes Changed")
#define REMOTE_STARTED DCM("110139", "Remote Service Operation Started")
#define REMOTE_STOPPED DCM("110140", "Remote Service Operation Stopped")

static const struct mapped_code application = { "110150", "DCM", "Application" };
static const struct mapped_code destination = { "110152", "DCM", "Destination Role ID" };
static const struct mapped_code source_role = { "110153", "DCM", "Source Role ID" };

/* HL7 v3 ActReason. */
static const struct mapped_code break_glass = { "BTG", MAPPED_ACT_REASON, "break the glass" };

static const struct mapped_code id_patient = { "2", "RFC-3881", "Patient Number" };
static const struct mapped_code id_search = { "10", "RFC-3881", "Search Criteria" };
static const struct mapped_code id_user = { "11", "RFC-3881", "User Identifier" };
static const struct mapped_code id_uri = { "12", "RFC-3881", "URI" };

/* Which way the data goes; AWAY: who asked takes it from us. */
enum flow { FLOW_NONE, FLOW_IN, FLOW_OUT, FLOW_AWAY };

enum about { ABOUT_NOTHING, ABOUT_TOPIC, ABOUT_FILTER, ABOUT_ACCOUNT, ABOUT_PERMISSION };

struct row {
	const struct mapped_code *event, *type, *ours;
	char action;
	enum flow flow;
	enum about about;
	int outcome;                    /* when it came to pass */
};

#define T(name) [PULLCORD__V1__AUDIT_TYPE__AUDIT_##name]
static const struct row rows[] = {
	T(NONE) = { ACTIVITY, NULL, OURS("other", "Other"), 'E', FLOW_NONE, ABOUT_TOPIC, 0 },
	T(START) = { ACTIVITY, START, OURS("start", "Plugin started"), 'E', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(STOP) = { ACTIVITY, STOP, OURS("stop", "Plugin stopped"), 'E', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(LOGIN) = { AUTHENTICATION, LOGIN, OURS("login", "Login"), 'E', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(REAUTH) = { AUTHENTICATION, LOGIN, OURS("reauth", "Session recognised again"), 'E', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(LOGOFF) = { AUTHENTICATION, LOGOUT, OURS("logoff", "Connection ended"), 'E', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(TAKEOVER) = { ALERT, RESTRICTED, OURS("takeover", "Client id of somebody else"), 'E', FLOW_NONE, ABOUT_NOTHING, 4 },
	T(SUBSCRIBE) = { QUERY, NULL, OURS("mqtt-subscribe", "Subscribe"), 'E', FLOW_IN, ABOUT_FILTER, 0 },
	T(UNSUBSCRIBE) = { QUERY, NULL, OURS("mqtt-unsubscribe", "Unsubscribe"), 'E', FLOW_IN, ABOUT_FILTER, 0 },
	T(PUBLISH) = { IMPORT, NULL, OURS("mqtt-publish", "Publish"), 'C', FLOW_IN, ABOUT_TOPIC, 0 },
	T(WILL) = { IMPORT, NULL, OURS("mqtt-will", "Will of a broken connection"), 'C', FLOW_IN, ABOUT_TOPIC, 0 },
	T(DELIVER) = { EXPORT, NULL, OURS("mqtt-deliver", "Deliver"), 'R', FLOW_OUT, ABOUT_TOPIC, 0 },
	T(POLICY) = { ALERT, SECURITY_CONFIGURATION, OURS("policy", "Policy loaded"), 'E', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(DIRECTORY) = { ALERT, USER_ATTRIBUTES, OURS("directory", "Account changed"), 'E', FLOW_NONE, ABOUT_ACCOUNT, 0 },
	T(KICK) = { AUTHENTICATION, LOGOUT, OURS("kick", "Session ended by the broker"), 'E', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(CONFIGURATION) = { ALERT, SOFTWARE_CONFIGURATION, OURS("configuration", "Forbidden option of the broker"), 'E',
			     FLOW_NONE, ABOUT_TOPIC, 8 },
	T(GAP) = { ALERT, RECORDING_STOPPED, OURS("gap", "Events that were not written"), 'E', FLOW_NONE, ABOUT_NOTHING, 12 },
	T(STORED) = { IMPORT, NULL, OURS("mqtt-stored", "Kept durably"), 'C', FLOW_IN, ABOUT_TOPIC, 0 },
	T(CLOCK) = { ALERT, NULL, OURS("clock", "Clock was set"), 'E', FLOW_NONE, ABOUT_NOTHING, 4 },
	T(LOCKOUT) = { ALERT, RESTRICTED, OURS("lockout", "Not heard for a while after wrong passwords"), 'E', FLOW_NONE,
		       ABOUT_NOTHING, 8 },
	T(ANOMALY) = { ALERT, NULL, OURS("anomaly", "Operators were told of something odd"), 'E', FLOW_NONE, ABOUT_NOTHING, 4 },
	T(SHADOW) = { ACTIVITY, NULL, OURS("policy-trial", "A policy on trial would decide otherwise"), 'E', FLOW_NONE,
		      ABOUT_TOPIC, 0 },
	T(ORDER) = { ALERT, REMOTE_STARTED, OURS("order", "Order to a device"), 'E', FLOW_NONE, ABOUT_TOPIC, 0 },
	T(RECEIPT) = { ALERT, REMOTE_STOPPED, OURS("receipt", "What became of an order to a device"), 'E', FLOW_NONE, ABOUT_TOPIC, 0 },
	T(READ) = { LOG_USED, NULL, OURS("read", "Record read"), 'R', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(REQUEST) = { ALERT, SECURITY_CONFIGURATION, OURS("request", "Administrator's command, before it is carried out"), 'E',
		       FLOW_NONE, ABOUT_PERMISSION, 0 },
	T(BREAKGLASS_END) = { ALERT, EMERGENCY_OVER, OURS("emergency-end", "Emergency access ended"), 'E', FLOW_NONE, ABOUT_NOTHING, 0 },
	T(ADMIN) = { ALERT, SECURITY_CONFIGURATION, OURS("admin", "Administrator's command"), 'E', FLOW_NONE, ABOUT_PERMISSION, 0 },
};
/* A refusal is an alert of its own, whatever was refused; but failed logins stay logins. */
static const struct row refused = {
	ALERT, RESTRICTED, OURS("acl-deny", "Denied"), 'E', FLOW_NONE, ABOUT_TOPIC, 4,
};

static const struct row emergency = {
	ALERT, EMERGENCY, OURS("emergency", "Emergency access"), 'E', FLOW_NONE, ABOUT_PERMISSION, 0,
};

static const struct row exported = { EXPORT, NULL, OURS("export", "Record exported"), 'R', FLOW_AWAY, ABOUT_NOTHING, 0 };

/* What an administrator changed, by the permission it took; asking is changing nothing. */
static const struct {
	const char *permission;         /* what it begins with */
	struct row row;
} changes[] = {
#define CHANGE(permission, type, ours) { permission, { ALERT, type, ours, 'E', FLOW_NONE, ABOUT_PERMISSION, 0 } }
	CHANGE("role.", ROLES, OURS("admin", "Role granted or taken back")),
	CHANGE("user.", USER_ATTRIBUTES, OURS("admin", "Person changed")),
	CHANGE("device.", USER_ATTRIBUTES, OURS("admin", "Device changed")),
	CHANGE("account.wipe", USER_ATTRIBUTES, OURS("wipe", "Account wiped")),
	CHANGE("account.quarantine", USER_ATTRIBUTES, OURS("quarantine", "Account put in quarantine")),
	CHANGE("account.", USER_ATTRIBUTES, OURS("admin", "Account suspended, resumed, unlocked or released")),
	CHANGE("attribute.", USER_ATTRIBUTES, OURS("admin", "Attribute set or cleared")),
	CHANGE("team.", USER_ATTRIBUTES, OURS("admin", "Team changed")),
	CHANGE("certificate.", USER_ATTRIBUTES, OURS("admin", "Certificate revoked or allowed")),
	CHANGE("record.hold", OBJECT_ATTRIBUTES, OURS("hold", "Record held")),
	CHANGE("record.release", OBJECT_ATTRIBUTES, OURS("release", "Hold of the record ended")),
	CHANGE("record.erase", NULL, OURS("purge", "Record erased")),
	CHANGE("history.erase", NULL, OURS("purge", "History erased")),
#undef CHANGE
};

static bool begins(struct span text, const char *with)
{
	size_t n = strlen(with);

	return text.n >= n && memcmp(text.p, with, n) == 0;
}

static bool ends(struct span text, const char *with)
{
	size_t n = strlen(with);

	return text.n >= n && memcmp(text.p + text.n - n, with, n) == 0;
}

/* "mercy/control/role.grant" */
static const struct row *row_of_change(struct span topic)
{
	struct span permission, rest;

	(void)span_cut(topic, '/', &rest);
	(void)span_cut(rest, '/', &permission);
	if (ends(permission, ".get") || ends(permission, ".list"))
		return NULL;
	for (size_t i = 0; i < countof(changes); i++)
		if (begins(permission, changes[i].permission))
			return &changes[i].row;
	return NULL;
}

/* What goes out of the house's hands, as the tool says it (source_says()). */
static bool is_export(struct span what)
{
	return begins(what, "audit export ") || begins(what, "audit feed ") || begins(what, "audit disclose ");
}

static const struct row pending = {
	ACTIVITY, NULL, OURS("mqtt-queue", "Queued for somebody who is away"), 'E', FLOW_OUT, ABOUT_TOPIC, 0,
};

static const struct row *row_of(const Pullcord__V1__AuditEvent *e)
{
	size_t type = (size_t)e->type < countof(rows) && rows[e->type].event ? (size_t)e->type : 0;
	const struct row *change = e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN ? row_of_change(span_str(e->topic)) : NULL;

	if (e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN && e->outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED &&
	    begins(span_str(e->detail), EMERGENCY_WORD))
		return &emergency;
	if (change && e->outcome != PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED)
		return change;
	if (e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_READ && is_export(span_str(e->detail)))
		return &exported;
	if (event_is_pending(e) && e->outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED)
		return &pending;
	return e->outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED && rows[type].event->code[5] != '4' ? &refused :
	       &rows[type];
}

static int outcome_of(const Pullcord__V1__AuditEvent *e, const struct row *row)
{
	switch (e->outcome) {
	case PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED: return row == &refused && e->count > 1 ? 8 : 4;
	case PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED: return 8;
	default: return row->outcome;
	}
}

/* Of a delivery: for all of its recipients. */
static bool rests_on_emergency(const Pullcord__V1__AuditEvent *e)
{
	for (size_t i = 0; i < e->n_recipient; i++)
		if (!e->recipient[i]->emergency_us)
			return false;
	return event_emergency_us(e) > 0;
}

/* ---- who ---- */

static struct mapped_agent *add_agent(struct mapped *m, const char *id, const char *client, const char *address)
{
	struct mapped_agent *a = &m->agent[m->agents++];
	bool named = *id != '\0';

	must(m->agents <= MAPPED_AGENTS);
	*a = (struct mapped_agent){ .id = span_str(named ? id : client), .address = span_str(address) };
	if (a->id.n == 0)
		a->id = *address ? a->address : SPAN_LIT("unknown");
	if (named && *client && strcmp(id, client) != 0)
		a->client = span_str(client);
	return a;
}

static void add_broker(struct mapped *m, const struct mapped_code *role)
{
	add_agent(m, m->source->host, "", "")->role = role;
}

static void add_agents(struct mapped *m, const Pullcord__V1__AuditEvent *e, const struct row *row)
{
	const struct mapped_code *theirs = row->flow == FLOW_IN || row->flow == FLOW_AWAY ? &source_role
					 : row->flow == FLOW_OUT ? &destination : NULL;
	size_t from = (size_t)m->part * MAPPED_RECIPIENTS, to = from + MAPPED_RECIPIENTS;
	struct mapped_agent *a;

	add_broker(m, row->flow == FLOW_IN ? &destination : row->flow == FLOW_OUT ? &source_role : &application);
	if ((*e->actor || *e->client || *e->address) && row->about != ABOUT_ACCOUNT) {
		a = add_agent(m, e->actor, e->client, e->address);
		a->role = theirs;
		a->requestor = e->party != PULLCORD__V1__PARTY__PARTY_BROKER;
		a->person = e->party == PULLCORD__V1__PARTY__PARTY_USER;
	}
	if (*e->by)
		add_agent(m, e->by, "", "")->requestor = true;
	for (size_t i = from; i < to && i < e->n_recipient; i++) {
		a = add_agent(m, e->recipient[i]->actor, e->recipient[i]->client, "");
		a->role = &destination;
		a->requestor = a->person = a->client.n != 0;   /* a person's client id is the name and the terminal's */
	}
}

/* ---- about what ---- */

static struct mapped_object *add_object(struct mapped *m, const struct mapped_object *o)
{
	must(m->objects < MAPPED_OBJECTS);
	m->object[m->objects] = *o;
	return &m->object[m->objects++];
}

static void add_subject(struct mapped *m, const Pullcord__V1__AuditEvent *e)
{
	if (e->patient.len == 0 || 2 * e->patient.len >= sizeof(m->patient))
		return;
	hex_encode(span(e->patient.data, e->patient.len), m->patient);
	add_object(m, &(struct mapped_object){ .id_scheme = "urn:pullcord:patient:", .id = span_str(m->patient),
					       .id_type = &id_patient, .type = 1, .role = 1 });
}

static void add_topic(struct mapped *m, const Pullcord__V1__AuditEvent *e, const struct row *row)
{
	const struct mapped_object topic = {
		.id_scheme = "mqtts://", .with_host = true, .id = span_str(e->topic), .id_type = &id_uri, .type = 2,
		.role = row == &refused ? 13 : 3,
		.life = row->flow == FLOW_IN ? 2 : row->flow == FLOW_OUT ? (m->agents > 1 && m->agent[1].person ? 11 : 6) : 0,
		.name = row->ours->text,
	};
	const struct mapped_object filter = {
		.id_scheme = "", .id = span_str(e->topic), .id_type = &id_search, .type = 2, .role = 24, .query = true,
	};
	const struct mapped_object account = {
		.id_scheme = "", .id = span_str(e->actor), .id_type = &id_user, .type = 1, .role = 11, .name = "account",
	};
	const struct mapped_object permission = {
		.id_scheme = "urn:pullcord:permission:", .id = span_str(e->topic), .id_type = &id_uri, .type = 2, .role = 13,
		.name = "permission",
	};
	const struct mapped_object *o = row->about == ABOUT_TOPIC ? &topic : row->about == ABOUT_FILTER ? &filter :
					row->about == ABOUT_ACCOUNT ? &account : row->about == ABOUT_PERMISSION ? &permission :
					NULL;

	if (o && o->id.n)
		add_object(m, o);
}

static void detail_bytes(struct mapped_object *o, const char *type, const void *p, size_t n)
{
	if (n && o->details < MAPPED_DETAILS)
		o->detail[o->details++] = (struct mapped_detail){ .type = type, .bytes = span(p, n) };
}

static void detail_text(struct mapped_object *o, const char *type, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void detail_text(struct mapped_object *o, const char *type, const char *fmt, ...)
{
	struct mapped_detail *d = &o->detail[o->details];
	va_list args;

	if (o->details == MAPPED_DETAILS)
		return;
	*d = (struct mapped_detail){ .type = type };
	va_start(args, fmt);
	vsnprintf(d->text, sizeof(d->text), fmt, args);
	va_end(args);
	o->details++;
}

static void detail_hex(struct mapped_object *o, const char *type, const ProtobufCBinaryData *b)
{
	char hex[65];

	if (b->len == 0 || b->len > 32)
		return;
	hex_encode(span(b->data, b->len), hex);
	detail_text(o, type, "%s", hex);
}

static void add_count(struct mapped_object *o, const Pullcord__V1__AuditEvent *e)
{
	char until[MAPPED_TIME];

	if (e->count > 1 || e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP)
		detail_text(o, "count", "%llu", (unsigned long long)e->count);
	if (e->until_us) {
		mapped_time((int64_t)e->until_us, until);
		detail_text(o, "until", "%s", until);
	}
	detail_hex(o, "last-msg-id", &e->last);
	detail_hex(o, "digest", &e->digest);
}

/* What a policy on trial would have said; which is on trial. */
static void add_shadow(struct mapped_object *o, const Pullcord__V1__Shadow *s)
{
	if (!s)
		return;
	detail_hex(o, "trial-policy-version", &s->policy);
	if (s->access)
		detail_text(o, "trial-verdict", "%s", s->allow ? "allowed" : "denied");
}

/* "": not to all of them alike, or not known. */
static const char *how_alike(const Pullcord__V1__AuditEvent *e)
{
	for (size_t i = 1; i < e->n_recipient; i++)
		if (e->recipient[i]->how != e->recipient[0]->how)
			return "";
	return e->n_recipient ? event_how(e->recipient[0]) : "";
}

/* Where the evidence lies, and what else the entry says. */
static void add_entry(struct mapped *m, const Pullcord__V1__AuditEvent *e, const struct hash *leaf, uint32_t parts)
{
	struct mapped_object *o = add_object(m, &(struct mapped_object){
		.id_scheme = "", .id = span_str(m->urn), .id_type = &id_uri, .type = 2, .role = 13,
		.name = "Security Audit Log",
	});
	uint32_t line = e->n_recipient == 1 ? e->recipient[0]->line : e->line;
	const char *alike = how_alike(e);
	char taken[MAPPED_TIME];

	detail_text(o, "chain-seq", "%llu", (unsigned long long)m->index);
	detail_bytes(o, "chain-hash", leaf->b, sizeof(leaf->b));
	if (parts > 1)
		detail_text(o, "part", "%u/%u", m->part + 1, parts);
	detail_text(o, "event", "%s", event_type(e));
	detail_bytes(o, "topic", e->topic, strlen(e->topic));
	detail_hex(o, "msg-id", &e->message);
	detail_hex(o, "policy-version", &e->policy);
	if (line)
		detail_text(o, "policy-line", "%u", line);
	if (event_why(e))
		detail_text(o, "why", "%s", event_why(e));
	if (event_basis(e))
		detail_text(o, "basis", "%s", event_basis(e));
	if (e->n_recipient && *alike)
		detail_text(o, "how", "%s", alike);
	if (event_emergency_us(e)) {
		mapped_time(event_emergency_us(e), taken);
		detail_text(o, "emergency-access", "%s", taken);
	}
	if (e->life_critical)
		detail_text(o, "life-critical", "true");
	detail_bytes(o, "claimed", e->claimed, strlen(e->claimed));
	detail_hex(o, "certificate", &e->certificate);
	detail_bytes(o, "change", e->change, strlen(e->change));
	add_count(o, e);
	add_shadow(o, e->shadow);
}

/* ---- all of it ---- */

void mapped_source(struct span origin, struct mapped_source *out)
{
	struct span rest, host = span_cut(origin, '/', &rest);

	if (!span_text(origin, out->origin, sizeof(out->origin)))
		snprintf(out->origin, sizeof(out->origin), "unknown");
	if (host.n == 0 || !span_text(host, out->host, sizeof(out->host)))
		snprintf(out->host, sizeof(out->host), "unknown");
}

uint32_t mapped_parts(const Pullcord__V1__AuditEvent *e)
{
	return e->n_recipient <= MAPPED_RECIPIENTS ? 1 : (uint32_t)((e->n_recipient - 1) / MAPPED_RECIPIENTS + 1);
}

void mapped_make(const struct mapped_source *source, uint64_t index, const struct hash *leaf,
		 const Pullcord__V1__AuditEvent *e, uint32_t part, struct mapped *out)
{
	const struct row *row = row_of(e);

	out->source = source;
	out->index = index;
	out->part = part;
	out->at_us = (int64_t)e->at_us;
	out->action = row->action;
	out->outcome = outcome_of(e, row);
	out->why = *e->detail ? e->detail : event_why(e) ? event_why(e) : "";
	out->event = row->event;
	out->type = row->type;
	out->ours = row->ours;
	out->purpose = row == &emergency || rests_on_emergency(e) ? &break_glass : NULL;
	out->agents = out->objects = 0;
	snprintf(out->urn, sizeof(out->urn), "urn:pullcord:record:%s:%llu", source->origin, (unsigned long long)index);
	add_agents(out, e, row);
	add_subject(out, e);
	add_topic(out, e, row);
	add_entry(out, e, leaf, mapped_parts(e));
}

void mapped_time(int64_t us, char out[MAPPED_TIME])
{
	const int64_t last = 253402300799999999;
	time_t s = (time_t)((us < 0 ? 0 : us > last ? last : us) / 1000000);
	struct tm tm;

	must(gmtime_r(&s, &tm));
	snprintf(out, MAPPED_TIME, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(tm.tm_year + 1900) % 10000,
		 (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
		 (unsigned)((us < 0 ? 0 : us > last ? last : us) % 1000000));
}

void mapped_percent(struct put *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~/:$", c)))
			put_u8(out, c);
		else
			put_fmt(out, "%%%02X", c);
	}
}
