/* install: the folder of an installation, and the baseline it is made from. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "baseline.h"
#include "broker_conf.h"
#include "crypt.h"
#include "in_scratch.h"
#include "install.h"
#include "policy.h"
#include "report.h"

static const struct baseline sample = {
	.dir = "/srv/house", .tenant = "st.mary-1", .user = "broker", .plugin = "/opt/mosquitto_pullcord.so",
	.device_port = 18883, .app_port = 18884, .record_mib = 8,
};

static void the_settings_say_tenant_and_ports(void **state)
{
	struct install in = { .dir = "kept" };

	(void)state;
	assert_int_equal(install_read_conf(SPAN_LIT("# plugin_opt_tenant no\n  listener 1883 127.0.0.1\r\n"
						    "plugin_opt_tenant  mercy \r\n\nlistener 8884\nlistener 9\n"), &in),
			 OK);
	assert_string_equal(in.tenant, "mercy");
	assert_string_equal(in.dir, "kept");
	assert_int_equal(in.device_port, 1883);
	assert_int_equal(in.app_port, 8884);
}

/* What the broker refuses to start with is none. */
static void the_settings_say_how_many_witnesses_are_asked_for(void **state)
{
	static const struct { const char *line; unsigned quorum; } row[] = {
		{ "", 0 }, { "plugin_opt_record_quorum 3\r\n", 3 }, { "# plugin_opt_record_quorum 3\n", 0 },
		{ "plugin_opt_record_quorum 65\n", 0 }, { "plugin_opt_record_quorum two\n", 0 }, { "plugin_opt_record_quorum\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct install in = { .quorum = 9 };
		char text[128];

		snprintf(text, sizeof(text), "plugin_opt_tenant mercy\n%s", row[i].line);
		assert_int_equal(install_read_conf(span_str(text), &in), OK);
		assert_int_equal(in.quorum, row[i].quorum);
	}
}

static void settings_without_a_tenant_are_none_of_ours(void **state)
{
	struct install in = { 0 };

	(void)state;
	assert_int_equal(install_read_conf(SPAN_LIT(""), &in), ERR_NOT_FOUND);
	assert_int_equal(install_read_conf(SPAN_LIT("listener 8883\n"), &in), ERR_NOT_FOUND);
	assert_int_equal(install_read_conf(SPAN_LIT("plugin_opt_tenant a/b\n"), &in), ERR_SYNTAX);
	assert_int_equal(install_read_conf(SPAN_LIT("plugin_opt_tenant"), &in), ERR_SYNTAX);
	assert_int_equal(in.device_port, 0);
}

static void the_written_settings_are_read_back(void **state)
{
	char text[BASELINE_BYTES_MAX];
	struct put out = put(text, sizeof(text));
	struct install in = { 0 };

	(void)state;
	assert_int_equal(baseline_write_conf(&sample, &out), OK);
	assert_int_equal(install_read_conf(put_span(&out), &in), OK);
	assert_string_equal(in.tenant, "st.mary-1");
	assert_int_equal(in.device_port, 18883);
	assert_int_equal(in.app_port, 18884);
}

static void nothing_of_the_sample_is_left_in_the_settings(void **state)
{
	static const char *const gone[] = {
		"/etc/pullcord", "mercy", "listener 8883", "user mosquitto", "/usr/local", "record_mib 1024",
	};
	static const char *const there[] = {
		"user broker\n", "plugin /opt/mosquitto_pullcord.so\n", "plugin_opt_dir /srv/house\n",
		"plugin_opt_tenant st.mary-1\n", "plugin_opt_record_mib 8\n", "listener 18883\n", "listener 18884\n",
		"cafile /srv/house/ca.crt\n",
		"keyfile /srv/house/keys/server.key\n", "persistence_location /srv/house/\n",
	};
	char text[BASELINE_BYTES_MAX];
	struct put out = put(text, sizeof(text) - 1);

	(void)state;
	assert_int_equal(baseline_write_conf(&sample, &out), OK);
	text[out.n] = '\0';
	for (size_t i = 0; i < countof(there); i++)
		assert_non_null(strstr(text, there[i]));
	for (size_t i = 0; i < countof(gone); i++)
		assert_null(strstr(text, gone[i]));
}

static void the_plugin_finds_no_fault_with_the_baseline(void **state)
{
	char text[BASELINE_BYTES_MAX], why[BROKER_FAULT_TEXT];
	struct put out = put(text, sizeof(text));
	struct broker_fault fault[4];
	size_t n;

	(void)state;
	assert_int_equal(baseline_write_conf(&sample, &out), OK);
	n = broker_conf_scan("mosquitto.conf", put_span(&out), fault, countof(fault));
	if (n)
		broker_fault_text(&fault[0], why);
	if (n)
		fail_msg("%s", why);
	assert_int_equal(broker_conf_scan("mosquitto.conf", baseline_conf(), fault, countof(fault)), 0);
}

static void the_policy_speaks_of_the_tenant(void **state)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct policy_error where = { 0 };
	char text[BASELINE_BYTES_MAX];
	struct put out = put(text, sizeof(text));

	(void)state;
	assert_int_equal(baseline_write_policy(&sample, &out), OK);
	assert_int_equal(policy_load(put_span(&out), &p, &where), OK);
	assert_true(span_is(policy_tenant(p), "st.mary-1"));
	assert_true(policy_has_role(p, SPAN_LIT("nurse")));
}

