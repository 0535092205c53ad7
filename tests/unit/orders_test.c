/* orders: a gateway that is ordered about: what it does, has on disk before, and says after. */
#include "pipelined.h"

#include "ordered.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static atomic_bool folders_fail;        /* a disk that keeps no names */

__attribute__((visibility("default"))) int fsync(int fd)
{
	struct stat st;

	if (!atomic_load(&folders_fail) || fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))
		return (int)syscall(SYS_fsync, fd);
	errno = EIO;
	return -1;
}

static unsigned asked;
static Pullcord__V1__CommandKind asked_for;
static struct standing when_asked;
static bool able;

static bool note_obey(void *ctx, Pullcord__V1__CommandKind kind)
{
	(void)ctx;
	asked++;
	asked_for = kind;
	when_asked = on_disk();
	return able;
}

static char obeyed_log[1024];

/* The first word about each. */
static void keep_orders(enum log_level level, const char *line)
{
	keep_log(level, line);
	if (strstr(line, "text=begun"))
		snprintf(obeyed_log, sizeof(obeyed_log), "%s", line);
}

static int make_ordered(void **state)
{
	if (make(state))
		return -1;
	pipeline_close(&g);
	asked = renewals = 0;
	able = true;
	renewed_with = OK;
	obey = note_obey;
	make_device();
	log_to(keep_orders);
	if (open_orders() != OK)
		return -1;
	start();
	come_up();
	return 0;
}

static int drop_ordered(void **state)
{
	pipeline_close(&g);
	orders_close(&orders);
	obey = NULL;
	return drop(state);
}

#define WITH_ORDERS(test) cmocka_unit_test_setup_teardown(test, make_ordered, drop_ordered)

static void send(const struct orderfile *f)
{
	struct orderfile_command c;

	assert_int_equal(orderfile_command(f, &c), OK);
	from_broker("mercy/device/nc-1/cmd", PULLCORD__V1__PARTY__PARTY_USER, "opa", &c.c.base);
}

static const Pullcord__V1__DeviceState *read_state(const struct sent *s)
{
	struct envelope e;
	struct topic t;

	arena.used = 0;
	assert_int_equal(topic_parse(span_str(s->topic), &t), OK);
	assert_int_equal(envelope_open(span(s->payload, s->n), &t, 0, &arena, &e), OK);
	return e.body.state;
}

/* However long the disk takes, the broker is heard of. */
static void a_moment(void)
{
	broker_says(&(struct uplink_event){ .kind = UPLINK_SUBSCRIBED });
	now += 250;
	usleep(500);
	run();
}

/* What it said of itself last, when that is of so many obeyed and has an outcome. */
static const Pullcord__V1__DeviceState *state_of(uint64_t executed, Pullcord__V1__CommandOutcome outcome)
{
	for (int i = 0; i < 5000; i++) {
		unsigned n = sent_count("/state");
		const Pullcord__V1__DeviceState *s = n ? read_state(sent("/state", n - 1)) : NULL;

		if (s && s->executed == executed && s->last_obeyed && s->last_obeyed->outcome == outcome)
			return s;
		a_moment();
	}
	return NULL;
}

static const Pullcord__V1__DeviceState *refused_for(enum order_verdict why)
{
	for (int i = 0; i < 5000; i++) {
		unsigned n = sent_count("/state");
		const Pullcord__V1__DeviceState *s = n ? read_state(sent("/state", n - 1)) : NULL;

		if (s && s->last_refused && strcmp(s->last_refused->why, order_word(why)) == 0)
			return s;
		a_moment();
	}
	return NULL;
}

static void obeyed(Pullcord__V1__CommandKind kind, const char *detail)
{
	uint64_t number = orders_standing(orders)->executed + 1;
	struct orderfile f;

	write_order(&f, kind, detail, 1);
	send(&f);
	assert_non_null(state_of(number, OUTCOME(DONE)));
}

static void what_is_to_be_quoted_is_told(void **state)
{
	const Pullcord__V1__DeviceState *s = read_state(sent("/state", 0));

	(void)state;
	assert_int_equal(s->nonce.len, WARRANT_NONCE);
	assert_memory_equal(s->nonce.data, on_disk().nonce, WARRANT_NONCE);
	assert_int_equal(s->executed, 0);
	assert_null(s->last_obeyed);
}

