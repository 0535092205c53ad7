/* envelope: the one payload format. Reading checks everything the schema cannot say; writing is bounded.
 *
 * Reading is two steps. envelope_scan() walks the raw bytes against the schema before protobuf-c sees them: size,
 * depth <= 8, fields <= 4,096, and all that scan.h says. Then envelope_open() unpacks into the caller's arena and checks the
 * content: version, id, sender's tag, times, kind and the body's own rules (lengths and counts named in pullcord.proto).
 * Nothing is allocated outside the arena. Pure: the caller brings the time. */
#ifndef PULLCORD_ENVELOPE_H
#define PULLCORD_ENVELOPE_H

#include "cur.h"
#include "err.h"
#include "id.h"
#include "span.h"
#include "topic.h"
#include "pullcord.pb-c.h"

#define ENVELOPE_BYTES_MAX 200000   /* as message_size_limit in our mosquitto.conf */
#define ENVELOPE_BODY_MAX 65536     /* what envelope_write() will write */
#define ENVELOPE_ARENA 524288       /* enough for every envelope within the limits; a smaller one may give ERR_FULL */
#define ENVELOPE_DEPTH_MAX 8
#define ENVELOPE_FIELDS_MAX 4096
#define ENVELOPE_SKEW_US (10 * 60 * 1000000LL)   /* a sender's clock may be this far ahead */

/* Scratch memory for one unpacked message; reused for the next. Zero `used` to empty it. */
struct arena {
	uint8_t *p;
	size_t cap, used;
};
ProtobufCAllocator arena_allocator(struct arena *a);    /* for protobuf-c; borrows it */

struct envelope {
	struct id id;
	const Pullcord__V1__Envelope *head;   /* in the arena; its bytes are borrowed from the payload */
	union {                               /* by head->kind; in the arena */
		const ProtobufCMessage *any;
		const Pullcord__V1__Alert *alert;
		const Pullcord__V1__AlertUpdate *update;
		const Pullcord__V1__Observations *observations;
		const Pullcord__V1__DeviceState *state;
		const Pullcord__V1__DeviceCommand *command;
		const Pullcord__V1__StoredReceipt *stored;
		const Pullcord__V1__ChatMessage *chat;
		const Pullcord__V1__Receipt *receipt;
		const Pullcord__V1__Broadcast *broadcast;
	} body;                               /* any == NULL when sealed end to end */
	struct span patient;                  /* whom the body names, as envelope_peek_patient() says */
};

/* `raw` against the schema of one message; envelope_open() calls it for the envelope and for its body. */
enum err envelope_scan(struct span raw, const ProtobufCMessageDescriptor *schema) MUST_USE;

/* Without a topic: kind is not checked against one. now_us <= 0: times are not checked (reading the past). Errors: those
 * of the scan; ERR_VERSION; ERR_SENDER (id without the sender's tag, broken names, a person's update in another's name; a
 * tenant that is not the topic's, but on a channel); ERR_TIME (sent more than ENVELOPE_SKEW_US in the future, expires
 * before it was sent); ERR_KIND (not the body of this topic, or an alert whose priority is not its topic's); ERR_RANGE (a
 * length or count of the body); ERR_FULL (arena). That it has expired is no error: what to do then is the reader's
 * decision. */
enum err envelope_open(struct span raw, const struct topic *topic, int64_t now_us, struct arena *arena,
		       struct envelope *out) MUST_USE;

/* The same for whoever only lets messages through: bodies without rules of their own, all but alerts and their updates,
 * are scanned and not unpacked (body.any == NULL). From a connection whose messages are mostly of one sender: who that
 * was is remembered in *sender (all zero: nobody yet), which spares a hash for the next. Its names stand there, too, and
 * head's borrow from them. */
struct envelope_sender {
	Pullcord__V1__Party party;
	uint8_t tag[8];
	bool proved;                /* the caller's: it is who the connection is; false again when it is somebody else */
	uint8_t tenant_n, id_n, named_n;
	char tenant[WORD_BYTES_MAX + 1], id[WORD_BYTES_MAX + 1];
	uint8_t named[2 * WORD_BYTES_MAX + 6];  /* the same as the fields of an envelope */
};
enum err envelope_check(struct envelope_sender *sender, struct span raw, const struct topic *topic, int64_t now_us,
			struct arena *arena, struct envelope *out) MUST_USE;

/* Only the id of an envelope that was opened before: for delivery records, where the payload is not looked at again. */
enum err envelope_peek_id(struct span raw, struct id *out) MUST_USE;

/* Only where it stands among its sender's, as cheap; 0: it cannot be read. */
uint64_t envelope_peek_order(struct span raw);

/* Only the patient its body names, cut at 64 bytes; empty when there is none, or the body is sealed. As cheap. */
struct span envelope_peek_patient(struct span raw);

/* What the envelope of a new message says beside its body. */
struct envelope_from {
	const char *tenant, *sender;
	Pullcord__V1__Party party;
	struct id id;
	int64_t sent_us, expires_us;
	uint64_t order;                       /* 0: its id has it */
};

/* Where it stands among its sender's. */
uint64_t envelope_order(const struct envelope *e);

/* Writes an envelope with `body`, whose kind follows from its type. ERR_TOO_LARGE when it does not fit. */
enum err envelope_write(const struct envelope_from *from, const ProtobufCMessage *body, struct put *out) MUST_USE;

/* "alert" for KIND_ALERT; NULL when unknown. */
const char *kind_name(Pullcord__V1__Kind kind);

#endif
