/* conf: every setting by its limits, faults that name line and remedy, and the manual that says the same. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

static struct conf c;
static struct conf_fault fault;

static enum err parse(const char *text)
{
	memset(&c, 0, sizeof(c));
	return conf_parse(span_str(text), &c, &fault);
}

#define INPUT "\n[input m]\nkind = mllp\n"

static void assert_fault(const char *text, unsigned line, const char *says)
{
	assert_int_equal(parse(text), ERR_SYNTAX);
	if (fault.line != line || strcmp(fault.text, says) != 0)
		print_error("line %u: %s\n", fault.line, fault.text);
	assert_int_equal(fault.line, line);
	assert_string_equal(fault.text, says);
}

static void what_is_not_said_has_its_default(void **state)
{
	(void)state;
	assert_int_equal(parse(INPUT), OK);
	assert_int_equal(c.uplink_port, 8883);
	assert_string_equal(c.gateway_unit, "default");
	assert_int_equal(c.inputs, 1);
	assert_string_equal(c.input[0].name, "m");
	assert_string_equal(c.input[0].address, "127.0.0.1:2575");
	assert_string_equal(conf_input_kind(&c.input[0]), "mllp");
}

static void what_is_said_is_taken(void **state)
{
	(void)state;
	assert_int_equal(parse("# a comment\n[gateway]\ndevice = nc-1\nunit: icu3 ; inline\nlog = warning\n[uplink]\r\n"
			       "port=1\n[input a]\nkind=local\naddress = /run/a b.sock\nzone_minutes = -300\n"
			       "[units]\nICU 3 = icu3\nW^4 = ward4\n[input b]\nkind=replay\naddress=f\n"
			       "speed_percent=0"), OK);
	assert_string_equal(c.gateway_device, "nc-1");
	assert_string_equal(c.gateway_unit, "icu3");
	assert_int_equal(c.gateway_log, 2);
	assert_int_equal(c.uplink_port, 1);
	assert_int_equal(c.inputs, 2);
	assert_string_equal(c.input[0].address, "/run/a b.sock");
	assert_int_equal(c.input[0].zone_minutes, -300);
	assert_int_equal(c.input[1].speed_percent, 0);
	assert_string_equal(conf_unit_of(&c, SPAN_LIT("ICU 3")), "icu3");
	assert_string_equal(conf_unit_of(&c, SPAN_LIT("W^4")), "ward4");
	assert_string_equal(conf_unit_of(&c, SPAN_LIT("elsewhere")), "icu3");
}

static void faults_name_the_line_and_the_remedy(void **state)
{
	(void)state;
	assert_fault("[uplink]\nprot = 1\n" INPUT, 2,
		     "there is no setting \"prot\" in [uplink]; did you mean \"port\"?");
	assert_fault("[upling]\nport = 1\n" INPUT, 1, "there is no section [upling]; did you mean [uplink]?");
	assert_fault("[input]\nkind = local\n" INPUT, 1, "an input has a name: [input NAME]");
	assert_fault("[input tablet]\nlisten = /run/t\n", 2,
		     "there is no setting \"listen\" in [input]; pullcord-gateway --print-conf lists them");
	assert_fault("port = 1\n" INPUT, 1, "a setting must stand in a section, such as [gateway]");
	assert_fault("[uplink]\nport = 0\n" INPUT, 2, "port must be a whole number from 1 to 65535");
	assert_fault("[uplink]\nport = 12x\n" INPUT, 2, "port must be a whole number from 1 to 65535");
	assert_fault("[uplink]\nport = 99999999999999999999\n" INPUT, 2, "port must be a whole number from 1 to 65535");
	assert_fault("[throttle]\nfold_window_ms = -1\n" INPUT, 2,
		     "fold_window_ms must be a whole number from 0 to 600000 ms");
	assert_fault("[gateway]\nunit = a/b\n" INPUT, 2, "unit must be 1 to 64 of A-Z a-z 0-9 . _ : -");
	assert_fault("[gateway]\nlog = loud\n" INPUT, 2, "log must be one of debug|info|warning|error");
	assert_fault("[health]\nhost = b.example\n" INPUT, 2, "there is no setting \"host\" in [health]; it belongs in [uplink]");
	assert_fault(INPUT "metrics = /m.prom\n", 4, "there is no setting \"metrics\" in [input]; it belongs in [health]");
	assert_fault("[uplink]\naddress = [::1]:7\n" INPUT, 2,
		     "there is no setting \"address\" in [uplink]; it belongs in [input NAME]");
	assert_fault("[uplink]\nport = 1\n\nport = 2\n" INPUT, 4, "port is given twice, first in line 2");
	assert_fault("[units]\nA = icu3\nA = icu4\n" INPUT, 3, "A is given twice");
	assert_fault("[units]\nA = icu 3\n" INPUT, 2, "the unit of A must be 1 to 64 of A-Z a-z 0-9 . _ : -");
	assert_fault("[uplink\nport = 1\n" INPUT, 1, "this is neither [section] nor name = value");
	assert_fault("[uplink]\nwhat is this\n" INPUT, 2, "this is neither [section] nor name = value");
	assert_fault("[input a b]\nkind = mllp\n", 1, "the name of [input a b] must be 1 to 64 of A-Z a-z 0-9 . _ : -");
	assert_fault("[input a]\nkind = local\n", 0, "[input a] of kind local needs an address");
	assert_fault("[input a]\naddress = 127.0.0.1:99999\n", 2,
		     "[input a] cannot listen at \"127.0.0.1:99999\": address must be such as 127.0.0.1:2575 or "
		     "[::1]:2575 with a port up to 65535, or the path of a Unix socket, at most 107 bytes");
	assert_fault("[input a]\naddress = [::1]:7\n[input b]\nkind = local\naddress = [::1]:7\n", 5,
		     "[input b] has the address of [input a], [::1]:7: each needs one of its own");
	assert_fault("[input a]\nkind = mllp\n[input b]\nkind = mllp\n", 0,
		     "[input b] has the address of [input a], 127.0.0.1:2575: each needs one of its own");
	assert_fault("[uplink]\nport = 1\n", 0,
		     "there is no input: add a section such as [input monitors] with kind and address");
	assert_fault("[uplink]\n\x1b[2J_what = 1\n" INPUT, 2,
		     "there is no setting \"?[2J_what\" in [uplink]; pullcord-gateway --print-conf lists them");
	assert_fault("[something]\nport = 1\n" INPUT, 1,
		     "there is no section [something]; pullcord-gateway --print-conf lists them");
}

static void a_broker_is_a_name_or_an_address(void **state)
{
	static const char *const bad[] = { "", "bad host!", "b.example:8883", "\"b.example\"", "mqtts://b.example", "[::1]",
					   "b.example # the broker" };
	char text[128], says[256];

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		snprintf(text, sizeof(text), "[uplink]\nhost = %s\n" INPUT, bad[i]);
		snprintf(says, sizeof(says), "host must be a name such as broker.mercy.example, or an address such as 192.0.2.7 or "
			 "::1, without a port, not \"%s\"", bad[i]);
		assert_fault(text, 2, says);
	}
	assert_fault("[uplink]\n\nothers = b.example c.example,d.example\n" INPUT, 3, "others must be at most 7 brokers, each HOST "
		     "or HOST:PORT, with blanks between: \"c.example,d.example\" is none, or one too many");
	assert_fault("[uplink]\nothers = a b c d e f g h\n" INPUT, 2, "others must be at most 7 brokers, each HOST or HOST:PORT, with "
		     "blanks between: \"h\" is none, or one too many");
	assert_int_equal(parse("[uplink]\nhost = ::1 ; the broker\nothers = b.example [::1]:1\n" INPUT), OK);
	assert_string_equal(c.uplink_host, "::1");
	assert_string_equal(c.uplink_others, "b.example [::1]:1");
}

static void a_section_counts_without_settings(void **state)
{
	(void)state;
	assert_fault(INPUT "[uplnk]", 4, "there is no section [uplnk]; did you mean [uplink]?");
	assert_fault("[input a]\n; nothing\n[input b]\n", 0,
		     "[input b] has the address of [input a], 127.0.0.1:2575: each needs one of its own");
	assert_fault(" [input a234567890123456789012345678901234567890123456] ; b\n", 1, "what stands in [] may have at most 49 letters");
	assert_int_equal(parse("  [input a] ; nothing\n\n[uplink]\n[ the end\n"), ERR_SYNTAX);
	assert_int_equal(parse("  [input a23456789012345678901234567890123456789012] ; nothing\n\n[uplink]\n"), OK);
	assert_int_equal(c.inputs, 1);
	assert_string_equal(c.input[0].address, "127.0.0.1:2575");
}

static void of_several_faults_the_first_is_named(void **state)
{
	(void)state;
	assert_fault("[uplink]\nport = x\nnonsense\nport = y\n" INPUT, 2,
		     "port must be a whole number from 1 to 65535");
	assert_fault("[uplink]\nnonsense\nport = x\n" INPUT, 2, "this is neither [section] nor name = value");
}

static void a_line_and_a_file_are_bounded(void **state)
{
	char *big = malloc(CONF_BYTES_MAX + 2), line[300];

	(void)state;
	memset(line, 'a', sizeof(line));
	memcpy(line, "[uplink]\nhost = ", 16);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(parse(line), ERR_SYNTAX);
	assert_int_equal(fault.line, 2);
	assert_non_null(strstr(fault.text, "a line may have at most"));
	memset(big, '\n', CONF_BYTES_MAX + 1);
	assert_int_equal(conf_parse(span(big, CONF_BYTES_MAX + 1), &c, &fault), ERR_TOO_LARGE);
	free(big);
	assert_int_equal(conf_parse(SPAN_LIT("[uplink]\nho\0st = 1\n"), &c, &fault), ERR_SYNTAX);
	assert_int_equal(fault.line, 2);
}

static void a_fault_leaves_the_settings_as_they_were(void **state)
{
	struct conf before;

	(void)state;
	assert_int_equal(parse(INPUT "[uplink]\nport = 77\n"), OK);
	before = c;
	assert_int_equal(conf_parse(SPAN_LIT("[uplink]\nport = 78\nx = 1\n" INPUT), &c, &fault), ERR_SYNTAX);
	assert_memory_equal(&before, &c, sizeof(c));
}

static void what_waits_for_a_restart_is_named(void **state)
{
	static const struct { const char *text, *setting; } row[] = {
		{ "[uplink]\nport = 1\n" INPUT, NULL },
		{ "[uplink]\nport = 1\n[throttle]\nburst = 2\n[gateway]\nlog = error\n" INPUT, NULL },
		{ "[uplink]\nport = 2\n" INPUT, "[uplink] port" },
		{ "[uplink]\nport = 1\n[gateway]\nunit = er\n" INPUT, "[gateway] unit" },
		{ "[uplink]\nport = 1\n" INPUT "address = 127.0.0.1:9\n", "[input m] address" },
		{ "[uplink]\nport = 1\n" INPUT "[input n]\naddress = 127.0.0.1:9\n", "the number of inputs" },
		{ "[uplink]\nport = 1\n[input n]\nkind = mllp\n", "[input n]" },
		{ "[uplink]\nport = 1\n[units]\nW = w\n" INPUT, "[units]" },
	};
	char name[CONF_TEXT];
	struct conf before;

	(void)state;
	assert_int_equal(parse(row[0].text), OK);
	before = c;
	for (size_t i = 0; i < countof(row); i++) {
		const char *setting;

		assert_int_equal(parse(row[i].text), OK);
		setting = conf_changed(&before, &c, name);
		assert_string_equal(setting ? setting : "none", row[i].setting ? row[i].setting : "none");
	}
}

static void what_is_ordered_from_afar_is_a_small_part(void **state)
{
	static const struct { const char *text, *fault; } bad[] = {
		{ "[uplink]\nhost = evil.example\n", "[uplink] host cannot be changed from afar" },
		{ "[orders]\nofficers = /tmp/mine\n", "[orders] officers cannot be changed from afar" },
		{ "[gateway]\nroot_key = /tmp/mine\n", "[gateway] root_key cannot be changed from afar" },
		{ "[input n]\naddress = 127.0.0.1:2575\n", "[input n] address cannot be changed from afar" },
		{ "[units]\nW = w\n", "[units] W cannot be changed from afar" },
		{ "[throttle]\nburst = 0\n", "burst must be a whole number from 1" },
		{ "[throttle]\nburst = 5\nburst = 6\n", "burst is given twice" },
		{ "[throttle]\nburst = 4\n", "[throttle] burst must be at least 5 from afar" },
		{ "[throttle]\nper_minute = 9\n", "[throttle] per_minute must be at least 10 from afar" },
		{ "[throttle]\ndelay_max_ms = 600000\n", "at most half of expire_min" },
		{ "[gateway]\nexpire_min = 1\n", "at most half of expire_min" },
		{ "burst = 5\n", "cannot be changed from afar" }, { "[throttle]\nburst\n", "this is neither" },
	};
	struct conf before;

	(void)state;
	assert_int_equal(parse(INPUT), OK);
	before = c;
	for (size_t i = 0; i < countof(bad); i++) {
		assert_int_equal(conf_order(span_str(bad[i].text), &c, &fault), ERR_SYNTAX);
		assert_non_null(strstr(fault.text, bad[i].fault));
		assert_memory_equal(&before, &c, sizeof(c));
	}
	assert_int_equal(conf_order(SPAN_LIT(""), &c, &fault), OK);
	assert_memory_equal(&before, &c, sizeof(c));
	assert_int_equal(conf_order(SPAN_LIT("[throttle]\nburst = 5\n[gateway]\nstate_s = 60\nlog = debug\n"), &c, &fault), OK);
	assert_int_equal(c.throttle_burst, 5);
	assert_int_equal(c.gateway_state_s, 60);
	assert_int_equal(c.gateway_log, 0);
	assert_int_equal(conf_order(SPAN_LIT("[throttle]\ndelay_max_ms = 600000\n[gateway]\nexpire_min = 0\n"), &c, &fault), OK);
	assert_null(conf_changed(&before, &c, (char[CONF_TEXT]){ 0 }));   /* nothing that waits for a restart */
}

