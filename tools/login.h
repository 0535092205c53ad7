/* login: how watch, ack and send come to the broker as a person: their common options, where defaults come from, and
 * what is said when it does not work. */
#ifndef PULLCORD_LOGIN_H
#define PULLCORD_LOGIN_H

#include "client.h"
#include "envelope.h"
#include "install.h"
#include "opt.h"
#include "secret.h"

struct login {
	const char *dir, *host, *cafile, *tenant, *user, *terminal, *password_file;    /* options */
	long port;
	struct install install;         /* its tenant is always filled in; dir only when there is one */
	struct install_path ca;
	struct id_maker ids;
	const char *again;              /* filter that is subscribed to once more when login_send() came again; NULL: it does not */
};

#define LOGIN_OPTS(l)                                                                                                  \
	OPT_NEED("user", "USER", &(l)->user, "who you are"),                                                           \
	OPT_TEXT("password-file", "FILE", &(l)->password_file, SECRET_OPT_TEXT),                                       \
	OPT_TEXT("dir", "DIR", &(l)->dir, INSTALL_DIR_TEXT),                                                           \
	OPT_TEXT("host", "HOST", &(l)->host, "the broker (default: localhost)"),                                       \
	OPT_NUMBER("port", "PORT", &(l)->port, 0, 65535, "its port for people (default: as the installation says)"),   \
	OPT_TEXT("cafile", "FILE", &(l)->cafile, "CA of the broker; with --tenant, no installation is needed"),        \
	OPT_TEXT("tenant", "NAME", &(l)->tenant, "the hospital's name (default: as the installation says)"),           \
	OPT_TEXT("terminal", "NAME", &(l)->terminal, "this terminal's name; the client id is USER.NAME")

/* Finds out where and who, asks for the password and connects. `page` is the command's, `terminal` the default name.
 * CMD_DONE or the exit code; everything is said. */
int login_open(struct login *l, const struct opt_page *page, const char *terminal, uint32_t session_s,
	       struct client **out) MUST_USE;
/* What went wrong with a connection, and what to do. Returns CMD_NO. */
int login_failed(const struct login *l, enum err e, const struct client *c);

/* Writes an envelope of this person around `body` and publishes it with QoS 1. Says what went wrong; *id: its own. With `again` a
 * connection that ends without an answer is made anew, and the same sent again: so the broker does with orders to devices that are
 * not on durable record yet (held.h). */
int login_send(struct login *l, struct client *c, const char *topic, const ProtobufCMessage *body, int64_t expires_us,
	       struct id *id) MUST_USE;

/* What was sent last was stored, but nobody subscribes to it. */
bool login_unheard(const struct client *c);
/* With --json: what was sent. */
void login_say_sent(const struct client *c, const char *topic, const struct id *id);

#endif
