/* broker_conf: which options the plugin must not run under, and where they stand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "broker_conf.h"
#include "scratch.h"
#include "seed.h"

#define FAULTS_MAX 40
#define OURS "plugin /usr/lib/pullcord/mosquitto_pullcord.so\n"
#define TLS "certfile c.pem\nkeyfile k.pem\n"
#define LISTEN "listener 8883\ncafile ca.pem\n" TLS "require_certificate true\ntls_version tlsv1.3\n"
#define REST \
	"max_queued_messages 65536\nallow_anonymous false\nallow_zero_length_clientid false\n" \
	"check_retain_source true\nmax_packet_size 262144\nmessage_size_limit 200000\nmax_keepalive 120\n" \
	"persistent_client_expiration 7d\nconnection_messages false\nlog_type error\nlog_type warning\n"
#define BASE REST OURS LISTEN

static struct broker_fault fault[FAULTS_MAX];
static struct scratch scratch;

static size_t scan(const char *text)
{
	size_t n = broker_conf_scan("m.conf", span_str(text), fault, FAULTS_MAX);

	assert_true(n <= FAULTS_MAX);
	return n;
}

/* "12 option value!" for each fault, '!' when fatal, '?' for what is missing. */
static void assert_faults(const char *text, const char *want)
{
	char have[2048] = "";
	size_t n = scan(text), at = 0;

	for (size_t i = 0; i < n; i++) {
		const struct broker_fault *f = &fault[i];

		at += (size_t)snprintf(have + at, sizeof(have) - at, "%s%u %s%s%s%s%s", i ? "; " : "", f->line,
				       f->option, f->value[0] ? " " : "", f->value, f->missing ? "?" : "",
				       f->fatal ? "!" : "");
		assert_true(at < sizeof(have));
		assert_non_null(f->why);
		assert_non_null(f->right);
		assert_string_equal(f->file, "m.conf");
	}
	if (strcmp(have, want))
		fail_msg("of\n%s\nsaid: %s\nnot:  %s", text, have, want);
}

static void the_baseline_has_no_fault(void **state)
{
	(void)state;
	assert_faults(BASE, "");
	assert_faults("# a comment\n\n" BASE "\n#last", "");
	assert_faults("per_listener_settings 0\nallow_anonymous 0\n" BASE, "");
}