static void an_order_is_obeyed_once_and_the_device_signs_for_it(void **state)
{
	const Pullcord__V1__DeviceState *s;
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(QUARANTINE), "on", 1);
	send(&f);
	s = state_of(1, OUTCOME(DONE));
	assert_non_null(s);
	assert_true(s->quarantined);
	assert_memory_equal(s->last_obeyed->order.data, f.hash, SHA256_BYTES);
	assert_non_null(strstr(obeyed_log, "by=mercy/officer/ana"));
	assert_int_equal(orderfile_receipt(s->last_obeyed, "mercy", "nc-1", ca_path), OK);
	assert_true(on_disk().quarantined);
	send(&f);
	assert_non_null(refused_for(ORDER_COUNTER));
	assert_int_equal(on_disk().executed, 1);
}

/* It is published when the gateway is gone; by then it may have obeyed others. */
static void the_will_says_nothing_of_orders(void **state)
{
	const Pullcord__V1__DeviceState *s;

	(void)state;
	obeyed(KIND(QUARANTINE), "on");
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "test" });
	run();
	now += 20000;
	run();
	assert_int_equal(b.dials, 3);
	s = read_state(&b.will);
	assert_false(s->online || s->quarantined);
	assert_int_equal(s->nonce.len, 0);
	assert_int_equal(s->executed, 0);
	assert_null(s->last_obeyed);
}

static void it_is_on_disk_before_it_is_done(void **state)
{
	(void)state;
	obeyed(KIND(SETTINGS), "[throttle]\nburst = 5\n");
	assert_int_equal(asked, 1);
	assert_int_equal(asked_for, KIND(SETTINGS));
	assert_int_equal(when_asked.executed, 1);
	assert_int_equal(when_asked.last.outcome, OUTCOME(BEGUN));
	assert_string_equal(when_asked.settings, "[throttle]\nburst = 5\n");
}

static void what_cannot_be_kept_is_not_done(void **state)
{
	struct orderfile f;

	(void)state;
	assert_int_equal(remove(standing_path), 0);
	assert_int_equal(rmdir(conf.orders_folder), 0);
	write_order(&f, KIND(LOG_LEVEL), "debug", 1);
	send(&f);
	assert_non_null(refused_for(ORDER_DISK));
	assert_int_equal(asked, 0);
	assert_int_equal(mkdir(conf.orders_folder, 0700), 0);
	send(&f);   /* it is still the next one */
	assert_non_null(state_of(1, OUTCOME(DONE)));
	assert_int_equal(asked, 1);
}

/* The new file has its name; only then the disk fails. The next start would find it. */
static void what_is_there_is_not_refused(void **state)
{
	struct orderfile f;

	(void)state;
	atomic_store(&folders_fail, true);
	write_order(&f, KIND(QUARANTINE), "on", 1);
	send(&f);
	assert_non_null(state_of(1, OUTCOME(DONE)));
	atomic_store(&folders_fail, false);
	assert_true(on_disk().quarantined && orders_quarantined(orders));
}

static void what_fails_is_said_to_have_failed(void **state)
{
	struct orderfile f;

	(void)state;
	able = false;
	write_order(&f, KIND(LOG_LEVEL), "debug", 1);
	send(&f);
	assert_non_null(state_of(1, OUTCOME(FAILED)));
	write_order(&f, KIND(RENEW), "", 1);    /* there is no CA to ask */
	send(&f);
	assert_non_null(state_of(2, OUTCOME(FAILED)));
	assert_int_equal(asked, 1);
}

static void forged_ones_are_told_and_change_nothing(void **state)
{
	struct standing before = on_disk(), after;
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(WIPE), "", 1);
	send(&f);
	assert_non_null(refused_for(ORDER_TOO_FEW));
	assert_true(sent_count("/alert/low/") == 1);
	assert_string_equal(read_alert(sent("/alert/low/", 0))->code, "gateway.order-refused");
	assert_non_null(strstr(last_log, "why=too-few"));
	write_order(&f, KIND(WIPE), "", 2);
	f.by[1].sig[3] ^= 1;
	send(&f);
	assert_non_null(refused_for(ORDER_SIGNATURE));
	write_order(&f, KIND(WIPE), "", 0);
	send(&f);
	assert_non_null(refused_for(ORDER_UNSIGNED));
	after = on_disk();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(asked, 0);
}

