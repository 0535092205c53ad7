/* Payloads from outside: whatever the scan lets pass, protobuf-c takes, and what was opened keeps the limits. */
#include "crypt.h"
#include "envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void scanned_is_what_protobuf_c_takes(struct span raw, const ProtobufCMessageDescriptor *schema)
{
	ProtobufCMessage *m;

	if (envelope_scan(raw, schema) != OK)
		return;
	m = protobuf_c_message_unpack(schema, NULL, raw.n, raw.p);
	must(m && protobuf_c_message_check(m));
	protobuf_c_message_free_unpacked(m, NULL);
}

static bool same(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	return span_eq(span(a.data, a.len), span(b.data, b.len));
}

static void head_is_what_protobuf_c_reads(struct span raw, const Pullcord__V1__Envelope *e)
{
	Pullcord__V1__Envelope *m = pullcord__v1__envelope__unpack(NULL, raw.n, raw.p);

	must(m && m->version == e->version && m->party == e->party && m->kind == e->kind && m->sent_us == e->sent_us &&
	     m->expires_us == e->expires_us);
	must(strcmp(m->tenant, e->tenant) == 0 && strcmp(m->sender, e->sender) == 0);
	must(same(m->id, e->id) && same(m->body, e->body) && same(m->seal, e->seal) && same(m->signature, e->signature));
	pullcord__v1__envelope__free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[ENVELOPE_ARENA], memory_too[ENVELOPE_ARENA];
	struct arena arena = { memory, sizeof(memory), 0 }, arena_too = { memory_too, sizeof(memory_too), 0 };
	struct span raw = span(data, size);
	struct envelope_sender sender = { .tag = { 0 } };
	struct envelope e, checked;
	struct id id;
	enum err opened;

	must(crypt_init() == OK);
	scanned_is_what_protobuf_c_takes(raw, &pullcord__v1__envelope__descriptor);
	scanned_is_what_protobuf_c_takes(raw, &pullcord__v1__alert__descriptor);
	scanned_is_what_protobuf_c_takes(raw, &pullcord__v1__observations__descriptor);
	must(envelope_peek_patient(raw).n <= WORD_BYTES_MAX);
	(void)!envelope_peek_id(raw, &id);
	opened = envelope_open(raw, NULL, 0, &arena, &e);
	must(envelope_check(&sender, raw, NULL, 0, &arena_too, &checked) == opened || opened == ERR_FULL);
	if (opened == OK) {
		head_is_what_protobuf_c_reads(raw, e.head);
		arena_too.used = 0;
		must(envelope_check(&sender, raw, NULL, 0, &arena_too, &checked) == OK);
		head_is_what_protobuf_c_reads(raw, checked.head);      /* of a sender that is known by now */
		must(span_eq(e.patient, envelope_peek_patient(raw)) && span_eq(checked.patient, e.patient));
		must(word_ok(span_str(e.head->sender)) && e.head->version == 1 && kind_name(e.head->kind));
		must(e.head->seal.len || e.body.any);
		must(envelope_peek_id(raw, &id) == OK && memcmp(&id, &e.id, sizeof(id)) == 0);
		if (e.body.any && e.head->kind == PULLCORD__V1__KIND__KIND_ALERT && strlen(e.body.alert->patient) <= WORD_BYTES_MAX)
			must(span_is(envelope_peek_patient(raw), e.body.alert->patient));
	}
	return 0;
}
