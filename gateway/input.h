/* input: bytes of one kind of device in, events out; answers back. An input is a row of functions; adding one means a
 * file in_<kind>.c, its word in conf.def and conf.h, and a line in main.c. One kind (replay) is for tests and drills. */
#ifndef PULLCORD_INPUT_H
#define PULLCORD_INPUT_H

#include "event.h"
#include "loop.h"

struct input;

/* The pipeline an input feeds. It answers each event later through input_kind.answer(), except when push() itself
 * fails: then there will be no answer, and the source must be told no. ERR_FULL: outbox full; ERR_RANGE: not an event
 * we could send. */
struct pipeline {
	enum err (*push)(void *ctx, struct input *from, const struct event *e);
	/* `n` more of these. True: the line about it is to be logged; what comes too often is only counted. */
	bool (*missed)(void *ctx, enum missed what, unsigned n);
	void *ctx;
};

/* Recordings for replay are files up to 64 MiB: either a capture of MLLP, frames back to back (it begins with 0B), or
 * text in which every line that begins with MSH begins a message. Their own MSH-7 say when each comes. */

/* Its texts are borrowed until the input is closed. */
struct input_spec {
	const char *name;           /* of the [section] in the settings; in logs */
	const char *address;        /* where it listens, or the file it reads */
	unsigned most;              /* connections at a time */
	int64_t idle_ms;            /* a connection that sends nothing of a message it began is closed after this; one that sends
	                             * nothing at all gives way to a newcomer when there are `most` */
	unsigned per_s;             /* local: messages of one connection, at once and in a second; more of it has to wait */
	int zone_minutes;           /* UTC offset of HL7 time stamps that name none */
	double speed;               /* replay: 1 as recorded, 0 as fast as possible */
	const char *source;         /* the name of a source that does not give its own; never NULL */
};

struct input_kind {
	const char *name;           /* "mllp", "local", "replay" */
	enum err (*open)(struct loop *l, const struct input_spec *spec, const struct pipeline *to, struct input **out);
	void (*answer)(struct input *in, const struct answer *a);
	void (*close)(struct input **in);
};

extern const struct input_kind in_mllp, in_local, in_replay;

#endif
