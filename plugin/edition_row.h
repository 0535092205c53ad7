/* edition_row: an edition as it is stored, before it is sealed. Allocates what it hands out; else pure. */
#ifndef PULLCORD_EDITION_ROW_H
#define PULLCORD_EDITION_ROW_H

#include "directory.h"

#define EDITION_NAMES_MAX (64 << 10)    /* bytes of a row beside its texts */
#define EDITION_BYTES_MAX (EDITION_TEXT_MAX + EDITION_NAMES_MAX)

/* Can its texts be kept? All of them, or none: half a policy is no policy. */
bool edition_fits(const struct edition *e);
/* A block of its own; without the texts when they cannot be kept. ERR_FULL. */
enum err edition_write(const struct edition *e, uint8_t **raw, size_t *n) MUST_USE;
/* ERR_CORRUPT, ERR_VERSION, ERR_FULL. */
enum err edition_read(struct span raw, uint64_t number, struct edition *out) MUST_USE;

#endif
