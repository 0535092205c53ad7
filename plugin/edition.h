/* edition: the policy's file and the table of policies that were in force. Does I/O and flushes. */
#ifndef PULLCORD_EDITION_H
#define PULLCORD_EDITION_H

#include "directory.h"
#include "policy.h"

#define POLICY_FILE "pullcord.policy"

/* The newest edition with this text. ERR_NOT_FOUND. */
enum err edition_find(struct directory *d, const uint8_t hash[32], struct edition *out) MUST_USE;
/* The same by what the record calls it: policy_version(). */
enum err edition_of_version(struct directory *d, const uint8_t version[16], struct edition *out) MUST_USE;
/* Makes it the newest edition and the policy's file. */
enum err edition_put(struct directory *d, const char *dir, const struct edition *e, uint64_t *number) MUST_USE;
/* Keeps a policy that was read from its file, with all it includes, as an edition, when it is another than the newest. */
enum err edition_keep(struct directory *d, const struct policy *p, int64_t now_us) MUST_USE;
/* The edition that this policy was before the newest came; 0: it is new, or the newest, or of several files, which are put back
 * by hand (setPolicy takes one). */
uint64_t edition_steps_back_to(struct directory *d, const struct policy *p);
/* What a policy is made of, as an edition has it: hash, text and files. */
enum err edition_of_policy(const struct policy *p, struct edition *out) MUST_USE;
/* The policy an edition was. ERR_NOT_FOUND: its text was not kept; ERR_CORRUPT: what is kept is another policy. */
enum err edition_policy(const struct edition *e, struct policy **out, struct policy_error *where) MUST_USE;

#endif
