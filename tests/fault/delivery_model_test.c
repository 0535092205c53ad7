/* Every interleaving of a small world: two presses at a gateway, a broker with its history, a screen; either side dies at
 * any moment, the connection breaks, receipts are lost or come twice, the broker says "quota". The gateway decides with the
 * real flight.c and link.c; its outbox, the wire, the broker and the screen are a few bits each.
 *
 * In every state that can be reached: what a source was promised is on one of the two disks, and the screen knows each
 * press by one id, so that it is shown once, and those of one tier in order. From every such state, once nothing more goes wrong, all is seen and the
 * outbox runs empty: no livelock. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flight.h"
#include "link.h"

#define PRESSES 2
#define IDS 6                       /* messages made */
#define QUEUE 24
#define STEPS_MAX 400               /* of a drain */
#define TICK_MS FLIGHT_AGAIN_MAX_MS
#define TABLE (1u << 22)            /* states remembered */

enum press { NEW, SAID, PROMISED };
enum work { PUT, DELETE };
enum word { PUBACK, QUOTA, RECEIPT };

struct queue {
	uint8_t n;
	struct { uint8_t what, id; } at[QUEUE];
};

/* Everything but the flight, whose bytes are kept beside it. */
static struct world {
	int64_t now_ms;
	struct link link;
	uint8_t press[PRESSES];
	uint8_t ids, of[IDS];           /* messages made so far, and of which press */
	uint8_t shown_as[PRESSES];      /* 1 + the message the screen knows it by; 0: none yet */
	uint8_t disk, taken;            /* the outbox: its messages; presses it knows */
	uint8_t rows, rows_todo, shown; /* history: on its disk; not yet; in its memory */
	uint8_t seen, pressed_seen;     /* by the screen: messages, presses */
	bool gateway, broker, connected, overtaken;
	uint8_t faults;                 /* that may still happen */
	struct queue todo, up, down, screen;
} w;

static struct flight *flight;
static size_t flight_bytes;
static uint8_t empty[2048];         /* a flight as it is made */
static unsigned tier_of[PRESSES];
static unsigned states;
static const char *trace[256];
static unsigned depth;

static void push(struct queue *q, uint8_t what, uint8_t id)
{
	must(q->n < QUEUE);
	q->at[q->n].what = what;
	q->at[q->n++].id = id;
}

static void pop(struct queue *q)
{
	memmove(q->at, q->at + 1, sizeof(q->at[0]) * --q->n);
	memset(&q->at[q->n], 0, sizeof(q->at[0]));
}

static void clear(struct queue *q) { memset(q, 0, sizeof(*q)); }
static unsigned bit(unsigned n) { return 1u << n; }

static _Noreturn void wrong(const char *what)
{
	fprintf(stderr, "# %s, after:", what);
	for (unsigned i = 0; i < depth; i++)
		fprintf(stderr, " %s", trace[i]);
	fprintf(stderr, "\n");
	fail_msg("%s", what);
	abort();
}

static struct id id_number(unsigned n)
{
	struct id id = { { 0 } };

	id.b[ID_BYTES - 1] = (uint8_t)(n + 1);
	return id;
}

/* ---- the gateway ---- */

static void fly(unsigned id)
{
	const struct flight_item item = { .id = id_number(id), .seq = id, .tier = tier_of[w.of[id]] };

	if (flight_add(flight, &item) != OK)
		wrong("it flies twice");
}

static void send_some(void)
{
	struct flight_item at;

	while (w.connected && flight_take(flight, w.now_ms, &at))
		push(&w.up, 0, (uint8_t)at.seq);
}

static void step(enum link_event e)
{
	switch (link_step(&w.link, e, w.now_ms, 0)) {
	case LINK_GREET:
		w.connected = true;
		break;
	case LINK_DROP:
		flight_lost(flight);
		break;
	default:
		break;
	}
}

static void connection_gone(void)
{
	w.connected = false;
	clear(&w.up);
	clear(&w.down);
}

