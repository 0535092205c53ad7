/* alarms: what goes wrong with the gateway itself loses nothing, and the staff hears of it. */
#include "pipelined.h"
#include "hush.h"

static void a_damaged_outbox_is_kept_aside_and_the_staff_told(void **state)
{
	static const char junk[4096 * 8] = "this is no database";
	char kept[OUTBOX_PATH_MAX];
	const char *named;
	FILE *f;

	(void)state;
	pipeline_close(&g);
	f = fopen(conf.gateway_outbox, "w");
	assert_int_equal(fwrite(junk, 1, sizeof(junk), f), sizeof(junk));
	assert_int_equal(fclose(f), 0);
	start();
	named = strstr(last_log, "kept=");
	assert_non_null(named);
	assert_int_equal(sscanf(named, "kept=%300[^ ]", kept), 1);
	assert_int_equal(access(kept, F_OK), 0);
	come_up();
	assert_string_equal(read_alert(sent("/alert/medium/", 0))->code, "gateway.outbox-replaced");
	push_high("a1", 1);
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
}

static void an_outbox_of_another_key_is_kept_aside(void **state)
{
	(void)state;
	push_high("a1", 1);
	run();
	pipeline_close(&g);
	root[0] ^= 1;
	start();
	root[0] ^= 1;
	assert_int_equal(pipeline_queued(g), 0);
	push_high("a1", 1);
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 2);
}

static struct sent *alarm_of(const char *code, Pullcord__V1__Phase phase)
{
	for (unsigned i = 0; sent("/alert/medium/", i); i++) {
		const Pullcord__V1__Alert *a = read_alert(sent("/alert/medium/", i));

		if (strcmp(a->code, code) == 0 && a->phase == phase)
			return sent("/alert/medium/", i);
	}
	return NULL;
}

static void start_again(void)
{
	run();
	pipeline_close(&g);
	b.count = 0;
	start();
	come_up();
	now += 1000;
	run();
}

