#include "connection.h"

#include "lean.h"
#include "log.h"

#define LEAN_MS 10                  /* while it connects: what the libraries' steps map adds up otherwise */
#define LEAN_FOR_MS 1000
#define STATE_ROOM 2                /* messages of our own unanswered at a time */
#define SILENT_KEEPALIVES 3         /* the library should have noticed after one and a half */
#define SUBSCRIBE_AGAIN_MS 5000     /* what was refused may be granted meanwhile, and nobody tells us; */
#define SUBSCRIBE_SELDOM_MS 60000   /* doubled up to this */

const char *connection_host(const struct gateway *g)
{
	return g->spec.scout ? scout_host(g->spec.scout, g->course.at) : g->spec.conf->uplink_host;
}

/* CONNACK, MQTT 5 §3.2.2.2: the broker does not want whom we say to be; others are about its own state. */
static bool is_about_us(int reason)
{
	return reason == 0x85 || reason == 0x86 || reason == 0x87 || reason == 0x8a || reason == 0x8c;
}

static void login_failed(struct gateway *g, int reason)
{
	bool refused = is_about_us(reason);

	if (g->link.state != LINK_DIALING ||
	    course_step(&g->course, refused ? COURSE_EV_REFUSED : COURSE_EV_FAILED, now_ms(g)) != COURSE_GO_BACK ||
	    !scout_go_back(g->spec.scout, refused, now_ms(g)))
		return;
	g->spec.cert = scout_cert(g->spec.scout);
	course_step(&g->course, COURSE_EV_RESTORED, now_ms(g));
}

/* `reason`: CONNACK's, DISCONNECT's; 0: it said none. */
static void lost(struct gateway *g, const char *why, int reason)
{
	log_say(EV_UPLINK_LOST, KV_STR("host", connection_host(g)), KV_STR("why", why), KV_NUM("waiting", flight_count(g->flight)));
	login_failed(g, reason);
	(link_fails(&g->link, now_ms(g)) ? course_failed : course_lost)(&g->course, now_ms(g));
	connection_step(g, LINK_EV_LOST);
}

void connection_lost(struct gateway *g, const char *why) { lost(g, why, 0); }

static unsigned port_of(const struct gateway *g)
{
	return g->spec.scout ? scout_port(g->spec.scout, g->course.at) : (unsigned)g->spec.conf->uplink_port;
}

static void dial(struct gateway *g)
{
	struct message will;
	enum err e = gateway_will(g, &will);

	must(e == OK);   /* tenant and device were checked at the start */
	course_step(&g->course, COURSE_EV_DIALED, now_ms(g));
	g->spec.uplink->dial(g->uplink, &(struct uplink_place){ connection_host(g), port_of(g) },
			     &(struct uplink_message){ will.topic, will.envelope, will.id, true, 0 });
}

static enum err subscribe(struct gateway *g)
{
	const char *filter[FILTERS_MAX];
	size_t n = filters_list(g->filters, filter);

	return g->spec.uplink->subscribe(g->uplink, filter, n);
}

static void subscribe_later(struct gateway *g)
{
	if (g->subscribe_ms)
		return;
	g->subscribe_wait_ms = g->subscribe_wait_ms ? g->subscribe_wait_ms * 2 : SUBSCRIBE_AGAIN_MS;
	if (g->subscribe_wait_ms > SUBSCRIBE_SELDOM_MS)
		g->subscribe_wait_ms = SUBSCRIBE_SELDOM_MS;
	g->subscribe_ms = now_ms(g) + g->subscribe_wait_ms;
}

/* Of each filter it is said once that it is refused, and once that it no longer is. */
static void subscribed(struct gateway *g, const struct uplink_event *u)
{
	bool refused = u->reason >= 0x80, before = u->at < FILTERS_MAX && g->refused[u->at];

	if (u->at == FILTERS_RECEIPTS)
		g->deaf = refused;
	if (u->at < FILTERS_MAX)
		g->refused[u->at] = refused;
	if (refused)
		subscribe_later(g);
	if (refused && !before)
		log_say(EV_SUBSCRIBE_REFUSED, KV_STR("topic", filters_name(g->filters, u->at)), KV_NUM("reason", u->reason));
	else if (!refused && before)
		log_say(EV_SUBSCRIBE_GRANTED, KV_STR("topic", filters_name(g->filters, u->at)));
}

static void subscribe_or_leave(struct gateway *g)
{
	g->subscribe_ms = 0;
	if (subscribe(g) != OK)         /* it would hear of no receipt and of nobody's answer, and look well */
		connection_lost(g, "it cannot subscribe");
}

static void greet(struct gateway *g)
{
	log_say(EV_UPLINK_UP, KV_STR("host", connection_host(g)), KV_NUM("waiting", flight_count(g->flight)));
	if (now_ms(g) >= g->greet_probe_ms) {
		g->probe_ms = now_ms(g);
		g->greet_probe_ms = now_ms(g) + GATEWAY_PROBE_MS;
	}
	memset(g->refused, 0, sizeof(g->refused));
	g->subscribe_wait_ms = 0;
	subscribe_or_leave(g);
}

