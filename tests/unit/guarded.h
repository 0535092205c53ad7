/* guarded: the guard with everything real behind it but the broker, for the tests of the guard's files: an installation in
 * a scratch folder, clients, and what the guard asked of the broker. */
#ifndef PULLCORD_GUARDED_H
#define PULLCORD_GUARDED_H

/* Not every program uses all of it. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-const-variable"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guard_inside.h"
#include "log.h"
#include "until.h"
#include "vault.h"

#define ALERT "mercy/unit/icu3/alert/high/nc-1"

static const char policy_text[] =
	"tenant mercy\n"
	"role nurse\n"
	"  allow subscribe mercy/unit/{unit}/alert/+/+\n"
	"  allow publish   mercy/unit/{unit}/ack/+\n"
	"  allow both      mercy/user/{user}/presence\n"
	"  logoff after 15m idle\n"
	"role nursecall-device\n"
	"  allow publish   mercy/unit/{unit}/alert/+/{device}\n"
	"  allow publish   mercy/device/{device}/state\n"
	"  allow subscribe mercy/unit/{unit}/ack/{device}\n"
	"  allow subscribe mercy/device/{device}/stored\n"
	"  life-critical   mercy/unit/{unit}/alert/code/{device}\n"
	"role operator\n"
	"  allow subscribe mercy/device/+/state\n"
	"quarantine\n"
	"  allow publish   mercy/device/{device}/state\n"
	"role administrator\n"
	"  allow control   *\n";

static char dir[64];
static struct guard *g;
static EVP_PKEY *key;
static struct id_maker ids;
static int ctx[16];                 /* addresses that stand for the broker's contexts */

#define ASKED_MAX 4096          /* the last so many are remembered */

/* What the guard asked of the broker. */
static struct { char kicked[4][65]; int kicks; char topic[ASKED_MAX][201], client[ASKED_MAX][65], payload[2048],
		shown[512]; size_t bytes; int published; } asked;

static void (*while_kicked)(void);      /* NULL: nothing happens then */

static void host_kick(const char *client)
{
	strcpy(asked.kicked[asked.kicks++ % 4], client);
	if (while_kicked)
		while_kicked();
}

static bool broker_refuses;     /* what the guard wants to send */

static bool host_publish(const char *client, const char *topic, struct span payload, int qos, bool retain)
{
	if (broker_refuses)
		return false;
	(void)qos, (void)retain;
	if (!strstr(topic, "/broker/") && !strstr(topic, "/checkpoint")) {         /* they come by the clock, between anything */
		memset(asked.payload, 0, sizeof(asked.payload));
		asked.bytes = payload.n;
		if (payload.n)
			memcpy(asked.payload, payload.p, payload.n < sizeof(asked.payload) ? payload.n : sizeof(asked.payload) - 1);
	}
	if (client)
		memcpy(asked.shown, asked.payload, sizeof(asked.shown));
	strcpy(asked.client[asked.published % ASKED_MAX], client ? client : "");
	strcpy(asked.topic[asked.published++ % ASKED_MAX], topic);
	return true;
}

/* The answer to a request to read back. */
static struct { int n; char client[65], topic[201]; uint8_t mark[64], raw[READBACK_PAGE_MAX]; size_t marked, bytes; } sent_back;

static void host_answer(const char *client, const char *topic, struct span payload, struct span correlation)
{
	sent_back.n++;
	strcpy(sent_back.client, client);
	strcpy(sent_back.topic, topic);
	sent_back.marked = correlation.n;
	if (correlation.n)
		memcpy(sent_back.mark, correlation.p, correlation.n);
	sent_back.bytes = payload.n;
	memcpy(sent_back.raw, payload.p, payload.n);
}

static int had_before;   /* subscriptions of a session that was resumed */

static int host_subscriptions(const void *context)
{
	const struct session *s = session_of(&g->sessions, context);

	return had_before + (s ? (int)s->filters : 0);
}

static int times_published(const char *topic, const char *client)
{
	int n = 0;

	for (int i = 0; i < asked.published && i < ASKED_MAX; i++)
		n += !strcmp(asked.topic[i], topic) && !strcmp(asked.client[i], client);
	return n;
}

