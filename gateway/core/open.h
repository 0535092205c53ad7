/* open: which alerts of this gateway nobody has finished yet, so that what a person does about one finds its way back to the
 * source that raised it. Bounded: when there are OPEN_MAX, the oldest gives way; an alert is forgotten OPEN_AGE_MS after its last
 * event, or after the start if that was later. One block, nothing allocated after. Pure. */
#ifndef PULLCORD_OPEN_H
#define PULLCORD_OPEN_H

#include "err.h"
#include "id.h"

#define OPEN_MAX 4096
#define OPEN_AGE_MS (24 * 3600 * 1000LL)
#define OPEN_KEY 16             /* Alert.key */
#define OPEN_INPUT_MAX 64
#define OPEN_SOURCE_MAX 256     /* as any text of a message, NORM_WORD_MAX */
#define OPEN_SOURCE_ID_MAX 256

/* Whose one is, as the outbox has it. */
struct open_alert {
	uint8_t key[OPEN_KEY];
	struct id id;                   /* of the message that carried its last event */
	char input[OPEN_INPUT_MAX + 1];
	char source[OPEN_SOURCE_MAX + 1];
	char source_id[OPEN_SOURCE_ID_MAX + 1];     /* of the last event: the one the source still remembers */
};

struct open;

enum err open_make(struct open **out) MUST_USE;
void open_free(struct open **o);

/* Its last event is of `at_ms`, by the clock open_expire() goes by: one that does not jump. True when another had to give way:
 * `lost` is its key. */
bool open_put(struct open *o, const uint8_t key[OPEN_KEY], int64_t at_ms, uint8_t lost[OPEN_KEY]);
bool open_has(const struct open *o, const uint8_t key[OPEN_KEY]);   /* false: not ours, or too long ago */
bool open_drop(struct open *o, const uint8_t key[OPEN_KEY]);
/* Forgets one alert that is past its age at now_ms; false when there is none. */
bool open_expire(struct open *o, int64_t now_ms, uint8_t key[OPEN_KEY]);
size_t open_count(const struct open *o);

#endif
