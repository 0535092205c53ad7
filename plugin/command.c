#include "command.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypt.h"
#include "cur.h"
#include "password.h"
#include "topic.h"

#define F(field) 1u << FIELD_##field

enum effect { LOOKS, CHANGES, ALONE };

static const struct {
	const char *word, *permission;
	uint32_t need, either, may;
	enum effect effect;
} commands[] = {
	[COMMAND_NONE] = { "", "", 0, 0, 0, LOOKS },
#define COMMAND(name, ...) [COMMAND_##name] = { __VA_ARGS__ },
#include "command.def"
#undef COMMAND
};

enum kind {
	KIND_WORD, KIND_PLACE, KIND_TEXT, KIND_SECRET, KIND_PHC, KIND_LONG, KIND_TIME, KIND_NUMBER, KIND_NUMBERS, KIND_BOOL,
	KIND_HASH, KIND_WORDS, KIND_PAIRS, KIND_ORDERS
};

static const struct {
	const char *word;
	enum kind kind;
} fields[] = {
#define FIELD(name, word, kind) [FIELD_##name] = { word, KIND_##kind },
	FIELDS(FIELD)
#undef FIELD
};

const char *command_name(enum command c) { return commands[c].word; }
const char *command_permission(enum command c) { return commands[c].permission; }
bool command_changes(enum command c) { return commands[c].effect == CHANGES; }
bool command_acts(enum command c) { return commands[c].effect != LOOKS; }

/* ---- times ------------------------------------------------------------------------------------------------------- */

