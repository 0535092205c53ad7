/* import_dynsec: from dynamic-security to ours.
 *
 * There the first entry that matches decides; publishing, receiving and subscribing are three lists that know nothing of
 * each other. Here a deny beats every allow, what nothing allows is denied, and who may subscribe may receive. So:
 *
 * - a deny is written only where something asked after it would have allowed: an entry it meets, or a default. An allow
 *   asked before such a deny loses what both match.
 * - a subscription is written only as far as its holders may receive.
 * - a deny of subscribing holds back messages, too, and refuses wider filters: always a loss.
 *
 * Which of these happens depends on who holds what in which order, so every stack there is is looked at; a role nobody
 * holds is looked at as if somebody held it alone. */
#include <stdlib.h>

#include "dynsec.h"
#include "line.h"

struct work {
	struct import *im;
	struct dynsec *d;
	struct dynsec_entry **flat;     /* one list of one stack, in the order it is asked */
	size_t n;
	char fallback[WORD_BYTES_MAX + 1];      /* the role that stands for the defaults */
};

/* ---- looking at stacks ------------------------------------------------------------------------------------------- */

static void flatten(struct work *w, const struct dynsec_stack *s, enum dynsec_list list)
{
	w->n = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct dynsec_role *r = &w->d->role[s->role[i]];

		for (size_t k = 0; k < r->n[list]; k++)
			w->flat[w->n++] = &r->list[list][k];
	}
}

static void each_stack(struct work *w, void (*look)(struct work *w, const struct dynsec_stack *s))
{
	for (size_t i = 1; i <= w->d->clients; i++)
		if (!w->d->client[i].stack.same)
			look(w, &w->d->client[i].stack);
	for (uint32_t i = 1; i <= w->d->roles; i++)
		if (!w->d->role[i].held)
			look(w, &(struct dynsec_stack){ .role = &i, .n = 1 });
}

static bool allowed_after(const struct work *w, size_t deny)
{
	for (size_t k = deny + 1; k < w->n; k++)
		if (w->flat[k]->allow && filter_meets(&w->flat[k]->topic, &w->flat[deny]->topic))
			return true;
	return false;
}

static void find_needed(struct work *w, const struct dynsec_stack *s)
{
	for (unsigned l = 0; l < LISTS; l++) {
		flatten(w, s, (enum dynsec_list)l);
		for (size_t i = 0; i < w->n; i++)
			if (!w->flat[i]->allow && !w->flat[i]->needed)
				w->flat[i]->needed = w->d->otherwise[l] || allowed_after(w, i);
	}
}

static void find_lost(struct work *w, const struct dynsec_stack *s)
{
	for (unsigned l = 0; l < LISTS; l++) {
		flatten(w, s, (enum dynsec_list)l);
		for (size_t deny = 0; deny < w->n; deny++)
			for (size_t i = 0; i < deny && w->flat[deny]->needed; i++) {
				struct dynsec_entry *e = w->flat[i];

				if (!e->allow || e->said || !filter_meets(&e->topic, &w->flat[deny]->topic))
					continue;
				e->said = true;
				import_note(w->im, e->line, LOSS_NARROWER, "%s: asked before the deny of line %u; here the deny beats it "
					    "where both match", e->text, w->flat[deny]->line);
			}
	}
}

static bool receivable(const struct work *w, const struct topic *t)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->flat[i]->allow && filter_contains(&w->flat[i]->topic, t))
			return true;
	return false;
}

