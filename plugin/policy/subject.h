/* subject: who asks: a device or a person, with the roles and attributes the directory gives them. Plain data, never
 * changed once made; all spans point into the same block. */
#ifndef PULLCORD_SUBJECT_H
#define PULLCORD_SUBJECT_H

#include "pullcord.pb-c.h"
#include "span.h"

#define ADDRESS_MAX 64              /* of an address as text, with its NUL: IPv6, and the name of an interface behind it */

struct attribute {
	struct span name, value;    /* "unit" "icu3" */
};

struct subject {
	Pullcord__V1__Party party;  /* PARTY_DEVICE or PARTY_USER; PARTY_NONE: nobody */
	struct span tenant, id;
	const struct span *role;
	size_t roles;
	const struct attribute *attribute;
	size_t attributes;
	bool suspended;             /* may do nothing at all */
	bool quarantined;           /* may do what the policy says under `quarantine`, and nothing else */
	bool anywhere;              /* asked for wherever it may come from: roles bound to networks are held */
	struct span address;        /* where it comes from, e.g. "10.1.2.3"; empty: not known, so in no network */
};

#endif
