/* framed: audit messages as they go over syslog: RFC 5424 in the octet counting of RFC 5425, as IHE ITI-20 wants them.
 *
 *     LEN SP "<" PRI ">1 " TIME " " HOST " pullcord - " MSGID " [meta sequenceId=\"" N "\"] " BOM XML
 *
 * PRI: facility 10 (security), notice, or warning from outcome 4 on. N is the entry's index modulo 2,147,483,647, plus one
 * (RFC 5424 §7.3.1); the whole index is in the message, chain-seq. Pure. */
#ifndef PULLCORD_FRAMED_H
#define PULLCORD_FRAMED_H

#include "cur.h"
#include "mapped.h"

#define FRAMED_MSGID "IHE+RFC-3881"
#define FRAMED_BYTES_MAX (MAPPED_BYTES_MAX + 1024)

/* Up to 32 printable characters without blanks. */
bool framed_msgid_ok(const char *msgid);
/* `scratch` holds what is counted: at least FRAMED_BYTES_MAX. ERR_TOO_LARGE. */
enum err framed_write(const struct mapped *m, const char *msgid, struct put *scratch, struct put *out) MUST_USE;

#endif
