#include "dynsec.h"

#include <stdlib.h>
#include <strings.h>

#include "line.h"
#include "rules.h"

/* A role or group (`what`) of a client or group (`of`). */
struct dynsec_place {
	uint32_t of, what, order;
	int priority;
	struct span name;
};

struct reader {
	struct dynsec *d;
	struct import *im;
	struct policy_error *where;
};

static enum err refuse(struct reader *r, uint32_t line, struct span name, const char *text)
{
	*r->where = (struct policy_error){ .line = line, .column = 1 };
	snprintf(r->where->text, sizeof(r->where->text), "%s %s", quote(name).text, text);
	return ERR_SYNTAX;
}

static const struct value *items(const struct value *j, const char *key)
{
	const struct value *array = value_of(j, key, VALUE_ARRAY);

	return array ? array->child : NULL;
}

static size_t count(const struct value *j)
{
	size_t n = 0;

	for (; j; j = j->next)
		n++;
	return n;
}

static uint32_t find(const struct words *w, struct span name)
{
	return name.n ? words_find(w, words_hash(w->key, name), name) : 0;
}

/* ---- access lists ------------------------------------------------------------------------------------------------ */

static bool type_is(struct span type, const char *name)
{
	return type.n == strlen(name) && !strncasecmp((const char *)type.p, name, type.n);
}

static bool list_of(struct span type, struct dynsec_entry *e)
{
	static const struct { const char *type; enum dynsec_list list; bool literal; } types[] = {
		{ "publishClientSend", LIST_SEND, false },
		{ "publishClientReceive", LIST_RECEIVE, false },
		{ "subscribeLiteral", LIST_SUBSCRIBE, true },
		{ "subscribePattern", LIST_SUBSCRIBE, false },
	};

	for (size_t i = 0; i < countof(types); i++)
		if (type_is(type, types[i].type)) {
			e->list = types[i].list;
			e->literal = types[i].literal;
			return true;
		}
	return false;
}

static bool has_wildcard(struct span s)
{
	return memchr(s.p, '+', s.n) || memchr(s.p, '#', s.n);
}

/* False: it says nothing of what there is here; when that is a loss, it was noted. */
static bool fit(struct reader *r, struct dynsec_entry *e, struct span topic)
{
	enum loss loss = e->allow ? LOSS_OUTSIDE : LOSS_NONE;
	struct fitted f;
	enum fit how = fit_filter(r->im->tenant, topic, false, &f);

	if (how == FIT_SAME && e->literal && f.cut)
		how = FIT_TENANT;       /* that very filter is never granted here */
	if (how == FIT_SAME)
		how = fit_text(&f, "", "", e->text);
	if (how != FIT_SAME) {
		import_note(r->im, e->line, loss, "%s: %s", quote(topic).text, fit_reason(how));
		return false;
	}
	if (f.cut && e->allow)
		import_note(r->im, e->line, loss, "%s: imported for topics of the tenant", quote(topic).text);
	if (!e->literal || !e->allow || !has_wildcard(span_str(e->text)))
		return true;
	import_note(r->im, e->line, LOSS_NARROWER, "subscribeLiteral %s: a filter cannot be granted without those within it; "
		    "not imported", quote(topic).text);
	return false;
}

static bool read_entry(struct reader *r, const struct value *j, struct dynsec_entry *e)
{
	const struct value *topic = value_of(j, "topic", VALUE_TEXT);
	struct span type = value_text(j, "acltype");

	if (!topic)
		return false;
	e->line = j->line;
	e->priority = value_int(j, "priority", 0);
	e->allow = value_true(j, "allow");
	if (list_of(type, e))
		return fit(r, e, topic->text);
	import_note(r->im, j->line, LOSS_NONE, "%s: %s", quote(type).text, type_is(type, "unsubscribeLiteral") ||
		    type_is(type, "unsubscribePattern") ? "who subscribed may always unsubscribe" : "no kind of access");
	return false;
}

