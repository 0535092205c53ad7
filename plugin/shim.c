/* shim: Mosquitto's calls in, verdicts out. The only file that knows the broker; nothing is decided here.
 * Plugin API 5, Mosquitto 2.0.11 and later; tried with 2.0.11, and by `make brokers` with those of later Debians. What the
 * broker does around these calls: mosquitto's source, and README. */
#include <limits.h>
#include <malloc.h>
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker_conf.h"
#include "forward.h"
#include "guard.h"
#include "identity.h"
#include "log.h"
#include "seal.h"

#define EXPORT __attribute__((visibility("default")))
#define TICK_MS 100     /* what 2.0 waits at most */

/* The broker calls these by name; its header declares them without our visibility. */
EXPORT int mosquitto_plugin_version(int n, const int *versions);
EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **data, struct mosquitto_opt *opt, int n);
EXPORT int mosquitto_plugin_cleanup(void *data, struct mosquitto_opt *opt, int n);

static mosquitto_plugin_id_t *plugin_id;
static char broker_conf[512];   /* plugin_opt_broker_conf, "" when not given */

static struct broker_files broker_files;   /* what its listeners read */

static void to_broker_log(enum log_level level, const char *line)
{
	static const int word[] = { MOSQ_LOG_DEBUG, MOSQ_LOG_NOTICE, MOSQ_LOG_WARNING, MOSQ_LOG_ERR, MOSQ_LOG_NOTICE };

	mosquitto_log_printf(word[level], "pullcord: %s", line);
}

/* ---- what the guard asks of the broker ---- */

static void host_kick(const char *client)
{
	mosquitto_kick_client_by_clientid(client, true);
}

static bool host_publish(const char *client, const char *topic, struct span payload, int qos, bool retain)
{
	return payload.n <= INT_MAX &&
	       mosquitto_broker_publish_copy(client, topic, (int)payload.n, payload.p, qos, retain, NULL) == MOSQ_ERR_SUCCESS;
}

static void host_answer(const char *client, const char *topic, struct span payload, struct span correlation)
{
	mosquitto_property *props = NULL;

	/* The broker takes them over. Without memory the answer comes unmarked, which its asker will not take for theirs. */
	if (correlation.n)
		(void)mosquitto_property_add_binary(&props, MQTT_PROP_CORRELATION_DATA, correlation.p, (uint16_t)correlation.n);
	if (mosquitto_broker_publish_copy(client, topic, (int)payload.n, payload.p, 1, false, props) != MOSQ_ERR_SUCCESS)
		mosquitto_property_free_all(&props);
}

static int host_subscriptions(const void *context)
{
	return mosquitto_client_sub_count(context);
}

static bool host_is_certified(const void *context)
{
	void *x509 = mosquitto_client_certificate(context);

	if (x509)
		identity_release(x509);
	return x509 != NULL;
}

/* ---- what the broker asks of the guard ---- */

static struct client client_of(const struct mosquitto *m, const char *username)
{
	return (struct client){ m, mosquitto_client_id(m), mosquitto_client_address(m), username,
				mosquitto_client_protocol_version(m), mosquitto_client_keepalive(m),
				mosquitto_client_clean_session(m), mosquitto_client_protocol(m) == mp_websockets };
}

static int on_basic_auth(int event, void *event_data, void *data)
{
	static const int verdict[] = {
		[GATE_DENY] = MOSQ_ERR_AUTH,
		[GATE_ALLOW] = MOSQ_ERR_SUCCESS,
		[GATE_CLOSE] = MOSQ_ERR_UNKNOWN,   /* ends the connection without CONNACK */
	};
	struct mosquitto_evt_basic_auth *ed = event_data;
	struct client c = client_of(ed->client, ed->username);
	void *x509 = mosquitto_client_certificate(ed->client);
	const char *username = NULL;
	enum gate answer = guard_login(data, &c, x509, ed->password, &username);

	(void)event;
	if (x509)
		identity_release(x509);
	/* It frees ed->username; ours lives in the session. */
	if (answer == GATE_ALLOW && username && mosquitto_set_username(ed->client, username) != MOSQ_ERR_SUCCESS)
		answer = GATE_CLOSE;
	return verdict[answer];
}

