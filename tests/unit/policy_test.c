#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ward.h"

/* Memory is counted, and fails on request. Sanitizers bring their own malloc. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
#define SANITIZED 1
#endif

static unsigned long allocations;

#ifndef SANITIZED
static bool no_memory;
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
__attribute__((visibility("default"))) void *malloc(size_t n);
__attribute__((visibility("default"))) void *calloc(size_t n, size_t size);
__attribute__((visibility("default"))) void *realloc(void *p, size_t n);

void *malloc(size_t n)
{
	allocations++;
	return no_memory ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return no_memory ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return no_memory ? NULL : __libc_realloc(p, n);
}
#endif

static void a_policy_says_what_it_is(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct policy_counts n = policy_count(p);
	uint8_t sha[SHA256_BYTES];

	(void)state;
	SHA256(sha, span_str(ward));
	assert_memory_equal(policy_version(p), sha, 16);
	assert_true(span_is(policy_tenant(p), "mercy"));
	assert_true(policy_has_role(p, span_str("nurse")));
	assert_false(policy_has_role(p, span_str("mercy")));
	assert_false(policy_has_role(p, span_str("")));
	assert_int_equal(n.roles, 5);
	assert_int_equal(n.rules, 16);
	assert_int_equal(n.marks, 1);
}

static void the_shortest_idle_time_of_the_roles_counts(void **state)
{
	static const struct { const char *roles; uint32_t idle_s; } row[] = {
		{ "nurse", 900 }, { "boss", 90 }, { "nurse boss", 90 }, { "boss nurse", 90 }, { "box", 0 }, { "box nurse", 900 },
		{ "", 0 }, { "ghost", 0 },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct person who;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(holder_close) struct holder *h = NULL;

		assert_int_equal(policy_bind(p, person(&who, USER, "ana", row[i].roles, ""), &h), OK);
		assert_int_equal(policy_idle_s(p, h), row[i].idle_s);
	}
	assert_int_equal(policy_idle_s(p, NULL), 0);
}

static void a_holder_keeps_what_it_needs_of_a_subject(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic t = parse(GET, "mercy/unit/icu3/alert/high/nc1");
	char text[] = "unit=icu3", id[] = "ana", role[] = "nurse";
	struct person who;

	(void)state;
	assert_int_equal(policy_bind(p, person(&who, USER, id, role, text), &h), OK);
	memset(text, '!', sizeof(text));
	memset(id, '!', sizeof(id));
	memset(role, '!', sizeof(role));
	memset(&who, 0, sizeof(who));
	assert_true(policy_decide(p, h, GET, &t).allow);
}

static struct policy *load_file(const char *path)
{
	CLEANUP(free_cleanup) char *text = malloc(1 << 20);
	FILE *f = fopen(path, "rb");
	struct policy *p;
	size_t n;

	if (!f)
		fail_msg("%s is not here: run from the top of the checkout", path);
	n = fread(text, 1, 1 << 20, f);
	fclose(f);
	p = load(span(text, n));
	return p;
}

static void count_say(void *ctx, uint32_t line, const char *text)
{
	(void)line;
	(void)text;
	++*(int *)ctx;
}

static void the_sample_hospital_is_as_it_says(void **state)
{
	static const struct { const char *roles; Pullcord__V1__Party party; const char *id, *attributes; } people[] = {
		{ "nurse", USER, "ana", "unit=icu3 channel=c1 patient=p1" },
		{ "nurse", USER, "float", "unit=icu3 unit=med4" },
		{ "nurse charge-nurse", USER, "eva", "unit=icu3" },
		{ "supervisor", USER, "sam", "channel=c1" },
		{ "physician", USER, "doc", "unit=med4 patient=p1" },
		{ "operator", USER, "ops", "" },
		{ "auditor", USER, "aud", "" },
		{ "nursecall-device", DEVICE, "icu3-nc1", "unit=icu3" },
		{ "telemetry-device", DEVICE, "icu3-tm1", "unit=icu3" },
		{ "tablet-device", DEVICE, "med4-tb1", "unit=med4 patient=p1" },
	};
	static const struct { const char *id; enum access a; const char *topic; bool allow; } row[] = {
		{ "ana", SUB, "mercy/unit/icu3/alert/+/+", true },     { "ana", SUB, "mercy/unit/med4/alert/+/+", false },
		{ "ana", SUB, "mercy/unit/+/alert/+/+", false },       { "ana", SUB, "mercy/unit/all/broadcast", true },
		{ "ana", GET, "mercy/unit/icu3/alert/high/icu3-nc1", true },
		{ "ana", GET, "mercy/unit/med4/alert/high/med4-nc1", false },
		{ "ana", PUB, "mercy/unit/icu3/ack/icu3-nc1", true },  { "ana", PUB, "mercy/unit/med4/ack/med4-nc1", false },
		{ "ana", PUB, "mercy/unit/all/broadcast", false },     { "ana", PUB, "mercy/unit/icu3/broadcast", false },
		{ "ana", PUB, "mercy/unit/icu3/alert/high/icu3-nc1", false },
		{ "ana", PUB, "mercy/channel/c1/msg", true },          { "ana", SUB, "mercy/channel/c2/msg", false },
		{ "ana", SUB, "mercy/patient/p1/#", true },            { "ana", SUB, "mercy/patient/+/msg", false },
		{ "ana", PUB, "mercy/user/doc/inbox", true },          { "ana", SUB, "mercy/user/doc/inbox", false },
		{ "ana", SUB, "mercy/user/ana/inbox", true },          { "ana", PUB, "mercy/user/doc/presence", false },
		{ "ana", SUB, "mercy/device/+/state", false },         { "ana", PUB, "mercy/device/icu3-nc1/cmd", false },
		{ "float", SUB, "mercy/unit/med4/alert/+/+", true },   { "float", SUB, "mercy/unit/icu3/alert/+/+", true },
		{ "eva", PUB, "mercy/unit/icu3/broadcast", true },     { "eva", PUB, "mercy/unit/all/broadcast", false },
		{ "eva", SUB, "mercy/unit/+/alert/code/+", true },     { "eva", SUB, "mercy/unit/+/alert/high/+", false },
		{ "sam", PUB, "mercy/unit/all/broadcast", true },      { "sam", SUB, "mercy/unit/+/vitals/+", false },
		{ "doc", SUB, "mercy/unit/med4/vitals/+", true },      { "doc", SUB, "mercy/unit/icu3/vitals/+", false },
		{ "ops", SUB, "mercy/device/+/state", true },          { "ops", SUB, "mercy/audit/+/checkpoint", true },
		{ "ops", SUB, "mercy/#", false },                      { "ops", SUB, "mercy/unit/icu3/alert/+/+", false },
		{ "aud", SUB, "mercy/audit/a/checkpoint", true },      { "aud", SUB, "mercy/device/+/state", false },
		{ "icu3-nc1", PUB, "mercy/unit/icu3/alert/code/icu3-nc1", true },
		{ "icu3-nc1", PUB, "mercy/unit/icu3/alert/code/icu3-tm1", false },
		{ "icu3-nc1", PUB, "mercy/unit/med4/alert/code/icu3-nc1", false },
		{ "icu3-nc1", PUB, "mercy/unit/icu3/vitals/icu3-nc1", false },
		{ "icu3-nc1", SUB, "mercy/unit/icu3/ack/icu3-nc1", true },
		{ "icu3-nc1", SUB, "mercy/unit/icu3/ack/+", false },   { "icu3-nc1", SUB, "mercy/device/icu3-nc1/cmd", true },
		{ "icu3-nc1", SUB, "mercy/device/icu3-nc1/stored", true },
		{ "icu3-nc1", SUB, "mercy/device/icu3-tm1/cmd", false },
		{ "icu3-nc1", PUB, "mercy/device/icu3-nc1/state", true },
		{ "icu3-nc1", PUB, "mercy/device/icu3-nc1/stored", false },
		{ "icu3-tm1", PUB, "mercy/unit/icu3/vitals/icu3-tm1", true },
		{ "icu3-tm1", PUB, "mercy/unit/icu3/vitals/icu3-nc1", false },
		{ "med4-tb1", PUB, "mercy/unit/med4/alert/medium/med4-tb1", true },
		{ "med4-tb1", PUB, "mercy/unit/med4/alert/code/med4-tb1", false },
		{ "med4-tb1", PUB, "mercy/patient/p1/msg", true },     { "med4-tb1", SUB, "mercy/patient/p2/msg", false },
	};
	CLEANUP(policy_close) struct policy *p = load_file("configs/hospital.policy");
	struct person who;
	int oddities = 0;

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		for (size_t k = 0; k < countof(people); k++)
			if (!strcmp(people[k].id, row[i].id) &&
			    decide(p, person(&who, people[k].party, people[k].id, people[k].roles, people[k].attributes),
				   row[i].a, row[i].topic).allow != row[i].allow)
				fail_msg("%s %s %s should be %d", row[i].id, access_name(row[i].a), row[i].topic, row[i].allow);
	person(&who, DEVICE, "icu3-nc1", "nursecall-device", "unit=icu3");
	assert_true(decide(p, &who.s, PUB, "mercy/unit/icu3/alert/high/icu3-nc1").life_critical);
	assert_false(decide(p, &who.s, PUB, "mercy/unit/icu3/alert/medium/icu3-nc1").life_critical);
	policy_lint(p, count_say, &oddities);
	assert_int_equal(oddities, 0);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A clock, but only against work that grows with the square: 10,000 rules take milliseconds, or minutes. */
