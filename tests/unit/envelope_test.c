#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "crypt.h"
#include "envelope.h"
#include "seed.h"

#define NOW_US 1700000000000000LL
#define SENDER "nc-1"

static uint8_t arena_bytes[ENVELOPE_ARENA];
static struct arena arena = { arena_bytes, sizeof(arena_bytes), 0 };
static struct id_maker maker;

static int with_crypt(void **state)
{
	(void)state;
	if (crypt_init() != OK)
		return -1;
	id_init(&maker, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT(SENDER), 1);
	return 0;
}

static struct envelope_from from_device(void)
{
	return (struct envelope_from){
		.tenant = "mercy", .sender = SENDER, .party = PULLCORD__V1__PARTY__PARTY_DEVICE,
		.id = id_next(&maker, NOW_US / 1000), .sent_us = NOW_US, .expires_us = NOW_US + 60000000,
	};
}

static struct topic topic_of(const char *text)
{
	struct topic t;

	assert_int_equal(topic_parse(span_str(text), &t), OK);
	return t;
}

static void assert_same_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	assert_int_equal(a.len, b.len);
	assert_true(span_eq(span(a.data, a.len), span(b.data, b.len)));
}

static void assert_same_head(const Pullcord__V1__Envelope *a, const Pullcord__V1__Envelope *b)
{
	assert_int_equal(a->version, b->version);
	assert_string_equal(a->tenant, b->tenant);
	assert_int_equal(a->party, b->party);
	assert_string_equal(a->sender, b->sender);
	assert_true(a->sent_us == b->sent_us && a->expires_us == b->expires_us && a->order == b->order);
	assert_int_equal(a->kind, b->kind);
	assert_same_bytes(a->id, b->id);
	assert_same_bytes(a->body, b->body);
	assert_same_bytes(a->seal, b->seal);
	assert_same_bytes(a->signature, b->signature);
}

/* Who only lets messages through, and remembers who sent the one before, hears the same. */
static enum err opened_and_checked(struct span raw, const struct topic *t, struct envelope *e)
{
	static uint8_t bytes[ENVELOPE_ARENA];
	static struct envelope_sender sender;
	struct arena other = { bytes, sizeof(bytes), 0 };
	struct envelope checked;
	enum err err;

	arena.used = 0;
	err = envelope_open(raw, t, NOW_US, &arena, e);
	assert_int_equal(envelope_check(&sender, raw, t, NOW_US, &other, &checked), err);
	if (err == OK) {
		assert_same_head(e->head, checked.head);
		assert_memory_equal(e->id.b, checked.id.b, ID_BYTES);
		assert_true(span_eq(checked.patient, envelope_peek_patient(raw)) && span_eq(e->patient, checked.patient));
	}
	return err;
}

static enum err opened(struct span raw, const char *topic, struct envelope *e)
{
	struct topic t = topic_of(topic);

	return opened_and_checked(raw, &t, e);
}

/* ---- one message of each kind, every field filled ---- */

static uint8_t sixteen[ID_BYTES] = "0123456789abcdef";
#define SIXTEEN { ID_BYTES, sixteen }

static Pullcord__V1__Measurement spo2 = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__measurement__descriptor), .code = "150456", .name = "MDC_PULS_OXIM_SAT_O2",
	.system = "MDC", .value = "84", .unit = "MDC_DIM_PERCENT", .range = "90-100", .flags = "L", .at_us = NOW_US,
};
static Pullcord__V1__Measurement *values[257];
static ProtobufCBinaryData ids[65];
static char *mentions[33];
static Pullcord__V1__TierState tier_state = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__tier_state__descriptor), .priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH,
	.queued = 2, .oldest_s = 3,
};
static Pullcord__V1__TierState *tiers[] = { &tier_state, &tier_state, &tier_state, &tier_state, &tier_state, &tier_state,
					     &tier_state };

