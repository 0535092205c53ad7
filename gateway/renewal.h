/* renewal: a new key and certificate for this device from the CA of [renew], in place of the old ones. They are made beside
 * them (certfile.new, keyfile.new), must be for the very device and hospital, and are tried against the broker before they
 * take the place of the old, which are kept as NAME.old; the scout sees them there and does the rest. */
#ifndef PULLCORD_RENEWAL_H
#define PULLCORD_RENEWAL_H

#include "conf.h"

#define RENEWAL_TEXT_MAX 1001

/* `text` says why not, or until when the new one is good. The old pair stays then. Blocks. */
enum err renewal_run(const struct conf *c, char text[RENEWAL_TEXT_MAX]) MUST_USE;
/* Before anything else: what a power cut left half in place is put there whole. */
void renewal_mend(const struct conf *c);

#endif