static void many_rules_load_at_once_and_are_decided_alike(void **state)
{
	enum { RULES = 10000 };
	CLEANUP(free_cleanup) char *one = grow_text(RULES, "tenant mercy\nrole r\n", "allow both mercy/unit/u%zu/alert/+/d%zu\n");
	CLEANUP(free_cleanup) char *each = grow_text(RULES, "tenant mercy\n", "role r%zu\nallow both mercy/unit/u%zu/#\n");
	double before = seconds();
	CLEANUP(policy_close) struct policy *p = load(span_str(one));
	CLEANUP(policy_close) struct policy *q = load(span_str(each));
	struct person who;

	(void)state;
	assert_true(seconds() - before < 2);
	for (unsigned i = 0; i < RULES; i += 997) {
		char topic[64], role[32];

		snprintf(topic, sizeof(topic), "mercy/unit/u%u/alert/high/d%u", i, i);
		snprintf(role, sizeof(role), "r%u", i);
		assert_int_equal(decide(p, person(&who, USER, "ana", "r", ""), GET, topic).line, i + 3);
		assert_int_equal(decide(q, person(&who, USER, "ana", role, ""), GET, topic).line, 2 * i + 3);
		assert_int_equal(decide(q, person(&who, USER, "ana", "r1", ""), GET, topic).line, 0);
	}
}

