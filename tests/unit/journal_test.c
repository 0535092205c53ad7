/* journal: lines bear their priority where standard error is the journal's, and nowhere else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "complain.h"
#include "journal.h"

static int before, ends[2];
static char heard[1024];

static int make(void **state)
{
	(void)state;
	journal_open();
	log_least(LOG_LEVEL_DEBUG);
	before = dup(STDERR_FILENO);
	return pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0 ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	dup2(before, STDERR_FILENO);
	close(before);
	close(ends[0]);
	close(ends[1]);
	log_to(NULL);
	return 0;
}

/* As systemd would, of the inode `off` further on. */
static void name_stream(ino_t off)
{
	char text[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)(st.st_ino + off));
	setenv("JOURNAL_STREAM", text, 1);
}

static const char *what_is_heard(void)
{
	ssize_t n;

	log_say(EV_UPLINK_LOST, KV_STR("host", "b"));
	log_say(EV_INPUT_STRAY, KV_NUM("n", 1));
	complain("nothing");
	fflush(stderr);
	n = read(ends[0], heard, sizeof(heard) - 1);
	heard[n > 0 ? n : 0] = '\0';
	return heard;
}

static void the_journal_is_told_how_urgent_a_line_is(void **state)
{
	(void)state;
	name_stream(0);
	assert_string_equal(what_is_heard(), "<4>warning uplink_lost host=b\n<7>debug input_stray n=1\n<3>pullcord-gateway: nothing\n");
	for (int level = 0; level <= LOG_LEVEL_NOTICE; level++)
		assert_int_equal(strlen(journal_prefix((enum log_level)level)), 3);
}

static void anybody_else_reads_plain_lines(void **state)
{
	static const char plain[] = "warning uplink_lost host=b\ndebug input_stray n=1\npullcord-gateway: nothing\n";

	(void)state;
	assert_string_equal(what_is_heard(), plain);
	name_stream(1);                 /* of the service's parent: ours goes elsewhere */
	assert_string_equal(what_is_heard(), plain);
	setenv("JOURNAL_STREAM", "nonsense", 1);
	assert_string_equal(what_is_heard(), plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_journal_is_told_how_urgent_a_line_is, make, drop),
		cmocka_unit_test_setup_teardown(anybody_else_reads_plain_lines, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
