/* directory: who exists and what they hold: accounts of people and devices, which client id belongs to whom, which
 * certificates are revoked, and which policies were in force.
 * LMDB, values sealed. One process writes at a time, others (the operator's tool beside the broker) may read and write
 * between; a look at directory_generation() tells whether anything was committed since. Every change of an account is
 * also a line in the change journal, so that a reader learns which accounts changed without reading them all.
 * May do I/O: reads are memory unless the page is cold; writes flush. */
#ifndef PULLCORD_DIRECTORY_H
#define PULLCORD_DIRECTORY_H

#include "delta.h"
#include "err.h"
#include "topic.h"

#define DIRECTORY_CLIENTS_MAX 1024      /* client ids of one person: nobody fills the store with names of terminals */
#define DIRECTORY_BY_MAX 140            /* bytes */
#define DIRECTORY_JOURNAL_MAX 8192      /* lines of up to 1,100 bytes: a seventh of DIRECTORY_MAP_BYTES */
#define DIRECTORY_MAP_BYTES (64u << 20) /* about 100,000 accounts; reserved on disk when the file is made */
#define DIRECTORY_MIB_MAX 65536         /* room that may be asked for */

struct directory;

/* Root key: vault_root(). ERR_KEY: another root sealed it. Creates the file unless read_only. */
enum err directory_open(const char *path, const uint8_t root[32], bool read_only, struct directory **out) MUST_USE;
/* For writing, with that much room at least: the file grows to it and never shrinks, and whoever opens it later sees all
 * of it. Not while another process has it open. */
enum err directory_open_room(const char *path, const uint8_t root[32], size_t bytes, struct directory **out) MUST_USE;
void directory_close(struct directory **d);

/* Who changes it from here on through this handle, for the journal: "os:ana as os:root". Copies, cut. */
void directory_by(struct directory *d, struct span by);
/* What stands for patients in what is put on record. Borrows. */
const struct patients *directory_patients(const struct directory *d);

/* A copy the caller owns (account_free). ERR_NOT_FOUND. */
enum err directory_find(struct directory *d, Pullcord__V1__Party party, struct span id, struct account **out) MUST_USE;

/* Creates or replaces. Durable when OK. Errors: account_check(); ERR_EXISTS: `create` and there is one, or the id
 * belongs to the other party (people and devices share one name space, and no device may be called
 * "<user>.<anything>"); ERR_FULL: no room for one more (changing and removing still work then). */
enum err directory_save(struct directory *d, const struct account *a, bool create) MUST_USE;
enum err directory_remove(struct directory *d, Pullcord__V1__Party party, struct span id) MUST_USE;
/* In order of party and id, until `visit` returns false. The account is the visitor's for the call. */
enum err directory_each(struct directory *d, bool (*visit)(void *ctx, const struct account *a), void *ctx) MUST_USE;

/* The same for one party, after an id (empty: from the first). */
enum err directory_after(struct directory *d, Pullcord__V1__Party party, struct span after,
			 bool (*visit)(void *ctx, const struct account *a), void *ctx) MUST_USE;

/* A client id belongs to one identity for good. owner: ERR_NOT_FOUND. bind: OK also when it is bound to the same;
 * ERR_EXISTS when it is somebody else's; ERR_RANGE when it is no word; ERR_FULL when a person has
 * DIRECTORY_CLIENTS_MAX already, or there is no room. What it retained is as said last. */
struct owner {
	Pullcord__V1__Party party;
	char id[WORD_BYTES_MAX + 1];
	char retained_in[WORD_BYTES_MAX + 1];     /* the tenant in which it retained something that is still there; empty: nothing is */
	char retained_from[ADDRESS_MAX];     /* the address it came from then */
};
enum err directory_owner(struct directory *d, struct span client_id, struct owner *out) MUST_USE;
enum err directory_bind(struct directory *d, struct span client_id, const struct owner *o) MUST_USE;
/* All bindings, for the broker's table in memory at start. */
enum err directory_owners(struct directory *d, void (*visit)(void *ctx, struct span client_id, const struct owner *o),
			  void *ctx) MUST_USE;

/* ---- certificates that are not let in any more ---- */

struct denial {
	uint8_t fingerprint[32];    /* SHA-256 of the certificate */
	uint64_t at_us;
	char reason[ACCOUNT_TEXT_MAX + 1], by[WORD_BYTES_MAX + 1];
};
/* OK: it is revoked. ERR_NOT_FOUND: it is not; anything else: nobody knows. */
enum err directory_denial(struct directory *d, const uint8_t fingerprint[32], struct denial *out) MUST_USE;
/* In order of fingerprint, until `visit` returns false. */
enum err directory_denials(struct directory *d, bool (*visit)(void *ctx, const struct denial *x), void *ctx) MUST_USE;

/* ---- policies that were put in force ---- */

#define EDITIONS_MAX 32                 /* kept; the oldest goes */
#define EDITION_TEXT_MAX (512 << 10)    /* bytes of all its files; of a longer one only the hash is kept */

/* What a policy includes; in the order it was read, one that is included twice stands twice. */
struct edition_file {
	char *name, *text;          /* blocks of their own; the path below the policy's folder */
};