char *command_time(int64_t us, char out[COMMAND_TIME])
{
	time_t s = (time_t)(us / 1000000);
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(out, COMMAND_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strcpy(out, "never");
	return out;
}

bool command_time_read(struct span text, int64_t *us)
{
	char t[COMMAND_TIME], again[COMMAND_TIME];
	const char *end;
	struct tm tm = { 0 };
	uint64_t s;

	if (span_u64(text, INT64_MAX / 1000000, &s)) {
		*us = (int64_t)s * 1000000;
		return true;
	}
	if (!span_text(text, t, sizeof(t)) || !(end = strptime(t, "%Y-%m-%dT%H:%M:%SZ", &tm)) || *end)
		return false;
	*us = (int64_t)timegm(&tm) * 1000000;
	return *us > 0 && strcmp(command_time(*us, again), t) == 0;     /* not so of November 31st */
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static struct span text_of(const json_t *v)
{
	return span(json_string_value(v), json_string_length(v));
}

/* "nurse", or as the dynamic-security plugin has it {"rolename": "nurse"}. */
static struct span word_of(const json_t *v, enum field one)
{
	return text_of(json_is_object(v) && json_object_size(v) == 1 ? json_object_get(v, fields[one].word) : v);
}

/* What is wrong with the value of a field; NULL: nothing. */
static const char *read_words(const json_t *v, enum field one, struct span **out, size_t *n)
{
	size_t count = json_array_size(v);
	struct span *word;

	if (!json_is_array(v) || count == 0 || count > COMMAND_MEMBERS_MAX)
		return "a list of 1 to 1024 words";
	word = calloc(count, sizeof(*word));
	if (!word)
		return "read when there is memory again";
	*out = word;
	for (size_t i = 0; i < count; i++) {
		word[i] = word_of(json_array_get(v, i), one);
		if (!word_ok(word[i]))
			return "a list of words of A-Z a-z 0-9 . _ : -";
	}
	*n = count;
	return NULL;
}

/* {"unit": "icu3", "channel": ["a", "b"]} */
static const char *read_pairs(json_t *v, struct order *o)
{
	static const char right[] = "an object of words or lists of words, as {\"unit\": \"icu3\", \"channel\": [\"a\", \"b\"]}";
	struct attribute *pair = calloc(ACCOUNT_ATTRIBUTES_MAX, sizeof(*pair));
	const char *key;
	json_t *value;

	if (!pair)
		return "read when there is memory again";
	o->attribute = pair;
	if (!json_is_object(v))
		return right;
	json_object_foreach(v, key, value) {
		size_t count = json_is_array(value) ? json_array_size(value) : 1;

		for (size_t i = 0; i < count; i++) {
			const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;

			if (o->attributes == ACCOUNT_ATTRIBUTES_MAX || !word_ok(span_str(key)) || !word_ok(text_of(item)))
				return right;
			pair[o->attributes++] = (struct attribute){ span_str(key), text_of(item) };
		}
	}
	return NULL;
}

static const char *read_text(const json_t *v, size_t max, struct span *out)
{
	*out = text_of(v);
	return json_is_string(v) && out->n <= max ? NULL : max == ACCOUNT_TEXT_MAX ? "a text of at most 200 bytes" : "a text";
}

/* Where a listing is to go on: an id, or with what it is an id of. */
static const char *read_place(const json_t *v, struct span *out)
{
	struct span id;

	*out = text_of(v);
	(void)span_cut(*out, ':', &id);
	return word_ok(*out) || word_ok(id) ? NULL : "one word of A-Z a-z 0-9 . _ : -, or \"user:\" or \"device:\" and one";
}

static const char *read_number(const json_t *v, uint64_t *out)
{
	*out = (uint64_t)json_integer_value(v);
	return json_is_integer(v) && json_integer_value(v) > 0 ? NULL : "a whole number above 0";
}

static const char *read_numbers(const json_t *v, uint32_t **out, size_t *n)
{
	static const char right[] = "a list of 1 to 1024 whole numbers above 0";
	size_t count = json_array_size(v);

	if (!json_is_array(v) || count == 0 || count > COMMAND_MEMBERS_MAX)
		return right;
	*out = calloc(count, sizeof(**out));
	if (!*out)
		return "read when there is memory again";
	for (size_t i = 0; i < count; i++) {
		json_int_t number = json_integer_value(json_array_get(v, i));

		if (number <= 0 || number > UINT32_MAX)
			return right;
		(*out)[i] = (uint32_t)number;
	}
	*n = count;
	return NULL;
}

static const char *read_time(const json_t *v, int64_t *out)
{
	json_int_t s = json_integer_value(v);

	if (json_is_string(v) && command_time_read(text_of(v), out))
		return NULL;
	*out = s > 0 && s < INT64_MAX / 1000000 ? s * 1000000 : 0;
	return *out ? NULL : "a time in UTC, as \"2026-11-23T07:00:00Z\", or seconds since 1970";
}

static const char *read_phc(const json_t *v, struct order *o)
{
	o->text[FIELD_PHC] = text_of(v);
	return password_is_hash(o->text[FIELD_PHC]) && span_text(o->text[FIELD_PHC], o->phc, sizeof(o->phc))
		? NULL : "an argon2id hash as a PHC string, of m=19456,t=2,p=1 or up to four times as costly";
}

static const char *read_field(struct order *o, enum field f, json_t *v)
{
	switch (fields[f].kind) {
	case KIND_WORD:
		o->text[f] = text_of(v);
		return word_ok(o->text[f]) ? NULL : "one word of A-Z a-z 0-9 . _ : -";
	case KIND_PLACE: return read_place(v, &o->text[f]);
	case KIND_TEXT: return read_text(v, ACCOUNT_TEXT_MAX, &o->text[f]);
	case KIND_SECRET: case KIND_LONG: return read_text(v, COMMAND_REQUEST_MAX, &o->text[f]);
	case KIND_PHC: return read_phc(v, o);
	case KIND_TIME: return read_time(v, &o->until_us);
	case KIND_NUMBER:
		return read_number(v, f == FIELD_VERSION ? &o->version : f == FIELD_REQUEST ? &o->request : &o->count);
	case KIND_NUMBERS: return read_numbers(v, &o->segment, &o->segments);
	case KIND_BOOL:
		*(f == FIELD_VERBOSE ? &o->verbose : &o->rollback) = json_is_true(v);
		return json_is_boolean(v) ? NULL : "true or false";
	case KIND_HASH:
		return json_string_length(v) == 64 && hex_decode(text_of(v), o->fingerprint, sizeof(o->fingerprint))
			? NULL : f == FIELD_HASH ? "what getShadowPolicy tells, 64 hexadecimal digits"
						 : "the SHA-256 of the certificate in 64 hexadecimal digits";
	case KIND_WORDS:
		return f == FIELD_USERS ? read_words(v, FIELD_USER, &o->member, &o->members)
					: read_words(v, FIELD_ROLE, &o->role, &o->roles);
	case KIND_PAIRS: return read_pairs(v, o);
	case KIND_ORDERS: return json_is_array(v) ? NULL : "a list of commands";
	}
	return "something else";
}

static enum field field_of(const char *key)
{
	enum field f = 0;

	while (f < FIELD_COUNT_OF && strcmp(fields[f].word, key) != 0)
		f++;
	return f;
}

static void list_fields(struct put *b, uint32_t mask)
{
	const char *sep = "";

	for (enum field f = 0; f < FIELD_COUNT_OF; f++)
		if (mask & 1u << f) {
			put_fmt(b, "%s\"%s\"", sep, fields[f].word);
			sep = ", ";
		}
}

/* Our own words, so that they may be recorded; never what the client wrote. */
static void problem(struct order *o, const char *before, uint32_t mask, const char *after)
{
	struct put b = put(o->problem, sizeof(o->problem) - 1);

	put_str(&b, before);
	list_fields(&b, mask);
	put_str(&b, after);
	o->problem[b.n] = '\0';
}

static void check_given(struct order *o)
{
	uint32_t need = commands[o->command].need, either = commands[o->command].either;
	uint32_t one = o->given & either;

	if (o->problem[0])
		return;
	if ((o->given & need) != need)
		problem(o, "it needs ", need & ~o->given, "");
	else if (order_has(o, FIELD_PASSWORD) && order_has(o, FIELD_PHC))
		problem(o, "it takes one of ", F(PASSWORD) | F(PHC), ", not both");
	else if (either && (!one || (one & (one - 1))))
		problem(o, "it needs exactly one of ", either, "");
}

static enum command command_of(struct span word)
{
	enum command c = 1;

	while (c < COMMANDS && !span_is(word, commands[c].word))
		c++;
	return c < COMMANDS ? c : COMMAND_NONE;
}

static void order_read_field(struct order *o, const char *key, json_t *value)
{
	enum field f = field_of(key);
	const char *wrong;

	if (f == FIELD_COUNT_OF ||
	    !((commands[o->command].need | commands[o->command].either | commands[o->command].may) & 1u << f)) {
		problem(o, "it takes no other fields than ",
			commands[o->command].need | commands[o->command].either | commands[o->command].may, "");
		return;
	}
	wrong = read_field(o, f, value);
	if (wrong) {
		problem(o, "", 1u << f, " is to be ");
		strncat(o->problem, wrong, sizeof(o->problem) - strlen(o->problem) - 1);
	}
	o->given |= 1u << f;
}

static void order_read(struct order *o, json_t *v)
{
	const json_t *correlation = json_object_get(v, "correlationData");
	const char *key;
	json_t *value;

	o->word = text_of(json_object_get(v, "command"));
	o->correlation = text_of(correlation);
	o->command = command_of(o->word);
	if (!o->command) {
		problem(o, "there is no such command; see pullcord-control(5)", 0, "");
		return;
	}
	if (correlation && (!json_is_string(correlation) || o->correlation.n > ACCOUNT_TEXT_MAX))
		problem(o, "\"correlationData\" is to be a text of at most 200 bytes", 0, "");
	json_object_foreach(v, key, value)
		if (strcmp(key, "command") != 0 && strcmp(key, "correlationData") != 0 && !o->problem[0])
			order_read_field(o, key, value);
	check_given(o);
}

static enum err orders_read(json_t *list, struct order **out, size_t *n, size_t *left)
{
	size_t count = json_array_size(list);

	if (count > *left)
		return ERR_TOO_LARGE;
	*left -= count;
	*out = calloc(count + 1, sizeof(**out));
	if (!*out)
		return ERR_FULL;
	*n = count;
	for (size_t i = 0; i < count; i++)
		order_read(&(*out)[i], json_array_get(list, i));
	return OK;
}

static enum err parts_read(struct order *o, json_t *v, size_t *left)
{
	if (o->command != COMMAND_BATCH || o->problem[0])
		return OK;
	TRY(orders_read(json_object_get(v, "commands"), &o->part, &o->parts, left));
	for (size_t i = 0; i < o->parts; i++)
		if (o->part[i].command && !command_changes(o->part[i].command) && !o->part[i].problem[0])
			problem(&o->part[i], "it has no place in a batch, which is for what changes accounts and certificates", 0,
				"");
	return OK;
}

static void orders_free(struct order *o, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(o[i].member);
		free(o[i].role);
		free(o[i].segment);
		free(o[i].attribute);
		orders_free(o[i].part, o[i].parts);
		crypt_wipe((void *)(uintptr_t)o[i].text[FIELD_PASSWORD].p, o[i].text[FIELD_PASSWORD].n);
		crypt_wipe((void *)(uintptr_t)o[i].text[FIELD_PHC].p, o[i].text[FIELD_PHC].n);
		crypt_wipe(o[i].phc, sizeof(o[i].phc));
	}
	free(o);
}

void request_free(struct request **r)
{
	if (!*r)
		return;
	orders_free((*r)->order, (*r)->n);
	json_decref((*r)->json);
	free(*r);
	*r = NULL;
}

static enum err request_fill(struct request *r, char *why, size_t cap)
{
	json_t *list = json_object_get(r->json, "commands");
	size_t left = COMMAND_ORDERS_MAX;
	enum err e;

	if (!json_is_array(list) || json_array_size(list) == 0) {
		snprintf(why, cap, "a request is an object {\"commands\": [{\"command\": ...}, ...]}");
		return ERR_SYNTAX;
	}
	snprintf(why, cap, "a request holds at most %d commands", COMMAND_ORDERS_MAX);
	e = orders_read(list, &r->order, &r->n, &left);
	for (size_t i = 0; e == OK && i < r->n; i++)
		e = parts_read(&r->order[i], json_array_get(list, i), &left);
	return e;
}

/* jansson bounds the depth itself (2,048), and the size bounds the rest. */
enum err request_read(struct span text, struct request **out, char *why, size_t cap)
{
	CLEANUP(request_free) struct request *r = calloc(1, sizeof(*r));
	json_error_t where;

	snprintf(why, cap, "%s", err_text(ERR_FULL));
	if (!r)
		return ERR_FULL;
	snprintf(why, cap, "a request has at most %d bytes", COMMAND_REQUEST_MAX);
	if (text.n > COMMAND_REQUEST_MAX)
		return ERR_TOO_LARGE;
	r->json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &where);
	if (!r->json) {
		snprintf(why, cap, "it is not well-formed JSON: line %d, column %d", where.line, where.column);
		return ERR_SYNTAX;
	}
	TRY(request_fill(r, why, cap));
	*out = r;
	r = NULL;
	return OK;
}

