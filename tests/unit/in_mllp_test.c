#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

static const struct input_spec plain = { 0 };

/* A framed alarm with this id. */
static size_t frame(char *out, size_t cap, const char *type, const char *id, const char *modes)
{
	return (size_t)snprintf(out, cap,
				"\x0bMSH|^~\\&|GW7|WEST|AM||20261122101503||%s|%s|P|2.6|||%s\rPV1||I|4W^412^B\r"
				"OBR|1||%s\rOBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|SpO2 low||||||F\r\x1c\r",
				type, id, modes, id);
}

static void send_frame(int fd, const char *type, const char *id, const char *modes)
{
	char out[1024];

	peer_send(fd, span(out, frame(out, sizeof(out), type, id, modes)));
}

/* The next reply must carry this MSA: "CA|a1". */
static void assert_msa(int fd, const char *want)
{
	char reply[4096], expected[256];
	char *msa;

	assert_true(peer_read(fd, 0x1c, reply, sizeof(reply)));
	msa = strstr(reply, "\rMSA|");
	assert_non_null(msa);
	snprintf(expected, sizeof(expected), "\rMSA|%s", want);
	msa[strlen(expected)] = '\0';
	assert_string_equal(msa, expected);
	assert_int_equal(reply[0], 0x0b);
	assert_true(peer_read(fd, '\r', reply, 2));
}

static void an_alarm_is_answered_only_when_it_is_durable(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, plain);
	fd = peer_open();
	send_frame(fd, "ORU^R40^ORU_R40", "a1", "AL|NE");
	rig_pushed(1);
	rig_do(rig_update_all);   /* not what it waits for */
	assert_true(peer_quiet(fd));
	rig_do(rig_answer_all);
	assert_msa(fd, "CA|a1\r");
	rig_do(rig_stored_all);
	rig_do(rig_update_all);
	rig_do(rig_answer_all);
	assert_true(peer_quiet(fd));
	close(fd);
	rig_end();
}

static void pipelined_messages_are_answered_in_order(void **state)
{
	char id[16], want[16];
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, plain);
	fd = peer_open();
	for (int i = 0; i < 10; i++) {
		snprintf(id, sizeof(id), "p%d", i);
		send_frame(fd, i % 3 == 1 ? "ADT^A01" : "ORU^R40", id, "|");
	}
	rig_pushed(7);
	assert_true(rig.pushed == 7);
	rig_do(rig_answer_all);
	for (int i = 0; i < 10; i++) {
		snprintf(want, sizeof(want), "%s|p%d\r", i % 3 == 1 ? "AR" : "AA", i);
		assert_msa(fd, want);
	}
	close(fd);
	rig_end();
}

static void who_sends_more_than_the_window_waits(void **state)
{
	char id[16], want[16];
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, plain);
	fd = peer_open();
	for (int i = 0; i < 700; i++) {   /* more than is read at a time */
		snprintf(id, sizeof(id), "w%d", i);
		send_frame(fd, "ORU^R40", id, "|");
	}
	rig_pushed(32);
	usleep(20000);
	rig_do(rig_nothing);
	assert_int_equal(rig.pushed, 32);
	for (int i = 0; i < 700; i++) {
		rig_do(rig_answer_all);
		snprintf(want, sizeof(want), "AA|w%d\r", i);
		assert_msa(fd, want);
	}
	assert_int_equal(rig.pushed, 700);
	close(fd);
	rig_end();
}

static void a_storm_of_answers_at_once_is_survived(void **state)
{
	char id[16], want[16];
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, plain);
	fd = peer_open();
	for (int i = 0; i < 500; i++) {
		snprintf(id, sizeof(id), "s%d", i);
		send_frame(fd, "ORU^R01^ORU_R01", id, "AL|AL");
	}
	for (int i = 0; i < 500; i++) {
		snprintf(want, sizeof(want), "CA|s%d\r", i);
		assert_msa(fd, want);
		want[1] = 'A';
		want[0] = 'A';
		assert_msa(fd, want);
	}
	close(fd);
	rig_end();
}

