/* vigil: watches the gateway and tells: systemd whether it still moves, `pullcord gateway status` and Prometheus how it is.
 * The watchdog is fed only while everything moves that must: the loop (which calls this), the outbox's writer, the thread
 * that connects and the MQTT library's. A disk that fails, or a broker that is away, is told, and is no reason to start
 * anew. */
#ifndef PULLCORD_VIGIL_H
#define PULLCORD_VIGIL_H

#include "bulletin.h"
#include "conf.h"
#include "health.h"
#include "notify.h"

struct vigil {
	struct notify notify;
	struct bulletin *bulletin;
	const struct conf *conf;
	int64_t due_ms, watchdog_due_ms, status_due_ms, metrics_due_ms;
	enum health_condition was;
	enum err trouble_was[BULLETIN_FILES];
	char said[1024];                /* to systemd, of how it is */
	uint8_t text[HEALTH_TEXT_MAX];
};

/* Borrows the settings. Errors: those of bulletin_open(). */
enum err vigil_open(const struct conf *c, struct vigil *out) MUST_USE;
void vigil_close(struct vigil *v);
void vigil_say(const struct vigil *v, const char *what);        /* to systemd */

/* After each step of the loop: is it time for a look? Then vigil_look(), with one that calls stuck what vigil_stuck_ms()
 * does. */
bool vigil_is_due(const struct vigil *v, int64_t now_ms);
int64_t vigil_stuck_ms(const struct vigil *v);
void vigil_look(struct vigil *v, struct health *h);

#endif
