#include "spill.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cur.h"
#include "disk.h"
#include "vault.h"

#define PAGE 4096
#define SKIP UINT32_MAX
#define ROUND(n) (((n) + 7) & ~(size_t)7)
#define SEALED_MAX (SPILL_RECORD_MAX + VAULT_EXTRA)
static const char magic[8] = "pcspill1";

/* The file's first page; the records follow. Counters of bytes and of records since the file was made; they never wrap. */
struct head {
	char magic[8];
	uint32_t layout, zero;
	uint64_t bytes;
	_Atomic uint64_t head, pushed;
	_Atomic uint64_t tail, given;
	/* What lies before `until` is of the layout `before`. */
	_Atomic uint64_t until;
	uint32_t before;
};

struct spill {
	struct head *h;
	uint8_t *p;
	size_t bytes;
	int fd;
	struct vault vault;
	struct sealer *sealer;          /* of the pushing thread, as is the nonce */
	uint8_t nonce[AEAD_NONCE_BYTES];
	uint64_t taken, taken_n;        /* of the taking thread: bytes and records */
	uint64_t damaged, damaged_taken;
	uint8_t in[SPILL_RECORD_MAX], out[SEALED_MAX];
};

static void make(struct spill *s, uint32_t layout)
{
	memset(s->h, 0, sizeof(*s->h));
	memcpy(s->h->magic, magic, sizeof(magic));
	s->h->layout = layout;
	s->h->bytes = s->bytes;
}

static bool can_be(struct head *h)
{
	uint64_t head = atomic_load(&h->head), tail = atomic_load(&h->tail);

	return tail <= head && head - tail <= h->bytes && head % 8 == 0 && tail % 8 == 0 &&
	       atomic_load(&h->given) <= atomic_load(&h->pushed);
}

/* Are all records of layouts that can be read? Those of the version before are marked as such. */
static bool can_read(struct head *h, struct spill_layout layout)
{
	bool older = atomic_load(&h->until) > atomic_load(&h->tail);    /* there are some of h->before */

	if (h->layout == layout.now)
		return !older || h->before == layout.before;
	if (h->layout != layout.before || older)
		return false;
	h->before = h->layout;
	atomic_store(&h->until, atomic_load(&h->head));
	h->layout = layout.now;         /* last: a crash before leaves it as it was */
	return true;
}

/* What is not ours is begun anew; what cannot be read, or is of another size, is counted, and gone. Of counters that cannot be
 * nobody can tell how many there were: one at least. */
static void resume(struct spill *s, struct spill_layout layout)
{
	bool ours = memcmp(s->h->magic, magic, sizeof(magic)) == 0, good = ours && can_be(s->h);
	bool same = good && s->h->bytes == s->bytes && can_read(s->h, layout);

	if (ours && !good)
		s->damaged = 1;
	else if (good && !same && !spill_empty(s))
		s->damaged = atomic_load(&s->h->pushed) - atomic_load(&s->h->given);
	if (!same)
		make(s, layout.now);
	if (spill_empty(s))             /* a crash may have left the count behind */
		atomic_store(&s->h->given, atomic_load(&s->h->pushed));
	s->taken = atomic_load(&s->h->tail);
	s->taken_n = atomic_load(&s->h->given);
}

static bool is_size(size_t bytes)
{
	return bytes >= SPILL_BYTES_MIN && (bytes & (bytes - 1)) == 0;
}

size_t spill_bytes(const char *path, size_t store_bytes)
{
	size_t bytes = SPILL_BYTES_MIN;
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size <= PAGE + (off_t)SPILL_BYTES_MAX && is_size((size_t)st.st_size - PAGE))
		return (size_t)st.st_size - PAGE;
	while (bytes < SPILL_BYTES_MAX && bytes * 2 <= store_bytes / 4)
		bytes *= 2;
	return bytes;
}

enum err spill_open(const char *path, size_t bytes, const uint8_t root[32], struct spill_layout layout, struct spill **out)
{
	CLEANUP(spill_close) struct spill *s = calloc(1, sizeof(*s));
	void *map;

	if (!s)
		return ERR_FULL;
	s->fd = -1;
	if (!is_size(bytes))
		return ERR_RANGE;
	s->bytes = bytes;
	TRY(disk_open(path, (off_t)(PAGE + bytes), &s->fd));
	if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
		return ERR_BUSY;
	map = mmap(NULL, PAGE + bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd, 0);
	if (map == MAP_FAILED)
		return ERR_FULL;
	(void)mlock(map, PAGE + bytes);         /* more than most are allowed; what is not locked may have to be read again */
	s->h = map;
	s->p = (uint8_t *)map + PAGE;
	vault_init(&s->vault, root, "record spill");
	TRY(sealer_open(s->vault.key, &s->sealer));
	crypt_random(s->nonce, sizeof(s->nonce));
	resume(s, layout);
	*out = s;
	s = NULL;
	return OK;
}

void spill_close(struct spill **s)
{
	if (*s) {
		if ((*s)->h)
			munmap((*s)->h, PAGE + (*s)->bytes);
		fd_cleanup(&(*s)->fd);
		sealer_close(&(*s)->sealer);
		crypt_wipe(*s, sizeof(**s));
	}
	free(*s);
	*s = NULL;
}