/* Kept apart, so that the others do not carry its weight. */
static __attribute__((noinline)) int answer(struct guard *g, const struct mosquitto_evt_acl_check *ed)
{
	/* A delivery knows only yes and no: any other code loses it silently. */
	static const int verdict[] = {
		[GATE_DENY] = MOSQ_ERR_ACL_DENIED,
		[GATE_ALLOW] = MOSQ_ERR_SUCCESS,
		[GATE_CLOSE] = MOSQ_ERR_UNKNOWN,
	};
	const struct publish p = { span(ed->payload, ed->payload ? ed->payloadlen : 0), ed->qos, ed->retain };
	struct client c = { .context = ed->client, .client = mosquitto_client_id(ed->client) };

	if (ed->access == MOSQ_ACL_READ && guard_passes(g, c.context, c.client, ed->topic, &p))
		return MOSQ_ERR_SUCCESS;
	c.address = mosquitto_client_address(ed->client);
	c.username = mosquitto_client_username(ed->client);
	switch (ed->access) {
	case MOSQ_ACL_READ:
		return guard_receive(g, &c, ed->topic, &p) == GATE_ALLOW ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
	case MOSQ_ACL_WRITE: return verdict[guard_publish(g, &c, ed->topic, &p)];
	case MOSQ_ACL_SUBSCRIBE: return verdict[guard_subscribe(g, &c, ed->topic, ed->qos)];
	case MOSQ_ACL_UNSUBSCRIBE: return verdict[guard_unsubscribe(g, &c, ed->topic)];
	default: return MOSQ_ERR_ACL_DENIED;
	}
}

static int on_acl_check(int event, void *event_data, void *data)
{
	const struct mosquitto_evt_acl_check *ed = event_data;

	(void)event;
	if (ed->access == MOSQ_ACL_READ && guard_passes_unseen(data, ed->client, mosquitto_client_id(ed->client), ed->topic))
		return MOSQ_ERR_SUCCESS;        /* most questions by far */
	return answer(data, ed);
}

/* ---- what travels beside a payload ---- */

/* What gives back what a property was read into: from 2.1 on the broker counts it among its own memory. */
static void (*release)(void *) = free;

/* `response`: the caller's to free. */
static struct extras extras_of(const mosquitto_property *from, char **response)
{
	struct extras x = { .users = 0 };

	for (const mosquitto_property *p = from; p && x.users <= EXTRAS_USERS_MAX; p = mosquitto_property_next(p)) {
		int id = mosquitto_property_identifier(p);
		char *name = NULL, *value = NULL;
		void *data = NULL;
		uint16_t n = 0;

		if (id == MQTT_PROP_RESPONSE_TOPIC && !*response)
			(void)mosquitto_property_read_string(p, id, response, false);
		else if (id == MQTT_PROP_CONTENT_TYPE)
			(void)mosquitto_property_read_string(p, id, &value, false);
		else if (id == MQTT_PROP_CORRELATION_DATA)
			(void)mosquitto_property_read_binary(p, id, &data, &n, false);
		else if (id == MQTT_PROP_USER_PROPERTY)
			(void)mosquitto_property_read_string_pair(p, id, &name, &value, false);
		x.users += id == MQTT_PROP_USER_PROPERTY;
		x.bytes += n + (name ? strlen(name) : 0) + (value ? strlen(value) : 0);
		release(name);
		release(value);
		release(data);
	}
	x.response = *response;
	return x;
}