/* Readers would have it open for a day. */
static void an_alarm_goes_on_over_a_restart_and_ends(void **state)
{
	struct id id;

	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	ack(sent("/alert/high/", 0), 0x87);
	now += 1000;
	run();
	id = alarm_of("gateway.set-aside", PHASE(START))->id;
	ack(alarm_of("gateway.set-aside", PHASE(START)), 0);
	start_again();                  /* it is tried again, and so not set aside for now */
	assert_memory_equal(&alarm_of("gateway.set-aside", PHASE(START))->id, &id, sizeof(id));
	stored(sent("/alert/high/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	now += 6000;
	run();
	ack(alarm_of("gateway.set-aside", PHASE(END)), 0);
	now += 1000;
	run();
	start_again();
	now += 60000;
	run();
	assert_null(alarm_of("gateway.set-aside", PHASE(START)));
	assert_null(alarm_of("gateway.set-aside", PHASE(END)));
}

/* The broker's time as its receipts say it; ours jumps. */
static void a_clock_that_jumps_loses_nothing(void **state)
{
	static const int64_t jumps[] = { 366 * 86400000000LL, -2 * 366 * 86400000000LL, 366 * 86400000000LL };
	int64_t broker;

	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	stored(sent("/alert/high/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	for (size_t i = 0; i < countof(jumps); i++) {
		char id[8];

		snprintf(id, sizeof(id), "b%zu", i);
		broker = fake_real(NULL);
		real += jumps[i];
		push_high(id, (uint8_t)(10 + i));
		run();
		assert_int_equal(answers(ANSWER_DURABLE, id), 1);
		real -= jumps[i];           /* the broker writes its receipt */
		assert_int_equal(fake_real(NULL), broker);
		stored(sent("/alert/high/", (unsigned)i + 1), PULLCORD__V1__PARTY__PARTY_BROKER);
		assert_int_equal(pipeline_queued(g), 0);
	}
	real += jumps[0];
	run();
	update(sent("/alert/high/", 0), NULL, STATE(ACCEPTED));   /* it is not forgotten as a year old */
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 1);
}

static void by_a_wrong_clock_it_goes_by_the_brokers(void **state)
{
	int64_t right = real;
	struct envelope e;
	struct topic t;
	struct sent *s;

	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	real -= 366 * 86400000000LL;
	from_broker_at = right;
	stored(sent("/alert/high/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	from_broker_at = 0;
	push_high("a2", 2);
	run();
	s = sent("/alert/high/", 1);
	arena.used = 0;
	assert_int_equal(topic_parse(span_str(s->topic), &t), OK);
	assert_int_equal(envelope_open(span(s->payload, s->n), &t, 0, &arena, &e), OK);
	assert_true((int64_t)e.head->sent_us - right < 60000000 && (int64_t)e.head->sent_us >= right);
	now += 1000;
	run();
	assert_string_equal(read_alert(sent("/alert/low/", 0))->code, "gateway.clock");
}

static int64_t said_us(struct sent *s) { return (int64_t)open_sent(s).head->sent_us; }

/* By its time server, or by a person: not only with the next receipt is that seen. */
static void a_clock_that_was_set_right_is_gone_by_again(void **state)
{
	static const int64_t wrong[] = { 366 * 86400000000LL, -366 * 86400000000LL };
	int64_t right = real;
	unsigned n = 0;

	(void)state;
	come_up();
	for (size_t i = 0; i < countof(wrong); i++) {
		push_high(i ? "b1" : "a1", (uint8_t)(2 * i));
		run();
		real += wrong[i];
		from_broker_at = right + now * 1000;
		stored(sent("/alert/high/", n++), PULLCORD__V1__PARTY__PARTY_BROKER);
		from_broker_at = 0;
		run();
		real = right;
		push_high(i ? "b2" : "a2", (uint8_t)(2 * i + 1));
		run();
		assert_int_equal(said_us(sent("/alert/high/", n++)), right + now * 1000);
	}
}

static void a_source_that_is_not_understood_is_told_and_counted(void **state)
{
	struct health h;
	unsigned said = 0;

	(void)state;
	come_up();
	for (unsigned i = 0; i < 100; i++)
		said += port->missed(port->ctx, MISSED_MEANING, 1);
	assert_int_equal(said, HUSH_MOST);
	assert_true(port->missed(port->ctx, MISSED_PLACE, 2));  /* a flood of one hides no other */
	assert_true(port->missed(port->ctx, MISSED_END, 3));
	now += 1000;
	run();
	assert_string_equal(read_alert(sent("/alert/low/", 0))->code, "gateway.source");
	ack(sent("/alert/low/", 0), 0);
	pipeline_health(g, 30000, &h);
	assert_int_equal(h.not_understood_total, 100);
	assert_int_equal(h.turned_away_total, 2);
	assert_int_equal(h.broken_off_total, 3);
	assert_true(h.fault[HEALTH_SOURCE]);
	now += HUSH_MS;
	run();
	assert_non_null(strstr(last_log, "lines_left_out lines=95 event=INPUT_REFUSED input=monitors"));
	now += 600000;
	run();
	assert_int_equal(read_alert(sent("/alert/low/", 1))->phase, PHASE(END));
}

/* A ward that was renamed, or misspelt: somebody else's staff hears of its calls. */
static void a_place_that_nobody_listed_is_told(void **state)
{
	static const struct { const char *place, *unit; bool listed; } row[] = {
		{ "ICU 4", "icu4", true }, { "", "icu3", true }, { "ICU 5", "icu3", false }, { "icu 4", "icu3", false },
	};
	uint64_t told = 0;
	struct health h;

	(void)state;
	come_up();
	for (size_t i = 0; i < countof(row); i++) {
		struct event e = alert(row[i].place[0] ? row[i].place : "none", (uint8_t)i, PRIORITY(HIGH), PHASE(START));
		char topic[64];

		e.place = span_str(row[i].place);
		assert_int_equal(push(e), OK);
		if (!row[i].listed)
			assert_non_null(strstr(last_log, "place_unknown input=monitors place="));
		run();
		snprintf(topic, sizeof(topic), "mercy/unit/%s/alert/high/nc-1", row[i].unit);
		assert_string_equal(sent("/alert/high/", (unsigned)i)->topic, topic);
		told += !row[i].listed;
		pipeline_health(g, 30000, &h);
		assert_int_equal(h.unknown_places_total, told);
	}
	now += 1000;
	run();
	assert_string_equal(read_alert(sent("/alert/low/", 0))->code, "gateway.source");
	conf.units = 0;                 /* one ward, and nothing is listed */
	assert_true(conf_has_unit(&conf, SPAN_LIT("ICU 5")));
}

/* Nobody says that a cable was pulled out. */
static void a_source_that_falls_silent_is_missed(void **state)
{
	struct event odd = alert("a3", 3, PRIORITY(HIGH), PHASE(START));

	(void)state;
	pipeline_close(&g);
	strcpy(conf.input[0].name, "monitors");
	conf.input[0].quiet_s = 60;
	start();
	come_up();
	odd.alert.key.len = 3;          /* whatever it says, it is there */
	now += 59000;
	assert_int_equal(push(odd), ERR_RANGE);
	now += 59000;
	run();
	assert_null(sent("/alert/high/", 0));
	now += 1000;
	run();
	assert_string_equal(read_alert(sent("/alert/high/", 0))->code, "gateway.source-quiet");
	ack(sent("/alert/high/", 0), 0);
	assert_true(port->missed(port->ctx, MISSED_MEANING, 1));
	now += 6000;
	run();
	assert_int_equal(read_alert(sent("/alert/high/", 1))->phase, PHASE(END));
}

/* What is cut short will be repeated: counted, for IT, and no reason to call the staff. */
static void a_message_that_broke_off_is_counted(void **state)
{
	struct health h;

	(void)state;
	come_up();
	assert_true(port->missed(port->ctx, MISSED_END, 1));
	now += 1000;
	run();
	assert_null(sent("/alert/low/", 0));
	pipeline_health(g, 30000, &h);
	assert_int_equal(h.broken_off_total, 1);
	assert_false(h.fault[HEALTH_SOURCE]);
}

static void a_certificate_that_ends_soon_is_told(void **state)
{
	(void)state;
	pipeline_close(&g);
	cert.not_after_s = real / 1000000 + 20 * 86400;
	start();
	come_up();
	assert_string_equal(read_alert(sent("/alert/low/", 0))->code, "gateway.certificate");
}

/* Where its CA renews it, that is news only when it has not. */
static void a_certificate_that_is_being_renewed_is_told_when_that_fails(void **state)
{
	static const struct { int days, left; bool told; } row[] = {
		{ 30, 29, false }, { 30, 28, false }, { 30, 27, true }, { 5, 4, false }, { 5, 2, true }, { 1, 0, true }, { 90, 29, true },
		{ 0, 29, true },                /* only when it is ordered */
	};

	(void)state;
	strcpy(conf.renew_cmp, "http://ca.example/");
	for (size_t i = 0; i < countof(row); i++) {
		pipeline_close(&g);
		memset(&b, 0, sizeof(b));
		conf.renew_days = row[i].days;
		cert.not_after_s = real / 1000000 + row[i].left * 86400 + 3600;
		scratch_remove(&scratch);
		scratch_make(&scratch);
		strcpy(conf.gateway_outbox, scratch_path(&scratch, "outbox.mdb"));
		start();
		come_up();
		assert_int_equal(sent_count("/alert/low/") > 0, row[i].told);
	}
}

static void nor_one_that_is_not_valid_yet(void **state)
{
	(void)state;
	pipeline_close(&g);
	cert.not_before_s = real / 1000000 + 86400;
	start();
	come_up();
	assert_string_equal(read_alert(sent("/alert/low/", 0))->code, "gateway.certificate");
}

/* Only alerts that may not yield, until nothing more goes in. */
static void a_full_gateway_refuses_and_says_so(void **state)
{
	char id[16];

	(void)state;
	for (unsigned n = 0; n < 4096 && !pipeline_counts(g).refused; n++) {
		snprintf(id, sizeof(id), "a%u", n);
		(void)!push(alert(id, (uint8_t)n, PRIORITY(HIGH), PHASE(START)));
		pipeline_sync(g);
		pipeline_run(g);
		src.n = 0;
	}
	assert_true(pipeline_counts(g).refused > 0);
	now += 1000;
	come_up();
	assert_true(sent_count("/alert/high/") > 0);
	for (unsigned i = 0; i < sent_count("/alert/high/"); i++)
		if (strcmp(read_alert(sent("/alert/high/", i))->code, "gateway.refusing") == 0)
			return;
	fail_msg("nobody was told");
}

/* It is configured as one: that nobody watches is not to go unnoticed. */
static void a_witness_that_cannot_be_one_is_told(void **state)
{
	(void)state;
	come_up();
	now += 2000;
	run();
	assert_int_equal(sent_count("/alert/low/"), 0);
	strcpy(conf.witness_vkey, "record.vkey");
	now += 2000;
	run();
	assert_string_equal(read_alert(sent("/alert/low/", 0))->code, "gateway.record-silent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(a_damaged_outbox_is_kept_aside_and_the_staff_told),
		WITH_HOUSE(an_alarm_goes_on_over_a_restart_and_ends),
		WITH_HOUSE(an_outbox_of_another_key_is_kept_aside),
		WITH_HOUSE(a_clock_that_jumps_loses_nothing),
		WITH_HOUSE(by_a_wrong_clock_it_goes_by_the_brokers),
		WITH_HOUSE(a_clock_that_was_set_right_is_gone_by_again),
		WITH_HOUSE(a_source_that_is_not_understood_is_told_and_counted),
		WITH_HOUSE(a_message_that_broke_off_is_counted),
		WITH_HOUSE(a_place_that_nobody_listed_is_told),
		WITH_HOUSE(a_source_that_falls_silent_is_missed),
		WITH_HOUSE(a_certificate_that_ends_soon_is_told),
		WITH_HOUSE(a_certificate_that_is_being_renewed_is_told_when_that_fails),
		WITH_HOUSE(nor_one_that_is_not_valid_yet),
		WITH_HOUSE(a_full_gateway_refuses_and_says_so),
		WITH_HOUSE(a_witness_that_cannot_be_one_is_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