/* The base has 12 lines before what is added here: 11 of REST and the plugin's, then 6 of the listener. */
static void each_forbidden_option_is_a_fault(void **state)
{
	static const struct { const char *line, *want; } row[] = {
		{ "use_identity_as_username true", "19 use_identity_as_username true!" },
		{ "use_identity_as_username 1", "19 use_identity_as_username 1!" },
		{ "use_identity_as_username false", "" },
		{ "use_subject_as_username true", "19 use_subject_as_username true!" },
		{ "use_username_as_clientid true", "19 use_username_as_clientid true!" },
		{ "per_listener_settings true", "19 per_listener_settings true!" },
		{ "allow_anonymous true", "19 allow_anonymous true!" },
		{ "allow_anonymous yes", "19 allow_anonymous yes!" },
		{ "allow_anonymous", "19 allow_anonymous!" },
		{ "  allow_anonymous   true  ", "19 allow_anonymous true!" },
		{ "allow_anonymous\ttrue", "19 allow_anonymous true!" },
		{ "allow_anonymous true\r", "19 allow_anonymous true!" },
		{ "listener_allow_anonymous true", "19 listener_allow_anonymous true!" },
		{ "allow_zero_length_clientid true", "19 allow_zero_length_clientid true!" },
		{ "check_retain_source false", "19 check_retain_source false!" },
		{ "connection hub", "19 connection hub!" },
		{ "mount_point a/", "19 mount_point a/!" },
		{ "password_file /etc/pw", "19 password_file /etc/pw!" },
		{ "acl_file /etc/acl", "19 acl_file /etc/acl!" },
		{ "psk_file /etc/psk", "19 psk_file /etc/psk!" },
		{ "psk_hint hint", "19 psk_hint hint!" },
		{ "max_packet_size 262145", "19 max_packet_size 262145!" },
		{ "max_packet_size 0", "19 max_packet_size 0!" },
		{ "max_packet_size many", "19 max_packet_size many!" },
		{ "max_packet_size -1", "19 max_packet_size -1!" },
		{ "message_size_limit 0", "19 message_size_limit 0!" },
		{ "message_size_limit 200001", "19 message_size_limit 200001!" },
		{ "message_size_limit 1000", "" },
		{ "max_keepalive 3600", "19 max_keepalive 3600" },
		{ "max_queued_messages 10000", "19 max_queued_messages 10000" },
		{ "max_queued_messages 0", "19 max_queued_messages 0" },
		{ "max_queued_messages 32768", "" },
		{ "connection_messages true", "19 connection_messages true" },
		{ "log_type all", "19 log_type all" },
		{ "log_type debug", "19 log_type debug" },
		{ "log_type subscribe", "19 log_type subscribe" },
		{ "log_type notice", "" },
		{ "log_dest topic", "19 log_dest topic" },
		{ "log_dest file /var/log/m.log", "" },
		{ "protocol websockets", "19 protocol websockets" },
		{ "protocol http_api", "19 protocol http_api!" },
		{ "protocol mqtt", "" },
		{ "disable_client_cert_date_checks true", "19 disable_client_cert_date_checks true!" },
		{ "disable_client_cert_date_checks false", "" },
		{ "enable_proxy_protocol 2", "19 enable_proxy_protocol 2!" },
		{ "tls_version tlsv1.2", "" },
		{ "tls_version tlsv1.1", "19 tls_version tlsv1.1!" },
		{ "tls_version tlsv1", "19 tls_version tlsv1!" },
		{ "plugin /usr/lib/other.so", "19 plugin /usr/lib/other.so" },
		{ "max_connections 5000", "" },
		{ "plugin_opt_policy /etc/policy", "" },
		{ "allow_anonymous_not true", "" },
		{ "# allow_anonymous true", "" },
		{ "include_dir /nowhere", "" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char text[1024];

		snprintf(text, sizeof(text), BASE "%s\n", row[i].line);
		assert_faults(text, row[i].want);
		snprintf(text, sizeof(text), BASE "%s", row[i].line);   /* without an end of line */
		assert_faults(text, row[i].want);
	}
}

static void what_is_missing_is_a_fault(void **state)
{
	(void)state;
	assert_faults(OURS LISTEN,
		      "0 allow_zero_length_clientid?!; 0 check_retain_source?!; 0 max_packet_size?!; "
		      "0 message_size_limit?!; 0 max_keepalive?; 0 max_queued_messages?; 0 persistent_client_expiration?; "
		      "0 connection_messages?");
	assert_faults(REST LISTEN, "0 plugin?!");
	assert_faults(REST OURS, "0 listener?!");
	assert_true(scan("") >= 8);
}

static void a_listener_without_tls_stays_on_this_machine(void **state)
{
	static const struct { const char *listener, *want; } row[] = {
		{ "listener 1883", "13 listener 1883!" },
		{ "listener 1883 0.0.0.0", "13 listener 1883 0.0.0.0!" },
		{ "listener 1883 ::", "13 listener 1883 ::!" },
		{ "listener 1883 # 127.0.0.1", "13 listener 1883 # 127.0.0.1!" },
		{ "listener 1883 127.0.0.1.example.org", "13 listener 1883 127.0.0.1.example.org!" },
		{ "listener 1883 127.example", "13 listener 1883 127.example!" },
		{ "listener 1883 localhost.example", "13 listener 1883 localhost.example!" },
		{ "listener 1883 10.127.0.1", "13 listener 1883 10.127.0.1!" },
		{ "listener 1883\ncertfile c.pem", "13 listener 1883!" },
		{ "listener 1883\nkeyfile k.pem", "13 listener 1883!" },
		{ "listener 1883\n" TLS, "13 tls_version?" },
		{ "listener 1883 127.0.0.1", "" },
		{ "listener 1883 127.0.0.1 # here only", "" },
		{ "listener 1883 ::1", "" },
		{ "listener 1883 localhost", "" },
		{ "listener 1883\nbind_interface lo", "" },
		{ "listener 1883\nbind_interface eth0", "13 listener 1883!" },
		{ "listener 0 /run/mosquitto.sock", "" },
		{ "listener 8884\n" TLS "tls_version tlsv1.3\nlistener 1884", "17 listener 1884!" },
		{ "listener 8884\nlistener 8885\n" TLS "tls_version tlsv1.3", "13 listener 8884!" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char text[1024];

		snprintf(text, sizeof(text), REST OURS "%s\n", row[i].listener);
		assert_faults(text, row[i].want);
	}
}

/* It opens port 1883 to everybody and nothing in the file says so. */
static void an_option_before_the_first_listener_is_one_more_listener(void **state)
{
	(void)state;
	assert_faults("max_connections 100\n" BASE, "1 max_connections 100!");
	assert_faults("cafile ca.pem\nrequire_certificate true\n" BASE, "1 cafile ca.pem!");
	assert_faults("port 1883\nbind_address 127.0.0.1\n" BASE, "");
	assert_faults("port 8883\ntls_version tlsv1.3\n" TLS REST OURS, "");
	assert_faults("port 8883\n" REST OURS, "1 port 8883!");
	assert_faults("tls_version tlsv1.3\n" BASE, "");   /* alone it opens nothing */
}

static void the_first_plugin_must_be_ours(void **state)
{
	(void)state;
	assert_faults("plugin /a/mosquitto_dynamic_security.so\n" BASE, "1 plugin /a/mosquitto_dynamic_security.so!");
	assert_faults("auth_plugin /a/b.so\n" BASE, "1 auth_plugin /a/b.so!");
	assert_faults("global_plugin /a/b.so\n" BASE, "1 global_plugin /a/b.so!");
	assert_faults("plugin_load name /a/b.so\n" BASE, "1 plugin_load name /a/b.so!");
	assert_faults("plugin /mosquitto_pullcord.so/evil.so\n" BASE, "1 plugin /mosquitto_pullcord.so/evil.so!");
	assert_faults("plugin_load name mosquitto_pullcord.so\n" REST LISTEN, "1 plugin_load name mosquitto_pullcord.so!");
	assert_faults("global_plugin ./mosquitto_pullcord.so\n" REST LISTEN, "");
	assert_faults("auth_plugin mosquitto_pullcord.so\nplugin b.so\n" REST LISTEN, "2 plugin b.so");
}

/* The broker's lines end at a NUL. */
static void what_stands_behind_a_nul_does_not_count(void **state)
{
	static const char text[] = BASE "plugin /evil.so\0/mosquitto_pullcord.so\nallow_anonymous true\0 # no\n";
	size_t n = broker_conf_scan("m.conf", span(text, sizeof(text) - 1), fault, FAULTS_MAX);

	(void)state;
	assert_int_equal(n, 2);
	assert_string_equal(fault[0].value, "/evil.so");
	assert_string_equal(fault[1].option, "allow_anonymous");
}

static void more_faults_than_room_are_counted(void **state)
{
	struct broker_fault two[3];
	char text[4096] = "";

	(void)state;
	memset(&two[2], 0x5a, sizeof(two[2]));
	for (int i = 0; i < 70; i++)
		strcat(text, "listener 1\n");
	assert_int_equal(broker_conf_scan("m.conf", span_str(text), NULL, 0), 64 + 6 + 1 + 8);
	assert_int_equal(broker_conf_scan("m.conf", span_str(text), two, 2), 64 + 6 + 1 + 8);
	assert_int_equal(((uint8_t *)&two[2])[0], 0x5a);
}

static void a_fault_is_told_in_one_line(void **state)
{
	char text[BROKER_FAULT_TEXT];

	(void)state;
	assert_int_equal(scan(BASE "allow_anonymous true\x1b[2J\n"), 1);
	broker_fault_text(&fault[0], text);
	assert_string_equal(text, "m.conf:19: allow_anonymous true?[2J: it is neither true nor false; "
				  "right: true or false");
	assert_int_equal(scan(REST LISTEN), 1);
	broker_fault_text(&fault[0], text);
	assert_string_equal(text, "m.conf: plugin is missing: the broker would decide alone; right: "
				  "plugin /usr/lib/pullcord/mosquitto_pullcord.so");
}

/* Whatever the bytes: no crash, and every forbidden line among them is found. */
static void noise_hides_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) {
		static const char bad[] = "\nallow_anonymous true\n";
		char text[600];
		size_t n = seed_below(500), at = seed_below(n + 1);
		bool found = false;

		seed_bytes(text, n);
		memmove(text + at + sizeof(bad) - 1, text + at, n - at);
		memcpy(text + at, bad, sizeof(bad) - 1);
		n = broker_conf_scan("m.conf", span(text, n + sizeof(bad) - 1), fault, FAULTS_MAX);
		for (size_t k = 0; k < n && k < FAULTS_MAX; k++)
			found |= strcmp(fault[k].option, "allow_anonymous") == 0 && fault[k].fatal;
		assert_true(found);
	}
}

