#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"
#include "file.h"
#include "posting.h"
#include "report.h"
#include "store.h"
#include "vault.h"
#include "words.h"

enum { TABLE_POST, TABLE_TOPIC, TABLE_HOUR, TABLE_STATE };
static const char *const tables[] = { "post", "topic", "hour", "state", NULL };
#define INDEX_VERSION 7         /* made anew, whichever one made it before: a list of before lacks what is found by it now */
#define HEAD SPAN_LIT("head")

#define TERM_BYTES 16
#define MAP_MIN (16u << 20)
#define MAP_BYTES_AN_ENTRY 16
#define GATHER_BYTES (64u << 20)    /* of lists in memory, before they are written down */
#define GATHER_TERMS (1u << 19)
#define COMMIT_TERMS 4096           /* to one transaction */
#define HOUR_US 3600000000LL
#define HOURS_MAX 100000            /* that one entry may span in the table of hours */

/* What terms are made of. */
enum kind { KIND_ACTOR = 'a', KIND_CLIENT = 'c', KIND_PATIENT = 'p', KIND_CLAIMED = 'n', KIND_TOPIC = 't', KIND_EVENT = 'e',
	    KIND_OUTCOME = 'o', KIND_LONG = 'l' /* spans more hours: of every period */ };

struct index {
	char *path;
	struct vault vault;             /* seals values */
	struct vault names;             /* its key makes terms */
	size_t map;
	struct store *store;
	uint64_t size;                  /* entries in it */
	struct hash leaf;               /* of the last of them */
};

struct key24 {
	uint8_t b[TERM_BYTES + 8];
};

static struct key24 post_key(const uint8_t term[TERM_BYTES], uint64_t last)
{
	struct key24 k;
	struct key64 n = key64(last);

	memcpy(k.b, term, TERM_BYTES);
	memcpy(k.b + TERM_BYTES, n.b, sizeof(n.b));
	return k;
}

static void term_of(const struct index *x, enum kind kind, struct span text, uint8_t term[TERM_BYTES])
{
	uint8_t all[SHA256_BYTES], k = (uint8_t)kind;

	HMAC256(all, span(x->names.key, sizeof(x->names.key)), span(&k, 1), text);
	memcpy(term, all, TERM_BYTES);
}

/* ---- sealed values: bound to table and key ---- */

#define SEALED_MAX (POSTING_BYTES_MAX + VAULT_EXTRA)

static struct span aad_of(uint8_t buf[STORE_KEY_MAX + 1], unsigned table, struct span key)
{
	buf[0] = (uint8_t)table;
	memcpy(buf + 1, key.p, key.n);
	return span(buf, key.n + 1);
}

static enum err put_sealed(const struct index *x, struct txn *t, unsigned table, struct span key, struct span text)
{
	uint8_t sealed[SEALED_MAX], aad[STORE_KEY_MAX + 1];

	must(text.n <= POSTING_BYTES_MAX);
	TRY(vault_seal(&x->vault, aad_of(aad, table, key), text, sealed));
	return txn_put(t, table, key, span(sealed, text.n + VAULT_EXTRA));
}

static enum err open_sealed(const struct index *x, unsigned table, struct span key, struct span sealed, struct put *text)
{
	uint8_t aad[STORE_KEY_MAX + 1];

	if (sealed.n < VAULT_EXTRA || sealed.n - VAULT_EXTRA > text->cap)
		return ERR_CORRUPT;
	TRY(vault_open(&x->vault, aad_of(aad, table, key), sealed, text->p));
	text->n = sealed.n - VAULT_EXTRA;
	return OK;
}

/* ---- gathering: lists in memory ---- */

struct list {
	uint8_t term[TERM_BYTES];
	bool has_term;
	uint64_t hash;
	char *text;                     /* kind, then the text */
	size_t text_n;
	uint64_t *entry;                /* rising */
	size_t n, cap;
};

struct hours {
	uint64_t hour, first, last;
};

struct gather {
	struct index *x;
	uint64_t key[2];                /* clients choose what is hashed: not without a secret */
	struct list *list;              /* a table of open addresses */
	size_t lists, slots, bytes;
	struct hours *hour;
	size_t hours, hours_cap;
};

