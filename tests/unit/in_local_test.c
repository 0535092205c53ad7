#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "rig.h"
#include "local_json.h"

#define CALL(id) "{\"type\":\"alert\",\"id\":\"" id "\",\"source\":\"bed-7\",\"kind\":\"call.normal\"," \
		 "\"text\":\"Help\"}\n"
#define BATH "{\"type\":\"alert\",\"id\":\"x\",\"kind\":\"call.bath\",\"text\":\"t\""
#define HEX_0 "00000000000000000000000000000000"
#define HEX_1 "00000000000000000000000000000001"
#define HEX_2 "00000000000000000000000000000002"

static const struct input_spec plain = { .source = "tablet" };

static void say(int fd, const char *line)
{
	peer_send(fd, span_str(line));
}

static void assert_line(int fd, const char *want)
{
	char line[4096];

	assert_true(peer_read(fd, '\n', line, sizeof(line)));
	line[strlen(line) - 1] = '\0';
	assert_string_equal(line, want);
}

/* The next line is a refusal whose why and hint have these words in them. */
static void assert_refused(int fd, const char *why, const char *hint)
{
	char line[4096];

	assert_true(peer_read(fd, '\n', line, sizeof(line)));
	if (strncmp(line, "{\"answer\":\"refused\",", 20) != 0 || !strstr(line, why) || !strstr(line, hint))
		fail_msg("wanted %s and %s in %s", why, hint, line);
}

static void a_call_hears_what_becomes_of_it(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_LATER, plain);
	fd = peer_open();
	say(fd, CALL("b7-1"));
	rig_pushed(1);
	assert_true(peer_quiet(fd));
	rig_do(rig_answer_all);
	assert_line(fd, "{\"answer\":\"durable\",\"id\":\"b7-1\",\"alert\":\"" HEX_0 "\"}");
	rig_do(rig_stored_all);
	assert_line(fd, "{\"answer\":\"stored\",\"id\":\"b7-1\",\"alert\":\"" HEX_0 "\"}");
	rig_do(rig_update_all);
	assert_line(fd, "{\"answer\":\"acknowledged\",\"id\":\"b7-1\",\"alert\":\"" HEX_0
			"\",\"state\":\"accepted\",\"by\":\"ana\"}");
	close(fd);
	rig_end();
}

static void only_the_same_line_is_a_repetition(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_LATER, plain);
	fd = peer_open();
	say(fd, CALL("1"));
	say(fd, CALL("1"));
	say(fd, "{\"type\":\"alert\",\"id\":\"1\",\"source\":\"bed-7\",\"kind\":\"call.bath\",\"text\":\"Fell\"}\n");
	rig_pushed(3);
	assert_memory_equal(&rig.digest[0], &rig.digest[1], sizeof(rig.digest[0]));
	assert_memory_not_equal(&rig.digest[0], &rig.digest[2], sizeof(rig.digest[0]));
	close(fd);
	rig_end();
}

static void who_comes_back_and_says_hello_hears_on(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_LATER, plain);
	fd = peer_open();
	say(fd, CALL("b7-1"));
	rig_pushed(1);
	close(fd);
	fd = peer_open();
	say(fd, "{\"type\":\"hello\",\"source\":\"bed-7\"}\n");
	assert_line(fd, "{\"answer\":\"hello\",\"source\":\"bed-7\"}");
	rig_do(rig_answer_all);
	assert_line(fd, "{\"answer\":\"durable\",\"id\":\"b7-1\",\"alert\":\"" HEX_0 "\"}");
	close(fd);
	rig_end();
}

static void other_sources_hear_nothing(void **state)
{
	int fd, other;

	(void)state;
	rig_begin(&in_local, true, RIG_AT_ONCE, plain);
	other = peer_open();
	say(other, "{\"type\":\"hello\",\"source\":\"bed-8\"}\n");
	assert_line(other, "{\"answer\":\"hello\",\"source\":\"bed-8\"}");
	fd = peer_open();
	say(fd, CALL("b7-1"));
	assert_line(fd, "{\"answer\":\"durable\",\"id\":\"b7-1\",\"alert\":\"" HEX_0 "\"}");
	assert_true(peer_quiet(other));
	close(fd);
	close(other);
	rig_end();
}

