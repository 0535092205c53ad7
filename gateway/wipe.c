#include "wipe.h"

#include <stdio.h>
#include <string.h>

enum err wipe_store(struct orders *o, const struct conf *c, const struct shred_watch *w, uint32_t undelivered, int64_t now_us)
{
	char left[WIPE_TEXT_MAX];
	bool good;
	size_t n;

	if (orders_standing(o)->wipe != WIPE_BEGUN)
		return OK;
	good = shred_store(c, w, left, sizeof(left));
	n = strlen(left);
	if (undelivered)
		snprintf(left + n, sizeof(left) - n, "%s%u messages that no broker had went with it", n ? "; " : "", undelivered);
	return orders_wipe(o, WIPE_TOLD, good, left, now_us);
}

enum err wipe_silence(struct orders *o, const struct conf *c, const struct shred_watch *w, char left[WIPE_TEXT_MAX])
{
	left[0] = '\0';
	if (orders_standing(o)->wipe != WIPE_SILENT)
		TRY(orders_wipe(o, WIPE_SILENT, true, "", 0));
	(void)shred_identity(c, w, left, WIPE_TEXT_MAX);
	return OK;
}