/* ---- an installation ---- */

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Slow, and the same few in every test. */
static void hash_once(const char *password, char phc[PASSWORD_PHC_MAX])
{
	static struct { char password[32], phc[PASSWORD_PHC_MAX]; } known[4];
	unsigned i = 0;

	while (known[i].password[0] && strcmp(known[i].password, password) != 0)
		assert_true(++i < sizeof(known) / sizeof(*known));
	if (!known[i].password[0]) {
		assert_int_equal(password_hash(span_str(password), known[i].phc), OK);
		must(snprintf(known[i].password, sizeof(known[i].password), "%s", password) < (int)sizeof(known[i].password));
	}
	memcpy(phc, known[i].phc, PASSWORD_PHC_MAX);
}

static void save(Pullcord__V1__Party party, const char *id, const char *role, const char *unit, const char *password)
{
	struct directory *d = g ? g->directory : NULL;
	struct span roles[1] = { span_str(role) };
	struct attribute attributes[1] = { { SPAN_LIT("unit"), span_str(unit) } };
	struct account a = { .subject = { .party = party, .tenant = SPAN_LIT("mercy"), .id = span_str(id), .role = roles,
					  .roles = role[0] != '\0', .attribute = attributes, .attributes = 1 } };
	uint8_t root[32];

	if (password)
		hash_once(password, a.password);
	if (!d) {
		assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
		assert_int_equal(directory_open(in_dir("directory.mdb"), root, false, &d), OK);
	}
	assert_int_equal(directory_save(d, &a, false), OK);
	if (!g)
		directory_close(&d);
}

static void quiet(enum log_level level, const char *line) { (void)level, (void)line; }

static const char *officers_path;   /* of those who must sign policies; NULL: nobody */

static void guard_start(void)
{
	struct guard_spec spec = {
		.dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4,
		.host = { host_kick, host_publish, host_answer, host_subscriptions, NULL },
		.past = past_keep_default(), .officers_path = officers_path,
	};
	char what[1024];

	if (guard_open(&spec, &g, what, sizeof(what)) != OK)
		fail_msg("%s", what);
}

static int install(void **state)
{
	uint8_t seed[32], pub[32];
	char vkey[256];

	(void)state;
	log_to(quiet);
	memset(&asked, 0, sizeof(asked));
	memset(&sent_back, 0, sizeof(sent_back));
	had_before = 0;
	broker_refuses = false;
	officers_path = NULL;
	snprintf(dir, sizeof(dir), "/tmp/guard.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mkdir(in_dir("keys"), 0700), 0);
	assert_int_equal(crypt_init(), OK);
	assert_int_equal(vault_make_root(in_dir("keys/root.key")), OK);
	assert_int_equal(vault_make_root(in_dir("keys/record.seed")), OK);
	assert_int_equal(vault_root(in_dir("keys/record.seed"), seed), OK);
	assert_int_equal(sign_public(seed, pub), OK);
	assert_int_equal(vkey_write(SPAN_LIT("mercy.example/audit/main"), pub, vkey, sizeof(vkey)), OK);
	write_file("record.vkey", vkey);
	write_file("pullcord.policy", policy_text);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "icu3", "correct horse");
	save(PULLCORD__V1__PARTY__PARTY_USER, "bea", "nurse", "med4", "battery staple");
	save(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-1", "nursecall-device", "icu3", NULL);
	id_init(&ids, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT("nc-1"), 0);
	guard_start();
	return 0;
}

static int uninstall(void **state)
{
	char command[128];

	(void)state;
	guard_close(&g);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* SIGHUP, until what lies there was read and put in force, or refused. */
static void reload(void)
{
	guard_reload(g);
	assert_true(UNTIL(control_idle(g->control)));
	guard_tick(g);
}

/* ---- clients ---- */

static void name_put(X509_NAME *n, const char *cn)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0), 1);
}

