/* mapped: an event of the record as an audit message of DICOM PS3.15 A.5: who took part, about what, by which codes.
 * ATNA's XML and FHIR's AuditEvent are two ways to write it down. Pure.
 *
 * One event is one message, but a delivery to many is several, of MAPPED_RECIPIENTS each: a syslog receiver need not take
 * more than 32,768 bytes. Every message names its log, the entry's index and the hash that is its leaf in the tree, in the
 * last of its objects: so whoever has a message finds the evidence, and sees what is missing. */
#ifndef PULLCORD_MAPPED_H
#define PULLCORD_MAPPED_H

#include "record.pb-c.h"
#include "tree.h"

#define MAPPED_RECIPIENTS 48
#define MAPPED_AGENTS (MAPPED_RECIPIENTS + 2)
#define MAPPED_OBJECTS 3
#define MAPPED_DETAILS 23
#define MAPPED_BYTES_MAX 131072     /* of a message, however it is written */

#define MAPPED_ACT_REASON "2.16.840.1.113883.5.8"
struct mapped_code {
	const char *code, *system, *text;       /* "110106", "DCM", "Export" */
};

/* What the record is called in messages, from its origin "broker.mercy.example/audit/main". */
struct mapped_source {
	char origin[256], host[256];            /* host: the origin up to its first '/' */
};
void mapped_source(struct span origin, struct mapped_source *out);

struct mapped_agent {
	struct span id, client, address;        /* client: the MQTT client id, where it is not `id` */
	const struct mapped_code *role;
	bool requestor, person;
};

struct mapped_detail {
	const char *type;
	char text[72];                          /* printable ASCII; empty: the bytes are meant */
	struct span bytes;
};

struct mapped_object {
	const char *id_scheme;                  /* before `id`: "mqtts://host/" is written "mqtts://" host "/" */
	bool with_host;
	struct span id;                         /* percent-encoded by whoever writes it */
	const struct mapped_code *id_type;
	uint8_t type, role, life;               /* DICOM's numbers; life 0: not said */
	bool query;                             /* `id` is what was asked for */
	const char *name;                       /* NULL: none */
	struct mapped_detail detail[MAPPED_DETAILS];
	size_t details;
};

struct mapped {
	const struct mapped_source *source;
	uint64_t index;
	uint32_t part;                          /* of the event's messages, from 0 */
	int64_t at_us;
	char action;                            /* C R U D E */
	int outcome;                            /* 0 4 8 12 */
	const char *why;                        /* "" or our words */
	const struct mapped_code *event, *type, *ours;  /* `type` may be NULL */
	const struct mapped_code *purpose;      /* of what rests on emergency access, gives or ends it; NULL: not said */
	struct mapped_agent agent[MAPPED_AGENTS];
	size_t agents;
	struct mapped_object object[MAPPED_OBJECTS];
	size_t objects;
	char urn[320], patient[40];             /* objects point here */
};

/* How many messages there are of it: at least 1. */
uint32_t mapped_parts(const Pullcord__V1__AuditEvent *e);
/* Borrows from all it is given, and *out must stay where it is. */
void mapped_make(const struct mapped_source *source, uint64_t index, const struct hash *leaf,
		 const Pullcord__V1__AuditEvent *e, uint32_t part, struct mapped *out);

/* "2026-07-01T03:12:46.002345Z"; what is beyond year 9999 is its last moment. */
#define MAPPED_TIME 32
void mapped_time(int64_t us, char out[MAPPED_TIME]);
/* RFC 3986: what is not unreserved, '/', ':' or '$' becomes %XX. Appends at most 3 * s.n bytes. */
struct put;
void mapped_percent(struct put *out, struct span s);

#endif
