/* store: the one LMDB file a program keeps its state in, and the only file that includes <lmdb.h>.
 *
 * A store is a single file preallocated to its map size (LMDB wedges when it runs out of map or disk), with named
 * tables fixed at opening. Default sync: a committed transaction survives power loss. One writer at a time, among
 * processes too; readers never wait. Open a file once per process. Transactions belong to the thread that began them;
 * keep them short.
 *
 * Errors: ERR_NOT_FOUND, ERR_EXISTS, ERR_FULL (map or reserve), ERR_IO (disk), ERR_CORRUPT (not our file or damaged),
 * ERR_VERSION (another schema), ERR_BUSY (already open here). After ERR_FULL or ERR_IO a write transaction
 * can only be aborted. A commit that failed was not; what comes next is tried as if nothing had been, unless the disk kept it from
 * putting back what was before: then all is ERR_IO until the next opening. */
#ifndef PULLCORD_STORE_H
#define PULLCORD_STORE_H

#include "err.h"
#include "span.h"

#define STORE_TABLES_MAX 12
#define STORE_KEY_MAX 511       /* bytes, LMDB's own limit */
#define STORE_LOCK "-lock"      /* behind the path: the file beside it in which LMDB keeps its locks */

struct store;
struct txn;

struct store_spec {
	const char *kind;               /* "directory", "record", "outbox": a store of another kind is ERR_CORRUPT */
	uint32_t version;               /* of what is kept in it, from the first opening to write on */
	size_t map_bytes;               /* the whole file, rounded up to pages; one that is larger stays as it is */
	const char *const *table;       /* NULL-terminated; their order numbers them; the names are borrowed until store_close() */
	bool read_only;                 /* must exist; nothing is written, not even locks when the folder forbids it */
	uint32_t oldest;                /* version that can still be read: older ones are ERR_VERSION */
};

/* Opens or creates `path` (mode 0600) and, unless read-only, reserves its disk space. */
enum err store_open(const char *path, const struct store_spec *spec, struct store **out) MUST_USE;
void store_close(struct store **s);
/* It has tables that the spec does not name: a later version, whose layout is the same else, made them. */
bool store_has_more(const struct store *s);
/* Reads all of a store in a process of its own, because LMDB trusts its file and a damaged one can end whoever reads it (pages.h).
 * OK also when there is none yet. Not for programs with other threads that hold locks of libraries. */
enum err store_check(const char *path, size_t map_bytes) MUST_USE;
/* For others that do so: first in that process, which exits with an enum err; and what its end, of waitpid(2), says. ERR_CORRUPT
 * also when damage ended it; ERR_IO: somebody else did, as when memory was short, and nothing is known. */
void store_probe_begin(void);
enum err store_probed(int status) MUST_USE;

/* Free pages against all pages of the map: refuse or evict while free <= max(64, all / 32). */
struct store_room {
	size_t free, all, page_bytes;
	size_t next;            /* of those that are free: what the next commit can take; what the last one gave back, it cannot */
};
enum err store_room(struct store *s, struct store_room *out) MUST_USE;
static inline size_t store_room_reserve(const struct store_room *r) { return r->all / 32 > 64 ? r->all / 32 : 64; }
bool store_tight(struct store *s);      /* also when that cannot be said */

/* The number of the last committed transaction, by whichever process: a look at memory, no I/O. */
uint64_t store_generation(struct store *s);

/* Of a read-only store also after its writer gave the file more room, as long as no other transaction is open then. */
enum err txn_begin_read(struct store *s, struct txn **out) MUST_USE;
enum err txn_begin_write(struct store *s, struct txn **out) MUST_USE;
enum err txn_commit(struct txn **t) MUST_USE;     /* durable when OK; *t is NULL after it in any case */
void txn_abort(struct txn **t);                   /* also how a read ends; fits CLEANUP(txn_abort) */

/* The number of the last commit a reading transaction sees. It may be below a store_generation() asked for before: LMDB
 * shows a commit there before readers get it, for as long as its last flush takes. */
uint64_t txn_generation(const struct txn *t);

/* Values borrow from the map until the transaction ends or writes. */
enum err txn_get(struct txn *t, unsigned table, struct span key, struct span *value) MUST_USE;
enum err txn_put(struct txn *t, unsigned table, struct span key, struct span value) MUST_USE;
enum err txn_add(struct txn *t, unsigned table, struct span key, struct span value) MUST_USE;    /* ERR_EXISTS */
enum err txn_append(struct txn *t, unsigned table, struct span key, struct span value) MUST_USE; /* key after all others */
enum err txn_del(struct txn *t, unsigned table, struct span key) MUST_USE;
enum err txn_count(struct txn *t, unsigned table, uint64_t *out) MUST_USE;

/* The first entry at or after `key` (empty: the first of all), the first after it, the last before it (empty: the last of
 * all), the last of all; ERR_NOT_FOUND. */
enum err txn_seek(struct txn *t, unsigned table, struct span key, struct span *at, struct span *value) MUST_USE;
enum err txn_after(struct txn *t, unsigned table, struct span key, struct span *at, struct span *value) MUST_USE;
enum err txn_before(struct txn *t, unsigned table, struct span key, struct span *at, struct span *value) MUST_USE;
enum err txn_last(struct txn *t, unsigned table, struct span *at, struct span *value) MUST_USE;

/* Keys that sort as numbers. */
struct key64 {
	uint8_t b[8];
};
struct key64 key64(uint64_t n);
uint64_t key64_value(struct span s);   /* 0 unless 8 bytes */
static inline struct span key64_span(const struct key64 *k) { return span(k->b, sizeof(k->b)); }

#endif