/* In a role, literals are looked up before patterns are walked, whatever the priorities. */
static int entry_order(const void *a, const void *b)
{
	const struct dynsec_entry *x = a, *y = b;

	if (x->list != y->list)
		return x->list < y->list ? -1 : 1;
	if (x->literal != y->literal)
		return x->literal ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* The plugin keeps literals in a hash table: of two of one name we cannot say which it finds. */
static enum err check_literals(struct reader *r, const struct dynsec_role *role)
{
	const struct dynsec_entry *e = role->list[LIST_SUBSCRIBE];

	for (size_t i = 0; i < role->n[LIST_SUBSCRIBE] && e[i].literal; i++)
		for (size_t k = 0; k < i; k++)
			if (e[i].allow != e[k].allow && span_eq(e[i].topic.text, e[k].topic.text))
				return refuse(r, e[i].line, e[i].topic.text, "is both allowed and denied as subscribeLiteral of one role; "
					      "take one away");
	return OK;
}

static enum err read_entries(struct reader *r, const struct value *j, struct dynsec_role *role)
{
	struct dynsec_entry *first = r->d->entry + r->d->entries, *end = first;

	for (const struct value *acl = items(j, "acls"); acl; acl = acl->next) {
		*end = (struct dynsec_entry){ .order = (uint32_t)(end - first) };
		end += read_entry(r, acl, end);
	}
	qsort(first, (size_t)(end - first), sizeof(*first), entry_order);
	for (struct dynsec_entry *e = first; e < end; e++) {
		must(filter_parse(span_str(e->text), &e->topic) == OK);
		if (!role->n[e->list]++)
			role->list[e->list] = e;
	}
	r->d->entries += (size_t)(end - first);
	return check_literals(r, role);
}

/* ---- roles, clients, groups -------------------------------------------------------------------------------------- */

/* The number of a new thing; 0: it has no name, and the plugin leaves it out as well. */
static enum err read_name(struct reader *r, const struct value *j, const char *key, struct words *names, uint32_t *number)
{
	const struct value *name = value_of(j, key, VALUE_TEXT);

	*number = 0;
	if (!name)
		return OK;
	if (!name->text.n)
		return refuse(r, name->line, name->text, "is a name without letters; give it one");
	if (find(names, name->text))
		return refuse(r, name->line, name->text, "is a name given twice; which of the two the plugin finds cannot be said");
	*number = words_add(names, name->text);
	return OK;
}

static enum err read_role(struct reader *r, const struct value *j)
{
	uint32_t number;

	TRY(read_name(r, j, "rolename", &r->d->role_names, &number));
	if (!number)
		return OK;
	r->d->roles = number;
	r->d->role[number].name = value_text(j, "rolename");
	r->d->role[number].line = j->line;
	return read_entries(r, j, &r->d->role[number]);
}

static enum err read_client(struct reader *r, const struct value *j)
{
	struct dynsec_client *c;
	uint32_t number;

	TRY(read_name(r, j, "username", &r->d->client_names, &number));
	if (!number)
		return OK;
	r->d->clients = number;
	c = &r->d->client[number];
	c->name = value_text(j, "username");
	c->line = j->line;
	c->disabled = value_true(j, "disabled");
	c->password = value_get(j, "password");
	c->client_id = value_text(j, "clientid");
	return OK;
}

static void join(struct reader *r, const struct value *j, uint32_t group)
{
	uint32_t client = find(&r->d->client_names, value_text(j, "username"));

	if (client && r->d->client[client].seen != group) {
		r->d->client[client].seen = group;
		r->d->joined[r->d->joins] = (struct dynsec_place){
			.of = client, .what = group, .order = (uint32_t)r->d->joins, .priority = value_int(j, "priority", -1),
			.name = r->d->group_names.text[group],
		};
		r->d->joins++;
	}
	if (!client)
		import_note(r->im, j->line, LOSS_NONE, "%s: there is no such client", quote(value_text(j, "username")).text);
}

static enum err read_group(struct reader *r, const struct value *j)
{
	uint32_t number;

	TRY(read_name(r, j, "groupname", &r->d->group_names, &number));
	if (!number)
		return OK;
	r->d->groups = number;
	r->d->group[number] = j;
	import_note(r->im, j->line, LOSS_NONE, "group %s: there are no groups here; its members hold its roles",
		    quote(r->d->group_names.text[number]).text);
	for (const struct value *member = items(j, "clients"); member; member = member->next)
		join(r, member, number);
	return OK;
}

static enum err read_each(struct reader *r, const char *key, enum err (*read)(struct reader *r, const struct value *j))
{
	for (const struct value *j = items(r->d->json, key); j; j = j->next)
		TRY(read(r, j));
	return OK;
}

static void read_defaults(struct reader *r)
{
	static const char *const key[LISTS] = { "publishClientSend", "publishClientReceive", "subscribe" };
	const struct value *j = value_of(r->d->json, "defaultACLAccess", VALUE_OBJECT);

	r->d->otherwise_line = j ? j->line : 0;
	for (unsigned l = 0; l < LISTS; l++)
		r->d->otherwise[l] = value_true(j, key[l]);
}

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

static int place_order(const void *a, const void *b)
{
	const struct dynsec_place *x = a, *y = b;
	int by_name = span_cmp(x->name, y->name);

	if (x->of != y->of)
		return x->of < y->of ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return by_name ? by_name : x->order < y->order ? -1 : 1;
}

static void push_role(struct dynsec *d, struct dynsec_stack *s, uint32_t role)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->role[i] == role)
			return;
	s->too_many = s->n == IMPORT_ROLES_MAX;
	if (s->too_many)
		return;
	d->member[d->members++] = role;
	s->n++;
	d->role[role].held = true;
}

