/* ack: what a sender of HL7 v2 is answered (HL7 v2.6 §2.9.2, §2.9.3; table 0357 for the error codes). Pure: time and
 * the answer's own id are arguments. Never acknowledges an acknowledgement. */
#ifndef PULLCORD_ACK_H
#define PULLCORD_ACK_H

#include "hl7.h"

/* Second letter of MSA-1. Error: the sender may try again (CE) or a person should look (AE). Reject: do not repeat. */
enum ack_code { ACK_ACCEPT, ACK_ERROR, ACK_REJECT };

/* Table 0357. */
enum ack_error {
	ACK_NO_ERROR = 0,
	ACK_SEGMENT_SEQUENCE = 100,
	ACK_FIELD_MISSING = 101,
	ACK_DATA_TYPE = 102,
	ACK_VALUE_NOT_FOUND = 103,
	ACK_MESSAGE_TYPE = 200,
	ACK_EVENT = 201,
	ACK_PROCESSING_ID = 202,
	ACK_VERSION_ID = 203,
	ACK_INTERNAL = 207,
};

/* An answer. `where` as ERR-2 has it ("MSH^1^9") or NULL, `why` for people; both literals, without delimiters. */
struct ack {
	enum ack_code code;
	enum ack_error error;
	const char *where, *why;
};

#define ACK_REPLIES_MAX 2
#define ACK_BYTES_MAX 2048    /* one reply to a header within ACK_HEAD_MAX */
#define ACK_HEAD_MAX 1024

/* MSH-1 to MSH-18 of a message, all an answer needs; to be kept until the answer is known. ERR_TOO_LARGE. */
enum err ack_head(const struct hl7 *m, struct put *out) MUST_USE;

/* Which replies are due, in order, as values of MSA-1 ("AA", "CR", ...): in original mode one; in enhanced mode (MSH-15
 * or MSH-16 say something) what they ask for. After a negative accept acknowledgement no application one follows.
 * m == NULL: its header could not be read; original mode. */
unsigned ack_due(const struct hl7 *m, enum ack_code code, const char *due[ACK_REPLIES_MAX]);

/* Appends one reply, segments ended by CR, in the delimiters of the message. m == NULL as above. ERR_TOO_LARGE. */
enum err ack_write(const struct hl7 *m, const char *msa1, const struct ack *a, int64_t now_us, struct span id,
		   struct put *out) MUST_USE;

#endif
