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
	struct holder_size size = { .roles = s->roles + 1, .gifts = 1 + s->attributes + w->attributes };

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

/* The shortest time of any role counts. Unknown roles give nothing. */
static void take_role(struct holder *h, struct span name)
{
	uint32_t role = rules_role(&h->policy->rules, name);
	uint32_t idle_s = h->policy->rules.role[role].idle_s;

	if (!role)
		return;
	h->role[h->roles++] = role;
	if (idle_s && (!h->idle_s || idle_s < h->idle_s))
		h->idle_s = idle_s;
}

static void fill(struct holder *h, uint8_t *text, const struct subject *s, const struct wish *w, size_t gifts)
{
	const struct policy *p = h->policy;
	struct gift g;

	/* Nobody, and nobody of another tenant, holds anything here. */
	if (!own_bits(s->party) || !span_eq(s->tenant, p->rules.tenant))
		return;
	for (size_t i = 0; i < s->roles; i++)
		take_role(h, s->role[i]);
	take_role(h, w->role);
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
	memcpy(h->value.key, p->rules.words.key, sizeof(h->value.key));
	fill(h, text, s, w, size.gifts);
	*out = h;
	return OK;
}

enum err policy_bind(const struct policy *p, const struct subject *s, struct holder **out)
{
	return holder_make(p, s, &(struct wish){ 0 }, out);
}

void holder_close(struct holder **h)
{
	free(*h);
	*h = NULL;
}
