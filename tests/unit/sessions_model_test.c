/* The session table against the plainest model of who is who, over 10^6 events in the orders in which Mosquitto brings
 * them. Real: the guard, its sessions, owners, policy and directory. Made up here, to be fast: certificates, the answer to
 * a password, and the record, none of which knows of sessions. */
#include "guarded.h"
#include "identity.h"
#include "seed.h"

#define EVENTS (SEED_SLOW ? 100000 : 1000000)

/* ---- what is not put to the test ---- */

static uint64_t records;

enum err record_probe(const struct record_spec *spec) { (void)spec; return OK; }
enum err record_open(const struct record_spec *spec, struct record **out) { (void)spec; *out = NULL; return OK; }
void record_close(struct record **r) { (void)r; }
bool record_push(struct record *r, const struct happening *h) { (void)r, (void)h; return ++records; }
bool record_try(struct record *r, const struct happening *h) { return record_push(r, h); }
uint64_t record_ticket(const struct record *r) { (void)r; return records; }
bool record_settled(const struct record *r, uint64_t ticket) { (void)r; return records >= ticket; }
void record_turn(struct record *r) { (void)r; }
enum err record_places(struct record *r, const struct places *p) { (void)r, (void)p; return OK; }
void record_tick(struct record *r) { (void)r; }
bool record_witness_asks(struct record *r, struct span who, uint64_t n) { (void)r, (void)who, (void)n; return true; }
bool record_witness_says(struct record *r, struct span who, struct span line) { (void)r, (void)who, (void)line; return true; }
bool record_witness_answer(struct record *r, struct record_answer *out) { (void)r, (void)out; return false; }
bool record_witness(struct record *r, unsigned i, struct record_witness *out) { (void)r, (void)i, (void)out; return false; }
struct record_witnesses record_witnesses(const struct record *r) { (void)r; return (struct record_witnesses){ 0 }; }
enum record_state record_state(const struct record *r) { (void)r; return RECORD_FLOWING; }
bool record_stopped(const struct record *r) { (void)r; return false; }
bool record_urgent(struct record *r) { (void)r; return false; }
bool record_scarce(const struct record *r) { (void)r; return false; }
enum record_disk record_disk(const struct record *r) { (void)r; return RECORD_DISK_FINE; }
enum err record_trouble(const struct record *r) { (void)r; return OK; }
void record_health(const struct record *r, struct record_health *out) { (void)r; *out = (struct record_health){ 0 }; }
uint64_t record_lost(const struct record *r) { (void)r; return 0; }
uint64_t record_durable(const struct record *r) { (void)r; return records; }

bool record_checkpoint(struct record *r, uint64_t *size, char *note, size_t cap)
{
	(void)r, (void)size, (void)note, (void)cap;
	return false;
}

/* Nobody keeps its segments here. */
enum err segment_look(struct record *r, uint32_t id, struct segment *out, struct retention *k)
{
	(void)r, (void)id, (void)out, (void)k;
	return ERR_NOT_FOUND;
}

enum err segment_erase(struct record *r, const struct segment_act *act) { (void)r, (void)act; return ERR_NOT_FOUND; }

enum err segment_hold(struct record *r, const struct segment_act *act, bool held)
{
	(void)r, (void)act, (void)held;
	return ERR_NOT_FOUND;
}

enum err password_open(struct password_desk **out) { *out = NULL; return OK; }
enum password_unheard password_unheard(struct password_desk *d, int64_t now_ms, struct password_guess *out)
{
	(void)d, (void)now_ms, (void)out;
	return PASSWORD_NONE;
}
void password_close(struct password_desk **d) { (void)d; }
enum err password_hash(struct span text, char out[PASSWORD_PHC_MAX]) { (void)text; out[0] = '\0'; return OK; }
bool password_is_hash(struct span phc) { (void)phc; return false; }

enum password_answer password_ask(struct password_desk *d, const struct password_asker *who, struct span text, const char *phc,
				  int64_t now_ms)
{
	(void)d, (void)who, (void)phc, (void)now_ms;
	return span_is(text, "right") ? PASSWORD_RIGHT : PASSWORD_AGAIN;   /* wrong, and not counted: nobody is locked out */
}

/* The certificate is the identity already. */
enum certificate_fault identity_read(void *x509, int64_t now_s, struct identity *out)
{
	(void)now_s;
	*out = *(const struct identity *)x509;
	return CERTIFICATE_GOOD;
}

bool identity_fingerprint(void *x509, uint8_t out[32]) { (void)x509, (void)out; return false; }
const char *certificate_fault_text(enum certificate_fault f) { (void)f; return ""; }