enum altered { DEVICE, TENANT, KIND_OF, NONCE, EXPIRY, ALTERED };

static void alter(struct warrant *w, enum altered what)
{
	if (what == DEVICE)
		w->device = SPAN_LIT("nc-2");
	else if (what == TENANT)
		w->tenant = SPAN_LIT("grace");
	else if (what == KIND_OF)
		w->kind = KIND(RENEW);
	else if (what == NONCE)
		w->nonce[0] ^= 1;
	else
		w->expires_us = fake_real(NULL) - 1;
}

/* Threat model, case 13, on its way from the broker: both officers have signed, but not this wipe of this device. */
static void a_wipe_that_was_signed_as_another_is_refused(void **state)
{
	static const enum order_verdict why[ALTERED] = {
		[DEVICE] = ORDER_SIGNATURE, [TENANT] = ORDER_SIGNATURE, [KIND_OF] = ORDER_SIGNATURE, [NONCE] = ORDER_NONCE,
		[EXPIRY] = ORDER_EXPIRED,
	};

	(void)state;
	for (int what = 0; what < ALTERED; what++) {
		struct orderfile f, other;
		struct warrant w;

		write_order(&f, KIND(WIPE), "", 2);
		w = f.w;
		alter(&w, (enum altered)what);
		assert_int_equal(orderfile_begin(&w, &other), OK);
		for (int i = 0; i < 2; i++)
			assert_int_equal(orderfile_sign(&other, span_str(officer_name[i]), officer_secret[i]), OK);
		memcpy(f.by[0].sig, other.by[0].sig, SIGN_BYTES);
		memcpy(f.by[1].sig, other.by[1].sig, SIGN_BYTES);
		send(what >= NONCE ? &other : &f);
		assert_non_null(refused_for(why[what]));
		assert_int_equal(asked, 0);
		write_order(&f, KIND(WIPE), "", 1);     /* so that the next is told anew */
		send(&f);
		assert_non_null(refused_for(ORDER_TOO_FEW));
	}
	assert_int_equal(on_disk().executed, 0);
}

/* The broker says that it is `us`, to a gateway that has nothing else to hear. */
static void broker_time(int64_t us)
{
	Pullcord__V1__StoredReceipt r = PULLCORD__V1__STORED_RECEIPT__INIT;
	uint8_t none[ID_BYTES] = { 0 };
	ProtobufCBinaryData id = { sizeof(none), none };

	r.n_id = 1;
	r.id = &id;
	from_broker_at = us;
	from_broker("mercy/device/nc-1/stored", PULLCORD__V1__PARTY__PARTY_BROKER, "broker", &r.base);
	from_broker_at = 0;
}

static void nobody_turns_back_time_for_an_order(void **state)
{
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(WIPE), "", 2);
	now += 2 * 3600 * 1000;
	broker_time(fake_real(NULL) - 3 * 3600 * 1000000LL);
	send(&f);
	assert_non_null(refused_for(ORDER_EXPIRED));
	assert_int_equal(asked, 0);
}

/* A clock that was never set goes by the broker's, and remembers the latest of that. */
static void what_the_broker_said_before_is_past(void **state)
{
	int64_t right = real;
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(WIPE), "", 2);
	real -= 30 * 365 * 86400LL * 1000000;
	broker_time(right + 7200 * 1000000LL);
	broker_time(right);
	send(&f);
	assert_non_null(refused_for(ORDER_EXPIRED));
	assert_int_equal(asked, 0);
}

/* A device whose clock is a year ahead refuses all, which has expired by it; but not a year from now. */
static void a_receipt_bears_the_right_time_by_a_wrong_clock(void **state)
{
	uint64_t right = (uint64_t)fake_real(NULL);
	const Pullcord__V1__DeviceState *s;
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(QUARANTINE), "on", 1);
	real += 365 * 86400LL * 1000000;
	broker_time((int64_t)right);
	send(&f);
	s = refused_for(ORDER_EXPIRED);
	assert_non_null(s);
	assert_in_range(s->last_refused->at_us, right, right + 600 * 1000000ULL);
}