static struct span place(uint64_t at, uint8_t raw[8])
{
	struct put b = put(raw, 8);

	put_u64(&b, at);
	return put_span(&b);
}

/* Each open begins at a random one of 2^96: no two are the same, also when the file was set back. */
static void next_nonce(uint8_t nonce[AEAD_NONCE_BYTES])
{
	for (size_t i = AEAD_NONCE_BYTES; i > 0 && ++nonce[i - 1] == 0; i--)
		;
}

static enum err seal(struct spill *s, struct span aad, struct span text, uint8_t *out)
{
	next_nonce(s->nonce);
	memcpy(out, s->nonce, AEAD_NONCE_BYTES);
	return sealer_seal(s->sealer, s->nonce, aad, text, out + AEAD_NONCE_BYTES);
}

static size_t gather(struct spill *s, const struct span *piece, size_t n)
{
	struct put b = put(s->in, sizeof(s->in));

	for (size_t i = 0; i < n; i++)
		put_bytes(&b, piece[i]);
	return put_end(&b) == OK ? b.n : SIZE_MAX;
}

/* `keep`: so much room must be left. */
static bool push(struct spill *s, const struct span *piece, size_t n, size_t keep)
{
	uint64_t head = atomic_load_explicit(&s->h->head, memory_order_relaxed);
	uint64_t used = head - atomic_load_explicit(&s->h->tail, memory_order_acquire);
	size_t at = head & (s->bytes - 1), len = gather(s, piece, n), need, skip;
	uint8_t where[8];
	uint32_t sealed, none = SKIP;

	if (len == SIZE_MAX)
		return false;
	sealed = (uint32_t)(len + VAULT_EXTRA);
	need = ROUND(sizeof(sealed) + sealed);
	skip = need > s->bytes - at ? s->bytes - at : 0;
	if (s->bytes - used < skip + need + keep)
		return false;
	if (skip)
		memcpy(s->p + at, &none, sizeof(none));
	head += skip;
	at = head & (s->bytes - 1);
	if (seal(s, place(head, where), span(s->in, len), s->p + at + sizeof(sealed)) != OK)
		return false;
	memcpy(s->p + at, &sealed, sizeof(sealed));
	atomic_fetch_add_explicit(&s->h->pushed, 1, memory_order_relaxed);
	atomic_store_explicit(&s->h->head, head + need, memory_order_release);
	return true;
}

bool spill_push(struct spill *s, const struct span *piece, size_t n) { return push(s, piece, n, SPILL_KEPT); }
bool spill_push_kept(struct spill *s, const struct span *piece, size_t n) { return push(s, piece, n, 0); }

/* After a power failure pages may be old: a length that makes no sense, or a skip past the end (SKIP is larger than any
 * length), ends the reading of what there was. */
static void give_up(struct spill *s, uint64_t head)
{
	s->damaged_taken += atomic_load(&s->h->pushed) - s->taken_n;
	s->taken_n = atomic_load(&s->h->pushed);
	s->taken = head;
}

/* `out` has its own buffer: `in` belongs to the pushing thread. */
bool spill_peek(struct spill *s, struct span *out, uint32_t *layout)
{
	uint64_t head = atomic_load_explicit(&s->h->head, memory_order_acquire);
	uint8_t where[8];
	uint32_t sealed;

	while (s->taken < head) {
		size_t at = s->taken & (s->bytes - 1), room = s->bytes - at;
		uint64_t from = s->taken;

		memcpy(&sealed, s->p + at, sizeof(sealed));
		if (sealed == SKIP && from + room < head) {
			s->taken += room;
			continue;
		}
		if (sealed < VAULT_EXTRA || sealed > SEALED_MAX || ROUND(sizeof(sealed) + sealed) > room ||
		    from + ROUND(sizeof(sealed) + sealed) > head) {
			give_up(s, head);
			return false;
		}
		s->taken += ROUND(sizeof(sealed) + sealed);
		s->taken_n++;
		if (vault_open(&s->vault, place(from, where), span(s->p + at + sizeof(sealed), sealed), s->out) == OK) {
			*out = span(s->out, sealed - VAULT_EXTRA);
			*layout = from < atomic_load(&s->h->until) ? s->h->before : s->h->layout;
			return true;
		}
		s->damaged_taken++;
	}
	return false;
}

void spill_advance(struct spill *s)
{
	s->damaged = s->damaged_taken = 0;
	atomic_store_explicit(&s->h->tail, s->taken, memory_order_release);
	/* Last: a crash between them leaves too many to be counted as lost, never more given back than there were. */
	atomic_store_explicit(&s->h->given, s->taken_n, memory_order_release);
}

void spill_rewind(struct spill *s)
{
	s->taken = atomic_load_explicit(&s->h->tail, memory_order_relaxed);
	s->taken_n = atomic_load_explicit(&s->h->given, memory_order_relaxed);
	s->damaged_taken = 0;
}

uint64_t spill_damaged(const struct spill *s)
{
	return s->damaged + s->damaged_taken;
}

bool spill_empty(const struct spill *s)
{
	return atomic_load(&s->h->head) == atomic_load(&s->h->tail);
}