static const char *write_file(const char *name, const char *text)
{
	const char *path = scratch_path(&scratch, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static void included_files_are_read_where_they_stand(void **state)
{
	static const char *const files[] = { "A.conf", "b.conf", "c.conf", "notes.txt", ".conf" };
	char text[2048];
	size_t n;

	(void)state;
	write_file("b.conf", "allow_anonymous true\ninclude_dir x\n");
	write_file("A.conf", OURS);
	write_file("c.conf", "listener 1885\n");
	write_file("notes.txt", "allow_anonymous true\n");
	write_file(".conf", "allow_anonymous true\n");
	snprintf(text, sizeof(text), REST "include_dir %s\nplugin /late.so\n" LISTEN, scratch.dir);
	n = broker_conf_check(write_file("main", text), fault, FAULTS_MAX, NULL);
	assert_int_equal(n, 4);
	assert_non_null(strstr(fault[0].file, "/b.conf"));
	assert_int_equal(fault[0].line, 1);
	assert_true(fault[0].fatal);
	assert_string_equal(fault[1].option, "include_dir");
	assert_false(fault[1].fatal);
	assert_string_equal(fault[2].value, "/late.so");
	assert_int_equal(fault[2].line, 13);
	assert_false(fault[2].fatal);
	assert_non_null(strstr(fault[3].file, "/c.conf"));
	assert_true(fault[3].fatal);
	for (size_t i = 0; i < countof(files); i++)
		remove(scratch_path(&scratch, files[i]));
}

/* Fatal is what stands before ours. */
static void files_are_taken_in_the_brokers_order(void **state)
{
	static const struct { const char *ours, *other; bool other_first; } row[] = {
		{ "a.conf1.conf", "b.conf1.conf", false },
		{ "b1.conf", "a2.conf", true },
		{ "a1.conf", "B0.conf", false },   /* letters before case */
		{ "B1.conf", "a2.conf", true },
		{ "a0.conf", "A1.conf", true },    /* case before the next letters */
		{ "A1.conf", "a0.conf", false },
		{ "a1.conf", "a10.conf", false },
	};
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text), REST "include_dir %s\n" LISTEN, scratch.dir);
	for (size_t i = 0; i < countof(row); i++) {
		write_file(row[i].ours, OURS);
		write_file(row[i].other, "plugin /other.so\n");
		assert_int_equal(broker_conf_check(write_file("main", text), fault, FAULTS_MAX, NULL), 1);
		assert_int_equal(fault[0].fatal, row[i].other_first);
		remove(scratch_path(&scratch, row[i].ours));
		remove(scratch_path(&scratch, row[i].other));
	}
}