static void what_is_no_time_is_ignored(void **state)
{
	struct orderfile f;

	(void)state;
	broker_time(INT64_MIN);
	broker_time(1);
	broker_time(INT64_MAX - 1);
	write_order(&f, KIND(QUARANTINE), "on", 1);
	send(&f);
	assert_non_null(state_of(1, OUTCOME(DONE)));
}

static void only_some_settings_are_changed_from_afar(void **state)
{
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(SETTINGS), "[throttle]\nburst = 5\n[uplink]\nhost = evil.example\n", 1);
	send(&f);
	assert_non_null(strstr(refused_for(ORDER_DETAIL)->last_refused->text, "line 4: [uplink] host"));
	write_order(&f, KIND(SETTINGS), "[throttle]\nburst = 0\n", 1);
	send(&f);
	now += 60000;
	assert_non_null(refused_for(ORDER_DETAIL));
	assert_int_equal(sent_count("/alert/low/"), 0);   /* a mistake, and no attack */
	assert_int_equal(on_disk().executed, 0);
}

static void in_quarantine_only_emergencies_pass(void **state)
{
	(void)state;
	push_medium("1", 1, PHASE(START));      /* committed and not yet sent when it comes */
	obeyed(KIND(QUARANTINE), "on");
	assert_int_equal(push(alert("2", 2, PRIORITY(MEDIUM), PHASE(START))), ERR_DENIED);
	push_medium("1", 1, PHASE(START));      /* said once more: it is safe here, as its source was told */
	push_high("3", 3);
	run();
	assert_string_equal(read_alert(sent("/alert/high/", 0))->text, "SpO2 low");
	now += 1000;
	run();
	assert_string_equal(read_alert(sent("/alert/high/", 1))->code, "gateway.refusing");   /* look at the beds */
	obeyed(KIND(QUARANTINE), "off");
	push_medium("4", 4, PHASE(START));
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "4"), 1);
}

static bool sent_of_code(const char *code)
{
	for (unsigned n = 0; sent("/alert/medium/", n); n++)
		if (strcmp(read_alert(sent("/alert/medium/", n))->code, code) == 0)
			return true;
	return false;
}

/* It was kept before the order came. */
static void comes_up_quarantined_with_a_medium(void)
{
	struct orders *with = orders;

	obeyed(KIND(QUARANTINE), "on");
	pipeline_close(&g);
	orders = NULL;
	start();
	push_medium("1", 1, PHASE(START));
	run();
	pipeline_close(&g);
	orders = with;
	start();
	come_up();
}

static void what_waits_in_quarantine_is_sent_after_it(void **state)
{
	(void)state;
	comes_up_quarantined_with_a_medium();
	for (int i = 0; i < 5; i++) {
		now += 1000;
		run();
	}
	assert_int_equal(pipeline_queued(g), 1);
	assert_true(sent_of_code("gateway.quarantined") && !sent_of_code("MDC_EVT_LO"));
	obeyed(KIND(QUARANTINE), "off");
	run();
	assert_true(sent_of_code("MDC_EVT_LO"));
}

/* The beginning of a condition waits, and then it becomes an emergency. */
static void what_waits_holds_up_no_emergency(void **state)
{
	(void)state;
	comes_up_quarantined_with_a_medium();
	assert_false(sent_of_code("MDC_EVT_LO"));
	push_high("2", 1);
	run();
	assert_non_null(sent("/alert/high/", 0));
	assert_true(sent_of_code("MDC_EVT_LO"));        /* before it, as they were said */
}

static void what_was_begun_is_done_after_a_restart(void **state)
{
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(LOG_LEVEL), "debug", 1);
	able = false;
	send(&f);
	(void)UNTIL(asked, pipeline_run(g));
	assert_int_equal(asked, 1);
	pipeline_close(&g);
	orders_close(&orders);
	{
		uint8_t bytes[STANDING_BYTES_MAX];
		struct put out = put(bytes, sizeof(bytes));
		FILE *file = fopen(standing_path, "w");

		assert_int_equal(standing_write(&when_asked, &out), OK);   /* as if the power had gone then */
		fwrite(out.p, 1, out.n, file);
		fclose(file);
		assert_int_equal(chmod(standing_path, 0600), 0);
	}
	able = true;
	assert_int_equal(open_orders(), OK);
	start();
	come_up();
	assert_non_null(state_of(1, OUTCOME(DONE)));
	assert_int_equal(asked, 2);
	assert_string_equal(on_disk().log_level, "debug");
	obeyed(KIND(LOG_LEVEL), "file");
	assert_string_equal(on_disk().log_level, "");
}