/* A value that itself holds the sample's is not fitted once more. */
static void what_was_fitted_is_not_fitted_again(void **state)
{
	char text[BASELINE_BYTES_MAX];
	struct put out = put(text, sizeof(text) - 1);
	struct baseline b = sample;

	(void)state;
	b.dir = "/etc/pullcord-2";
	b.tenant = "mercy2";
	assert_int_equal(baseline_write_conf(&b, &out), OK);
	text[out.n] = '\0';
	assert_non_null(strstr(text, "cafile /etc/pullcord-2/ca.crt\n"));
	assert_non_null(strstr(text, "plugin_opt_tenant mercy2\n"));
	assert_null(strstr(text, "-2-2"));
}

static void a_value_that_would_break_its_line_is_refused(void **state)
{
	static const char *const bad[] = { "", "/a\nallow_anonymous true", "/a ", " /a", "/a\x7f" };
	char text[BASELINE_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		struct baseline b = sample;
		struct put out = put(text, sizeof(text));

		b.dir = bad[i];
		assert_int_equal(baseline_write_conf(&b, &out), ERR_SYNTAX);
		b = sample;
		b.plugin = bad[i];
		assert_int_equal(baseline_write_conf(&b, &out), ERR_SYNTAX);
	}
}

static void the_configs_folder_holds_the_same_baseline(void **state)
{
	CLEANUP(free_cleanup) char *text = NULL;
	size_t n;

	(void)state;
	if (install_read("configs/mosquitto.conf", BASELINE_BYTES_MAX, &text, &n) != OK)
		skip();
	assert_true(span_eq(span(text, n), baseline_conf()));
}

static void a_file_is_written_once_with_its_mode(void **state)
{
	const char *path = scratch_path(&scratch, "f");
	CLEANUP(free_cleanup) char *text = NULL;
	struct stat st;
	mode_t was = umask(077);
	size_t n;

	(void)state;
	assert_int_equal(install_write(path, SPAN_LIT("hello"), 0644), OK);
	umask(was);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(install_write(path, SPAN_LIT("x"), 0644), ERR_EXISTS);
	assert_int_equal(install_read(path, 5, &text, &n), OK);
	assert_string_equal(text, "hello");
	assert_int_equal(n, 5);
}

static void what_cannot_be_read_says_which_way(void **state)
{
	const char *path = scratch_path(&scratch, "big");
	char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(install_write(path, SPAN_LIT("123456"), 0644), OK);
	assert_int_equal(install_read(path, 5, &text, &n), ERR_TOO_LARGE);
	assert_int_equal(install_read(scratch_path(&scratch, "none"), 5, &text, &n), ERR_NOT_FOUND);
	assert_int_equal(install_read(scratch.dir, 5, &text, &n), ERR_KIND);
	assert_int_equal(install_write(scratch_path(&scratch, "no/where"), SPAN_LIT("x"), 0644), ERR_NOT_FOUND);
	assert_null(text);
}

