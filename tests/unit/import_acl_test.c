/* import_acl: an imported acl_file decides as the broker did. The reference below knows nothing of ours: it was written
 * from the manual and what Mosquitto 2.0.11 does; tests/scene/acl_peer asks the broker itself. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crypt.h"
#include "importing.h"
#include "peer.h"

#define PUB ACCESS_PUBLISH
#define SUB ACCESS_SUBSCRIBE
#define GET ACCESS_RECEIVE

/* ---- the reference ------------------------------------------------------------------------------------------------ */

/* MQTT 5 §4.7.1 on texts. */
static bool ref_match(const char *filter, const char *topic)
{
	if (!strcmp(filter, "#") || (!*topic && !strcmp(filter, "/#")))
		return true;
	if (*filter == '+') {
		topic += strcspn(topic, "/");
		return (!filter[1] && !*topic) || (filter[1] && ref_match(filter + 1, topic));
	}
	if (*filter != *topic)
		return false;
	return !*filter || (!filter[1] && !topic[1]) || ref_match(filter + 1, topic + 1);
}

static const char *ref_fill(const char *pattern, const char *user, const char *client)
{
	static char out[1024];
	char *at = out;

	for (; *pattern; pattern++)
		if (pattern[0] == '%' && (pattern[1] == 'u' || pattern[1] == 'c'))
			at = stpcpy(at, *++pattern == 'u' ? user : client);
		else
			*at++ = *pattern;
	*at = '\0';
	return out;
}

static struct ref_rule { char section[64], kind[16], access[16], filter[256]; } ref_rule[64];
static size_t ref_rules;

static void ref_read(const char *text)
{
	char line[512], section[64] = "";

	for (ref_rules = 0; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		struct ref_rule *r = &ref_rule[ref_rules];

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		if (sscanf(line, "user %63[^\n]", section) == 1 ||
		    sscanf(line, "%15s %15s %255[^\n]", r->kind, r->access, r->filter) != 3)
			continue;
		strcpy(r->section, section);
		ref_rules++;
	}
}

/* What rules of one kind say: 1 yes, -1 no, 0 nothing. `mine`: of the user's section, else patterns. */
static int ref_ask(bool mine, bool deny, const char *user, const char *client, enum access a, const char *topic)
{
	for (const struct ref_rule *r = ref_rule; r < ref_rule + ref_rules; r++) {
		if (mine != !strcmp(r->kind, "topic") || (mine && strcmp(r->section, user)) || deny != !strcmp(r->access, "deny"))
			continue;
		if (!deny && strcmp(r->access, "readwrite") && strcmp(r->access, a == PUB ? "write" : "read"))
			continue;
		if (ref_match(mine ? r->filter : ref_fill(r->filter, user, client), topic))
			return deny ? -1 : 1;
	}
	return 0;
}

static bool ref_allows(const char *user, const char *client, enum access a, const char *topic)
{
	int said = 0;

	for (unsigned step = 0; step < 4 && !said; step++)
		said = ref_ask(step < 2, step % 2 == 0, user, client, a, topic);
	return said > 0;
}

/* ---- random files ------------------------------------------------------------------------------------------------- */

static const char *const users[] = { "ana", "bo", "c-y", "a", "mercy" };
static const char *const clean_levels[] = { "a", "b", "ana", "bo", "+", "+", "c.1" };
static const char *const wild_levels[] = { "a", "b", "ana", "+", "%u", "%c", "x%u", "%u%c", "b c", "", "%d", "mercy" };
static const char *const pattern_levels[] = { "a", "b", "%u", "%u", "+" };
static const char *const accesses[] = { "read", "write", "readwrite", "deny" };

static char *random_filter(char *at, const char *const *level, size_t n, bool wild)
{
	unsigned levels = (unsigned)seed_below(4), far = !seed_below(60) ? 12 : 0;

	at = stpcpy(at, wild && !seed_below(8) ? (seed_below(2) ? "+" : "%u") : "mercy");
	for (unsigned i = 0; i < levels + far; i++) {
		*at++ = '/';
		at = stpcpy(at, pick(level, n));
	}
	return seed_below(3) ? at : stpcpy(at, "/#");
}

