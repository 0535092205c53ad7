/* warrant: an order to a device as officers sign it, and the list of whose signatures count. Pure.
 *
 *     pullcord/device-command/v1          what is signed is these lines, and so all that the device goes by
 *     tenant mercy
 *     device icu3-nc1
 *     command wipe
 *     counter 7                           DeviceState.executed and one more
 *     nonce 00112233445566778899aabbccddeeff
 *     expires 1764464400000000            µs since 1970
 *     detail 0                            bytes that follow, then a line end
 *
 * Between officers it travels as a C2SP signed note (note.h): the text, an empty line, a line for each signature, so that
 * who signs reads what is signed. To the device it goes as a DeviceCommand. There is one way to write an order: what
 * warrant_read() takes, warrant_write() gives back byte by byte. */
#ifndef PULLCORD_WARRANT_H
#define PULLCORD_WARRANT_H

#include "note.h"
#include "pullcord.pb-c.h"

#define WARRANT_NONCE 16
#define WARRANT_DETAIL_MAX 2048
#define WARRANT_TEXT_MAX 2560
#define WARRANT_APPROVALS_MAX 8
#define WARRANT_OFFICER_MAX 128     /* bytes of an officer's name */
#define WARRANT_LASTS_MAX_US (7 * 86400 * 1000000LL)   /* no order may be good for longer */

struct warrant {
	struct span tenant, device;
	Pullcord__V1__CommandKind kind;
	uint64_t counter;
	uint8_t nonce[WARRANT_NONCE];
	int64_t expires_us;
	struct span detail;             /* UTF-8; no control characters but line ends */
};

/* "wipe"; NULL, and COMMAND_NONE, for anything else. */
const char *warrant_kind_name(Pullcord__V1__CommandKind kind);
Pullcord__V1__CommandKind warrant_kind(struct span word);
/* How many different officers such a command takes; 0: it is obeyed unsigned. */
unsigned warrant_officers(Pullcord__V1__CommandKind kind);
/* The words a detail may be, parted by '|'; "*": any text. NULL: no such kind. */
const char *warrant_details(Pullcord__V1__CommandKind kind);
bool warrant_detail_ok(Pullcord__V1__CommandKind kind, struct span detail);

/* ERR_SYNTAX: a name is no word; ERR_KIND: no such command; ERR_RANGE: a time, or the detail; ERR_TOO_LARGE. */
enum err warrant_write(const struct warrant *w, struct put *out) MUST_USE;
/* Borrows from the text. ERR_SYNTAX: it is not exactly what warrant_write() writes. */
enum err warrant_read(struct span text, struct warrant *out) MUST_USE;
/* As it says for itself, for the device of that name. Errors: those of warrant_write(), ERR_RANGE also of the nonce. */
enum err warrant_of(const Pullcord__V1__DeviceCommand *c, const char *tenant, const char *device, struct warrant *out) MUST_USE;

/* What the signature of a CommandReceipt covers. ERR_SYNTAX, ERR_TOO_LARGE. */
#define RECEIPT_TEXT_MAX 2048
enum err receipt_write(const Pullcord__V1__CommandReceipt *r, const char *tenant, const char *device, struct put *out) MUST_USE;

/* A file of verifier keys (note.h), one a line; '#' begins a comment. *line: where it is wrong. ERR_SYNTAX; ERR_KEY (a
 * misspelt key); ERR_EXISTS (a name, or a key, twice); ERR_FULL; ERR_TOO_LARGE (a name). */
#define OFFICERS_MAX 32
#define OFFICERS_BYTES_MAX 16384
struct officers {
	size_t n;
	struct cosigner of[OFFICERS_MAX];       /* names borrow from the text */
};
enum err officers_read(struct span text, struct officers *out, unsigned *line) MUST_USE;

/* Is that a signature of the text by an officer of that name in the list? *who: that one; NULL: a stranger. */
enum officer_signature { SIGNATURE_GOOD, SIGNATURE_STRANGER, SIGNATURE_BAD };
enum officer_signature officers_check(const struct officers *list, struct span name, struct span text,
				      const uint8_t sig[SIGN_BYTES], const struct cosigner **who);

/* What follows `name` and a blank on the next line of a text; empty when that is not there. */
struct span warrant_line(struct span *text, const char *name);

#endif
