/* password: argon2id, and a desk that never makes the broker wait. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypt.h"
#include "password.h"
#include "until.h"

#define RIGHT_WORD SPAN_LIT("correct horse")
#define WRONG_WORD SPAN_LIT("battery staple")
#define ANA SPAN_LIT("ana")

static char phc[PASSWORD_PHC_MAX], other_phc[PASSWORD_PHC_MAX];
#define COSTS_END strlen("$argon2id$v=19$m=19456,t=2,p=1$")
#define MISMATCH -35                    /* ARGON2_VERIFY_MISMATCH */
/* 8 KiB and one pass: the same code in microseconds. Nobody's password. */
static const char cheap_phc[] = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
				"c3RvbmVzIGFuZCBib25lcywgYm9uZXMgYW5kIHM";

/* Stands before the library's: while it is held, the worker is not done with the question it has. */
static atomic_bool held;
static atomic_uint worked;              /* hashes of the cost of `phc` */

int argon2id_verify(const char *encoded, const void *word, size_t n);
__attribute__((visibility("default"))) int argon2id_verify(const char *encoded, const void *word, size_t n)
{
	int (*real)(const char *, const void *, size_t), e;

	while (atomic_load(&held))
		usleep(1000);
	*(void **)&real = dlsym(RTLD_NEXT, "argon2id_verify");
	e = real(encoded, word, n);
	worked += (e == 0 || e == MISMATCH) && strncmp(encoded, phc, COSTS_END) == 0;
	return e;
}

/* Everybody at a place of their own, where they are known. */
static enum password_answer asks(struct password_desk *d, struct span user, struct span word, const char *p, int64_t now_ms)
{
	return password_ask(d, &(struct password_asker){ user, user, SPAN_LIT("c"), true }, word, p, now_ms);
}

/* As a client does: asks again until there is an answer. */
static enum password_answer ask_until(struct password_desk *d, struct span user, struct span word, const char *p,
				      int64_t now_ms)
{
	enum password_answer a;

	assert_true(UNTIL((a = asks(d, user, word, p, now_ms)) != PASSWORD_WAIT));
	return a;
}

static struct password_desk *desk(void)
{
	struct password_desk *d = NULL;

	assert_int_equal(password_open(&d), OK);
	return d;
}

static struct password_desk *held_desk(void)
{
	atomic_store(&held, true);
	return desk();
}

static void drop(struct password_desk **d)
{
	atomic_store(&held, false);
	password_close(d);
}

static void a_hash_is_a_phc_string_with_our_costs(void **state)
{
	static const char head[] = "$argon2id$v=19$m=19456,t=2,p=1$";

	(void)state;
	assert_memory_equal(phc, head, sizeof(head) - 1);
	assert_memory_equal(other_phc, head, sizeof(head) - 1);
	assert_string_not_equal(phc, other_phc);   /* salted */
	assert_true(strlen(phc) < PASSWORD_PHC_MAX);
	assert_int_equal(password_check(phc, RIGHT_WORD), OK);
	assert_int_equal(password_check(phc, WRONG_WORD), ERR_KEY);
	assert_int_equal(password_check(phc, SPAN_LIT("correct hors")), ERR_KEY);
	assert_int_equal(password_check(phc, span(NULL, 0)), ERR_KEY);
}

/* RFC 9106 names no PHC strings; this one is of the reference implementation's own tests (test.c, argon2id v=19). */
static void another_implementations_hash_is_understood(void **state)
{
	static const char theirs[] = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
				     "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

	(void)state;
	assert_int_equal(password_check(theirs, SPAN_LIT("password")), OK);
	assert_int_equal(password_check(theirs, SPAN_LIT("passwore")), ERR_KEY);
}

