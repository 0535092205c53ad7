/* password: argon2id (RFC 9106) off the broker's thread.
 *
 * One hash costs 25 ms and more, and the broker has one thread. So password_ask() never hashes: it looks in a short
 * memory of answers (60 s, keyed by HMAC with a key of this process, so no password is kept), else hands the question
 * to one worker thread and says WAIT; the caller closes the connection without an answer, and the client's next try,
 * moments later, finds the answer. Every client library reconnects by itself. A wrong guess counts whether or not anybody
 * comes for the answer: password_unheard(). A user unknown to the directory costs the same work as a known one.
 *
 * Bounded: at most PASSWORD_QUESTIONS_MAX wait, one for each user and address. Whoever is not known where they are shares
 * PASSWORD_STRANGERS_MAX of these places, and PASSWORD_SHARE_MAX with others at the same machine (lockout_machine()), so
 * that no crowd of outsiders keeps the staff out. */
#ifndef PULLCORD_PASSWORD_H
#define PULLCORD_PASSWORD_H

#include "err.h"
#include "span.h"
#include "subject.h"
#include "topic.h"

#define PASSWORD_PHC_MAX 160
#define PASSWORD_BYTES_MAX 256
#define PASSWORD_BYTES_MIN 8

#define PASSWORD_QUESTIONS_MAX 64
#define PASSWORD_STRANGERS_MAX 48
#define PASSWORD_SHARE_MAX 16

bool password_length_ok(struct span password);
/* "$argon2id$v=19$m=19456,t=2,p=1$..." (OWASP's minimum). ERR_RANGE: too short or too long. Slow. */
enum err password_hash(struct span password, char phc[PASSWORD_PHC_MAX]) MUST_USE;
/* OK or ERR_KEY; ERR_SYNTAX when phc is none or asks for more than 256 MiB or 10 passes. Slow. */
enum err password_check(const char *phc, struct span password) MUST_USE;

/* Is it such a string, at least as costly to guess as ours and at most four times as costly to check? */
bool password_is_hash(struct span phc);

struct password_desk;

enum password_answer {
	PASSWORD_WAIT,
	PASSWORD_RIGHT,
	PASSWORD_WRONG,             /* a guess that failed */
	PASSWORD_AGAIN,             /* wrong, and no guess more: said before (clients repeat what was typed once), or of a
	                             * length no password has */
	PASSWORD_BUSY
};

enum err password_open(struct password_desk **out) MUST_USE;      /* starts the worker, all its signals blocked */
void password_close(struct password_desk **d);                    /* waits for the hash under way */
/* Whose password, from where, by which MQTT client; is the user known there? */
struct password_asker {
	struct span user, address, client;
	bool known;
};
/* phc NULL: no such user (WRONG in the end, after the same work). Copies what it keeps and wipes it after. A changed
 * phc makes older answers void. Takes microseconds. */
enum password_answer password_ask(struct password_desk *d, const struct password_asker *who, struct span password,
				  const char *phc, int64_t now_ms);

/* Wrong guesses nobody was told of, one a call, until there is none. COUNT: password_ask() will say AGAIN of it. SAY,
 * once and PASSWORD_UNHEARD_MS later: they never came for the answer. */
#define PASSWORD_UNHEARD_MS 10000
enum password_unheard { PASSWORD_NONE, PASSWORD_COUNT, PASSWORD_SAY };
struct password_guess {
	char user[WORD_BYTES_MAX + 1], address[ADDRESS_MAX], client[WORD_BYTES_MAX + 1];
};
enum password_unheard password_unheard(struct password_desk *d, int64_t now_ms, struct password_guess *out);

#endif