static Pullcord__V1__Alert alert = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__alert__descriptor), .key = SIXTEEN,
	.priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH, .type = PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	.phase = PULLCORD__V1__PHASE__PHASE_START, .code = "call.emergency", .text = "Emergency, bath\xc3\xa9", .bed = "412-B",
	.patient = "p-1", .occurred_us = NOW_US, .count = 1, .first_us = NOW_US, .source = "STATION4", .source_id = "MSG1",
	.n_value = 1, .value = values, .call_back = "4120",
};
static Pullcord__V1__AlertUpdate update = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__alert_update__descriptor), .alert = SIXTEEN, .key = SIXTEEN,
	.state = PULLCORD__V1__ALERT_STATE__ALERT_STATE_ACCEPTED, .by = "ana", .at_us = NOW_US, .note = "coming",
};
static Pullcord__V1__Observations observations = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__observations__descriptor), .bed = "412-B", .patient = "p-1", .source = "MON",
	.source_id = "7", .taken_us = NOW_US, .n_value = 2, .value = values,
};
static Pullcord__V1__DeviceState device_state = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__device_state__descriptor), .online = true, .since_us = NOW_US, .version = "0.1",
	.uptime_s = UINT64_MAX, .queued = UINT32_MAX, .oldest_s = 3, .accepted = 4, .folded = 5, .refused = 6, .set_aside = 7,
	.certificate_days = 8, .boot = "abc", .n_tier = 1, .tier = tiers, .evicted = 9, .delivered = 10, .room = 11,
	.flush_p99_us = 12, .clock = PULLCORD__V1__CLOCK_QUALITY__CLOCK_WRONG, .clock_off_ms = INT64_MIN,
};
static Pullcord__V1__DeviceCommand command = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__device_command__descriptor),
	.command = PULLCORD__V1__COMMAND_KIND__COMMAND_REPORT, .counter = 1, .nonce = SIXTEEN, .detail = SIXTEEN,
};
static Pullcord__V1__StoredReceipt stored = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__stored_receipt__descriptor), .n_id = 1, .id = ids, .stored_us = NOW_US,
};
static Pullcord__V1__ChatMessage chat = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__chat_message__descriptor), .text = "who is on call?", .reply_to = SIXTEEN,
	.priority = PULLCORD__V1__PRIORITY__PRIORITY_LOW, .n_mention = 1, .mention = mentions,
};
static Pullcord__V1__Receipt receipt = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__receipt__descriptor), .message = SIXTEEN,
	.state = PULLCORD__V1__RECEIPT_STATE__RECEIPT_READ, .at_us = NOW_US,
};
static Pullcord__V1__Broadcast broadcast = {
	PROTOBUF_C_MESSAGE_INIT(&pullcord__v1__broadcast__descriptor), .priority = PULLCORD__V1__PRIORITY__PRIORITY_CODE,
	.code = "code.blue", .text = "Code blue", .place = "ICU 3, 412",
};

static const struct { const char *kind, *topic; ProtobufCMessage *body; } message[] = {
	{ "alert", "mercy/unit/icu3/alert/high/" SENDER, &alert.base },
	{ "alert-update", "mercy/unit/icu3/ack/" SENDER, &update.base },
	{ "observations", "mercy/unit/icu3/vitals/" SENDER, &observations.base },
	{ "device-state", "mercy/device/" SENDER "/state", &device_state.base },
	{ "device-command", "mercy/device/" SENDER "/cmd", &command.base },
	{ "stored-receipt", "mercy/device/" SENDER "/stored", &stored.base },
	{ "chat-message", "mercy/channel/c1/msg", &chat.base },
	{ "receipt", "mercy/channel/c1/receipt", &receipt.base },
	{ "broadcast", "mercy/unit/icu3/broadcast", &broadcast.base },
};
#define ALERT_TOPIC message[0].topic

static void fill_lists(void)
{
	for (size_t i = 0; i < countof(values); i++)
		values[i] = &spo2;
	for (size_t i = 0; i < countof(ids); i++)
		ids[i] = (ProtobufCBinaryData)SIXTEEN;
	for (size_t i = 0; i < countof(mentions); i++)
		mentions[i] = "bob";
}

static struct span written(const ProtobufCMessage *body, uint8_t *raw, size_t cap)
{
	struct envelope_from from = from_device();
	struct put out = put(raw, cap);

	assert_int_equal(envelope_write(&from, body, &out), OK);
	return put_span(&out);
}