static void too_short_or_too_long_is_not_hashed(void **state)
{
	char word[PASSWORD_BYTES_MAX + 1], out[PASSWORD_PHC_MAX];

	(void)state;
	memset(word, 'w', sizeof(word));
	assert_int_equal(password_hash(span(word, PASSWORD_BYTES_MIN - 1), out), ERR_RANGE);
	assert_int_equal(password_hash(span(word, PASSWORD_BYTES_MAX + 1), out), ERR_RANGE);
	assert_int_equal(password_hash(span(NULL, 0), out), ERR_RANGE);
	assert_int_equal(password_hash(span(word, PASSWORD_BYTES_MIN), out), OK);
	assert_int_equal(password_hash(span(word, PASSWORD_BYTES_MAX), out), OK);
}

static void a_string_that_asks_for_too_much_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "$", "x", "plain text", "$argon2id$", "$argon2id$v=19$", "$argon2id$v=19$m=8,t=1,p=1",
		"$argon2id$v=19$m=8,t=1,p=1$$", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$",
		"$argon2id$v=19$m=262145,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=99999999999999999999,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=11,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=5$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=-1,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=1,x=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$more",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$!!!!EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
	};
	char endless[PASSWORD_PHC_MAX + 10];

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		if (password_check(bad[i], SPAN_LIT("password")) != ERR_SYNTAX)
			fail_msg("taken: %s", bad[i]);
	memset(endless, 'A', sizeof(endless));
	memcpy(endless, "$argon2id$v=19$m=256,t=2,p=1$", 29);
	endless[sizeof(endless) - 1] = '\0';
	assert_int_equal(password_check(endless, SPAN_LIT("password")), ERR_SYNTAX);
}

static void the_next_try_finds_the_answer(void **state)
{
	struct password_desk *d = desk();

	(void)state;
	assert_int_equal(asks(d, ANA, RIGHT_WORD, phc, 1000), PASSWORD_WAIT);
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, phc, 1500), PASSWORD_RIGHT);
	assert_int_equal(asks(d, ANA, WRONG_WORD, phc, 1500), PASSWORD_WAIT);
	assert_int_equal(ask_until(d, ANA, WRONG_WORD, phc, 1500), PASSWORD_WRONG);
	assert_int_equal(asks(d, ANA, WRONG_WORD, phc, 1500), PASSWORD_AGAIN);
	assert_int_equal(asks(d, ANA, RIGHT_WORD, phc, 1500), PASSWORD_RIGHT);
	password_close(&d);
	assert_null(d);
	password_close(&d);
}

static void an_answer_is_forgotten_after_a_minute(void **state)
{
	struct password_desk *d = desk();

	(void)state;
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, phc, 1000), PASSWORD_RIGHT);
	assert_int_equal(asks(d, ANA, RIGHT_WORD, phc, 60999), PASSWORD_RIGHT);
	assert_int_equal(asks(d, ANA, RIGHT_WORD, phc, 61000), PASSWORD_WAIT);
	password_close(&d);
}

/* A clock that goes back must not make an answer last longer. */
static void an_answer_is_forgotten_although_the_clock_goes_back(void **state)
{
	struct password_desk *d = desk();

	(void)state;
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, phc, 1000), PASSWORD_RIGHT);
	assert_int_equal(asks(d, SPAN_LIT("x"), WRONG_WORD, phc, 70000), PASSWORD_WAIT);
	assert_int_equal(asks(d, ANA, RIGHT_WORD, phc, 2000), PASSWORD_WAIT);
	password_close(&d);
}

static void an_answer_is_for_this_user_password_and_phc_only(void **state)
{
	struct password_desk *d = desk();

	(void)state;
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, phc, 0), PASSWORD_RIGHT);
	assert_int_equal(asks(d, ANA, RIGHT_WORD, other_phc, 0), PASSWORD_WAIT);
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, other_phc, 0), PASSWORD_RIGHT);
	assert_int_equal(asks(d, SPAN_LIT("anac"), SPAN_LIT("orrect horse"), phc, 0), PASSWORD_WAIT);
	assert_int_equal(ask_until(d, SPAN_LIT("bob"), RIGHT_WORD, NULL, 0), PASSWORD_WRONG);
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, NULL, 0), PASSWORD_WRONG);   /* removed meanwhile */
	assert_int_equal(asks(d, ANA, RIGHT_WORD, phc, 0), PASSWORD_RIGHT);
	password_close(&d);
}

