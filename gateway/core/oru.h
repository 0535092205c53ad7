/* oru: an ORU message of the IHE PCD profiles in parts, and what the facets of an alarm (PCD-04) say. Spans borrow from
 * the message. A facet is recognised by the name in OBX-3, else by the index in OBX-4, else by its code, for senders
 * differ in all three. Pure. */
#ifndef PULLCORD_ORU_H
#define PULLCORD_ORU_H

#include "hl7.h"
#include "key.h"
#include "pullcord.pb-c.h"

/* Numbered as in OBX-4. */
enum facet { FACET_NONE, FACET_EVENT, FACET_SOURCE, FACET_PHASE, FACET_STATE, FACET_INACTIVATION, FACET_PRIORITY,
	     FACET_TYPE, FACETS };

/* The first segment of each kind; missing ones are empty and read as nothing. Repeated ones of the same patient and place, and OBR
 * with what belongs to the first (waveforms), are no more than that. */
struct oru {
	const struct hl7 *m;
	struct hl7_segment msh, pid, pv1, obr, facet[FACETS];
	bool cut;                      /* the message ends inside an OBX */
	bool more;                     /* and something of another message, patient, place or alarm is in it */
};

struct oru oru_read(const struct hl7 *m);

/* As hl7_get(), and finds fields one column early when a separator is missing before the result status. */
struct span oru_obx(const struct hl7 *m, struct hl7_segment obx, unsigned field, unsigned component);
unsigned oru_column(const struct hl7 *m, struct hl7_segment obx, unsigned field);
enum facet oru_facet(const struct hl7 *m, struct hl7_segment obx);

/* ---- an alarm ---- */

/* It says at least what happened, and was not cut off. */
bool oru_readable(const struct oru *o);
/* The same for an alert from its start to its end, within MSH-3 and MSH-4. */
void oru_key(const struct oru *o, uint8_t key[KEY_BYTES]);
/* "MDC_EVT_LO"; what the source says of it, empty when it says nothing; the measured value it is about, if any. */
struct span oru_code(const struct oru *o);
struct span oru_text(const struct oru *o);
struct span oru_value(const struct oru *o);
/* The NONE of their enums when not said, or not in words we know. */
Pullcord__V1__AlertType oru_type(const struct oru *o);
Pullcord__V1__Priority oru_priority(const struct oru *o);
/* START when not said. */
Pullcord__V1__Phase oru_phase(const struct oru *o);
/* Demonstration, test or training: OBX-8 DEMO or TEST, MSH-11 D or T. What else it may be, is real. */
bool oru_test(const struct oru *o);

static inline bool oru_is_mdc(struct span s)
{
	return s.n > 4 && memcmp(s.p, "MDC_", 4) == 0;
}

#endif