static void what_cannot_be_kept_is_answered_no(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_FULL, plain);
	fd = peer_open();
	send_frame(fd, "ORU^R40", "f1", "AL|NE");
	assert_msa(fd, "CE|f1\r");
	send_frame(fd, "ORU^R40", "f2", "|");
	assert_msa(fd, "AE|f2\r");
	rig.mode = RIG_RANGE;
	send_frame(fd, "ORU^R40", "f3", "|");
	assert_msa(fd, "AE|f3\r");
	rig.mode = RIG_LATER;
	send_frame(fd, "ORU^R40", "f4", "AL|");
	rig_pushed(1);
	rig_do(rig_refuse_all);
	assert_msa(fd, "CE|f4\r");
	close(fd);
	rig_end();
}

/* The pipeline knows a duplicate; the same positive answer goes out again. */
static void a_duplicate_gets_the_same_answer(void **state)
{
	int a, b;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, plain);
	a = peer_open();
	b = peer_open();
	send_frame(a, "ORU^R40", "d1", "AL|NE");
	send_frame(a, "ORU^R40", "d1", "AL|NE");
	send_frame(b, "ORU^R40", "d1", "AL|NE");
	rig_pushed(3);
	rig_do(rig_answer_all);
	assert_msa(a, "CA|d1\r");
	assert_msa(a, "CA|d1\r");
	assert_msa(b, "CA|d1\r");
	assert_true(peer_quiet(a) && peer_quiet(b));
	assert_string_equal(rig.source_id[0], rig.source_id[2]);
	close(a);
	close(b);
	rig_end();
}

static void answer_the_second(void) { rig_answer(1, ANSWER_DURABLE); }
static void answer_the_first(void) { rig_answer(0, ANSWER_DURABLE); }

/* A controller that was started anew counts from 1 again: two alarms of one id, each with an answer of its own. */
static void a_reused_id_is_another_message_with_its_own_answer(void **state)
{
	int a, b;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, plain);
	a = peer_open();
	b = peer_open();
	send_frame(a, "ORU^R40", "1", "AL|NE");
	rig_pushed(1);
	send_frame(b, "ORU^R40^ORU_R40", "1", "AL|NE");
	rig_pushed(2);
	assert_memory_not_equal(&rig.digest[0], &rig.digest[1], sizeof(rig.digest[0]));
	rig_do(answer_the_second);
	assert_msa(b, "CA|1\r");
	assert_true(peer_quiet(a));
	rig_do(answer_the_first);
	assert_msa(a, "CA|1\r");
	close(a);
	close(b);
	rig_end();
}

static void an_unreadable_alarm_is_refused_and_told(void **state)
{
	static const char cut[] = "\x0bMSH|^~\\&|GW7|WEST|AM||2026||ORU^R40|u1|P|2.6|||AL|NE\r"
				  "OBR|1||7\rOBX|1|ST|1966\r\x1c\r";
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, plain);
	fd = peer_open();
	peer_send(fd, SPAN_LIT(cut));
	rig_pushed(1);
	assert_string_equal(rig.text[0], "Unreadable alarm from GW7");
	assert_int_equal(rig.missed[MISSED_MEANING], 1);
	rig_do(rig_answer_all);
	assert_msa(fd, "CE|u1\r");
	close(fd);
	rig_end();
}

static void no_message_at_all_is_rejected(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, plain);
	fd = peer_open();
	peer_send(fd, SPAN_LIT("\x0b\x1c\r\x0bmsg\x1c\r"));
	assert_msa(fd, "AR|\r");
	assert_int_equal(rig.missed[MISSED_MEANING], 1);
	peer_send(fd, SPAN_LIT("\x0bMSH|^~\\&|A||||||ACK|77|P|2.6\rMSA|AA|1\r\x1c\r"));
	assert_true(peer_quiet(fd));
	send_frame(fd, "ORU^R40", "n1", "|");
	assert_msa(fd, "AA|n1\r");
	close(fd);
	rig_end();
}

static void a_message_past_the_limit_is_rejected_by_name_and_told(void **state)
{
	static char big[(1 << 20) + 4096];
	char head[1024];
	size_t n = frame(head, sizeof(head), "ORU^R40", "big", "AL|NE") - 2;
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, plain);
	fd = peer_open();
	memset(big, 'x', sizeof(big));
	memcpy(big, head, n);
	peer_send(fd, span(big, sizeof(big)));
	assert_msa(fd, "CR|big\r");
	assert_string_equal(rig.text[0], "Unreadable alarm from GW7: SpO2 low");
	rig_logged("id=big");
	memset(big, 'y', sizeof(big));
	peer_send(fd, span(big, sizeof(big)));       /* however long it goes on, */
	peer_send(fd, SPAN_LIT("\x1c\x1cz\x1c\r"));
	send_frame(fd, "ORU^R40", "next", "AL|NE");  /* its end is found and the connection lives */
	assert_msa(fd, "CA|next\r");
	close(fd);
	rig_end();
}