/* ---- an order in words ------------------------------------------------------------------------------------------- */

static void put_words(struct put *b, const struct span *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_fmt(b, "%s%.*s", i ? "," : "", SPAN_FMT(word[i]));
}

static void put_hex(struct put *b, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_fmt(b, "%02x", p[i]);
}

static bool is_patient(struct span name)
{
	return span_is(name, "patient");
}

struct span order_patient(const struct order *o)
{
	struct span one = span(NULL, 0);
	size_t n = 0;

	if (order_has(o, FIELD_PATIENT))
		return o->text[FIELD_PATIENT];
	if (is_patient(o->text[FIELD_NAME]))
		return o->text[FIELD_VALUE];
	for (size_t i = 0; i < o->attributes; i++)
		if (is_patient(o->attribute[i].name) && n++ == 0)
			one = o->attribute[i].value;
	return n == 1 ? one : span(NULL, 0);
}

static void put_value(struct put *b, const struct patients *p, bool patient, struct span value)
{
	char word[PATIENT_WORD];

	put_bytes(b, patient ? span_str(patient_word(p, value, word)) : value);
}

static void put_pairs(struct put *b, const struct order *o, const struct patients *p)
{
	for (size_t i = 0; i < o->attributes; i++) {
		put_fmt(b, "%s%.*s:", i ? "," : "", SPAN_FMT(o->attribute[i].name));
		put_value(b, p, is_patient(o->attribute[i].name), o->attribute[i].value);
	}
}

