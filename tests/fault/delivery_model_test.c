/* Every interleaving of a small world: two presses at a gateway, a broker with its history, a screen; either side dies at
 * any moment, the connection breaks, the gateway's disk fails, receipts are lost or come twice, the broker says "quota". The
 * gateway decides with the real flight.c, link.c and era.c; its outbox, the wire, the broker and the screen are a few bits each.
 * Its outbox has forgotten a press that it did not keep, and others come meanwhile, so that the number names go by changes.
 *
 * In every state that can be reached: what a source was promised is on one of the two disks, and the screen knows each
 * press by one id, so that it is shown once, and those of one tier in order. From every such state, once nothing more goes wrong,
 * all is seen and the outbox runs empty: no livelock. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "era.h"
#include "flight.h"
#include "link.h"

#define PRESSES 2
#define IDS 6                       /* messages made */
#define QUEUE 24
#define OTHER 0xff                  /* in the place of a message: somebody else's, which nobody looks at */
#define MOST 16                     /* rows the outbox remembers: an era has two at least, and keeps its name for six */
#define ROW 100                     /* the first */
#define STEPS_MAX 400               /* of a drain */
#define TICK_MS FLIGHT_AGAIN_MAX_MS
#define TABLE (1u << 22)            /* states remembered */

enum press { NEW, SAID, PROMISED };
enum work { PUT, DELETE, NAME };
enum word { PUBACK, QUOTA, RECEIPT };

struct queue {
	uint8_t n;
	struct { uint8_t what, id, seq; } at[QUEUE];
};

/* Everything but the flight, whose bytes are kept beside it. */
static struct world {
	int64_t now_ms;
	struct link link;
	uint8_t press[PRESSES];
	uint8_t ids, of[IDS], by[IDS];  /* messages made so far, of which press, named by which number */
	uint8_t shown_as[PRESSES];      /* 1 + the message the screen knows it by; 0: none yet */
	uint8_t disk, taken;            /* the outbox: its messages; presses it knows */
	uint8_t number, row;            /* on its disk: names go by it; of the next it keeps */
	struct era era;
	uint8_t seq, upto, others;      /* places given; handed out; messages of somebody else that may still come */
	uint8_t rows, rows_todo, shown; /* history: on its disk; not yet; in its memory */
	uint8_t seen, pressed_seen;     /* by the screen: messages, presses */
	bool gateway, broker, connected, overtaken;
	uint8_t faults;                 /* that may still happen */
	struct queue todo, doing, up, down, screen;
} w;

static struct flight *flight;
static size_t flight_bytes;
static uint8_t empty[2048];         /* a flight as it is made */
static unsigned tier_of[PRESSES], presses;
static bool in_steps;               /* more can come while a commit is under way, and that can fail */
static unsigned states;
static const char *trace[256];
static unsigned depth;

static void push_at(struct queue *q, uint8_t what, uint8_t id, uint8_t seq)
{
	must(q->n < QUEUE);
	q->at[q->n].seq = seq;
	q->at[q->n].what = what;
	q->at[q->n++].id = id;
}

static void push(struct queue *q, uint8_t what, uint8_t id) { push_at(q, what, id, 0); }

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

static void fly(unsigned id, unsigned seq)
{
	const struct flight_item item = { .id = id_number(id), .seq = seq, .tier = tier_of[w.of[id]] };

	if (flight_add(flight, &item) != OK)
		wrong("it flies twice");
}

static void send_some(void)
{
	struct flight_item at;

	flight_upto(flight, era_early(&w.era, w.row) ? FLIGHT_SEQ_MAX : w.upto);
	while (w.connected && flight_take(flight, w.now_ms, &at))
		push(&w.up, 0, (uint8_t)(at.id.b[ID_BYTES - 1] - 1));
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
	const struct queue *const q[] = { &w.todo, &w.doing };
	bool has = w.taken & bit(p);

	for (size_t k = 0; k < countof(q); k++)
		for (unsigned i = 0; i < q[k]->n; i++)
			has = has || (q[k]->at[i].what == PUT && q[k]->at[i].id != OTHER && w.of[q[k]->at[i].id] == p);
	return has;
}

