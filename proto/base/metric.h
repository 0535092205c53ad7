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

#endif
