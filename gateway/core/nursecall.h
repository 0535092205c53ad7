/* nursecall: the kinds of nurse call (UL 1069 and requirement D3: code, emergency, bath, normal, service), and the
 * words by which calls are known on the wire. Pure. */
#ifndef PULLCORD_NURSECALL_H
#define PULLCORD_NURSECALL_H

#include "span.h"
#include "pullcord.pb-c.h"

struct nursecall {
	const char *code;              /* Alert.code */
	Pullcord__V1__Priority priority;
	Pullcord__V1__AlertType type;
	const char *words;             /* lower-case phrases, parted by '|' */
};

const struct nursecall *nursecall_of(struct span code);      /* "call.bath"; NULL */
/* "BATH CALL 412": the first row that has a phrase of the text; NULL. */
const struct nursecall *nursecall_named(struct span text);

#endif
