/* baseline: the files `init` starts from, configs/mosquitto.conf and configs/hospital.policy, as they were when the
 * tool was built (they are part of it, so it works from anywhere), and how they are fitted to an installation. Pure. */
#ifndef PULLCORD_BASELINE_H
#define PULLCORD_BASELINE_H

#include "cur.h"

#define BASELINE_BYTES_MAX 65536

struct baseline {
	const char *dir;                /* absolute */
	const char *tenant, *user, *plugin;
	long device_port, app_port, record_mib;
};

/* The samples themselves. */
struct span baseline_conf(void);
struct span baseline_policy(void);

/* Fitted. ERR_TOO_LARGE; ERR_SYNTAX: dir, user or plugin hold a character that does not belong into a setting. */
enum err baseline_write_conf(const struct baseline *b, struct put *out) MUST_USE;
enum err baseline_write_policy(const struct baseline *b, struct put *out) MUST_USE;

#endif
