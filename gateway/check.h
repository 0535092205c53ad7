/* check: whether the gateway could start with its settings and do what they say, tried on what they name: `--check`. Looks, and
 * changes nothing; complains of all that is wrong (complain.h). */
#ifndef PULLCORD_CHECK_H
#define PULLCORD_CHECK_H

#include "cert.h"
#include "conf.h"

/* What is looked at; borrows. */
struct check {
	const char *path;               /* of the settings, for whoever reads what is said */
	const struct conf *conf;
	const struct cert *cert;        /* of its certfile */
	const char *device, *tenant;
	int64_t now_s;
};

bool check_all(const struct check *c);          /* false: something was complained of that keeps it from working */

#endif