static void bye(struct gateway *g)
{
	if (gateway_say_state(g, false, &g->goodbye) != OK)
		connection_step(g, LINK_EV_SAID);
}

void connection_step(struct gateway *g, enum link_event e)
{
	enum link_act act = link_step(&g->link, e, now_ms(g), random32());

	if (act != LINK_NOTHING) {
		g->lean_ms = g->lean_ms ? g->lean_ms : now_ms(g) + LEAN_MS;     /* not put off by the next, of a line that flaps */
		g->lean_until_ms = now_ms(g) + LEAN_FOR_MS;
	}
	switch (act) {
	case LINK_DIAL:
		dial(g);
		break;
	case LINK_GREET:
		self_linked(&g->self, true, now_ms(g), real_us(g));
		greet(g);
		break;
	case LINK_DROP:
		self_linked(&g->self, false, now_ms(g), real_us(g));
		g->spec.uplink->hangup(g->uplink);
		flight_lost(g->flight);
		trouble_lost(&g->alarms.trouble);
		break;
	case LINK_BYE:
		bye(g);
		break;
	default:
		break;
	}
}

/* No more unanswered than the broker takes; what we say of ourselves needs some room beside the alerts. */
static void fit_window(struct gateway *g, unsigned broker_takes)
{
	unsigned wanted = (unsigned)g->spec.conf->uplink_window;
	unsigned most = broker_takes > STATE_ROOM ? broker_takes - STATE_ROOM : 1;

	flight_window(g->flight, wanted < most ? wanted : most);
}

static void login_taken(struct gateway *g, unsigned broker_takes)
{
	if (course_step(&g->course, COURSE_EV_TAKEN, now_ms(g)) == COURSE_KEEP)
		scout_taken(g->spec.scout);
	fit_window(g, broker_takes);
	connection_step(g, LINK_EV_CONNECTED);
}

static void take_uplink_event(struct gateway *g, const struct uplink_event *u)
{
	self_heard(&g->self, u->kind == UPLINK_ACK, now_ms(g));
	switch (u->kind) {
	case UPLINK_UP:
		login_taken(g, (unsigned)u->reason);
		break;
	case UPLINK_LOST:
		lost(g, u->why, u->reason);
		break;
	case UPLINK_ACK:
		if (g->stopping && memcmp(&u->id, &g->goodbye, sizeof(u->id)) == 0)
			connection_step(g, LINK_EV_SAID);
		else
			gateway_acked(g, u);
		break;
	case UPLINK_SUBSCRIBED:
		subscribed(g, u);
		break;
	case UPLINK_MESSAGE:
		gateway_hear(g, u);
		break;
	}
}

void connection_take(struct gateway *g)
{
	struct uplink_event u;

	while (g->spec.uplink->next(g->uplink, &u))
		take_uplink_event(g, &u);
}

/* Alive by the library, and yet deaf: what was sent has gone nowhere. */
static void tick_silence(struct gateway *g)
{
	if (self_silent_ms(&g->self, now_ms(g)) < SILENT_KEEPALIVES * g->spec.conf->uplink_keepalive_s * 1000LL)
		return;
	course_failed(&g->course, now_ms(g));
	connection_lost(g, "connected, but nothing is answered");
}

static void tick_scout(struct gateway *g)
{
	unsigned better;

	if (!g->spec.scout || g->stopping)
		return;
	switch (scout_look(g->spec.scout, g->course.at, now_ms(g), &better)) {
	case SCOUT_CERTIFICATE:
		g->spec.cert = scout_cert(g->spec.scout);
		course_step(&g->course, COURSE_EV_RENEWED, now_ms(g));
		break;
	case SCOUT_BROKER:
		if (course_better(&g->course, better, now_ms(g)))
			log_say(EV_UPLINK_BETTER, KV_STR("host", scout_host(g->spec.scout, better)));
		break;
	case SCOUT_NOTHING:
		break;
	}
	/* Nothing is lost by it: what was not answered is sent again. */
	if (g->link.state == LINK_UP && course_anew(&g->course, flight_count(g->flight) == 0, now_ms(g)))
		connection_step(g, LINK_EV_LOST);
}

void connection_tick(struct gateway *g)
{
	if (g->link.deadline_ms && now_ms(g) >= g->link.deadline_ms) {
		if (g->link.state == LINK_DIALING)
			connection_lost(g, "no answer in time");
		else
			connection_step(g, LINK_EV_TIMEOUT);
	}
	if (g->subscribe_ms && now_ms(g) >= g->subscribe_ms && g->link.state == LINK_UP && !g->stopping)
		subscribe_or_leave(g);
	tick_scout(g);
	tick_silence(g);
	if (g->lean_ms && now_ms(g) >= g->lean_ms) {
		g->lean_ms = now_ms(g) < g->lean_until_ms ? now_ms(g) + LEAN_MS : 0;
		lean_down();
	}
}
