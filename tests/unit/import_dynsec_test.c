/* import_dynsec: an imported dynamic-security file allows nothing that the plugin did not, and decides as it did where
 * nothing is said to be narrower. The reference works on the model the file is printed from; the last test asks the
 * plugin itself. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/evp.h>

#include "crypt.h"
#include "importing.h"
#include "peer.h"

#define PUB ACCESS_PUBLISH
#define SUB ACCESS_SUBSCRIBE
#define GET ACCESS_RECEIVE

enum type { SEND, RECV, LITERAL, PATTERN, TYPES };
static const char *const types[TYPES] = { "publishClientSend", "publishClientReceive", "subscribeLiteral",
					  "subscribePattern" };

/* ---- a model, and the reference ------------------------------------------------------------------------------------ */

struct link { int to, priority; };
struct acl { enum type type; char topic[128]; int priority; bool allow; };
struct model {
	bool otherwise[3];
	int roles, groups, clients;
	struct { int n; struct acl acl[8]; } role[4];
	struct { int n, members; struct link role[4], member[4]; } group[3];
	struct { int n; struct link role[4]; } client[3];
};

static struct link list[8];
static bool later(struct link a, struct link b) { return a.priority != b.priority ? a.priority < b.priority : a.to > b.to; }

/* The k-th of n links, most urgent first; names sort as their numbers do. */
static int kth(const struct link *from, int n, int k)
{
	memcpy(list, from, (size_t)n * sizeof(*from));
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && later(list[j - 1], list[j]); j--) {
			struct link t = list[j];
			list[j] = list[j - 1];
			list[j - 1] = t;
		}
	return list[k].to;
}

/* Does a filter cover a topic, or a wider filter a narrower one? By levels (MQTT 5 §4.7.1). */
static bool covers(const char *wide, const char *narrow)
{
	size_t w = strcspn(wide, "/"), n = strcspn(narrow, "/");

	if (!strcmp(wide, "#"))
		return true;
	if (*narrow == '#' || ((w != 1 || *wide != '+') && (w != n || strncmp(wide, narrow, n))))
		return false;
	if (!wide[w] || !narrow[n])
		return !wide[w] ? !narrow[n] : !strcmp(wide + w, "/#");
	return covers(wide + w + 1, narrow + n + 1);
}

/* What a role says: 1 yes, -1 no, 0 nothing. */
static int ref_role(const struct model *m, int role, enum type type, const char *topic)
{
	const struct acl *best = NULL;

	for (int i = 0; i < m->role[role].n; i++) {
		const struct acl *a = &m->role[role].acl[i];

		if (a->type == type && (type == LITERAL ? !strcmp(a->topic, topic) : covers(a->topic, topic)) &&
		    (!best || a->priority > best->priority))
			best = a;
	}
	return best ? best->allow ? 1 : -1 : type == LITERAL ? ref_role(m, role, PATTERN, topic) : 0;
}

static bool ref_allows(const struct model *m, int client, enum access a, const char *topic)
{
	enum type type = a == PUB ? SEND : a == GET ? RECV : LITERAL;
	struct link in[4];
	int said = 0, n = 0;

	for (int k = 0; k < m->client[client].n && !said; k++)
		said = ref_role(m, kth(m->client[client].role, m->client[client].n, k), type, topic);
	for (int g = 0; g < m->groups; g++)
		for (int k = 0; k < m->group[g].members; k++)
			if (m->group[g].member[k].to == client)
				in[n++] = (struct link){ g, m->group[g].member[k].priority };
	for (int k = 0; k < n; k++)
		for (int g = kth(in, n, k), i = 0; i < m->group[g].n && !said; i++)
			said = ref_role(m, kth(m->group[g].role, m->group[g].n, i), type, topic);
	return said ? said > 0 : m->otherwise[a == PUB ? 0 : a == GET ? 1 : 2];
}

/* ---- random models -------------------------------------------------------------------------------------------------- */

static const char *const levels[] = { "a", "b", "+", "+", "c" };
static const char *const odd[] = { "other/a", "#", "$CONTROL/x", "mercy/a b", "+/a", "mercy/a+", "mercy/#/a" };

static void random_filter(char *at)
{
	if (!seed_below(12)) {
		strcpy(at, PICK(odd));
		return;
	}
	at = stpcpy(at, "mercy");
	for (size_t n = seed_below(4); n--; at = stpcpy(at, PICK(levels)))
		*at++ = '/';
	if (!seed_below(3))
		strcpy(at, "/#");
}