static void junk_ends_the_connection_of_its_sender_alone(void **state)
{
	char junk[2000];
	int bad, good;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, plain);
	bad = peer_open();
	good = peer_open();
	memset(junk, 'G', sizeof(junk));
	peer_send(bad, span(junk, sizeof(junk)));
	assert_true(peer_ended(bad));
	rig_logged("input_junk");
	assert_int_equal(rig.missed[MISSED_END], 1);
	send_frame(good, "ORU^R40", "g1", "|");
	assert_msa(good, "AA|g1\r");
	close(bad);
	close(good);
	rig_end();
}

#define UNFRAMED "MSH|^~\\&|A|B|C|D|20261123||ORU^R40|1|P|2.6\r"

/* Or it would wait for its answer, and nobody know. Ends of lines between frames are no reason. */
static void a_message_in_no_frame_is_noticed(void **state)
{
	int silent, gone, lines;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, (struct input_spec){ .idle_ms = 50 });
	lines = peer_open();
	peer_send(lines, SPAN_LIT("\r\n\r\n"));
	silent = peer_open();
	peer_send(silent, SPAN_LIT(UNFRAMED));
	assert_true(peer_ended(silent));
	rig_logged("in no frame");
	assert_int_equal(rig.missed[MISSED_END], 1);
	gone = peer_open();
	peer_send(gone, SPAN_LIT(UNFRAMED));
	rig_do(rig_nothing);
	close(gone);
	assert_true(UNTIL((rig_do(rig_nothing), rig.missed[MISSED_END] == 2)));
	send_frame(lines, "ORU^R40", "g1", "|");
	assert_msa(lines, "AA|g1\r");
	close(lines);
	close(silent);
	rig_end();
}

static void a_message_that_stops_half_way_is_given_up(void **state)
{
	int slow, gone;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, (struct input_spec){ .idle_ms = 50 });
	slow = peer_open();
	peer_send(slow, SPAN_LIT("\x0bMSH|^~\\&|half"));
	assert_true(peer_ended(slow));
	rig_logged("for too long");
	gone = peer_open();
	peer_send(gone, SPAN_LIT("\x0bMSH|^~\\&|half"));
	rig_do(rig_nothing);
	close(gone);
	rig_logged("ended inside a message");
	assert_int_equal(rig.pushed, 0);
	close(slow);
	rig_end();
}

/* A room controller whose power fails while it calls; one whose end block lacks its carriage return. */
static void an_alarm_that_breaks_off_is_told(void **state)
{
	char raw[1024];
	size_t n = frame(raw, sizeof(raw), "ORU^R40", "t1", "|");
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, (struct input_spec){ .idle_ms = 50 });
	fd = peer_open();
	peer_send(fd, span(raw, n - 10));               /* in the middle of OBX, by then with its text */
	assert_true(peer_ended(fd));
	rig_pushed(1);
	assert_string_equal(rig.text[0], "Unreadable alarm from GW7: SpO2 low");
	close(fd);
	fd = peer_open();
	peer_send(fd, span(raw, n - 1));
	rig_do(rig_nothing);
	close(fd);
	rig_pushed(2);
	assert_string_equal(rig.text[1], "SpO2 low");
	rig_do(rig_answer_all);                         /* nobody is there any more */
	fd = peer_open();
	peer_send(fd, span(raw, 40));                   /* in the middle of MSH: nobody can tell what it was */
	assert_true(peer_ended(fd));
	rig_do(rig_nothing);
	assert_int_equal(rig.pushed, 2);
	assert_int_equal(rig.missed[MISSED_END], 3);
	close(fd);
	rig_end();
}

static void an_idle_connection_between_messages_stays(void **state)
{
	char raw[1024];
	size_t n = frame(raw, sizeof(raw), "ORU^R40", "i1", "|");
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, (struct input_spec){ .idle_ms = 20 });
	fd = peer_open();
	peer_send(fd, span(raw, n / 2));
	rig_do(rig_nothing);
	peer_send(fd, span(raw + n / 2, n - n / 2));
	assert_msa(fd, "AA|i1\r");
	usleep(60000);
	send_frame(fd, "ORU^R40", "i2", "|");
	assert_msa(fd, "AA|i2\r");
	close(fd);
	rig_end();
}