static void a_certificate_is_renewed_when_ordered(void **state)
{
	const Pullcord__V1__DeviceState *s;
	struct orderfile f;

	(void)state;
	strcpy(conf.renew_cmp, "http://ca.example/");
	write_order(&f, KIND(RENEW), "", 1);
	send(&f);
	s = state_of(1, OUTCOME(DONE));
	assert_non_null(s);
	assert_string_equal(s->last_obeyed->text, "good until 2027-01-01");
	renewed_with = ERR_DENIED;
	write_order(&f, KIND(RENEW), "", 1);
	send(&f);
	s = state_of(2, OUTCOME(FAILED));
	assert_non_null(s);
	assert_string_equal(s->last_obeyed->text, "the CA says no");
	assert_int_equal(renewals, 2);
}

static void wait_for_renewals(unsigned n)
{
	(void)UNTIL(renewals >= n, run());
	usleep(2000);
	run();
	assert_int_equal(renewals, n);
}

static void it_is_renewed_by_itself_before_it_ends(void **state)
{
	(void)state;
	strcpy(conf.renew_cmp, "http://ca.example/");
	renewed_with = ERR_DENIED;
	wait_for_renewals(0);           /* it is good for 90 days */
	pipeline_close(&g);
	cert.not_after_s = real / 1000000 + 29 * 86400;
	start();
	wait_for_renewals(1);
	assert_non_null(strstr(last_log, "the CA says no"));
	now += ORDERS_RENEW_MS - 60000;
	wait_for_renewals(1);           /* not again and again */
	now += 60000;
	wait_for_renewals(2);
	assert_int_equal(on_disk().executed, 0);
}

static void a_wipe_is_begun_and_then_nothing_else(void **state)
{
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(WIPE), "", 2);
	send(&f);
	(void)UNTIL(asked, run());
	assert_int_equal(asked_for, KIND(WIPE));
	assert_int_equal(when_asked.wipe, WIPE_BEGUN);
	assert_int_equal(orders_wiped(&conf), WIPE_BEGUN);
	write_order(&f, KIND(QUARANTINE), "on", 1);
	send(&f);
	assert_non_null(refused_for(ORDER_BUSY));
	assert_int_equal(asked, 1);
}

static void spoil(const char *path)
{
	FILE *f = fopen(path, "r+");

	fputc('x', f);
	fclose(f);
}

static enum err start_again(void)
{
	enum err e;

	pipeline_close(&g);
	orders_close(&orders);
	e = open_orders();
	start();
	come_up();
	return e;
}

static bool told_that_it_obeys_nobody(void)
{
	now += 1000;
	run();
	now += 1000;
	run();
	for (unsigned n = 0; sent("/alert/low/", n); n++)
		if (strcmp(read_alert(sent("/alert/low/", n))->code, "gateway.orders-unreadable") == 0)
			return read_state(sent("/state", sent_count("/state") - 1))->nonce.len == 0;
	return false;
}

static void what_is_damaged_is_not_taken_for_nothing(void **state)
{
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(LOG_LEVEL), "debug", 1);
	obeyed(KIND(LOG_LEVEL), "debug");
	spoil(standing_path);
	assert_int_equal(start_again(), ERR_CORRUPT);
	assert_true(told_that_it_obeys_nobody());
	send(&f);                       /* who has forgotten is not told again what was obeyed long ago */
	assert_non_null(refused_for(ORDER_UNARMED));
	assert_int_equal(push(alert("1", 1, PRIORITY(MEDIUM), PHASE(START))), ERR_DENIED);   /* it may have been in quarantine */
	assert_int_equal(push(alert("2", 2, PRIORITY(HIGH), PHASE(START))), OK);
	orders_close(&orders);
	assert_int_equal(open_orders(), ERR_CORRUPT);   /* it is still there, for who has to look */
}