static void extension_put(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static X509 *certificate(const char *tenant, const char *id)
{
	X509 *x = X509_new();
	char uri[128];

	if (!key)
		key = EVP_EC_gen("P-256");
	snprintf(uri, sizeof(uri), "URI:urn:pullcord:%s:device:%s", tenant, id);
	X509_set_version(x, 2);
	name_put(X509_get_subject_name(x), id);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	extension_put(x, NID_subject_alt_name, uri);
	extension_put(x, NID_ext_key_usage, "clientAuth");
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

static enum gate device_login(int at, const char *tenant, const char *id, const char *client, const char *username)
{
	struct client c = { &ctx[at], client, "127.0.0.1", username, 5, 60, true, false };
	X509 *x = certificate(tenant, id);
	const char *mapped;
	enum gate answer = guard_login(g, &c, x, NULL, &mapped);

	if (answer == GATE_ALLOW)
		assert_string_equal(mapped, id);
	X509_free(x);
	return answer;
}

static enum gate person_try(int at, const char *user, const char *client, const char *password)
{
	struct client c = { &ctx[at], client, "127.0.0.1", user, 5, 60, true, false };
	const char *mapped;

	return guard_login(g, &c, NULL, password, &mapped);
}

/* As a client library does: again until there is an answer. */
static enum gate person_login(int at, const char *user, const char *client, const char *password)
{
	enum gate answer;

	(void)UNTIL((answer = person_try(at, user, client, password)) != GATE_CLOSE);
	return answer;
}

static struct client client_at(int at, const char *client, const char *username)
{
	return (struct client){ &ctx[at], client, "127.0.0.1", username, 5, 60, true, false };
}

static enum gate subscribes(int at, const char *client, const char *filter)
{
	struct client c = client_at(at, client, NULL);

	return guard_subscribe(g, &c, filter, 1);
}

static enum gate receives(int at, const char *client, const char *topic)
{
	struct client c = client_at(at, client, NULL);

	return guard_receive(g, &c, topic, &(struct publish){ SPAN_LIT("x"), 1, false });
}

struct message { uint8_t raw[1024]; size_t n; struct id id; };
static int64_t sender_off_us, sender_lasts_us;   /* the sender's clock from ours; how long it says its messages are good */

static struct message alert_of(const char *sender, uint8_t key_byte, Pullcord__V1__Phase phase, Pullcord__V1__Priority priority)
{
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));
	uint8_t key16[ID_BYTES] = { key_byte };
	int64_t now = guard_real_us() + sender_off_us;
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;
	struct envelope_from from = { "mercy", sender, PULLCORD__V1__PARTY__PARTY_DEVICE, id_next(&ids, now / 1000), now,
				      sender_lasts_us ? now + sender_lasts_us : 0, 0 };

	a.key = (ProtobufCBinaryData){ ID_BYTES, key16 };
	a.priority = priority;
	a.phase = phase;
	a.count = 1;
	assert_int_equal(envelope_write(&from, &a.base, &b), OK);
	m.n = b.n;
	m.id = from.id;
	return m;
}

static struct message alert_from(const char *sender, uint8_t key_byte, Pullcord__V1__Phase phase)
{
	return alert_of(sender, key_byte, phase, PULLCORD__V1__PRIORITY__PRIORITY_HIGH);
}

static enum gate publishes(int at, const char *client, const char *topic, const struct message *m, bool retain)
{
	struct client c = client_at(at, client, NULL);

	return guard_publish(g, &c, topic, &(struct publish){ span(m->raw, m->n), 1, retain });
}

static enum gate answers(int at, const char *client, const char *by, uint8_t key_byte)
{
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));
	struct id_maker maker;
	uint8_t key16[ID_BYTES] = { key_byte };
	int64_t now = guard_real_us();
	Pullcord__V1__AlertUpdate u = PULLCORD__V1__ALERT_UPDATE__INIT;
	struct envelope_from from = { "mercy", "ana", PULLCORD__V1__PARTY__PARTY_USER, { { 0 } }, now, 0, 0 };

	id_init(&maker, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_USER, SPAN_LIT("ana"), 1);
	from.id = id_next(&maker, now / 1000);
	u.alert = u.key = (ProtobufCBinaryData){ ID_BYTES, key16 };
	u.state = PULLCORD__V1__ALERT_STATE__ALERT_STATE_ACCEPTED;
	u.by = strdup(by);
	assert_int_equal(envelope_write(&from, &u.base, &b), OK);
	free(u.by);
	m.n = b.n;
	return publishes(at, client, "mercy/unit/icu3/ack/nc-1", &m, false);
}

static void tick_until_published(const char *topic, const char *client)
{
	assert_true(UNTIL(times_published(topic, client), guard_tick(g)));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, install, uninstall)

#endif