static void every_kind_comes_back_as_it_was(void **state)
{
	static uint8_t raw[4096], before[4096], after[4096];

	(void)state;
	for (size_t i = 0; i < countof(message); i++) {
		struct span text = written(message[i].body, raw, sizeof(raw));
		struct envelope e;
		struct id id;
		size_t n = protobuf_c_message_pack(message[i].body, before);

		assert_int_equal(opened(text, message[i].topic, &e), OK);
		assert_string_equal(kind_name(e.head->kind), message[i].kind);
		assert_string_equal(e.head->sender, SENDER);
		assert_true((int64_t)e.head->sent_us == NOW_US);
		assert_int_equal(protobuf_c_message_pack(e.body.any, after), n);
		assert_memory_equal(before, after, n);
		assert_int_equal(envelope_peek_id(text, &id), OK);
		assert_memory_equal(&id, &e.id, sizeof(id));
	}
	assert_null(kind_name(PULLCORD__V1__KIND__KIND_NONE));
	assert_null(kind_name((Pullcord__V1__Kind)99));
}

/* From tests/scene/wire.py, which shares nothing with this code: the bytes are frozen for ever. */
static void the_bytes_of_an_alert_are_frozen(void **state)
{
	static const char golden[] =
		"08011210018bcfe56800000717346325c6f7763d1a056d6572637920012a046e632d313100401e18240a06003900c7b1"
		"1b240a060040014a580a10303132333435363738396162636465661004180420012a0e63616c6c2e656d657267656e63"
		"793209456d657267656e63793a053431322d424900401e18240a060050015900401e18240a0600620853544154494f4e"
		"34";
	struct envelope_from from = { "mercy", SENDER, PULLCORD__V1__PARTY__PARTY_DEVICE, { { 0 } }, NOW_US, NOW_US + 60000000, 0 };
	Pullcord__V1__Alert a = alert;
	uint8_t raw[160], again[160];
	struct put out = put(again, sizeof(again));
	struct id_maker seventh;
	struct envelope e;
	size_t n = strlen(golden) / 2;

	(void)state;
	assert_true(hex_decode(span_str(golden), raw, sizeof(raw)));
	assert_int_equal(opened(span(raw, n), ALERT_TOPIC, &e), OK);
	assert_string_equal(e.body.alert->source, "STATION4");
	assert_true(e.body.alert->first_us == NOW_US);

	id_init(&seventh, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT(SENDER), 6);
	from.id = id_next(&seventh, NOW_US / 1000);
	a.text = "Emergency", a.n_value = 0, a.patient = "", a.source_id = "", a.call_back = "";
	assert_int_equal(envelope_write(&from, &a.base, &out), OK);
	assert_int_equal(out.n, n);
	assert_memory_equal(again, raw, n);
}

static void each_kind_belongs_to_its_topics_only(void **state)
{
	static uint8_t raw[4096];

	(void)state;
	for (size_t i = 0; i < countof(message); i++)
		for (size_t t = 0; t < countof(message); t++) {
			struct span text = written(message[i].body, raw, sizeof(raw));
			struct envelope e;

			assert_int_equal(opened(text, message[t].topic, &e), i == t ? OK : ERR_KIND);
		}
}

/* ---- the head ---- */

static enum err open_changed(void (*change)(Pullcord__V1__Envelope *e), const char *topic)
{
	static uint8_t raw[4096], changed[4096];
	struct span text = written(&alert.base, raw, sizeof(raw));
	Pullcord__V1__Envelope *head = pullcord__v1__envelope__unpack(NULL, text.n, text.p), given = *head;
	struct envelope e;
	size_t n;

	change(&given);
	n = pullcord__v1__envelope__pack(&given, changed);
	pullcord__v1__envelope__free_unpacked(head, NULL);
	return opened(span(changed, n), topic, &e);
}

