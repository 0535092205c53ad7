/* past_ids: where the past keeps a message, by its id: the number of its row. A table of the history's file; but ids come in no
 * order, and each would make the disk write a page of that table for itself. So new ones wait in memory, sorted, and are
 * written when there are as many of a part of the table as go well together, in its order.
 *
 * What waits is lost with the process, and its rows are not: rows above past_ids_written() are to be added again. All but find()
 * is for a transaction that writes, and past_ids_settle() says what became of it. Limits: PAST_IDS_WAITING in memory. */
#ifndef PULLCORD_PAST_IDS_H
#define PULLCORD_PAST_IDS_H

#include "id.h"
#include "store.h"

#define PAST_IDS_PARTS 16
#define PAST_IDS_OF_PART 512            /* that wait */
#define PAST_IDS_WAITING (PAST_IDS_PARTS * PAST_IDS_OF_PART)
#define PAST_IDS_OLD (4 * PAST_IDS_WAITING)     /* added since: it has waited for long enough, in whatever company */

struct past_ids;

/* `last`: the last row's number. A table of before has the ids of all of them. */
enum err past_ids_open(struct txn *t, unsigned table, uint64_t last, struct past_ids **out) MUST_USE;
void past_ids_close(struct past_ids **x);
uint64_t past_ids_written(const struct past_ids *x);    /* when it was opened */

enum err past_ids_find(const struct past_ids *x, struct txn *t, const struct id *id, uint64_t *number) MUST_USE; /* ERR_NOT_FOUND */
/* What find() does not find; numbers rise. */
enum err past_ids_add(struct past_ids *x, struct txn *t, const struct id *id, uint64_t number) MUST_USE;
enum err past_ids_del(struct past_ids *x, struct txn *t, const struct id *id) MUST_USE;     /* OK also when it is not there */
void past_ids_settle(struct past_ids *x, bool kept);

#endif
