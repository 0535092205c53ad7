#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "network.h"

static void an_address_lies_in_a_network_or_not(void **state)
{
	static const struct { const char *network, *address; bool holds; } row[] = {
		{ "10.0.0.0/8", "10.255.1.2", true }, { "10.0.0.0/8", "11.0.0.0", false },
		{ "10.20.0.0/16", "10.20.255.255", true }, { "10.20.0.0/16", "10.21.0.0", false },
		{ "10.20.128.0/17", "10.20.128.1", true }, { "10.20.128.0/17", "10.20.127.255", false },
		{ "192.168.1.4/30", "192.168.1.7", true }, { "192.168.1.4/30", "192.168.1.8", false },
		{ "192.168.1.4", "192.168.1.4", true }, { "192.168.1.4", "192.168.1.5", false },
		{ "0.0.0.0/0", "8.8.8.8", true }, { "0.0.0.0/0", "::1", false }, { "::/0", "::1", true },
		{ "::/0", "8.8.8.8", false }, { "::/0", "::ffff:8.8.8.8", false }, { "10.0.0.0/8", "::ffff:10.1.2.3", true },
		{ "::ffff:10.0.0.1", "10.0.0.1", true }, { "2001:db8::/32", "2001:db8:1::9", true },
		{ "2001:db8::/32", "2001:db9::", false }, { "fe80::/10", "fe80::1%eth0", true }, { "fe80::/10", "fec0::1", false },
		{ "::1", "0:0:0:0:0:0:0:1", true }, { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", true },
		{ "64:ff9b::/96", "64:ff9b::10.0.0.1", true }, { "1::", "1:0:0:0:0:0:0:0", true }, { "10.0.0.0/8", "", false },
		{ "10.0.0.0/8", "10.0.0", false }, { "10.0.0.0/8", "010.0.0.1", false }, { "10.0.0.0/8", "10.0.0.1.2", false },
		{ "10.0.0.0/8", "10.0.0.256", false }, { "10.0.0.0/8", "10.0.0.1 ", false }, { "::/0", "1:2:3:4:5:6:7", false },
		{ "::/0", "1:2:3:4:5:6:7:8:9", false }, { "::/0", "1::2::3", false }, { "::/0", ":1:2:3:4:5:6:7", false },
		{ "::/0", "1:2:3:4:5:6:7:", false }, { "::/0", "12345::", false }, { "::/0", ":::", false }, { "::/0", ":", false },
		{ "::/0", "1:2:3:4:5:6:7::8", false }, { "::/0", "g::", false }, { "::/0", "1:2:3:4:5:6:7:1.2.3.4", false },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct network n, a;
		const char *wrong = network_read(span_str(row[i].network), &n);

		assert_null(wrong);
		if ((address_read(span_str(row[i].address), &a) && network_holds(&n, &a)) != row[i].holds)
			fail_msg("%s in %s should be %d", row[i].address, row[i].network, row[i].holds);
	}
}

static void a_network_that_is_none_is_refused(void **state)
{
	static const struct { const char *text, *says; } row[] = {
		{ "", "is no network" }, { "ward", "is no network" }, { "fe80::1%eth0", "is no network" },
		{ "/8", "is no network" }, { "10.0.0.0/", "0 to 32" }, { "10.0.0.0/33", "0 to 32" }, { "::/129", "0 to 128" },
		{ "10.0.0.0/8/9", "0 to 32" }, { "10.0.0.0/008", NULL }, { "10.0.0.0/0008", "0 to 32" },
		{ "10.0.0.1/31", "must be zero" }, { "10.0.0.0/7", NULL }, { "11.0.0.0/7", "must be zero" },
		{ "2001:db8::1/64", "must be zero" }, { "1.2.3.4/0", "must be zero" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct network n;
		const char *wrong = network_read(span_str(row[i].text), &n);

		if (row[i].says ? !wrong || !strstr(wrong, row[i].says) : wrong != NULL)
			fail_msg("'%s': %s", row[i].text, wrong ? wrong : "accepted");
	}
}

static void a_network_is_written_as_it_is_read(void **state)
{
	static const char *const text[] = {
		"10.0.0.0/8", "192.168.1.4", "2001:db8:0:0:0:0:0:0/32", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", "0.0.0.0/0",
	};
	char out[NETWORK_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < countof(text); i++) {
		struct network n;

		assert_null(network_read(span_str(text[i]), &n));
		assert_string_equal(network_write(&n, out), text[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_lies_in_a_network_or_not),
		cmocka_unit_test(a_network_that_is_none_is_refused),
		cmocka_unit_test(a_network_is_written_as_it_is_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
