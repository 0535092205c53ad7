/* Packed by hand, an event is what protobuf-c makes of it: also with fields that did not exist when this was written, for
 * the schema's own table says which there are. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "base.h"
#include "pack.h"
#include "seed.h"

#define ROUNDS SEED_ROUNDS(20000)
#define REPEATED 6

static uint8_t heap[65536];
static size_t used;

static void *take(size_t n)
{
	void *p = heap + used;

	used += (n + 15) & ~(size_t)15;
	assert_true(used <= sizeof(heap));
	return p;
}

static uint64_t some_number(void)
{
	return seed_below(3) ? seed_next() >> seed_below(64) : 0;
}

static void *some_message(const ProtobufCMessageDescriptor *d);

static void fill_text(char **out)
{
	size_t n = seed_below(2) * seed_below(300);

	*out = take(n + 1);
	memset(*out, 'a', n);
	(*out)[n] = '\0';
}

static void fill_bytes(ProtobufCBinaryData *out)
{
	*out = (ProtobufCBinaryData){ seed_below(2) * 33, take(33) };
	seed_bytes(out->data, out->len);
}

/* One value of the field at `at`. */
static void fill_one(const ProtobufCFieldDescriptor *f, void *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT32: *(uint32_t *)at = (uint32_t)some_number(); return;
	case PROTOBUF_C_TYPE_ENUM: *(int *)at = (int)seed_below(200); return;
	case PROTOBUF_C_TYPE_UINT64: case PROTOBUF_C_TYPE_FIXED64: *(uint64_t *)at = some_number(); return;
	case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)at = (protobuf_c_boolean)seed_below(2); return;
	case PROTOBUF_C_TYPE_STRING: fill_text(at); return;
	case PROTOBUF_C_TYPE_BYTES: fill_bytes(at); return;
	case PROTOBUF_C_TYPE_MESSAGE: *(void **)at = some_message(f->descriptor); return;
	default: fail_msg("field %s: of a type this does not know", f->name);
	}
}

static size_t width(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_MESSAGE ? sizeof(void *) : sizeof(uint64_t);
}

static void *some_message(const ProtobufCMessageDescriptor *d)
{
	uint8_t *m = take(d->sizeof_message);

	d->message_init((ProtobufCMessage *)(void *)m);
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		size_t n = seed_below(REPEATED);
		uint8_t *list;

		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			if (f->type != PROTOBUF_C_TYPE_MESSAGE || seed_below(2))
				fill_one(f, m + f->offset);
			continue;
		}
		list = take(n * width(f));
		for (size_t k = 0; k < n; k++)
			fill_one(f, list + k * width(f));
		*(size_t *)(void *)(m + f->quantifier_offset) = n;
		*(void **)(void *)(m + f->offset) = list;
	}
	return m;
}

static void is_what_the_library_makes_of_it(void **state)
{
	static uint8_t ours[65536], theirs[65536];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const Pullcord__V1__AuditEvent *e;
		size_t n;

		used = 0;
		e = some_message(&pullcord__v1__audit_event__descriptor);
		n = pullcord__v1__audit_event__pack(e, theirs);
		assert_int_equal(pack_event(e, ours), n);
		assert_memory_equal(ours, theirs, n);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(is_what_the_library_makes_of_it) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