static void mistakes_are_explained_and_the_connection_lives(void **state)
{
	static const struct { const char *line, *why, *hint; } row[] = {
		{ "nonsense\n", "not one JSON object", "one object a line" },
		{ "[1]\n", "not one JSON object: it is an array", "one object a line" },
		{ "{\"type\":\"alert\",\"id\":\"1\"", "", "" },   /* no line yet: nothing is said */
		{ ",\"colour\":\"red\"}\n", "alert has no field \\\"colour\\\"",
		  "its fields are: type id source kind priority" },
		{ "{\"type\":\"alert\",\"type\":\"alert\"}\n", "duplicate", "one object" },
		{ "{\"type\":\"alarm\"}\n", "\\\"type\\\" is missing or unknown", "alert, vitals or hello" },
		{ "{\"type\":\"alert\",\"id\":\"1\",\"kind\":\"call.normal\"}\n",
		  "\\\"text\\\" is missing", "one line a nurse reads" },
		{ "{\"type\":\"alert\",\"id\":1}\n", "\\\"id\\\" is of the wrong type", "your own id" },
		{ "{\"type\":\"alert\",\"id\":\"\"}\n", "\\\"id\\\" is empty", "your own id" },
		{ "{\"type\":\"alert\",\"id\":\"x\",\"text\":\"a\\nb\"}\n", "line break", "one line" },
		{ "{\"type\":\"alert\",\"id\":\"x\",\"text\":\"a\\u0000b\"}\n", "not one JSON object", "" },
		{ "{\"type\":\"alert\",\"id\":\"x\",\"text\":\"\xff\"}\n", "not one JSON object", "" },
		{ "{\"type\":\"alert\",\"id\":\"x\",\"kind\":\"door.open\",\"text\":\"t\"}\n",
		  "\\\"priority\\\" is missing", "code, high" },
		{ "{\"type\":\"alert\",\"id\":\"x\",\"kind\":\"a b\",\"text\":\"t\"}\n",
		  "\\\"kind\\\" has characters", "call.normal" },
		{ BATH ",\"priority\":\"urgent\"}\n", "\\\"priority\\\" is none", "medium" },
		{ BATH ",\"phase\":\"begin\"}\n", "\\\"phase\\\" is none", "start" },
		{ BATH ",\"at_us\":-1}\n", "\\\"at_us\\\" is negative", "microseconds" },
		{ "{\"type\":\"vitals\",\"id\":\"x\",\"values\":[{\"code\":\"1\",\"value\":36.6}]}\n",
		  "\\\"value\\\" is of the wrong type", "36.6" },
		{ "{\"type\":\"vitals\",\"id\":\"x\",\"values\":[1]}\n", "no object", "a list" },
		{ "{\"type\":\"hello\"}\n", "\\\"source\\\" is missing", "name of the device" },
	};
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_AT_ONCE, plain);
	fd = peer_open();
	for (size_t i = 0; i < countof(row); i++) {
		say(fd, row[i].line);
		if (*row[i].why)
			assert_refused(fd, row[i].why, row[i].hint);
	}
	assert_int_equal(rig.pushed, 0);
	say(fd, CALL("b7-9"));
	assert_line(fd, "{\"answer\":\"durable\",\"id\":\"b7-9\",\"alert\":\"" HEX_0 "\"}");
	close(fd);
	rig_end();
}

static void a_refusal_names_its_message_and_the_place_in_the_line(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_AT_ONCE, plain);
	fd = peer_open();
	say(fd, "{\"type\":\"alert\",\"id\":\"b7-5\"}\n");
	assert_refused(fd, "\"id\":\"b7-5\"", "\"hint\"");
	say(fd, "{\"type\":oops}\n");
	assert_refused(fd, "\"at\":12", "\"hint\"");
	close(fd);
	rig_end();
}

static void a_line_past_the_limit_is_left_out(void **state)
{
	static char big[3 * LOCAL_LINE_MAX];
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_AT_ONCE, plain);
	fd = peer_open();
	memset(big, '[', sizeof(big));
	for (size_t at = 0; at < sizeof(big); at += sizeof(big) / 4) {
		peer_send(fd, span(big + at, sizeof(big) / 4));
		rig_do(rig_nothing);
	}
	assert_refused(fd, "longer than 16384 bytes", "left out");
	say(fd, "\n" CALL("b7-2"));
	assert_line(fd, "{\"answer\":\"durable\",\"id\":\"b7-2\",\"alert\":\"" HEX_0 "\"}");
	memset(big, '[', LOCAL_LINE_MAX);
	big[LOCAL_LINE_MAX] = '\n';
	peer_send(fd, span(big, LOCAL_LINE_MAX + 1));
	assert_refused(fd, "not one JSON object: maximum parsing depth", "one object a line");
	close(fd);
	rig_end();
}

