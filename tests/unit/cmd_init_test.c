/* cmd_init: what cannot become an installation is refused before anything of it is made. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypt.h"
#include "said.h"
#include "scratch.h"

#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"    /* 65 */

static struct scratch scratch;
static char house[512];

static int make(void **state)
{
	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	snprintf(house, sizeof(house), "%s", scratch_path(&scratch, "my house"));
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

static void refused(int code, const char *option, const char *value, const char *why)
{
	assert_says(cmd_init, code, why, "init", house, "--tenant", "mercy", "--broker-user", "root", option, value);
	assert_int_not_equal(access(house, F_OK), 0);
}

static void nothing_is_begun_that_could_not_end(void **state)
{
	(void)state;
	refused(CMD_USAGE, "--host", "bad host!", "--host is a name or an address");
	refused(CMD_USAGE, "--host", "", "--host is a name or an address");
	refused(CMD_USAGE, "--host", LETTERS, "at most 64 letters");
	refused(CMD_USAGE, "--broker-user", "nobody-here", "there is no user nobody-here");
	refused(CMD_NO, "--plugin", "/nowhere/x.so", "cannot read the plugin /nowhere/x.so: No such file");
	refused(CMD_USAGE, "--tenant", "me rcy", "--tenant is one word");
}

static void what_is_made_is_in_its_columns_and_may_be_pasted(void **state)
{
	char policy[600], quoted[600];

	(void)state;
	snprintf(policy, sizeof(policy), "%s/pullcord.policy", house);
	snprintf(quoted, sizeof(quoted), "export PULLCORD_DIR='%s'", house);
	assert_says(cmd_init, CMD_DONE, quoted, "init", house, "--tenant", "sankt-anna", "--broker-user", "root");
	assert_says(cmd_init, CMD_NO, "is not empty", "init", house, "--tenant", "sankt-anna", "--broker-user", "root", "--json");
	assert_says(cmd_policy, CMD_DONE, "is in its columns", "policy", "fmt", "--check", policy);
	assert_says(cmd_policy, CMD_DONE, "0 warnings", "policy", "check", policy);
}

/* One object, and nothing beside it. */
static void a_script_is_told_where_it_lies(void **state)
{
	const char *const argv[] = { "init", scratch_path(&scratch, "scripted"), "--tenant", "mercy", "--broker-user", "root",
				     "--port", "18883", "--json", NULL };
	char *text = said(cmd_init, CMD_DONE, argv), dir[600], conf[700], want[700];

	(void)state;
	assert_int_equal(report_read(span(text, strcspn(text, "\n")), "dir", dir, sizeof(dir)), OK);
	assert_int_equal(report_read(span(text, strcspn(text, "\n")), "conf", conf, sizeof(conf)), OK);
	snprintf(want, sizeof(want), "%s/mosquitto.conf", dir);
	assert_string_equal(conf, want);
	assert_int_equal(access(conf, F_OK), 0);
	assert_non_null(strstr(text, "\"port\":18883"));
	assert_string_equal(text + strcspn(text, "\n"), "\n");
	free(text);
}

static const char *in_house(const char *name)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s/%s", scratch_path(&scratch, "given"), name);
	return path;
}

static bool may(const char *name, int flags)
{
	int fd = open(in_house(name), flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool may_remove(const char *name)
{
	char away[700];

	snprintf(away, sizeof(away), "%s.away", in_house(name));
	return rename(in_house(name), away) == 0;
}

static bool odd(bool is, const char *name)
{
	if (is)
		print_error("%s: %s\n", name, strerror(errno));
	return is;
}

/* As the broker's user, when it was taken over: what can it do to the installation? True: what it should not, or not what it
 * must. */
static bool tries(uid_t uid, gid_t gid)
{
	static const char *const roots[] = { "mosquitto.conf", "ca.crt", "server.crt", "ca.crl", "keys/ca.key", "keys/server.key" };
	static const char *const read[] = { "mosquitto.conf", "ca.crt", "server.crt", "ca.crl", "keys/server.key", "keys/root.key" };
	static const char *const own[] = { "directory.mdb", "keys/record.seed", "pullcord.policy" };
	bool another = getuid() == 0, wrong = false;

	if (another)
		must(setegid(gid) == 0 && seteuid(uid) == 0);
	for (size_t i = 0; i < countof(read); i++)
		wrong |= odd(!may(read[i], O_RDONLY), read[i]);
	for (size_t i = 0; i < countof(own); i++)
		wrong |= odd(!may(own[i], O_RDWR), own[i]);
	wrong |= odd(!may("directory.new", O_CREAT | O_RDWR) || !may("keys/record.new", O_CREAT | O_RDWR), "new files");
	for (size_t i = 0; i < countof(roots) && another; i++)
		wrong |= odd(may(roots[i], O_WRONLY) || may_remove(roots[i]), roots[i]);
	return wrong || (another && odd(may("keys/ca.key", O_RDONLY) || may_remove("keys"), "keys"));
}

/* Made by anybody else for themselves, all of it is theirs. */
static void what_the_broker_need_not_write_stays_roots(void **state)
{
	const struct passwd *user = getuid() == 0 ? getpwnam("nobody") : getpwuid(getuid());
	const uid_t uid = user ? user->pw_uid : 0;
	const gid_t gid = user ? user->pw_gid : 0;
	char name[64];
	int status;
	pid_t pid;

	(void)state;
	must(user && span_text(span_str(user->pw_name), name, sizeof(name)) && chmod(scratch.dir, 0711) == 0);
	assert_says(cmd_init, CMD_DONE, "mosquitto.conf", "init", scratch_path(&scratch, "given"), "--tenant", "mercy", "--broker-user",
		    name);
	pid = fork();
	if (pid == 0)
		_exit(tries(uid, gid));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_begun_that_could_not_end),
		cmocka_unit_test(what_is_made_is_in_its_columns_and_may_be_pasted),
		cmocka_unit_test(a_script_is_told_where_it_lies),
		cmocka_unit_test(what_the_broker_need_not_write_stays_roots),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}