static void a_misspelt_officer_changes_nothing_that_was_ordered(void **state)
{
	(void)state;
	obeyed(KIND(QUARANTINE), "on");
	spoil(conf.orders_officers);
	assert_int_not_equal(start_again(), OK);
	assert_int_equal(push(alert("1", 1, PRIORITY(MEDIUM), PHASE(START))), ERR_DENIED);
	assert_true(told_that_it_obeys_nobody());
	assert_int_equal(orders_wipe(orders, WIPE_TOLD, true, "", real), OK);
	assert_int_equal(orders_wiped(&conf), WIPE_TOLD);
	make_officers();
	assert_int_equal(orders_wipe(orders, WIPE_NONE, true, "", real), OK);
	assert_int_equal(start_again(), OK);
	obeyed(KIND(QUARANTINE), "off");
}

static void an_officer_who_leaves_is_struck_off(void **state)
{
	struct orderfile f;
	unsigned line;
	FILE *list = fopen(conf.orders_officers, "w");

	(void)state;
	fputs("\nno key, and longer than the name of any officer\n", list);
	fclose(list);
	assert_int_equal(orders_reread(orders, &line), ERR_SYNTAX);
	assert_int_equal(line, 2);
	obeyed(KIND(QUARANTINE), "on");         /* the list before stays */
	fclose(fopen(conf.orders_officers, "w"));
	assert_int_equal(orders_reread(orders, &line), OK);
	write_order(&f, KIND(QUARANTINE), "off", 1);
	send(&f);
	assert_non_null(refused_for(ORDER_UNARMED));
}

static void who_may_write_the_list_is_no_stranger(void **state)
{
	unsigned line;

	(void)state;
	assert_int_equal(orders_check(&conf, &line), OK);
	assert_int_equal(chmod(conf.orders_officers, 0664), 0);
	assert_int_equal(orders_check(&conf, &line), ERR_DENIED);
	assert_int_equal(remove(conf.orders_officers), 0);
	assert_int_equal(mkfifo(conf.orders_officers, 0600), 0);        /* nobody ever writes there */
	assert_int_equal(orders_check(&conf, &line), ERR_DENIED);
}

static void without_officers_nobody_is_obeyed(void **state)
{
	struct orderfile f;

	(void)state;
	write_order(&f, KIND(QUARANTINE), "on", 1);
	pipeline_close(&g);
	orders_close(&orders);
	conf.orders_officers[0] = '\0';
	assert_int_equal(open_orders(), OK);
	start();
	come_up();
	assert_int_equal(read_state(sent("/state", sent_count("/state") - 1))->nonce.len, 0);
	send(&f);
	assert_non_null(refused_for(ORDER_UNARMED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ORDERS(what_is_to_be_quoted_is_told),
		WITH_ORDERS(an_order_is_obeyed_once_and_the_device_signs_for_it),
		WITH_ORDERS(the_will_says_nothing_of_orders),
		WITH_ORDERS(it_is_on_disk_before_it_is_done),
		WITH_ORDERS(what_cannot_be_kept_is_not_done),
		WITH_ORDERS(what_is_there_is_not_refused),
		WITH_ORDERS(what_fails_is_said_to_have_failed),
		WITH_ORDERS(forged_ones_are_told_and_change_nothing),
		WITH_ORDERS(a_wipe_that_was_signed_as_another_is_refused),
		WITH_ORDERS(nobody_turns_back_time_for_an_order),
		WITH_ORDERS(what_the_broker_said_before_is_past),
		WITH_ORDERS(a_receipt_bears_the_right_time_by_a_wrong_clock),
		WITH_ORDERS(what_is_no_time_is_ignored),
		WITH_ORDERS(only_some_settings_are_changed_from_afar),
		WITH_ORDERS(in_quarantine_only_emergencies_pass),
		WITH_ORDERS(what_waits_in_quarantine_is_sent_after_it),
		WITH_ORDERS(what_waits_holds_up_no_emergency),
		WITH_ORDERS(what_was_begun_is_done_after_a_restart),
		WITH_ORDERS(a_certificate_is_renewed_when_ordered),
		WITH_ORDERS(it_is_renewed_by_itself_before_it_ends),
		WITH_ORDERS(a_wipe_is_begun_and_then_nothing_else),
		WITH_ORDERS(what_is_damaged_is_not_taken_for_nothing),
		WITH_ORDERS(an_officer_who_leaves_is_struck_off),
		WITH_ORDERS(a_misspelt_officer_changes_nothing_that_was_ordered),
		WITH_ORDERS(who_may_write_the_list_is_no_stranger),
		WITH_ORDERS(without_officers_nobody_is_obeyed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
