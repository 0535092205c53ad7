#include "wipe.h"

#include <stdio.h>
#include <string.h>

/* A disk may fail once. What was said of the first try is said still. */
static enum err wipe_again(struct orders *o, const struct conf *c, const struct shred_watch *w, int64_t now_us)
{
	const struct standing *s = orders_standing(o);
	char left[WIPE_TEXT_MAX], text[WIPE_TEXT_MAX];
	struct put b = put((uint8_t *)text, sizeof(text) - 1);

	if (s->wipe != WIPE_TOLD || s->last.outcome != PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_FAILED ||
	    !shred_store(c, w, left, sizeof(left)))
		return OK;
	put_fmt(&b, "all is destroyed at another try; before: %.900s", s->last.text);
	text[b.n] = '\0';
	return orders_wipe(o, WIPE_TOLD, true, text, now_us);
}

enum err wipe_store(struct orders *o, const struct conf *c, const struct shred_watch *w, uint32_t undelivered, int64_t now_us)
{
	char left[WIPE_TEXT_MAX];
	bool good;
	size_t n;

	if (orders_standing(o)->wipe != WIPE_BEGUN)
		return wipe_again(o, c, w, now_us);
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
