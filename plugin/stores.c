#include "stores.h"

#include <stdio.h>
#include <unistd.h>

#include "guard_inside.h"
#include "log.h"
#include "seal.h"
#include "spill.h"
#include "successor.h"
#include "vault.h"
#include "whole.h"

#define RING (16u << 20)
#define RING_SMALL (4u << 20)   /* all of it is touched at the start: no more than a small record could take anyway */

/* The paths of one record, and what of its spec borrows from here. */
struct place {
	char origin[ORIGIN_BYTES_MAX + 1];
	char store[WHOLE_PATH_MAX], sizes[WHOLE_PATH_MAX], spill[WHOLE_PATH_MAX], line[WHOLE_PATH_MAX], witnesses[WHOLE_PATH_MAX];
	uint8_t seed[32];
	const char *found;
	struct record_spec spec;
};

static const char *in_dir(struct stores *s, const char *name)
{
	must(snprintf(s->path, sizeof(s->path), "%s/%s", s->spec->dir, name) < (int)sizeof(s->path));
	return s->path;
}

static void keep_path(struct stores *s, const char *name, char out[WHOLE_PATH_MAX])
{
	strcpy(out, in_dir(s, name));
}

/* The verifier's key is public and names the tree. */
static enum err read_vkey(const char *path, char origin[ORIGIN_BYTES_MAX + 1], uint8_t pub[32])
{
	struct span name, rest;
	char text[1024];
	size_t n;

	TRY(whole_read(path, text, sizeof(text), &n));
	TRY(vkey_read(span_cut(span(text, n), '\n', &rest), &name, pub));
	return span_text(name, origin, ORIGIN_BYTES_MAX + 1) ? OK : ERR_TOO_LARGE;
}

/* A new place that has none yet would look like a record that lost what knew of its size, as would a disk that is not mounted
 * yet: whether it is lost for good, a person decides. */
static enum err find_sizes(struct stores *s, char out[WHOLE_PATH_MAX])
{
	const char *named = s->spec->sizes_path;

	keep_path(s, "record.sizes", out);
	if (!named)
		return OK;
	s->sizes_unmoved = access(named, F_OK) != 0 && access(out, F_OK) == 0;
	s->sizes_missing = access(named, F_OK) != 0 && access(in_dir(s, "record.mdb"), F_OK) == 0 &&
		!successor_is_begun(s->spec->dir, named);
	if (!span_text(span_str(named), out, WHOLE_PATH_MAX))
		return ERR_TOO_LARGE;
	strcpy(s->path, out);
	return s->sizes_unmoved || s->sizes_missing ? ERR_NOT_FOUND : OK;
}

/* The seed must be the other half of the verifier's key. */
static enum err find_place(struct stores *s, struct place *p)
{
	uint8_t pub[32], want[32];

	*p = (struct place){ .found = NULL };
	TRY(read_vkey(in_dir(s, "record.vkey"), p->origin, want));
	TRY(vault_root(in_dir(s, "keys/record.seed"), p->seed));
	TRY(sign_public(p->seed, pub));
	if (memcmp(pub, want, sizeof(pub)) != 0)
		return ERR_KEY;
	TRY(find_sizes(s, p->sizes));
	keep_path(s, "record.spill", p->spill);
	keep_path(s, "keys/record.line", p->line);
	keep_path(s, "witnesses", p->witnesses);
	keep_path(s, "record.mdb", p->store);
	p->spec = (struct record_spec){
		.path = p->store, .sizes_path = p->sizes, .origin = p->origin, .root = s->root, .sign_secret = p->seed,
		.map_bytes = s->spec->record_mib << 20, .ring_bytes = s->spec->record_mib < 64 ? RING_SMALL : RING, .line_path = p->line,
		.witnesses_path = p->witnesses, .spill_path = p->spill, .spill_bytes = spill_bytes(p->spill, s->spec->record_mib << 20),
		.line_depth = s->spec->line_depth, .quorum = s->spec->quorum, .found = &p->found,
		.places = s->places,
	};
	memcpy(p->spec.keep, s->spec->keep, sizeof(p->spec.keep));
	return OK;
}

