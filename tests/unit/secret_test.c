/* secret: what is typed at a terminal, by somebody else's end of a pseudo-terminal. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"
#include "secret.h"

#define ASKED 100               /* exit codes of who asks: an error, or this and more */

static int far_end;

static bool is_long(const struct secret *s)
{
	return strlen(s->text) >= 8;
}

/* The process that asks has the terminal for itself; it ends with ASKED when it heard `want`. */
static pid_t asker(bool twice, const char *want)
{
	pid_t pid;

	far_end = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(far_end >= 0);
	assert_int_equal(grantpt(far_end), 0);
	assert_int_equal(unlockpt(far_end), 0);
	pid = fork();
	if (pid == 0) {
		struct secret s;
		FILE *tty;
		enum err e;

		if (setsid() < 0 || !(tty = fopen(ptsname(far_end), "r+e")))     /* the first one is its own */
			_exit(99);
		setvbuf(tty, NULL, _IONBF, 0);
		report_to(tty, tty);
		e = secret_ask("password", twice ? is_long : NULL, &s);
		_exit(e != OK ? (int)e : ASKED + (strcmp(s.text, want) != 0));
	}
	return pid;
}

static void await_prompt(const char *prompt)
{
	char heard[256];
	size_t n = 0;

	do {
		assert_true(n < sizeof(heard) - 1);
		assert_int_equal(read(far_end, heard + n, 1), 1);
		heard[++n] = '\0';
	} while (!strstr(heard, prompt));
}

static void type(const char *prompt, const char *keys)
{
	await_prompt(prompt);
	assert_int_equal(write(far_end, keys, strlen(keys)), strlen(keys));
}

static int ends(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(far_end);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_password_is_typed_twice(void **state)
{
	pid_t pid = asker(true, "correct horse");

	(void)state;
	type("password: ", "correct horse\n");
	type("again: ", "correct horse\n");
	assert_int_equal(ends(pid), ASKED);
	pid = asker(true, "");
	type("password: ", "correct horse\n");
	type("again: ", "correct house\n");
	assert_int_equal(ends(pid), ERR_KEY);
}

/* Whoever would be refused types it once. */
static void a_password_that_will_not_do_is_not_asked_for_again(void **state)
{
	pid_t pid = asker(true, "");

	(void)state;
	type("password: ", "short\n");
	assert_int_equal(ends(pid), ERR_RANGE);
}

static void an_interrupt_gives_up_and_is_no_part_of_it(void **state)
{
	pid_t pid = asker(false, "");

	(void)state;
	type("password: ", "corr\x03");
	assert_int_equal(ends(pid), ERR_CLOSED);
	pid = asker(true, "");
	type("password: ", "correct horse\n");
	type("again: ", "\x03");
	assert_int_equal(ends(pid), ERR_CLOSED);
}

static void who_types_nothing_is_told_so(void **state)
{
	pid_t pid = asker(false, "");

	(void)state;
	type("password: ", "\x04");
	await_prompt("no password was typed; nothing was changed");
	assert_int_equal(ends(pid), ERR_SHORT);
}

static void an_arrow_key_is_no_part_of_it(void **state)
{
	pid_t pid = asker(false, "");

	(void)state;
	type("password: ", "corr\x1b[Aect\n");
	assert_int_equal(ends(pid), ERR_SYNTAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_is_typed_twice),
		cmocka_unit_test(a_password_that_will_not_do_is_not_asked_for_again),
		cmocka_unit_test(an_interrupt_gives_up_and_is_no_part_of_it),
		cmocka_unit_test(who_types_nothing_is_told_so),
		cmocka_unit_test(an_arrow_key_is_no_part_of_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