/* No files of a broker are watched here. */
enum err identity_ends(struct span pem, bool lists, int64_t *out_s) { (void)pem, (void)lists, (void)out_s; return ERR_NOT_FOUND; }

/* ---- who there is ---- */

#define NOBODY (-1)
#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE

static const struct { Pullcord__V1__Party party; const char *id, *role, *unit; const char *own, *other; } people[] = {
	{ USER, "ana", "nurse", "icu3", "mercy/user/ana/presence", "mercy/user/bea/presence" },
	{ USER, "bea", "nurse", "med4", "mercy/user/bea/presence", "mercy/user/cid/presence" },
	{ USER, "cid", "nurse", "er1", "mercy/user/cid/presence", "mercy/device/nc-1/state" },
	{ DEVICE, "nc-1", "nursecall-device", "icu3", "mercy/device/nc-1/state", "mercy/device/nc-2/state" },
	{ DEVICE, "nc-2", "nursecall-device", "med4", "mercy/device/nc-2/state", "mercy/user/ana/presence" },
};
static const struct { const char *id; int of; } clients[] = {
	{ "ana.t1", 0 }, { "ana.t2", 0 }, { "bea.t1", 1 }, { "bea.t2", 1 }, { "cid.t1", 2 }, { "nc-1", 3 }, { "nc-2", 4 },
};

static bool suspended[countof(people)];

static void account_put(int who)
{
	struct span role = span_str(people[who].role);
	struct attribute unit = { SPAN_LIT("unit"), span_str(people[who].unit) };
	struct account a = { .subject = { .party = people[who].party, .tenant = SPAN_LIT("mercy"), .id = span_str(people[who].id),
					  .role = &role, .roles = 1, .attribute = &unit, .attributes = 1,
					  .suspended = suspended[who] },
			     .state = suspended[who] ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE };

	assert_int_equal(directory_save(g->directory, &a, false), OK);
}

/* ---- the model: entries in the order they came, searched from the front ---- */

struct entry {
	const void *context;
	int client;
	enum session_state state;
};
static struct entry model[256];
static size_t entries;

static struct entry *entry_of(const void *context)
{
	for (size_t i = 0; i < entries; i++)
		if (model[i].context == context)
			return &model[i];
	return NULL;
}

static void model_login(const void *context, int client)
{
	size_t n = 0;

	for (size_t i = 0; i < entries; i++) {
		bool same = model[i].client == client;

		if (same ? model[i].state == SESSION_CLOSED || model[i].context == context
			 : model[i].context == context && model[i].state != SESSION_CLOSED)
			continue;
		if (model[i].context == context)
			model[i].context = NULL;        /* found by its client id alone from now on */
		if (same && model[i].state == SESSION_LIVE)
			model[i].state = SESSION_SUPERSEDED;
		model[n++] = model[i];
	}
	model[n] = (struct entry){ context, client, SESSION_LIVE };
	entries = n + 1;
}

static void model_logoff(const void *context)
{
	struct entry *e = entry_of(context);

	if (e)
		e->state = SESSION_CLOSED;
}

/* A context nobody logged in on: whoever its client id belongs to, if the broker's name for it says the same. */
static int model_who(const void *context, int client, int username)
{
	const struct entry *e = entry_of(context);

	if (e && e->client == client)
		return clients[client].of;
	if (username != clients[client].of || !owners_find(g->owners, clients[client].id))
		return NOBODY;
	for (size_t i = 0; i < entries; i++)
		if (model[i].client == client)
			return username;
	model[entries++] = (struct entry){ owners_find(g->owners, clients[client].id), client, SESSION_CLOSED };
	return username;
}

static void model_forget_ended(void)
{
	size_t n = 0;

	for (size_t i = 0; i < entries; i++)
		if (model[i].state == SESSION_LIVE)
			model[n++] = model[i];
	entries = n;
}

static void table_and_model_agree(void)
{
	assert_int_equal(g->sessions.n, entries);
	for (size_t i = 0; i < entries; i++) {
		const struct session *s = model[i].context ? session_of(&g->sessions, model[i].context)
							   : session_client(&g->sessions, clients[model[i].client].id);
		int who = clients[model[i].client].of;

		if (!model[i].context && s && s->state == SESSION_LIVE)
			continue;       /* that of another connection comes first */
		if (!s || s->state != model[i].state || strcmp(s->client, clients[model[i].client].id) != 0 ||
		    s->party != people[who].party || strcmp(s->id, people[who].id) != 0 || !s->holder != suspended[who])
			fail_msg("entry %zu of %zu: %s is %s in state %d, not %s in state %d", i, entries,
				 clients[model[i].client].id, s ? s->id : "nobody", s ? (int)s->state : -1, people[who].id,
				 (int)model[i].state);
	}
}

