/* directory: who exists and what they hold: accounts of people and devices, and which client id belongs to whom.
 * LMDB, values sealed. One process writes at a time, others (the operator's tool beside the broker) may read and write
 * between; a look at directory_generation() tells whether anything was committed since. Every change of an account is
 * also a line in the change journal, so that a reader learns which accounts changed without reading them all.
 * May do I/O: reads are memory unless the page is cold; writes flush. */
#ifndef PULLCORD_DIRECTORY_H
#define PULLCORD_DIRECTORY_H

#include "err.h"
#include "subject.h"

#define DIRECTORY_PHC_MAX 160
#define DIRECTORY_ROLES_MAX 64
#define DIRECTORY_ATTRIBUTES_MAX 512
#define DIRECTORY_NAME_MAX 200          /* bytes */
#define DIRECTORY_CLIENTS_MAX 1024      /* client ids of one person: nobody fills the store with names of terminals */
#define DIRECTORY_JOURNAL_MAX 65536     /* lines */
#define DIRECTORY_MAP_BYTES (64u << 20) /* about 100,000 accounts; reserved on disk when the file is made */

struct directory;

/* One account, one block. `password` is an argon2id PHC string, "" for devices and whoever may not log in with one. */
struct account {
	struct subject subject;
	char password[DIRECTORY_PHC_MAX];
	struct span name;           /* for people to read; no PHI */
	uint64_t changed_us;
};

/* Root key: vault_root(). ERR_KEY: another root sealed it. Creates the file unless read_only. */
enum err directory_open(const char *path, const uint8_t root[32], bool read_only, struct directory **out) MUST_USE;
void directory_close(struct directory **d);

/* A copy the caller owns (account_free). ERR_NOT_FOUND. */
enum err directory_find(struct directory *d, Pullcord__V1__Party party, struct span id, struct account **out) MUST_USE;
void account_free(struct account **a);

/* Creates or replaces. Durable when OK. ERR_RANGE: an id, role or attribute is not a word, or there are too many, or
 * the password is no argon2id PHC string, or is a device's; ERR_UTF8, ERR_TOO_LARGE: the name; ERR_EXISTS: `create` and
 * there is one, or the id belongs to the other party (people and devices share one name space, and no device may be
 * called "<user>.<anything>"); ERR_FULL: no room for one more (changing and removing still work then). */
enum err directory_save(struct directory *d, const struct account *a, bool create) MUST_USE;
enum err directory_remove(struct directory *d, Pullcord__V1__Party party, struct span id) MUST_USE;
/* In order of party and id, until `visit` returns false. The account is the visitor's for the call. */
enum err directory_each(struct directory *d, bool (*visit)(void *ctx, const struct account *a), void *ctx) MUST_USE;

/* A client id belongs to one identity for good. owner: ERR_NOT_FOUND. bind: OK also when it is bound to the same;
 * ERR_EXISTS when it is somebody else's; ERR_RANGE when it is no word; ERR_FULL when a person has
 * DIRECTORY_CLIENTS_MAX already, or there is no room. */
struct owner {
	Pullcord__V1__Party party;
	char id[65];
};
enum err directory_owner(struct directory *d, struct span client_id, struct owner *out) MUST_USE;
enum err directory_bind(struct directory *d, struct span client_id, const struct owner *o) MUST_USE;
/* All bindings, for the broker's table in memory at start. */
enum err directory_owners(struct directory *d, void (*visit)(void *ctx, struct span client_id, const struct owner *o),
			  void *ctx) MUST_USE;

/* A number that rises with every commit; memory only. */
uint64_t directory_generation(const struct directory *d);
/* Accounts changed (or removed) after journal line *since (0: none read yet), which is moved to the last line; one may
 * be named more than once. The journal keeps the last DIRECTORY_JOURNAL_MAX lines. Who is further behind, or ahead of
 * it (the file was put back from a copy), is called once with PARTY_NONE and no id: read all. */
enum err directory_changes(struct directory *d, uint64_t *since,
			   void (*visit)(void *ctx, Pullcord__V1__Party party, struct span id), void *ctx) MUST_USE;

/* The stored form of an account, before it is sealed. Write returns a block of its own (free()). Read checks everything
 * directory_save() checks; ERR_CORRUPT. */
enum err account_write(const struct account *a, uint8_t **out, size_t *n) MUST_USE;
enum err account_read(struct span raw, struct account **out) MUST_USE;

#endif
