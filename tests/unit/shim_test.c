/* What the broker offers is asked for when the plugin starts, and what "delivered" rests on follows from it. The broker here is
 * a table of the callbacks it takes, and offers MESSAGE_OUT or does not. */
#include "recorded.h"

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <mqtt_protocol.h>

#define CONNECT 11              /* mosquitto/broker.h of 2.1 */
#define MESSAGE_OUT 27
#define EVENTS 64

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **data, struct mosquitto_opt *opt, int n);
int mosquitto_plugin_cleanup(void *data, struct mosquitto_opt *opt, int n);

/* ---- the broker ---- */

struct mosquitto { const char *id, *username; };

static MOSQ_FUNC_generic_callback taken[EVENTS];
static bool offers;             /* what 2.1 does */
static void *plugin;

int mosquitto_callback_register(mosquitto_plugin_id_t *id, int event, MOSQ_FUNC_generic_callback call, const void *data, void *user)
{
	(void)id, (void)data, (void)user;
	if (event >= EVENTS || (event > MOSQ_EVT_DISCONNECT && !(offers && (event == MESSAGE_OUT || event == CONNECT))))
		return MOSQ_ERR_NOT_SUPPORTED;
	taken[event] = call;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_callback_unregister(mosquitto_plugin_id_t *id, int event, MOSQ_FUNC_generic_callback call, const void *data)
{
	(void)id, (void)call, (void)data;
	taken[event] = NULL;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_broker_publish_copy(const char *client, const char *topic, int n, const void *payload, int qos, bool retain,
				  mosquitto_property *props)
{
	(void)client, (void)topic, (void)n, (void)payload, (void)qos, (void)retain, (void)props;
	return MOSQ_ERR_SUCCESS;
}

const char *mosquitto_client_id(const struct mosquitto *m) { return m->id; }
const char *mosquitto_client_username(const struct mosquitto *m) { return m->username; }
const char *mosquitto_client_address(const struct mosquitto *m) { (void)m; return "127.0.0.1"; }
bool mosquitto_client_clean_session(const struct mosquitto *m) { (void)m; return false; }
int mosquitto_client_keepalive(const struct mosquitto *m) { (void)m; return 60; }
int mosquitto_client_protocol(const struct mosquitto *m) { (void)m; return mp_mqtt; }
int mosquitto_client_protocol_version(const struct mosquitto *m) { (void)m; return 5; }
int mosquitto_client_sub_count(const struct mosquitto *m) { (void)m; return 0; }
int mosquitto_kick_client_by_clientid(const char *client, bool will) { (void)client, (void)will; return MOSQ_ERR_SUCCESS; }
void mosquitto_free(void *p) { free(p); }
static char logged[1024];        /* last */

void mosquitto_log_printf(int level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(logged, sizeof(logged), fmt, ap);
	va_end(ap);
}

void *mosquitto_client_certificate(const struct mosquitto *m)
{
	return strncmp(m->id, "nc-", 3) == 0 ? certificate("mercy", m->id) : NULL;
}

int mosquitto_set_username(struct mosquitto *m, const char *username)
{
	m->username = username;
	return MOSQ_ERR_SUCCESS;
}

static const char conf[] =
	"per_listener_settings false\nallow_anonymous false\nallow_zero_length_clientid false\ncheck_retain_source true\n"
	"max_packet_size 262144\nmessage_size_limit 200000\nmax_keepalive 120\npersistent_client_expiration 7d\n"
	"connection_messages false\nlog_type error\nlog_type warning\nplugin /x/mosquitto_pullcord.so\nlistener 8883\ncafile ca.pem\n"
	"certfile c.pem\nkeyfile k.pem\nrequire_certificate true\ntls_version tlsv1.3\n";

static void broker_start(bool with_message_out)
{
	char path[128];
	struct mosquitto_opt opt[] = {
		{ "dir", dir }, { "record_mib", "8" }, { "history_mib", "4" }, { "broker_conf", path },
	};

	guard_close(&g);
	write_file("mosquitto.conf", conf);
	strcpy(path, in_dir("mosquitto.conf"));
	offers = with_message_out;
	assert_int_equal(mosquitto_plugin_init(NULL, &plugin, opt, countof(opt)), MOSQ_ERR_SUCCESS);
	assert_int_equal(taken[MESSAGE_OUT] != NULL, offers);
	assert_non_null(taken[MOSQ_EVT_ACL_CHECK]);
}

static int start_with_quorum(char *k)
{
	char path[128];
	struct mosquitto_opt opt[] = {
		{ "dir", dir }, { "record_mib", "8" }, { "history_mib", "4" }, { "broker_conf", path }, { "record_quorum", k },
	};
	void *plugged;
	int rc;

	guard_close(&g);
	write_file("mosquitto.conf", conf);
	strcpy(path, in_dir("mosquitto.conf"));
	rc = mosquitto_plugin_init(NULL, &plugged, opt, countof(opt));
	if (rc == MOSQ_ERR_SUCCESS)
		assert_int_equal(mosquitto_plugin_cleanup(plugged, NULL, 0), MOSQ_ERR_SUCCESS);
	return rc;
}

static void broker_stop(void)
{
	assert_int_equal(mosquitto_plugin_cleanup(plugin, NULL, 0), MOSQ_ERR_SUCCESS);
}

static int login(struct mosquitto *m, const char *password)
{
	struct mosquitto_evt_basic_auth ed = { .client = m, .username = (char *)m->username, .password = (char *)password };
	int rc;

	(void)UNTIL((rc = taken[MOSQ_EVT_BASIC_AUTH](MOSQ_EVT_BASIC_AUTH, &ed, plugin)) != MOSQ_ERR_UNKNOWN);
	return rc;
}

static void logoff(struct mosquitto *m)
{
	taken[MOSQ_EVT_DISCONNECT](MOSQ_EVT_DISCONNECT, &(struct mosquitto_evt_disconnect){ .client = m }, plugin);
}

static int asks_of(struct mosquitto *m, int access, const char *topic, const struct message *msg, bool retain)
{
	struct mosquitto_evt_acl_check ed = { .client = m, .topic = topic, .access = access, .qos = 1, .retain = retain,
					      .payload = msg ? msg->raw : NULL, .payloadlen = msg ? (uint32_t)msg->n : 0 };

	return taken[MOSQ_EVT_ACL_CHECK](MOSQ_EVT_ACL_CHECK, &ed, plugin);
}

static int asks(struct mosquitto *m, int access, const char *topic, const struct message *msg)
{
	return asks_of(m, access, topic, msg, false);
}

static void sends(struct mosquitto *m, const char *topic, struct message *msg)
{
	struct mosquitto_evt_message ed = { .client = m, .topic = (char *)topic, .payload = msg->raw, .payloadlen = (uint32_t)msg->n,
					    .qos = 1 };

	if (taken[MESSAGE_OUT])
		assert_int_equal(taken[MESSAGE_OUT](MESSAGE_OUT, &ed, plugin), MOSQ_ERR_SUCCESS);
}

static void connected(struct mosquitto *m)
{
	const struct { void *future; struct mosquitto *client; void *future2[4]; } ed = { .client = m };

	taken[CONNECT](CONNECT, (void *)&ed, plugin);
}

static void turn(void)
{
	taken[MOSQ_EVT_TICK](MOSQ_EVT_TICK, &(struct mosquitto_evt_tick){ .future = NULL }, plugin);
}

/* ---- what the record says ---- */

/* Deliveries on that basis of which the detail is this. */
static unsigned deliveries(Pullcord__V1__AuditBasis basis, const char *detail)
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *r = NULL;
	struct entry entry;
	uint8_t root[32];
	unsigned n = 0;

	assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
	assert_int_equal(reader_open(in_dir("record.mdb"), root, &r), OK);
	for (uint64_t i = 0; reader_get(r, i, &entry, &e) == OK; i++)
		n += e && e->type == RECORDED(DELIVER) && e->basis == basis && strcmp(e->detail, detail) == 0;
	reader_close(&r);
	return n;
}

#define QUEUED PULLCORD__V1__AUDIT_BASIS__BASIS_QUEUED
#define SENT PULLCORD__V1__AUDIT_BASIS__BASIS_SENT
#define AUTHORISED PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED

/* To the first recipient of the first delivery on that topic and basis; -1: there is none. */
static int how(const char *topic, Pullcord__V1__AuditBasis basis)
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *r = NULL;
	struct entry entry;
	uint8_t root[32];
	int found = -1;

	assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
	assert_int_equal(reader_open(in_dir("record.mdb"), root, &r), OK);
	for (uint64_t i = 0; found < 0 && reader_get(r, i, &entry, &e) == OK; i++)
		if (e && e->type == RECORDED(DELIVER) && e->basis == basis && strcmp(e->topic, topic) == 0)
			found = e->n_recipient ? (int)e->recipient[0]->how : -1;
	reader_close(&r);
	return found;
}