static bool has(unsigned p)
{
	bool has = w.taken & bit(p);

	for (unsigned i = 0; i < w.todo.n; i++)
		has = has || (w.todo.at[i].what == PUT && w.of[w.todo.at[i].id] == p);
	return has;
}

/* As outbox_name(): what is said again has the id it had, whatever the gateway has forgotten meanwhile. */
static uint8_t id_for(unsigned p)
{
	for (uint8_t i = 0; i < w.ids; i++)
		if (w.of[i] == p)
			return i;
	must(w.ids < IDS);
	w.of[w.ids] = (uint8_t)p;
	return w.ids++;
}

/* A source says things in its order, and again those that were not answered. */
static bool press(unsigned p)
{
	uint8_t id;

	if (!w.gateway || w.press[p] == PROMISED || (p && !has(p - 1)))
		return false;
	if (has(p)) {   /* said again: the outbox has it, or is about to */
		if (!(w.taken & bit(p)))
			return false;
		w.press[p] = PROMISED;
		return true;
	}
	id = id_for(p);
	w.press[p] = SAID;
	push(&w.todo, PUT, id);
	if (tier_of[p] < FLIGHT_TIER_EARLY)
		fly(id);
	if (tier_of[p] < FLIGHT_TIER_CALM)
		step(LINK_EV_URGENT);
	return true;
}

static bool press_first(void) { return press(0); }
static bool press_second(void) { return press(1); }

static bool commit(void)
{
	if (!w.gateway || !w.todo.n)
		return false;
	for (unsigned i = 0; i < w.todo.n; i++) {
		unsigned id = w.todo.at[i].id, p = w.of[id];

		if (w.todo.at[i].what == DELETE) {
			w.disk &= (uint8_t)~bit(id);
			continue;
		}
		w.disk |= (uint8_t)bit(id);
		w.taken |= (uint8_t)bit(p);
		w.press[p] = PROMISED;
		if (tier_of[p] >= FLIGHT_TIER_EARLY)
			fly(id);
	}
	clear(&w.todo);
	return true;
}

static bool gateway_hears(void)
{
	struct id id;
	uint8_t n;

	if (!w.gateway || !w.down.n)
		return false;
	n = w.down.at[0].id;
	id = id_number(n);
	switch (w.down.at[0].what) {
	case RECEIPT:
		if (flight_drop(flight, &id))
			push(&w.todo, DELETE, n);
		break;
	default:
		if (flight_acked(flight, &id, w.down.at[0].what == QUOTA ? 0x97 : 0, w.now_ms) == FLIGHT_DELIVERED)
			push(&w.todo, DELETE, n);
	}
	pop(&w.down);
	return true;
}

static bool link_works(void)
{
	if (!w.gateway)
		return false;
	if (w.link.state == LINK_DIALING && w.broker) {
		step(LINK_EV_CONNECTED);
		return true;
	}
	if (w.link.state == LINK_WAITING) {
		step(LINK_EV_TIMEOUT);
		return true;
	}
	return false;
}

static bool gateway_starts(void)
{
	if (w.gateway)
		return false;
	w.gateway = true;
	memcpy(flight, empty, flight_bytes);   /* in place: a snapshot holds its inner pointers */
	link_init(&w.link, 5000);
	step(LINK_EV_START);
	for (unsigned i = 0; i < w.ids; i++)
		if (w.disk & bit(i))
			fly(i);
	return true;
}

/* ---- the broker ---- */

static bool broker_takes(void)
{
	unsigned id;

	if (!w.broker || !w.up.n)
		return false;
	id = w.up.at[0].id;
	pop(&w.up);
	push(&w.screen, 0, (uint8_t)id);
	push(&w.down, PUBACK, (uint8_t)id);
	if (tier_of[w.of[id]] >= FLIGHT_TIER_SAFE)
		return true;
	if (!(w.shown & bit(id)))
		w.rows_todo |= (uint8_t)bit(id);
	else if (w.rows & bit(id))
		push(&w.down, RECEIPT, (uint8_t)id);
	w.shown |= (uint8_t)bit(id);
	return true;
}