/* One property more for a list; false: there is no memory. */
static bool keep_property(mosquitto_property **to, const mosquitto_property *p)
{
	const int id = mosquitto_property_identifier(p);
	char *name = NULL, *value = NULL;
	void *data = NULL;
	uint16_t n = 0;
	uint8_t byte;
	int rc = MOSQ_ERR_NOMEM;

	if (id == MQTT_PROP_USER_PROPERTY && mosquitto_property_read_string_pair(p, id, &name, &value, false))
		rc = mosquitto_property_add_string_pair(to, id, name, value);
	else if (id == MQTT_PROP_CORRELATION_DATA && mosquitto_property_read_binary(p, id, &data, &n, false))
		rc = mosquitto_property_add_binary(to, id, data, n);
	else if (id == MQTT_PROP_PAYLOAD_FORMAT_INDICATOR && mosquitto_property_read_byte(p, id, &byte, false))
		rc = mosquitto_property_add_byte(to, id, byte);
	else if (mosquitto_property_read_string(p, id, &value, false))
		rc = mosquitto_property_add_string(to, id, value);
	release(name);
	release(value);
	release(data);
	return rc == MOSQ_ERR_SUCCESS;
}

static bool goes_off(unsigned off, int id)
{
	return off & EXTRA_ALL || (off & EXTRA_RESPONSE && (id == MQTT_PROP_RESPONSE_TOPIC || id == MQTT_PROP_CORRELATION_DATA));
}

/* Whose a list is that a plugin put another in the place of, brokers see differently: 2.0.11 forgets it, 2.0.15 and later free
 * it. So its head stays in its place, and what is in it changes places with what is in the other's. Both were allocated by the
 * broker, as all properties are: alone, and of one size. */
static void exchange(mosquitto_property *a, mosquitto_property *b)
{
	const size_t n = malloc_usable_size(a), m = malloc_usable_size(b);
	char *p = (char *)a, *q = (char *)b, byte;

	for (size_t i = 0; i < n && i < m; i++) {
		byte = p[i];
		p[i] = q[i];
		q[i] = byte;
	}
}

/* Without memory all of them go: the message is worth more. For none of them stands one that says nothing (MQTT 5 §3.3.2.3.2:
 * 0 is as if it were not there). */
static void take_off(mosquitto_property **from, unsigned off)
{
	mosquitto_property *kept = NULL;

	for (const mosquitto_property *p = *from; p; p = mosquitto_property_next(p))
		if (!goes_off(off, mosquitto_property_identifier(p)) && !keep_property(&kept, p)) {
			mosquitto_property_free_all(&kept);
			break;
		}
	if (!kept && mosquitto_property_add_byte(&kept, MQTT_PROP_PAYLOAD_FORMAT_INDICATOR, 0) != MOSQ_ERR_SUCCESS) {
		*from = NULL;
		return;
	}
	exchange(*from, kept);
	mosquitto_property_free_all(&kept);
}

static __attribute__((noinline)) void look_at_extras(struct guard *g, struct mosquitto_evt_message *ed)
{
	struct client c = client_of(ed->client, mosquitto_client_username(ed->client));
	char *response = NULL;
	struct extras x = extras_of(ed->properties, &response);
	unsigned off;

	x.payload = ed->payloadlen;
	off = guard_extras(g, &c, ed->topic, &x);
	if (off)
		take_off(&ed->properties, off);
	release(response);
}

/* What reads properties some brokers keep from plugins (2.0.21 of Debian 13); then the client library's is found, which is to be
 * of the same version: what the broker makes must be read as it was meant. */
static bool properties_readable(void)
{
	mosquitto_property *p = NULL;
	struct extras x;
	char *response = NULL;
	bool good;

	good = mosquitto_property_add_string(&p, MQTT_PROP_RESPONSE_TOPIC, "a/b") == MOSQ_ERR_SUCCESS &&
	       mosquitto_property_add_binary(&p, MQTT_PROP_CORRELATION_DATA, "mark", 4) == MOSQ_ERR_SUCCESS &&
	       mosquitto_property_add_string_pair(&p, MQTT_PROP_USER_PROPERTY, "name", "value") == MOSQ_ERR_SUCCESS;
	if (good) {
		x = extras_of(p, &response);
		good = response && strcmp(response, "a/b") == 0 && x.users == 1 && x.bytes == strlen("mark" "name" "value");
	}
	release(response);
	mosquitto_property_free_all(&p);
	return good;
}

