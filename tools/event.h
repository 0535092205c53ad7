/* event: what an entry of the record says, in words: for people, and as JSON. */
#ifndef PULLCORD_EVENT_H
#define PULLCORD_EVENT_H

#include "record.pb-c.h"
#include "seal.h"

/* "deliver", "denied", "user"; "unknown" for what a later program wrote. */
const char *event_type(const Pullcord__V1__AuditEvent *e);
const char *event_outcome(const Pullcord__V1__AuditEvent *e);
const char *event_party(const Pullcord__V1__AuditEvent *e);
/* Why the policy decided so; NULL where it did not decide. */
const char *event_why(const Pullcord__V1__AuditEvent *e);

/* What an entry of a delivery rests on, by the broker's call: "acl-read" (it was queued; nobody says whether it was sent),
 * "message-out" (it was sent), "authorised" (to be sent; another entry says so then). NULL: it is of none. */
const char *event_basis(const Pullcord__V1__AuditEvent *e);
/* How it came to a recipient: "live", "away", "released", "retained", "open", "read-back"; "": not known. */
const char *event_how(const Pullcord__V1__Recipient *r);
/* Authorised and no more: nobody was handed anything. */
bool event_is_pending(const Pullcord__V1__AuditEvent *e);

/* When the emergency access was taken that it rests on, gives or ends, by somebody in it; 0: by nobody. */
int64_t event_emergency_us(const Pullcord__V1__AuditEvent *e);

/* The words of type and outcome `n`; "" where there is none of that number, NULL past the last. */
const char *event_type_word(int n);
const char *event_outcome_word(int n);

/* Those who changed what the entry is about, one after another: "root" of "user:root", "os:ana" and "os:root" of "os:ana as
 * os:root". *left begins as event.by. */
bool event_by_next(struct span *left, struct span *name);

/* One line, or one JSON object. `e` is NULL for a control entry. */
void event_say(uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e);

/* Everything it says, a value a line, or one JSON object; `raw` are its bytes. */
void event_show(uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e, struct span raw);

#endif