static void put_field(struct put *b, const struct order *o, const struct patients *p, enum field f)
{
	uint8_t hash[SHA256_BYTES];
	char time[COMMAND_TIME];

	put_fmt(b, "%s=", fields[f].word);
	switch (fields[f].kind) {
	case KIND_WORD: case KIND_PLACE:
		put_value(b, p, f == FIELD_PATIENT || (f == FIELD_VALUE && is_patient(o->text[FIELD_NAME])), o->text[f]);
		break;
	case KIND_TEXT: case KIND_SECRET: case KIND_PHC: put_str(b, "..."); break;
	case KIND_LONG:
		SHA256(hash, o->text[f]);
		put_hex(b, hash, sizeof(hash) / 2);
		break;
	case KIND_TIME: put_str(b, command_time(o->until_us, time)); break;
	case KIND_NUMBER:
		put_fmt(b, "%llu", (unsigned long long)(f == FIELD_VERSION ? o->version : f == FIELD_REQUEST ? o->request : o->count));
		break;
	case KIND_NUMBERS:
		for (size_t i = 0; i < o->segments; i++)
			put_fmt(b, "%s%u", i ? "," : "", o->segment[i]);
		break;
	case KIND_BOOL: put_str(b, (f == FIELD_VERBOSE ? o->verbose : o->rollback) ? "true" : "false"); break;
	case KIND_HASH: put_hex(b, o->fingerprint, sizeof(o->fingerprint)); break;
	case KIND_WORDS:
		if (f == FIELD_USERS)
			put_words(b, o->member, o->members);
		else
			put_words(b, o->role, o->roles);
		break;
	case KIND_PAIRS: put_pairs(b, o, p); break;
	case KIND_ORDERS: put_fmt(b, "%zu", o->parts); break;
	}
}