static struct mosquitto nc, ana;

/* Two alerts that ana is there for, the second of which is let by the short way. */
static void two_alerts(void)
{
	struct message m;

	nc = (struct mosquitto){ "nc-1", NULL };
	ana = (struct mosquitto){ "ana.t1", "ana" };
	assert_int_equal(login(&nc, NULL), MOSQ_ERR_SUCCESS);
	assert_int_equal(login(&ana, "correct horse"), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&ana, MOSQ_ACL_SUBSCRIBE, "mercy/unit/icu3/alert/+/+", NULL), MOSQ_ERR_SUCCESS);
	turn();
	for (uint8_t i = 1; i <= 2; i++) {
		m = alert_from("nc-1", i, PULLCORD__V1__PHASE__PHASE_START);
		assert_int_equal(asks(&nc, MOSQ_ACL_WRITE, ALERT, &m), MOSQ_ERR_SUCCESS);
		assert_int_equal(asks(&ana, MOSQ_ACL_READ, ALERT, &m), MOSQ_ERR_SUCCESS);
		sends(&ana, ALERT, &m);
	}
}

static void a_broker_that_says_no_more_has_queued_it(void **state)
{
	(void)state;
	broker_start(false);
	two_alerts();
	broker_stop();
	assert_int_equal(deliveries(QUEUED, ""), 2);
	assert_int_equal(deliveries(SENT, "") + deliveries(AUTHORISED, ""), 0);
}

