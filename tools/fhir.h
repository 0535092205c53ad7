/* fhir: an audit message as an AuditEvent of FHIR R4 (4.0.1), JSON on one line. No profile is claimed: what MQTT does is
 * not RESTful; the shape of agents and entities is that of IHE BALP all the same, so the same searches find it. Pure. */
#ifndef PULLCORD_FHIR_H
#define PULLCORD_FHIR_H

#include "cur.h"
#include "mapped.h"

void fhir_write(const struct mapped *m, struct put *out);

#endif
