#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypt.h"

void load_open(void)
{
	if (crypt_init() != OK)
		load_fail("OpenSSL refuses");
}

int64_t load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t real_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

void load_fail(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);   /* also from a thread of a library */
}

void load_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* ---- alerts ---- */

void caller_init(struct caller *c, const char *tenant, const char *unit, const char *priority, const char *device)
{
	*c = (struct caller){ .tenant = tenant, .device = device, .priority = priority_parse(span_str(priority)) };
	if (!c->priority || TOPIC_BUILD(c->topic, TOPIC_ALERT, tenant, unit, priority, device) != OK)
		load_fail("no topic for %s/%s/%s/%s", tenant, unit, priority, device);
	id_init(&c->ids, span_str(tenant), PULLCORD__V1__PARTY__PARTY_DEVICE, span_str(device), (uint16_t)real_us());
}

bool load_big(void) { return getenv("BENCH_BIG") != NULL; }

static void make_big(Pullcord__V1__Alert *a)
{
	static char text[LOAD_BIG_TEXT + 1], name[LOAD_BIG_NAME + 1], value[LOAD_BIG_VALUE + 1];
	static Pullcord__V1__Measurement m, *list[] = { &m };

	memset(text, 'x', LOAD_BIG_TEXT);
	memset(name, 'n', LOAD_BIG_NAME);
	memset(value, '1', LOAD_BIG_VALUE);
	pullcord__v1__measurement__init(&m);
	m.code = "150456";
	m.system = "MDC";
	m.name = name;
	m.value = value;
	a->text = text;
	a->n_value = 1;
	a->value = list;
}

struct span caller_next(struct caller *c, uint32_t n)
{
	struct press press = { load_now_ns(), n };
	int64_t now_us = real_us();
	char text[PRESS_TEXT];
	uint8_t key[ID_BYTES];
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;
	struct envelope_from from = { c->tenant, c->device, PULLCORD__V1__PARTY__PARTY_DEVICE,
				      id_next(&c->ids, now_us / 1000), now_us, 0, 0 };
	struct put out = put(c->buffer, sizeof(c->buffer));

	press_write(&press, text);
	memcpy(key, from.id.b, sizeof(key));
	a.key = (ProtobufCBinaryData){ sizeof(key), key };
	a.priority = (Pullcord__V1__Priority)c->priority;
	a.type = PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL;
	a.phase = PULLCORD__V1__PHASE__PHASE_TPOINT;
	a.code = "call.normal";
	a.text = "Patient call";
	a.bed = "12-A";
	a.count = 1;
	a.source = "bench";
	a.source_id = text;
	if (load_big())
		make_big(&a);
	if (envelope_write(&from, &a.base, &out) != OK)
		load_fail("an alert does not fit %zu bytes", sizeof(c->buffer));
	return put_span(&out);
}

void press_write(const struct press *p, char out[PRESS_TEXT])
{
	snprintf(out, PRESS_TEXT, "%" PRIu32 ".%" PRId64, p->n, p->at_ns);
}

bool press_read(const char *text, struct press *out)
{
	return sscanf(text, "%" SCNu32 ".%" SCNd64, &out->n, &out->at_ns) == 2;
}

/* ---- waits ---- */

void waits_add(struct waits *w, int64_t ns)
{
	if (w->n < w->cap)
		w->ns[w->n++] = ns;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t waits_percentile(struct waits *w, double percent)
{
	size_t rank;

	if (!w->n)
		return 0;
	qsort(w->ns, w->n, sizeof(*w->ns), by_size);
	rank = (size_t)(percent / 100 * (double)w->n + 0.999999);
	return w->ns[rank ? (rank < w->n ? rank : w->n) - 1 : 0];
}