/* `wild`: with things that have no equivalent. Deny patterns and what a user is allowed against them are wild as well. */
static void random_file(char *at, bool wild)
{
	static const char *const *const levels[] = { clean_levels, pattern_levels, wild_levels };
	static const size_t counts[] = { countof(clean_levels), countof(pattern_levels), countof(wild_levels) };
	size_t lines = 2 + seed_below(12), kind;

	for (size_t i = 0; i < lines; i++) {
		bool pattern = !seed_below(3);

		if (!seed_below(3))
			at += sprintf(at, "user %s\n", wild && !seed_below(6) ? "x y" : PICK(users));
		kind = wild && seed_below(2) ? 2 : pattern;
		at += sprintf(at, "%s %s ", pattern ? "pattern" : "topic",
			      pattern && !wild ? accesses[seed_below(3)] : PICK(accesses));
		at = random_filter(at, levels[kind], counts[kind], wild);
		*at++ = '\n';
	}
	*at = '\0';
}

static void random_topic(char *at)
{
	static const char *const levels[] = { "a", "b", "ana", "bo", "c.1", "c-y", "mercy", "ana.t1", "xana", "xbo", "boc-y" };
	size_t n = seed_below(80) ? seed_below(5) : 11;

	at = stpcpy(at, "mercy");
	for (; n--; at = stpcpy(at, PICK(levels)))
		*at++ = '/';
}

/* A person of some terminal, or a device, whose client id is its id. */
static struct subject random_party(const struct subject *s, char client[80])
{
	struct subject who = *s;

	if (!seed_below(3))
		who.party = PULLCORD__V1__PARTY__PARTY_DEVICE;
	snprintf(client, 80, "%.*s%s", SPAN_FMT(s->id), who.party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "" : ".t1");
	return who;
}

static void ask_one(const struct imported *i, const char *file, size_t counts[3])
{
	const struct subject *s = i->people ? &i->who[seed_below(i->people)].s : NULL;
	bool exact = !i->im.notes[LOSS_NARROWER], ours, theirs;
	enum access a = seed_below(2) ? PUB : GET;
	char topic[256], client[80], user[65];
	struct subject who;

	if (!s)
		return;
	random_topic(topic);
	who = random_party(s, client);
	must(span_text(s->id, user, sizeof(user)));
	ours = imported_allows(i, &who, a, topic);
	theirs = ref_allows(user, client, a, topic);
	if (ours != theirs && (ours || exact))
		fail_msg("%s %s %s: ours %d, theirs %d\n%s----\n%s----\n%s", client, access_name(a), topic, ours, theirs, file,
			 i->text, i->notes);
	counts[0] += exact;
	counts[1] += ours;
	counts[2] += ours != theirs;
}

static void random_files_decide_as_before(void **state)
{
	size_t want = importing_cases(), counts[3] = { 0 }, asked = 0;
	struct policy_error where;
	struct imported i;
	char file[8192];

	(void)state;
	for (size_t n = 0; counts[0] < want; n++) {
		random_file(file, n % 4 == 3);
		ref_read(file);
		if (importing(&i, import_acl, span_str(file), &where) != OK)
			fail_msg("line %u: %s\n%s", where.line, where.text, file);
		for (unsigned k = 0; k < 200; k++, asked++)
			ask_one(&i, file, counts);
		imported_close(&i);
	}
	print_message("# %zu cases, %zu of them exact; %zu allowed, %zu narrower\n", asked, counts[0], counts[1], counts[2]);
	assert_true(counts[1] > asked / 50 && counts[2] > 0);
}

/* ---- what is said -------------------------------------------------------------------------------------------------- */

