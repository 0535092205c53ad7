#include "sizes.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "disk.h"

#define FILE_BYTES ((off_t)SIZES_SLOTS * SIZES_SLOT_BYTES)

struct pair {
	uint64_t size;
	struct hash root;
};

struct sizes {
	int fd;
	unsigned next;              /* the slot written next: the oldest, or one never used */
	unsigned pairs, told;       /* read at opening, oldest first; of sizes_next() */
	struct pair newest;         /* size 0: none */
	size_t origin_n;
	char origin[ORIGIN_BYTES_MAX];
	uint8_t pub[SIGN_KEY_BYTES];
	struct pair pair[SIZES_SLOTS];
};

/* A slot becomes the note it was made of, whose signature is the check. */
static bool slot_read(const struct sizes *s, struct span slot, struct pair *out)
{
	struct span origin = span(s->origin, s->origin_n), rest, size = span_cut(slot, ' ', &rest),
		    root = span_cut(rest, ' ', &rest), signature = span_cut(rest, ' ', &rest);
	char text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text));
	struct checkpoint c;

	for (size_t i = 0; i < rest.n; i++)
		if (rest.p[i] != (i + 1 == rest.n ? '\n' : ' '))
			return false;
	put_fmt(&note, "%.*s\n%.*s\n%.*s\n\n", SPAN_FMT(origin), SPAN_FMT(size), SPAN_FMT(root));
	put_fmt(&note, "\xe2\x80\x94 %.*s %.*s\n", SPAN_FMT(origin), SPAN_FMT(signature));
	if (rest.n == 0 || put_end(&note) != OK || note_open(put_span(&note), origin, s->pub, &c) != OK)
		return false;
	*out = (struct pair){ c.size, c.root };
	return true;
}

static bool is_blank(struct span slot)
{
	for (size_t i = 0; i < slot.n; i++)
		if (slot.p[i])
			return false;
	return true;
}

/* Where the sizes stop rising is the newest; from the slot after it they are in order again. */
static enum err find_newest(struct sizes *s, const uint8_t *file)
{
	static const struct pair none;
	CLEANUP(free_cleanup) struct pair *at = calloc(SIZES_SLOTS, sizeof(*at));
	unsigned newest = SIZES_SLOTS - 1, bad = 0, torn = 0;
	struct pair p;

	if (!at)
		return ERR_FULL;
	for (unsigned i = 0; i < SIZES_SLOTS; i++) {
		struct span slot = span(file + (size_t)i * SIZES_SLOT_BYTES, SIZES_SLOT_BYTES);

		if (slot_read(s, slot, &at[i])) {
			if (at[i].size >= s->newest.size) {
				s->newest = at[i];
				newest = i;
			}
		} else if (!is_blank(slot)) {
			at[i] = none;
			bad++;
			torn = i;
		}
	}
	for (unsigned i = 0; i < SIZES_SLOTS && at[(newest + 1) % SIZES_SLOTS].size == s->newest.size; i++)
		newest = (newest + 1) % SIZES_SLOTS;    /* a size may be there twice, also in the last slot and the first */
	s->next = (newest + 1) % SIZES_SLOTS;
	if (bad > 1 || (bad && torn != s->next))
		return ERR_CORRUPT;
	for (unsigned i = 0; i < SIZES_SLOTS; i++) {
		p = at[(s->next + i) % SIZES_SLOTS];
		if (p.size == 0)
			continue;
		if (s->pairs && p.size < s->pair[s->pairs - 1].size)
			return ERR_CORRUPT;
		s->pair[s->pairs++] = p;
	}
	return OK;
}

enum err sizes_open(const char *path, struct span origin, const uint8_t pub[SIGN_KEY_BYTES], bool read_only,
		    struct sizes **out)
{
	CLEANUP(sizes_close) struct sizes *s = calloc(1, sizeof(*s));
	CLEANUP(free_cleanup) uint8_t *file = malloc(FILE_BYTES);
	struct stat st;

	if (!s || !file)
		return ERR_FULL;
	s->fd = -1;
	if (origin.n > sizeof(s->origin))
		return ERR_TOO_LARGE;
	memcpy(s->origin, origin.p, origin.n);
	s->origin_n = origin.n;
	memcpy(s->pub, pub, sizeof(s->pub));
	if (read_only)
		TRY(disk_open_read(path, &s->fd));
	else
		TRY(disk_open(path, FILE_BYTES, &s->fd));
	if (fstat(s->fd, &st) != 0)
		return ERR_IO;
	if (st.st_size != FILE_BYTES)
		return ERR_CORRUPT;
	TRY(disk_read(s->fd, file, FILE_BYTES, 0));
	TRY(find_newest(s, file));
	*out = s;
	s = NULL;
	return OK;
}

void sizes_close(struct sizes **s)
{
	if (*s)
		fd_cleanup(&(*s)->fd);
	free(*s);
	*s = NULL;
}

static struct checkpoint told(const struct sizes *s, const struct pair *p)
{
	return (struct checkpoint){ span(s->origin, s->origin_n), p->size, p->root };
}

enum err sizes_newest(const struct sizes *s, struct checkpoint *out)
{
	if (s->newest.size == 0)
		return ERR_NOT_FOUND;
	*out = told(s, &s->newest);
	return OK;
}

enum err sizes_next(struct sizes *s, struct checkpoint *out)
{
	if (s->told == s->pairs)
		return ERR_NOT_FOUND;
	*out = told(s, &s->pair[s->told++]);
	return OK;
}

enum err sizes_append(struct sizes *s, struct span note)
{
	char slot[SIZES_SLOT_BYTES];
	struct put b = put(slot, sizeof(slot) - 1);
	struct span line, size, root, signature;
	struct pair p = { 0 };

	(void)span_cut(note, '\n', &note);
	size = span_cut(note, '\n', &note);
	root = span_cut(note, '\n', &note);
	(void)span_cut(note, '\n', &note);
	line = span_cut(note, '\n', &note);     /* the first line of signatures is the record's own */
	(void)span_cut(line, ' ', &line);
	(void)span_cut(line, ' ', &signature);
	put_fmt(&b, "%.*s %.*s %.*s", SPAN_FMT(size), SPAN_FMT(root), SPAN_FMT(signature));
	TRY(put_end(&b));
	memset(slot + b.n, ' ', sizeof(slot) - b.n - 1);
	slot[sizeof(slot) - 1] = '\n';
	must(slot_read(s, span(slot, sizeof(slot)), &p));
	TRY(disk_write(s->fd, span(slot, sizeof(slot)), (off_t)s->next * SIZES_SLOT_BYTES));
	s->next = (s->next + 1) % SIZES_SLOTS;
	s->newest = p;
	return OK;
}