/* The broker asks so of each message it is about to pass on, but for wills, and for those to $CONTROL. */
static int on_message(int event, void *event_data, void *data)
{
	struct mosquitto_evt_message *ed = event_data;

	(void)event;
	if (ed->properties)
		look_at_extras(data, ed);
	return MOSQ_ERR_SUCCESS;
}

/* Always 0: anything else withholds a message that the broker holds to be on its way. */
static int on_message_out(int event, void *event_data, void *data)
{
	const struct mosquitto_evt_message *ed = event_data;
	const struct publish p = { span(ed->payload, ed->payload ? ed->payloadlen : 0), ed->qos, ed->retain };

	(void)event;
	guard_sent(data, ed->client, mosquitto_client_id(ed->client), ed->topic, &p);
	return MOSQ_ERR_SUCCESS;
}

/* Always 0: anything else ends the connection; what is wrong is said in the response. */
static int on_control(int event, void *event_data, void *data)
{
	struct mosquitto_evt_control *ed = event_data;
	struct client c = client_of(ed->client, mosquitto_client_username(ed->client));

	(void)event;
	guard_control(data, &c, span(ed->payload, ed->payload ? ed->payloadlen : 0));
	return MOSQ_ERR_SUCCESS;
}

/* The same. A correlation longer than we give back is none. */
static int on_ask(int event, void *event_data, void *data)
{
	struct mosquitto_evt_control *ed = event_data;
	struct client c = client_of(ed->client, mosquitto_client_username(ed->client));
	char *response = NULL;
	void *mark = NULL;
	uint16_t n = 0;

	(void)event;
	(void)mosquitto_property_read_string(ed->properties, MQTT_PROP_RESPONSE_TOPIC, &response, false);
	(void)mosquitto_property_read_binary(ed->properties, MQTT_PROP_CORRELATION_DATA, &mark, &n, false);
	guard_ask(data, &c, ed->topic, span(ed->payload, ed->payload ? ed->payloadlen : 0), response, span(mark, n));
	release(response);
	release(mark);
	return MOSQ_ERR_SUCCESS;
}

static int on_disconnect(int event, void *event_data, void *data)
{
	struct mosquitto_evt_disconnect *ed = event_data;

	(void)event;
	guard_logoff(data, ed->client, ed->reason);
	return MOSQ_ERR_SUCCESS;
}

/* Called as well for somebody whom the broker let in without asking us. */
static int on_connect(int event, void *event_data, void *data)
{
	const struct { void *future; struct mosquitto *client; } *ed = event_data;      /* as they all begin */
	struct client c = client_of(ed->client, mosquitto_client_username(ed->client));

	(void)event;
	guard_connected(data, &c);
	return MOSQ_ERR_SUCCESS;
}

/* Built without websockets, 2.1 sleeps until something comes. It can be told when to call again, but then does not call before,
 * nor wakes for what it put off (plugin_tick.c of 2.1.2), but for a plugin whose clock stands at 0. Its next_ms is here called
 * next_ns; 2.0 looks at none of them. */
static int on_tick(int event, void *event_data, void *data)
{
	struct mosquitto_evt_tick *ed = event_data;

	(void)event;
	guard_tick(data);
	ed->now_s = 0;
	ed->now_ns = 0;
	ed->next_s = 0;
	ed->next_ns = TICK_MS;
	return MOSQ_ERR_SUCCESS;
}

/* ---- the broker's configuration ---- */