static void one_connection_too_many_is_closed_at_once(void **state)
{
	int a, b;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, (struct input_spec){ .most = 1 });
	a = peer_open();
	rig_do(rig_nothing);
	b = peer_open();
	assert_true(peer_ended(b));
	rig_logged("input_full");
	for (int i = 0; i < 5; i++) {
		close(b);
		b = peer_open();
		assert_true(peer_ended(b));
	}
	rig_do(rig_nothing);
	assert_int_equal(rig.missed[MISSED_PLACE], 6);
	send_frame(a, "ORU^R40", "m1", "|");
	assert_msa(a, "AA|m1\r");
	close(a);
	close(b);
	rig_end();
}

/* Peers that hold every place and say nothing keep nobody out who has something to say. */
static void who_is_silent_longest_gives_way_to_a_newcomer(void **state)
{
	int a, b, c, d;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, (struct input_spec){ .most = 2, .idle_ms = 20 });
	a = peer_open();
	b = peer_open();
	send_frame(b, "ORU^R40", "m1", "|");
	rig_pushed(1);
	usleep(60000);
	c = peer_open();
	send_frame(c, "ORU^R40", "m2", "|");
	rig_pushed(2);
	assert_true(peer_ended(a));
	rig_logged("input_spared");
	usleep(60000);
	d = peer_open();                              /* both wait for an answer: none is to be spared */
	assert_true(peer_ended(d));
	rig_do(rig_answer_all);
	assert_msa(b, "AA|m1\r");
	assert_msa(c, "AA|m2\r");
	close(a);
	close(b);
	close(c);
	close(d);
	rig_end();
}

static void closing_with_messages_unanswered_is_clean(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_LATER, plain);
	fd = peer_open();
	for (int i = 0; i < 50; i++)
		send_frame(fd, "ORU^R40", "c", "|");
	rig_pushed(32);
	rig_end();
	assert_true(peer_ended(fd));
	close(fd);
}

/* Every cut of the stream in two gives the same answers. */
static void any_split_is_answered_alike(void **state)
{
	char raw[2048];
	size_t n = frame(raw, sizeof(raw), "ORU^R40", "x1", "AL|NE");
	int fd;

	(void)state;
	rig_begin(&in_mllp, false, RIG_AT_ONCE, plain);
	fd = peer_open();
	for (size_t cut = 1; cut < n; cut += 7) {
		peer_send(fd, span(raw, cut));
		rig_do(rig_nothing);
		peer_send(fd, span(raw + cut, n - cut));
		assert_msa(fd, "CA|x1\r");
	}
	close(fd);
	rig_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alarm_is_answered_only_when_it_is_durable),
		cmocka_unit_test(pipelined_messages_are_answered_in_order),
		cmocka_unit_test(who_sends_more_than_the_window_waits),
		cmocka_unit_test(a_storm_of_answers_at_once_is_survived),
		cmocka_unit_test(what_cannot_be_kept_is_answered_no),
		cmocka_unit_test(a_duplicate_gets_the_same_answer),
		cmocka_unit_test(a_reused_id_is_another_message_with_its_own_answer),
		cmocka_unit_test(an_unreadable_alarm_is_refused_and_told),
		cmocka_unit_test(no_message_at_all_is_rejected),
		cmocka_unit_test(a_message_past_the_limit_is_rejected_by_name_and_told),
		cmocka_unit_test(junk_ends_the_connection_of_its_sender_alone),
		cmocka_unit_test(a_message_in_no_frame_is_noticed),
		cmocka_unit_test(a_message_that_stops_half_way_is_given_up),
		cmocka_unit_test(an_alarm_that_breaks_off_is_told),
		cmocka_unit_test(an_idle_connection_between_messages_stays),
		cmocka_unit_test(one_connection_too_many_is_closed_at_once),
		cmocka_unit_test(who_is_silent_longest_gives_way_to_a_newcomer),
		cmocka_unit_test(closing_with_messages_unanswered_is_clean),
		cmocka_unit_test(any_split_is_answered_alike),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