static uint64_t hash_of(const struct gather *g, enum kind kind, struct span text)
{
	const uint64_t of_kind[2] = { g->key[0] ^ (uint64_t)kind, g->key[1] };

	return words_hash(of_kind, text);
}

static struct list *slot_of(struct gather *g, uint64_t hash, enum kind kind, struct span text)
{
	size_t at = hash & (g->slots - 1);

	while (g->list[at].text) {
		const struct list *l = &g->list[at];

		if (l->hash == hash && l->text_n == text.n + 1 && l->text[0] == (char)kind &&
		    (text.n == 0 || memcmp(l->text + 1, text.p, text.n) == 0))
			break;
		at = (at + 1) & (g->slots - 1);
	}
	return &g->list[at];
}

static enum err gather_add(struct gather *g, enum kind kind, struct span text, uint64_t index)
{
	uint64_t hash = hash_of(g, kind, text);
	struct list *l;

	if (text.n == 0)
		return OK;
	l = slot_of(g, hash, kind, text);
	if (!l->text) {
		l->text = malloc(text.n + 1);
		if (!l->text)
			return ERR_FULL;
		l->text[0] = (char)kind;
		memcpy(l->text + 1, text.p, text.n);
		l->text_n = text.n + 1;
		l->hash = hash;
		g->lists++;
		g->bytes += sizeof(*l) + text.n;
	}
	if (l->n && l->entry[l->n - 1] == index)
		return OK;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 4;
		uint64_t *more = realloc(l->entry, cap * sizeof(*more));

		if (!more)
			return ERR_FULL;
		g->bytes += (cap - l->cap) * sizeof(*more);
		l->entry = more;
		l->cap = cap;
	}
	l->entry[l->n++] = index;
	return OK;
}

static enum err gather_hour(struct gather *g, uint64_t hour, uint64_t index)
{
	/* Entries come nearly in the order of time. */
	for (size_t i = g->hours; i > 0 && i + 4 > g->hours; i--)
		if (g->hour[i - 1].hour == hour) {
			g->hour[i - 1].last = index;
			return OK;
		}
	if (g->hours == g->hours_cap) {
		size_t cap = g->hours_cap ? 2 * g->hours_cap : 256;
		struct hours *more = realloc(g->hour, cap * sizeof(*more));

		if (!more)
			return ERR_FULL;
		g->hour = more;
		g->hours_cap = cap;
	}
	g->hour[g->hours++] = (struct hours){ hour, index, index };
	return OK;
}

/* Whom it is about, whose topic it is, and whom others may see from then on, or no more. */
static enum err gather_patients(struct gather *g, uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	const char *const text[] = { e->topic, e->detail, e->change };
	uint8_t whom[PATIENT_PSEUDONYM_BYTES];

	TRY(gather_add(g, KIND_PATIENT, span(e->patient.data, e->patient.len), index));
	for (size_t i = 0; i < countof(text); i++)
		for (struct span left = span_str(text[i]); patient_word_next(&left, whom);)
			TRY(gather_add(g, KIND_PATIENT, span(whom, sizeof(whom)), index));
	return OK;
}

static enum err gather_event(struct gather *g, uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	uint8_t type = (uint8_t)e->type, outcome = (uint8_t)e->outcome;
	struct span by = span_str(e->by), name;
	uint64_t first = e->at_us / HOUR_US, last = (e->until_us > e->at_us ? e->until_us : e->at_us) / HOUR_US;

	TRY(gather_add(g, KIND_EVENT, span(&type, 1), index));
	TRY(gather_add(g, KIND_OUTCOME, span(&outcome, 1), index));
	TRY(gather_add(g, KIND_ACTOR, span_str(e->actor), index));
	TRY(gather_add(g, KIND_CLIENT, span_str(e->client), index));
	TRY(gather_add(g, KIND_TOPIC, span_str(e->topic), index));
	TRY(gather_patients(g, index, e));
	TRY(gather_add(g, KIND_CLAIMED, span_str(e->claimed), index));
	while (event_by_next(&by, &name))
		TRY(gather_add(g, KIND_ACTOR, name, index));
	for (size_t i = 0; i < e->n_recipient; i++) {
		TRY(gather_add(g, KIND_ACTOR, span_str(e->recipient[i]->actor), index));
		TRY(gather_add(g, KIND_CLIENT, span_str(e->recipient[i]->client), index));
	}
	if (last - first >= HOURS_MAX)          /* a clock that began in 1970 */
		return gather_add(g, KIND_LONG, SPAN_LIT("l"), index);
	for (uint64_t hour = first; hour <= last; hour++)
		TRY(gather_hour(g, hour, index));
	return OK;
}