static void what_is_written_can_be_read(void **state)
{
	static const char file[] =
		"# head\n"
		"topic read mercy/news\n"
		"user ana\n"
		"topic mercy/a/#\n"
		"topic deny mercy/a/secret/+\n"
		"topic write #\n"
		"pattern read mercy/user/%u/inbox\n"
		"pattern write mercy/device/%c/state\n"
		"user bo\n";
	struct policy_error where;
	struct imported i;

	(void)state;
	assert_int_equal(importing(&i, import_acl, span_str(file), &where), OK);
	assert_string_equal(i.text,
		"# Imported from an acl_file. Look at it with: pullcord policy check\n"
		"\n"
		"tenant mercy\n"
		"\n"
		"role everybody\n"
		"  allow subscribe  mercy/user/{user}/inbox\n"
		"  allow subscribe  mercy/user/{device}/inbox\n"
		"  allow publish    mercy/device/{client}/state\n"
		"\n"
		"role ana\n"
		"  allow both       mercy/a/#\n"
		"  deny  publish    mercy/a/secret/+\n"
		"  deny  receive    mercy/a/secret/+\n"
		"  allow publish    mercy/#\n");
	assert_int_equal(i.people, 2);
	assert_int_equal(i.who[0].s.roles, 2);
	assert_string_equal(i.who[0].role_text[0], "ana");
	assert_int_equal(i.who[1].s.roles, 1);
	assert_string_equal(i.who[1].role_text[0], "everybody");
	/* The subscription is free as it was, the message is held back. */
	assert_true(imported_allows(&i, imported_who(&i, "ana"), SUB, "mercy/a/#"));
	assert_false(imported_allows(&i, imported_who(&i, "ana"), GET, "mercy/a/secret/x"));
	imported_close(&i);
}

static const struct { const char *file; enum loss loss; const char *note; } notes[] = {
	{ "topic read mercy/a", LOSS_OUTSIDE, "1 outside: 'mercy/a': for clients without a name" },
	{ "user ana\ntopic read other/a", LOSS_OUTSIDE, "2 outside: 'other/a': it lies outside the tenant" },
	{ "user ana\ntopic deny other/a", LOSS_NONE, "2 same: 'other/a': it lies outside the tenant" },
	{ "user ana\ntopic read $SYS/#", LOSS_OUTSIDE, "2 outside: '$SYS/#': topics that begin with '$'" },
	{ "user ana\ntopic read mercy/a b", LOSS_OUTSIDE, "2 outside: 'mercy/a?b': no topic here" },
	{ "user ana\ntopic read mercy//b", LOSS_OUTSIDE, "2 outside: 'mercy//b': no topic here" },
	{ "user ana\ntopic read #", LOSS_OUTSIDE, "2 outside: '#': imported for topics of the tenant" },
	{ "user ana maria\ntopic read mercy/a", LOSS_OUTSIDE, "1 outside: user 'ana?maria'" },
	{ "pattern read mercy/%c", LOSS_NARROWER, "1 narrower: 'mercy/%c': %c: a person's client id" },
	{ "pattern deny mercy/%c", LOSS_NARROWER, "any level is denied in its place" },
	{ "pattern read mercy/x-%u", LOSS_NARROWER, "whole levels here, and not the first; not imported" },
	{ "pattern read %u/x", LOSS_NARROWER, "and not the first; not imported" },
	{ "pattern deny mercy/x-%u", LOSS_NARROWER, "any level is denied in their place" },
	{ "user ana\ntopic read mercy/ana/#\npattern deny mercy/%u/+", LOSS_NARROWER,
	  "2 narrower: 'mercy/ana/#': a user's rule came before the deny pattern of line 3" },
	{ "pattern read mercy/a", LOSS_NONE, "1 same: patterns are for every client" },
};

static void what_has_no_equivalent_is_said(void **state)
{
	struct policy_error where;
	struct imported i;

	(void)state;
	for (size_t k = 0; k < countof(notes); k++) {
		assert_int_equal(importing(&i, import_acl, span_str(notes[k].file), &where), OK);
		if (!strstr(i.notes, notes[k].note) || !i.im.notes[notes[k].loss])
			fail_msg("%s\n said: %s\n not: %s", notes[k].file, i.notes, notes[k].note);
		imported_close(&i);
	}
}

