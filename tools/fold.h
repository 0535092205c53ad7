/* fold: which alerts a screen has seen. A device that is not sure sends a message again, and the same condition raises
 * one message after another until it is over: from then on it is a new one. A condition is one device's: two devices may
 * use the same key. Remembers the last FOLD_IDS messages and FOLD_MAX conditions. Pure; all zero but for its key is ready. */
#ifndef PULLCORD_FOLD_H
#define PULLCORD_FOLD_H

#include "id.h"
#include "pullcord.pb-c.h"
#include "topic.h"

#define FOLD_MAX 8192           /* the broker's history keeps as many alerts open, and shows them all to who comes */
#define FOLD_IDS 65536          /* an alert may be open while many others come and go, and is shown again after that */
#define FOLD_KEY_BYTES 16
#define FOLD_BED_MAX 64         /* more of a text is cut off */
#define FOLD_TEXT_MAX 160

enum fold_seen {
	FOLD_NEW,           /* a condition not seen before, or one that was over */
	FOLD_AGAIN,         /* a further message about one that is open, or a late one about what is over */
	FOLD_SAME,          /* the very same message */
};

struct fold_alert {
	char device[WORD_BYTES_MAX + 1];        /* empty: none */
	uint8_t key[FOLD_KEY_BYTES];
	bool over;                              /* its device said so, or a person resolved it */
	bool ended;                             /* its device said so */
	uint64_t last;                          /* order of the youngest message about it */
	char bed[FOLD_BED_MAX + 1], text[FOLD_TEXT_MAX + 1];
};

struct fold {
	uint64_t key[2];        /* random: devices choose ids, and shall not choose ones that are slow to find */
	struct id id[FOLD_IDS];
	uint32_t alike[FOLD_IDS], next[FOLD_IDS];       /* by hash: the first, and the next after each; 1 + its place, 0: none */
	struct fold_alert alert[FOLD_MAX];
	size_t ids, alerts;     /* ever remembered */
};

/* An alert has come from `device`, with this envelope_order(); its key has FOLD_KEY_BYTES, as envelope_open() saw to. */
enum fold_seen fold_see(struct fold *f, const struct id *id, uint64_t order, const char *device, const Pullcord__V1__Alert *alert);
/* A message has come, whatever it is: fold_see() for one that cannot be told about. Has it? */
void fold_note(struct fold *f, const struct id *id);
bool fold_knows(const struct fold *f, const struct id *id);
/* An update has come: what it is about, until the next call; NULL: not known here. */
const struct fold_alert *fold_update(struct fold *f, const char *device, const Pullcord__V1__AlertUpdate *update);

#endif
