/* plain: why there is no connection, in words for whoever has to mend it, and what to do. Libraries and brokers say it in lines
 * such as "error:0A000086:SSL routines::certificate verify failed". Pure. */
#ifndef PULLCORD_PLAIN_H
#define PULLCORD_PLAIN_H

#include "base.h"

/* `raw` is a line of OpenSSL's or Paho's; itself when it is none we know. */
const char *plain_why(const char *raw);
/* The reason code of a refused CONNECT or of a DISCONNECT (MQTT 5 §3.2.2.2, §3.14.2.1); NULL: no more is known than its name. */
const char *plain_reason(int reason);

#endif
