/* topic: the grammar of our topics and filters, and what each topic means.
 *
 * A topic has 1..12 levels of [A-Za-z0-9._:-]{1,64} parted by '/', at most 200 bytes in all; a level beginning with '$'
 * is allowed only as first level of "$CONTROL/pullcord/v1". A filter may have '+' for a level and '#' for the rest
 * (MQTT 5 §4.7.1). Everything else is ERR_SYNTAX (ERR_TOO_LARGE past 200 bytes or 12 levels). Nothing is copied:
 * levels borrow from the text. Pure. */
#ifndef PULLCORD_TOPIC_H
#define PULLCORD_TOPIC_H

#include "err.h"
#include "span.h"

#define TOPIC_LEVELS_MAX 12
#define TOPIC_BYTES_MAX 200
#define WORD_BYTES_MAX 64       /* one level, and so one id */

enum topic_kind {
	TOPIC_OTHER,            /* well formed, but none of ours */
	TOPIC_ALERT,            /* {tenant}/unit/{unit}/alert/{priority}/{device} */
	TOPIC_ACK,              /* {tenant}/unit/{unit}/ack/{device} */
	TOPIC_VITALS,           /* {tenant}/unit/{unit}/vitals/{device} */
	TOPIC_BROADCAST,        /* {tenant}/unit/{unit}/broadcast */
	TOPIC_CHANNEL_MSG,      /* {tenant}/channel/{channel}/msg */
	TOPIC_CHANNEL_RECEIPT,  /* {tenant}/channel/{channel}/receipt */
	TOPIC_PATIENT_MSG,      /* {tenant}/patient/{patient}/msg */
	TOPIC_PATIENT_RECEIPT,  /* {tenant}/patient/{patient}/receipt */
	TOPIC_INBOX,            /* {tenant}/user/{user}/inbox */
	TOPIC_PRESENCE,         /* {tenant}/user/{user}/presence */
	TOPIC_STATE,            /* {tenant}/device/{device}/state */
	TOPIC_CMD,              /* {tenant}/device/{device}/cmd */
	TOPIC_STORED,           /* {tenant}/device/{device}/stored */
	TOPIC_CHECKPOINT,       /* {tenant}/audit/{log}/checkpoint */
	TOPIC_WITNESS_REQ,      /* {tenant}/audit/{log}/witness/{device}/req */
	TOPIC_WITNESS_ADD,      /* {tenant}/audit/{log}/witness/{device}/add */
	TOPIC_COSIGNATURE,      /* {tenant}/audit/{log}/witness/{device}/cosignature */
	TOPIC_GOSSIP,           /* {tenant}/audit/{log}/witness/{device}/gossip */
	TOPIC_METRIC,           /* {tenant}/broker/{metric} */
	TOPIC_CONTROL,          /* $CONTROL/pullcord/v1 */
	TOPIC_KINDS
};

struct topic {
	enum topic_kind kind;
	uint32_t n;
	struct span level[TOPIC_LEVELS_MAX];
	struct span text;
};

/* One id or level: [A-Za-z0-9._:-]{1,64}. */
bool word_ok(struct span s);

enum err topic_parse(struct span text, struct topic *out) MUST_USE;
enum err filter_parse(struct span text, struct topic *out) MUST_USE;   /* kind is TOPIC_OTHER */

/* The variable level of a kind, e.g. topic_word(&t, "device"); empty when the kind has none of that name. */
struct span topic_word(const struct topic *t, const char *name);
/* The same of a copy of its text, from which it borrows. */
struct topic topic_of_copy(const struct topic *t, const char *text);
/* "alert" for TOPIC_ALERT; for logs and the record. */
const char *topic_kind_name(enum topic_kind kind);
/* The bit of Kind (pullcord.proto) k that may be the body on such a topic: 1u << k, or'ed. 0: no envelope there. */
uint32_t topic_bodies(enum topic_kind kind);

/* Does `filter` match `topic` (MQTT 5 §4.7)? Does `wide` match everything `narrow` matches? Can both match one topic? */
bool filter_matches(const struct topic *filter, const struct topic *topic);
bool filter_contains(const struct topic *wide, const struct topic *narrow);
bool filter_meets(const struct topic *a, const struct topic *b);

/* Builds a topic text from the kind and its words in order, with a closing NUL: topic_build(out, cap, TOPIC_ALERT,
 * "mercy", "icu3", "high", "nc-1"). ERR_SYNTAX when a word is none, ERR_TOO_LARGE when it does not fit; then the
 * text is empty. */
enum err topic_build(char *out, size_t cap, enum topic_kind kind, const char *const *word, size_t n) MUST_USE;
#define TOPIC_BUILD(out, kind, ...) topic_build((out), sizeof(out), (kind), (const char *const[]){ __VA_ARGS__ }, \
	sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* "code" "high" "medium" "low" "info" <-> 5..1 (enum Priority); 0 and NULL for anything else. */
int priority_parse(struct span word);
const char *priority_name(int priority);

#endif
