/* live: commands for the running broker, in the name of an administrator ($CONTROL/pullcord/v1), and its answers. */
#ifndef PULLCORD_LIVE_H
#define PULLCORD_LIVE_H

#include "command.h"
#include "login.h"
#include "value.h"

struct live {
	bool on;                        /* --live */
	struct login login;
	struct client *client;
	bool sent;                      /* the last request left us: without an answer, nobody knows what became of it */
	bool gone;                      /* it was about an account that there is not */
};

/* For commands that work on the installation's folder when --live is not given. */
#define LIVE_OPTS(l)                                                                                                   \
	OPT_FLAG("live", &(l)->on, "ask the running broker, as --user, instead of the folder"),                \
	OPT_TEXT("user", "USER", &(l)->login.user, "the administrator who asks"),                                       \
	OPT_TEXT("login-password-file", "FILE", &(l)->login.password_file, "the administrator's password, instead of being asked"), \
	OPT_TEXT("host", "HOST", &(l)->login.host, "the broker (default: localhost)"),                                 \
	OPT_NUMBER("port", "PORT", &(l)->login.port, 0, 65535, "its port for people (default: as the installation says)"), \
	OPT_TEXT("cafile", "FILE", &(l)->login.cafile, "CA of the broker; with --tenant, no installation is needed"),  \
	OPT_TEXT("tenant", "NAME", &(l)->login.tenant, "the hospital's name (default: as roles or the installation say)")

/* CMD_DONE; or what is for the broker was given without --live, which would go unheeded: the exit code, and said. */
int live_check(const struct live *l, const struct opt_page *page) MUST_USE;
/* Logs in. `dir` is the command's own --dir. CMD_DONE or the exit code; everything is said. */
int live_open(struct live *l, const struct opt_page *page, const char *dir) MUST_USE;
void live_close(struct live *l);

/* A request of one command, open for its fields; and when it has them its text, a block of its own. NULL: no memory. */
struct reply *live_request(const char *command) MUST_USE;
char *live_request_end(struct reply *r) MUST_USE;
/* Sends {"commands":[...]} and hears each answer. CMD_NO: it was not sent, or there is no answer, which was said. */
int live_send(struct live *l, const char *request, void (*hear)(void *ctx, const struct answer *a), void *ctx) MUST_USE;
/* What an answer holds, to be closed; NULL: an error, or what is not understood, which was said. */
struct value *live_value(const struct answer *a) MUST_USE;
/* Sends {"commands":[...]} and says each answer: data as it is, errors on stderr. `done`: what to say when there was
 * none and no data (NULL: "done"). CMD_NO when there was an error. */
int live_ask(struct live *l, const char *request, const char *done) MUST_USE;

#endif