static unsigned work_of(struct password_desk *d, const char *user, const char *p)
{
	unsigned before = worked;

	assert_int_equal(asks(d, span_str(user), WRONG_WORD, p, 0), PASSWORD_WAIT);
	assert_int_equal(ask_until(d, span_str(user), WRONG_WORD, p, 0), PASSWORD_WRONG);
	return worked - before;
}

static void an_unknown_user_costs_the_same_work(void **state)
{
	static const char *const strange[] = { NULL, "", "no phc", "$argon2id$v=19$m=19456,t=2,p=1$!$!" };
	struct password_desk *d = desk();
	char user[16];

	(void)state;
	assert_int_equal(work_of(d, "known", phc), 1);
	for (size_t i = 0; i < countof(strange); i++) {
		snprintf(user, sizeof(user), "strange-%zu", i);
		assert_int_equal(work_of(d, user, strange[i]), 1);
	}
	password_close(&d);
}

static void what_can_be_no_login_is_wrong_at_once(void **state)
{
	struct password_desk *d = desk();
	char word[PASSWORD_BYTES_MAX + 1];

	(void)state;
	memset(word, 'w', sizeof(word));
	assert_int_equal(asks(d, ANA, span(NULL, 0), phc, 0), PASSWORD_AGAIN);
	assert_int_equal(asks(d, ANA, span(word, PASSWORD_BYTES_MIN - 1), phc, 0), PASSWORD_AGAIN);
	assert_int_equal(asks(d, ANA, span(word, sizeof(word)), phc, 0), PASSWORD_AGAIN);
	assert_int_equal(asks(d, span(NULL, 0), RIGHT_WORD, phc, 0), PASSWORD_AGAIN);
	assert_int_equal(asks(d, SPAN_LIT("a b"), RIGHT_WORD, phc, 0), PASSWORD_AGAIN);
	assert_int_equal(asks(d, span(word, 65), RIGHT_WORD, phc, 0), PASSWORD_AGAIN);
	assert_int_equal(asks(d, ANA, span(word, PASSWORD_BYTES_MAX), phc, 0), PASSWORD_WAIT);
	password_close(&d);
}

/* The worker is busy with the first; the ring holds 64. */
static void a_flood_is_told_to_come_back(void **state)
{
	struct password_desk *d = held_desk();
	unsigned waiting = 0, busy = 0;
	char user[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		enum password_answer a;

		snprintf(user, sizeof(user), "user-%d", i);
		a = asks(d, span_str(user), RIGHT_WORD, phc, 0);
		waiting += a == PASSWORD_WAIT;
		busy += a == PASSWORD_BUSY;
	}
	assert_int_equal(waiting, 64);
	assert_int_equal(busy, 1000 - 64);
	assert_int_equal(asks(d, SPAN_LIT("user-63"), RIGHT_WORD, phc, 0), PASSWORD_WAIT);
	drop(&d);   /* leaves the rest unasked */
}

static void one_user_has_one_question(void **state)
{
	struct password_desk *d = held_desk();

	(void)state;
	assert_int_equal(asks(d, SPAN_LIT("first"), RIGHT_WORD, phc, 0), PASSWORD_WAIT);
	assert_int_equal(asks(d, ANA, WRONG_WORD, phc, 0), PASSWORD_WAIT);
	assert_int_equal(asks(d, ANA, WRONG_WORD, phc, 0), PASSWORD_WAIT);
	assert_int_equal(asks(d, ANA, RIGHT_WORD, phc, 0), PASSWORD_BUSY);
	atomic_store(&held, false);
	assert_true(UNTIL(asks(d, ANA, RIGHT_WORD, phc, 0) != PASSWORD_BUSY));
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, phc, 0), PASSWORD_RIGHT);
	password_close(&d);
}

