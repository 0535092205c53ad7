/* carried: orders to devices, and what devices say became of them, in words for the record. Such an order is an act like an
 * administrator's command, though the broker only carries it; the device checks who signed it. Pure.
 *
 *     wipe 7 order 5e88… by mercy/officer/ana+1f0c6b2e and mercy/officer/ben+93d2a0c4
 *                                              who gives it is the entry's actor, its topic names the device
 *     wipe 7 order 5e88…: done, signed         the device's word: whether the signature fits, `order await` says
 *     wipe 7 order 5e88…: refused, too-few
 *
 * The 64 digits are the SHA-256 of the order's text (warrant.h), which has its nonce and all else; they tie the two together, and
 * to the file the officers signed. Officers and the ids of their keys are
 * what the order claims, written as in verifier keys (note.h); the device holds both against its own list, the broker has none.
 * Of what a sender wrote only words go on record: a name that is none becomes "?". */
#ifndef PULLCORD_CARRIED_H
#define PULLCORD_CARRIED_H

#include "warrant.h"

#define CARRIED_TEXT_MAX 201            /* with the NUL */

/* False: it is no signed order. */
bool carried_order(const Pullcord__V1__DeviceCommand *c, const char *tenant, const char *device, char out[CARRIED_TEXT_MAX]);
/* False: it says nothing of an order. *done: it was obeyed, or is being. */
bool carried_receipt(const Pullcord__V1__CommandReceipt *r, char out[CARRIED_TEXT_MAX], bool *done);

/* A device says so again whenever it says how it is: which of it was on record already? Remembered are the last four of each of
 * 4,096 buckets, so after a restart of the broker it is on record once more, and is rather told twice than not. */
#define CARRIED_BUCKETS 4096
#define CARRIED_WAYS 4
struct carried_seen {
	uint64_t key[2];                /* random, the caller's: who picks ids must not pick buckets */
	uint64_t tag[CARRIED_BUCKETS][CARRIED_WAYS];
};
bool carried_is_new(struct carried_seen *seen, struct span device, const char *text);

#endif