static uint8_t other_id[ID_BYTES];
static void no_change(Pullcord__V1__Envelope *e) { (void)e; }
static void version_2(Pullcord__V1__Envelope *e) { e->version = 2; }
static void version_0(Pullcord__V1__Envelope *e) { e->version = 0; }
static void other_sender(Pullcord__V1__Envelope *e) { e->sender = "nc-2"; }
static void other_tenant(Pullcord__V1__Envelope *e) { e->tenant = "grace"; }
static void other_party(Pullcord__V1__Envelope *e) { e->party = PULLCORD__V1__PARTY__PARTY_USER; }
static void no_party(Pullcord__V1__Envelope *e) { e->party = PULLCORD__V1__PARTY__PARTY_NONE; }
static void wild_sender(Pullcord__V1__Envelope *e) { e->sender = "+"; }
static void foreign_id(Pullcord__V1__Envelope *e) { e->id.data = memset(other_id, 1, ID_BYTES); }
static void short_id(Pullcord__V1__Envelope *e) { e->id.len = 15; }
static void no_id(Pullcord__V1__Envelope *e) { e->id.len = 0; }
static void no_tenant(Pullcord__V1__Envelope *e) { e->tenant = ""; }
static void far_future(Pullcord__V1__Envelope *e) { e->sent_us = NOW_US + ENVELOPE_SKEW_US + 1; e->expires_us = 0; }
static void near_future(Pullcord__V1__Envelope *e) { e->sent_us = NOW_US + ENVELOPE_SKEW_US; e->expires_us = 0; }
static void end_of_time(Pullcord__V1__Envelope *e) { e->sent_us = UINT64_MAX; e->expires_us = 0; }
static void expired_at_birth(Pullcord__V1__Envelope *e) { e->expires_us = e->sent_us; }
static void never_expires(Pullcord__V1__Envelope *e) { e->expires_us = 0; }
static void kind_none(Pullcord__V1__Envelope *e) { e->kind = PULLCORD__V1__KIND__KIND_NONE; }
static void kind_99(Pullcord__V1__Envelope *e) { e->kind = (Pullcord__V1__Kind)99; }
static void empty_body(Pullcord__V1__Envelope *e) { e->body.len = 0; }
static void cut_body(Pullcord__V1__Envelope *e) { e->body.len--; }
static void long_signature(Pullcord__V1__Envelope *e) { e->signature = (ProtobufCBinaryData){ 129, arena_bytes }; }

