/* check: all that is wrong is named, and what would be right. By the program: tests/scene/d087-*.scene. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "complain.h"
#include "crypt.h"
#include "filters.h"
#include "scratch.h"

#define NOBODY 65534

static struct scratch scratch;
static struct conf conf;
static struct cert cert;
static char said[8192];

static int make(void **state)
{
	static const char input[] = "[input a]\nkind = mllp\n";
	struct conf_fault fault;
	char command[512];

	(void)state;
	scratch_make(&scratch);
	assert_int_equal(chmod(scratch.dir, 0755), 0);
	assert_int_equal(conf_parse(span_str(input), &conf, &fault), OK);
	strcpy(conf.uplink_certfile, scratch_path(&scratch, "device.crt"));
	strcpy(conf.uplink_keyfile, scratch_path(&scratch, "device.key"));
	strcpy(conf.uplink_cafile, scratch_path(&scratch, "device.crt"));
	strcpy(conf.gateway_outbox, scratch_path(&scratch, "outbox.mdb"));
	strcpy(conf.gateway_root_key, scratch_path(&scratch, "outbox.key"));
	strcpy(conf.health_status, scratch_path(&scratch, "status"));
	snprintf(command, sizeof(command), "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=nc1 "
		 "-addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth -keyout %s -out %s 2>/dev/null",
		 conf.uplink_keyfile, conf.uplink_certfile);
	assert_int_equal(system(command), 0);
	assert_int_equal(cert_read(conf.uplink_certfile, &cert), OK);
	return crypt_init() == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	scratch_remove(&scratch);
	return 0;
}

/* By another user, who access(2) goes by; what it complains of goes into `said`. */
static bool looks_as(uid_t uid, bool (*look)(const struct check *c), int64_t now_s)
{
	const char *path = scratch_path(&scratch, "said");
	int status, fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;
	pid_t pid;

	assert_true(fd >= 0);
	pid = fork();
	if (pid == 0) {
		bool ours = uid == getuid() || setuid(uid) == 0;

		_exit(!ours || dup2(fd, STDERR_FILENO) < 0 ? 9
		      : look(&(struct check){ "gateway.ini", &conf, &cert, "nc1", "mercy", now_s }) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
	n = pread(fd, said, sizeof(said) - 1, 0);
	close(fd);
	said[n > 0 ? n : 0] = '\0';
	return WEXITSTATUS(status) == 0;
}

static bool checked_at(int64_t now_s) { return looks_as(getuid(), check_all, now_s); }
static bool checked_by(uid_t uid) { return looks_as(uid, check_all, cert.not_before_s + 60); }
static bool checked(void) { return checked_by(getuid()); }
static bool is_said(const char *text) { return strstr(said, text) != NULL; }

#define PLACE(field, name) snprintf(field, sizeof(field), "%s", scratch_path(&scratch, name))

static void all_that_is_wrong_is_named_at_once(void **state)
{
	static const char *const wrong[] = {
		"gateway.ini: [uplink] certfile: cannot use", "is not valid before", "gateway.ini: [uplink] cafile: cannot use",
		"gateway.ini: [witness] vkey: cannot use", "gateway.ini: [orders] officers: cannot use",
		"gateway.ini: [renew] cmp: an address such as", "gateway.ini: [renew] cafile: cannot read",
		"gateway.ini, line 7: [input beds] cannot use", "the folder of the socket must be made first",
		"address must be a file that was recorded", "gateway.ini: [units]: at most",
		"gateway.ini: [health] metrics: cannot use", "gateway.ini: [witness] folder: cannot use",
	};

	(void)state;
	conf.input[0] = (struct conf_input){ .name = "beds", .line = 7, .kind = INPUT_LOCAL };
	PLACE(conf.input[0].address, "none/beds.sock");
	conf.input[conf.inputs++] = (struct conf_input){ .name = "old", .line = 9, .kind = INPUT_REPLAY };
	PLACE(conf.input[1].address, "none.hl7");
	PLACE(conf.uplink_certfile, "none.crt");
	PLACE(conf.uplink_cafile, "none.crt");
	PLACE(conf.witness_vkey, "none.vkey");
	PLACE(conf.witness_folder, "none/witness");
	PLACE(conf.orders_officers, "none");
	PLACE(conf.health_metrics, "none/gateway.prom");
	PLACE(conf.renew_cafile, "none.crt");
	snprintf(conf.renew_cmp, sizeof(conf.renew_cmp), "ftp://ca.example/cmp");
	for (; conf.units < FILTERS_TAKEN + 1; conf.units++) {
		snprintf(conf.unit[conf.units].place, CONF_WORD, "bed%u", conf.units);
		snprintf(conf.unit[conf.units].unit, CONF_WORD, "unit%u", conf.units);
	}
	assert_false(checked_at(0));
	for (size_t i = 0; i < countof(wrong); i++)
		if (!is_said(wrong[i]))
			fail_msg("\"%s\" is not in:\n%s", wrong[i], said);
}

static bool complain_of_outbox(const struct check *c)
{
	complain_of(ABOUT_OUTBOX, ERR_BUSY, "cannot open %s", c->device);
	complain_of(ABOUT_OUTBOX, ERR_CRYPTO, "cannot open %s", c->device);
	return false;
}

static void a_complaint_says_what_to_do_where_that_is_known(void **state)
{
	char want[256];

	(void)state;
	assert_false(looks_as(getuid(), complain_of_outbox, 0));
	snprintf(want, sizeof(want), "pullcord-gateway: cannot open nc1: %s; is another gateway running?\n"
		 "pullcord-gateway: cannot open nc1: %s\n", err_text(ERR_BUSY), err_text(ERR_CRYPTO));
	assert_string_equal(said, want);
}

static void a_certificate_has_its_time(void **state)
{
	(void)state;
	assert_true(checked());
	assert_string_equal(said, "");
	assert_true(checked_at(cert.not_before_s));
	assert_false(checked_at(cert.not_before_s - 1));
	assert_true(is_said("is not valid before 2") && is_said("is the clock right?"));
	assert_true(checked_at(cert.not_after_s - 1));
	assert_false(checked_at(cert.not_after_s));
	assert_true(is_said("device.crt ended on 2") && is_said("pullcord device renew"));
}

static void a_root_key_that_opens_nothing_is_told(void **state)
{
	FILE *f = fopen(conf.gateway_root_key, "w");

	(void)state;
	assert_true(f && fputs("garbage\n", f) >= 0 && fclose(f) == 0);
	assert_int_equal(chmod(conf.gateway_root_key, 0600), 0);
	assert_false(checked());
	assert_true(is_said("[gateway] root_key: cannot use ") && is_said("64 hex digits"));
	assert_int_equal(rename(conf.gateway_root_key, conf.gateway_outbox), 0);
	assert_false(checked());
	assert_true(is_said("bring it back, or move the outbox away"));
}

/* Where there is none, nobody but the service can look at it. */
static void a_credential_is_looked_at_where_systemd_brought_it(void **state)
{
	(void)state;
	strcpy(conf.gateway_root_key, "credential:outbox.key");
	assert_int_equal(link(conf.uplink_keyfile, conf.gateway_outbox), 0);
	assert_true(checked());
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", scratch.dir, 1), 0);
	assert_false(checked());
	assert_true(is_said("[gateway] root_key: cannot use credential:outbox.key"));
}

/* Or nobody could look at it before the first start. */
static void what_systemd_makes_need_not_be_there(void **state)
{
	(void)state;
	conf.input[0] = (struct conf_input){ .name = "beds", .line = 7, .kind = INPUT_LOCAL, .address = "/run/pullcord/beds.sock" };
	assert_true(checked());
	strcpy(conf.input[0].address, "/run/pullcord/ward/beds.sock");
	assert_false(checked());
	strcpy(conf.input[0].address, "/run/pullcords/beds.sock");
	assert_false(checked());
}

static void what_it_writes_must_be_its_own_to_write(void **state)
{
	(void)state;
	strcpy(conf.health_metrics, "/nowhere/pullcord_gateway.prom");
	assert_false(checked());
	assert_true(is_said("[health] metrics: cannot use /nowhere/pullcord_gateway.prom: No such file or directory: its folder must be "
			    "made first"));
	strcpy(conf.health_metrics, scratch_path(&scratch, "pullcord_gateway.txt"));
	assert_true(checked());
	assert_true(is_said("reads only what ends in .prom"));
	if (getuid() != 0)
		return;                 /* nobody else to be */
	assert_int_equal(chown(conf.uplink_keyfile, NOBODY, NOBODY), 0);
	assert_false(checked_by(NOBODY));
	assert_true(is_said("[gateway] outbox: cannot use ") && is_said("Permission denied: its folder must be ours to write"));
	assert_true(is_said("[gateway] root_key: cannot use "));
	assert_int_equal(chown(scratch.dir, NOBODY, NOBODY), 0);
	assert_true(checked_by(NOBODY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_that_is_wrong_is_named_at_once, make, drop),
		cmocka_unit_test_setup_teardown(a_complaint_says_what_to_do_where_that_is_known, make, drop),
		cmocka_unit_test_setup_teardown(a_certificate_has_its_time, make, drop),
		cmocka_unit_test_setup_teardown(a_root_key_that_opens_nothing_is_told, make, drop),
		cmocka_unit_test_setup_teardown(a_credential_is_looked_at_where_systemd_brought_it, make, drop),
		cmocka_unit_test_setup_teardown(what_systemd_makes_need_not_be_there, make, drop),
		cmocka_unit_test_setup_teardown(what_it_writes_must_be_its_own_to_write, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