/* The broker does not say how it was configured, and some of its options would let people past us. */
static bool broker_conf_allows(struct broker_files *files)
{
	static struct broker_fault fault[64];
	char path[512], text[BROKER_FAULT_TEXT];
	size_t n;
	bool good = true;

	if (!broker_conf[0] && broker_conf_path(path, sizeof(path)) != OK) {
		log_say(EV_PLUGIN_REFUSED, KV_STR("reason", "which mosquitto.conf the broker reads cannot be told"),
			KV_STR("right", "start it with -c FILE, or set plugin_opt_broker_conf FILE"));
		return false;
	}
	n = broker_conf_check(broker_conf[0] ? broker_conf : path, fault, countof(fault), files);
	for (size_t i = 0; i < n && i < countof(fault); i++) {
		broker_fault_text(&fault[i], text);
		log_say(fault[i].fatal ? EV_PLUGIN_REFUSED : EV_BROKER_OPTION, KV_STR("option", text));
		good = good && !fault[i].fatal;
	}
	return good && n <= countof(fault);
}

/* Always 0: an error would make 2.0 fail open until its restart, and end 2.1. */
static int on_reload(int event, void *event_data, void *data)
{
	(void)event, (void)event_data;
	if (!broker_conf_allows(&broker_files))
		guard_misconfigured(data);
	guard_watch(data, &broker_files);
	guard_reload(data);
	return MOSQ_ERR_SUCCESS;
}

/* What Mosquitto 2.1 says and its header of 2.0 has no name for; an earlier broker refuses to register it.
 * https://github.com/eclipse-mosquitto/mosquitto/blob/v2.1.2/include/mosquitto/broker.h, enum mosquitto_plugin_event.
 *     CONNECT          after CONNACK, and what had waited for them
 *     MESSAGE_OUT      before each PUBLISH is written to a connection, also when it is sent again; its data are those of MESSAGE
 *     CLIENT_OFFLINE   of a durable session instead of DISCONNECT; its data begin alike
 * SUBSCRIBE (12) and UNSUBSCRIBE (13) say no more than ACL_CHECK did just before. PERSIST_CLIENT_MSG_DELETE (25) is no receipt: it
 * comes as well when a message is dropped or expires, names it by a number of the broker's store alone, that header calls the
 * interface unstable, and none of PERSIST_* is to be had beside `persistence true`. */
#define EVT_CONNECT 11
#define EVT_MESSAGE_OUT 27
#define EVT_CLIENT_OFFLINE 28

static const struct { int event; MOSQ_FUNC_generic_callback call; const char *topic; bool optional; } callbacks[] = {
	{ MOSQ_EVT_BASIC_AUTH, on_basic_auth, NULL, false },
	{ MOSQ_EVT_ACL_CHECK, on_acl_check, NULL, false },
	{ MOSQ_EVT_MESSAGE, on_message, NULL, false },
	{ MOSQ_EVT_CONTROL, on_control, CONTROL_TOPIC, false },
	{ MOSQ_EVT_CONTROL, on_ask, READBACK_TOPIC, false },
	{ MOSQ_EVT_CONTROL, on_ask, READBACK_OPEN, false },
	{ MOSQ_EVT_DISCONNECT, on_disconnect, NULL, false },
	{ MOSQ_EVT_TICK, on_tick, NULL, false },
	{ MOSQ_EVT_RELOAD, on_reload, NULL, false },
	{ EVT_CONNECT, on_connect, NULL, true },
	{ EVT_MESSAGE_OUT, on_message_out, NULL, true },
	{ EVT_CLIENT_OFFLINE, on_disconnect, NULL, true },
};

/* As 2.1 and later do. */
static bool offers_message_out(mosquitto_plugin_id_t *id)
{
	if (mosquitto_callback_register(id, EVT_MESSAGE_OUT, on_message_out, NULL, NULL) != MOSQ_ERR_SUCCESS)
		return false;
	mosquitto_callback_unregister(id, EVT_MESSAGE_OUT, on_message_out, NULL);
	return true;
}

/* ---- options: plugin_opt_<name> in mosquitto.conf ---- */

struct settings {
	const char *dir, *tenant, *metrics, *operators, *broker_conf, *officers, *damaged, *sizes;
	uint64_t record_mib, history_mib, directory_mib, epochs, quorum;
	uint16_t keep[RECORD_CLASSES];  /* how long the record keeps each class of events */
	struct past_keep past;
	struct anomaly_limits anomaly;
};