static void the_head_is_checked(void **state)
{
	static const struct { void (*change)(Pullcord__V1__Envelope *e); enum err want; } row[] = {
		{ no_change, OK },
		{ version_2, ERR_VERSION },
		{ version_0, ERR_VERSION },
		{ other_sender, ERR_SENDER },
		{ other_tenant, ERR_SENDER },
		{ other_party, ERR_SENDER },
		{ no_party, ERR_SENDER },
		{ wild_sender, ERR_SENDER },
		{ foreign_id, ERR_SENDER },
		{ short_id, ERR_RANGE },
		{ no_id, ERR_SHORT },
		{ no_tenant, ERR_SHORT },
		{ far_future, ERR_TIME },
		{ near_future, OK },
		{ end_of_time, ERR_TIME },
		{ expired_at_birth, ERR_TIME },
		{ never_expires, OK },
		{ kind_none, ERR_KIND },
		{ kind_99, ERR_RANGE },
		{ empty_body, ERR_SHORT },
		{ cut_body, ERR_SHORT },
		{ long_signature, ERR_RANGE },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(open_changed(row[i].change, ALERT_TOPIC), row[i].want);
	assert_int_equal(open_changed(no_change, "mercy/unit/icu3/alert/low/" SENDER), ERR_KIND);
	assert_int_equal(open_changed(no_change, "grace/unit/icu3/alert/high/" SENDER), ERR_SENDER);
}

static void sealed(Pullcord__V1__Envelope *e) { e->seal = (ProtobufCBinaryData)SIXTEEN; }
static void sealed_nothing(Pullcord__V1__Envelope *e) { sealed(e); kind_none(e); }
static void sealed_noise(Pullcord__V1__Envelope *e) { sealed(e); e->body = (ProtobufCBinaryData){ 99, arena_bytes }; }

static void a_sealed_body_is_not_looked_at(void **state)
{
	static uint8_t raw[4096];
	struct span text;
	struct envelope e;

	(void)state;
	assert_int_equal(open_changed(sealed, ALERT_TOPIC), OK);
	assert_int_equal(open_changed(sealed_noise, ALERT_TOPIC), OK);
	assert_int_equal(open_changed(sealed_nothing, ALERT_TOPIC), ERR_KIND);
	text = written(&alert.base, raw, sizeof(raw));
	assert_int_equal(opened(text, ALERT_TOPIC, &e), OK);
	assert_non_null(e.body.any);
}

static void reading_the_past_needs_no_clock_and_no_topic(void **state)
{
	static uint8_t raw[4096];
	struct span text = written(&alert.base, raw, sizeof(raw));
	struct envelope e;

	(void)state;
	arena.used = 0;
	assert_int_equal(envelope_open(text, NULL, 0, &arena, &e), OK);
	assert_int_equal(envelope_open(text, NULL, NOW_US - ENVELOPE_SKEW_US - 1, &arena, &e), ERR_TIME);
	assert_int_equal(envelope_open(text, NULL, NOW_US + 100LL * 365 * 86400 * 1000000, &arena, &e), OK);
}

/* ---- limits of the bodies ---- */

static enum err sent(const ProtobufCMessage *body)
{
	static uint8_t raw[ENVELOPE_BYTES_MAX];
	struct span text = written(body, raw, sizeof(raw));
	struct envelope e;

	return opened_and_checked(text, NULL, &e);
}

static char *text_of(size_t n)
{
	static char text[20000];

	memset(text, 'x', n);
	text[n] = '\0';
	return text;
}

#define AT_LIMIT(object, member, limit)                                                                                \
	do {                                                                                                           \
		__typeof__(object) limited_ = (object);                                                                \
		limited_.member = text_of(limit);                                                                      \
		assert_int_equal(sent(&limited_.base), OK);                                                            \
		limited_.member = text_of((limit) + 1);                                                                \
		assert_int_equal(sent(&limited_.base), ERR_RANGE);                                                     \
	} while (0)

static void texts_have_their_limits(void **state)
{
	(void)state;
	AT_LIMIT(alert, text, 512);
	AT_LIMIT(alert, code, 256);
	AT_LIMIT(alert, patient, 256);
	AT_LIMIT(alert, call_back, 256);
	AT_LIMIT(update, note, 200);
	AT_LIMIT(observations, bed, 256);
	AT_LIMIT(device_state, boot, 256);
	AT_LIMIT(chat, text, 8192);
	AT_LIMIT(broadcast, text, 1024);
	AT_LIMIT(broadcast, place, 256);
}

#define TIMES_LIMIT(object, member, limit)                                                                             \
	do {                                                                                                           \
		__typeof__(object) limited_ = (object);                                                                \
		limited_.member = (limit);                                                                             \
		assert_int_equal(sent(&limited_.base), OK);                                                            \
		limited_.member = (limit) + 1;                                                                         \
		assert_int_equal(sent(&limited_.base), ERR_TOO_LARGE);                                                 \
	} while (0)

static void lists_have_their_limits(void **state)
{
	Pullcord__V1__StoredReceipt none = stored;

	(void)state;
	TIMES_LIMIT(alert, n_value, 16);
	TIMES_LIMIT(observations, n_value, 256);
	TIMES_LIMIT(device_state, n_tier, 6);
	TIMES_LIMIT(stored, n_id, 64);
	TIMES_LIMIT(chat, n_mention, 32);
	none.n_id = 0;
	assert_int_equal(sent(&none.base), ERR_SHORT);
}

static void an_alert_says_what_it_is(void **state)
{
	Pullcord__V1__Alert a = alert;

	(void)state;
	a.priority = PULLCORD__V1__PRIORITY__PRIORITY_NONE;
	assert_int_equal(sent(&a.base), ERR_RANGE);
	a = alert, a.phase = PULLCORD__V1__PHASE__PHASE_NONE;
	assert_int_equal(sent(&a.base), ERR_RANGE);
	a = alert, a.count = 0;
	assert_int_equal(sent(&a.base), ERR_RANGE);
	a = alert, a.priority = (Pullcord__V1__Priority)6;
	assert_int_equal(sent(&a.base), ERR_RANGE);
	a = alert, a.key.len = 15;
	assert_int_equal(sent(&a.base), ERR_RANGE);
	a = alert, a.text = "\xc0\xaf";
	assert_int_equal(sent(&a.base), ERR_UTF8);
	a = alert, a.bed = "\xed\xa0\x80";
	assert_int_equal(sent(&a.base), ERR_UTF8);
}

static enum err update_by(Pullcord__V1__Party party, const char *sender, const Pullcord__V1__AlertUpdate *u)
{
	struct envelope_from from = { "mercy", sender, party, { { 0 } }, NOW_US, 0, 0 };
	uint8_t raw[512];
	struct put out = put(raw, sizeof(raw));
	struct id_maker m;
	struct envelope e;

	id_init(&m, SPAN_LIT("mercy"), (int)party, span_str(sender), 0);
	from.id = id_next(&m, NOW_US / 1000);
	assert_int_equal(envelope_write(&from, &u->base, &out), OK);
	return opened(put_span(&out), message[1].topic, &e);
}

static void a_person_answers_in_no_other_name(void **state)
{
	Pullcord__V1__AlertUpdate u = update;

	(void)state;
	assert_int_equal(update_by(PULLCORD__V1__PARTY__PARTY_USER, "ana", &u), OK);
	assert_int_equal(update_by(PULLCORD__V1__PARTY__PARTY_USER, "bob", &u), ERR_SENDER);
	assert_int_equal(update_by(PULLCORD__V1__PARTY__PARTY_DEVICE, SENDER, &u), OK);
	u.by = "";
	assert_int_equal(update_by(PULLCORD__V1__PARTY__PARTY_USER, "ana", &u), ERR_SENDER);
	u = update, u.state = PULLCORD__V1__ALERT_STATE__ALERT_STATE_NONE;
	assert_int_equal(update_by(PULLCORD__V1__PARTY__PARTY_USER, "ana", &u), ERR_RANGE);
}

static void writing_is_bounded(void **state)
{
	static uint8_t raw[ENVELOPE_BYTES_MAX];
	struct envelope_from from = from_device();
	struct span text = written(&alert.base, raw, sizeof(raw));
	Pullcord__V1__Observations big = observations;

	(void)state;
	for (size_t cap = 0; cap <= text.n; cap++) {
		struct put out = put(raw, cap);

		assert_int_equal(envelope_write(&from, &alert.base, &out), cap < text.n ? ERR_TOO_LARGE : OK);
		assert_int_equal(out.n, cap < text.n ? 0 : text.n);
	}
	big.bed = calloc(1, ENVELOPE_BODY_MAX + 1);
	memset(big.bed, 'x', ENVELOPE_BODY_MAX);
	assert_int_equal(envelope_write(&from, &big.base, &(struct put){ raw, 0, sizeof(raw), false }), ERR_TOO_LARGE);
	free(big.bed);
}

/* ---- hostile bytes ---- */

#define ENVELOPE_SCHEMA (&pullcord__v1__envelope__descriptor)

static void what_protobuf_lets_pass_is_refused(void **state)
{
	static const struct { const char *what, *hex; enum err want; } row[] = {
		{ "an overlong tag", "8800" "01", ERR_SYNTAX },
		{ "an overlong number", "08" "8100", ERR_SHORT },
		{ "eleven bytes of number", "08" "ffffffffffffffffffff01", ERR_SHORT },
		{ "a number of 65 bits", "08" "ffffffffffffffffff02", ERR_SHORT },
		{ "a kind of 33 bits that ends in a known one", "40" "8180808010", ERR_RANGE },
		{ "field number zero", "0001", ERR_SYNTAX },
		{ "a tag of 33 bits", "8080808010" "01", ERR_SYNTAX },
		{ "a group", "0b0c", ERR_SYNTAX },
		{ "wire type 7", "0f", ERR_SYNTAX },
		{ "a number where text belongs", "1801", ERR_SYNTAX },
		{ "text where a number belongs", "0a0161", ERR_SYNTAX },
		{ "a field twice", "08010801", ERR_SYNTAX },
		{ "a kind nobody knows", "4063", ERR_RANGE },
		{ "a negative kind", "40ffffffffffffffffff01", ERR_RANGE },
		{ "a version of 33 bits", "088080808010", ERR_RANGE },
		{ "a text longer than its message", "1a05" "6162", ERR_SHORT },
		{ "a length of 64 bits", "1affffffffffffffffff01", ERR_SHORT },
		{ "a text that is not UTF-8", "1a01ff", ERR_UTF8 },
		{ "a text with a NUL", "1a03" "610062", ERR_UTF8 },
		{ "half a fixed number", "31000000", ERR_SHORT },
		{ "nothing at all", "", ERR_SHORT },
	};
	uint8_t raw[32];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct span text = span_str(row[i].hex);

		assert_true(hex_decode(text, raw, sizeof(raw)));
		if (envelope_scan(span(raw, text.n / 2), ENVELOPE_SCHEMA) != row[i].want)
			fail_msg("%s: %s", row[i].what, err_name(envelope_scan(span(raw, text.n / 2), ENVELOPE_SCHEMA)));
	}
}

