#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crypt.h"
#include "id.h"
#include "pullcord.pb-c.h"
#include "seed.h"

#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define USER PULLCORD__V1__PARTY__PARTY_USER

static int with_crypt(void **state)
{
	(void)state;
	return crypt_init() == OK ? 0 : -1;
}

static void the_layout_is_time_sequence_tag(void **state)
{
	struct id_maker m;
	struct id id;
	char text[ID_TEXT];

	(void)state;
	id_init(&m, SPAN_LIT("mercy"), DEVICE, SPAN_LIT("nc-1"), 6);
	id = id_next(&m, 0x018bcfe56800);
	id_text(&id, text);
	/* printf 'pullcord id v1\0mercy/1/nc-1' | sha256sum */
	assert_string_equal(text, "018bcfe568000007" "17346325c6f7763d");
	assert_true(id_order_ms(id_order(&id)) == 0x018bcfe56800);
}

static void ids_rise_whatever_the_clock_does(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct id_maker m;
		struct id last = { { 0 } }, id;
		int64_t now = (int64_t)seed_below(1ULL << 47);

		id_init(&m, SPAN_LIT("mercy"), DEVICE, SPAN_LIT("nc-1"), (uint16_t)seed_next());
		for (int i = 0; i < 20000; i++) {
			switch (seed_below(64)) {
			case 0: now = (int64_t)seed_below(1ULL << 47); break;
			case 1: now -= (int64_t)seed_below(100000); break;
			case 2: now++; break;
			case 3: now = -now; break;
			default: break;
			}
			id = id_next(&m, now);
			assert_true(memcmp(last.b, id.b, ID_BYTES) < 0);
			assert_true(id_order_ms(id_order(&id)) >= now);
			last = id;
		}
	}
}

static void more_than_a_sequence_fits_into_one_millisecond(void **state)
{
	struct id_maker m;
	struct id last = { { 0 } };

	(void)state;
	id_init(&m, SPAN_LIT("mercy"), DEVICE, SPAN_LIT("nc-1"), UINT16_MAX);
	for (int i = 0; i < 3 * 65536; i++) {
		struct id id = id_next(&m, 1700000000000);

		assert_true(memcmp(last.b, id.b, ID_BYTES) < 0);
		last = id;
	}
	assert_true(id_order_ms(id_order(&last)) - 1700000000000 <= 3);
}

static void the_tag_tells_senders_apart(void **state)
{
	static const struct { const char *tenant; int party; const char *sender; } who[] = {
		{ "mercy", DEVICE, "nc-1" }, { "mercy", USER, "nc-1" },  { "mercy", DEVICE, "nc-2" },
		{ "grace", DEVICE, "nc-1" }, { "mercy1", DEVICE, "nc-1" }, { "", DEVICE, "nc-1" },
	};
	uint8_t tag[countof(who)][8];

	(void)state;
	for (size_t i = 0; i < countof(who); i++)
		id_tag(span_str(who[i].tenant), who[i].party, span_str(who[i].sender), tag[i]);
	for (size_t i = 0; i < countof(who); i++)
		for (size_t j = 0; j < countof(who); j++) {
			struct id_maker m;
			struct id id;

			id_init(&m, span_str(who[i].tenant), who[i].party, span_str(who[i].sender), 0);
			id = id_next(&m, 1);
			assert_int_equal(id_of(&id, tag[j]), i == j);
		}
}

static void text_comes_back_and_nothing_else_is_an_id(void **state)
{
	char text[ID_TEXT];
	struct id id, back = { { 9 } };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		seed_bytes(id.b, ID_BYTES);
		id_text(&id, text);
		assert_int_equal(id_parse(span_str(text), &back), OK);
		assert_memory_equal(&id, &back, sizeof(id));
	}
	assert_int_equal(id_parse(span(text, 31), &id), ERR_SYNTAX);
	assert_int_equal(id_parse(span(NULL, 0), &id), ERR_SYNTAX);
	text[5] = 'g';
	assert_int_equal(id_parse(span_str(text), &id), ERR_SYNTAX);
	assert_memory_equal(&id, &back, sizeof(id));
}

static void ids_go_on_rising_after_those_of_an_earlier_start(void **state)
{
	struct id_maker before, now;
	struct id last, next;

	(void)state;
	id_init(&before, SPAN_LIT("mercy"), 1, SPAN_LIT("nc-1"), 60000);
	id_init(&now, SPAN_LIT("mercy"), 1, SPAN_LIT("nc-1"), 5);
	last = id_next(&before, 2000);
	id_after(&now, id_order(&last));
	next = id_next(&now, 1000);
	assert_true(memcmp(&next, &last, sizeof(next)) > 0);
	next = id_next(&now, 3000);
	assert_int_equal(id_order_ms(id_order(&next)), 3000);
}

static void a_name_stands_in_front_of_the_same_tag(void **state)
{
	struct id_maker m;
	struct id made, named;

	(void)state;
	id_init(&m, SPAN_LIT("mercy"), 1, SPAN_LIT("nc-1"), 1);
	made = id_next(&m, 1000);
	named = id_named(&m, (const uint8_t *)"pullcord");
	assert_memory_equal(named.b, "pullcord", ID_NAME);
	assert_memory_equal(named.b + ID_NAME, made.b + 8, 8);
	assert_true(id_of(&named, m.tag));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_layout_is_time_sequence_tag),
		cmocka_unit_test(ids_rise_whatever_the_clock_does),
		cmocka_unit_test(more_than_a_sequence_fits_into_one_millisecond),
		cmocka_unit_test(ids_go_on_rising_after_those_of_an_earlier_start),
		cmocka_unit_test(a_name_stands_in_front_of_the_same_tag),
		cmocka_unit_test(the_tag_tells_senders_apart),
		cmocka_unit_test(text_comes_back_and_nothing_else_is_an_id),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, with_crypt, NULL);
}
