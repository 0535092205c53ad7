#include "inputs.h"

#include <stdlib.h>

#include "complain.h"
#include "log.h"

#define AGAIN_MS 2000
#define PATIENCE_MS 10000           /* a network that comes up with the machine is no trouble */

static const struct input_kind *const kinds[] = {
	[INPUT_MLLP] = &in_mllp, [INPUT_LOCAL] = &in_local, [INPUT_REPLAY] = &in_replay,
};

struct one {
	const struct pipeline *to;
	struct input *in;           /* NULL: it is not open */
	enum err said;              /* why, as it was last logged */
};

struct inputs {
	struct inputs_spec spec;
	struct timer *timer;
	int64_t began_ms;
	struct one one[CONF_INPUTS_MAX];
};

static void say_closed(const struct conf_input *c, struct one *o, enum err e)
{
	if (o->said != e)
		log_say(EV_INPUT_CLOSED, KV_STR("input", c->name), KV_STR("kind", conf_input_kind(c)), KV_STR("address", c->address),
			KV_STR("why", err_text(e)), KV_STR("right", remedy(ABOUT_INPUT, e)));
	o->said = e;
}

static bool try_one(struct inputs *all, unsigned i)
{
	const struct conf_input *c = &all->spec.conf->input[i];
	struct one *o = &all->one[i];
	const struct input_spec spec = {
		.name = c->name, .address = c->address, .most = (unsigned)c->most, .idle_ms = c->idle_ms,
		.per_s = (unsigned)c->per_second, .zone_minutes = c->zone_minutes, .speed = c->speed_percent / 100.0,
		.source = c->source[0] ? c->source : all->spec.device,
	};
	enum err e = o->in ? OK : kinds[c->kind]->open(all->spec.loop, &spec, o->to, &o->in);

	if (e != OK)
		say_closed(c, o, e);
	return e == OK;
}

static void try_all(void *ctx)
{
	struct inputs *all = ctx;
	unsigned closed = 0;

	for (unsigned i = 0; i < all->spec.conf->inputs; i++)
		closed += !try_one(all, i);
	pipeline_set_closed(all->spec.gateway, closed && loop_now_ms(all->spec.loop) - all->began_ms >= PATIENCE_MS);
	if (closed)
		timer_set(all->timer, AGAIN_MS);
}

enum err inputs_open(const struct inputs_spec *spec, struct inputs **out)
{
	CLEANUP(inputs_close) struct inputs *all = calloc(1, sizeof(*all));

	if (!all)
		return ERR_FULL;
	all->spec = *spec;
	all->began_ms = loop_now_ms(spec->loop);
	TRY(timer_open(spec->loop, try_all, all, &all->timer));
	for (unsigned i = 0; i < spec->conf->inputs; i++)
		all->one[i].to = pipeline_port(spec->gateway, spec->conf->input[i].name, kinds[spec->conf->input[i].kind]);
	try_all(all);
	*out = all;
	all = NULL;
	return OK;
}

void inputs_close(struct inputs **in)
{
	struct inputs *all = *in;

	if (!all)
		return;
	for (unsigned i = 0; i < all->spec.conf->inputs; i++) {
		if (!all->one[i].in)
			continue;
		pipeline_port_close(all->spec.gateway, all->spec.conf->input[i].name);
		kinds[all->spec.conf->input[i].kind]->close(&all->one[i].in);
	}
	timer_close(&all->timer);
	free(all);
	*in = NULL;
}
