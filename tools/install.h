/* install: the layout of an installation folder, and how the tool opens what is in it.
 *
 *     mosquitto.conf  pullcord.policy  directory.mdb  record.mdb  record.vkey  ca.crt  ca.crl  server.crt
 *     directory.seen  how far the broker has seen directory.mdb
 *     witnesses                                                        (whose cosignatures count; made by hand)
 *     officers                                      (whose orders devices enrolled from now on obey; made by hand)
 *     keys/           ca.key  server.key  root.key  record.seed  record.line    (0700; ca.key and root.key may live elsewhere)
 *
 * mosquitto.conf is the one place that says tenant and ports; the tool reads them there. */
#ifndef PULLCORD_INSTALL_H
#define PULLCORD_INSTALL_H

#include <sys/types.h>

#include "directory.h"
#include "err.h"

#define INSTALL_PATH_MAX 1024
#define INSTALL_LINE "keys/record.line"
#define INSTALL_DIR_TEXT "the installation's folder (default: $PULLCORD_DIR, else /etc/pullcord)"

struct install {
	char dir[INSTALL_PATH_MAX];
	char tenant[WORD_BYTES_MAX + 1];
	int device_port, app_port;      /* 0: not said */
	char officers[512];             /* plugin_opt_policy_officers; "": not said */
	char sizes[512];                /* plugin_opt_record_sizes; "": not said */
	unsigned quorum;                /* plugin_opt_record_quorum; 0: not said, or none that the broker takes */
	uid_t uid;                      /* whose its stores are: the broker's user, when root made it */
	gid_t gid;
};

struct install_path {
	char text[INSTALL_PATH_MAX];
};

/* dir NULL: $PULLCORD_DIR, else /etc/pullcord. Failures are said on stderr, with the remedy. */
enum err install_open(const char *dir, struct install *out) MUST_USE;
/* The path of a file in it, "keys/root.key"; by value, for one call: install_path(&in, "ca.crt").text */
struct install_path install_path(const struct install *in, const char *name);

/* Root works on an installation's stores as the user they belong to: what LMDB makes beside them must stay the
 * broker's, and keys are read only from one's own files. Nothing happens for anybody else. Be short between the two. */
void install_enter(const struct install *in);
void install_leave(const struct install *in);
/* Why a file is closed, where the mode bits would not tell (ERR_DENIED): a read-only file system, or the above. */
void install_say_denied(enum err e, const char *path);
/* The first folder above the installation that whoever it belongs to may not pass; false: none. */
bool install_closed(const struct install *in, struct install_path *out);

/* The root key and the account directory of an installation. Failures are said. */
enum err install_root_key(const struct install *in, uint8_t root[32]) MUST_USE;
enum err install_directory(const struct install *in, bool read_only, struct directory **out) MUST_USE;

/* Settings of a mosquitto.conf by its text. ERR_NOT_FOUND: no plugin_opt_tenant. Pure. */
enum err install_read_conf(struct span text, struct install *out) MUST_USE;

/* A whole small file; a NUL is added after it (not counted). Caller frees. ERR_NOT_FOUND, ERR_DENIED, ERR_IO,
 * ERR_TOO_LARGE. */
enum err install_read(const char *path, size_t max, char **out, size_t *n) MUST_USE;
/* Makes a new file with that mode, whatever the umask, and flushes it. ERR_EXISTS, ERR_NOT_FOUND (folder), ERR_DENIED,
 * ERR_IO. */
enum err install_write(const char *path, struct span text, unsigned mode) MUST_USE;

#endif