/* An envelope with `n` fields nobody knows behind its own. */
static enum err with_unknown_fields(size_t n, struct envelope *e)
{
	static uint8_t raw[ENVELOPE_BYTES_MAX];
	struct span text = written(&alert.base, raw, sizeof(raw));
	struct put out = { raw, text.n, sizeof(raw), false };

	while (n--)
		put_bytes(&out, SPAN_LIT("\xf8\x07\x01"));   /* field 127, the number 1 */
	return opened(put_span(&out), ALERT_TOPIC, e);
}

static void unknown_fields_are_ignored_up_to_the_limit(void **state)
{
	struct envelope e;
	const size_t own = 9;

	(void)state;
	assert_int_equal(with_unknown_fields(1, &e), OK);
	assert_string_equal(e.body.alert->bed, "412-B");
	assert_int_equal(with_unknown_fields(ENVELOPE_FIELDS_MAX - own, &e), OK);
	assert_int_equal(with_unknown_fields(ENVELOPE_FIELDS_MAX - own + 1, &e), ERR_TOO_LARGE);
}

static void size_is_limited(void **state)
{
	static uint8_t raw[ENVELOPE_BYTES_MAX + 1];

	(void)state;
	assert_int_equal(envelope_scan(span(raw, sizeof(raw)), ENVELOPE_SCHEMA), ERR_TOO_LARGE);
}

