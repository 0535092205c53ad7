/* command: what an administrator asks for and is answered, in JSON of the shape Mosquitto's dynamic-security plugin uses:
 *
 *     {"commands":[{"command":"grantRole","correlationData":"7","username":"ana","rolename":"nurse"}]}
 *     {"responses":[{"command":"grantRole","correlationData":"7"}]}          or with "data":{...} or "error":"..."
 *
 * The only file of the plugin that includes jansson. Reading believes nothing: unknown fields, wrong types, texts that
 * are no words are errors of that command and name what would be right. Nothing here knows what a command does. */
#ifndef PULLCORD_COMMAND_H
#define PULLCORD_COMMAND_H

#include "account.h"
#include "cur.h"
#include "patients.h"

#define COMMAND_REQUEST_MAX (192 << 10) /* bytes; `init` sets message_size_limit 200000 */
#define COMMAND_ORDERS_MAX 4096         /* in a request, those in batches too */
#define COMMAND_MEMBERS_MAX 1024        /* ids, or segments, in one command */

enum command {
	COMMAND_NONE,
#define COMMAND(name, ...) COMMAND_##name,
#include "command.def"
#undef COMMAND
	COMMANDS
};
const char *command_name(enum command c);
const char *command_permission(enum command c);   /* "user.create"; "": none of its own */
bool command_changes(enum command c);             /* accounts and certificates: it has a place in a batch */
bool command_acts(enum command c);                /* it does more than look */

/* FIELD(name, word in JSON, kind) */
#define FIELDS(FIELD)                                                                                                  \
	FIELD(USER, "username", WORD) FIELD(DEVICE, "device", WORD) FIELD(ROLE, "rolename", WORD)                      \
	FIELD(NAME, "name", WORD) FIELD(VALUE, "value", WORD) FIELD(CHANNEL, "channel", WORD)                          \
	FIELD(PATIENT, "patient", WORD) FIELD(UNIT, "unit", WORD) FIELD(AFTER, "after", PLACE)                          \
	FIELD(TEXTNAME, "textname", TEXT)                                                                               \
	FIELD(REASON, "reason", TEXT) FIELD(TOPIC, "topic", TEXT)                                                       \
	FIELD(ADDRESS, "address", TEXT) FIELD(ACCESS, "access", TEXT)                                                   \
	FIELD(PASSWORD, "password", SECRET) FIELD(PHC, "passwordHash", PHC) FIELD(POLICY, "policy", LONG)               \
	FIELD(SIGNED, "signed", LONG)                                                                                   \
	FIELD(EXPIRES, "expires", TIME) FIELD(VERBOSE, "verbose", BOOL)                                                \
	FIELD(VERSION, "version", NUMBER) FIELD(COUNT, "count", NUMBER) FIELD(ROLLBACK, "rollback", BOOL)              \
	FIELD(REQUEST, "request", NUMBER) FIELD(SEGMENTS, "segments", NUMBERS)                                          \
	FIELD(FINGERPRINT, "fingerprint", HASH) FIELD(HASH, "hash", HASH)                                               \
	FIELD(USERS, "usernames", WORDS) FIELD(ROLES, "roles", WORDS)                                                   \
	FIELD(ATTRIBUTES, "attributes", PAIRS) FIELD(COMMANDS, "commands", ORDERS)

enum field {
#define FIELD(name, word, kind) FIELD_##name,
	FIELDS(FIELD)
#undef FIELD
	FIELD_COUNT_OF
};

/* One command as it was read. Spans borrow from the request. A field that was not given is empty. */
struct order {
	enum command command;       /* COMMAND_NONE: no such */
	struct span word;           /* its name as it was written */
	struct span correlation;
	char problem[160];          /* why it cannot be carried out; "": it can */
	uint32_t given;             /* 1u << enum field, or'ed */
	struct span text[FIELD_EXPIRES];    /* by field: WORD, PLACE, TEXT, SECRET, LONG */
	int64_t until_us;
	uint64_t version, count, request;
	bool rollback, verbose;
	uint8_t fingerprint[32];    /* or hash: SHA-256 */
	struct span *member, *role;
	size_t members, roles;
	uint32_t *segment;
	size_t segments;
	struct attribute *attribute;
	size_t attributes;
	struct order *part;         /* of a batch */
	size_t parts;
	char phc[ACCOUNT_PHC_MAX];  /* of "passwordHash"; of "password" the reader leaves it empty */
};

static inline bool order_has(const struct order *o, enum field f)
{
	return (o->given & 1u << f) != 0;
}

/* The patient it is about, when that is one; empty. */
struct span order_patient(const struct order *o);

/* What it asks for, in checked words: "username=ana rolename=nurse", patients as pseudonyms. Of texts and secrets only that they
 * were given; of a policy, and its signatures, the first half of its SHA-256. Cut, and said so, when it is too long. */
void order_write(const struct order *o, const struct patients *p, struct put *out);

struct request {
	struct order *order;
	size_t n;
	void *json;
};

/* ERR_TOO_LARGE, ERR_SYNTAX, ERR_FULL; `why` says where and what would be right. */
enum err request_read(struct span text, struct request **out, char *why, size_t cap) MUST_USE;
/* Passwords are wiped. */
void request_free(struct request **r);

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Objects and arrays from the outside in. Running out of memory shows at the end. */
struct reply;
struct reply *reply_open(void);                                 /* NULL: no memory */
void reply_close(struct reply **r);
void reply_object(struct reply *r, const char *key);            /* `key` is NULL within an array */
void reply_array(struct reply *r, const char *key);
void reply_end(struct reply *r);
void reply_text(struct reply *r, const char *key, struct span text);    /* what is not UTF-8 becomes "" */
void reply_number(struct reply *r, const char *key, uint64_t n);
void reply_bool(struct reply *r, const char *key, bool b);
/* Takes an object out again: always, or when it is empty. */
void reply_prune(struct reply *r, const char *key, bool always);
/* About how long it will be, as it is now. */
size_t reply_bytes(const struct reply *r);
/* A JSON text of its own (free()); NULL: no memory. */
char *reply_finish(struct reply *r);

/* Times as they stand in JSON: "2026-11-23T07:00:00Z". */
#define COMMAND_TIME 24
char *command_time(int64_t us, char out[COMMAND_TIME]);
/* Such a text, or µs are taken from seconds since 1970 in digits. */
bool command_time_read(struct span text, int64_t *us) MUST_USE;

/* ---- answers, as a client reads them -------------------------------------------------------------------------- */

/* One response; `json` is all of it and `data` a part (NULL: none), both as JSON text in ASCII. error "": it was done. */
struct answer {
	const char *command, *error, *data, *json;
};
/* Calls `visit` for each in order. ERR_SYNTAX. */
enum err answer_read(struct span text, void (*visit)(void *ctx, const struct answer *a), void *ctx) MUST_USE;

#endif