static void what_cannot_be_kept_is_said(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_FULL, plain);
	fd = peer_open();
	say(fd, CALL("b7-1"));
	assert_refused(fd, "\"id\":\"b7-1\",\"why\":\"it was not kept: there is no room left\"", "send it again");
	rig.mode = RIG_LATER;
	say(fd, CALL("b7-2"));
	rig_pushed(1);
	rig_do(rig_refuse_all);
	assert_refused(fd, "\"id\":\"b7-2\",\"why\":\"a value is out of range\"", "send it again");
	close(fd);
	rig_end();
}

static void vitals_and_defaults_are_taken(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_LATER, plain);
	fd = peer_open();
	say(fd, "{\"type\":\"vitals\",\"id\":\"v1\",\"bed\":\"412-B\","
		"\"values\":[{\"code\":\"150456\",\"value\":\"97\"}]}\r\n\r\n");
	rig_pushed(1);
	assert_string_equal(rig.source[0], "tablet");
	assert_string_equal(rig.text[0], "vitals");
	rig_do(rig_answer_all);
	assert_line(fd, "{\"answer\":\"durable\",\"id\":\"v1\",\"alert\":\"" HEX_0 "\"}");
	close(fd);
	rig_end();
}

/* A program may speak for a whole ward: no call is refused because it is one bed too many. */
static void with_too_many_sources_the_first_hears_no_more(void **state)
{
	char line[128];
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_LATER, plain);
	fd = peer_open();
	say(fd, CALL("1"));             /* of bed-7 */
	rig_pushed(1);
	for (int i = 0; i < 256; i++) {
		snprintf(line, sizeof(line), "{\"type\":\"hello\",\"source\":\"s%d\"}\n", i);
		say(fd, line);
		assert_true(peer_read(fd, '\n', line, sizeof(line)));
	}
	say(fd, "{\"type\":\"alert\",\"id\":\"2\",\"source\":\"s0\",\"kind\":\"call.bath\",\"text\":\"Fell\"}\n");
	rig_pushed(2);
	rig_do(rig_answer_all);
	assert_line(fd, "{\"answer\":\"durable\",\"id\":\"2\",\"alert\":\"" HEX_1 "\"}");
	say(fd, CALL("1"));             /* who hears nothing says it again */
	rig_pushed(3);
	rig_do(rig_answer_all);
	assert_line(fd, "{\"answer\":\"durable\",\"id\":\"1\",\"alert\":\"" HEX_2 "\"}");
	close(fd);
	rig_end();
}

static void a_line_that_stops_half_way_is_given_up(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_AT_ONCE, (struct input_spec){ .idle_ms = 50 });
	fd = peer_open();
	say(fd, "{\"type\":");
	assert_true(peer_ended(fd));
	rig_logged("input_truncated");
	close(fd);
	rig_end();
}

/* A program that forgets to close its connections. */
static void who_is_silent_longest_gives_way_to_a_newcomer(void **state)
{
	int a, b, c, d;

	(void)state;
	rig_begin(&in_local, true, RIG_LATER, (struct input_spec){ .most = 2, .idle_ms = 20 });
	a = peer_open();
	b = peer_open();
	say(b, CALL("1"));
	rig_pushed(1);
	usleep(60000);
	c = peer_open();
	say(c, CALL("2"));
	rig_pushed(2);
	assert_true(peer_ended(a));
	rig_logged("input_spared");
	assert_int_equal(rig.missed[MISSED_PLACE], 0);
	usleep(60000);
	d = peer_open();                        /* both wait for an answer: none is to be spared */
	assert_true(peer_ended(d));
	rig_do(rig_answer_all);
	assert_line(b, "{\"answer\":\"durable\",\"id\":\"1\",\"alert\":\"" HEX_0 "\"}");
	close(a);
	close(b);
	close(c);
	close(d);
	rig_end();
}