/* ---- those who do not come back, and those who crowd in ---- */

static enum password_answer stranger(struct password_desk *d, const char *user, const char *address, struct span word)
{
	const struct password_asker who = { span_str(user), span_str(address), SPAN_LIT("c.1"), false };

	return password_ask(d, &who, word, phc, 0);
}

static struct password_guess counted(struct password_desk *d)
{
	struct password_guess g = { .user = "" };

	assert_true(UNTIL(password_unheard(d, 0, &g) != PASSWORD_NONE));
	return g;
}

static void a_wrong_guess_counts_though_nobody_comes_for_the_answer(void **state)
{
	struct password_desk *d = desk();
	struct password_guess g;

	(void)state;
	assert_int_equal(stranger(d, "ana", "10.0.0.9", WRONG_WORD), PASSWORD_WAIT);
	g = counted(d);
	assert_string_equal(g.user, "ana");
	assert_string_equal(g.address, "10.0.0.9");
	assert_string_equal(g.client, "c.1");
	assert_int_equal(password_unheard(d, PASSWORD_UNHEARD_MS - 1, &g), PASSWORD_NONE);
	assert_int_equal(password_unheard(d, PASSWORD_UNHEARD_MS, &g), PASSWORD_SAY);
	assert_int_equal(password_unheard(d, PASSWORD_UNHEARD_MS, &g), PASSWORD_NONE);
	assert_int_equal(stranger(d, "ana", "10.0.0.9", WRONG_WORD), PASSWORD_AGAIN);
	assert_int_equal(stranger(d, "ana", "10.0.0.9", SPAN_LIT("another guess")), PASSWORD_WAIT);
	g = counted(d);
	assert_int_equal(stranger(d, "ana", "10.0.0.9", SPAN_LIT("another guess")), PASSWORD_AGAIN);
	assert_int_equal(password_unheard(d, PASSWORD_UNHEARD_MS, &g), PASSWORD_NONE);   /* they came */
	assert_int_equal(ask_until(d, ANA, SPAN_LIT("a third guess"), phc, 0), PASSWORD_WRONG);
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, phc, 0), PASSWORD_RIGHT);
	assert_int_equal(password_unheard(d, PASSWORD_UNHEARD_MS, &g), PASSWORD_NONE);
	password_close(&d);
}

static void guessing_from_elsewhere_keeps_nobody_waiting(void **state)
{
	struct password_desk *d = desk();

	(void)state;
	assert_int_equal(stranger(d, "ana", "10.0.0.9", WRONG_WORD), PASSWORD_WAIT);
	assert_int_equal(stranger(d, "ana", "10.0.0.8", RIGHT_WORD), PASSWORD_WAIT);
	password_close(&d);
}

/* How many of 40 strangers have a place. */
static unsigned crowd(struct password_desk *d, const char *address)
{
	unsigned waiting = 0;
	char user[32], from[64];

	for (int i = 0; i < 40; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		snprintf(from, sizeof(from), address, i);
		waiting += stranger(d, user, from, WRONG_WORD) == PASSWORD_WAIT;
	}
	return waiting;
}

static void strangers_at_one_machine_share_a_few_places(void **state)
{
	struct password_desk *d = held_desk();

	(void)state;
	assert_int_equal(crowd(d, "10.0.0.9"), PASSWORD_SHARE_MAX);
	assert_int_equal(stranger(d, "ana", "10.0.0.8", RIGHT_WORD), PASSWORD_WAIT);
	drop(&d);
	d = held_desk();
	assert_int_equal(crowd(d, "2001:db8::%d"), PASSWORD_SHARE_MAX);
	assert_int_equal(stranger(d, "ana", "2001:db8:0:1::1", RIGHT_WORD), PASSWORD_WAIT);
	drop(&d);
}