/* As outbox_name(). */
static uint8_t id_for(unsigned p)
{
	for (uint8_t i = 0; i < w.ids; i++)
		if (w.of[i] == p && w.by[i] == w.era.number)
			return i;
	must(w.ids < IDS);
	w.of[w.ids] = (uint8_t)p;
	w.by[w.ids] = (uint8_t)w.era.number;
	return w.ids++;
}

static void bring(uint8_t id)
{
	push_at(&w.todo, PUT, id, ++w.seq);
	era_brought(&w.era);
}

/* A source says things in its order, and again those that were not answered. */
static bool press(unsigned p)
{
	uint8_t id;

	if (p >= presses || !w.gateway || w.press[p] == PROMISED || (p && !has(p - 1)))
		return false;
	if (has(p)) {   /* said again: the outbox has it, or is about to */
		if (!(w.taken & bit(p)))
			return false;
		w.press[p] = PROMISED;
		return true;
	}
	id = id_for(p);
	w.press[p] = SAID;
	bring(id);
	if (tier_of[p] < FLIGHT_TIER_EARLY)
		fly(id, w.seq);
	if (tier_of[p] < FLIGHT_TIER_CALM)
		step(LINK_EV_URGENT);
	return true;
}

static bool press_first(void) { return press(0); }
static bool press_second(void) { return press(1); }

static bool another(void)
{
	if (!w.gateway || !w.others)
		return false;
	w.others--;
	bring(OTHER);
	return true;
}

/* What comes while it does so goes into the next commit. */
static bool take_up(void)
{
	if (!w.gateway || !w.todo.n || w.doing.n)
		return false;
	w.doing = w.todo;
	clear(&w.todo);
	return true;
}

static bool takes_up(void) { return in_steps && take_up(); }

static void keep(unsigned id, unsigned seq)
{
	unsigned p = w.of[id];

	w.disk |= (uint8_t)bit(id);
	w.taken |= (uint8_t)bit(p);
	w.press[p] = PROMISED;
	if (tier_of[p] >= FLIGHT_TIER_EARLY)
		fly(id, seq);
}

static void put_done(unsigned id, unsigned seq, bool ok)
{
	bool early = id != OTHER && tier_of[w.of[id]] < FLIGHT_TIER_EARLY;

	if (id != OTHER && ok)
		keep(id, seq);
	else if (early)   /* its source is told no, and says it again */
		flight_drop(flight, &(struct id[]){ id_number(id) }[0]);
	w.upto = (uint8_t)seq;
	era_back(&w.era, early, ok, w.row);
}

/* All of it or nothing. */
static bool committed(bool ok)
{
	if (!w.gateway || !w.doing.n)
		return false;
	for (unsigned i = 0; i < w.doing.n; i++)
		w.row = (uint8_t)(w.row + (ok && w.doing.at[i].what == PUT));
	for (unsigned i = 0; i < w.doing.n; i++) {
		unsigned id = w.doing.at[i].id;

		if (w.doing.at[i].what == PUT)
			put_done(id, w.doing.at[i].seq, ok);
		else if (w.doing.at[i].what == NAME)
			era_written(&w.era, id, ok), w.number = ok ? (uint8_t)id : w.number;
		else if (ok)
			w.disk &= (uint8_t)~bit(id);
		else
			push(&w.todo, DELETE, (uint8_t)id);
		if (era_step(&w.era, w.row))
			push(&w.todo, NAME, w.row);
	}
	clear(&w.doing);
	return true;
}