enum option_kind { OPTION_PATH, OPTION_WORD, OPTION_MIB, OPTION_EPOCHS, OPTION_QUORUM, OPTION_KEEP };

#define KEPT_RIGHT "years or days, as 6y or 90d"
static const struct option {
	const char *key;
	enum option_kind kind;
	size_t at;                      /* in settings */
	uint64_t least, most;           /* of numbers */
	const char *right;              /* of the others */
} options[] = {
	{ "dir", OPTION_PATH, offsetof(struct settings, dir), 0, 0, "the folder made by `pullcord init`" },
	{ "tenant", OPTION_WORD, offsetof(struct settings, tenant), 0, 0, "the policy's first tenant" },
	{ "metrics", OPTION_PATH, offsetof(struct settings, metrics), 0, 0, "a file for Prometheus" },
	{ "operators", OPTION_WORD, offsetof(struct settings, operators), 0, 0, "a unit, one word of A-Z a-z 0-9 . _ : -" },
	{ "broker_conf", OPTION_PATH, offsetof(struct settings, broker_conf), 0, 0, "the broker's own configuration file" },
	{ "record_sizes", OPTION_PATH, offsetof(struct settings, sizes), 0, 0, "a file on another disk than the record" },
	{ "damaged", OPTION_WORD, offsetof(struct settings, damaged), 0, 0, "aside or refuse" },
	{ "policy_officers", OPTION_PATH, offsetof(struct settings, officers), 0, 0, "a file of officers' verifier keys" },
	{ "record_mib", OPTION_MIB, offsetof(struct settings, record_mib), 4, 1 << 20, NULL },
	{ "record_epochs", OPTION_EPOCHS, offsetof(struct settings, epochs), 1 << FORWARD_DEPTH_MIN, 1 << FORWARD_DEPTH_MAX,
	  "a power of two from 4 to 65536" },
	{ "record_quorum", OPTION_QUORUM, offsetof(struct settings, quorum), 1, WITNESSES_MAX,
	  "a whole number from 1 to that of the witnesses listed" },
	{ "history_mib", OPTION_MIB, offsetof(struct settings, history_mib), 4, 1 << 20, NULL },
	{ "directory_mib", OPTION_MIB, offsetof(struct settings, directory_mib), 0, DIRECTORY_MIB_MAX, NULL },
	{ "keep_consent", OPTION_KEEP, offsetof(struct settings, keep[RECORD_CONSENT]), 0, 0, KEPT_RIGHT },
	{ "keep_access", OPTION_KEEP, offsetof(struct settings, keep[RECORD_ACCESS]), 0, 0, KEPT_RIGHT },
	{ "keep_movement", OPTION_KEEP, offsetof(struct settings, keep[RECORD_MOVEMENT]), 0, 0, KEPT_RIGHT },
	{ "keep_critical", OPTION_KEEP, offsetof(struct settings, keep[RECORD_CRITICAL]), 0, 0, KEPT_RIGHT },
	{ "keep_housekeeping", OPTION_KEEP, offsetof(struct settings, keep[RECORD_HOUSEKEEPING]), 0, 0, KEPT_RIGHT },
};

static bool read_one(const struct option *o, const char *value, struct settings *s, char right[ANOMALY_TEXT])
{
	void *to = (char *)s + o->at;

	if (o->kind == OPTION_MIB)
		snprintf(right, ANOMALY_TEXT, "MiB, a whole number from %llu to %llu", (unsigned long long)o->least,
			 (unsigned long long)o->most);
	else
		snprintf(right, ANOMALY_TEXT, "%s", o->right);
	switch (o->kind) {
	case OPTION_PATH: *(const char **)to = value; return strlen(value) < sizeof(broker_conf);
	case OPTION_WORD: *(const char **)to = value; return word_ok(span_str(value));
	case OPTION_MIB:
	case OPTION_QUORUM: return span_u64(span_str(value), o->most, to) && *(uint64_t *)to >= o->least;
	case OPTION_EPOCHS:
		return span_u64(span_str(value), o->most, to) && *(uint64_t *)to >= o->least &&
		       __builtin_popcountll(*(uint64_t *)to) == 1;
	case OPTION_KEEP: return keep_read(span_str(value), to);
	}
	return false;
}

