/* Who comes in, and who does not: the refused are on record as whom they claimed to be, and with which certificate, and never as
 * who they are. */
#include "guarded.h"
#include "identity.h"
#include "patients.h"
#include "recorded.h"

#define LOGIN RECORDED(LOGIN)
#define TAKEOVER RECORDED(TAKEOVER)

/* ---- who are you ---- */

static void a_device_is_its_certificate(void **state)
{
	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(device_login(1, "mercy", "nc-1", "nc-1", "nc-1"), GATE_ALLOW);
	assert_int_equal(device_login(2, "mercy", "nc-1", "nc-2", NULL), GATE_DENY);
	assert_int_equal(device_login(2, "mercy", "nc-1", "nc-1", "root"), GATE_DENY);
	assert_int_equal(device_login(2, "other", "nc-1", "nc-1", NULL), GATE_DENY);
	assert_int_equal(device_login(2, "mercy", "nc-9", "nc-9", NULL), GATE_DENY);
}

static void a_person_is_heard_once_the_password_is_hashed(void **state)
{
	(void)state;
	assert_int_equal(person_try(0, "ana", "ana.t1", "correct horse"), GATE_CLOSE);
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "wrong horse"), GATE_DENY);
	assert_int_equal(person_login(1, "nobody", "nobody.t1", "wrong horse"), GATE_DENY);
	assert_int_equal(person_login(1, NULL, "ana.t1", NULL), GATE_DENY);
	assert_int_equal(person_login(1, "ana", "ana.t1", ""), GATE_DENY);
}

static void a_client_id_belongs_to_one_identity(void **state)
{
	(void)state;
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(1, "bea", "ana.t1", "battery staple"), GATE_DENY);
	assert_int_equal(person_login(1, "bea", "bea", "battery staple"), GATE_DENY);
	assert_int_equal(person_login(1, "bea", "bea.", "battery staple"), GATE_DENY);
	assert_int_equal(person_login(1, "bea", "bea.+", "battery staple"), GATE_DENY);
	assert_int_equal(session_of(&g->sessions, &ctx[0])->state, SESSION_LIVE);
}

static void a_keepalive_of_zero_is_refused_before_version_5(void **state)
{
	struct client c = { &ctx[0], "nc-1", "127.0.0.1", NULL, 4, 0, true, false };
	X509 *x = certificate("mercy", "nc-1");
	const char *mapped;

	(void)state;
	assert_int_equal(guard_login(g, &c, x, NULL, &mapped), GATE_DENY);
	c.keepalive_s = 60;
	assert_int_equal(guard_login(g, &c, x, NULL, &mapped), GATE_ALLOW);
	X509_free(x);
}

static void a_login_proves_itself_each_time(void **state)
{
	(void)state;
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(0, "ana", "ana.t1", "wrong horse"), GATE_DENY);
}

/* ---- as whom they claimed to be ---- */

static const uint8_t none[32];

static struct recorded on_record(Pullcord__V1__AuditType type, const char *detail)
{
	struct recorded r;

	guard_close(&g);
	r = recorded(type, detail);
	guard_start();
	return r;
}

static void a_name_that_was_not_proved_is_a_claim(void **state)
{
	struct recorded r;

	(void)state;
	assert_int_equal(person_login(0, "ana", "ana.t1", "a wrong password"), GATE_DENY);
	r = on_record(LOGIN, "wrong user or password");
	assert_int_equal(r.entries, 1);
	assert_string_equal(r.actor, "");
	assert_string_equal(r.claimed, "ana");
	assert_memory_equal(r.certificate, none, sizeof(none));
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	guard_logoff(g, &ctx[0], -1);
	r = on_record(LOGIN, "");
	assert_string_equal(r.actor, "ana");
	assert_string_equal(r.claimed, "");
}

