#include "keyring.h"

#include <stdlib.h>

#include "cur.h"

#define BOUND_MAX (1 + KEYRING_HEAD_BYTES + STORE_KEY_MAX)     /* whatever a damaged file holds */

/* ---- values ---- */

static struct span bound_to(struct put *aad, unsigned table, struct span key, struct span head)
{
	put_u8(aad, (uint8_t)table);
	put_bytes(aad, head);
	put_bytes(aad, key);
	must(put_end(aad) == OK);
	return put_span(aad);
}

enum err keyring_seal(const struct keyring *r, unsigned table, struct span key, const struct id *id, struct span clear,
		      uint8_t value[KEYRING_VALUE_MAX], struct span *out)
{
	const struct data_key *k = &r->key[r->n - 1];
	struct put head = put(value, KEYRING_HEAD_BYTES);
	uint8_t room[BOUND_MAX];
	struct put aad = put(room, sizeof(room));

	must(clear.n <= OUTBOX_RECORD_MAX);
	put_u32(&head, k->number);
	put_bytes(&head, span(id->b, ID_BYTES));
	TRY(vault_seal(&k->vault, bound_to(&aad, table, key, put_span(&head)), clear, value + KEYRING_HEAD_BYTES));
	*out = span(value, KEYRING_HEAD_BYTES + clear.n + VAULT_EXTRA);
	return OK;
}

enum err keyring_open(const struct keyring *r, unsigned table, struct span key, struct span value, struct id *id,
		      uint8_t *out, struct span *clear)
{
	struct cur c = cur(value);
	uint32_t number = cur_u32(&c);
	struct span id_bytes = cur_take(&c, ID_BYTES);
	uint8_t room[BOUND_MAX];
	struct put aad = put(room, sizeof(room));

	if (c.bad || c.left.n < VAULT_EXTRA || c.left.n - VAULT_EXTRA > OUTBOX_RECORD_MAX)
		return ERR_CORRUPT;
	for (size_t i = r->n; i-- > 0;) {
		if (r->key[i].number != number)
			continue;
		TRY(vault_open(&r->key[i].vault, bound_to(&aad, table, key, span(value.p, KEYRING_HEAD_BYTES)), c.left, out));
		memcpy(id->b, id_bytes.p, ID_BYTES);
		*clear = span(out, c.left.n - VAULT_EXTRA);
		return OK;
	}
	return ERR_KEY;
}

bool keyring_id(struct span value, struct id *out)
{
	if (value.n < KEYRING_HEAD_BYTES)
		return false;
	memcpy(out->b, value.p + 4, ID_BYTES);
	return true;
}

uint32_t keyring_number(struct span value)
{
	struct cur c = cur(value);

	return cur_u32(&c);
}

/* ---- keys ---- */

static struct span key_number(uint32_t number, uint8_t b[4])
{
	struct put p = put(b, 4);

	put_u32(&p, number);
	return put_span(&p);
}

static enum err key_unwrap(const struct vault *root, struct span number, struct span value, struct data_key *out)
{
	struct cur c = cur(number);

	if (value.n != AEAD_KEY_BYTES + VAULT_EXTRA)
		return ERR_CORRUPT;
	out->number = cur_u32(&c);
	TRY(cur_end(&c));
	return vault_open(root, number, value, out->vault.key);
}

static enum err key_make(const struct vault *root, struct txn *t, unsigned table, struct data_key *out)
{
	uint8_t sealed[AEAD_KEY_BYTES + VAULT_EXTRA], b[4];
	struct span number = key_number(out->number, b);

	crypt_random(out->vault.key, AEAD_KEY_BYTES);
	TRY(vault_seal(root, number, span(out->vault.key, AEAD_KEY_BYTES), sealed));
	return txn_put(t, table, number, span(sealed, sizeof(sealed)));
}

enum err keyring_load(struct keyring *r, struct txn *t, unsigned table, const struct vault *root)
{
	struct span at = span(NULL, 0), value;
	uint64_t n;
	enum err e;

	TRY(txn_count(t, table, &n));
	r->key = calloc(n + 1, sizeof(*r->key));
	if (!r->key)
		return ERR_FULL;
	while ((e = txn_after(t, table, at, &at, &value)) == OK && r->n < n)
		TRY(key_unwrap(root, at, value, &r->key[r->n++]));
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err keyring_add(struct keyring *r, struct txn *t, unsigned table, const struct vault *root)
{
	r->key[r->n].number = r->n ? r->key[r->n - 1].number + 1 : 1;
	return key_make(root, t, table, &r->key[r->n++]);
}

enum err keyring_destroy(const struct keyring *r, struct txn *t, unsigned table, size_t i)
{
	uint8_t b[4];

	return txn_del(t, table, key_number(r->key[i].number, b));
}

void keyring_clear(struct keyring *r)
{
	for (size_t i = 0; i < r->n; i++)
		vault_clear(&r->key[i].vault);
	free(r->key);
	*r = (struct keyring){ 0 };
}