static bool broker_commits(void)
{
	if (!w.broker || !w.rows_todo)
		return false;
	for (unsigned i = 0; i < w.ids; i++)
		if (w.rows_todo & bit(i) && w.connected)
			push(&w.down, RECEIPT, (uint8_t)i);
	w.rows |= w.rows_todo;
	w.rows_todo = 0;
	return true;
}

/* The screen comes back with it, and is shown what is open. */
static bool broker_starts(void)
{
	if (w.broker)
		return false;
	w.broker = true;
	w.shown = w.rows;
	for (unsigned i = 0; i < w.ids; i++)
		if (w.rows & bit(i))
			push(&w.screen, 0, (uint8_t)i);
	return true;
}

static bool screen_shows(void)
{
	unsigned id, p;

	if (!w.screen.n)
		return false;
	id = w.screen.at[0].id;
	p = w.of[id];
	pop(&w.screen);
	if (w.shown_as[p] && w.shown_as[p] != id + 1)
		wrong("one press came under two ids");
	w.shown_as[p] = (uint8_t)(id + 1);
	w.seen |= (uint8_t)bit(id);
	if (p == 1 && !(w.pressed_seen & 1) && tier_of[0] == tier_of[1] && !w.overtaken)
		wrong("the second was shown before the first");
	w.pressed_seen |= (uint8_t)bit(p);
	return true;
}

/* ---- what goes wrong ---- */

static bool gateway_dies(void)
{
	if (!w.gateway)
		return false;
	w.gateway = false;
	connection_gone();
	clear(&w.todo);
	return true;
}

static bool broker_dies(void)
{
	if (!w.broker)
		return false;
	w.broker = false;
	w.rows_todo = 0;
	clear(&w.screen);
	if (w.connected)
		step(LINK_EV_LOST);
	connection_gone();
	return true;
}

static bool connection_breaks(void)
{
	if (!w.connected)
		return false;
	connection_gone();
	step(LINK_EV_LOST);
	return true;
}

static bool receipt_is_lost(void)
{
	if (!w.down.n || w.down.at[0].what != RECEIPT)
		return false;
	pop(&w.down);
	return true;
}

static bool receipt_comes_twice(void)
{
	if (!w.down.n || w.down.at[0].what != RECEIPT)
		return false;
	push(&w.down, RECEIPT, w.down.at[0].id);
	return true;
}

/* What is behind a refused message and not refused has overtaken it, whatever we do: from then on order is not asked. */
static bool broker_says_quota(void)
{
	if (!w.broker || !w.up.n)
		return false;
	push(&w.down, QUOTA, w.up.at[0].id);
	pop(&w.up);
	w.overtaken = true;
	return true;
}

static bool time_passes(void)
{
	w.now_ms += TICK_MS;
	return true;
}

static const struct action {
	const char *name;
	bool (*act)(void);
	bool fault;
} actions[] = {
	{ "screen", screen_shows, false },
	{ "hears", gateway_hears, false },
	{ "takes", broker_takes, false },
	{ "commits", commit, false },
	{ "stores", broker_commits, false },
	{ "link", link_works, false },
	{ "starts", gateway_starts, false },
	{ "broker-starts", broker_starts, false },
	{ "press-1", press_first, false },
	{ "press-2", press_second, false },
	{ "GATEWAY-DIES", gateway_dies, true },
	{ "BROKER-DIES", broker_dies, true },
	{ "BREAKS", connection_breaks, true },
	{ "RECEIPT-LOST", receipt_is_lost, true },
	{ "RECEIPT-TWICE", receipt_comes_twice, true },
	{ "QUOTA", broker_says_quota, true },
	{ "TIME", time_passes, true },
};

/* ---- all of it ---- */

static bool act(const struct action *a)
{
	if (!a->act())
		return false;
	if (w.gateway)
		send_some();
	return true;
}

static void check_promises(void)
{
	for (unsigned p = 0; p < PRESSES; p++) {
		bool safe = tier_of[p] >= FLIGHT_TIER_SAFE;   /* the next measurement is as good */

		for (unsigned i = 0; i < w.ids; i++)
			safe = safe || (w.of[i] == p && (w.disk | w.rows) & bit(i));
		if (w.press[p] == PROMISED && !safe)
			wrong("a promised alert is on neither disk");
	}
}

