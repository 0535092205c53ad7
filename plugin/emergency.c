#include "emergency.h"

#define TAKE "what you take yourself "

const char *emergency_lacks(struct span reason, int64_t until_us, bool placed, int64_t now_us)
{
	if (!span_trim(reason).n)
		return TAKE "needs a \"reason\", which goes on record";
	if (reason.n > EMERGENCY_REASON_MAX)
		return TAKE "has a \"reason\" of at most 180 bytes";
	if (!until_us)
		return TAKE "ends: it needs \"expires\", at most 12 hours from now";
	if (until_us - now_us > EMERGENCY_US_MAX)
		return TAKE "ends at most 12 hours from now";
	return placed ? NULL : TAKE "is for a place: it needs \"unit\" or \"patient\"";
}
