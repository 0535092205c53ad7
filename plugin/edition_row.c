#include "edition_row.h"

#include <stdlib.h>

#include "directory.pb-c.h"

void edition_clear(struct edition *e)
{
	while (e->files) {
		e->files--;
		free(e->file[e->files].name);
		free(e->file[e->files].text);
	}
	free(e->file);
	free(e->text);
	*e = (struct edition){ 0 };
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static void row_free(Pullcord__V1__PolicyVersion **m)
{
	if (*m)
		pullcord__v1__policy_version__free_unpacked(*m, NULL);
	*m = NULL;
}

static enum err files_fill(struct edition *e, const Pullcord__V1__PolicyVersion *m)
{
	e->file = calloc(m->n_file + 1, sizeof(*e->file));
	if (!e->file)
		return ERR_FULL;
	for (size_t i = 0; i < m->n_file; i++) {
		e->file[e->files++] = (struct edition_file){ strdup(m->file[i]->name), strdup(m->file[i]->text) };
		if (!e->file[i].name || !e->file[i].text)
			return ERR_FULL;
	}
	return OK;
}

static enum err edition_fill(struct edition *out, const Pullcord__V1__PolicyVersion *m, uint64_t number)
{
	CLEANUP(edition_clear) struct edition e = { .number = number, .at_us = m->at_us, .rollback_of = m->rollback_of };

	if (m->version != 1)
		return ERR_VERSION;
	if (m->hash.len != sizeof(e.hash) || !span_text(span_str(m->by), e.by, sizeof(e.by)))
		return ERR_CORRUPT;
	memcpy(e.hash, m->hash.data, sizeof(e.hash));
	if (m->text[0]) {
		e.text = strdup(m->text);
		if (!e.text)
			return ERR_FULL;
	}
	TRY(files_fill(&e, m));
	*out = e;
	e = (struct edition){ 0 };   /* given away */
	return OK;
}

enum err edition_read(struct span raw, uint64_t number, struct edition *out)
{
	CLEANUP(row_free) Pullcord__V1__PolicyVersion *m = pullcord__v1__policy_version__unpack(NULL, raw.n, raw.p);

	return m ? edition_fill(out, m, number) : ERR_CORRUPT;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

bool edition_fits(const struct edition *e)
{
	size_t texts = e->text ? strlen(e->text) : SIZE_MAX, names = 0;

	if (texts > EDITION_TEXT_MAX || !span_utf8(span_str(e->text)))
		return false;
	for (size_t i = 0; i < e->files; i++) {
		if (!span_utf8(span_str(e->file[i].text)) || !span_utf8(span_str(e->file[i].name)))
			return false;
		texts += strlen(e->file[i].text);
		names += strlen(e->file[i].name) + 16;   /* tags and lengths */
	}
	return texts <= EDITION_TEXT_MAX && names <= EDITION_NAMES_MAX - 512;
}

static enum err pack(const struct edition *e, Pullcord__V1__PolicyFile *file, Pullcord__V1__PolicyFile **at, uint8_t **raw,
		     size_t *n)
{
	Pullcord__V1__PolicyVersion m = PULLCORD__V1__POLICY_VERSION__INIT;
	Pullcord__V1__PolicyFile init = PULLCORD__V1__POLICY_FILE__INIT;
	char none_kept[] = "";
	bool kept = edition_fits(e);

	m.version = 1;
	m.hash = (ProtobufCBinaryData){ sizeof(e->hash), (uint8_t *)(uintptr_t)e->hash };
	m.by = (char *)(uintptr_t)e->by;
	m.at_us = e->at_us;
	m.rollback_of = e->rollback_of;
	m.text = kept ? e->text : none_kept;
	m.n_file = kept ? e->files : 0;
	m.file = at;
	for (size_t i = 0; i < m.n_file; i++) {
		file[i] = init;
		file[i].name = e->file[i].name;
		file[i].text = e->file[i].text;
		at[i] = &file[i];
	}
	*n = pullcord__v1__policy_version__get_packed_size(&m);
	*raw = malloc(*n);
	if (!*raw)
		return ERR_FULL;
	pullcord__v1__policy_version__pack(&m, *raw);
	return OK;
}

enum err edition_write(const struct edition *e, uint8_t **raw, size_t *n)
{
	CLEANUP(free_cleanup) Pullcord__V1__PolicyFile *file = calloc(e->files + 1, sizeof(*file));
	CLEANUP(free_cleanup) Pullcord__V1__PolicyFile **at = calloc(e->files + 1, sizeof(*at));

	return file && at ? pack(e, file, at, raw, n) : ERR_FULL;
}