static void a_broker_that_says_when_it_sends_has_sent_it_once(void **state)
{
	(void)state;
	broker_start(true);
	two_alerts();
	broker_stop();
	assert_int_equal(deliveries(SENT, ""), 2);
	assert_int_equal(deliveries(QUEUED, "") + deliveries(AUTHORISED, ""), 0);
}

static void what_waits_for_somebody_is_authorised_until_it_is_sent(void **state)
{
	struct message m = alert_from("nc-1", 3, PULLCORD__V1__PHASE__PHASE_START);
	struct mosquitto back = { "ana.t1", "ana" };

	(void)state;
	broker_start(true);
	two_alerts();
	logoff(&ana);
	assert_int_equal(asks(&nc, MOSQ_ACL_WRITE, ALERT, &m), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&ana, MOSQ_ACL_READ, ALERT, &m), MOSQ_ERR_SUCCESS);
	assert_int_equal(login(&back, "correct horse"), MOSQ_ERR_SUCCESS);
	turn();
	assert_int_equal(asks(&back, MOSQ_ACL_READ, ALERT, &m), MOSQ_ERR_SUCCESS);
	sends(&back, ALERT, &m);
	broker_stop();
	assert_int_equal(deliveries(AUTHORISED, ""), 1);
	assert_int_equal(deliveries(SENT, ""), 3);
}

/* Between the two her right may go; and what we send her ourselves is none of a topic's deliveries. */
static void what_is_sent_under_other_rights_says_so(void **state)
{
	struct message m = alert_from("nc-1", 3, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	broker_start(true);
	two_alerts();
	g = plugin;
	assert_int_equal(asks(&ana, MOSQ_ACL_READ, ALERT, &m), MOSQ_ERR_SUCCESS);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "med4", "correct horse");
	turn();
	sends(&ana, ALERT, &m);
	sends(&ana, CONTROL_RESPONSE, &m);
	sends(&(struct mosquitto){ "nobody", "nobody" }, ALERT, &m);
	broker_stop();
	g = NULL;
	assert_int_equal(deliveries(SENT, "allowed when it was queued, not any more"), 1);
	assert_int_equal(deliveries(SENT, ""), 2);
}