static bool commit(void) { return (in_steps || take_up()) && committed(true); }
static bool disk_fails(void) { return in_steps && committed(false); }

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
	w.seq = 0;
	era_init(&w.era, w.number, w.row, MOST);
	for (unsigned i = 0; i < w.ids; i++)
		if (w.disk & bit(i))
			fly(i, ++w.seq);
	w.upto = w.seq;
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
	clear(&w.doing);
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
	enum kind { GOES, FAULT, WIRE } kind;   /* by itself; goes wrong; on the wire or beyond, where the outbox is no matter */
} actions[] = {
	{ "screen", screen_shows, GOES },
	{ "hears", gateway_hears, GOES },
	{ "takes", broker_takes, GOES },
	{ "takes-up", takes_up, GOES },
	{ "commits", commit, GOES },
	{ "stores", broker_commits, GOES },
	{ "link", link_works, GOES },
	{ "starts", gateway_starts, GOES },
	{ "broker-starts", broker_starts, GOES },
	{ "press-1", press_first, GOES },
	{ "press-2", press_second, GOES },
	{ "another", another, GOES },
	{ "GATEWAY-DIES", gateway_dies, FAULT },
	{ "BROKER-DIES", broker_dies, WIRE },
	{ "BREAKS", connection_breaks, FAULT },
	{ "RECEIPT-LOST", receipt_is_lost, WIRE },
	{ "RECEIPT-TWICE", receipt_comes_twice, WIRE },
	{ "QUOTA", broker_says_quota, WIRE },
	{ "DISK-FAILS", disk_fails, FAULT },
	{ "TIME", time_passes, WIRE },
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
	for (unsigned p = 0; p < presses; p++) {
		bool safe = tier_of[p] >= FLIGHT_TIER_SAFE;   /* the next measurement is as good */

		for (unsigned i = 0; i < w.ids; i++)
			safe = safe || (w.of[i] == p && (w.disk | w.rows) & bit(i));
		if (w.press[p] == PROMISED && !safe)
			wrong("a promised alert is on neither disk");
	}
}

static bool all_is_well(void)
{
	for (unsigned p = 0; p < presses; p++)
		if (w.press[p] != PROMISED || (!(w.pressed_seen & bit(p)) && tier_of[p] < FLIGHT_TIER_SAFE))
			return false;
	return !w.disk && !w.todo.n && !w.doing.n && !flight_count(flight);
}

/* Nothing more goes wrong: whatever can happen does, and when nothing can, time passes. */
static void drain(void)
{
	for (unsigned n = 0; n < STEPS_MAX; n++) {
		bool moved = false;

		if (all_is_well())
			return;
		for (size_t i = 0; i < countof(actions) && !moved; i++)
			moved = actions[i].kind == GOES && act(&actions[i]);
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
		if (actions[i].kind != GOES && (!w.faults || (in_steps && actions[i].kind == WIRE)))
			continue;
		w.faults -= actions[i].kind != GOES;
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
	w.others = in_steps ? 2 : 0;
	w.number = ROW;
	w.row = in_steps ? ROW + 1 : ROW;       /* an era ends with the next */
	states = depth = 0;
	gateway_starts();
	w.era.until = ROW;
	explore();
	print_message("# tiers %u and %u, %u faults: %u states\n", first, second, faults, states);
}

static void two_urgent_ones(void **state) { (void)state; explore_from_the_start(1, 1, 2); }
static void two_calm_ones(void **state) { (void)state; explore_from_the_start(2, 2, 2); }
static void a_calm_one_then_an_urgent_one(void **state) { (void)state; explore_from_the_start(3, 0, 1); }
static void an_alert_and_an_observation(void **state) { (void)state; explore_from_the_start(1, 5, 2); }

static void an_alert_and_others_over_the_end_of_an_era(void **state)
{
	(void)state;
	presses = 1;
	in_steps = true;
	explore_from_the_start(1, 5, 2);
}


static int make(void **state)
{
	(void)state;
	presses = PRESSES;
	in_steps = false;
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
		cmocka_unit_test_setup_teardown(an_alert_and_others_over_the_end_of_an_era, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