static void gather_empty(struct gather *g)
{
	for (size_t i = 0; i < g->slots; i++) {
		free(g->list[i].text);
		free(g->list[i].entry);
	}
	memset(g->list, 0, g->slots * sizeof(*g->list));
	g->lists = g->bytes = g->hours = 0;
}

static void gather_close(struct gather *g)
{
	if (g->list)
		gather_empty(g);
	free(g->list);
	free(g->hour);
}

/* ---- writing down ---- */

static enum err write_block(const struct index *x, struct txn *t, const uint8_t term[TERM_BYTES], uint64_t last,
			    const struct posting *p)
{
	struct key24 key = post_key(term, last);

	return put_sealed(x, t, TABLE_POST, span(key.b, sizeof(key.b)), posting_span(p));
}

static enum err read_block(const struct index *x, struct span key, struct span sealed, struct posting *out)
{
	uint8_t raw[SEALED_MAX];
	struct put text = put(raw, sizeof(raw));

	TRY(open_sealed(x, TABLE_POST, key, sealed, &text));
	return posting_read(put_span(&text), out);
}

/* Goes on with the list's last block. What is there already is skipped: so a run that was cut off between two transactions
 * does no harm when it is done again. */
static enum err write_list(const struct index *x, struct txn *t, const struct list *l)
{
	struct key24 open = post_key(l->term, UINT64_MAX);
	struct posting p = { 0 };
	struct span sealed;
	enum err e = txn_get(t, TABLE_POST, span(open.b, sizeof(open.b)), &sealed);

	if (e == OK)
		e = read_block(x, span(open.b, sizeof(open.b)), sealed, &p);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	for (size_t i = 0; i < l->n; i++) {
		if (posting_add(&p, l->entry[i]))
			continue;
		TRY(write_block(x, t, l->term, p.last, &p));
		p.n = 0;
		must(posting_add(&p, l->entry[i]));
	}
	return write_block(x, t, l->term, UINT64_MAX, &p);
}

static enum err write_topic(const struct index *x, struct txn *t, const struct list *l)
{
	struct span there;
	enum err e = txn_get(t, TABLE_TOPIC, span(l->term, TERM_BYTES), &there);

	if (l->text[0] != KIND_TOPIC || e == OK)
		return OK;
	return e == ERR_NOT_FOUND ? put_sealed(x, t, TABLE_TOPIC, span(l->term, TERM_BYTES), span(l->text + 1, l->text_n - 1)) : e;
}

static enum err write_hour(struct txn *t, const struct hours *h)
{
	struct key64 key = key64(h->hour);
	uint8_t buf[16];
	struct put row = put(buf, sizeof(buf));
	struct span there;
	struct cur c;
	uint64_t first = h->first, last = h->last, f, l;
	enum err e = txn_get(t, TABLE_HOUR, key64_span(&key), &there);

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	if (e == OK) {
		c = cur(there);
		f = cur_u64(&c);
		l = cur_u64(&c);
		if (cur_end(&c) != OK)
			return ERR_CORRUPT;
		first = f < first ? f : first;
		last = l > last ? l : last;
	}
	put_u64(&row, first);
	put_u64(&row, last);
	return txn_put(t, TABLE_HOUR, key64_span(&key), put_span(&row));
}

static enum err write_state(const struct index *x, struct txn *t)
{
	uint8_t buf[8 + SHA256_BYTES];
	struct put row = put(buf, sizeof(buf));

	put_u64(&row, x->size);
	put_bytes(&row, span(x->leaf.b, sizeof(x->leaf.b)));
	return put_sealed(x, t, TABLE_STATE, HEAD, put_span(&row));
}

/* The terms' order is that of the tree: neighbours share pages. */
static int by_term(const void *a, const void *b)
{
	return memcmp((*(struct list *const *)a)->term, (*(struct list *const *)b)->term, TERM_BYTES);
}

