/* cmd_order: what the subcommands of `pullcord order` share: a connection to the broker, and what a device says there of itself. */
#ifndef PULLCORD_CMD_ORDER_H
#define PULLCORD_CMD_ORDER_H

#include "login.h"
#include "orderfile.h"

int order_send(int argc, char **argv);
int order_await(int argc, char **argv);
int order_status(int argc, char **argv);

/* One connection to the broker, and what a device says on its state topic. */
struct listening {
	struct login login;
	struct client *client;
	char topic[TOPIC_BYTES_MAX + 1];
	struct topic parsed;
	struct arena arena;
	const Pullcord__V1__DeviceState *state;
};

#define ORDER_LOGIN_OPTS(l)                                                                                            \
	OPT_TEXT("user", "USER", &(l)->user, "who you are: an account that may read the device's state"),             \
	OPT_TEXT("password-file", "FILE", &(l)->password_file, SECRET_OPT_TEXT),                                       \
	OPT_TEXT("dir", "DIR", &(l)->dir, INSTALL_DIR_TEXT),                                                           \
	OPT_TEXT("host", "HOST", &(l)->host, "the broker (default: localhost)"),                                       \
	OPT_NUMBER("port", "PORT", &(l)->port, 0, 65535, "its port for people (default: as the installation says)"),   \
	OPT_TEXT("cafile", "FILE", &(l)->cafile, "CA of the broker and of the devices; with --tenant, no installation is needed"), \
	OPT_TEXT("tenant", "NAME", &(l)->tenant, "the hospital's name (default: as the installation says)")

/* Logs in and subscribes to what the device says. CMD_DONE; what is wrong was said. */
int order_listen(struct listening *l, const struct opt_page *page, const char *device) MUST_USE;
/* Its state, which is retained and comes at once. CMD_DONE; CMD_GONE: it has never said one, or what went wrong, which was said. */
int order_first_state(struct listening *l, const char *device) MUST_USE;

/* "wipe"; "none" of none that is known. */
const char *order_kind_word(Pullcord__V1__CommandKind k);
/* Says why the file holds no order. CMD_NO. */
int order_no_file(enum err e, const char *path);

#endif
