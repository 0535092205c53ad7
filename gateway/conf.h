/* conf: the gateway's settings, from an INI file (conf.def declares them; the only user of inih).
 * A file is taken whole or not at all: on failure the caller's settings are untouched and `fault` names the line, the
 * field and what would be right. Limits: 64 KiB, 190 bytes a line, CONF_INPUTS_MAX inputs, CONF_UNITS_MAX units. */
#ifndef PULLCORD_CONF_H
#define PULLCORD_CONF_H

#include <stdio.h>

#include "brokers.h"
#include "topic.h"

#define CONF_TEXT 256
#define CONF_WORD (WORD_BYTES_MAX + 1)
#define CONF_INPUTS_MAX 16
#define CONF_UNITS_MAX 256
#define CONF_BYTES_MAX 65536

#define CONF_TYPE_NUM(name) int32_t name
#define CONF_TYPE_TEXT(name) char name[CONF_TEXT]
#define CONF_TYPE_WORD(name) char name[CONF_WORD]
#define CONF_TYPE_CHOICE(name) unsigned name   /* which of them, from 0 */
#define CONF_TYPE_HOST(name) char name[BROKERS_HOST]
#define CONF_TYPE_BROKERS(name) char name[CONF_TEXT]

enum { INPUT_MLLP, INPUT_LOCAL, INPUT_REPLAY };     /* conf_input.kind */

struct conf_input {
	char name[CONF_WORD];
	unsigned line;              /* its address is given at; 0: nowhere */
#define IPARAM(name, type, ...) CONF_TYPE_##type(name);
#include "conf.def"
};

/* [units]: a point of care as its sources call it, and the unit it belongs to. */
struct conf_unit {
	char place[CONF_WORD], unit[CONF_WORD];
};

struct conf {
#define PARAM(section, name, type, ...) CONF_TYPE_##type(section##_##name);
#include "conf.def"
	struct conf_input input[CONF_INPUTS_MAX];
	struct conf_unit unit[CONF_UNITS_MAX];
	unsigned inputs, units;
};

struct conf_fault {
	unsigned line;              /* 0: of no line in particular */
	char text[400];
};

/* All defaults; no inputs, no units. */
void conf_init(struct conf *c);
/* Those of file_err(), ERR_TOO_LARGE; ERR_SYNTAX with the fault. */
enum err conf_load(const char *path, struct conf *out, struct conf_fault *fault) MUST_USE;
enum err conf_parse(struct span text, struct conf *out, struct conf_fault *fault) MUST_USE;

/* Settings ordered from afar, as lines of a settings file, over those in *c; only such as do no harm to what is on its way
 * and are in force at once, and mute nobody (conf.c has the list). Untouched on failure. ERR_SYNTAX with the fault. */
enum err conf_order(struct span text, struct conf *c, struct conf_fault *fault) MUST_USE;

/* A setting that differs and is read at the start only, as "[uplink] port" into `out`; NULL: there is none. */
const char *conf_changed(const struct conf *was, const struct conf *is, char out[CONF_TEXT]);

const char *conf_input_kind(const struct conf_input *i);         /* "mllp" */
/* False: units are listed, and this place has none. */
bool conf_has_unit(const struct conf *c, struct span place);
/* The unit of a place; the default one when it is not listed. Borrows from c. */
const char *conf_unit_of(const struct conf *c, struct span place);

void conf_print_sample(FILE *to);       /* a commented file of all settings with their defaults */
void conf_print_man(FILE *to);          /* the same as a piece of manual, man(7) */

#endif