static enum err write_some(const struct index *x, struct list *const *list, size_t n)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_write(x->store, &t));
	for (size_t i = 0; i < n; i++) {
		TRY(write_list(x, t, list[i]));
		TRY(write_topic(x, t, list[i]));
	}
	return txn_commit(&t);
}

static enum err write_end(const struct index *x, const struct gather *g)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_write(x->store, &t));
	for (size_t i = 0; i < g->hours; i++)
		TRY(write_hour(t, &g->hour[i]));
	TRY(write_state(x, t));
	return txn_commit(&t);
}

static enum err write_all(struct gather *g)
{
	CLEANUP(free_cleanup) struct list **all = calloc(g->lists + 1, sizeof(*all));
	size_t n = 0;

	if (!all)
		return ERR_FULL;
	for (size_t i = 0; i < g->slots; i++)
		if (g->list[i].text) {
			struct list *l = &g->list[i];

			if (!l->has_term)
				term_of(g->x, (enum kind)l->text[0], span(l->text + 1, l->text_n - 1), l->term);
			l->has_term = true;
			all[n++] = l;
		}
	qsort(all, n, sizeof(*all), by_term);
	for (size_t i = 0; i < n; i += COMMIT_TERMS)
		TRY(write_some(g->x, all + i, n - i < COMMIT_TERMS ? n - i : COMMIT_TERMS));
	return write_end(g->x, g);
}

/* ---- opening ---- */

static enum err open_store(struct index *x, size_t map)
{
	const struct store_spec spec = { .kind = "record-index", .version = INDEX_VERSION, .oldest = INDEX_VERSION, .map_bytes = map,
					 .table = tables };

	store_close(&x->store);
	x->map = map;
	return store_open(x->path, &spec, &x->store);
}

/* A full file gets twice the room. */
static enum err write_down(struct gather *g)
{
	enum err e = write_all(g);

	while (e == ERR_FULL) {
		TRY(open_store(g->x, 2 * g->x->map));
		e = write_all(g);
	}
	gather_empty(g);
	return e;
}

static enum err read_state(struct index *x)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	uint8_t buf[8 + SHA256_BYTES];
	struct put row = put(buf, sizeof(buf));
	struct span sealed;
	struct cur c;
	enum err e;

	TRY(txn_begin_read(x->store, &t));
	e = txn_get(t, TABLE_STATE, HEAD, &sealed);
	x->size = 0;
	if (e != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	TRY(open_sealed(x, TABLE_STATE, HEAD, sealed, &row));
	c = cur(put_span(&row));
	x->size = cur_u64(&c);
	memcpy(x->leaf.b, cur_take(&c, sizeof(x->leaf.b)).p, sizeof(x->leaf.b));
	return cur_end(&c) == OK ? OK : ERR_CORRUPT;
}

/* Is it of this record, as far as it goes? */
static bool fits(const struct index *x, struct reader *r)
{
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;
	struct hash leaf;

	if (x->size == 0)
		return true;
	if (reader_get(r, x->size - 1, &entry, &event) != OK)
		return false;
	leaf = tree_leaf(reader_raw(r));
	return memcmp(leaf.b, x->leaf.b, sizeof(leaf.b)) == 0;
}

static enum err start_anew(struct index *x)
{
	char lock[4096];

	store_close(&x->store);
	if (snprintf(lock, sizeof(lock), "%s" STORE_LOCK, x->path) >= (int)sizeof(lock))
		return ERR_IO;
	(void)unlink(lock);     /* first: nobody is to meet a new file with the lock of the old */
	if (unlink(x->path) != 0 && errno != ENOENT)
		return file_err(errno);
	x->size = 0;
	return open_store(x, x->map);
}

static bool tells_of_erasure(const struct entry *e)
{
	return e->kind == ENTRY_CONTROL && e->type == CONTROL_SEGMENT_ERASED;
}

/* An index from before an erasure knows names of what was erased: it is made anew, of what is left. */
static enum err catch_up(struct index *x, struct reader *r, struct gather *g)
{
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;
	uint64_t size, from = x->size;

