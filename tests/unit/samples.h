/* samples: what several tests of the gateway's inputs need: files, and whether an event could be sent. */
#ifndef PULLCORD_SAMPLES_H
#define PULLCORD_SAMPLES_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "envelope.h"
#include "norm.h"

#define SAMPLE_DATA "tests/scene/data/"

static inline const char *samples_shared(void)
{
	const char *given = getenv("SHARED_DATA");

	return given ? given : "../shared/data";
}

/* A whole file; the caller frees p. Empty with p == NULL when it cannot be read. */
static inline struct span sample_read(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = NULL;
	size_t n = 0;

	if (!f)
		return span(NULL, 0);
	fseek(f, 0, SEEK_END);
	n = (size_t)ftell(f);
	rewind(f);
	p = malloc(n + 1);
	if (p && fread(p, 1, n, f) == n)
		p[n] = 0;
	fclose(f);
	return span(p, n);
}

static struct {
	void (*each)(const char *path, struct span text);
	unsigned n;
} samples_walk;

static inline int samples_visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	struct span text;

	(void)st, (void)at;
	if (type != FTW_F)
		return 0;
	text = sample_read(path);
	samples_walk.each(path, text);
	samples_walk.n++;
	free((void *)text.p);
	return 0;
}

/* Every file below a folder; how many there were. */
static inline unsigned samples_each(const char *folder, void (*each)(const char *path, struct span text))
{
	samples_walk.each = each;
	samples_walk.n = 0;
	(void)nftw(folder, samples_visit, 16, FTW_PHYS);
	return samples_walk.n;
}

/* Does the event fit through everything envelope.c checks? That is the promise of whoever makes events. */
static inline enum err event_check(const struct event *e)
{
	static uint8_t raw[ENVELOPE_BYTES_MAX], memory[ENVELOPE_ARENA];
	struct envelope_from from = { .tenant = "mercy", .sender = "gw-1", .party = PULLCORD__V1__PARTY__PARTY_DEVICE,
				      .sent_us = 1 };
	const ProtobufCMessage *body = e->kind == EVENT_ALERT ? &e->alert.base : &e->observations.base;
	struct arena arena = { memory, sizeof(memory), 0 };
	struct put out = put(raw, sizeof(raw));
	struct envelope back;
	struct id_maker ids;

	if (!e->source.n || !e->source_id.n || !span_utf8(e->source) || !span_utf8(e->place))
		return ERR_SHORT;
	id_init(&ids, SPAN_LIT("mercy"), 1, SPAN_LIT("gw-1"), 0);
	from.id = id_next(&ids, 1);
	TRY(envelope_write(&from, body, &out));
	return envelope_open(put_span(&out), NULL, 0, &arena, &back);
}

#endif
