/* csv: RFC 4180, one field after another. What a spreadsheet would take for a formula gets an apostrophe before it, control
 * characters become \xNN. Pure. */
#ifndef PULLCORD_CSV_H
#define PULLCORD_CSV_H

#include "cur.h"
#include "record.pb-c.h"

struct csv {
	struct put *out;
	bool begun;                     /* a field of this line is written */
};

void csv_text(struct csv *c, struct span text);
void csv_number(struct csv *c, unsigned long long n);
void csv_end(struct csv *c);            /* CR LF */

/* The line of names, and the line of an event of the record (event.h). */
void csv_event_head(struct put *out);
void csv_event(struct put *out, uint64_t index, const Pullcord__V1__AuditEvent *e);

#endif