/* An alert that is open when somebody subscribes is on its way to them, and then sent. */
static void an_open_alert_is_on_its_way_until_it_is_sent(void **state)
{
	struct message m = alert_from("nc-1", 3, PULLCORD__V1__PHASE__PHASE_START);
	struct mosquitto second = { "ana.t2", "ana" };

	(void)state;
	broker_start(true);
	two_alerts();
	assert_int_equal(login(&second, "correct horse"), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&second, MOSQ_ACL_SUBSCRIBE, "mercy/unit/icu3/alert/high/+", NULL), MOSQ_ERR_SUCCESS);
	turn();
	sends(&second, ALERT, &m);
	broker_stop();
	assert_int_equal(deliveries(AUTHORISED, "open when subscribed"), 2);
	assert_int_equal(deliveries(QUEUED, "open when subscribed"), 0);
	assert_int_equal(deliveries(SENT, ""), 3);
	assert_int_equal(how(ALERT, AUTHORISED), PULLCORD__V1__AUDIT_HOW__HOW_OPEN);
}

static void ana_watches(bool tells_of_sending)
{
	nc = (struct mosquitto){ "nc-1", NULL };
	ana = (struct mosquitto){ "ana.t1", "ana" };
	broker_start(tells_of_sending);
	assert_int_equal(login(&nc, NULL), MOSQ_ERR_SUCCESS);
	assert_int_equal(login(&ana, "correct horse"), MOSQ_ERR_SUCCESS);
	turn();
	assert_int_equal(asks(&ana, MOSQ_ACL_SUBSCRIBE, "mercy/unit/icu3/alert/+/+", NULL), MOSQ_ERR_SUCCESS);
}

/* As Mosquitto 2.0 asks: a retained message when somebody subscribes, though live ones with that flag come in the same turn; what
 * waited, when they come back. */
static void how_it_came_is_told_as_far_as_the_broker_shows_it(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct mosquitto back = { "ana.t1", "ana" };
	static const char late[] = "mercy/unit/icu3/alert/low/nc-1";

	(void)state;
	ana_watches(false);
	assert_int_equal(asks_of(&ana, MOSQ_ACL_READ, "mercy/unit/icu3/alert/medium/nc-1", &m, true), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&nc, MOSQ_ACL_WRITE, ALERT, &m), MOSQ_ERR_SUCCESS);
	turn();
	assert_int_equal(asks_of(&ana, MOSQ_ACL_READ, ALERT, &m, true), MOSQ_ERR_SUCCESS);
	logoff(&ana);
	assert_int_equal(asks(&ana, MOSQ_ACL_READ, "mercy/unit/icu3/alert/code/nc-1", &m), MOSQ_ERR_SUCCESS);
	assert_int_equal(login(&back, "correct horse"), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&back, MOSQ_ACL_READ, late, &m), MOSQ_ERR_SUCCESS);
	turn();
	broker_stop();
	assert_int_equal(how("mercy/unit/icu3/alert/medium/nc-1", QUEUED), PULLCORD__V1__AUDIT_HOW__HOW_RETAINED);
	assert_int_equal(how(ALERT, QUEUED), PULLCORD__V1__AUDIT_HOW__HOW_LIVE);
	assert_int_equal(how("mercy/unit/icu3/alert/code/nc-1", QUEUED), PULLCORD__V1__AUDIT_HOW__HOW_AWAY);
	assert_int_equal(how(late, QUEUED), PULLCORD__V1__AUDIT_HOW__HOW_RELEASED);
}

/* As 2.1 asks, and sends later: what is retained once all that is has been asked about, what waited after the CONNACK, and of what
 * is live what exceeds max_inflight_messages. One that expires while it waits leaves its place to another. */
static void how_it_came_is_told_when_it_is_sent(void **state)
{
	struct message code = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct message medium = alert_from("nc-1", 2, PULLCORD__V1__PHASE__PHASE_START);
	struct message high = alert_from("nc-1", 3, PULLCORD__V1__PHASE__PHASE_START), gone = high;
	struct mosquitto back = { "ana.t1", "ana" };
	static const char to_code[] = "mercy/unit/icu3/alert/code/nc-1", to_medium[] = "mercy/unit/icu3/alert/medium/nc-1";
	static const char to_low[] = "mercy/unit/icu3/alert/low/nc-1";

	(void)state;
	ana_watches(true);
	assert_int_equal(asks_of(&ana, MOSQ_ACL_READ, to_code, &code, true), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks_of(&ana, MOSQ_ACL_READ, to_medium, &medium, true), MOSQ_ERR_SUCCESS);
	sends(&ana, to_code, &code);
	sends(&ana, to_medium, &medium);
	logoff(&ana);
	assert_int_equal(login(&back, "correct horse"), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&back, MOSQ_ACL_READ, to_low, &medium), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&back, MOSQ_ACL_READ, to_code, &gone), MOSQ_ERR_SUCCESS);
	turn();
	assert_int_equal(asks(&nc, MOSQ_ACL_WRITE, ALERT, &high), MOSQ_ERR_SUCCESS);
	memcpy(&gone, &high, sizeof(gone));
	assert_int_equal(asks(&back, MOSQ_ACL_READ, ALERT, &gone), MOSQ_ERR_SUCCESS);
	sends(&back, to_low, &medium);
	sends(&back, ALERT, &gone);
	broker_stop();
	assert_int_equal(how(to_code, SENT), PULLCORD__V1__AUDIT_HOW__HOW_RETAINED);
	assert_int_equal(how(to_medium, SENT), PULLCORD__V1__AUDIT_HOW__HOW_RETAINED);
	assert_int_equal(how(to_low, SENT), PULLCORD__V1__AUDIT_HOW__HOW_RELEASED);
	assert_int_equal(how(ALERT, SENT), PULLCORD__V1__AUDIT_HOW__HOW_LIVE);
}