static void a_small_arena_is_full_and_never_overrun(void **state)
{
	static uint8_t raw[4096], small[4096];
	struct span text = written(&alert.base, raw, sizeof(raw));
	enum err last = ERR_FULL;

	(void)state;
	for (size_t cap = 0; cap + 64 < sizeof(small); cap++) {
		struct arena a = { small, cap, 0 };
		struct envelope e = { .head = NULL };
		enum err got;

		memset(small, 0x5a, sizeof(small));
		got = envelope_open(text, NULL, NOW_US, &a, &e);
		assert_true(got == OK || (got == ERR_FULL && last == ERR_FULL && !e.head));
		for (size_t i = cap; i < cap + 64; i++)
			assert_int_equal(small[i], 0x5a);
		last = got;
	}
	assert_int_equal(last, OK);
}

static void no_cut_passes_for_the_whole(void **state)
{
	static uint8_t raw[4096];

	(void)state;
	for (size_t i = 0; i < countof(message); i++) {
		struct span text = written(message[i].body, raw, sizeof(raw));

		for (size_t n = 0; n < text.n; n++) {
			uint8_t *exact = malloc(n + !n);
			struct envelope e;
			struct id id;

			memcpy(exact, raw, n);
			assert_int_not_equal(opened(span(exact, n), message[i].topic, &e), OK);
			assert_true(envelope_peek_id(span(exact, n), &id) != OK || n >= 20);
			free(exact);
		}
	}
}

/* Bytes that were hit where the head is; now and then of somebody else. */
static void who_sent_the_one_before_changes_no_answer(void **state)
{
	static uint8_t raw[4096];
	unsigned passed = 0;

	(void)state;
	for (int round = 0; round < SEED_ROUNDS(100000); round++) {
		size_t which = seed_below(countof(message)), at;
		struct span text = written(message[which].body, raw, sizeof(raw));
		struct envelope e;
		uint8_t *exact;

		if (seed_below(8) == 0)
			raw[4 + ID_BYTES + 2 + seed_below(5)] ^= 1;     /* in the tenant's name */
		if (seed_below(2))
			raw[seed_below(80)] = (uint8_t)(seed_below(2) ? seed_next() : 1ULL << seed_below(8));
		if (seed_below(8) == 0) {                       /* a field twice, or out of order */
			at = seed_below(60);
			memmove(raw + at, raw + at + 2, text.n - at - 2);
			text.n -= 2;
		}
		exact = malloc(text.n);
		memcpy(exact, raw, text.n);
		passed += opened(span(exact, text.n), message[which].topic, &e) == OK;
		free(exact);
	}
	assert_in_range(passed, SEED_ROUNDS(100000) / 10, SEED_ROUNDS(100000) * 9 / 10);
}

/* Of one connection's messages: the mark is of whom it was said. */
static void what_was_proved_of_a_sender_ends_with_the_next(void **state)
{
	struct envelope_from from = from_device();
	struct envelope_sender sender = { .tag = { 0 } };
	uint8_t raw[2][4096];
	struct put one = put(raw[0], sizeof(raw[0])), two = put(raw[1], sizeof(raw[1]));
	struct envelope e;

	(void)state;
	assert_int_equal(envelope_write(&from, message[0].body, &one), OK);
	from.sender = "nc-2";
	id_tag(SPAN_LIT("mercy"), from.party, SPAN_LIT("nc-2"), from.id.b + 8);
	assert_int_equal(envelope_write(&from, message[0].body, &two), OK);
	for (int i = 0; i < 3; i++) {
		arena.used = 0;
		assert_int_equal(envelope_check(&sender, put_span(&one), NULL, NOW_US, &arena, &e), OK);
		assert_int_equal(sender.proved, i > 0);
		assert_string_equal(e.head->sender, SENDER);
		sender.proved = true;
	}
	assert_int_equal(envelope_check(&sender, put_span(&two), NULL, NOW_US, &arena, &e), OK);
	assert_false(sender.proved);
	assert_string_equal(e.head->sender, "nc-2");
}