static void what_cannot_be_read_is_fatal(void **state)
{
	char text[1024], big[64];
	const char *path;
	FILE *f;

	(void)state;
	assert_int_equal(broker_conf_check("/nonexistent/m.conf", fault, FAULTS_MAX, NULL), 1);
	assert_true(fault[0].fatal);
	assert_string_equal(fault[0].file, "/nonexistent/m.conf");
	assert_non_null(strstr(fault[0].option, "No such file"));
	assert_int_equal(broker_conf_check(scratch.dir, fault, FAULTS_MAX, NULL), 1);
	assert_true(fault[0].fatal);
	snprintf(text, sizeof(text), BASE "include_dir /nonexistent\n");
	assert_int_equal(broker_conf_check(write_file("main", text), fault, FAULTS_MAX, NULL), 1);
	assert_true(fault[0].fatal);
	assert_int_equal(fault[0].line, 19);
	path = scratch_path(&scratch, "big");
	f = fopen(path, "w");
	assert_non_null(f);
	memset(big, '\n', sizeof(big));
	for (size_t n = 0; n <= BROKER_CONF_BYTES_MAX; n += sizeof(big))
		fwrite(big, 1, sizeof(big), f);
	fclose(f);
	assert_int_equal(broker_conf_check(path, fault, FAULTS_MAX, NULL), 1);
	assert_true(fault[0].fatal);
}

