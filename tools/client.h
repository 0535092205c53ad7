/* client: an MQTT 5 connection over TLS for tools, scenes and benches; the only user of libmosquitto. One thread, no
 * callbacks to the caller: every call runs the connection for as long as it takes or is told to. The broker's name is
 * always checked against its certificate.
 *
 * The plugin hashes passwords beside the broker's thread and closes the connection without an answer meanwhile, so
 * connecting tries again until the answer is there. */
#ifndef PULLCORD_CLIENT_H
#define PULLCORD_CLIENT_H

#include "err.h"
#include "span.h"

#define CLIENT_QUEUE_BYTES_MAX (16u << 20)      /* of messages nobody took yet; what comes beyond is thrown away */
#define CLIENT_ANSWER_MS 5000           /* how long an answer of the broker may take */

struct client;

/* Copied. */
struct client_spec {
	const char *host;
	int port;
	const char *id;                 /* MQTT client id */
	const char *cafile;
	const char *cert, *key;         /* NULL: none */
	const char *user, *password;    /* NULL: none */
	uint32_t session_s;             /* the broker keeps session and queue for so long after a loss; 0: not at all */
};

enum err client_open(const struct client_spec *spec, struct client **out) MUST_USE;
void client_close(struct client **c);           /* says goodbye; the session ends */

/* Connects, or connects again (the old connection is dropped). `fresh`: without what the broker kept of the session.
 * ERR_DENIED: the broker refused (client_why() says its reason); ERR_CLOSED: it hung up, again and again for wait_ms;
 * ERR_NOT_FOUND: nobody answers there; ERR_KEY: TLS failed (a certificate does not fit); ERR_IO: a file. */
enum err client_connect(struct client *c, bool fresh, int wait_ms) MUST_USE;
/* What went wrong last, for people: the broker's or the TLS library's own words. Until the next call. */
const char *client_why(const struct client *c);
/* The connection was lost because another came with the same client id. */
bool client_taken_over(const struct client *c);

/* Both wait for the broker's answer. ERR_DENIED: a reason code from 0x80 (client_reason()); ERR_BUSY: no answer in
 * time; ERR_CLOSED: the connection is lost. */
enum err client_subscribe(struct client *c, const char *filter, int qos) MUST_USE;
enum err client_publish(struct client *c, const char *topic, struct span payload, int qos, bool retain) MUST_USE;
int client_reason(const struct client *c);      /* of the last answer; 0x10: stored, but nobody subscribes */

struct client_message {
	const char *topic;
	struct span payload;
	int qos;
	bool retain;
	int64_t at_us;                  /* when it arrived, µs since 1970 */
	struct span correlation;        /* correlation data (MQTT 5 §3.3.2.3.6), at most 16 bytes; empty: none, or longer */
};

/* The next message, waiting at most timeout_ms. Borrowed until the next call. ERR_BUSY: none came; ERR_CLOSED: the
 * connection is lost (messages that came before are given first). */
enum err client_next(struct client *c, int timeout_ms, struct client_message *out) MUST_USE;
/* Request and response (MQTT 5 §4.10): publishes with a correlation of its own and waits for the answer on `response`;
 * whatever else comes meanwhile is thrown away. As client_publish() and client_next(). */
enum err client_ask(struct client *c, const char *topic, const char *response, struct span payload, int timeout_ms,
		    struct client_message *out) MUST_USE;

#endif