/* The roles of a client or a group, below those it has. Of a role named twice, the first counts. */
static void push_roles(struct reader *r, struct dynsec_stack *s, const struct value *holder)
{
	struct dynsec_place *place = r->d->place;
	size_t n = 0;

	r->d->holders++;
	for (const struct value *j = items(holder, "roles"); j; j = j->next) {
		struct span name = value_text(j, "rolename");
		uint32_t role = find(&r->d->role_names, name);

		if (!role || r->d->role[role].seen == r->d->holders)
			continue;
		r->d->role[role].seen = r->d->holders;
		place[n] = (struct dynsec_place){ 0, role, (uint32_t)n, value_int(j, "priority", -1), name };
		n++;
	}
	qsort(place, n, sizeof(*place), place_order);
	for (size_t i = 0; i < n && !s->too_many; i++)
		push_role(r->d, s, place[i].what);
}

static void note_missing(struct reader *r, const struct value *holder)
{
	for (const struct value *j = items(holder, "roles"); j; j = j->next)
		if (!find(&r->d->role_names, value_text(j, "rolename")))
			import_note(r->im, j->line, LOSS_NONE, "%s: there is no such role", quote(value_text(j, "rolename")).text);
}

static void make_stacks(struct reader *r)
{
	struct dynsec *d = r->d;
	const struct dynsec_place *join = d->joined, *end = join + d->joins;

	qsort(d->joined, d->joins, sizeof(*d->joined), place_order);
	for (const struct value *j = items(d->json, "clients"); j; j = j->next) {
		uint32_t number = find(&d->client_names, value_text(j, "username"));
		struct dynsec_stack *s = &d->client[number].stack;

		if (!number)
			continue;
		s->role = d->member + d->members;
		note_missing(r, j);
		push_roles(r, s, j);
		for (; join < end && join->of == number; join++)
			push_roles(r, s, d->group[join->what]);
	}
	for (uint32_t g = 1; g <= d->groups; g++)
		note_missing(r, d->group[g]);
}

