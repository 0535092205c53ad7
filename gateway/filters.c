#include "filters.h"

#include <stdio.h>
#include <stdlib.h>

#include "topic.h"

struct filters {
	size_t n;
	char text[FILTERS_MAX][TOPIC_BYTES_MAX + 1];
};

static bool has_unit(const struct conf *c, unsigned before, const char *unit)
{
	bool has = strcmp(c->gateway_unit, unit) == 0;

	for (unsigned i = 0; i < before; i++)
		has = has || strcmp(c->unit[i].unit, unit) == 0;
	return has;
}

/* Receipts first: without them nothing is ever safe, and a broker may take only so many. Each unit once: the default one
 * and those of [units]. */
static enum err fill(const struct conf *c, const char *tenant, const char *device, struct filters *f)
{
	TRY(TOPIC_BUILD(f->text[f->n++], TOPIC_STORED, tenant, device));
	TRY(TOPIC_BUILD(f->text[f->n++], TOPIC_CMD, tenant, device));
	if (c->witness_vkey[0])
		TRY(TOPIC_BUILD(f->text[f->n++], TOPIC_WITNESS_ADD, tenant, "main", device));
	if (c->witness_vkey[0] && c->witness_peers[0])
		snprintf(f->text[f->n++], sizeof(f->text[0]), "%s/audit/main/witness/+/gossip", tenant);
	TRY(TOPIC_BUILD(f->text[f->n++], TOPIC_ACK, tenant, c->gateway_unit, device));
	for (unsigned i = 0; i < c->units; i++)
		if (!has_unit(c, i, c->unit[i].unit))
			TRY(TOPIC_BUILD(f->text[f->n++], TOPIC_ACK, tenant, c->unit[i].unit, device));
	return OK;
}

enum err filters_make(const struct conf *c, const char *tenant, const char *device, struct filters **out)
{
	CLEANUP(filters_free) struct filters *f = calloc(1, sizeof(*f));

	if (!f)
		return ERR_FULL;
	TRY(fill(c, tenant, device, f));
	*out = f;
	f = NULL;
	return OK;
}

void filters_free(struct filters **f) { free_cleanup(f); }

size_t filters_list(const struct filters *f, const char *out[FILTERS_MAX])
{
	for (size_t i = 0; i < f->n; i++)
		out[i] = f->text[i];
	return f->n;
}

const char *filters_name(const struct filters *f, size_t at) { return at < f->n ? f->text[at] : "?"; }