void stores_probe(struct stores *s)
{
	struct place p;

	/* What else is wrong shows when it is opened. */
	s->record_bad = find_place(s, &p) == OK && record_probe(&p.spec) == ERR_CORRUPT;
	s->history_bad = history_probe(in_dir(s, "history.mdb"), s->spec->history_mib << 20) == ERR_CORRUPT;
	crypt_wipe(&p, sizeof(p));
}

static enum err open_once(struct stores *s, struct record **out, char found[STORES_TEXT])
{
	struct place p;
	enum err e = find_place(s, &p);

	if (e == OK) {
		s->in_record = true;
		s->is_first = access(p.store, F_OK) != 0 && !s->record_found[0];
		e = s->record_bad ? ERR_CORRUPT : record_open(&p.spec, out);
		snprintf(found, STORES_TEXT, "%s", p.found ? p.found : "it is damaged");
	}
	crypt_wipe(&p, sizeof(p));
	return e;
}

/* What an interrupted start had begun is gone on with: its halves fit no key, or seem to be cut. */
static bool is_to_be_followed(const struct stores *s, enum err e)
{
	return !s->spec->damaged_refused && s->in_record &&
	       (e == ERR_CORRUPT || (e == ERR_KEY && successor_is_begun(s->spec->dir, s->spec->sizes_path)));
}

#define UNTOLD 2        /* genesis, and the line's root: no broker has begun with it */

/* A start that had begun it was interrupted before it could tell, or a person began it: told once too often rather than never. */
static void find_untold(struct stores *s, const struct record *r)
{
	char number[WHOLE_PATH_MAX];
	struct stores at = { .spec = s->spec };

	keep_path(&at, "record.vkey.1", number);
	if (s->record_found[0] || s->is_first || record_durable(r) > UNTOLD || access(number, F_OK) != 0)
		return;
	snprintf(s->record_found, sizeof(s->record_found), "its first entry says why");
	snprintf(s->record_new, sizeof(s->record_new), "the one that begins here");
}

enum err stores_record(struct stores *s, struct record **out)
{
	char found[STORES_TEXT];
	enum err e = open_once(s, out, found);
	struct successor next = { .dir = s->spec->dir, .sizes = s->spec->sizes_path, .reason = found };

	if (is_to_be_followed(s, e) && successor_begin(&next) == OK) {
		s->record_bad = false;
		snprintf(s->record_found, sizeof(s->record_found), "%s", found);
		snprintf(s->record_new, sizeof(s->record_new), "%s", next.new);
		e = open_once(s, out, found);
	}
	if (e == OK)
		find_untold(s, *out);
	s->in_record = e != OK && s->in_record;
	return e;
}

enum err stores_history(struct stores *s, struct history **out)
{
	size_t bytes = s->spec->history_mib << 20;
	char path[WHOLE_PATH_MAX];
	enum err e;

	keep_path(s, "history.mdb", path);
	e = s->history_bad ? ERR_CORRUPT : history_open(path, s->root, bytes, guard_real_us(), out);
	if (s->spec->damaged_refused || (e != ERR_CORRUPT && e != ERR_KEY && e != ERR_VERSION))
		return e;
	snprintf(s->history_found, sizeof(s->history_found), "%s", err_text(e));
	TRY(history_keep_aside(path, s->history_kept, sizeof(s->history_kept)));
	return history_open(path, s->root, bytes, guard_real_us(), out);
}

static void tell(struct guard *g, enum log_event ev, const char *store, const char *found, const char *kept)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_CONFIGURATION, false, NULL);
	char detail[ENTRY_TEXT_MAX + 1];

	log_say(ev, KV_STR("why", found), KV_STR("now", kept));
	snprintf(detail, sizeof(detail), "%s was put aside: %s", store, found);
	h.detail = span_str(detail);
	record_push(g->record, &h);
	anomaly_damaged(g->anomaly, span_str(store), guard_mono_us());
	g->put_aside++;
}

void stores_tell(struct guard *g, const struct stores *s)
{
	if (s->record_found[0])
		tell(g, EV_RECORD_REPLACED, "the record", s->record_found, s->record_new);
	if (s->history_found[0])
		tell(g, EV_HISTORY_REPLACED, "the history", s->history_found, s->history_kept);
}