static void files_that_end_are_named_once(void **state)
{
	static struct broker_files files;
	char text[4096], longer[600];

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	write_file("x.conf", "listener 8885\n" TLS "cafile other.pem\ntls_version tlsv1.3\n");
	snprintf(text, sizeof(text), BASE "crlfile  /a b/c.crl \nlistener 8884\ncafile ca.pem\n" TLS "tls_version tlsv1.3\n"
		 "#crlfile no.crl\nbridge_cafile no.pem\ncrlfile\nlistener 8886\n" TLS "tls_version tlsv1.3\ncrlfile c.pem\n"
		 "cafile %s\ninclude_dir %s\n", longer, scratch.dir);
	assert_int_equal(broker_conf_check(write_file("main", text), fault, FAULTS_MAX, &files), 0);
	assert_int_equal(files.n, 5);
	assert_int_equal(files.file[0].kind, BROKER_CA);
	assert_string_equal(files.file[0].path, "ca.pem");
	assert_int_equal(files.file[1].kind, BROKER_CERTIFICATE);
	assert_string_equal(files.file[1].path, "c.pem");
	assert_int_equal(files.file[2].kind, BROKER_CRL);
	assert_string_equal(files.file[2].path, "/a b/c.crl");
	assert_int_equal(files.file[3].kind, BROKER_CRL);
	assert_string_equal(files.file[3].path, "c.pem");
	assert_string_equal(files.file[4].path, "other.pem");
	remove(scratch_path(&scratch, "x.conf"));
	assert_int_equal(broker_conf_check("/nonexistent/m.conf", fault, FAULTS_MAX, &files), 1);
	assert_int_equal(files.n, 0);
}

static void the_file_is_the_one_on_the_command_line(void **state)
{
	static const struct { struct span line; enum err err; const char *path; } row[] = {
		{ SPAN_LIT("mosquitto\0-c\0/etc/m.conf\0"), OK, "/etc/m.conf" },
		{ SPAN_LIT("mosquitto\0-v\0--config-file\0m.conf\0-d\0"), OK, "m.conf" },
		{ SPAN_LIT("mosquitto\0-c\0-c\0"), OK, "-c" },
		{ SPAN_LIT("mosquitto\0-p\0" "1883\0"), ERR_NOT_FOUND, "" },
		{ SPAN_LIT("mosquitto\0-c\0"), ERR_NOT_FOUND, "" },
		{ SPAN_LIT("mosquitto\0-c/etc/m.conf\0"), ERR_NOT_FOUND, "" },
		{ SPAN_LIT(""), ERR_NOT_FOUND, "" },
		{ SPAN_LIT("mosquitto\0-c\0a\0-c\0b\0"), ERR_EXISTS, "a" },
		{ SPAN_LIT("mosquitto\0-c\0/a/path/longer/than/sixteen\0"), ERR_TOO_LARGE, "" },
	};
	char path[16];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(broker_conf_path_in(row[i].line, path, sizeof(path)), row[i].err);
		assert_string_equal(path, row[i].path);
	}
	assert_int_equal(broker_conf_path(path, sizeof(path)), ERR_NOT_FOUND);   /* this program was given none */
}

static int set_up(void **state)
{
	(void)state;
	scratch_make(&scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_baseline_has_no_fault),
		cmocka_unit_test(each_forbidden_option_is_a_fault),
		cmocka_unit_test(what_is_missing_is_a_fault),
		cmocka_unit_test(a_listener_without_tls_stays_on_this_machine),
		cmocka_unit_test(an_option_before_the_first_listener_is_one_more_listener),
		cmocka_unit_test(the_first_plugin_must_be_ours),
		cmocka_unit_test(what_stands_behind_a_nul_does_not_count),
		cmocka_unit_test(more_faults_than_room_are_counted),
		cmocka_unit_test(a_fault_is_told_in_one_line),
		cmocka_unit_test(noise_hides_nothing),
		cmocka_unit_test(included_files_are_read_where_they_stand),
		cmocka_unit_test(files_are_taken_in_the_brokers_order),
		cmocka_unit_test(what_cannot_be_read_is_fatal),
		cmocka_unit_test(files_that_end_are_named_once),
		cmocka_unit_test(the_file_is_the_one_on_the_command_line),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
