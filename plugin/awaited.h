/* awaited: what is on its way to somebody by another road than what is published while they are connected. Mosquitto 2.1 says that
 * it sends a message, but not why; it asks about some well before: what is retained, when they subscribe; what had waited, when
 * they connect again. And what we give it for them alone it does not ask about. So each of these is noted here until it is sent.
 *
 * Known by the place of its payload, which the broker holds while the message waits; what we gave it, which it copies, by its id.
 * What the broker drops instead stays noted until its place is somebody else's or the connection ends. Allocates, when it is noted;
 * without memory, or past AWAITED_MAX, how what is not noted came is not known any more. An all-zero struct is empty. */
#ifndef PULLCORD_AWAITED_H
#define PULLCORD_AWAITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "id.h"

#define AWAITED_MAX 16384

struct awaited {
	struct awaited_slot { uint64_t key; uint32_t next, first, last; uint8_t how; } *slot;
	uint32_t n, cap, used, free;    /* n: noted; used: at least once; free: the first that is so again */
	uint64_t hash_key[2];           /* ids are chosen by senders */
	bool lost;                      /* one could not be noted */
};

static inline uint64_t awaited_place(const void *payload) { return (uint64_t)(uintptr_t)payload; }
uint64_t awaited_id(const struct id *id);
/* `how`: enum AuditHow of record.proto, not 0. A key of 0 is none, and is not noted. */
void awaited_note(struct awaited *a, uint64_t key, uint8_t how);
/* How that comes, and it is noted no longer; 0: it was not. Noted twice, it is taken twice. */
uint8_t awaited_take(struct awaited *a, uint64_t key);
void awaited_clear(struct awaited *a);

#endif
