#include <stdlib.h>

#include "compiled.h"

/* Own ids cannot be given as attributes: whoever could name themselves {user}=somebody would be somebody. */
static uint64_t attribute_bit(const struct policy *p, struct span name)
{
	uint32_t number = rules_attribute(&p->rules, name);

	return number > OWN_COUNT ? 1ull << (number - 1) : 0;
}

static uint64_t own_bits(Pullcord__V1__Party party)
{
	switch (party) {
	case PULLCORD__V1__PARTY__PARTY_USER:
		return 1ull << OWN_USER;
	case PULLCORD__V1__PARTY__PARTY_DEVICE:
		return 1ull << OWN_DEVICE | 1ull << OWN_CLIENT;
	default:
		return 0;
	}
}

/* Everything a holder is made of, in one order: its own id, its attributes, what is wished for it. Values that are no
 * words match no level, and attributes no rule speaks of decide nothing: they are left out. */
struct gift {
	uint64_t bit;
	struct span text;
};

static struct gift gift_at(const struct policy *p, const struct subject *s, const struct wish *w, size_t i)
{
	const struct attribute *a;
	struct gift g;

	if (i == 0) {
		g = (struct gift){ own_bits(s->party), s->id };
	} else {
		a = --i < s->attributes ? &s->attribute[i] : &w->attribute[i - s->attributes];
		g = (struct gift){ attribute_bit(p, a->name), a->value };
	}
	return word_ok(g.text) ? g : (struct gift){ 0 };
}

struct holder_size {
	size_t roles, gifts, values, bytes;
};

static struct holder_size measure(const struct policy *p, const struct subject *s, const struct wish *w)
{
	struct holder_size size = { .gifts = 1 + s->attributes + w->attributes };

	for (size_t i = 0; i <= s->roles; i++)
		size.roles += p->rules.role[rules_role(&p->rules, i < s->roles ? s->role[i] : w->role)].reach;
	size.roles += 1;        /* the quarantined's */

	for (size_t i = 0; i < size.gifts; i++) {
		struct gift g = gift_at(p, s, w, i);

		size.values += g.bit != 0;
		size.bytes += g.bit ? g.text.n : 0;
	}
	return size;
}

static uint8_t *lay_out(struct block *b, struct holder *h, const struct holder_size *size)
{
	size_t slots = words_slots(size->values);

	block_take(b, 1, sizeof(*h));
	h->role = block_take(b, size->roles, sizeof(*h->role));
	h->value.slot = block_take(b, slots, sizeof(*h->value.slot));
	h->value.mask = (uint32_t)slots - 1;
	h->value.text = block_take(b, size->values + 1, sizeof(*h->value.text));
	h->of_value = block_take(b, size->values + 1, sizeof(*h->of_value));
	return block_take(b, size->bytes, 1);
}

static void give(struct holder *h, struct gift g, uint8_t **text)
{
	uint32_t value;

	memcpy(*text, g.text.p, g.text.n);
	value = words_add(&h->value, span(*text, g.text.n));
	*text += g.text.n;
	h->of_value[value] |= g.bit;
	h->attributes |= g.bit;
}