static void find_split(struct work *w, const struct dynsec_stack *s)
{
	if (w->d->otherwise[LIST_RECEIVE])
		return;
	flatten(w, s, LIST_RECEIVE);
	for (size_t i = 0; i < s->n; i++) {
		const struct dynsec_role *r = &w->d->role[s->role[i]];

		for (size_t k = 0; k < r->n[LIST_SUBSCRIBE]; k++) {
			struct dynsec_entry *e = &r->list[LIST_SUBSCRIBE][k];

			e->split |= e->allow && !receivable(w, &e->topic);
		}
	}
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* The filter that matches what both match; they meet. False: it is too long for any topic. */
static bool intersect(const struct topic *a, const struct topic *b, char out[FIT_TEXT_MAX])
{
	size_t n = 0;

	for (uint32_t i = 0; i < a->n || i < b->n; i++) {
		struct span x = a->level[i < a->n ? i : a->n - 1], y = b->level[i < b->n ? i : b->n - 1];
		struct span level = span_is(x, "#") || (span_is(x, "+") && !span_is(y, "#")) ? y : x;

		/* One has ended: the other's '#' stands for nothing. */
		if ((i >= a->n && !span_is(x, "#")) || (i >= b->n && !span_is(y, "#")))
			break;
		n += (size_t)snprintf(out + n, FIT_TEXT_MAX - n, "%s%.*s", i ? "/" : "", SPAN_FMT(level));
		if (n >= FIT_TEXT_MAX)
			return false;
	}
	return true;
}

/* What of a subscription the role itself lets receive: its holders may at least that. */
static void write_split(struct work *w, const struct dynsec_role *r, const struct dynsec_entry *e)
{
	char text[FIT_TEXT_MAX];

	import_note(w->im, e->line, LOSS_NARROWER, "%s: who subscribes receives, here; imported as far as the role's "
		    "publishClientReceive goes", e->text);
	for (size_t i = 0; i < r->n[LIST_RECEIVE]; i++) {
		const struct dynsec_entry *may = &r->list[LIST_RECEIVE][i];

		if (!may->allow || !filter_meets(&may->topic, &e->topic))
			continue;
		if (intersect(&may->topic, &e->topic, text))
			import_rule(w->im, "allow", "subscribe", text);
	}
}

static void write_deny(struct work *w, const struct dynsec_entry *e, const char *access)
{
	if (!e->needed)
		return;
	if (e->list == LIST_SUBSCRIBE)
		import_note(w->im, e->line, LOSS_NARROWER, "%s: denied here is also to receive it, and every wider filter that "
			    "would bring it", e->text);
	import_rule(w->im, "deny", access, e->text);
}

static void write_entry(struct work *w, const struct dynsec_role *r, const struct dynsec_entry *e)
{
	static const char *const access[LISTS] = { "publish", "receive", "subscribe" };
	bool asked = e->list == LIST_RECEIVE && w->d->otherwise[LIST_SUBSCRIBE] && !w->d->otherwise[LIST_RECEIVE];

	if (!e->allow)
		write_deny(w, e, access[e->list]);
	else if (e->split)
		write_split(w, r, e);
	else
		import_rule(w->im, "allow", asked ? "subscribe" : access[e->list], e->text);
}

/* Words stay; in other names what is no letter of ours becomes '-', and a number tells them apart. */
static void name_role(struct work *w, struct dynsec_role *r, uint32_t number)
{
	const struct words *names = &w->d->role_names;
	size_t n = 0;

	if (word_ok(r->name)) {
		must(span_text(r->name, r->word, sizeof(r->word)));
		return;
	}
	for (; n < r->name.n && n < WORD_BYTES_MAX / 2; n++)
		r->word[n] = word_ok(span(r->name.p + n, 1)) ? (char)r->name.p[n] : '-';
	snprintf(r->word + n, sizeof(r->word) - n, "-%u", number);
	for (unsigned k = 1; words_find(names, words_hash(names->key, span_str(r->word)), span_str(r->word)); k++)
		snprintf(r->word + n, sizeof(r->word) - n, "-%u.%u", number, k);
	import_note(w->im, r->line, LOSS_NONE, "role %s is called %s here", quote(r->name).text, r->word);
}

static void write_role(struct work *w, struct dynsec_role *r, uint32_t number)
{
	name_role(w, r, number);
	import_role(w->im, span_str(r->word));
	for (unsigned l = 0; l < LISTS; l++)
		for (size_t i = 0; i < r->n[l]; i++)
			write_entry(w, r, &r->list[l][i]);
	if (!import_role_end(w->im))
		r->word[0] = '\0';      /* nothing to hold */
}

static void write_defaults(struct work *w)
{
	const bool *may = w->d->otherwise;
	char all[FIT_TEXT_MAX];

	snprintf(all, sizeof(all), "%.*s/#", SPAN_FMT(w->im->tenant));
	import_role(w->im, span_str(w->fallback));
	if (may[LIST_SEND])
		import_rule(w->im, "allow", "publish", all);
	if (may[LIST_RECEIVE])
		import_rule(w->im, "allow", may[LIST_SUBSCRIBE] ? "subscribe" : "receive", all);
	else if (may[LIST_SUBSCRIBE])
		import_note(w->im, w->d->otherwise_line, LOSS_NARROWER, "defaultACLAccess lets everybody subscribe to anything and "
			    "receive little of it; here a filter must be within one publishClientReceive");
	if (!import_role_end(w->im))
		w->fallback[0] = '\0';
	else
		import_note(w->im, w->d->otherwise_line, LOSS_NONE, "defaultACLAccess is the role %s, which everybody holds",
			    w->fallback);
}

/* ---- subjects ---------------------------------------------------------------------------------------------------- */

static void note_client(struct import *im, const struct dynsec_client *c)
{
	if (span_eq(c->client_id, c->name))
		import_note(im, c->line, LOSS_NONE, "%s: its client id is its name, as a device's is: if it is one, use pullcord "
			    "device enroll", quote(c->name).text);
	else if (c->client_id.n)
		import_note(im, c->line, LOSS_OUTSIDE, "%s: client id %s: a person's is USER.TERMINAL here", quote(c->name).text,
			    quote(c->client_id).text);
	if (c->disabled)
		import_note(im, c->line, LOSS_NONE, "%s: disabled; suspended here", quote(c->name).text);
}

/* With a part of the roles, a deny might be among those left out. */
static size_t roles_of(struct work *w, const struct dynsec_client *c, struct span role[IMPORT_ROLES_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < c->stack.n; i++)
		if (w->d->role[c->stack.role[i]].word[0])
			role[n++] = span_str(w->d->role[c->stack.role[i]].word);
	if (w->fallback[0])
		role[n++] = span_str(w->fallback);
	if (!c->stack.too_many && n <= IMPORT_ROLES_MAX)
		return n;
	import_note(w->im, c->line, LOSS_NARROWER, "%s: an account holds at most %d roles; imported without any",
		    quote(c->name).text, IMPORT_ROLES_MAX);
	return 0;
}

static void write_clients(struct work *w)
{
	struct span role[IMPORT_ROLES_MAX + 1];
	uint32_t line = 0;

	for (size_t i = 1; i <= w->d->clients; i++) {
		const struct dynsec_client *c = &w->d->client[i];

		if (!line && c->password)
			line = c->line;
		if (!word_ok(c->name)) {
			import_note(w->im, c->line, LOSS_OUTSIDE, "client %s: an id here is 1 to 64 of A-Z a-z 0-9 . _ : -",
				    quote(c->name).text);
			continue;
		}
		note_client(w->im, c);
		import_subject(w->im, c->name, role, roles_of(w, c, role), c->disabled);
	}
	if (line)
		import_note(w->im, line, LOSS_NONE, "passwords are kept as PBKDF2 there and argon2id here: none can be taken over, "
			    "everybody needs a new one");
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void choose_fallback(struct work *w)
{
	const struct words *names = &w->d->role_names;
	unsigned n = 1;

	snprintf(w->fallback, sizeof(w->fallback), "default");
	while (words_find(names, words_hash(names->key, span_str(w->fallback)), span_str(w->fallback)))
		snprintf(w->fallback, sizeof(w->fallback), "default-%u", ++n);
}

static void import_all(struct work *w)
{
	const struct value *anonymous = value_of(w->d->json, "anonymousGroup", VALUE_TEXT);

	if (anonymous)
		import_note(w->im, anonymous->line, LOSS_OUTSIDE, "anonymousGroup %s: here nobody is anonymous",
			    quote(anonymous->text).text);
	each_stack(w, find_needed);
	each_stack(w, find_lost);
	each_stack(w, find_split);
	choose_fallback(w);
	import_head(w->im, "dynamic-security");
	write_defaults(w);
	for (uint32_t i = 1; i <= w->d->roles; i++)
		write_role(w, &w->d->role[i], i);
	write_clients(w);
}

enum err import_dynsec(struct import *im, struct span text, struct policy_error *where)
{
	CLEANUP(dynsec_close) struct dynsec d = { 0 };
	CLEANUP(free_cleanup) struct dynsec_entry **flat = NULL;
	struct work w = { .im = im, .d = &d };

	*where = (struct policy_error){ 0 };
	if (!word_ok(im->tenant))
		return ERR_RANGE;
	if (text.n > IMPORT_BYTES_MAX)
		return ERR_TOO_LARGE;
	TRY(dynsec_read(&d, im, text, where));
	flat = calloc(d.entries + 1, sizeof(struct dynsec_entry *));
	if (!flat)
		return ERR_FULL;
	w.flat = flat;
	import_all(&w);
	return OK;
}