/* 0..most-1 different numbers below `to`. */
static int random_links(struct link *l, int most, int to)
{
	int n = 0, first = (int)seed_below((uint64_t)to), want = (int)seed_below((uint64_t)most);

	for (; n < want && n < to; n++)
		l[n] = (struct link){ (first + n) % to, (int)seed_below(4) - 1 };
	return n;
}

/* `calm`: nearly nothing but allows, so that most files are decided exactly. */
static void random_model(struct model *m, bool calm)
{
	*m = (struct model){ .roles = 4, .groups = 3, .clients = 3 };
	for (unsigned k = 0; k < 3; k++)
		m->otherwise[k] = !seed_below(calm && k != 1 ? 6 : 2);
	for (int r = 0; r < m->roles; r++) {
		m->role[r].n = (int)seed_below(7);
		for (int i = 0; i < m->role[r].n; i++) {
			struct acl *a = &m->role[r].acl[i];

			*a = (struct acl){ .type = (enum type)seed_below(TYPES), .priority = (int)seed_below(3) };
			a->allow = a->type == PATTERN && calm ? true : seed_below(calm ? 6 : 3) > 0;
			do
				random_filter(a->topic);
			while (a->type == LITERAL && calm && strpbrk(a->topic, "+#"));
			for (int k = 0; k < i && a->type == LITERAL; k++)       /* no name twice */
				if (m->role[r].acl[k].type == LITERAL && !strcmp(a->topic, m->role[r].acl[k].topic))
					a->type = SEND;
			a->allow |= a->type == LITERAL && calm;
		}
	}
	for (int c = 0; c < m->clients; c++)
		m->client[c].n = random_links(m->client[c].role, 4, m->roles);
	for (int g = 0; g < m->groups; g++) {
		m->group[g].n = random_links(m->group[g].role, 3, m->roles);
		m->group[g].members = random_links(m->group[g].member, 4, m->clients);
	}
}

static char *print_links(char *at, const char *list_name, const char *name, char letter, const struct link *l, int n)
{
	at += sprintf(at, ",\"%s\":[", list_name);
	for (int i = 0; i < n; i++) {
		at += sprintf(at, "%s{\"%s\":\"%c%d\"", i ? "," : "", name, letter, l[i].to);
		at += l[i].priority < 0 ? sprintf(at, "}") : sprintf(at, ",\"priority\":%d}", l[i].priority);
	}
	return stpcpy(at, "]");
}

/* `login`: more members of every client; then there is one more, root, who sends what others may get. */
static void print_model(char *at, const struct model *m, const char *login)
{
	static const char *const yes[] = { "false", "true" };

	at += sprintf(at, "{\"defaultACLAccess\":{\"publishClientSend\":%s,\"publishClientReceive\":%s,\"subscribe\":%s,"
		      "\"unsubscribe\":true},\n\"roles\":[", yes[m->otherwise[0]], yes[m->otherwise[1]], yes[m->otherwise[2]]);
	for (int r = 0; r < m->roles; r++) {
		at += sprintf(at, "%s{\"rolename\":\"r%d\",\"acls\":[", r ? ",\n" : "", r);
		for (int i = 0; i < m->role[r].n; i++) {
			const struct acl *a = &m->role[r].acl[i];

			at += sprintf(at, "%s\n{\"acltype\":\"%s\",\"topic\":\"%s\",\"priority\":%d,\"allow\":%s}", i ? "," : "",
				      types[a->type], a->topic, a->priority, yes[a->allow]);
		}
		at = stpcpy(at, "]}");
	}
	if (*login)
		at = stpcpy(at, ",\n{\"rolename\":\"root\",\"acls\":[{\"acltype\":\"publishClientSend\",\"topic\":\"#\","
			    "\"allow\":true}]}");
	at = stpcpy(at, "],\n\"clients\":[");
	for (int c = 0; c < m->clients; c++) {
		at += sprintf(at, "%s{\"username\":\"c%d\"", c ? ",\n" : "", c);
		at = print_links(at, "roles", "rolename", 'r', m->client[c].role, m->client[c].n);
		at += sprintf(at, "%s}", login);
	}
	if (*login)
		at += sprintf(at, ",\n{\"username\":\"root\",\"roles\":[{\"rolename\":\"root\"}]%s}", login);
	at = stpcpy(at, "],\n\"groups\":[");
	for (int g = 0; g < m->groups; g++) {
		at += sprintf(at, "%s{\"groupname\":\"g%d\"", g ? ",\n" : "", g);
		at = print_links(at, "roles", "rolename", 'r', m->group[g].role, m->group[g].n);
		at = stpcpy(print_links(at, "clients", "username", 'c', m->group[g].member, m->group[g].members), "}");
	}
	strcpy(at, "]}\n");
}

