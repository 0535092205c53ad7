/* resend: up to where a receiver surely has what was sent to it. Syslog over TLS has no acknowledgement, and what the system
 * took may be lost when the receiver dies. So: what was sent `hold` ago, and the connection still stands, counts as
 * received; when it breaks, everything after that is sent again. The receiver folds by the entry's index. Pure.
 *
 * On disk it is four lines, so that a start goes on where the last one surely was:
 *
 *     pullcord feed 1
 *     origin broker.mercy.example/audit/main
 *     to arr.mercy.example:6514
 *     safe 4711                       entries before this one are there */
#ifndef PULLCORD_RESEND_H
#define PULLCORD_RESEND_H

#include "cur.h"

#define RESEND_MARKS 32
#define RESEND_TEXT_MAX 1024

struct resend {
	int64_t hold_ms;
	uint64_t safe;
	struct { int64_t at_ms; uint64_t next; } mark[RESEND_MARKS];    /* oldest first */
	size_t marks;
};

/* A connection on which nobody acknowledges what was sent must count as broken after so long: well before it is taken to be
 * there. */
#define RESEND_LOST_MS_MAX 20000
int64_t resend_lost_ms(int64_t hold_ms);

void resend_init(struct resend *r, int64_t hold_ms, uint64_t safe);
/* Everything before `next` is sent, and the connection stands. */
void resend_sent(struct resend *r, uint64_t next, int64_t now_ms);
/* It does not: from where to send again. */
uint64_t resend_broken(struct resend *r);

struct resend_file {
	struct span origin, to;
	uint64_t safe;
};
/* ERR_VERSION: not a file of this kind; ERR_SYNTAX. Spans borrow from the text. */
enum err resend_read(struct span text, struct resend_file *out) MUST_USE;
void resend_write(const struct resend_file *f, struct put *out);

#endif
