/* criteria: which events of the record are meant: by person, device, patient, topic, event, time and outcome, all of what
 * is said at once. */
#ifndef PULLCORD_CRITERIA_H
#define PULLCORD_CRITERIA_H

#include "audited.h"
#include "opt.h"
#include "topic.h"
#include "years.h"

/* What somebody is called in the record: another word for each year that has a key. */
struct pseudonyms {
	size_t n;
	uint8_t of[YEARS_KEYS_MAX][PATIENT_PSEUDONYM_BYTES];
};

struct criteria {
	const char *user, *device, *client, *claimed, *patient, *topic, *event, *outcome, *from, *to;    /* options; NULL: any */

	/* Filled in by criteria_read(). What the record keeps a part of only is asked for by that part: client and topic. */
	char client_kept[AUDITED_CLIENT_MAX + 1], topic_kept[AUDITED_TOPIC_MAX + 1];
	struct span filter_text;
	struct topic filter;            /* kind does not matter */
	bool has_filter;                /* false: `topic` is none of ours, and is compared as it is */
	struct span place;              /* where the topic names a patient; empty: it does not */
	int type, result;               /* -1: any */
	int64_t from_us, to_us;         /* from <= t < to */

	/* Filled in by criteria_bind(). */
	struct pseudonyms patient_words, place_words;
	struct pseudonyms claimed_words, client_words;      /* as the record has what is nobody's */
	struct pseudonyms level_words[TOPIC_LEVELS_MAX];    /* of each level of the filter, were it a patient */
};

#define CRITERIA_OPTS(c)                                                                                               \
	OPT_TEXT("user", "USER", &(c)->user, "what this person did, and what was delivered to them"),                  \
	OPT_TEXT("device", "ID", &(c)->device, "the same for a device"),                                               \
	OPT_TEXT("client", "ID", &(c)->client, "the same by MQTT client id"),                                          \
	OPT_TEXT("claimed", "NAME", &(c)->claimed, "logins that tried this name and did not prove it"),                 \
	OPT_TEXT("patient", "ID", &(c)->patient, "about this patient (the id as the source knows it)"),                \
	OPT_TEXT("topic", "FILTER", &(c)->topic, "on topics that match, and filters that could meet it; with a patient's id"),    \
	OPT_TEXT("event", "TYPE", &(c)->event, "login, subscribe, publish, deliver, admin ..."),                       \
	OPT_TEXT("outcome", "WORD", &(c)->outcome, "allowed, denied or failed"),                                       \
	OPT_TEXT("from", "TIME", &(c)->from, "from then on: 2026-11-23T07:00:00Z, or a day (its beginning, UTC)"),     \
	OPT_TEXT("to", "TIME", &(c)->to, "before then")

/* Reads what the options say; *c stays where it is from then on. OPT_RUN, or the exit code after the mistake was said. */
int criteria_read(struct criteria *c, const struct opt_page *page) MUST_USE;
/* Only who has the root key can name a patient: reader_patients() are what makes pseudonyms. */
void criteria_bind(struct criteria *c, const struct patients *p, size_t n);

/* Appends " --user ana --from 2026-11-23" ...; but for the patient, whose id is nobody's business, and the topic, which may have
 * it. */
void criteria_write(const struct criteria *c, struct put *out);
/* Whom they name, so or in the topic; NULL: nobody. In `text`, or what was given. */
const char *criteria_patient(const struct criteria *c, char text[AUDITED_PATIENT_MAX + 1]);

bool criteria_match(const struct criteria *c, const Pullcord__V1__AuditEvent *e);
/* Is this topic (or filter) of an entry one that is meant? */
bool criteria_topic(const struct criteria *c, struct span topic);

/* "2026-11-23T07:00:00Z", with or without a fraction, or "2026-11-23". ERR_SYNTAX. */
enum err criteria_time(const char *text, int64_t *us) MUST_USE;

#endif
