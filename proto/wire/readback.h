/* readback: asking for what the broker kept, and the pages of the answer (HistoryRequest, HistoryPage); and which alerts are
 * open. A request is read into plain fields with everything checked: filters are filters, the limit is one. Reader and
 * writer of both ends. Pure. */
#ifndef PULLCORD_READBACK_H
#define PULLCORD_READBACK_H

#include "envelope.h"

#define READBACK_TOPIC "$CONTROL/pullcord/v1/history"
#define READBACK_RESPONSE READBACK_TOPIC "/response"
#define READBACK_OPEN READBACK_TOPIC "/open"
#define READBACK_REQUEST_MAX 2048
#define READBACK_CORRELATION_MAX 64
#define READBACK_FILTERS_MAX 8
#define READBACK_ITEMS_MAX 64
#define READBACK_PAYLOAD_MAX 131072     /* longer messages are not kept; and payloads of a page together */
#define READBACK_PAGE_MAX (READBACK_PAYLOAD_MAX + READBACK_ITEMS_MAX * 256 + 512)

struct readback {
	unsigned filters;               /* 0: the one message of `id` */
	char filter[READBACK_FILTERS_MAX][TOPIC_BYTES_MAX + 1];
	bool has_id, oldest_first;
	struct id id;
	uint64_t from_us, until_us, after;
	unsigned limit;                 /* 1..READBACK_ITEMS_MAX */
};

/* What the scan says; ERR_TOO_LARGE; ERR_SYNTAX (a filter), ERR_RANGE (how many; the id), ERR_KIND (asks for nothing). */
enum err readback_read(struct span raw, struct readback *out) MUST_USE;
enum err readback_write(const struct readback *r, struct put *out) MUST_USE;

struct readback_item {
	uint64_t kept_us;
	struct span topic, payload;
};

struct readback_page {
	unsigned n;
	struct readback_item item[READBACK_ITEMS_MAX];
	uint64_t next;
	const char *refused;            /* NULL, "": it was not */
};

/* Reading borrows from `raw` and the arena. ERR_FULL: no room. */
enum err readback_page_read(struct span raw, struct arena *arena, struct readback_page *out) MUST_USE;
enum err readback_page_write(const struct readback_page *p, struct put *out) MUST_USE;

/* Which alerts are open (OpenRequest, OpenAlerts). ERR_RANGE: more than READBACK_ITEMS_MAX of them, or part of an id. */
enum err readback_missing_read(struct span raw, struct id *missing, size_t *n) MUST_USE;   /* has room for so many */
enum err readback_missing_write(const struct id *missing, size_t n, struct put *out) MUST_USE;

struct readback_open {
	struct span ids;                /* ID_BYTES each */
	const char *refused;            /* NULL, "": it was not */
};
/* As those of pages. ERR_RANGE: part of an id. */
enum err readback_open_read(struct span raw, struct arena *arena, struct readback_open *out) MUST_USE;
enum err readback_open_write(const struct readback_open *o, struct put *out) MUST_USE;

#endif
