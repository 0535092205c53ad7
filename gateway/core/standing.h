/* standing: what a gateway remembers of the orders it obeyed, as bytes for its disk and back. A checksum tells what is
 * damaged; against whoever can write there it is no protection. Pure. */
#ifndef PULLCORD_STANDING_H
#define PULLCORD_STANDING_H

#include "cur.h"
#include "order.h"

#define STANDING_TEXT_MAX 1000
#define STANDING_CERT_MAX 4096
#define STANDING_SIGN_MAX 1024
#define STANDING_BYTES_MAX 16384

/* How far a wipe has come. Each is on disk before the next begins. */
enum standing_wipe {
	WIPE_NONE,
	WIPE_BEGUN,                     /* keys are being destroyed: nothing of the store is used any more */
	WIPE_TOLD,                      /* they are; the receipt is to be told until the broker has it */
	WIPE_SILENT,                    /* it has: the device's own key goes, and nothing is said for good */
	WIPE_STAGES
};

/* CommandReceipt. */
struct standing_receipt {
	Pullcord__V1__CommandKind kind; /* NONE: there is no receipt */
	uint64_t counter;
	uint8_t order[SHA256_BYTES];
	Pullcord__V1__CommandOutcome outcome;
	enum order_verdict why;
	char text[STANDING_TEXT_MAX + 1];
	int64_t at_us;
	uint8_t cert[STANDING_CERT_MAX], sig[STANDING_SIGN_MAX];
	size_t cert_n, sig_n;           /* 0: not signed */
};

struct standing {
	uint64_t executed;
	uint8_t nonce[WARRANT_NONCE];
	bool quarantined;
	enum standing_wipe wipe;
	char log_level[16];             /* empty: as in the settings file */
	char settings[WARRANT_DETAIL_MAX + 1];
	struct standing_receipt last;
};

enum err standing_write(const struct standing *s, struct put *out) MUST_USE;
/* ERR_VERSION: another layout; ERR_CORRUPT. */
enum err standing_read(struct span bytes, struct standing *out) MUST_USE;

/* What obeying changes at once: the counter and the nonce, and all that is but state. It has begun. */
void standing_obey(struct standing *s, const struct order *o, const uint8_t nonce[WARRANT_NONCE], int64_t now_us);

/* A receipt as a message; borrows from it. Its text for signing: receipt_write(). */
void standing_message(const struct standing_receipt *r, Pullcord__V1__CommandReceipt *out);

#endif