/* What the broker shows of an alert that was open when they subscribed is a copy of ours. */
static void an_open_alert_came_so(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START), copy = m;

	(void)state;
	nc = (struct mosquitto){ "nc-1", NULL };
	ana = (struct mosquitto){ "ana.t1", "ana" };
	broker_start(true);
	assert_int_equal(login(&nc, NULL), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&nc, MOSQ_ACL_WRITE, ALERT, &m), MOSQ_ERR_SUCCESS);
	assert_int_equal(login(&ana, "correct horse"), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&ana, MOSQ_ACL_SUBSCRIBE, "mercy/unit/icu3/alert/high/+", NULL), MOSQ_ERR_SUCCESS);
	turn();
	sends(&ana, ALERT, &copy);
	broker_stop();
	assert_int_equal(how(ALERT, AUTHORISED), PULLCORD__V1__AUDIT_HOW__HOW_OPEN);
	assert_int_equal(how(ALERT, SENT), PULLCORD__V1__AUDIT_HOW__HOW_OPEN);
}

/* With too much unanswered it waits, or the broker drops it, and says neither. */
static void what_is_not_sent_at_once_is_authorised(void **state)
{
	struct message m = alert_from("nc-1", 3, PULLCORD__V1__PHASE__PHASE_START);
	struct mosquitto second = { "ana.t2", "ana" };

	(void)state;
	broker_start(true);
	two_alerts();
	assert_int_equal(login(&second, "correct horse"), MOSQ_ERR_SUCCESS);
	turn();
	assert_int_equal(asks(&nc, MOSQ_ACL_WRITE, ALERT, &m), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&ana, MOSQ_ACL_READ, ALERT, &m), MOSQ_ERR_SUCCESS);
	assert_int_equal(asks(&second, MOSQ_ACL_READ, ALERT, &m), MOSQ_ERR_SUCCESS);
	sends(&second, ALERT, &m);
	logoff(&ana);
	broker_stop();
	assert_int_equal(deliveries(AUTHORISED, ""), 1);
	assert_int_equal(how(ALERT, AUTHORISED), PULLCORD__V1__AUDIT_HOW__HOW_LIVE);
	assert_int_equal(deliveries(SENT, ""), 3);
	broker_start(true);
	two_alerts();
	assert_int_equal(asks(&ana, MOSQ_ACL_READ, ALERT, &m), MOSQ_ERR_SUCCESS);       /* the last of all */
	broker_stop();
	assert_int_equal(deliveries(AUTHORISED, ""), 2);
}

/* Somebody whom the broker let in without asking, where our last connection of that client id had been. */
static void who_is_there_without_a_login_is_nobody(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	nc = (struct mosquitto){ "nc-1", NULL };
	broker_start(true);
	assert_int_equal(login(&nc, NULL), MOSQ_ERR_SUCCESS);
	connected(&nc);
	assert_int_equal(asks(&nc, MOSQ_ACL_WRITE, ALERT, &m), MOSQ_ERR_SUCCESS);
	logoff(&nc);
	connected(&nc);
	assert_int_equal(asks(&nc, MOSQ_ACL_WRITE, ALERT, &m), MOSQ_ERR_UNKNOWN);
	broker_stop();
	assert_non_null(strstr(logged, "plugin_stop"));
}