static char *printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	print(f);
	fclose(f);
	return text;
}

static void the_sample_says_the_defaults_and_is_accepted(void **state)
{
	char *text = printed(conf_print_sample);
	struct conf defaults;

	(void)state;
	conf_init(&defaults);
	assert_int_equal(parse(text), OK);
	assert_string_equal(c.input[0].name, "monitors");
	memset(c.input, 0, sizeof(c.input));
	c.inputs = 0;
	assert_memory_equal(&defaults, &c, sizeof(c));
	free(text);
}

static char *file_text(const char *path)
{
	char *text = calloc(1, CONF_BYTES_MAX + 1);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, CONF_BYTES_MAX, f) > 0);
	fclose(f);
	return text;
}

/* The pieces between SECTIONS and the next heading are what --print-man prints. */
static void the_manual_says_what_conf_def_says(void **state)
{
	char *man = file_text("tools/man/pullcord-gateway.conf.5"), *piece = printed(conf_print_man);

	(void)state;
	assert_non_null(strstr(man, piece));
	free(man);
	free(piece);
}

static void the_files_we_ship_are_accepted(void **state)
{
	static const char *const ours[] = { "configs/nursecall.ini", "configs/telemetry.ini", "configs/tablet.ini" };

	(void)state;
	for (size_t i = 0; i < countof(ours); i++) {
		enum err e = conf_load(ours[i], &c, &fault);

		if (e != OK)
			print_error("%s, line %u: %s\n", ours[i], fault.line, fault.text);
		assert_int_equal(e, OK);
	}
	assert_int_equal(conf_load("configs/none.ini", &c, &fault), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(what_is_said_is_taken),
		cmocka_unit_test(faults_name_the_line_and_the_remedy),
		cmocka_unit_test(a_broker_is_a_name_or_an_address),
		cmocka_unit_test(a_section_counts_without_settings),
		cmocka_unit_test(of_several_faults_the_first_is_named),
		cmocka_unit_test(a_line_and_a_file_are_bounded),
		cmocka_unit_test(a_fault_leaves_the_settings_as_they_were),
		cmocka_unit_test(what_waits_for_a_restart_is_named),
		cmocka_unit_test(what_is_ordered_from_afar_is_a_small_part),
		cmocka_unit_test(the_sample_says_the_defaults_and_is_accepted),
		cmocka_unit_test(the_manual_says_what_conf_def_says),
		cmocka_unit_test(the_files_we_ship_are_accepted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