	TRY(reader_size(r, &size));
	for (uint64_t i = from; i < size; i++) {
		TRY(reader_get(r, i, &entry, &event));
		if (from && tells_of_erasure(&entry)) {
			gather_empty(g);
			TRY(start_anew(x));
			return catch_up(x, r, g);
		}
		if (event)
			TRY(gather_event(g, i, event));
		x->size = i + 1;
		x->leaf = tree_leaf(reader_raw(r));
		if (g->bytes >= GATHER_BYTES || g->lists >= GATHER_TERMS)
			TRY(write_down(g));
		report_progress("indexed, entry", i, size);
	}
	if (x->size > from)
		TRY(write_down(g));
	report_progress("indexed, entry", size, size);
	return OK;
}

static enum err bring_up_to_date(struct index *x, struct reader *r)
{
	CLEANUP(gather_close) struct gather g = { .x = x, .slots = 2 * (size_t)GATHER_TERMS };

	crypt_random(g.key, sizeof(g.key));
	g.list = calloc(g.slots, sizeof(*g.list));
	return g.list ? catch_up(x, r, &g) : ERR_FULL;
}

enum err index_open(const char *path, const uint8_t root[AEAD_KEY_BYTES], struct reader *r, struct index **out)
{
	CLEANUP(index_close) struct index *x = calloc(1, sizeof(*x));
	struct stat st;
	uint64_t size;
	size_t map = MAP_MIN;
	enum err e;

	if (!x)
		return ERR_FULL;
	x->path = strdup(path);
	must(x->path);
	vault_init(&x->vault, root, "record index");
	vault_init(&x->names, root, "record index terms");
	TRY(reader_size(r, &size));
	if (size * MAP_BYTES_AN_ENTRY > map)
		map = (size_t)size * MAP_BYTES_AN_ENTRY;
	if (stat(path, &st) == 0 && (size_t)st.st_size > map)
		map = (size_t)st.st_size;
	e = open_store(x, map);
	if (e == ERR_VERSION)
		e = start_anew(x);
	TRY(e);
	TRY(read_state(x));
	if (!fits(x, r))
		TRY(start_anew(x));
	if (x->size < size)
		TRY(bring_up_to_date(x, r));
	*out = x;
	x = NULL;
	return OK;
}

void index_close(struct index **x)
{
	if (*x) {
		store_close(&(*x)->store);
		free((*x)->path);
		crypt_wipe(*x, sizeof(**x));
	}
	free(*x);
	*x = NULL;
}

/* ---- searching: one list ---- */

struct walk {
	uint8_t term[TERM_BYTES];
	struct posting block;
	struct posting_walk at;
	uint64_t now;                   /* the number it is at */
	bool loaded, ended;
};

struct search {
	const struct index *x;
	struct txn *view;
};

static enum err walk_load(const struct search *s, struct walk *w, uint64_t least)
{
	struct key24 key = post_key(w->term, least);
	struct span at, sealed;
	enum err e = txn_seek(s->view, TABLE_POST, span(key.b, sizeof(key.b)), &at, &sealed);

	w->ended = e == ERR_NOT_FOUND || (e == OK && (at.n != sizeof(key.b) || memcmp(at.p, w->term, TERM_BYTES) != 0));
	if (e != OK || w->ended)
		return w->ended ? OK : e;
	TRY(read_block(s->x, at, sealed, &w->block));
	w->at = posting_walk(&w->block);
	w->loaded = posting_next(&w->at, &w->now);
	return OK;
}

/* To the first number that is at least that. */
static enum err walk_seek(const struct search *s, struct walk *w, uint64_t least)
{
	if (w->ended || (w->loaded && w->now >= least))
		return OK;
	if (!w->loaded || w->block.last < least)
		TRY(walk_load(s, w, least));
	while (!w->ended && w->now < least)
		if (!posting_next(&w->at, &w->now))
			w->ended = true;
	return OK;
}

/* ---- several lists at once: any of them (a heap by number) ---- */

struct any {
	struct walk **heap;
	size_t n;
};

static void sift(struct any *a, size_t i)
{
	for (;;) {
		size_t least = i;

		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < a->n; k++)
			if (a->heap[k]->now < a->heap[least]->now)
				least = k;
		if (least == i)
			return;
		struct walk *w = a->heap[i];
		a->heap[i] = a->heap[least];
		a->heap[least] = w;
		i = least;
	}
}