static int stack_order(const void *a, const void *b)
{
	const struct dynsec_stack *x = *(const struct dynsec_stack *const *)a, *y = *(const struct dynsec_stack *const *)b;

	return span_cmp(span(x->role, x->n * sizeof(*x->role)), span(y->role, y->n * sizeof(*y->role)));
}

/* What many hold in the same order needs looking at only once. */
static enum err mark_same(struct dynsec *d)
{
	CLEANUP(free_cleanup) struct dynsec_stack **s = calloc(d->clients + 1, sizeof(struct dynsec_stack *));

	if (!s)
		return ERR_FULL;
	for (size_t i = 0; i < d->clients; i++)
		s[i] = &d->client[i + 1].stack;
	qsort(s, d->clients, sizeof(struct dynsec_stack *), stack_order);
	for (size_t i = 1; i < d->clients; i++)
		s[i]->same = stack_order(&s[i - 1], &s[i]) == 0;
	return OK;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static size_t count_below(const struct value *j, const char *key, size_t *most)
{
	size_t sum = 0, n;

	for (; j; j = j->next) {
		n = count(items(j, key));
		sum += n;
		if (n > *most)
			*most = n;
	}
	return sum;
}

static bool make_words(struct words *w, size_t n)
{
	size_t slots = words_slots(n + 1);

	w->slot = calloc(slots, sizeof(*w->slot));
	w->text = calloc(n + 2, sizeof(*w->text));
	w->mask = (uint32_t)slots - 1;
	return w->slot && w->text;
}

static enum err make_room(struct dynsec *d)
{
	const struct value *role = items(d->json, "roles"), *client = items(d->json, "clients"),
			  *group = items(d->json, "groups");
	size_t roles = count(role), clients = count(client), groups = count(group), most = 0, any = 0;
	size_t entries = count_below(role, "acls", &any), joins = count_below(group, "clients", &any);

	count_below(client, "roles", &most);
	count_below(group, "roles", &most);
	d->role = calloc(roles + 1, sizeof(*d->role));
	d->client = calloc(clients + 1, sizeof(*d->client));
	d->group = calloc(groups + 1, sizeof(struct value *));
	d->entry = calloc(entries + 1, sizeof(*d->entry));
	d->place = calloc(most + 1, sizeof(*d->place));
	d->joined = calloc(joins + 1, sizeof(*d->joined));
	d->member = calloc(clients + 1, IMPORT_ROLES_MAX * sizeof(*d->member));
	if (!make_words(&d->role_names, roles) || !make_words(&d->client_names, clients) ||
	    !make_words(&d->group_names, groups) || !d->role || !d->client || !d->group || !d->entry || !d->place ||
	    !d->joined || !d->member)
		return ERR_FULL;
	return OK;
}

enum err dynsec_read(struct dynsec *d, struct import *im, struct span text, struct policy_error *where)
{
	struct reader r = { d, im, where };

	TRY(value_load(text, &d->json, where));
	if (d->json->kind != VALUE_OBJECT)
		return refuse(&r, 1, span(NULL, 0), "is no file of dynamic-security: that is one {object}");
	TRY(make_room(d));
	read_defaults(&r);
	TRY(read_each(&r, "roles", read_role));
	TRY(read_each(&r, "clients", read_client));
	TRY(read_each(&r, "groups", read_group));
	make_stacks(&r);
	return mark_same(d);
}

static void words_free(struct words *w)
{
	free(w->slot);
	free(w->text);
}

void dynsec_close(struct dynsec *d)
{
	words_free(&d->role_names);
	words_free(&d->client_names);
	words_free(&d->group_names);
	free(d->role);
	free(d->client);
	free(d->group);
	free(d->entry);
	free(d->place);
	free(d->joined);
	free(d->member);
	value_close(&d->json);
}
