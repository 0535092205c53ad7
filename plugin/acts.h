/* acts: what takes two persons. One asks and says why; within ACT_WAIT_US another one confirms it by its number, and then it
 * may be carried out, once. In memory only: what was asked for before a restart is to be asked for again. Pure: the
 * caller brings time and chance. */
#ifndef PULLCORD_ACTS_H
#define PULLCORD_ACTS_H

#include "account.h"
#include "topic.h"

#define ACTS_MAX 16             /* that may wait */
#define ACT_SEGMENTS_MAX 1024   /* in one act */
#define ACT_WAIT_US (3600 * 1000000LL)

enum act_kind { ACT_HOLD = 1, ACT_RELEASE, ACT_ERASE };

struct act {
	uint64_t number;            /* 0: none */
	enum act_kind kind;
	char who[WORD_BYTES_MAX + 1], address[ADDRESS_MAX];     /* who asked, and from where */
	char reason[ACCOUNT_TEXT_MAX + 1];
	int64_t asked_us, until_us;
	size_t segments;
	uint32_t segment[ACT_SEGMENTS_MAX];
};

struct acts {
	struct act act[ACTS_MAX];
};

/* Remembers it (copies), under that number, until ACT_WAIT_US from now. ERR_FULL: so many wait; ERR_EXISTS: the number does. */
enum err acts_ask(struct acts *a, const struct act *act, uint64_t number, int64_t now_us) MUST_USE;

/* What that number asks for, if that person may confirm it now; it is gone when it was taken (acts_take).
 * ERR_NOT_FOUND; ERR_KIND: it asks for something else; ERR_TIME: too late; ERR_DENIED: they asked for it themselves. */
enum err acts_confirm(struct acts *a, uint64_t number, enum act_kind kind, struct span who, int64_t now_us,
		      const struct act **out) MUST_USE;
void acts_take(struct acts *a, uint64_t number);

/* Does it wait still? */
bool act_waits(const struct act *act, int64_t now_us);
/* The request that waits for that to be done to the segment; NULL: none. */
const struct act *acts_about(const struct acts *a, enum act_kind kind, uint32_t segment, int64_t now_us);

#endif
