/* emergency: what somebody may take for themselves ("break-glass"): with a reason, for a time, at a place. Who is asked for by
 * 45 CFR 164.312(a)(2)(ii) an emergency access procedure says with it who took what, until when and why; nobody holds more
 * than they were given for longer than a shift by saying so once. Pure. */
#ifndef PULLCORD_EMERGENCY_H
#define PULLCORD_EMERGENCY_H

#include "span.h"

#define EMERGENCY_HOURS_MAX 12
#define EMERGENCY_US_MAX (EMERGENCY_HOURS_MAX * 3600 * INT64_C(1000000))
#define EMERGENCY_REASON_MAX 180        /* bytes; the one text of a person's own that the record keeps */
#define EMERGENCY_WORD "emergency: "    /* begins the detail of an entry about one; the reason follows */

/* What is missing, in words for whoever asks; NULL: nothing. `placed`: it says for which unit or patient, or is an attribute.
 * until_us 0: for good. */
const char *emergency_lacks(struct span reason, int64_t until_us, bool placed, int64_t now_us);

#endif