static void a_folder_that_is_none_names_the_remedy(void **state)
{
	char *said = NULL, dir[INSTALL_PATH_MAX + 1];
	struct install in;
	size_t n;
	FILE *err = open_memstream(&said, &n);

	(void)state;
	report_to(NULL, err);
	assert_int_equal(install_open(scratch.dir, &in), ERR_NOT_FOUND);
	memset(dir, 'x', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = '\0';
	assert_int_equal(install_open(dir, &in), ERR_TOO_LARGE);
	report_to(NULL, NULL);
	fclose(err);
	assert_non_null(strstr(said, "pullcord init"));
	free(said);
}

static void a_key_or_a_directory_that_is_gone_or_damaged_says_what_to_put_back(void **state)
{
	char *said = NULL, line[65];
	struct install in = { .uid = getuid(), .gid = getgid() };
	struct directory *d = NULL;
	size_t n;
	FILE *err = open_memstream(&said, &n);

	(void)state;
	strcpy(in.dir, scratch.dir);
	must(mkdir(scratch_path(&scratch, "keys"), 0700) == 0);
	report_to(NULL, err);
	assert_int_equal(install_directory(&in, true, &d), ERR_NOT_FOUND);
	must(fflush(err) == 0);
	assert_non_null(strstr(said, "64 hex digits"));
	memset(line, 'a', 64);
	line[64] = '\n';
	assert_int_equal(install_write(scratch_path(&scratch, "keys/root.key"), span(line, 65), 0600), OK);
	assert_int_equal(install_directory(&in, true, &d), ERR_NOT_FOUND);
	must(fflush(err) == 0);
	assert_non_null(strstr(said, "put it back from a backup"));
	report_to(NULL, NULL);
	fclose(err);
	free(said);
}

static void a_folder_closed_to_the_owner_is_named(void **state)
{
	struct install in = { .uid = 65534, .gid = 65534 };
	struct install_path folder;

	(void)state;
	if (getuid() != 0)
		skip();
	must(snprintf(in.dir, sizeof(in.dir), "%s/open/house", scratch.dir) > 0);
	must(mkdir(scratch_path(&scratch, "open"), 0700) == 0);
	assert_true(install_closed(&in, &folder));      /* the scratch folder itself is ours alone */
	assert_string_equal(folder.text, scratch.dir);
	must(chmod(scratch.dir, 0711) == 0);
	assert_true(install_closed(&in, &folder));
	assert_string_equal(folder.text, scratch_path(&scratch, "open"));
	must(chmod(scratch_path(&scratch, "open"), 0711) == 0);
	assert_false(install_closed(&in, &folder));
	assert_int_equal(geteuid(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_settings_say_tenant_and_ports),
		cmocka_unit_test(settings_without_a_tenant_are_none_of_ours),
		cmocka_unit_test(the_settings_say_how_many_witnesses_are_asked_for),
		cmocka_unit_test(the_written_settings_are_read_back),
		cmocka_unit_test(nothing_of_the_sample_is_left_in_the_settings),
		cmocka_unit_test(the_plugin_finds_no_fault_with_the_baseline),
		cmocka_unit_test(the_policy_speaks_of_the_tenant),
		cmocka_unit_test(what_was_fitted_is_not_fitted_again),
		cmocka_unit_test(a_value_that_would_break_its_line_is_refused),
		cmocka_unit_test(the_configs_folder_holds_the_same_baseline),
		cmocka_unit_test(a_file_is_written_once_with_its_mode),
		cmocka_unit_test(what_cannot_be_read_says_which_way),
		cmocka_unit_test(a_folder_that_is_none_names_the_remedy),
		cmocka_unit_test(a_key_or_a_directory_that_is_gone_or_damaged_says_what_to_put_back),
		cmocka_unit_test(a_folder_closed_to_the_owner_is_named),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}