/* "bea" is somebody; what else was typed there may be a password. */
static void what_is_nobodys_name_is_told_by_what_stands_for_it(void **state)
{
	char word[PATIENT_WORD];
	struct recorded r;

	(void)state;
	assert_int_equal(person_try(0, "bea", "other.t1", "x"), GATE_DENY);
	assert_string_equal(on_record(TAKEOVER, "").claimed, "bea");
	assert_int_equal(person_try(0, "hunter2", "other.t1", "x"), GATE_DENY);
	r = on_record(TAKEOVER, "");
	assert_string_equal(r.claimed, patient_word(&r.patients, SPAN_LIT("hunter2"), word));
	assert_int_equal(person_try(0, "no word at all\n", "other.t1", "x"), GATE_DENY);
	r = on_record(LOGIN, "wrong user or password");
	assert_string_equal(r.claimed, patient_word(&r.patients, SPAN_LIT("no word at all\n"), word));
	assert_int_equal(r.patients.keys, 2);   /* by the key of the year: it can be destroyed */
	assert_string_equal(r.client, patient_word(&r.patients, SPAN_LIT("other.t1"), word));
	assert_int_equal(person_try(0, "bea", "MRN-4711", "x"), GATE_DENY);
	r = on_record(TAKEOVER, "");
	assert_string_equal(r.client, patient_word(&r.patients, SPAN_LIT("MRN-4711"), word));
	assert_int_equal(person_try(0, "hunter2", "bea.t1", "x"), GATE_DENY);
	assert_string_equal(on_record(TAKEOVER, "").client, "bea.t1");
	assert_int_equal(person_try(0, "hunter2", "nc-1", "x"), GATE_DENY);
	assert_string_equal(on_record(TAKEOVER, "").client, "nc-1");
}

static void the_certificate_that_was_shown_is_told_good_or_not(void **state)
{
	struct recorded r;

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	guard_logoff(g, &ctx[0], -1);
	r = on_record(LOGIN, "");
	assert_string_equal(r.actor, "nc-1");
	assert_memory_not_equal(r.certificate, none, sizeof(none));
	assert_int_equal(device_login(0, "mercy", "nc 1", "nc-1", NULL), GATE_DENY);     /* no identity of ours */
	r = on_record(LOGIN, "its CN must be 1 to 64 of A-Z a-z 0-9 . _ : - as PrintableString or UTF8String");
	assert_int_equal(r.entries, 1);
	assert_string_equal(r.actor, "");
	assert_memory_not_equal(r.certificate, none, sizeof(none));
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", "ana"), GATE_DENY);
	r = on_record(LOGIN, "the username is not the certificate's");
	assert_string_equal(r.actor, "nc-1");
	assert_string_equal(r.claimed, "ana");
}

static enum gate device_by_websocket(void)
{
	struct client c = { &ctx[0], "nc-1", "127.0.0.1", NULL, 5, 60, true, true };
	X509 *x = certificate("mercy", "nc-1");
	const char *mapped;
	enum gate answer = guard_login(g, &c, x, NULL, &mapped);

	X509_free(x);
	return answer;
}

/* Its certificate may have been revoked in a list that the broker looks at only where it does TLS itself. */
static void a_device_comes_by_websocket_where_its_list_is_read(void **state)
{
	struct recorded r;

	(void)state;
	assert_int_equal(device_by_websocket(), GATE_DENY);
	r = on_record(LOGIN, "where the broker looks at no revocation list");
	assert_int_equal(r.entries, 1);
	assert_string_equal(r.actor, "");
	g->websocket_lists = true;
	assert_int_equal(device_by_websocket(), GATE_ALLOW);
}

/* The revoker's words are the directory's. */
static void why_a_certificate_was_revoked_is_not_repeated(void **state)
{
	struct client c = { &ctx[0], "nc-1", "127.0.0.1", NULL, 5, 60, true, false };
	struct denial x = { .reason = "found in Mr Miller's room" };
	X509 *certificate_of = certificate("mercy", "nc-1");
	struct batch *b = NULL;
	struct identity who;
	const char *mapped;

	(void)state;
	assert_int_equal(identity_read(certificate_of, time(NULL), &who), CERTIFICATE_GOOD);
	memcpy(x.fingerprint, who.fingerprint, sizeof(x.fingerprint));
	assert_int_equal(directory_begin(g->directory, &b), OK);
	assert_int_equal(batch_deny(b, &x), OK);
	assert_int_equal(batch_commit(&b), OK);
	assert_int_equal(guard_login(g, &c, certificate_of, NULL, &mapped), GATE_DENY);
	X509_free(certificate_of);
	assert_string_equal(on_record(LOGIN, "revoked").detail, "the certificate is revoked");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_its_certificate),
		TEST(a_person_is_heard_once_the_password_is_hashed),
		TEST(a_client_id_belongs_to_one_identity),
		TEST(a_keepalive_of_zero_is_refused_before_version_5),
		TEST(a_login_proves_itself_each_time),
		TEST(a_name_that_was_not_proved_is_a_claim),
		TEST(what_is_nobodys_name_is_told_by_what_stands_for_it),
		TEST(the_certificate_that_was_shown_is_told_good_or_not),
		TEST(a_device_comes_by_websocket_where_its_list_is_read),
		TEST(why_a_certificate_was_revoked_is_not_repeated),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}
