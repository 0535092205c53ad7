/* edition: the policy's file and the table of policies that were in force. Does I/O and flushes. */
#ifndef PULLCORD_EDITION_H
#define PULLCORD_EDITION_H

#include "directory.h"
#include "policy.h"

#define POLICY_FILE "pullcord.policy"

/* It is damaged, or a later version of Pullcord wrote it: not a failure to look. */
static inline bool edition_unreadable(enum err e) { return e == ERR_CORRUPT || e == ERR_VERSION; }

/* The newest edition with this text. ERR_NOT_FOUND; edition_unreadable(): it may be one that cannot be read, the newest of which
 * *out has the number of. */
enum err edition_find(struct directory *d, const uint8_t hash[32], struct edition *out) MUST_USE;
/* The same by what the record calls it: policy_version(). */
enum err edition_of_version(struct directory *d, const uint8_t version[16], struct edition *out) MUST_USE;
/* Makes it the newest edition and the policy's file. */
enum err edition_put(struct directory *d, const char *dir, const struct edition *e, uint64_t *number) MUST_USE;
/* Makes it the newest edition; its files lie in the folder already. */
enum err edition_add(struct directory *d, const struct edition *e, uint64_t *number) MUST_USE;
/* Keeps a policy that was read from its file, with all it includes, as an edition, when it is another than the newest. */
enum err edition_keep(struct directory *d, const struct policy *p, int64_t now_us) MUST_USE;
/* The edition that this policy, with all its files, was before the newest came; 0: it is new, or the newest. As far back as
 * EDITIONS_MAX goes. *unread is the newest when that cannot be read, and so may be this one; else 0. Any error: it cannot be
 * told, as when an older one cannot be read, so it is not to be put in force by its file alone. */
enum err edition_steps_back_to(struct directory *d, const struct policy *p, uint64_t *number, uint64_t *unread) MUST_USE;
/* For people: that error, and what would be right. */
void edition_say_untold(enum err e, const char *dir, char *out, size_t cap);
/* For the record: that *unread. */
#define EDITION_UNREAD_TEXT 96
void edition_say_unread(uint64_t unread, char out[EDITION_UNREAD_TEXT]);
/* For people: that the policy's file in `dir` is that edition's text, and what would be right. */
void edition_say_back(uint64_t number, const char *dir, char *out, size_t cap);
/* What a policy is made of, as an edition has it: hash, text and files. */
enum err edition_of_policy(const struct policy *p, struct edition *out) MUST_USE;
/* The policy an edition was. ERR_NOT_FOUND: its text was not kept; ERR_CORRUPT: what is kept is another policy. */
enum err edition_policy(const struct edition *e, struct policy **out, struct policy_error *where) MUST_USE;

#endif
