/* control: administration while the broker runs. Requests from $CONTROL/pullcord/v1 are carried out one after another by a
 * thread of its own (admin.h), because each change is durable before it is answered and the broker's thread waits for no
 * disk; what came of them is fetched at the broker's next idle moment. Broker's thread only, but for that thread.
 *
 * The thread reads the policy that was in force when a request was taken: policies are given back here, and closed when
 * no request can be using them. */
#ifndef PULLCORD_CONTROL_H
#define PULLCORD_CONTROL_H

#include "admin.h"

#define CONTROL_TOPIC "$CONTROL/pullcord/v1"
#define CONTROL_RESPONSE CONTROL_TOPIC "/response"
#define CONTROL_WAITING_MAX 16          /* requests, of COMMAND_REQUEST_MAX each */

struct control;

/* Whose request it is; copied. */
struct control_author {
	Pullcord__V1__Party party;
	char id[65], client[65], address[64];
};

/* What came of a request, in order of asking. */
struct control_result {
	struct control_author author;
	char *response;             /* JSON; NULL: there was no memory for one */
	struct admin_note *note;
	struct policy *fresh;       /* to be put in force, NULL: none; the caller's to take */
	struct control_result *next;
};

/* `dir` is where the policy's file lies. The directory must outlive it. */
enum err control_open(struct directory *d, const char *dir, struct control **out) MUST_USE;
void control_close(struct control **c);   /* waits until everything asked for is done */

/* Copies the payload. ERR_BUSY: too many wait; ERR_TOO_LARGE; ERR_FULL. */
enum err control_ask(struct control *c, const struct control_author *who, struct span payload,
		     const struct policy *policy) MUST_USE;
/* The policy's file was read and is in force: it becomes an edition if it is none. */
void control_keep_file(struct control *c);

/* All that is done by now, oldest first; NULL: nothing. The caller's: control_result_free() each. */
struct control_result *control_results(struct control *c);
void control_result_free(struct control_result **r);

/* Takes a policy that is no longer in force. */
void control_retire(struct control *c, struct policy *old);

/* Why the last edition could not be kept; OK when it could. */
enum err control_trouble(const struct control *c);

#endif