static enum err any_seek(const struct search *s, struct any *a, uint64_t least)
{
	while (a->n && a->heap[0]->now < least) {
		TRY(walk_seek(s, a->heap[0], least));
		if (a->heap[0]->ended) {
			free(a->heap[0]);
			a->heap[0] = a->heap[--a->n];
		}
		sift(a, 0);
	}
	return OK;
}

static enum err any_add(const struct search *s, struct any *a, const uint8_t term[TERM_BYTES])
{
	struct walk *w = calloc(1, sizeof(*w)), **more = realloc(a->heap, (a->n + 1) * sizeof(*more));
	enum err e = w && more ? OK : ERR_FULL;

	a->heap = more ? more : a->heap;
	if (e == OK) {
		memcpy(w->term, term, TERM_BYTES);
		e = walk_seek(s, w, 0);
	}
	if (e != OK || w->ended) {
		free(w);
		return e;
	}
	a->heap[a->n++] = w;
	for (size_t i = a->n - 1; i > 0 && a->heap[i]->now < a->heap[(i - 1) / 2]->now; i = (i - 1) / 2) {
		a->heap[i] = a->heap[(i - 1) / 2];
		a->heap[(i - 1) / 2] = w;
	}
	return OK;
}

static void any_close(struct any *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->heap[i]);
	free(a->heap);
}

/* ---- all that is asked for ---- */

#define WANTS_MAX 9

struct wanted {
	struct any any[WANTS_MAX];
	size_t n;
	uint64_t from, to;              /* entries, both included */
};

static void wanted_close(struct wanted *w)
{
	for (size_t i = 0; i < w->n; i++)
		any_close(&w->any[i]);
}

static enum err want(const struct search *s, struct wanted *w, enum kind kind, struct span text)
{
	uint8_t term[TERM_BYTES];

	must(w->n < WANTS_MAX);
	term_of(s->x, kind, text, term);
	return any_add(s, &w->any[w->n++], term);
}

/* As it is, or what stands for it. */
static enum err want_either(const struct search *s, struct wanted *w, enum kind kind, const char *text, const struct pseudonyms *p)
{
	struct any *any = &w->any[w->n++];
	uint8_t term[TERM_BYTES];
	char word[PATIENT_WORD];

	must(w->n <= WANTS_MAX);
	term_of(s->x, kind, span_str(text), term);
	TRY(any_add(s, any, term));
	for (size_t i = 0; i < p->n; i++) {
		term_of(s->x, kind, span_str(patient_word_of(p->of[i], word)), term);
		TRY(any_add(s, any, term));
	}
	return OK;
}

/* By whatever they are called. */
static enum err want_patient(const struct search *s, struct wanted *w, const struct pseudonyms *p)
{
	struct any *any = &w->any[w->n++];
	uint8_t term[TERM_BYTES];

	must(w->n <= WANTS_MAX);
	for (size_t i = 0; i < p->n; i++) {
		term_of(s->x, KIND_PATIENT, span(p->of[i], sizeof(p->of[i])), term);
		TRY(any_add(s, any, term));
	}
	return OK;
}

static enum err want_topics(const struct search *s, struct wanted *w, const struct criteria *c)
{
	uint8_t raw[SEALED_MAX], term[TERM_BYTES];
	struct any *any = &w->any[w->n++];
	struct span at = span(NULL, 0), sealed;
	enum err e;

