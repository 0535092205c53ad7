/* atna: an audit message as the XML of DICOM PS3.15 A.5 (schema 2017c), on one line, as it goes over syslog. Texts of
 * strangers appear percent-encoded in attributes, and as they are only in base64. Pure. */
#ifndef PULLCORD_ATNA_H
#define PULLCORD_ATNA_H

#include "cur.h"
#include "mapped.h"

void atna_write(const struct mapped *m, struct put *out);

#endif
