/* account: what is known of one device or person: what it holds, how and until when, and the state it is in. Plain data
 * in one block; the stored form of it (before it is sealed) is read and written here. */
#ifndef PULLCORD_ACCOUNT_H
#define PULLCORD_ACCOUNT_H

#include "err.h"
#include "subject.h"

#define ACCOUNT_PHC_MAX 160
#define ACCOUNT_ROLES_MAX 64
#define ACCOUNT_ATTRIBUTES_MAX 512
#define ACCOUNT_TEXT_MAX 200            /* bytes of a name or reason */
#define ACCOUNT_BYTES_MAX (256 << 10)   /* as stored; the largest has about 250,000 */

enum account_state {
	ACCOUNT_ACTIVE,
	ACCOUNT_SUSPENDED,          /* may do nothing, until resumed; then as before */
	ACCOUNT_QUARANTINED,        /* may do what the policy says under `quarantine`, until released */
	ACCOUNT_WIPED,              /* may do nothing, for good */
	ACCOUNT_STATES
};
const char *account_state_name(enum account_state s);

/* How a role or attribute is held. All zero: for good, nobody said why. */
struct grant {
	int64_t until_us;           /* µs since 1970; 0: for good */
	uint64_t at_us;
	struct span reason;         /* no PHI */
	struct span by;             /* user id; empty: the operator's tool */
};

/* `password` is an argon2id PHC string, "" for devices and whoever may not log in with one. */
struct account {
	struct subject subject;     /* everything that was granted, ended or not */
	const struct grant *role_grant, *attribute_grant;   /* one for each, or NULL: all plain */
	enum account_state state;
	enum account_state suspended_from;  /* ACTIVE or QUARANTINED: what it returns to when it is resumed */
	struct grant state_since;   /* without an end */
	char password[ACCOUNT_PHC_MAX];
	struct span name;           /* for people to read; no PHI */
	uint64_t changed_us;
	int64_t unlocked_us;        /* wrong passwords of before are forgiven; 0: never */
	int64_t removed_us;         /* a device of this name was removed then; 0: none was */
	uint8_t certificate[32];    /* fingerprint of the one it was enrolled with; zeros: not told */
};

/* The subject as it counts at now_us: without what has ended; in quarantine with that role only. *until_us is when that
 * changes next, INT64_MAX: never. Of an account that was read; borrows from it. */
struct subject account_subject(const struct account *a, int64_t now_us, int64_t *until_us);
/* Is a certificate, good from then on, this device's, and not of one of its name that was removed? */
bool account_knows(const struct account *a, const uint8_t fingerprint[32], int64_t not_before_s);
void account_free(struct account **a);

/* ERR_RANGE: an id, role or attribute is not a word, or there are too many, or the password is no argon2id PHC string,
 * or is a device's; ERR_UTF8, ERR_TOO_LARGE: name or reason. */
enum err account_check(const struct account *a) MUST_USE;
/* Write returns a block of its own (free()). Read checks the same; ERR_CORRUPT, ERR_VERSION. What ends comes last, what
 * ends first at the very end. */
enum err account_write(const struct account *a, uint8_t **out, size_t *n) MUST_USE;
enum err account_read(struct span raw, struct account **out) MUST_USE;

#endif
