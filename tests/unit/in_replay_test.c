#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

static char path[64];

/* A recording of these bytes; the test removes it. */
static const char *record(struct span bytes)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/pullcord-replay-XXXXXX");
	fd = mkstemp(path);
	must(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
	close(fd);
	return path;
}

#define ALARM(id) "MSH|^~\\&|A|||||" "|ORU^R40|" id "|P|2.6\rOBR|1||" id "\rOBX|1|ST|1^MDC_EVT_X^MDC||t\r"
#define TIMED(id, time) "MSH|^~\\&|A||||" time "||ORU^R01|" id "|P|2.6\rOBX|1|NM|1||2\r"

static void play(struct span bytes, enum rig_mode mode, double speed)
{
	rig_begin(&in_replay, false, mode, (struct input_spec){ .address = record(bytes), .speed = speed });
}

static void a_text_is_cut_into_its_messages(void **state)
{
	(void)state;
	play(SPAN_LIT("FHS|^~\\&\rBHS|^~\\&\r" ALARM("1") "\r\n" ALARM("2") "\nMSH|^~\\&|A||||||ADT^A01|3|P|2.6\n"
		      ALARM("4") "BTS|1\rFTS|1\r"),
	     RIG_AT_ONCE, 0);
	rig_logged("messages=4 durable=3 refused=1");
	assert_int_equal(rig.pushed, 3);
	rig_end();
	unlink(path);
}

static void a_capture_of_frames_is_played(void **state)
{
	(void)state;
	play(SPAN_LIT("\x0b" ALARM("1") "\x1c\r\x0b\x1c\r\n\x0b" ALARM("2") "\x1c\r\x0bno message\x1c\r\x0bMSH|cut"),
	     RIG_AT_ONCE, 0);
	rig_logged("messages=3 durable=2 refused=1");
	rig_end();
	unlink(path);
}

static void no_more_than_the_window_is_under_way(void **state)
{
	char text[16384], *at = text;

	(void)state;
	for (int i = 0; i < 50; i++)
		at += sprintf(at, TIMED("%d", ""), i);
	play(span_str(text), RIG_LATER, 0);
	rig_pushed(20);
	usleep(20000);
	rig_do(rig_nothing);
	assert_int_equal(rig.pushed, 20);
	rig_do(rig_answer_all);
	rig_pushed(40);
	rig_do(rig_refuse_all);
	rig_pushed(50);
	rig_do(rig_answer_all);
	rig_logged("messages=50 durable=30 refused=20");
	rig_end();
	unlink(path);
}

static void a_full_outbox_is_tried_again(void **state)
{
	(void)state;
	play(SPAN_LIT(TIMED("1", "")), RIG_FULL, 0);
	usleep(20000);
	rig_do(rig_nothing);
	assert_int_equal(rig.pushed, 0);
	rig.mode = RIG_AT_ONCE;
	rig_logged("messages=1 durable=1 refused=0");
	rig_end();
	unlink(path);
}

static void the_recorded_pace_is_kept_or_scaled(void **state)
{
	struct timespec a, b;
	long ms;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	play(SPAN_LIT(TIMED("1", "20261122101500") TIMED("2", "") TIMED("3", "20261122101510")), RIG_AT_ONCE, 100);
	rig_logged("messages=3 durable=3 refused=0");
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	assert_true(ms >= 99);
	rig_end();
	unlink(path);
}

static void what_is_no_recording_is_refused(void **state)
{
	const struct pipeline to = { rig_push, rig_missed, NULL };
	struct input_spec spec = { .name = "r", .address = "/nonexistent/file" };
	struct input *in = NULL;
	struct loop *l;

	(void)state;
	assert_int_equal(loop_open(&l), OK);
	assert_int_equal(in_replay.open(l, &spec, &to, &in), ERR_NOT_FOUND);
	spec.address = "/tmp";
	assert_int_equal(in_replay.open(l, &spec, &to, &in), ERR_IO);
	assert_null(in);
	loop_close(&l);
	play(SPAN_LIT(""), RIG_AT_ONCE, 0);
	rig_logged("messages=0 durable=0 refused=0");
	rig_end();
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_cut_into_its_messages),
		cmocka_unit_test(a_capture_of_frames_is_played),
		cmocka_unit_test(no_more_than_the_window_is_under_way),
		cmocka_unit_test(a_full_outbox_is_tried_again),
		cmocka_unit_test(the_recorded_pace_is_kept_or_scaled),
		cmocka_unit_test(what_is_no_recording_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