bool policy_holds(const struct policy *p, const struct holder *h, struct attribute a)
{
	uint32_t value = h ? words_find(&h->value, words_hash(h->value.key, a.value), a.value) : 0;

	return value && h->of_value[value] & attribute_bit(p, a.name);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* The limits a role states widen what other roles stated; before the first, nothing is stated. */
static void take_limits(struct holder *h, const struct role *role, unsigned *stated)
{
	struct policy_limits *have = &h->limits;
	const struct policy_limits *more = &role->limits;
	unsigned states = 0;

	for (enum said s = 0; s < SAID_COUNT; s++)
		states |= role->said[s] ? 1u << s : 0;
	if (states & 1u << SAID_RATE) {
		have->rate_per_h = *stated & 1u << SAID_RATE ? larger(have->rate_per_h, more->rate_per_h) : more->rate_per_h;
		have->burst = *stated & 1u << SAID_RATE ? larger(have->burst, more->burst) : more->burst;
	}
	if (states & 1u << SAID_SIZE)
		have->bytes = *stated & 1u << SAID_SIZE ? larger(have->bytes, more->bytes) : more->bytes;
	if (states & 1u << SAID_SESSIONS)
		have->sessions = *stated & 1u << SAID_SESSIONS ? larger(have->sessions, more->sessions) : more->sessions;
	if (states & 1u << SAID_QOS)
		have->qos = (uint8_t)(*stated & 1u << SAID_QOS ? larger(have->qos, more->qos) : more->qos);
	have->will &= more->will;
	have->retain &= more->retain;
	*stated |= states;
}

static bool has_role(const struct holder *h, uint32_t role)
{
	for (uint32_t i = 0; i < h->roles; i++)
		if (h->role[i] == role)
			return true;
	return false;
}

/* With what it includes, as far as that may come from where the subject is. Roles unknown or of another tenant give
 * nothing. */
static void take_role(struct holder *h, uint32_t role, const struct network *address)
{
	const struct rules *r = &h->policy->rules;
	uint32_t with[RULES_REACH_MAX];
	size_t n = role && r->role[role].tenant == h->tenant ? rules_closure(r, role, address, with) : 0;

	for (size_t i = 0; i < n; i++)
		if (!has_role(h, with[i]))
			h->role[h->roles++] = with[i];
}

/* The roles given that are bound to other networks, behind the held ones. */
static void keep_away(struct holder *h, const struct subject *s, const struct network *address)
{
	const struct rules *r = &h->policy->rules;

	for (size_t i = 0; i < s->roles; i++) {
		uint32_t role = rules_role(r, s->role[i]);

		if (role && r->role[role].tenant == h->tenant && !role_is_from(r, role, address))
			h->role[h->roles + h->away++] = role;
	}
}

/* The shortest time of any role counts. */
static void sum_up(struct holder *h)
{
	unsigned stated = 0;

	h->limits = (struct policy_limits){ POLICY_NO_LIMIT, POLICY_NO_LIMIT, POLICY_NO_LIMIT, POLICY_NO_LIMIT, 2, true, true };
	for (uint32_t i = 0; i < h->roles; i++) {
		const struct role *role = &h->policy->rules.role[h->role[i]];

		if (role->idle_s && (!h->idle_s || role->idle_s < h->idle_s))
			h->idle_s = role->idle_s;
		h->depths |= role->depths;
		take_limits(h, role, &stated);
	}
}

static void take_roles(struct holder *h, const struct subject *s, const struct wish *w)
{
	const struct rules *r = &h->policy->rules;
	struct network address;
	const struct network *from = s->anywhere ? NULL : &address;

	if (!address_read(s->address, &address))
		address = (struct network){ 0 };
	if (h->quarantined) {
		take_role(h, r->tenant[h->tenant].quarantine, from);
	} else {
		for (size_t i = 0; i < s->roles; i++)
			take_role(h, rules_role(r, s->role[i]), from);
		take_role(h, rules_role(r, w->role), from);
		keep_away(h, s, from);
	}
	sum_up(h);
}

static void fill(struct holder *h, uint8_t *text, const struct subject *s, const struct wish *w, size_t gifts)
{
	const struct policy *p = h->policy;
	struct gift g;

	/* Nobody, and nobody of a tenant that is not here, holds anything. */
	h->tenant = rules_tenant(&p->rules, s->tenant);
	if (!own_bits(s->party) || !h->tenant)
		return;
	take_roles(h, s, w);
	for (size_t i = 0; i < gifts; i++) {
		g = gift_at(p, s, w, i);
		if (g.bit)
			give(h, g, &text);
	}
}

enum err holder_make(const struct policy *p, const struct subject *s, const struct wish *w, struct holder **out)
{
	struct holder_size size = measure(p, s, w);
	struct holder plan, *h;
	struct block b = { 0 };
	uint8_t *text;

	lay_out(&b, &plan, &size);
	h = calloc(1, b.used);
	if (!h)
		return ERR_FULL;
	b = (struct block){ (uint8_t *)h, 0 };
	text = lay_out(&b, h, &size);
	h->policy = p;
	h->suspended = s->suspended && !w->resumed;
	h->quarantined = s->quarantined && !w->released;
	memcpy(h->value.key, p->rules.words.key, sizeof(h->value.key));
	fill(h, text, s, w, size.gifts);
	*out = h;
	return OK;
}

enum err policy_bind(const struct policy *p, const struct subject *s, struct holder **out)
{
	return holder_make(p, s, &(struct wish){ 0 }, out);
}

struct policy_limits policy_limits(const struct policy *p, const struct holder *h)
{
	must(!h || h->policy == p);
	return h ? h->limits : (struct policy_limits){ 0 };
}

static bool denies(const struct holder *h)
{
	for (uint32_t i = 0; i < h->roles; i++)
		if (h->policy->rules.role[h->role[i]].root[EFFECT_DENY])
			return true;
	return false;
}

/* 0, which is of no attribute: it is not there. */
static uint32_t value_of(const struct holder *h, struct span text)
{
	return words_find(&h->value, words_hash(h->value.key, text), text);
}

static bool has_values(const struct holder *h, const struct holder *of)
{
	for (uint32_t i = 1; i <= of->value.n; i++)
		if (of->of_value[i] & ~h->of_value[value_of(h, of->value.text[i])])
			return false;
	return true;
}

static bool has_roles(const struct holder *h, const struct holder *of)
{
	for (uint32_t i = 0; i < of->roles; i++)
		if (!has_role(h, of->role[i]))
			return false;
	return true;
}

bool policy_keeps(const struct policy *p, const struct holder *before, const struct holder *h)
{
	if (!before || !h)
		return false;
	must(before->policy == p && h->policy == p);
	return h->tenant == before->tenant && h->suspended <= before->suspended && has_roles(h, before) && has_values(h, before) &&
	       (!denies(h) || (has_roles(before, h) && has_values(before, h)));
}

void holder_close(struct holder **h)
{
	free(*h);
	*h = NULL;
}