/* What does not fit is cut to the room there is. */
void order_write(const struct order *o, const struct patients *p, struct put *out)
{
	static const char cut[] = " ...";
	const char *sep = "";

	for (enum field f = 0; f < FIELD_COUNT_OF; f++) {
		struct put room = put(out->p, out->cap > sizeof(cut) ? out->cap - sizeof(cut) : 0);

		if (!order_has(o, f))
			continue;
		room.n = out->n;
		put_str(&room, sep);
		put_field(&room, o, p, f);
		if (put_end(&room) != OK) {
			put_str(out, cut);
			return;
		}
		out->n = room.n;
		sep = " ";
	}
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

#define REPLY_DEPTH 8

struct reply {
	json_t *at[REPLY_DEPTH];    /* [0] is the whole */
	size_t depth, bytes;
	bool bad;
};

struct reply *reply_open(void)
{
	struct reply *r = calloc(1, sizeof(*r));

	if (r && !(r->at[0] = json_object())) {
		free(r);
		r = NULL;
	}
	return r;
}

void reply_close(struct reply **r)
{
	if (*r)
		json_decref((*r)->at[0]);
	free(*r);
	*r = NULL;
}

/* Steals `v`. */
static void add(struct reply *r, const char *key, json_t *v)
{
	json_t *to = r->at[r->depth];

	r->bytes += 8 + (key ? strlen(key) : 0);        /* quotes, colon, comma, brackets or a small number */
	if (key ? json_object_set_new(to, key, v) : json_array_append_new(to, v))
		r->bad = true;
}

static void descend(struct reply *r, const char *key, json_t *v)
{
	must(r->depth + 1 < REPLY_DEPTH);
	add(r, key, v);   /* it lives in what holds it, or not at all */
	r->at[++r->depth] = r->bad ? NULL : v;
}

void reply_object(struct reply *r, const char *key) { descend(r, key, json_object()); }
void reply_array(struct reply *r, const char *key) { descend(r, key, json_array()); }

void reply_end(struct reply *r)
{
	must(r->depth > 0);
	r->depth--;
}

void reply_text(struct reply *r, const char *key, struct span text)
{
	json_t *v = json_stringn(text.n ? (const char *)text.p : "", text.n);

	add(r, key, v ? v : json_string(""));
	r->bytes += text.n;
}

void reply_number(struct reply *r, const char *key, uint64_t n) { add(r, key, json_integer((json_int_t)n)); }
void reply_bool(struct reply *r, const char *key, bool b) { add(r, key, json_boolean(b)); }

void reply_prune(struct reply *r, const char *key, bool always)
{
	if (always || json_object_size(json_object_get(r->at[r->depth], key)) == 0)
		(void)json_object_del(r->at[r->depth], key);
}

size_t reply_bytes(const struct reply *r) { return r->bytes; }

char *reply_finish(struct reply *r)
{
	return r->bad ? NULL : json_dumps(r->at[0], JSON_COMPACT);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void json_free(json_t **v)
{
	json_decref(*v);
	*v = NULL;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

enum err answer_read(struct span text, void (*visit)(void *ctx, const struct answer *a), void *ctx)
{
	CLEANUP(json_free) json_t *whole = json_loadb((const char *)text.p, text.n, 0, NULL);
	const json_t *list = json_object_get(whole, "responses");

	if (!json_is_array(list))
		return ERR_SYNTAX;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		CLEANUP(free_cleanup) char *data = json_dumps(json_object_get(v, "data"), JSON_COMPACT | JSON_ENSURE_ASCII);
		CLEANUP(free_cleanup) char *all = json_dumps(v, JSON_COMPACT | JSON_ENSURE_ASCII);
		struct answer a = { or_empty(json_string_value(json_object_get(v, "command"))),
				    or_empty(json_string_value(json_object_get(v, "error"))), data, or_empty(all) };

		visit(ctx, &a);
	}
	return OK;
}