/* Numbers rise by one for ever. `text` is a block of its own, NULL when it was too long; see edition_clear(). */
struct edition {
	uint64_t number;
	uint8_t hash[32];           /* policy_hash() */
	uint64_t at_us;
	uint64_t rollback_of;       /* the edition whose text was put back; 0: none */
	char by[WORD_BYTES_MAX + 1];     /* user id; "": found in the file */
	char *text;
	struct edition_file *file;  /* a block of its own, too */
	size_t files;
};
/* number 0: the newest. ERR_NOT_FOUND; ERR_CORRUPT, ERR_VERSION: it cannot be read, and of *out there is its number alone. */
enum err directory_edition(struct directory *d, uint64_t number, struct edition *out) MUST_USE;
/* The policy on trial (shadow.h); it has no number. ERR_NOT_FOUND. */
enum err directory_shadow(struct directory *d, struct edition *out) MUST_USE;
void edition_clear(struct edition *e);

/* ---- who is locked out, and who is known where ---- */

#define DIRECTORY_LOCKS_MAX 16384       /* the known take half of them at most */

/* The first three are those of enum lockout_kind. */
enum lock_kind { LOCK_PERSON, LOCK_ADDRESS, LOCK_ACCOUNT, LOCK_KNOWN, LOCK_KINDS };
struct lock {
	enum lock_kind kind;
	char name[WORD_BYTES_MAX + 1], address[ADDRESS_MAX];     /* as far as the kind asks; the name need not be anybody's */
	int64_t at_us, until_us;
	uint32_t times;             /* in a row */
};
/* In place of one of the same kind, name and address; durable when OK. What is over makes room, and who was not
 * seen for a day; where there is hardly room for anything, so do old lines of the journal, for a lock-out. ERR_FULL: it is not
 * enough. */
enum err directory_lock(struct directory *d, const struct lock *x, int64_t now_us) MUST_USE;
/* Does it keep this person out, at the time? */
bool lock_holds(const struct lock *x, const struct account *a, int64_t now_us);
/* All there are, also those that are over. */
enum err directory_locks(struct directory *d, void (*visit)(void *ctx, const struct lock *x), void *ctx) MUST_USE;

/* ---- many changes, all or nothing ---- */

/* One transaction of the thread that began it; others wait to write meanwhile, nobody waits to read. After an error it
 * can only be aborted. */
struct batch;
enum err directory_begin(struct directory *d, struct batch **out) MUST_USE;
/* In whose name the changes of this batch are, when not the handle's; borrows. */
void batch_by(struct batch *b, struct span by);
enum err batch_find(struct batch *b, Pullcord__V1__Party party, struct span id, struct account **out) MUST_USE;
enum err batch_save(struct batch *b, const struct account *a, bool create) MUST_USE;
enum err batch_remove(struct batch *b, Pullcord__V1__Party party, struct span id) MUST_USE;
enum err batch_locks(struct batch *b, void (*visit)(void *ctx, const struct lock *x), void *ctx) MUST_USE;
/* ERR_EXISTS: it is revoked already; ERR_NOT_FOUND: it is not. */
enum err batch_deny(struct batch *b, const struct denial *x) MUST_USE;
enum err batch_allow(struct batch *b, const uint8_t fingerprint[32]) MUST_USE;
/* Gives it the next number. */
enum err batch_edition(struct batch *b, const struct edition *e, uint64_t *number) MUST_USE;
/* NULL takes it away: ERR_NOT_FOUND when there is none. ERR_TOO_LARGE: its text could not be kept. */
enum err batch_shadow(struct batch *b, const struct edition *e) MUST_USE;
/* What the last of these changed: what went and came; borrows until the next. */
struct span batch_delta(const struct batch *b);
enum err batch_commit(struct batch **b) MUST_USE;   /* durable when OK; *b is NULL after it in any case */
void batch_abort(struct batch **b);

/* ---- what changed ---- */

/* A number that rises with every commit; memory only. */
uint64_t directory_generation(const struct directory *d);
/* Was anything committed since the last directory_changes()? Memory only; of one thread, the one that calls that. */
bool directory_moved(const struct directory *d);

/* An account, or with a fingerprint a certificate, or the policy on trial. None of these: more than the journal remembers, so
 * it may be any; `replaced`: because the file is an older one, or another. */
struct change {
	Pullcord__V1__Party party;
	struct span id, fingerprint;
	bool shadow, replaced;
	struct span by, delta;      /* who, and what went and came (delta.h); empty: not told */
	int64_t at_us;              /* when; 0: not told */
};
/* Changes after journal line *since (0: none read yet), which is moved to the last line; one may be named more than
 * once. The journal keeps the last DIRECTORY_JOURNAL_MAX lines, and what has been on record for 31 days no longer. Who is
 * further behind, or ahead of it (the file was put back from a copy), is called once with an empty change: read all. ERR_CORRUPT:
 * so is who meets a damaged line, after all the others were told. After any other error nothing counts as seen: directory_moved()
 * stays true. */
enum err directory_changes(struct directory *d, uint64_t *since, void (*visit)(void *ctx, const struct change *c),
			   void *ctx) MUST_USE;
/* The SHA-256 of a line as it lies there, by which the file is told from another. ERR_NOT_FOUND: there is no such line. */
enum err directory_line(struct directory *d, uint64_t line, uint8_t out[32]) MUST_USE;
/* The last line there is; 0: none. What is up to it need not be readable. */
enum err directory_journal(struct directory *d, uint64_t *last) MUST_USE;
/* Up to which line the changes are on record, as it was marked last; ERR_NOT_FOUND: never. */
enum err directory_recorded(struct directory *d, uint64_t *line) MUST_USE;
enum err directory_mark_recorded(struct directory *d, uint64_t line) MUST_USE;

#endif