/* `right`: what it takes. */
static bool read_option(const struct mosquitto_opt *o, struct settings *s, char right[ANOMALY_TEXT])
{
	static const char past[] = "history_keep_";

	for (size_t i = 0; i < countof(options); i++)
		if (strcmp(o->key, options[i].key) == 0)
			return read_one(&options[i], o->value, s, right);
	snprintf(right, ANOMALY_TEXT, KEPT_RIGHT ", or none; of alert, ack, broadcast, channel, patient, inbox or vitals");
	if (strncmp(o->key, past, sizeof(past) - 1) == 0)
		return past_keep_read(&s->past, span_str(o->key + sizeof(past) - 1), span_str(o->value));
	snprintf(right, ANOMALY_TEXT, "one of those in mosquitto_pullcord(5)");
	return anomaly_set(&s->anomaly, span_str(o->key), span_str(o->value), right) == OK;
}

static bool read_options(const struct mosquitto_opt *opt, int n, struct settings *s)
{
	char right[ANOMALY_TEXT];

	*s = (struct settings){ .record_mib = 1024, .history_mib = 64, .past = past_keep_default(), .anomaly = anomaly_defaults() };
	for (int i = 0; i < n; i++) {
		if (read_option(&opt[i], s, right))
			continue;
		log_say(EV_PLUGIN_REFUSED, KV_STR("option", opt[i].key), KV_STR("value", opt[i].value),
			KV_STR("right", right));
		return false;
	}
	if (s->broker_conf)
		strcpy(broker_conf, s->broker_conf);
	if (!s->dir)
		log_say(EV_PLUGIN_REFUSED, KV_STR("option", "plugin_opt_dir"),
			KV_STR("right", "the folder made by `pullcord init`"));
	if (s->damaged && strcmp(s->damaged, "aside") != 0 && strcmp(s->damaged, "refuse") != 0) {
		log_say(EV_PLUGIN_REFUSED, KV_STR("option", "plugin_opt_damaged"), KV_STR("value", s->damaged),
			KV_STR("right", "aside or refuse"));
		return false;
	}
	return s->dir != NULL;
}

/* One that can never be reached would be told too late, and as the witnesses' fault. */
static bool quorum_possible(const struct guard *g, const struct settings *s)
{
	struct record_witnesses w = record_witnesses(g->record);
	char right[ANOMALY_TEXT];

	if (w.quorum <= w.listed)
		return true;
	if (w.trouble == OK)
		snprintf(right, sizeof(right), "no more than %u: so many are listed in the file witnesses there", w.listed);
	else
		snprintf(right, sizeof(right), "a list of witnesses that can be read: %s (line %u)", err_text(w.trouble), w.line);
	log_say(EV_PLUGIN_REFUSED, KV_STR("option", "plugin_opt_record_quorum"), KV_NUM("value", w.quorum), KV_STR("dir", s->dir),
		KV_STR("right", right));
	return false;
}

EXPORT int mosquitto_plugin_version(int n, const int *versions)
{
	for (int i = 0; i < n; i++)
		if (versions[i] == 5)
			return 5;
	return -1;
}

