/* wipe: the end of a device, in the one order in which it may be killed anywhere and is still brought to its end. What is
 * done next stands on disk (standing.h) before it is done, and each step can be done again:
 *
 *     BEGUN     the store's keys and the store are destroyed
 *     TOLD      the receipt, signed with the device's key, is brought to a broker (farewell.h); what could not be destroyed is
 *               tried again at each start, and when it succeeds, another receipt says so
 *     SILENT    that key is destroyed, too
 */
#ifndef PULLCORD_WIPE_H
#define PULLCORD_WIPE_H

#include "orders.h"
#include "shred.h"

#define WIPE_TEXT_MAX (STANDING_TEXT_MAX + 1)

/* Up to TOLD: the receipt is ready, and says how many messages went that no broker had, as far as that is known. When it
 * was before: once more what had failed. Errors: of the disk. */
enum err wipe_store(struct orders *o, const struct conf *c, const struct shred_watch *w, uint32_t undelivered,
	int64_t now_us) MUST_USE;
/* A broker has it: to the end. `left` names what of the device's key could not be destroyed. */
enum err wipe_silence(struct orders *o, const struct conf *c, const struct shred_watch *w, char left[WIPE_TEXT_MAX]) MUST_USE;

#endif
