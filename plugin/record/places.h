/* places: which levels of topics have a patient's id: in our own grammar the one after TENANT/patient; in a policy's own topics
 * those its rules have as {patient}. What is there once stays: events of a policy that was in force come after it. Pure, but for
 * memory. */
#ifndef PULLCORD_PLACES_H
#define PULLCORD_PLACES_H

#include "err.h"
#include "span.h"
#include "topic.h"

struct places;                  /* of policies; NULL: none, our own grammar alone */

/* Those of a pattern of pullcord-policy(5), "mercy/x/{patient}/y"; what is known, or none, is passed over. ERR_FULL: no memory,
 * and *p is as before. */
enum err places_add(struct places **p, struct span pattern) MUST_USE;
/* The caller's own, to be closed. ERR_FULL: no memory. */
enum err places_copy(const struct places *p, struct places **out) MUST_USE;
void places_close(struct places **p);
size_t places_count(const struct places *p);    /* patterns; our own grammar's are none of them */

/* The levels that name a patient, also behind $share/GROUP: a bit each, the first level's is the lowest. Of any text, whether it is
 * a topic of ours or not: where all before fits a pattern and the level just before is its word, whatever follows; else what
 * follows must fit, too. '+' and '#' of a filter fit everything, and name nobody. */
uint32_t places_in(const struct places *p, struct span topic);

#endif
