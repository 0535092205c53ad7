/* broker_conf: reads the mosquitto.conf the broker runs with and says which of its options would let somebody past us.
 * A plugin is not told them, and several make the broker skip, pre-empt or hide our checks (mosquitto.conf(5); what
 * each does was seen in the broker's source and by trying).
 *
 * Stricter than the broker where that is simpler: an option is judged at every line that sets it, although the broker
 * lets the last one win. What it cannot read it calls a fault. Never writes. */
#ifndef PULLCORD_BROKER_CONF_H
#define PULLCORD_BROKER_CONF_H

#include "err.h"
#include "span.h"

#define BROKER_CONF_BYTES_MAX (1 << 20)   /* of one file */
#define BROKER_CONF_FILES_MAX 256         /* of an include_dir */
#define BROKER_CONF_LISTENERS_MAX 64
#define BROKER_FAULT_TEXT 1024
#define BROKER_FILES_MAX (3 * (1 + BROKER_CONF_LISTENERS_MAX))   /* the broker takes one of each kind a listener */

struct broker_fault {
	char file[256];
	uint32_t line;              /* from 1; 0: the file as a whole */
	bool missing;               /* the option should stand there (at `line`: below that listener) */
	char option[32];
	char value[64];             /* as written, cut, printable */
	const char *why;            /* it is a fault */
	const char *right;          /* what would be right: a line for the file, or what to do */
	bool fatal;                 /* the plugin must not run under it; else a warning */
};

/* What listeners read for TLS besides their keys. */
enum broker_file_kind { BROKER_CRL, BROKER_CERTIFICATE, BROKER_CA };

struct broker_file {
	enum broker_file_kind kind;
	char path[512];             /* as written */
};

struct broker_files {
	struct broker_file file[BROKER_FILES_MAX];      /* each once */
	size_t n;
};

/* Fills out[0..max) in the order of the file, what is missing last, and returns how many faults there are in all.
 * include_dir is passed over. */
size_t broker_conf_scan(const char *name, struct span text, struct broker_fault *out, size_t max);
/* Reads the file, and the *.conf of its include_dir where it stands, as the broker does. A file that cannot be read is
 * a fatal fault. Unless it is NULL, *files becomes what the listeners name; a path that is too long is passed over. */
size_t broker_conf_check(const char *path, struct broker_fault *out, size_t max, struct broker_files *files);
/* "mosquitto.conf:12: allow_anonymous true: <why>; <right>", for people. */
void broker_fault_text(const struct broker_fault *f, char out[BROKER_FAULT_TEXT]);

/* Which file this process was started with: the -c or --config-file on its command line. ERR_NOT_FOUND: none named, ask
 * for the plugin option; ERR_EXISTS: more than one named; ERR_TOO_LARGE. */
enum err broker_conf_path(char *out, size_t cap) MUST_USE;
enum err broker_conf_path_in(struct span cmdline, char *out, size_t cap) MUST_USE;   /* words, each ending in a NUL */

#endif
