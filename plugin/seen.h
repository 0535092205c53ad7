/* seen: how far the broker has seen the directory, in a file beside it: the number of the last line of the journal that is on
 * record, and its SHA-256 as it lies there. So a directory that was put in the place of another, while no broker ran, is
 * told from it. Who may write in the folder can take the file away, or make one: then nothing is told. */
#ifndef PULLCORD_SEEN_H
#define PULLCORD_SEEN_H

#include "directory.h"

#define SEEN_FILE "directory.seen"

/* Waits for the disk. ERR_NOT_FOUND: there is no such line any more; else as whole_write(). */
enum err seen_write(const char *dir, struct directory *d, uint64_t line) MUST_USE;
/* Is this another directory than the one that was seen, or less of it? `last` is the last line of its journal. */
bool seen_is_another(const char *dir, struct directory *d, uint64_t last);

#endif
