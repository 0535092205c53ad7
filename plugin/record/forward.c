#include "forward.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cur.h"
#include "disk.h"

#define SLOTS 2
#define CHECK_BYTES 8
#define WORD "pullcord-line "
#define PEEKS 8                 /* a reader may meet the writer between its two slots */

struct forward {
	int fd;
	struct forward_key now;
};

/* ---- keys and marks ---- */

void forward_key_init(struct forward_key *k, const uint8_t initial[FORWARD_KEY_BYTES])
{
	*k = (struct forward_key){ .n = 0 };
	memcpy(k->key, initial, sizeof(k->key));
	HMAC256(k->id, span(initial, FORWARD_KEY_BYTES), SPAN_LIT("alog line id v1"));
}

enum err forward_key_go(struct forward_key *k, uint64_t n)
{
	if (n < k->n || n - k->n > FORWARD_STEPS_MAX)
		return ERR_RANGE;
	for (; k->n < n; k->n++) {
		uint8_t next[FORWARD_KEY_BYTES];

		HMAC256(next, span(k->key, sizeof(k->key)), SPAN_LIT("alog line next v1"));
		memcpy(k->key, next, sizeof(next));
		crypt_wipe(next, sizeof(next));
	}
	return OK;
}

void forward_mark(const struct forward_key *k, struct span origin, int64_t at_us, uint64_t size, const struct hash *root,
	       uint8_t mac[SHA256_BYTES])
{
	uint8_t name[SHA256_BYTES], number[24];
	struct put b = put(number, sizeof(number));

	SHA256(name, origin);
	put_u64(&b, k->n);
	put_u64(&b, (uint64_t)at_us);
	put_u64(&b, size);
	HMAC256(mac, span(k->key, sizeof(k->key)), SPAN_LIT("alog line mark v1"), span(name, sizeof(name)), put_span(&b),
		span(root->b, sizeof(root->b)));
}

void forward_text_write(const uint8_t initial[FORWARD_KEY_BYTES], char out[FORWARD_TEXT_MAX])
{
	struct put b = put(out, FORWARD_TEXT_MAX - 1);
	char hex[2 * FORWARD_KEY_BYTES + 1];

	hex_encode(span(initial, FORWARD_KEY_BYTES), hex);
	put_fmt(&b, WORD "%s\n", hex);
	must(put_end(&b) == OK);
	out[b.n] = '\0';
	crypt_wipe(hex, sizeof(hex));
}

enum err forward_text_read(struct span text, uint8_t initial[FORWARD_KEY_BYTES])
{
	struct span found = { 0 };
	uint8_t key[FORWARD_KEY_BYTES];

	while (text.n) {
		struct span line = span_trim(span_cut(text, '\n', &text));

		if (!line.n || line.p[0] == '#')
			continue;
		if (found.n)
			return ERR_SYNTAX;
		found = line;
	}
	if (found.n != sizeof(WORD) - 1 + 2 * FORWARD_KEY_BYTES || memcmp(found.p, WORD, sizeof(WORD) - 1) != 0 ||
	    !hex_decode(span(found.p + sizeof(WORD) - 1, 2 * FORWARD_KEY_BYTES), key, sizeof(key)))
		return ERR_SYNTAX;
	memcpy(initial, key, sizeof(key));
	crypt_wipe(key, sizeof(key));
	return OK;
}

/* ---- slots ---- */

static void check_of(struct span written, uint8_t out[CHECK_BYTES])
{
	uint8_t digest[SHA256_BYTES];

	SHA256(digest, written);
	memcpy(out, digest, CHECK_BYTES);
}

static void slot_write(const struct forward_key *k, uint8_t slot[FORWARD_SLOT_BYTES])
{
	struct put b = put(slot, FORWARD_SLOT_BYTES);
	uint8_t check[CHECK_BYTES];

	memset(slot, 0, FORWARD_SLOT_BYTES);
	put_u64(&b, k->n);
	put_bytes(&b, span(k->id, sizeof(k->id)));
	put_bytes(&b, span(k->key, sizeof(k->key)));
	check_of(put_span(&b), check);
	put_bytes(&b, span(check, sizeof(check)));
	must(put_end(&b) == OK);
}

static bool slot_read(const uint8_t *slot, struct forward_key *out)
{
	struct cur c = cur(span(slot, FORWARD_SLOT_BYTES));
	uint8_t check[CHECK_BYTES];
	struct span id, key;
	struct forward_key k = { .n = cur_u64(&c) };

	id = cur_take(&c, sizeof(k.id));
	key = cur_take(&c, sizeof(k.key));
	check_of(span(slot, FORWARD_SLOT_BYTES - c.left.n), check);
	if (memcmp(cur_take(&c, sizeof(check)).p, check, sizeof(check)) != 0)
		return false;
	memcpy(k.id, id.p, id.n);
	memcpy(k.key, key.p, key.n);
	*out = k;
	crypt_wipe(&k, sizeof(k));
	return true;
}