/* ---- the broker: what it keeps under a client id, and how it tells us ---- */

static int world[24], stack;   /* addresses of its contexts, soon used again; and of the one on its stack */

static struct broker {
	const void *context;        /* NULL: it knows no such client */
	bool connected, durable, will;
} broker[countof(clients)];

static const void *unused_context(void)
{
	for (;;) {
		const void *context = &world[seed_below(countof(world))];
		bool used = false;

		for (size_t i = 0; i < countof(clients); i++)
			used = used || broker[i].context == context;
		if (!used)
			return context;
	}
}

static struct client shown(const void *context, int client, int username)
{
	return (struct client){ context, clients[client].id, "127.0.0.1", username < 0 ? NULL : people[username].id, 5, 60,
				true, false };
}

static void writes(const void *context, int client, int username)
{
	struct client c = shown(context, client, username);
	int who = model_who(context, client, username);
	struct publish clear = { .retain = true, .qos = 1 };

	assert_int_equal(guard_publish(g, &c, people[clients[client].of].own, &clear),
			 who >= 0 && !suspended[who] ? GATE_ALLOW : GATE_DENY);
	assert_int_equal(guard_publish(g, &c, people[clients[client].of].other, &clear), GATE_DENY);
}

/* The end of one connection: DISCONNECT, sometimes twice, then the will. */
static void broker_ends(const void *context, int client, bool will)
{
	guard_logoff(g, context, -1);
	model_logoff(context);
	if (will)
		writes(context, client, clients[client].of);
	if (seed_below(4) == 0)
		guard_logoff(g, context, -1);
}

static void broker_drops(int client)
{
	struct broker *b = &broker[client];

	broker_ends(b->context, client, b->will);
	b->connected = b->will = false;
	if (!b->durable)
		b->context = NULL;
}

/* From inside guard_tick(). */
static void broker_kicks(const char *client)
{
	for (size_t i = 0; i < countof(clients); i++)
		if (strcmp(clients[i].id, client) == 0 && broker[i].connected)
			broker_drops((int)i);
}

/* `username`: what CONNECT said, or what we mapped it to before. */
static enum gate asks_in(const void *context, int client, int who, int username, bool clean, bool right)
{
	struct client c = shown(context, client, username);
	struct identity x = { .tenant = "mercy" };
	const char *mapped;

	c.clean = clean;
	strcpy(x.id, people[who].id);
	return guard_login(g, &c, people[who].party == DEVICE ? &x : NULL, right ? "right" : "wrong", &mapped);
}

/* CONNECT: BASIC_AUTH first, then the end of who had the client id before. */
static void a_client_connects(void)
{
	int client = (int)seed_below(countof(clients)), who = seed_below(4) ? clients[client].of : (int)seed_below(countof(people));
	bool clean = seed_below(2), right = people[who].party == DEVICE || seed_below(8);
	const void *context = unused_context();
	struct broker old = broker[client];
	bool good = right && who == clients[client].of && !suspended[who];

	assert_int_equal(asks_in(context, client, who, people[who].party == USER ? who : NOBODY, clean, right),
			 good ? GATE_ALLOW : GATE_DENY);
	if (!good) {
		guard_logoff(g, context, -1);   /* it tells of the end of those who never came in, too */
		return;
	}
	model_login(context, client);
	table_and_model_agree();
	broker[client] = (struct broker){ context, true, seed_below(2), seed_below(2) };
	if (old.context && old.connected)
		broker_ends(old.context, client, old.will);
	else if (old.context && seed_below(2))
		guard_logoff(g, old.context, -1);   /* a durable one that was resumed: told a second time */
}

static void a_connection_breaks(void)
{
	int client = (int)seed_below(countof(clients));

	if (broker[client].connected)
		broker_drops(client);
}

static void a_durable_session_runs_out(void)
{
	int client = (int)seed_below(countof(clients));

	if (broker[client].context && !broker[client].connected)
		broker[client].context = NULL;
}

/* As the broker asks (shim.c); how often each way has answered. */
static unsigned unseen, passed, asked_in_full;

static enum gate delivered(const struct client *c, const char *topic)
{
	const struct publish p = { SPAN_LIT("x"), 1, false };

	if (guard_passes_unseen(g, c->context, c->client, topic))
		return ++unseen, GATE_ALLOW;
	if (guard_passes(g, c->context, c->client, topic, &p))
		return ++passed, GATE_ALLOW;
	asked_in_full++;
	return guard_receive(g, c, topic, &p);
}