/* A topic, or for SUB a filter within the tenant. */
static void random_question(char *at, enum access a)
{
	static const char *const words[] = { "a", "b", "c", "d" };

	at = stpcpy(at, "mercy");
	for (size_t n = seed_below(5); n--; at = stpcpy(at, a == SUB ? PICK(levels) : PICK(words)))
		*at++ = '/';
	if (a == SUB && !seed_below(4))
		strcpy(at, "/#");
}

static void ask_one(const struct imported *i, const struct model *m, const char *file, size_t counts[3])
{
	static const enum access all[] = { PUB, GET, SUB };
	bool exact = !i->im.notes[LOSS_NARROWER], ours, theirs;
	enum access a = all[seed_below(countof(all))];
	int client = (int)seed_below((uint64_t)m->clients);
	char topic[256], id[16];

	snprintf(id, sizeof(id), "c%d", client);
	random_question(topic, a);
	ours = imported_allows(i, imported_who(i, id), a, topic);
	theirs = ref_allows(m, client, a, topic);
	if (ours != theirs && (ours || exact))
		fail_msg("%s %s %s: ours %d, theirs %d\n%s----\n%s----\n%s", id, access_name(a), topic, ours, theirs, file, i->text,
			 i->notes);
	counts[0] += exact;
	counts[1] += ours;
	counts[2] += ours != theirs;
}

static void random_files_decide_as_before_or_narrower(void **state)
{
	size_t want = importing_cases(), counts[3] = { 0 }, asked = 0;
	struct policy_error where;
	struct imported i;
	struct model m;
	char file[16384];

	(void)state;
	for (size_t n = 0; counts[0] < want; n++) {
		random_model(&m, n % 4);
		print_model(file, &m, "");
		if (importing(&i, import_dynsec, span_str(file), &where) != OK)
			fail_msg("line %u: %s\n%s", where.line, where.text, file);
		for (unsigned k = 0; k < 200; k++, asked++)
			ask_one(&i, &m, file, counts);
		imported_close(&i);
	}
	print_message("# %zu cases, %zu of them exact; %zu allowed, %zu narrower\n", asked, counts[0], counts[1], counts[2]);
	assert_true(counts[1] > asked / 50 && counts[2] > 0);
}

/* ---- what is written and said ----------------------------------------------------------------------------------------- */

#define ACL(type, topic, priority, allow) \
	"{\"acltype\":\"" type "\",\"topic\":\"" topic "\",\"priority\":" priority ",\"allow\":" allow "}"
#define ONE(defaults, acls) \
	"{\"defaultACLAccess\":{" defaults "},\n\"roles\":[{\"rolename\":\"r\",\"acls\":[\n" acls "]}],\n" \
	"\"clients\":[{\"username\":\"ana\",\"roles\":[{\"rolename\":\"r\"}]}]}"
#define RECEIVE "\"publishClientReceive\":true"

static const struct { const char *file, *policy; } written[] = {
	/* The deny of everything else is what we do anyhow. */
	{ ONE(RECEIVE, ACL("publishClientSend", "mercy/a/#", "9", "true") "," ACL("publishClientSend", "#", "0", "false")),
	  "role default\n  allow receive    mercy/#\n\nrole r\n  allow publish    mercy/a/#\n" },
	/* A deny before an allow stays. */
	{ ONE("", ACL("publishClientSend", "mercy/a/x", "9", "false") "," ACL("publishClientSend", "mercy/a/+", "0", "true")),
	  "role r\n  deny  publish    mercy/a/x\n  allow publish    mercy/a/+\n" },
	/* Who may subscribe may receive: only what they may receive. */
	{ ONE("", ACL("subscribePattern", "mercy/+/b/#", "0", "true") ",\n" ACL("publishClientReceive", "mercy/a/#", "0", "true")),
	  "role r\n  allow receive    mercy/a/#\n  allow subscribe  mercy/a/b/#\n" },
	{ ONE("\"subscribe\":true", ACL("publishClientReceive", "mercy/a", "0", "true")),
	  "role r\n  allow subscribe  mercy/a\n" },
	{ ONE("\"subscribe\":true,\"publishClientSend\":true," RECEIVE, ACL("publishClientReceive", "mercy/a", "0", "false")),
	  "role default\n  allow publish    mercy/#\n  allow subscribe  mercy/#\n\nrole r\n  deny  receive    mercy/a\n" },
};

