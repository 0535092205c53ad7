/* crowd: MQTT clients of one thread, on libmosquitto: many readers and one caller, or a single reader. Clients connect
 * over TLS (MQTT 5); a device shows its certificate, a person says a password and knocks again when told to wait, as
 * the plugin does while it hashes. Anything else that fails ends the program. */
#ifndef PULLCORD_CROWD_H
#define PULLCORD_CROWD_H

#include "span.h"

#define CROWD_MAX 128

struct crowd_member {
	const char *client, *user, *password;    /* person */
	const char *cert, *key;                  /* device */
	int port;
	const char *filter;                      /* NULL: does not subscribe */
	void (*message)(void *ctx, struct span payload);
	void *ctx;
};

void crowd_open(const char *ca);
int crowd_add(const struct crowd_member *m);
/* Everybody is connected and subscribed, or the program ends after `seconds`. */
void crowd_gather(int seconds);
/* QoS 0. */
void crowd_publish(int member, const char *topic, struct span payload);
/* Moves bytes both ways; waits for them up to `ms`. */
void crowd_turn(int ms);
/* The next command from stdin, keeping the connections alive meanwhile. False: end of file. */
bool crowd_command(char *line, int cap);
void crowd_close(void);

#endif