/* Whom the policy lets have it, and nobody else: told apart by their units and names. Often the same comes again. */
static void a_message_is_delivered(void)
{
	int client = (int)seed_below(countof(clients)), other = (int)seed_below(countof(people));
	const void *context = broker[client].context;
	char topic[64];
	struct client c;
	int who;

	if (!context)
		return;
	c = shown(context, client, clients[client].of);
	who = model_who(context, client, clients[client].of);
	assert_int_equal(who, clients[client].of);
	if (people[other].party == USER)
		snprintf(topic, sizeof(topic), "mercy/unit/%s/alert/high/nc-1", people[other].unit);
	else
		snprintf(topic, sizeof(topic), "mercy/device/%s/stored", people[other].id);
	for (unsigned again = 0; again < 3; again++)
		assert_int_equal(delivered(&c, topic), other == who && !suspended[who] ? GATE_ALLOW : GATE_DENY);
}

/* Of somebody the broker no longer has, shown by a struct on its stack; or of one who lies about the name. */
static void a_retained_message_is_looked_at(void)
{
	writes(&stack, (int)seed_below(countof(clients)), (int)seed_below(countof(people)));
}

static void a_client_speaks(void)
{
	int client = (int)seed_below(countof(clients));

	if (broker[client].connected)
		writes(broker[client].context, client, clients[client].of);
}

static void the_clock_ticks(void)
{
	guard_tick(g);
}

static void a_minute_passes(void)
{
	sessions_reap(&g->sessions, guard_mono_us() / 1000 + SESSION_LINGER_MS + 1);
	model_forget_ended();
}

/* SIGHUP: every session is asked again who it is, also those offline, with what the broker stored. Whoever is refused is
 * closed. */
static void the_broker_reloads(void)
{
	guard_reload(g);
	for (size_t i = 0; i < countof(clients); i++) {
		int who = clients[i].of;

		if (!broker[i].context)
			continue;
		model_who(broker[i].context, (int)i, who);
		if (asks_in(broker[i].context, (int)i, who, who, false, seed_below(2)) != GATE_ALLOW) {
			assert_true(suspended[who]);
			if (broker[i].connected)
				broker_drops((int)i);
		} else {
			assert_false(suspended[who]);
		}
	}
	guard_tick(g);
}

/* Durable sessions come back at other addresses, and BASIC_AUTH is not asked about them. */
static void the_broker_restarts(void)
{
	guard_close(&g);
	guard_start();
	g->host.kick = broker_kicks;
	entries = 0;
	for (size_t i = 0; i < countof(clients); i++) {
		bool kept = broker[i].context && broker[i].durable;

		broker[i] = (struct broker){ .durable = kept };
		broker[i].context = kept ? unused_context() : NULL;
	}
}

/* Somebody is suspended, or let in again; whoever is there and lost something is kicked from the next tick. */
static void an_account_changes(void)
{
	int who = (int)seed_below(countof(people));

	suspended[who] = !suspended[who];
	account_put(who);
	guard_tick(g);
	for (size_t i = 0; i < countof(clients); i++)
		assert_false(broker[i].connected && suspended[clients[i].of]);
}

static void any_million_events_leave_the_same_sessions(void **state)
{
	static const struct { void (*happens)(void); unsigned weight; } events[] = {
		{ a_client_connects, 3000000 }, { a_connection_breaks, 1500000 }, { a_message_is_delivered, 2500000 },
		{ a_client_speaks, 1000000 }, { a_retained_message_is_looked_at, 1000000 }, { the_clock_ticks, 900000 },
		{ a_durable_session_runs_out, 60000 }, { a_minute_passes, 30000 }, { the_broker_reloads, 4000 },
		{ an_account_changes, 3000 }, { the_broker_restarts, 400 },
	};
	static char text[sizeof(policy_text) + 100];
	uint64_t all = 0;

	(void)snprintf(text, sizeof(text), "%srecord off mercy/device/+/stored\nrecord off mercy/unit/icu3/alert/+/+\n", policy_text);
	(void)state;
	guard_close(&g);
	write_file("pullcord.policy", text);
	guard_start();
	g->host.kick = broker_kicks;
	for (size_t i = 0; i < countof(events); i++)
		all += events[i].weight;
	for (size_t i = 0; i < countof(people); i++)
		account_put((int)i);
	guard_tick(g);
	for (int n = 0; n < EVENTS; n++) {
		uint64_t at = seed_below(all);
		size_t which = 0;

		while (at >= events[which].weight)
			at -= events[which++].weight;
		events[which].happens();
		table_and_model_agree();
	}
	assert_true(unseen > EVENTS / 200 && passed > EVENTS / 200 && asked_in_full > EVENTS / 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(any_million_events_leave_the_same_sessions) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