static struct guard_spec spec_of(const struct settings *s, bool told_of_sending)
{
	struct guard_spec spec = {
		.host = { host_kick, host_publish, host_answer, host_subscriptions, host_is_certified },
		.dir = s->dir, .metrics_path = s->metrics, .officers_path = s->officers, .sizes_path = s->sizes,
		.record_mib = (size_t)s->record_mib, .history_mib = (size_t)s->history_mib,
		.directory_mib = (size_t)s->directory_mib,
		.quorum = (unsigned)s->quorum, .line_depth = s->epochs ? (unsigned)__builtin_ctzll(s->epochs) : 0,
		.past = s->past, .anomaly = &s->anomaly, .operators = s->operators,
		.damaged_refused = s->damaged && strcmp(s->damaged, "refuse") == 0,
		.told_of_sending = told_of_sending,
		.websocket_lists = told_of_sending,     /* 2.1 serves websockets itself, as all else; 2.0 left that to a library */
	};

	memcpy(spec.keep, s->keep, sizeof(spec.keep));
	return spec;
}

static bool can_read_properties(void)
{
	bool can = properties_readable();

	if (!can)
		log_say(EV_PLUGIN_REFUSED, KV_STR("reason", "what messages carry beside their payload cannot be read"),
			KV_STR("right", "libmosquitto.so.1 of the broker's version"));
	return can;
}

static bool is_of_tenant(const struct guard *g, const struct settings *s)
{
	bool is = !s->tenant || strcmp(s->tenant, g->tenant) == 0;

	if (!is)
		log_say(EV_PLUGIN_REFUSED, KV_STR("option", "plugin_opt_tenant"), KV_STR("value", s->tenant),
			KV_STR("right", g->tenant));
	return is;
}

static bool register_all(mosquitto_plugin_id_t *id, struct guard *g)
{
	for (size_t i = 0; i < countof(callbacks); i++) {
		bool taken = mosquitto_callback_register(id, callbacks[i].event, callbacks[i].call, callbacks[i].topic, g) ==
			     MOSQ_ERR_SUCCESS;

		if (taken || callbacks[i].optional)
			continue;
		log_say(EV_PLUGIN_REFUSED, KV_STR("reason", "the broker does not take a callback"), KV_NUM("event", callbacks[i].event));
		return false;
	}
	return true;
}

EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **data, struct mosquitto_opt *opt, int n)
{
	CLEANUP(guard_close) struct guard *g = NULL;
	struct guard_spec spec;
	struct settings s;
	bool told_of_sending;
	char what[1024];

	log_to(to_broker_log);
	if (!read_options(opt, n, &s) || !broker_conf_allows(&broker_files))
		return MOSQ_ERR_INVAL;
	told_of_sending = offers_message_out(id);
	if (told_of_sending)
		release = mosquitto_free;
	if (!can_read_properties())
		return MOSQ_ERR_INVAL;
	spec = spec_of(&s, told_of_sending);
	if (guard_open(&spec, &g, what, sizeof(what)) != OK) {
		log_say(EV_PLUGIN_REFUSED, KV_STR("reason", what));
		return MOSQ_ERR_INVAL;
	}
	if (!is_of_tenant(g, &s) || !quorum_possible(g, &s))
		return MOSQ_ERR_INVAL;
	if (!register_all(id, g))
		return MOSQ_ERR_NOT_SUPPORTED;
	guard_watch(g, &broker_files);
	log_say(EV_PLUGIN_START, KV_STR("version", PULLCORD_VERSION), KV_STR("tenant", g->tenant), KV_STR("dir", g->dir),
		KV_STR("delivered", g->told_of_sending ? "when the broker sends it" : "when it is queued"));
	plugin_id = id;
	*data = g;
	g = NULL;               /* given away */
	return MOSQ_ERR_SUCCESS;
}

EXPORT int mosquitto_plugin_cleanup(void *data, struct mosquitto_opt *opt, int n)
{
	struct guard *g = data;

	(void)opt, (void)n;
	for (size_t i = 0; i < countof(callbacks); i++)
		mosquitto_callback_unregister(plugin_id, callbacks[i].event, callbacks[i].call, callbacks[i].topic);
	log_say(EV_PLUGIN_STOP, KV_NUM("sessions", g ? g->sessions.n : 0));
	guard_close(&g);
	return MOSQ_ERR_SUCCESS;
}