static void what_is_written_can_be_read(void **state)
{
	struct policy_error where;
	struct imported i;

	(void)state;
	for (size_t k = 0; k < countof(written); k++) {
		assert_int_equal(importing(&i, import_dynsec, span_str(written[k].file), &where), OK);
		assert_string_equal(strstr(i.text, "role"), written[k].policy);
		imported_close(&i);
	}
}

static const struct { const char *file; enum loss loss; const char *note; } notes[] = {
	{ ONE("", ACL("publishClientSend", "mercy/a", "9", "true") ",\n" ACL("publishClientSend", "mercy/+", "5", "false") ",\n"
	      ACL("publishClientSend", "mercy/#", "0", "true")), LOSS_NARROWER,
	  "3 narrower: mercy/a: asked before the deny of line 4" },
	{ ONE("", ACL("subscribePattern", "mercy/+", "0", "true")), LOSS_NARROWER, "3 narrower: mercy/+: who subscribes receives" },
	{ ONE(RECEIVE, ACL("subscribeLiteral", "mercy/+", "0", "true")), LOSS_NARROWER, "3 narrower: subscribeLiteral 'mercy/+'" },
	{ ONE(RECEIVE, ACL("subscribePattern", "mercy/a", "1", "false") "," ACL("subscribePattern", "mercy/+", "0", "true")),
	  LOSS_NARROWER, "3 narrower: mercy/a: denied here is also to receive it" },
	{ ONE("\"subscribe\":true", ""), LOSS_NARROWER, "1 narrower: defaultACLAccess lets everybody subscribe" },
	{ ONE("", ACL("publishClientSend", "$CONTROL/#", "0", "true")), LOSS_OUTSIDE, "3 outside: '$CONTROL/#': topics" },
	{ ONE("", ACL("publishClientSend", "other/#", "0", "true")), LOSS_OUTSIDE, "3 outside: 'other/#': it lies" },
	{ ONE("", ACL("unsubscribePattern", "#", "0", "false")), LOSS_NONE, "3 same: 'unsubscribePattern': who subscribed" },
	{ "{\"anonymousGroup\":\"g\"}", LOSS_OUTSIDE, "1 outside: anonymousGroup 'g'" },
	{ "{\"clients\":[{\"username\":\"a b\"}]}", LOSS_OUTSIDE, "1 outside: client 'a?b'" },
	{ "{\"clients\":[\n{\"username\":\"a\",\"disabled\":true}]}", LOSS_NONE, "2 same: 'a': disabled; suspended here" },
	{ "{\"clients\":[{\"username\":\"a\",\"clientid\":\"a\"}]}", LOSS_NONE, "1 same: 'a': its client id is its name" },
	{ "{\"clients\":[{\"username\":\"a\",\"clientid\":\"z\"}]}", LOSS_OUTSIDE, "1 outside: 'a': client id 'z'" },
	{ "{\"clients\":[{\"username\":\"a\",\"password\":\"x\"}]}", LOSS_NONE, "1 same: passwords are kept as PBKDF2" },
	{ "{\"clients\":[{\"username\":\"a\",\"roles\":[{\"rolename\":\"q\"}]}]}", LOSS_NONE, "1 same: 'q': there is no such role" },
	{ "{\"groups\":[{\"groupname\":\"g\",\"clients\":[{\"username\":\"b\"}]}]}", LOSS_NONE, "1 same: 'b': there is no such client" },
	{ "{\"roles\":[{\"rolename\":\"a b\",\"acls\":[" ACL("publishClientSend", "mercy/a", "0", "true") "]}]}", LOSS_NONE,
	  "1 same: role 'a?b' is called a-b-1 here" },
};

static void what_has_no_equivalent_is_said(void **state)
{
	struct policy_error where;
	struct imported i;

	(void)state;
	for (size_t k = 0; k < countof(notes); k++) {
		assert_int_equal(importing(&i, import_dynsec, span_str(notes[k].file), &where), OK);
		if (!strstr(i.notes, notes[k].note) || !i.im.notes[notes[k].loss])
			fail_msg("%s\n said: %s\n not: %s", notes[k].file, i.notes, notes[k].note);
		imported_close(&i);
	}
}