/* Built without websockets, 2.1 would sleep between two messages; and what it gives as its time says when it asks again. */
static void every_turn_of_the_broker_is_ours_and_comes_soon(void **state)
{
	struct mosquitto_evt_tick ed = { .now_s = 1000, .now_ns = 1, .next_s = 9, .next_ns = 9 };

	(void)state;
	broker_start(true);
	taken[MOSQ_EVT_TICK](MOSQ_EVT_TICK, &ed, plugin);
	broker_stop();
	assert_int_equal(ed.now_s, 0);
	assert_int_equal(ed.now_ns, 0);
	assert_int_equal(ed.next_s, 0);
	assert_int_equal(ed.next_ns, 100);
}

/* Whether the broker frees a list that another took the place of depends on its version. */
static void what_is_taken_off_a_message_leaves_its_list_in_place(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	mosquitto_property *list = NULL, *head;
	struct mosquitto_evt_message ed = { .client = &nc, .topic = ALERT, .payload = m.raw, .payloadlen = (uint32_t)m.n, .qos = 1 };
	uint8_t format;

	(void)state;
	nc = (struct mosquitto){ "nc-1", NULL };
	broker_start(true);
	assert_int_equal(login(&nc, NULL), MOSQ_ERR_SUCCESS);
	for (int kept = 1; kept >= 0; kept--) {
		assert_int_equal(mosquitto_property_add_string(&list, MQTT_PROP_RESPONSE_TOPIC, "$SYS/x"), MOSQ_ERR_SUCCESS);
		assert_int_equal(mosquitto_property_add_binary(&list, MQTT_PROP_CORRELATION_DATA, "mark", 4), MOSQ_ERR_SUCCESS);
		if (kept)
			assert_int_equal(mosquitto_property_add_string(&list, MQTT_PROP_CONTENT_TYPE, "text/x"), MOSQ_ERR_SUCCESS);
		ed.properties = head = list;
		assert_int_equal(taken[MOSQ_EVT_MESSAGE](MOSQ_EVT_MESSAGE, &ed, plugin), MOSQ_ERR_SUCCESS);
		assert_ptr_equal(ed.properties, head);
		assert_null(mosquitto_property_next(head));
		if (kept) {
			assert_int_equal(mosquitto_property_identifier(head), MQTT_PROP_CONTENT_TYPE);
		} else {
			assert_non_null(mosquitto_property_read_byte(head, MQTT_PROP_PAYLOAD_FORMAT_INDICATOR, &format, false));
			assert_int_equal(format, 0);    /* says nothing */
		}
		mosquitto_property_free_all(&list);
	}
	broker_stop();
}

static void a_quorum_is_of_those_listed(void **state)
{
	const uint8_t secret[SIGN_KEY_BYTES] = { 3 };
	uint8_t pub[SIGN_KEY_BYTES];
	char vkey[400];

	(void)state;
	assert_int_equal(start_with_quorum("1"), MOSQ_ERR_INVAL);      /* nobody is listed */
	assert_int_equal(sign_public(secret, pub), OK);
	assert_int_equal(cosigner_write(SPAN_LIT("mercy/device/nc-1"), pub, vkey, sizeof(vkey)), OK);
	write_file("witnesses", vkey);
	assert_int_equal(start_with_quorum("0"), MOSQ_ERR_INVAL);
	assert_non_null(strstr(logged, "from 1 to that of the witnesses listed"));
	assert_int_equal(start_with_quorum("2"), MOSQ_ERR_INVAL);
	assert_non_null(strstr(logged, "no more than 1: so many are listed"));
	assert_int_equal(start_with_quorum("1"), MOSQ_ERR_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_broker_that_says_no_more_has_queued_it),
		TEST(a_broker_that_says_when_it_sends_has_sent_it_once),
		TEST(what_waits_for_somebody_is_authorised_until_it_is_sent),
		TEST(what_is_sent_under_other_rights_says_so),
		TEST(an_open_alert_is_on_its_way_until_it_is_sent),
		TEST(how_it_came_is_told_as_far_as_the_broker_shows_it),
		TEST(how_it_came_is_told_when_it_is_sent),
		TEST(an_open_alert_came_so),
		TEST(what_is_not_sent_at_once_is_authorised),
		TEST(who_is_there_without_a_login_is_nobody),
		TEST(every_turn_of_the_broker_is_ours_and_comes_soon),
		TEST(what_is_taken_off_a_message_leaves_its_list_in_place),
		TEST(a_quorum_is_of_those_listed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
