/* freshness: says in time when what the broker's TLS stands on ends. A revocation list past its nextUpdate locks every
 * device out, an expired certificate or CA everybody.
 *
 * What counts is what the broker took in when it started or was last reloaded; a newer file beside it helps after the next
 * reload. Where a file holds several, the one that ends first counts. capath is not looked at.
 *
 * Pure, but for freshness_read(), which waits for the disk and is for a thread of one's own. */
#ifndef PULLCORD_FRESHNESS_H
#define PULLCORD_FRESHNESS_H

#include "broker_conf.h"

#define FRESHNESS_EVERY_S 3600
#define FRESHNESS_AGAIN_S 86400         /* the same of the same file is said once in so long */
#define FRESHNESS_TEXT 200
#define FRESHNESS_BYTES_MAX (4 << 20)   /* of a file */

enum freshness_state {
	FRESHNESS_GOOD,
	FRESHNESS_ENDING,           /* less than 24 hours (list) or 14 days (certificate) are left */
	FRESHNESS_ENDED,
	FRESHNESS_UNREADABLE,       /* missing, forbidden, damaged: the next reload would fail */
	FRESHNESS_STATES
};

/* RFC 5280 §4.1.2.5 and §5.1.2.5; seconds since 1970. */
enum freshness_state freshness_look(enum broker_file_kind kind, int64_t now_s, int64_t ends_s);

/* ---- looking ---- */

struct freshness_order {
	uint64_t load;              /* which start or reload it belongs to */
	struct broker_files files;
};

struct freshness_report {
	uint64_t load;
	size_t n;
	struct freshness_seen {
		struct broker_file file;
		enum err err;           /* other than OK: it could not be read */
		int64_t ends_s;         /* INT64_MAX: never */
	} seen[];
};

/* NULL: out of memory. The caller frees. */
struct freshness_report *freshness_read(const struct freshness_order *o);

/* ---- remembering ---- */

struct freshness_file {
	struct broker_file file;
	uint64_t load;              /* the last one it was seen after */
	bool known;
	int64_t ends_s;             /* of what the broker took in then, when known */
	enum freshness_state state;
	int64_t said_s[FRESHNESS_STATES];   /* since it was good; 0: not */
};

struct freshness {
	struct freshness_order order;
	struct freshness_file file[BROKER_FILES_MAX];   /* one for each of order.files */
	bool due;
	int64_t looked_s;
};

/* At the broker's start and at each reload: what it reads now. Of a file that stays it is remembered what was said. */
void freshness_watch(struct freshness *f, const struct broker_files *files);
/* Is it time to look (freshness_read() of f->order)? Monotonic seconds. freshness_asked() when it has been begun. */
bool freshness_due(const struct freshness *f, int64_t mono_s);
void freshness_asked(struct freshness *f, int64_t mono_s);
/* True: there is something to say: file->state, and for people `text`, which is printable. */
bool freshness_take(struct freshness *f, uint64_t load, const struct freshness_seen *seen, int64_t now_s,
		    const struct freshness_file **file, char text[FRESHNESS_TEXT + 1]);

#endif
