/* id: message ids of 16 bytes that carry their sender.
 *
 *     order, 8 bytes BE: ms since 1970, 48 bit, and sequence, 16 bit            | tag of the sender, 8 bytes
 *     name, 8 bytes: a hash of what the message repeats when it comes again     | the same
 *
 * The first rise, and so does the order that goes beside the second in their envelope. The tag is
 * SHA-256("pullcord id v1" 0 tenant "/" party "/" sender)[:8]. Pure: the caller brings time and randomness. */
#ifndef PULLCORD_ID_H
#define PULLCORD_ID_H

#include "err.h"
#include "span.h"

#define ID_BYTES 16
#define ID_NAME 8
#define ID_TEXT (2 * ID_BYTES + 1)

struct id {
	uint8_t b[ID_BYTES];
};

/* `party` is enum Party of pullcord.proto. */
struct id_maker {
	uint8_t tag[8];
	int64_t last_ms;
	uint16_t seq;
};

/* `seed` should differ from one start to the next. */
void id_init(struct id_maker *m, struct span tenant, int party, struct span sender, uint16_t seed);
/* Never the same twice, and never one that sorts before the last, whatever the clock does. */
struct id id_next(struct id_maker *m, int64_t now_ms);

/* From now on none that sorts before `order`: of an earlier start, when the clock may have been set back since. */
void id_after(struct id_maker *m, uint64_t order);
/* That of a message which has a name. */
struct id id_named(const struct id_maker *m, const uint8_t name[ID_NAME]);

/* Of an id without a name. */
uint64_t id_order(const struct id *id);
static inline int64_t id_order_ms(uint64_t order) { return (int64_t)(order >> 16); }
void id_tag(struct span tenant, int party, struct span sender, uint8_t tag[8]);
bool id_of(const struct id *id, const uint8_t tag[8]);

void id_text(const struct id *id, char out[ID_TEXT]);
enum err id_parse(struct span text, struct id *out) MUST_USE;   /* 32 hex digits */

#endif
