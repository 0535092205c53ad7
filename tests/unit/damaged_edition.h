/* damaged_edition: a version of the policy in a directory as nobody can read it any more. */
#ifndef PULLCORD_DAMAGED_EDITION_H
#define PULLCORD_DAMAGED_EDITION_H

#include "directory.h"
#include "key.h"
#include "store.h"

/* Closed, damaged and opened again. */
static inline void damage_edition(const char *path, const uint8_t root[32], uint64_t number, struct directory **d)
{
	static const char *const tables[] = { "account", "owner", "journal", "check", "denial", "edition", NULL };
	const struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = DIRECTORY_MAP_BYTES, .table = tables };
	struct key64 at = key64(number);
	struct store *s = NULL;
	struct txn *t = NULL;

	directory_close(d);
	assert_int_equal(store_open(path, &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_put(t, 5, key64_span(&at), SPAN_LIT("a row nobody can read, as it is no longer what was sealed")), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
	assert_int_equal(directory_open(path, root, false, d), OK);
}

#endif