static const struct { const char *file; uint32_t line, column; const char *text; } refused[] = {
	{ "user", 1, 5, "the name is missing" },
	{ "\ntopic", 2, 6, "the topic is missing" },
	{ "topic reed a", 1, 7, "'reed' is no access" },
	{ "topic read a/#/b", 1, 12, "'a/#/b' is no topic" },
	{ "topic read a+", 1, 12, "'a+' is no topic" },
	{ "topic read a #", 1, 12, "is no topic" },
	{ " # comment", 1, 2, "'#' is no statement" },
	{ "user\tana", 1, 1, "'user?ana' is no statement" },
	{ "Topic a", 1, 1, "'Topic' is no statement" },
};

static void what_the_broker_refuses_is_refused(void **state)
{
	struct policy_error where;
	struct imported i;

	(void)state;
	for (size_t k = 0; k < countof(refused); k++) {
		assert_int_equal(importing(&i, import_acl, span_str(refused[k].file), &where), ERR_SYNTAX);
		if (where.line != refused[k].line || where.column != refused[k].column || !strstr(where.text, refused[k].text))
			fail_msg("%s: %u:%u: %s", refused[k].file, where.line, where.column, where.text);
		imported_close(&i);
	}
}

/* Blanks, carriage returns and a topic called "read", as the broker takes them. */
static void lines_are_read_as_the_broker_reads_them(void **state)
{
	static const char file[] = "  user   ana  \r\n  topic   readwrite   mercy/a  \r\ntopic mercy/b\r\n#x\nuser bo\n"
				   "topic mercy/c\nuser ana\ntopic write mercy/d\ntopic read";
	struct policy_error where;
	struct imported i;

	(void)state;
	assert_int_equal(importing(&i, import_acl, span_str(file), &where), OK);
	assert_true(imported_allows(&i, imported_who(&i, "ana"), PUB, "mercy/a"));
	assert_true(imported_allows(&i, imported_who(&i, "ana"), GET, "mercy/b"));
	assert_true(imported_allows(&i, imported_who(&i, "ana"), PUB, "mercy/d"));
	assert_false(imported_allows(&i, imported_who(&i, "ana"), GET, "mercy/d"));
	assert_false(imported_allows(&i, imported_who(&i, "ana"), GET, "mercy/c"));
	assert_true(imported_allows(&i, imported_who(&i, "bo"), GET, "mercy/c"));
	assert_non_null(strstr(i.notes, "9 outside: 'read': it lies outside the tenant"));
	imported_close(&i);
}

static void a_role_of_patterns_takes_no_users_name(void **state)
{
	static const char file[] = "pattern read mercy/p\nuser everybody\ntopic read mercy/a\n";
	struct policy_error where;
	struct imported i;

	(void)state;
	assert_int_equal(importing(&i, import_acl, span_str(file), &where), OK);
	assert_string_equal(i.who[0].role_text[1], "everybody-2");
	imported_close(&i);
}

/* The longest topic, and the most levels: "x/#" that can only mean "x". */
static void the_limits_of_topics_are_met_exactly(void **state)
{
	char topic[256] = "mercy", file[512];
	struct policy_error where;
	struct imported i;

	(void)state;
	for (unsigned n = 0; n < 11; n++)
		strcat(topic, "/1");
	snprintf(file, sizeof(file), "user ana\ntopic read %s/#\ntopic read %s/1\n", topic, topic);
	assert_int_equal(importing(&i, import_acl, span_str(file), &where), OK);
	assert_true(imported_allows(&i, imported_who(&i, "ana"), GET, topic));
	assert_int_equal(i.im.notes[LOSS_OUTSIDE], 1);
	imported_close(&i);
	strcpy(topic, "mercy");
	for (unsigned n = 0; n < 3; n++)
		sprintf(topic + strlen(topic), "/%064d", 7);
	assert_int_equal(strlen(topic), 200);
	snprintf(file, sizeof(file), "user ana\ntopic deny %s/#\ntopic read mercy/#\n", topic);
	assert_int_equal(importing(&i, import_acl, span_str(file), &where), OK);
	assert_false(imported_allows(&i, imported_who(&i, "ana"), GET, topic));
	imported_close(&i);
}

