/* unkept: what went out early and could not be kept then. Its source was told no and says it again: that is the same message
 * with the same id, which readers show once, not another call. The last UNKEPT_MAX, for UNKEPT_MS. Pure. */
#ifndef PULLCORD_UNKEPT_H
#define PULLCORD_UNKEPT_H

#include "id.h"
#include "key.h"

#define UNKEPT_MAX 64
#define UNKEPT_MS (10 * 60 * 1000)      /* later, the same bytes are somebody who calls again */

struct unkept {
	unsigned next;
	struct { uint8_t key[KEY_BYTES]; struct id id; int64_t until_ms; } at[UNKEPT_MAX];
};

/* An event is known by its source, source_id and digest. */
void unkept_add(struct unkept *u, struct span source, struct span source_id, const struct digest *d, const struct id *id, int64_t now_ms);
/* The id it had, or `fresh`. */
struct id unkept_id(const struct unkept *u, struct span source, struct span source_id, const struct digest *d, const struct id *fresh,
		    int64_t now_ms);

#endif