static void the_socket_is_for_its_group(void **state)
{
	struct stat st;

	(void)state;
	rig_begin(&in_local, true, RIG_AT_ONCE, plain);
	assert_int_equal(stat(rig.address, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	rig_end();
}

/* ---- the words alone ---- */

static struct local_said said;
static struct local_no no;

static void read_ok(const char *line)
{
	assert_int_equal(local_read(span_str(line), "tablet", 5, &said, &no), OK);
	if (said.kind == LOCAL_EVENT)
		assert_int_equal(event_check(&said.event), OK);
}

static void every_field_arrives_where_it_belongs(void **state)
{
	const Pullcord__V1__Alert *a = &said.event.alert;

	(void)state;
	read_ok("{\"type\":\"alert\",\"id\":\"i\",\"source\":\"s\",\"kind\":\"call.code\",\"text\":\"T\","
		"\"bed\":\"B\",\"place\":\"4W\","
		"\"patient\":\"P\",\"phase\":\"end\",\"call_back\":\"5-1\",\"at_us\":7,\"test\":true,"
		"\"values\":[{\"code\":\"c\",\"name\":\"n\",\"system\":\"MDC\",\"value\":\"v\","
		"\"unit\":\"u\",\"range\":\"r\",\"flags\":\"H\"}]}");
	assert_int_equal(a->priority, PULLCORD__V1__PRIORITY__PRIORITY_CODE);
	assert_int_equal(a->type, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL);
	assert_int_equal(a->phase, PULLCORD__V1__PHASE__PHASE_END);
	assert_string_equal(a->code, "call.code");
	assert_string_equal(a->bed, "B");
	assert_string_equal(a->patient, "P");
	assert_string_equal(a->call_back, "5-1");
	assert_int_equal(a->occurred_us, 7);
	assert_int_equal(a->first_us, 5);
	assert_int_equal(a->count, 1);
	assert_true(a->test);
	assert_string_equal(a->value[0]->unit, "u");
	assert_int_equal(a->value[0]->at_us, 7);
	assert_true(span_is(said.event.place, "4W"));
	assert_true(span_is(said.event.source, "s"));
	assert_true(span_is(said.event.source_id, "i"));
	local_done(&said);
}

/* A program that says `low` of whatever it sends must not make a resuscitation wait. */
static void a_code_is_a_code(void **state)
{
	(void)state;
	read_ok("{\"type\":\"alert\",\"id\":\"i\",\"kind\":\"call.code\",\"text\":\"T\",\"priority\":\"low\"}");
	assert_int_equal(said.event.alert.priority, PULLCORD__V1__PRIORITY__PRIORITY_CODE);
	local_done(&said);
	read_ok("{\"type\":\"alert\",\"id\":\"i\",\"kind\":\"call.bath\",\"text\":\"T\",\"priority\":\"low\"}");
	assert_int_equal(said.event.alert.priority, PULLCORD__V1__PRIORITY__PRIORITY_LOW);
	local_done(&said);
}

static void the_end_finds_the_key_of_its_start(void **state)
{
	static const struct { const char *rest; bool same; } row[] = {
		{ "\"kind\":\"call.bath\",\"bed\":\"1\",\"phase\":\"end\"", true },
		{ "\"kind\":\"call.bath\",\"bed\":\"2\"", false },
		{ "\"kind\":\"call.normal\",\"bed\":\"1\"", false },
		{ "\"kind\":\"call.bath\",\"bed\":\"1\",\"source\":\"x\"", false },
		{ "\"kind\":\"call.bath\",\"bed\":\"1\",\"key\":\"k\"", false },
	};
	uint8_t key[KEY_BYTES];

	(void)state;
	read_ok("{\"type\":\"alert\",\"id\":\"1\",\"text\":\"t\",\"kind\":\"call.bath\",\"bed\":\"1\"}");
	memcpy(key, said.key, sizeof(key));
	local_done(&said);
	for (size_t i = 0; i < countof(row); i++) {
		char line[256];

		snprintf(line, sizeof(line), "{\"type\":\"alert\",\"id\":\"2\",\"text\":\"t\",%s}", row[i].rest);
		read_ok(line);
		assert_int_equal(memcmp(key, said.event.alert.key.data, sizeof(key)) == 0, row[i].same);
		local_done(&said);
	}
}

static void answers_with_odd_texts_stay_one_line_of_ascii(void **state)
{
	struct answer a = { .kind = ANSWER_UPDATE, .source_id = SPAN_LIT("a\"\\\n\xe2\x80\xae"),
			    .by = SPAN_LIT("ana"), .folded = true };
	uint8_t line[LOCAL_ANSWER_MAX];
	struct put out = put(line, sizeof(line));
	char longest[256];

	(void)state;
	memset(longest, 1, sizeof(longest));            /* a lamp that stays dark for a long name is worse than a long line */
	assert_int_equal(local_write(&(struct answer){ .kind = ANSWER_UPDATE, .source_id = span(longest, LOCAL_WORD_MAX),
						       .by = span(longest, sizeof(longest)) }, &out), OK);
	out = put(line, sizeof(line));
	assert_int_equal(local_write(&a, &out), OK);
	assert_ptr_equal(memchr(line, '\n', out.n), line + out.n - 1);
	for (size_t i = 0; i + 1 < out.n; i++)
		assert_in_range(line[i], ' ', 0x7e);
	assert_non_null(memmem(line, out.n, "\"folded\":true", 13));
	a.by = SPAN_LIT("\xff");
	assert_int_equal(local_write(&a, &out), ERR_UTF8);
}

/* At once: the gateway may not read on. */
static void say_many(int fd, unsigned n)
{
	static char lines[65536];
	struct put out = put((uint8_t *)lines, sizeof(lines));

	for (unsigned i = 0; i < n; i++)
		put_fmt(&out, "{\"type\":\"alert\",\"id\":\"f%u\",\"kind\":\"call.normal\",\"text\":\"Help\"}\n", i);
	assert_int_equal(put_end(&out), OK);
	peer_send(fd, put_span(&out));
}

/* It would fill the queue that all share. */
static void one_program_has_so_many_unanswered(void **state)
{
	int fd, other;

	(void)state;
	rig_begin(&in_local, true, RIG_LATER, plain);
	fd = peer_open();
	say_many(fd, 600);
	rig_pushed(256);
	usleep(30000);
	rig_do(rig_nothing);
	assert_int_equal(rig.pushed, 256);
	other = peer_open();
	say(other, CALL("b7-1"));
	rig_pushed(257);                              /* nobody else waits for that */
	rig_do(rig_answer_all);
	rig_pushed(513);
	rig_do(rig_answer_all);
	rig_pushed(601);
	assert_string_equal(rig.source_id[600], "f599");
	rig_do(rig_answer_all);
	close(fd);
	close(other);
	rig_end();
}

static void one_program_has_its_share_of_a_second(void **state)
{
	int fd;

	(void)state;
	rig_begin(&in_local, true, RIG_AT_ONCE, (struct input_spec){ .source = "tablet", .per_s = 50 });
	fd = peer_open();
	say_many(fd, 70);
	rig_logged("input_slowed");
	rig_pushed(70);                               /* nothing is lost by it */
	assert_string_equal(rig.source_id[69], "f69");
	assert_null(strstr(strstr(rig.log, "input_slowed") + 1, "input_slowed"));
	close(fd);
	rig_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_hears_what_becomes_of_it),
		cmocka_unit_test(only_the_same_line_is_a_repetition),
		cmocka_unit_test(who_comes_back_and_says_hello_hears_on),
		cmocka_unit_test(other_sources_hear_nothing),
		cmocka_unit_test(mistakes_are_explained_and_the_connection_lives),
		cmocka_unit_test(a_refusal_names_its_message_and_the_place_in_the_line),
		cmocka_unit_test(a_line_past_the_limit_is_left_out),
		cmocka_unit_test(what_cannot_be_kept_is_said),
		cmocka_unit_test(vitals_and_defaults_are_taken),
		cmocka_unit_test(with_too_many_sources_the_first_hears_no_more),
		cmocka_unit_test(a_line_that_stops_half_way_is_given_up),
		cmocka_unit_test(who_is_silent_longest_gives_way_to_a_newcomer),
		cmocka_unit_test(the_socket_is_for_its_group),
		cmocka_unit_test(every_field_arrives_where_it_belongs),
		cmocka_unit_test(a_code_is_a_code),
		cmocka_unit_test(the_end_finds_the_key_of_its_start),
		cmocka_unit_test(answers_with_odd_texts_stay_one_line_of_ascii),
		cmocka_unit_test(one_program_has_so_many_unanswered),
		cmocka_unit_test(one_program_has_its_share_of_a_second),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
