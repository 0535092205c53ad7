/* directory_inside: what a directory is inside. Only for its own files: directory.c has the accounts and the policies, journal.c
 * what changed, and the other tables are owner_row.c, denial_row.c, lock_row.c and emergency_row.c. */
#ifndef PULLCORD_DIRECTORY_INSIDE_H
#define PULLCORD_DIRECTORY_INSIDE_H

#include "delta.h"
#include "directory.h"
#include "store.h"
#include "topic.h"
#include "vault.h"

#define SMALL_MAX 128           /* bytes of a binding, before it is sealed */
#define JOURNAL_BYTES_MAX (SMALL_MAX + DIRECTORY_BY_MAX + DELTA_MAX)       /* the same of a line of the journal */

enum { ACCOUNT, OWNER, JOURNAL, CHECK, DENIAL, EDITION, LOCK, GONE, TABLES };

struct directory {
	struct store *store;
	struct vault vault;
	struct patients patients;
	uint64_t seen;              /* the last commit directory_changes() told all of */
	char by[DIRECTORY_BY_MAX + 1];
	size_t tables;              /* fewer than TABLES: read-only, of before there were the others */
};

struct batch {
	struct directory *d;
	struct txn *t;
	bool tight;
	struct delta delta;         /* of the last change */
	struct span by;
};

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE

static inline bool party_ok(unsigned party)
{
	return party == DEVICE || party == USER;
}

/* OK when `e` says that there is none. */
static inline enum err none(enum err e)
{
	return e == ERR_NOT_FOUND ? OK : e == OK ? ERR_EXISTS : e;
}

/* Party and id of an account. */
struct key {
	uint8_t b[1 + WORD_BYTES_MAX];
	size_t n;
};

static inline struct span key_span(const struct key *k)
{
	return span(k->b, k->n);
}

/* Values are sealed, each to its table and key. ERR_CORRUPT: it is damaged. */
enum err put_sealed(struct directory *d, struct txn *t, unsigned table, struct span key, struct span text) MUST_USE;
enum err open_sealed(struct directory *d, unsigned table, struct span key, struct span sealed, uint8_t *out) MUST_USE;

/* ---- journal.c: every change is a line ---- */
enum err journal_account(struct batch *b, const struct key *changed) MUST_USE;
enum err journal_certificate(struct batch *b, const uint8_t fingerprint[32]) MUST_USE;
enum err journal_shadow(struct batch *b) MUST_USE;
/* When there is no room: old lines go for what must not wait. ERR_FULL: there are none to spare. */
enum err journal_give_way(struct txn *t) MUST_USE;

#endif
