/* scout: goes ahead of the uplink. It holds the certificate, key and CA that are in force, so that a file half replaced
 * harms nobody; when the files have changed it tries the new ones against the broker, and only what worked comes into
 * force. A try shakes hands and no more: the pair before is kept until a broker has taken a login with the new one. While
 * we are with another broker than the best, it looks whether a better one is back. Tries are made by a thread of its own,
 * one at a time. */
#ifndef PULLCORD_SCOUT_H
#define PULLCORD_SCOUT_H

#include "cert.h"
#include "conf.h"

struct scout;

enum scout_news {
	SCOUT_NOTHING,
	SCOUT_CERTIFICATE,              /* a new pair or CA is in force: connect again when it does no harm */
	SCOUT_BROKER,                   /* a better broker answers: *better */
};

/* The files as they are now are in force. Borrows the settings. Errors: those of cert_read(), ERR_IO; ERR_SYNTAX also of
 * brokers that are none. */
enum err scout_open(const struct conf *c, void (*wake)(void *ctx), void *ctx, struct scout **out) MUST_USE;
void scout_close(struct scout **s);             /* waits for a try that is under way */

/* Paths of what is in force; the same until scout_close(). */
const char *scout_cafile(const struct scout *s);
const char *scout_certfile(const struct scout *s);
const char *scout_keyfile(const struct scout *s);
struct cert scout_cert(const struct scout *s);

/* A login with what is in force was taken. */
void scout_taken(struct scout *s);
/* One was `refused`, for who it says we are, or none came about. True: the pair before is in force again. */
bool scout_go_back(struct scout *s, bool refused, int64_t now_ms);

/* For so long what lies in place is broken, or no broker takes it: the next start will have nothing else. */
#define SCOUT_STALE_MS 120000
bool scout_stale(const struct scout *s, int64_t now_ms);

unsigned scout_brokers(const struct scout *s);  /* the best is 0 */
const char *scout_host(const struct scout *s, unsigned broker);
unsigned scout_port(const struct scout *s, unsigned broker);

/* To be called every second or so; `at`: the broker we are with, or dial. */
enum scout_news scout_look(struct scout *s, unsigned at, int64_t now_ms, unsigned *better);

#endif