static void deciding_allocates_nothing(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic t = parse(GET, "mercy/unit/icu3/alert/high/nc1"), f = parse(SUB, "mercy/#");
	unsigned long before;
	struct person who;

	(void)state;
	before = allocations;
	assert_int_equal(policy_bind(p, person(&who, USER, "ana", "nurse boss", "unit=icu3"), &h), OK);
#ifndef SANITIZED
	assert_int_equal(allocations, before + 1);      /* a holder is one block */
#endif
	before = allocations;
	for (int i = 0; i < 1000; i++) {
		(void)policy_decide(p, h, GET, &t);
		(void)policy_decide(p, h, SUB, &f);
	}
	assert_int_equal(allocations, before);
}

#ifndef SANITIZED
static void no_memory_is_an_error_and_nothing_else(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward)), *q = NULL;
	struct policy_error where;
	struct holder *h = NULL;
	enum err loaded, bound;
	struct person who;
	struct subject *s = person(&who, USER, "ana", "nurse", "unit=icu3");

	(void)state;
	no_memory = true;
	loaded = policy_load(span_str(ward), &q, &where);
	bound = policy_bind(p, s, &h);
	no_memory = false;
	assert_int_equal(loaded, ERR_FULL);
	assert_int_equal(bound, ERR_FULL);
	assert_null(q);
	assert_null(h);
}
#endif

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_says_what_it_is),
		cmocka_unit_test(the_shortest_idle_time_of_the_roles_counts),
		cmocka_unit_test(a_holder_keeps_what_it_needs_of_a_subject),
		cmocka_unit_test(the_sample_hospital_is_as_it_says),
		cmocka_unit_test(many_rules_load_at_once_and_are_decided_alike),
		cmocka_unit_test(deciding_allocates_nothing),
#ifndef SANITIZED
		cmocka_unit_test(no_memory_is_an_error_and_nothing_else),
#endif
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
