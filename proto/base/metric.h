/* metric: lines in Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats), for programs that
 * count. Pure. Names and label names are the caller's own words; label values are escaped here. A buffer that is too small
 * turns bad, as put() does. */
#ifndef PULLCORD_METRIC_H
#define PULLCORD_METRIC_H

#include "cur.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
	const char *name, *value;
};

/* HELP and TYPE: once for a name, before its samples. */
void metric_head(struct put *b, const char *name, enum metric_type type, const char *help);
/* value / scale, exact; scale is 1, 1000 or 1000000. `suffix` is "" or what a histogram's parts end in. */
void metric_sample(struct put *b, const char *name, const char *suffix, const struct metric_label *label, size_t labels,
		   int64_t value, uint32_t scale);
/* "-1.250" for -1250 / 1000: also a number in JSON. */
void metric_decimal(struct put *b, int64_t value, uint32_t scale);

/* A number that is declared once, and where it stands in a struct of them, as int64_t. */
struct metric_row {
	const char *name, *text;
	enum metric_type type;
	uint32_t scale;
	size_t at;
};
#define METRIC_ROW(type, name, scale, text, of) { #name, text, METRIC_##type, scale, offsetof(of, name) }
/* In units of 1 / scale. */
int64_t metric_value(const struct metric_row *r, const void *of);
/* Its head and its sample; the name behind the prefix. */
void metric_put(struct put *b, const char *prefix, const struct metric_row *r, const void *of);

#endif
