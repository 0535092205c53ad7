/* login: what is said when nobody can log in, by what went wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "login.h"
#include "said.h"

static struct login at;
static enum err fails;
static const char *host;

static int give_up(int argc, char **argv)
{
	const struct client_spec spec = { .host = host, .port = 1, .id = "ana.test", .cafile = "/nowhere/ca.crt" };
	CLEANUP(client_close) struct client *c = NULL;
	int code;

	(void)argc, (void)argv;
	at.host = host;
	must(client_open(&spec, &c) == OK);
	if (fails == ERR_NOT_FOUND)
		must(client_connect(c, true, 100) != OK);
	code = login_failed(&at, fails, c);
	return code;
}

static void says(enum err e, const char *where, long port, const char *dir, const char *what)
{
	at = (struct login){ .user = "ana", .port = port, .cafile = "/nowhere/ca.crt", .install = { .device_port = 8883, .app_port = 8884 } };
	snprintf(at.install.dir, sizeof(at.install.dir), "%s", dir);
	fails = e;
	host = where;
	assert_says(give_up, CMD_NO, what, "fail");
}

static void each_failure_has_its_next_step(void **state)
{
	(void)state;
	says(ERR_KEY, "localhost", 8884, "/house", "is /nowhere/ca.crt the CA of that broker");
	says(ERR_KEY, "localhost", 8883, "/house", "port 8883 is for devices; people use 8884");
	says(ERR_NOT_FOUND, "localhost", 8883, "/house", "port 8883 is for devices");
	says(ERR_NOT_FOUND, "localhost", 8884, "/house", "mosquitto -c /house/mosquitto.conf");
	says(ERR_NOT_FOUND, "localhost", 8884, "", "is a broker running there");
	says(ERR_NOT_FOUND, "127.0.0.1", 8884, "/house", "is a broker running there, and does it listen to people on port 8884?");
	says(ERR_IO, "localhost", 8884, "/house", "--cafile names the CA");
	says(ERR_DENIED, "localhost", 8883, "/house", "wrong user or password");
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(each_failure_has_its_next_step) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