/* Whatever the scan lets pass, protobuf-c takes; whatever protobuf-c refuses, the scan has refused. */
static void nothing_passes_that_protobuf_c_refuses(void **state)
{
	static uint8_t raw[4096];
	unsigned passed = 0;

	(void)state;
	for (int round = 0; round < 40000; round++) {
		size_t which = seed_below(countof(message));
		const ProtobufCMessageDescriptor *schema = message[which].body->descriptor;
		size_t n = protobuf_c_message_pack(message[which].body, raw);
		ProtobufCMessage *m;
		struct envelope e;

		for (uint64_t hits = 1 + seed_below(3); hits; hits--)
			raw[seed_below(n)] = (uint8_t)(seed_below(2) ? seed_next() : 1ULL << seed_below(8));
		n -= seed_below(8) ? 0 : seed_below(n);
		if (envelope_scan(span(raw, n), schema) == OK) {
			m = protobuf_c_message_unpack(schema, NULL, n, raw);
			assert_non_null(m);
			protobuf_c_message_free_unpacked(m, NULL);
			passed++;
		}
		(void)!envelope_scan(span(raw, n), ENVELOPE_SCHEMA);
		arena.used = 0;
		assert_int_not_equal(envelope_open(span(raw, n), NULL, NOW_US, &arena, &e), OK);
	}
	assert_in_range(passed, 1000, 39000);
}

/* Whoever looks, and whether the sender is known already or not. */
static void the_order_is_beside_the_id_or_in_it(void **state)
{
	static const uint64_t orders[] = { 0, 1, 0x018bcfe568000007, UINT64_MAX };
	struct topic t = topic_of("mercy/unit/icu3/vitals/" SENDER);

	(void)state;
	for (size_t i = 0; i < 2 * countof(orders); i++) {
		Pullcord__V1__Observations o = PULLCORD__V1__OBSERVATIONS__INIT;
		struct envelope_from from = from_device();
		uint64_t want = orders[i % countof(orders)];
		uint8_t raw[512];
		struct put b = put(raw, sizeof(raw));
		struct envelope e;

		from.order = want;
		o.bed = "412-B";
		assert_int_equal(envelope_write(&from, &o.base, &b), OK);
		assert_int_equal(opened_and_checked(put_span(&b), &t, &e), OK);
		want = want ? want : id_order(&from.id);
		assert_true(envelope_order(&e) == want);
		assert_true(envelope_peek_order(put_span(&b)) == want);
	}
	assert_true(envelope_peek_order(span(NULL, 0)) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_comes_back_as_it_was),
		cmocka_unit_test(the_bytes_of_an_alert_are_frozen),
		cmocka_unit_test(each_kind_belongs_to_its_topics_only),
		cmocka_unit_test(the_head_is_checked),
		cmocka_unit_test(a_sealed_body_is_not_looked_at),
		cmocka_unit_test(reading_the_past_needs_no_clock_and_no_topic),
		cmocka_unit_test(texts_have_their_limits),
		cmocka_unit_test(lists_have_their_limits),
		cmocka_unit_test(an_alert_says_what_it_is),
		cmocka_unit_test(a_person_answers_in_no_other_name),
		cmocka_unit_test(writing_is_bounded),
		cmocka_unit_test(what_protobuf_lets_pass_is_refused),
		cmocka_unit_test(unknown_fields_are_ignored_up_to_the_limit),
		cmocka_unit_test(size_is_limited),
		cmocka_unit_test(a_small_arena_is_full_and_never_overrun),
		cmocka_unit_test(no_cut_passes_for_the_whole),
		cmocka_unit_test(who_sent_the_one_before_changes_no_answer),
		cmocka_unit_test(what_was_proved_of_a_sender_ends_with_the_next),
		cmocka_unit_test(the_order_is_beside_the_id_or_in_it),
		cmocka_unit_test(nothing_passes_that_protobuf_c_refuses),
	};

	fill_lists();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, with_crypt, NULL);
}
