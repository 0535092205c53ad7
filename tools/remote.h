/* remote: accounts of the running broker: what `user` and `device` ask of it, and its answers as accounts, so that with
 * --live they look as without. Every call says what went wrong. */
#ifndef PULLCORD_REMOTE_H
#define PULLCORD_REMOTE_H

#include "accounts.h"
#include "live.h"

/* Makes this account. Its password is sent as the hash it is: whoever may hear the administrator's connection, or look
 * into the broker's memory, learns no password. CMD_DONE, or CMD_NO: it was not made, or nobody knows (*unsure). */
int remote_create(struct live *live, const struct accounts *kind, const struct draft *d, bool *unsure) MUST_USE;
int remote_password(struct live *live, const char *id, const char *phc) MUST_USE;
/* An account, as directory_find() would bring it, for this call; until when a person is locked out somewhere, 0: they are not. */
typedef bool remote_visit(void *ctx, const struct account *a, int64_t locked_us);
/* CMD_GONE: there is none. */
int remote_find(struct live *live, const struct accounts *kind, const char *id, remote_visit *visit, void *ctx) MUST_USE;
/* Everybody of a party in order of ids, until `visit` returns false. Asks as often as it takes. */
int remote_each(struct live *live, const struct accounts *kind, remote_visit *visit, void *ctx) MUST_USE;

/* An account as "data" of an answer has it, of `tenant` unless it says its own; borrows from `v`. ERR_SYNTAX: it is none. Pure. */
struct value;
enum err remote_account(const struct value *v, const struct accounts *kind, struct span tenant, struct draft *out) MUST_USE;
/* Until when it says that they are locked out, wherever that is the longest. Pure. */
int64_t remote_locked(const struct value *v);

#endif