static void strangers_leave_room_for_who_is_known(void **state)
{
	struct password_desk *d = held_desk();
	bool full = false;
	char user[32], address[32];

	(void)state;
	for (int i = 0; i < 250; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		full |= stranger(d, user, address, WRONG_WORD) == PASSWORD_BUSY;
	}
	assert_true(full);
	assert_int_equal(asks(d, ANA, RIGHT_WORD, phc, 0), PASSWORD_WAIT);
	drop(&d);
}

/* 1,024 answers are kept; more asked since push the oldest out, and memory stays as it was. */
static void the_memory_of_answers_is_bounded(void **state)
{
	struct password_desk *d = desk();
	char user[16];

	(void)state;
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, cheap_phc, 0), PASSWORD_WRONG);
	for (int i = 0; i < 1024; i++) {
		snprintf(user, sizeof(user), "user-%d", i);
		assert_true(UNTIL(asks(d, span_str(user), WRONG_WORD, cheap_phc, 0) != PASSWORD_BUSY));
	}
	assert_int_equal(ask_until(d, span_str(user), WRONG_WORD, cheap_phc, 0), PASSWORD_WRONG);
	assert_int_equal(asks(d, ANA, RIGHT_WORD, cheap_phc, 0), PASSWORD_WAIT);
	password_close(&d);
}

static volatile sig_atomic_t signalled_elsewhere;
static pthread_t main_thread;

static void note_thread(int sig)
{
	(void)sig;
	signalled_elsewhere |= !pthread_equal(pthread_self(), main_thread);
}

/* With the signal blocked here, only a worker that did not block it could take it. */
static void the_worker_takes_no_signals(void **state)
{
	struct sigaction act = { .sa_handler = note_thread }, before;
	struct password_desk *d = desk();
	sigset_t hup, old, pending;

	(void)state;
	main_thread = pthread_self();
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	assert_int_equal(sigaction(SIGHUP, &act, &before), 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &old), 0);
	assert_false(sigismember(&old, SIGHUP));   /* opening left our own mask alone */
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &hup, NULL), 0);
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	assert_int_equal(ask_until(d, ANA, RIGHT_WORD, phc, 0), PASSWORD_RIGHT);
	assert_int_equal(sigpending(&pending), 0);
	assert_true(sigismember(&pending, SIGHUP));
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	assert_false(signalled_elsewhere);
	assert_int_equal(sigaction(SIGHUP, &before, NULL), 0);
	password_close(&d);
}

static int set_up(void **state)
{
	(void)state;
	if (crypt_init() != OK || password_hash(RIGHT_WORD, phc) != OK)
		return -1;
	return password_hash(RIGHT_WORD, other_phc) == OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hash_is_a_phc_string_with_our_costs),
		cmocka_unit_test(another_implementations_hash_is_understood),
		cmocka_unit_test(too_short_or_too_long_is_not_hashed),
		cmocka_unit_test(a_string_that_asks_for_too_much_is_refused),
		cmocka_unit_test(the_next_try_finds_the_answer),
		cmocka_unit_test(an_answer_is_forgotten_after_a_minute),
		cmocka_unit_test(an_answer_is_forgotten_although_the_clock_goes_back),
		cmocka_unit_test(an_answer_is_for_this_user_password_and_phc_only),
		cmocka_unit_test(an_unknown_user_costs_the_same_work),
		cmocka_unit_test(what_can_be_no_login_is_wrong_at_once),
		cmocka_unit_test(a_flood_is_told_to_come_back),
		cmocka_unit_test(one_user_has_one_question),
		cmocka_unit_test(a_wrong_guess_counts_though_nobody_comes_for_the_answer),
		cmocka_unit_test(guessing_from_elsewhere_keeps_nobody_waiting),
		cmocka_unit_test(strangers_at_one_machine_share_a_few_places),
		cmocka_unit_test(strangers_leave_room_for_who_is_known),
		cmocka_unit_test(the_memory_of_answers_is_bounded),
		cmocka_unit_test(the_worker_takes_no_signals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
