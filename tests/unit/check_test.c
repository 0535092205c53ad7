#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "check.h"
#include "complain.h"
#include "crypt.h"
#include "filters.h"
#include "scratch.h"

static struct scratch scratch;
static struct conf conf;
static struct check check = { "gateway.ini", &conf, "icu3-nc1", "mercy" };
static char *said;

/* What it complains of meanwhile goes to `said`. */
static bool looks(bool (*look)(const struct check *c))
{
	FILE *was = stderr;
	size_t n;
	bool good;

	free(said);
	stderr = open_memstream(&said, &n);
	good = look(&check);
	fclose(stderr);
	stderr = was;
	return good;
}

#define PLACE(field, name) snprintf(field, sizeof(field), "%s", scratch_path(&scratch, name))

/* Nothing wrong but the certificate, which is not there. */
static int set_up(void **state)
{
	(void)state;
	scratch_make(&scratch);
	conf_init(&conf);
	conf.inputs = 1;
	conf.input[0] = (struct conf_input){ .name = "beds", .line = 7, .kind = INPUT_LOCAL };
	PLACE(conf.input[0].address, "beds.sock");
	PLACE(conf.uplink_certfile, "device.crt");
	PLACE(conf.uplink_cafile, "ca.crt");
	return crypt_init() == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(said);
	said = NULL;
	scratch_remove(&scratch);
	return 0;
}

static void what_is_in_order_is_not_complained_of(void **state)
{
	(void)state;
	assert_false(looks(check_all));
	assert_non_null(strstr(said, "gateway.ini: [uplink] cafile: cannot use"));
	assert_null(strchr(strchr(said, '\n') + 1, '\n'));      /* and of nothing else */
}

static void all_that_is_wrong_is_named_at_once(void **state)
{
	static const char *const wrong[] = {
		"gateway.ini: [uplink] cafile: cannot use", "gateway.ini: [witness] vkey: cannot use",
		"gateway.ini: [orders] officers: cannot use",
		"gateway.ini: [renew] cmp: an address such as", "gateway.ini: [renew] cafile: cannot read",
		"gateway.ini, line 7: [input beds] cannot use", "the folder of the socket must be made first",
		"address must be a file that was recorded", "gateway.ini: [units]: at most",
		"gateway.ini: [health] metrics: cannot use", "gateway.ini: [witness] folder: cannot use",
	};

	(void)state;
	PLACE(conf.input[0].address, "none/beds.sock");
	conf.input[conf.inputs++] = (struct conf_input){ .name = "old", .line = 9, .kind = INPUT_REPLAY };
	PLACE(conf.input[1].address, "none.hl7");
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
	assert_false(looks(check_all));
	for (size_t i = 0; i < countof(wrong); i++)
		if (!strstr(said, wrong[i]))
			fail_msg("\"%s\" is not in:\n%s", wrong[i], said);
}

static bool complain_of_outbox(const struct check *c)
{
	complain_of(ABOUT_OUTBOX, ERR_BUSY, "cannot open %s", c->device);
	complain_of(ABOUT_OUTBOX, ERR_IO, "cannot open %s", c->device);
	return false;
}

static void a_complaint_says_what_to_do_where_that_is_known(void **state)
{
	char want[256];

	(void)state;
	looks(complain_of_outbox);
	snprintf(want, sizeof(want), "pullcord-gateway: cannot open icu3-nc1: %s; is another gateway running?\n"
		 "pullcord-gateway: cannot open icu3-nc1: %s\n", err_text(ERR_BUSY), err_text(ERR_IO));
	assert_string_equal(said, want);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_in_order_is_not_complained_of),
		TEST(all_that_is_wrong_is_named_at_once),
		TEST(a_complaint_says_what_to_do_where_that_is_known),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