static bool all_is_well(void)
{
	for (unsigned p = 0; p < PRESSES; p++)
		if (w.press[p] != PROMISED || (!(w.pressed_seen & bit(p)) && tier_of[p] < FLIGHT_TIER_SAFE))
			return false;
	return !w.disk && !w.todo.n && !flight_count(flight);
}

/* Nothing more goes wrong: whatever can happen does, and when nothing can, time passes. */
static void drain(void)
{
	for (unsigned n = 0; n < STEPS_MAX; n++) {
		bool moved = false;

		if (all_is_well())
			return;
		for (size_t i = 0; i < countof(actions) && !moved; i++)
			moved = !actions[i].fault && act(&actions[i]);
		if (!moved)
			time_passes(), send_some();
	}
	wrong("it never comes to rest");
}

struct snapshot {
	struct world w;
	uint8_t flight[2048];
};

static void save(struct snapshot *s)
{
	s->w = w;
	memcpy(s->flight, flight, flight_bytes);
}

static void restore(const struct snapshot *s)
{
	w = s->w;
	memcpy(flight, s->flight, flight_bytes);
}

/* FNV-1a over both; two states of one hash are taken for one. */
static uint64_t hash(void)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < sizeof(w); i++)
		h = (h ^ ((const uint8_t *)&w)[i]) * 0x100000001b3u;
	for (size_t i = 0; i < flight_bytes; i++)
		h = (h ^ ((const uint8_t *)flight)[i]) * 0x100000001b3u;
	return h ? h : 1;
}

static uint64_t *known;

static bool is_new(void)
{
	uint64_t h = hash();
	size_t at = h >> 20 & (TABLE - 1);

	while (known[at] && known[at] != h)
		at = (at + 1) & (TABLE - 1);
	if (known[at] == h)
		return false;
	known[at] = h;
	must(++states < TABLE / 4 * 3);
	return true;
}

static void explore(void)
{
	struct snapshot here;

	save(&here);
	drain();
	restore(&here);
	for (size_t i = 0; i < countof(actions); i++) {
		if (actions[i].fault && !w.faults)
			continue;
		w.faults -= actions[i].fault;
		if (act(&actions[i])) {
			must(depth < countof(trace));
			trace[depth++] = actions[i].name;
			check_promises();
			if (is_new())
				explore();
			depth--;
		}
		restore(&here);
	}
}

static void explore_from_the_start(unsigned first, unsigned second, unsigned faults)
{
	memset(&w, 0, sizeof(w));
	memset(known, 0, TABLE * sizeof(*known));
	tier_of[0] = first;
	tier_of[1] = second;
	w.faults = (uint8_t)faults;
	w.broker = true;
	states = depth = 0;
	gateway_starts();
	explore();
	print_message("# tiers %u and %u, %u faults: %u states\n", first, second, faults, states);
}

static void two_urgent_ones(void **state) { (void)state; explore_from_the_start(1, 1, 2); }
static void two_calm_ones(void **state) { (void)state; explore_from_the_start(2, 2, 2); }
static void a_calm_one_then_an_urgent_one(void **state) { (void)state; explore_from_the_start(3, 0, 1); }
static void an_alert_and_an_observation(void **state) { (void)state; explore_from_the_start(1, 5, 2); }

static int make(void **state)
{
	(void)state;
	known = malloc(TABLE * sizeof(*known));
	if (!known || flight_make(IDS, 2, &flight) != OK)
		return -1;
	flight_bytes = malloc_usable_size(flight);
	must(flight_bytes <= sizeof(empty));
	memcpy(empty, flight, flight_bytes);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	free(known);
	flight_free(&flight);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_urgent_ones, make, drop),
		cmocka_unit_test_setup_teardown(two_calm_ones, make, drop),
		cmocka_unit_test_setup_teardown(a_calm_one_then_an_urgent_one, make, drop),
		cmocka_unit_test_setup_teardown(an_alert_and_an_observation, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
