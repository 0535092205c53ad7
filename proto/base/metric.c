#include "metric.h"

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram",
};

/* Backslash, quote and line feed, as the format wants them. */
static void put_escaped(struct put *b, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '\n' || (quotes && *text == '"'))
			put_u8(b, '\\');
		put_u8(b, *text == '\n' ? 'n' : (uint8_t)*text);
	}
}

void metric_head(struct put *b, const char *name, enum metric_type type, const char *help)
{
	put_fmt(b, "# HELP %s ", name);
	put_escaped(b, help, false);
	put_fmt(b, "\n# TYPE %s %s\n", name, type_names[type]);
}

void metric_decimal(struct put *b, int64_t value, uint32_t scale)
{
	uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	int digits = scale == 1 ? 0 : scale == 1000 ? 3 : 6;

	put_fmt(b, "%s%llu", value < 0 ? "-" : "", (unsigned long long)(v / scale));
	if (digits)
		put_fmt(b, ".%0*llu", digits, (unsigned long long)(v % scale));
}

void metric_sample(struct put *b, const char *name, const char *suffix, const struct metric_label *label, size_t labels,
		   int64_t value, uint32_t scale)
{
	put_str(b, name);
	put_str(b, suffix);
	for (size_t i = 0; i < labels; i++) {
		put_fmt(b, "%s%s=\"", i ? "," : "{", label[i].name);
		put_escaped(b, label[i].value, true);
		put_str(b, "\"");
	}
	put_str(b, labels ? "} " : " ");
	metric_decimal(b, value, scale);
	put_str(b, "\n");
}

int64_t metric_value(const struct metric_row *r, const void *of)
{
	int64_t v;

	memcpy(&v, (const char *)of + r->at, sizeof(v));
	return v;
}

void metric_put(struct put *b, const char *prefix, const struct metric_row *r, const void *of)
{
	char name[96];
	struct put n = put(name, sizeof(name) - 1);

	put_fmt(&n, "%s%s", prefix, r->name);
	must(put_end(&n) == OK);
	name[n.n] = '\0';
	metric_head(b, name, r->type, r->text);
	metric_sample(b, name, "", NULL, 0, metric_value(r, of), r->scale);
}
