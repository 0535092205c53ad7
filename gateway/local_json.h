/* local_json: the words of the local socket, for tablet and nurse-call applications. One JSON object a line, at most
 * LOCAL_LINE_MAX bytes, in both directions. The only file that includes jansson.
 *
 *     {"type":"alert", "id":"b7-1", "source":"bed-7", "kind":"call.normal", "text":"Help to the bathroom"}
 *         also: priority (code high medium low info; needed when the kind is none of nursecall's; a call.code is code),
 *         phase (start point continue end; default start), key (names the condition from its start to its end; default:
 *         source, kind and bed), bed, place, patient, call_back, at_us, test, values
 *     {"type":"vitals", "id":"b7-2", "source":"bed-7", "values":[{"code":"150456", "system":"MDC", "value":"97"}]}
 *         also: bed, place, patient, at_us; of a value: name, unit, range, flags, at_us
 *     {"type":"hello", "source":"bed-7"}       asks for the answers to that source on this connection
 *
 *     {"answer":"durable", "id":"b7-1", "alert":"<hex id>"}           safe here; folded:true when it was a repeat
 *     {"answer":"stored", "id":"b7-1", "alert":...}                   safe at the broker
 *     {"answer":"acknowledged", "id":"b7-1", "alert":..., "state":"accepted", "by":"ana"}
 *     {"answer":"refused", "id":"b7-1", "why":..., "hint":..., "at":17}   at: byte of the line, when it is not JSON
 *             also after durable: the broker will not have it, nobody has been told
 *     {"answer":"hello", "source":"bed-7"}
 *
 * Unknown fields, duplicate fields, NUL and control characters are refused by name. */
#ifndef PULLCORD_LOCAL_JSON_H
#define PULLCORD_LOCAL_JSON_H

#include "event.h"
#include "key.h"
#include "norm.h"

#define LOCAL_LINE_MAX 16384
#define LOCAL_WORD_MAX 64              /* id, source, kind, key */
#define LOCAL_WHY_MAX 400
#define LOCAL_ANSWER_MAX 2048          /* of local_write(): each byte of an id, and of 256 of a name, may become six */

enum local_kind { LOCAL_NONE, LOCAL_EVENT, LOCAL_HELLO };

/* What a line said. Borrows from itself and from `doc`: not to be copied; local_done() frees. */
struct local_said {
	enum local_kind kind;
	const char *source;
	struct event event;
	uint8_t key[KEY_BYTES];
	Pullcord__V1__Measurement row[EVENT_VALUES_MAX], *list[EVENT_VALUES_MAX];
	void *doc;
};

/* Why not, for whoever writes the application. */
struct local_no {
	char id[LOCAL_WORD_MAX + 1];   /* empty when the line did not say one */
	char why[LOCAL_WHY_MAX], hint[LOCAL_WHY_MAX];
	long at;                       /* byte of the line; -1: it is not about one */
};

/* `source`: of lines that name none. Any failure: *no says why, nothing is to be freed. */
enum err local_read(struct span line, const char *source, int64_t received_us, struct local_said *out,
		    struct local_no *no) MUST_USE;
void local_done(struct local_said *said);

/* A message that is set aside, for `pullcord-gateway --aside --json`. */
struct local_kept {
	struct id id;
	int64_t at_ms;
	unsigned reason;
	const char *why;
	struct span topic, input, source, source_id;
};
enum err local_write_kept(const struct local_kept *k, struct put *out) MUST_USE;

/* Append one line each. ERR_UTF8, ERR_FULL, ERR_TOO_LARGE. */
enum err local_write(const struct answer *a, struct put *out) MUST_USE;
enum err local_write_no(const struct local_no *no, struct put *out) MUST_USE;
enum err local_write_hello(const char *source, struct put *out) MUST_USE;

#endif