	must(w->n <= WANTS_MAX);
	for (e = txn_seek(s->view, TABLE_TOPIC, at, &at, &sealed); e == OK; e = txn_after(s->view, TABLE_TOPIC, at, &at, &sealed)) {
		struct put text = put(raw, sizeof(raw));

		if (at.n != TERM_BYTES)
			return ERR_CORRUPT;
		memcpy(term, at.p, TERM_BYTES);
		TRY(open_sealed(s->x, TABLE_TOPIC, at, sealed, &text));
		if (criteria_topic(c, put_span(&text)))
			TRY(any_add(s, any, term));
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

/* The entries between which everything of the period lies, but what is of every period. The clock may have been set: they are all
 * looked at. */
static enum err want_period(const struct search *s, struct wanted *w, const struct criteria *c)
{
	struct key64 key = key64(c->from_us > 0 ? (uint64_t)(c->from_us / HOUR_US) : 0);
	struct span at, row;
	uint64_t first, last;
	enum err e;

	w->from = 0;
	w->to = s->x->size ? s->x->size - 1 : 0;
	if (!c->from && !c->to)
		return OK;
	w->from = UINT64_MAX;
	w->to = 0;
	for (e = txn_seek(s->view, TABLE_HOUR, key64_span(&key), &at, &row); e == OK;
	     e = txn_after(s->view, TABLE_HOUR, at, &at, &row)) {
		struct cur r = cur(row);

		if (c->to_us < INT64_MAX && key64_value(at) > (uint64_t)(c->to_us > 0 ? c->to_us / HOUR_US : 0))
			break;
		first = cur_u64(&r);
		last = cur_u64(&r);
		if (cur_end(&r) != OK)
			return ERR_CORRUPT;
		w->from = first < w->from ? first : w->from;
		w->to = last > w->to ? last : w->to;
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err want_all(const struct search *s, struct wanted *w, const struct criteria *c)
{
	uint8_t type = (uint8_t)c->type, outcome = (uint8_t)c->result;

	if (c->user)
		TRY(want(s, w, KIND_ACTOR, span_str(c->user)));
	if (c->device)
		TRY(want(s, w, KIND_ACTOR, span_str(c->device)));
	if (c->client)
		TRY(want_either(s, w, KIND_CLIENT, c->client, &c->client_words));
	if (c->patient)
		TRY(want_patient(s, w, &c->patient_words));
	if (c->claimed)
		TRY(want_either(s, w, KIND_CLAIMED, c->claimed, &c->claimed_words));
	if (c->type >= 0)
		TRY(want(s, w, KIND_EVENT, span(&type, 1)));
	if (c->result >= 0)
		TRY(want(s, w, KIND_OUTCOME, span(&outcome, 1)));
	if (c->topic)
		TRY(want_topics(s, w, c));
	return OK;
}

/* The next number from *at on that is in all lists; false: there is none. */
static enum err next_common(const struct search *s, struct wanted *w, uint64_t *at, bool *found)
{
	uint64_t agreed;

	*found = true;
	do {
		agreed = *at;
		for (size_t i = 0; i < w->n; i++) {
			TRY(any_seek(s, &w->any[i], *at));
			*found = w->any[i].n != 0;
			if (!*found)
				return OK;
			*at = w->any[i].heap[0]->now;
		}
	} while (*at != agreed);
	*found = *at <= w->to;
	return OK;
}

static enum err visit_some(const struct search *s, struct wanted *w, index_visit *visit, void *ctx)
{
	bool found;

	for (uint64_t at = w->from; at <= w->to && at < s->x->size; at++) {
		TRY(next_common(s, w, &at, &found));
		if (!found)
			return OK;
		TRY(visit(ctx, at));
	}
	return OK;
}

/* Those of the period; or, outside of its entries, those that are of every period. */
static enum err search_some(const struct search *s, const struct criteria *c, uint64_t from, uint64_t to, bool only_long,
			    index_visit *visit, void *ctx)
{
	CLEANUP(wanted_close) struct wanted w = { .from = from, .to = to };

	if (only_long)
		TRY(want(s, &w, KIND_LONG, SPAN_LIT("l")));
	if (from > to || (only_long && w.any[0].n == 0))
		return OK;
	TRY(want_all(s, &w, c));
	return visit_some(s, &w, visit, ctx);
}

enum err index_search(struct index *x, const struct criteria *c, index_visit *visit, void *ctx)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct search s = { .x = x };
	struct wanted period = { .n = 0 };

	TRY(txn_begin_read(x->store, &view));
	s.view = view;
	TRY(want_period(&s, &period, c));
	if (period.from > period.to)            /* nothing of that time: all of it is outside */
		return search_some(&s, c, 0, UINT64_MAX, true, visit, ctx);
	if (period.from > 0)
		TRY(search_some(&s, c, 0, period.from - 1, true, visit, ctx));
	TRY(search_some(&s, c, period.from, period.to, false, visit, ctx));
	return search_some(&s, c, period.to + 1, UINT64_MAX, true, visit, ctx);
}