static bool follows(const struct forward_key *before, const struct forward_key *after)
{
	struct forward_key k = *before;
	bool good = forward_key_go(&k, after->n) == OK && crypt_same(&k, after, sizeof(k));

	crypt_wipe(&k, sizeof(k));
	return good;
}

static bool is_blank(const uint8_t *slot)
{
	for (size_t i = 0; i < FORWARD_SLOT_BYTES; i++)
		if (slot[i])
			return false;
	return true;
}

/* The newest of the two, and whether anything of the other one is there still: also half of it. */
static enum err newest(const uint8_t file[SLOTS * FORWARD_SLOT_BYTES], struct forward_key *out, bool *rest)
{
	struct forward_key k[SLOTS];
	bool is[SLOTS];
	unsigned at;
	enum err e = OK;

	for (unsigned i = 0; i < SLOTS; i++)
		is[i] = slot_read(file + i * FORWARD_SLOT_BYTES, &k[i]);
	at = is[0] && (!is[1] || k[0].n > k[1].n) ? 0 : 1;
	*rest = !is_blank(file + !at * FORWARD_SLOT_BYTES);
	if (!is[at] || k[at].n % SLOTS != at || (is[!at] && !follows(&k[!at], &k[at])))
		e = ERR_CORRUPT;
	else
		*out = k[at];
	crypt_wipe(k, sizeof(k));
	return e;
}

static enum err read_file(int fd, struct forward_key *out, bool *rest)
{
	uint8_t file[SLOTS * FORWARD_SLOT_BYTES];
	enum err e = disk_read(fd, file, sizeof(file), 0);

	if (e == OK)
		e = newest(file, out, rest);
	crypt_wipe(file, sizeof(file));
	return e == ERR_SHORT ? ERR_CORRUPT : e;
}

static enum err put_slot(int fd, uint64_t n, const struct forward_key *k)
{
	uint8_t slot[FORWARD_SLOT_BYTES] = { 0 };
	enum err e;

	if (k)
		slot_write(k, slot);
	e = disk_write(fd, span(slot, sizeof(slot)), (off_t)(n % SLOTS) * FORWARD_SLOT_BYTES);
	crypt_wipe(slot, sizeof(slot));
	return e;
}

/* ---- the file ---- */

enum err forward_begin(const char *path, const uint8_t initial[FORWARD_KEY_BYTES])
{
	CLEANUP(fd_cleanup) int fd = -1;
	struct forward_key k;
	enum err e;

	TRY(disk_open(path, SLOTS * FORWARD_SLOT_BYTES, &fd));
	forward_key_init(&k, initial);
	e = put_slot(fd, 1, NULL);
	if (e == OK)
		e = put_slot(fd, 0, &k);
	crypt_wipe(&k, sizeof(k));
	return e;
}

enum err forward_open(const char *path, struct forward **out)
{
	CLEANUP(forward_close) struct forward *l = calloc(1, sizeof(*l));
	bool rest;
	int fd;

	if (!l)
		return ERR_FULL;
	l->fd = -1;
	(void)mlock(l, sizeof(*l));     /* as far as the system lets us: the key is not for the swap */
	TRY(disk_open_read(path, &fd));
	fd_cleanup(&fd);                /* there is one: it is not made here */
	TRY(disk_open(path, 0, &l->fd));
	TRY(read_file(l->fd, &l->now, &rest));
	if (rest)
		TRY(put_slot(l->fd, l->now.n + 1, NULL));       /* of the one before, which a crash left */
	*out = l;
	l = NULL;
	return OK;
}

void forward_close(struct forward **l)
{
	if (*l) {
		fd_cleanup(&(*l)->fd);
		crypt_wipe(*l, sizeof(**l));
		(void)munlock(*l, sizeof(**l));
	}
	free(*l);
	*l = NULL;
}

const struct forward_key *forward_now(const struct forward *l)
{
	return &l->now;
}

enum err forward_go(struct forward *l, uint64_t n)
{
	struct forward_key k;
	enum err e;

	if (n == l->now.n)
		return OK;
	if (n > l->now.n && n % SLOTS == l->now.n % SLOTS)
		TRY(forward_go(l, n - 1));         /* never over the only key there is */
	k = l->now;
	e = forward_key_go(&k, n);
	if (e == OK)
		e = put_slot(l->fd, n, &k);
	if (e == OK)
		e = put_slot(l->fd, n + 1, NULL);
	if (e == OK)
		l->now = k;
	crypt_wipe(&k, sizeof(k));
	return e;
}

enum err forward_peek(const char *path, uint64_t *n, uint8_t id[SHA256_BYTES])
{
	CLEANUP(fd_cleanup) int fd = -1;
	struct forward_key k = { 0 };
	enum err e = ERR_CORRUPT;
	bool rest;

	TRY(disk_open_read(path, &fd));
	for (int i = 0; i < PEEKS && e == ERR_CORRUPT; i++)
		e = read_file(fd, &k, &rest);
	*n = k.n;
	if (id)
		memcpy(id, k.id, sizeof(k.id));
	crypt_wipe(&k, sizeof(k));
	return e;
}
