/* The broker's answers about accounts, read by the tool; whatever else comes is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "remote.h"
#include "value.h"

static const struct accounts people = { PULLCORD__V1__PARTY__PARTY_USER, "user", "USER", "ana" };
static const struct accounts devices = { PULLCORD__V1__PARTY__PARTY_DEVICE, "device", "DEVICE", "nc1" };

static enum err read_one(const char *text, const struct accounts *kind, struct value **v, struct draft *d)
{
	struct policy_error where;

	assert_int_equal(value_load(span_str(text), v, &where), OK);
	return remote_account(*v, kind, SPAN_LIT("mercy"), d);
}

static void an_account_is_read_with_its_terms(void **state)
{
	CLEANUP(value_close) struct value *v = NULL;
	struct draft d;
	const struct account *a = &d.account;

	(void)state;
	assert_int_equal(read_one("{\"username\":\"ana\",\"textname\":\"Ana\",\"state\":\"suspended\","
				  "\"reason\":\"leave\",\"by\":\"root\",\"password\":true,\"changed\":\"2026-11-23T07:00:00Z\","
				  "\"roles\":[{\"rolename\":\"nurse\",\"expires\":\"2033-05-18T03:33:20Z\",\"reason\":\"covers\"},"
				  "{\"rolename\":\"clerk\"}],\"attributes\":[{\"name\":\"unit\",\"value\":\"icu3\"}]}", &people, &v, &d), OK);
	assert_true(span_is(a->subject.id, "ana") && span_is(a->subject.tenant, "mercy") && span_is(a->name, "Ana"));
	assert_true(a->state == ACCOUNT_SUSPENDED && span_is(a->state_since.reason, "leave"));
	assert_true(a->password[0] && a->changed_us == 1795417200000000);
	assert_true(a->subject.roles == 2 && a->subject.attributes == 1);
	assert_true(a->role_grant[0].until_us == 2000000000000000 && span_is(a->role_grant[0].reason, "covers"));
	assert_true(a->role_grant[1].until_us == 0 && span_is(a->subject.attribute[0].value, "icu3"));
}

static void until_when_somebody_is_locked_out_is_read(void **state)
{
	static const struct { const char *text; int64_t until; } row[] = {
		{ "{}", 0 }, { "{\"lockouts\":7}", 0 }, { "{\"lockouts\":[7,{\"until\":\"soon\"}]}", 0 },
		{ "{\"lockouts\":[{\"address\":\"10.0.0.9\",\"until\":\"2033-05-18T03:33:20Z\"},{\"until\":\"2026-11-23T07:00:00Z\"}]}",
		  2000000000000000 },
	};
	struct policy_error where;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(value_close) struct value *v = NULL;

		assert_int_equal(value_load(span_str(row[i].text), &v, &where), OK);
		assert_int_equal(remote_locked(v), row[i].until);
	}
}

static void an_account_says_whose_it_is(void **state)
{
	CLEANUP(value_close) struct value *v = NULL;
	struct draft d;

	(void)state;
	assert_int_equal(read_one("{\"username\":\"sue\",\"tenant\":\"lakeside\",\"state\":\"active\"}", &people, &v, &d), OK);
	assert_true(span_is(d.account.subject.tenant, "lakeside"));
}

static void what_is_no_account_is_refused(void **state)
{
	static const char *const texts[] = {
		"{}", "[]", "7",
		"{\"username\":\"ana\"}", "{\"username\":\"ana\",\"state\":\"odd\"}",
		"{\"username\":\"a b\",\"state\":\"active\"}", "{\"device\":\"nc1\",\"state\":\"active\"}",
		"{\"username\":\"ana\",\"state\":\"active\",\"roles\":[7]}",
		"{\"username\":\"ana\",\"tenant\":\"a/b\",\"state\":\"active\"}",
		"{\"username\":\"ana\",\"state\":\"active\",\"roles\":[{\"rolename\":\"\\u001b[2J\"}]}",
		"{\"username\":\"ana\",\"state\":\"active\",\"attributes\":[{\"name\":\"unit\"}]}",
	};
	struct draft d;

	(void)state;
	for (size_t i = 0; i < countof(texts); i++) {
		CLEANUP(value_close) struct value *v = NULL;

		assert_int_equal(read_one(texts[i], &people, &v, &d), ERR_SYNTAX);
	}
}

static void more_than_an_account_holds_is_refused(void **state)
{
	char text[ACCOUNT_ROLES_MAX * 32 + 200];
	struct put b = put(text, sizeof(text) - 1);
	CLEANUP(value_close) struct value *v = NULL;
	struct draft d;

	(void)state;
	put_str(&b, "{\"device\":\"nc1\",\"state\":\"active\",\"roles\":[{\"rolename\":\"r\"}");
	for (unsigned i = 0; i < ACCOUNT_ROLES_MAX; i++)
		put_fmt(&b, ",{\"rolename\":\"r%u\"}", i);
	put_str(&b, "]}");
	text[b.n] = '\0';
	assert_int_equal(read_one(text, &devices, &v, &d), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_is_read_with_its_terms),
		cmocka_unit_test(until_when_somebody_is_locked_out_is_read),
		cmocka_unit_test(an_account_says_whose_it_is),
		cmocka_unit_test(what_is_no_account_is_refused),
		cmocka_unit_test(more_than_an_account_holds_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
