/* order: is a DeviceCommand to be obeyed? One is that enough different officers have signed for this very device, that
 * quotes its nonce, is the next by its counter, has not expired, and says what its kind takes. Whatever else is refused, and
 * why is named. Pure: the caller brings keys, state and time, and makes the counter durable before it acts. */
#ifndef PULLCORD_ORDER_H
#define PULLCORD_ORDER_H

#include "warrant.h"

/* X(NAME, word, text): the text completes "the command is refused: ". */
#define ORDER_VERDICTS(X)                                                                                              \
	X(OBEY, "", "")                                                                                                \
	X(KIND, "kind", "this version knows no such command")                                                          \
	X(UNARMED, "no-officers", "no officers' keys are pinned on this device ([orders] officers)")                   \
	X(COUNTER, "counter", "its counter is not the next: it was obeyed before, or is of another time")              \
	X(NONCE, "nonce", "it does not quote the nonce this device published last")                                    \
	X(EXPIRED, "expired", "it has expired")                                                                        \
	X(LASTS, "lasts", "it would be good for more than 7 days")                                                     \
	X(DETAIL, "detail", "what it says in detail is not what such a command takes")                                 \
	X(UNSIGNED, "unsigned", "nobody has signed it")                                                                \
	X(STRANGER, "stranger", "somebody signed it whose key is not pinned here")                                     \
	X(TWICE, "twice", "an officer signed it twice")                                                                \
	X(SIGNATURE, "signature", "a signature does not fit: it is of another command, device or hospital, or was altered") \
	X(TOO_FEW, "too-few", "fewer officers have signed it than such a command takes")                               \
	X(BUSY, "busy", "another command is being obeyed; send it again")                                              \
	X(DISK, "disk", "that it was obeyed could not be kept on disk")

#define ORDER_NAME(name, ...) ORDER_##name,
enum order_verdict { ORDER_VERDICTS(ORDER_NAME) ORDER_VERDICT_COUNT };

const char *order_word(enum order_verdict v);
const char *order_text(enum order_verdict v);
/* Nobody sends such a one by mistake; or it was obeyed before, or has had its time. */
bool order_is_forged(enum order_verdict v);

/* What the device knows of itself. */
struct order_self {
	const char *tenant, *device;
	const struct officers *officers;        /* n == 0: nobody may command */
	uint64_t executed;
	uint8_t nonce[WARRANT_NONCE];
};

struct order {
	Pullcord__V1__CommandKind kind;
	uint64_t counter;
	uint8_t hash[SHA256_BYTES];     /* of the text that is signed; zero when it has none */
	struct span detail;             /* borrows from the command */
};

/* *out is filled in as far as the command says anything, whatever the verdict. Not judged here: whether settings in a
 * detail are such as may be changed. */
enum order_verdict order_judge(const struct order_self *self, const Pullcord__V1__DeviceCommand *c, int64_t now_us,
			       struct order *out);

#endif