/* ---- the broker itself ---------------------------------------------------------------------------------------------- */


struct asked {
	size_t n, exact, allowed;
};

static void compare(const struct imported *i, const struct subject *who, const char *client, enum access a, const char *topic,
		    bool theirs, const char *file, struct asked *asked)
{
	bool ours = imported_allows(i, who, a, topic), exact = !i->im.notes[LOSS_NARROWER];
	char user[65];

	must(span_text(who->id, user, sizeof(user)));
	if (ref_allows(user, client, a, topic) != theirs)
		fail_msg("the reference is wrong: %s %s %s: the broker says %d\n%s", client, access_name(a), topic, theirs, file);
	if (ours != theirs && (ours || exact))
		fail_msg("%s %s %s: ours %d, the broker's %d\n%s----\n%s----\n%s", client, access_name(a), topic, ours, theirs, file,
			 i->text, i->notes);
	asked->n++;
	asked->exact += exact;
	asked->allowed += theirs;
}

/* Publishing: by each; receiving: everybody may ask for everything, and gets what may be read. */
static void ask_broker(const struct peer *p, const struct imported *i, const char *file, struct asked *asked)
{
	char topic[PEER_TOPICS][256], client[80], user[65];
	struct peer_client root, c;

	peer_connect(p, &root, "root", "root", NULL);
	for (size_t k = 0; k < i->people; k++) {
		struct subject who = random_party(&i->who[k].s, client);

		must(span_text(who.id, user, sizeof(user)));
		for (size_t t = 0; t < PEER_TOPICS; t++)
			random_topic(topic[t]);
		peer_connect(p, &c, client, user, NULL);
		peer_publish(&c, topic, PEER_TOPICS);
		for (size_t t = 0; t < PEER_TOPICS; t++)
			compare(i, &who, client, PUB, topic[t], peer_accepted(&c, t), file, asked);
		must(peer_subscribe(&c, "mercy/#"));
		peer_publish(&root, topic, PEER_TOPICS);
		peer_catch_up(&c);
		for (size_t t = 0; t < PEER_TOPICS; t++)
			compare(i, &who, client, GET, topic[t], c.got[t], file, asked);
		peer_close(&c);
	}
	peer_close(&root);
}

static void the_broker_decides_so_itself(void **state)
{
	struct asked asked = { 0 };
	struct policy_error where;
	static struct peer p;
	struct imported i;
	char file[8192];

	(void)state;
	if (!peer_present())
		skip();
	for (size_t n = 0; n < PEER_FILES(10); n++) {
		random_file(file, n % 3 == 2);
		ref_read(file);
		assert_int_equal(importing(&i, import_acl, span_str(file), &where), OK);
		strcat(file, "user root\ntopic write #\n");        /* who sends what others may get */
		peer_start(&p, "acl_file %s", file);
		ask_broker(&p, &i, file, &asked);
		peer_stop(&p);
		imported_close(&i);
	}
	print_message("# %zu decisions of the broker, %zu of them exact; %zu allowed\n", asked.n, asked.exact, asked.allowed);
	assert_true(asked.n > 0 && asked.allowed > asked.n / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_files_decide_as_before),
		cmocka_unit_test(what_is_written_can_be_read),
		cmocka_unit_test(what_has_no_equivalent_is_said),
		cmocka_unit_test(what_the_broker_refuses_is_refused),
		cmocka_unit_test(lines_are_read_as_the_broker_reads_them),
		cmocka_unit_test(a_role_of_patterns_takes_no_users_name),
		cmocka_unit_test(the_limits_of_topics_are_met_exactly),
		cmocka_unit_test(the_broker_decides_so_itself),
	};

	must(crypt_init() == OK && mosquitto_lib_init() == MOSQ_ERR_SUCCESS);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
