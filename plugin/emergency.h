/* emergency: what somebody may take for themselves ("break-glass"): with a reason, for a time, at a place. Who is asked for by
 * 45 CFR 164.312(a)(2)(ii) an emergency access procedure says with it who took what, until when and why; nobody holds more
 * than they were given for longer than a shift by saying so once. Pure. */
#ifndef PULLCORD_EMERGENCY_H
#define PULLCORD_EMERGENCY_H

#include "account.h"

#define EMERGENCY_HOURS_MAX 12
#define EMERGENCY_US_MAX (EMERGENCY_HOURS_MAX * 3600 * INT64_C(1000000))
#define EMERGENCY_REASON_MAX 180        /* bytes; the one text of a person's own that the record keeps */
#define EMERGENCY_WORD "emergency: "    /* begins the detail of an entry about one; the reason follows */

/* What is missing, in words for whoever asks; NULL: nothing. `placed`: it says for which unit or patient, or is an attribute.
 * until_us 0: for good. */
const char *emergency_lacks(struct span reason, int64_t until_us, bool placed, int64_t now_us);

/* What a person took at one time, which is its name beside theirs: entries refer to it by these two. */
#define EMERGENCIES_MAX 8
struct emergency {
	int64_t at_us, until_us;
	struct span reason;         /* borrows from the account */
};

/* Was it taken so? */
bool emergency_is(const struct account *a, const struct grant *g);
/* Those of an account that was read which last at now_us, the newest first; of more than EMERGENCIES_MAX the newest. */
size_t emergency_list(const struct account *a, int64_t now_us, struct emergency out[EMERGENCIES_MAX]);
/* Is anything that was taken then still held? */
bool emergency_lasts(const struct account *a, int64_t at_us, int64_t now_us);

/* The subject of account_subject() without what was taken then; 0: without all that was taken so. Borrows from the room. */
struct emergency_room {
	struct span role[ACCOUNT_ROLES_MAX];
	struct attribute attribute[ACCOUNT_ATTRIBUTES_MAX];
};
struct subject emergency_without(const struct account *a, struct subject s, int64_t at_us, struct emergency_room *room);

#endif
