/* edition: the policy's file and the table of policies that were in force. Does I/O and flushes. */
#ifndef PULLCORD_EDITION_H
#define PULLCORD_EDITION_H

#include "directory.h"

#define POLICY_FILE "pullcord.policy"

/* The newest edition with this text. ERR_NOT_FOUND. */
enum err edition_find(struct directory *d, const uint8_t hash[32], struct edition *out) MUST_USE;
/* Makes it the newest edition and the policy's file. */
enum err edition_put(struct directory *d, const char *dir, const struct edition *e, uint64_t *number) MUST_USE;
/* Keeps the policy's file as an edition, when it is another text than the newest. */
enum err edition_keep_file(struct directory *d, const char *dir, int64_t now_us) MUST_USE;

#endif
