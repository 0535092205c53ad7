/* shred: destroys what a wiped device must not keep. A file is overwritten, flushed, and removed; on flash and on file
 * systems that copy on write old blocks may live on, which is why keys are destroyed and not only what they seal. */
#ifndef PULLCORD_SHRED_H
#define PULLCORD_SHRED_H

#include "conf.h"

/* Told after every few MiB that it goes on, however slow the disk is. */
struct shred_watch {
	void (*alive)(void *ctx);
	void *ctx;
};

/* Where a link leads, and the link. A file that is not there is destroyed; one that cannot be overwritten stays under its name, so
 * that whoever tries again does not take it for destroyed. ERR_DENIED, ERR_IO. Waits for the disk. */
enum err shred_file(const char *path, const struct shred_watch *w) MUST_USE;

/* What seals and what is sealed: the outbox's root key, the outbox and what was kept of older ones, the key of the witness.
 * The device's own key stays: it signs and brings the receipt. True: all is gone; else `text` names what is not. Can be
 * done again. */
bool shred_store(const struct conf *c, const struct shred_watch *w, char *text, size_t cap);
/* The device's own key, and once more what is left of the store. Nothing is told after it: what cannot be overwritten is removed at
 * least, and named. */
bool shred_identity(const struct conf *c, const struct shred_watch *w, char *text, size_t cap);

#endif