static const struct { const char *file; uint32_t line; const char *text; } refused[] = {
	{ "[]", 1, "is no file of dynamic-security" },
	{ "{\"roles\":[{\"rolename\":\"r\"},\n{\"rolename\":\"r\"}]}", 2, "'r' is a name given twice" },
	{ "{\"clients\":[{\"username\":\"\"}]}", 1, "is a name without letters" },
	{ "{\"roles\":[{\"rolename\":\"r\",\"acls\":[" ACL("subscribeLiteral", "mercy/a", "0", "true") ",\n"
	  ACL("subscribeLiteral", "mercy/a", "0", "false") "]}]}", 2, "'mercy/a' is both allowed and denied" },
	{ "{\"roles\":[\n{]}", 2, "right would be a text" },
};

static void what_cannot_be_understood_is_refused(void **state)
{
	struct policy_error where;
	struct imported i;

	(void)state;
	for (size_t k = 0; k < countof(refused); k++) {
		assert_int_equal(importing(&i, import_dynsec, span_str(refused[k].file), &where), ERR_SYNTAX);
		if (where.line != refused[k].line || !strstr(where.text, refused[k].text))
			fail_msg("%s: %u: %s", refused[k].file, where.line, where.text);
		imported_close(&i);
	}
}

static void disabled_clients_are_suspended(void **state)
{
	static const char file[] = ONE("\"publishClientSend\":true", "");
	char disabled[sizeof(file) + 32];
	struct policy_error where;
	struct imported i;

	(void)state;
	snprintf(disabled, sizeof(disabled), "%.*s,\"disabled\":true}]}", (int)(sizeof(file) - 4), file);
	assert_int_equal(importing(&i, import_dynsec, span_str(disabled), &where), OK);
	assert_true(imported_who(&i, "ana")->suspended);
	assert_false(imported_allows(&i, imported_who(&i, "ana"), PUB, "mercy/a"));
	imported_close(&i);
}

/* A part of the roles might lack the one that denies. */
static void more_roles_than_an_account_holds_give_none(void **state)
{
	static char file[16384];
	char *at = file;
	struct policy_error where;
	struct imported i;

	(void)state;
	at = stpcpy(at, "{\"roles\":[");
	for (int k = 0; k < 70; k++)
		at += sprintf(at, "%s{\"rolename\":\"r%d\",\"acls\":[" ACL("publishClientSend", "mercy/#", "0", "%s") "]}",
			      k ? "," : "", k, k == 69 ? "false" : "true");
	at = stpcpy(at, "],\"clients\":[{\"username\":\"ana\",\"roles\":[");
	for (int k = 0; k < 70; k++)
		at += sprintf(at, "%s{\"rolename\":\"r%d\",\"priority\":%d}", k ? "," : "", k, k == 69 ? 9 : 1);
	strcpy(at, "]}]}");
	assert_int_equal(importing(&i, import_dynsec, span_str(file), &where), OK);
	assert_int_equal(imported_who(&i, "ana")->roles, 0);
	assert_non_null(strstr(i.notes, "narrower: 'ana': an account holds at most 64 roles"));
	imported_close(&i);
}

/* ---- the plugin itself ---------------------------------------------------------------------------------------------- */

#define PEER_FILTERS 16

/* The password "x", as the plugin keeps one. */
static void print_login(char *at)
{
	static const uint8_t salt[12] = { 1 };
	char salt_text[32], hash_text[128];
	uint8_t hash[64];

	must(PKCS5_PBKDF2_HMAC("x", 1, salt, sizeof(salt), 1, EVP_sha512(), sizeof(hash), hash));
	base64_encode(span(salt, sizeof(salt)), salt_text);
	base64_encode(span(hash, sizeof(hash)), hash_text);
	sprintf(at, ",\"password\":\"%s\",\"salt\":\"%s\",\"iterations\":1", hash_text, salt_text);
}

struct asking {
	const struct imported *i;
	const struct model *m;
	const char *file;
	size_t n, exact, allowed;
};

static void compare(struct asking *q, int client, enum access a, const char *topic, bool theirs)
{
	bool exact = !q->i->im.notes[LOSS_NARROWER], ours;
	char id[16];

	snprintf(id, sizeof(id), "c%d", client);
	ours = imported_allows(q->i, imported_who(q->i, id), a, topic);
	if (ref_allows(q->m, client, a, topic) != theirs)
		fail_msg("the reference is wrong: %s %s %s: the plugin says %d\n%s", id, access_name(a), topic, theirs, q->file);
	if (ours != theirs && (ours || exact))
		fail_msg("%s %s %s: ours %d, the plugin's %d\n%s----\n%s----\n%s", id, access_name(a), topic, ours, theirs, q->file,
			 q->i->text, q->i->notes);
	q->n++;
	q->exact += exact;
	q->allowed += theirs;
}

static void ask_client(struct asking *q, const struct peer *p, struct peer_client *root, int client)
{
	char topic[PEER_TOPICS][256], filter[256], id[16];
	struct peer_client c;

	snprintf(id, sizeof(id), "c%d", client);
	for (size_t t = 0; t < PEER_TOPICS; t++)
		random_question(topic[t], PUB);
	peer_connect(p, &c, id, id, "x");
	peer_publish(&c, topic, PEER_TOPICS);
	for (size_t t = 0; t < PEER_TOPICS; t++)
		compare(q, client, PUB, topic[t], peer_accepted(&c, t));
	for (size_t k = 0; k < PEER_FILTERS; k++) {
		random_question(filter, SUB);
		compare(q, client, SUB, filter, peer_subscribe(&c, filter));
	}
	if (peer_subscribe(&c, "mercy/#")) {
		peer_publish(root, topic, PEER_TOPICS);
		peer_catch_up(&c);
		for (size_t t = 0; t < PEER_TOPICS; t++)
			compare(q, client, GET, topic[t], c.got[t]);
	}
	peer_close(&c);
}

static void the_plugin_decides_so_itself(void **state)
{
	struct asking q = { 0 };
	struct policy_error where;
	struct peer_client root;
	static struct peer p;
	struct imported i;
	struct model m;
	char file[16384], login[256];

	(void)state;
	if (!peer_present())
		skip();
	print_login(login);
	for (size_t n = 0; n < PEER_FILES(12); n++) {
		random_model(&m, n % 4);
		m.otherwise[2] |= n % 2;
		print_model(file, &m, login);
		assert_int_equal(importing(&i, import_dynsec, span_str(file), &where), OK);
		q.i = &i;
		q.m = &m;
		q.file = file;
		peer_start(&p, "plugin " PEER_DYNSEC "\nplugin_opt_config_file %s", file);
		peer_connect(&p, &root, "root", "root", "x");
		for (int c = 0; c < m.clients; c++)
			ask_client(&q, &p, &root, c);
		peer_close(&root);
		peer_stop(&p);
		imported_close(&i);
	}
	print_message("# %zu decisions of the plugin, %zu of them exact; %zu allowed\n", q.n, q.exact, q.allowed);
	assert_true(q.n > 0 && q.allowed > q.n / 50);
}

/* What two filters share may be longer than a topic: then it is nothing, and not its beginning. */
static void what_is_too_long_for_a_topic_is_not_cut(void **state)
{
	char file[2048], word[65], cut[256];
	struct policy_error where;
	struct imported i;

	(void)state;
	snprintf(word, sizeof(word), "%064d", 7);
	snprintf(file, sizeof(file), ONE("", ACL("subscribePattern", "mercy/+/+/%s/%s", "0", "true") ","
						 ACL("publishClientReceive", "mercy/%s/%s/+/+", "0", "true")), word, word, word, word);
	assert_int_equal(importing(&i, import_dynsec, span_str(file), &where), OK);
	snprintf(cut, sizeof(cut), "mercy/%s/%s/%s", word, word, word);
	assert_false(imported_allows(&i, imported_who(&i, "ana"), SUB, cut));
	assert_null(strstr(i.text, "subscribe"));
	imported_close(&i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_files_decide_as_before_or_narrower),
		cmocka_unit_test(what_is_written_can_be_read),
		cmocka_unit_test(what_has_no_equivalent_is_said),
		cmocka_unit_test(what_cannot_be_understood_is_refused),
		cmocka_unit_test(disabled_clients_are_suspended),
		cmocka_unit_test(more_roles_than_an_account_holds_give_none),
		cmocka_unit_test(what_is_too_long_for_a_topic_is_not_cut),
		cmocka_unit_test(the_plugin_decides_so_itself),
	};

	must(crypt_init() == OK && mosquitto_lib_init() == MOSQ_ERR_SUCCESS);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
