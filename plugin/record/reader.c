#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "audited.h"
#include "trail.h"

struct reader {
	char *path;
	struct stat file;               /* as it was opened */
	struct trail *trail;
	struct vault vault;
	struct patients patients[YEARS_KEYS_MAX];
	size_t patients_n;
	struct seal seal;
	char origin[ORIGIN_BYTES_MAX + 1];
	int64_t since_us;
	bool renewed;
	uint32_t segment;               /* whose key this is; 0: none yet */
	struct segment_key key;
	Pullcord__V1__AuditEvent *event;
	size_t raw_n;
	uint8_t raw[ENTRY_BYTES_MAX], text[ENTRY_BYTES_MAX];
};

static enum err copy_entry(struct reader *r, uint64_t index)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct span raw;

	TRY(trail_view(r->trail, &view));
	TRY(view_entry(view, index, &raw));
	if (raw.n > sizeof(r->raw))
		return ERR_CORRUPT;
	memcpy(r->raw, raw.p, raw.n);
	r->raw_n = raw.n;
	return OK;
}

static enum err learn_origin(struct reader *r)
{
	uint8_t pub[SIGN_KEY_BYTES];
	struct entry genesis;
	struct span origin;

	TRY(copy_entry(r, 0));
	TRY(entry_read(span(r->raw, r->raw_n), &genesis));
	if (genesis.kind != ENTRY_CONTROL || genesis.type != CONTROL_GENESIS ||
	    vkey_read(genesis.vkey, &origin, pub) != OK || !span_text(origin, r->origin, sizeof(r->origin)))
		return ERR_CORRUPT;
	r->since_us = genesis.at_us;
	r->renewed = genesis.before.n || genesis.reason.n;
	seal_init(&r->seal, span_str(r->origin));
	return OK;
}

/* Said at once, before it is put on record, under a key that nobody has, that somebody reads. */
static enum err try_key(struct reader *r)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct segment_key key;
	struct trail_ends ends;
	struct segment s;
	enum err e;

	TRY(trail_view(r->trail, &view));
	TRY(view_ends(view, &ends));
	if (!ends.segment)
		return OK;
	TRY(view_segment(view, ends.segment, &s));
	e = trail_get_key(r->trail, &r->vault, span_str(r->origin), ends.segment, s.keep, &key);
	crypt_wipe(&key, sizeof(key));
	return e == ERR_KEY && s.state != SEGMENT_ERASED ? e : OK;
}

enum err reader_open(const char *path, const uint8_t root[32], struct reader **out)
{
	CLEANUP(reader_close) struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return ERR_FULL;
	vault_init(&r->vault, root, "record");
	r->path = strdup(path);
	if (!r->path)
		return ERR_FULL;
	(void)stat(path, &r->file);     /* before: what takes its place meanwhile is another */
	TRY(trail_open(path, 1 << 20, true, &r->trail));
	if (!trail_has_keys(r->trail))  /* or a patient would seem to be in no entry */
		return ERR_KEY;
	TRY(learn_origin(r));
	TRY(try_key(r));
	TRY(years_all(r->trail, &r->vault, span_str(r->origin), root, r->patients, &r->patients_n));
	*out = r;
	r = NULL;
	return OK;
}

void reader_close(struct reader **r)
{
	if (*r) {
		audited_free(&(*r)->event);
		trail_close(&(*r)->trail);
		free((*r)->path);
		crypt_wipe(*r, sizeof(**r));
	}
	free(*r);
	*r = NULL;
}

enum err reader_size(struct reader *r, uint64_t *out)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct tree tree;

	TRY(trail_view(r->trail, &view));
	TRY(view_tree(view, &tree));
	*out = tree.size;
	return OK;
}

uint64_t reader_generation(const struct reader *r)
{
	return trail_generation(r->trail);
}

bool reader_replaced(const struct reader *r)
{
	struct stat now;

	if (stat(r->path, &now) != 0)
		return errno == ENOENT;
	return now.st_dev != r->file.st_dev || now.st_ino != r->file.st_ino;
}

static enum err learn_key(struct reader *r, uint32_t segment)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct segment s;

	if (r->segment == segment)
		return OK;
	TRY(trail_view(r->trail, &view));
	TRY(view_segment(view, segment, &s));
	r->segment = 0;
	if (s.state == SEGMENT_ERASED)
		return ERR_CLOSED;
	TRY(trail_get_key(r->trail, &r->vault, span_str(r->origin), segment, s.keep, &r->key));
	r->segment = segment;
	return OK;
}

/* What an earlier version wrote has the patient in the topic. */
static enum err conceal_topic(const struct patients *p, Pullcord__V1__AuditEvent *e)
{
	char text[AUDITED_TOPIC_SHOWN + 1], *concealed;
	struct put out = put(text, sizeof(text) - 1);

	if (!patient_in_topic(span_str(e->topic)).n)
		return OK;
	patient_conceal(p, NULL, span_str(e->topic), &out);
	TRY(put_end(&out));
	text[out.n] = '\0';
	concealed = strdup(text);
	if (!concealed)
		return ERR_FULL;
	free(e->topic);
	e->topic = concealed;
	return OK;
}

enum err reader_get(struct reader *r, uint64_t index, struct entry *entry, const Pullcord__V1__AuditEvent **event)
{
	struct put text = put(r->text, sizeof(r->text));
	enum err e;

	*event = NULL;
	audited_free(&r->event);
	TRY(copy_entry(r, index));
	TRY(entry_read(span(r->raw, r->raw_n), entry));
	if (entry->kind != ENTRY_SEALED)
		return OK;
	e = learn_key(r, entry->segment);
	if (e == ERR_CLOSED) {          /* what is sealed for ever is as good as gone */
		entry->kind = ENTRY_ERASED;
		return OK;
	}
	TRY(e);
	TRY(entry_open(&r->seal, &r->key, span(r->raw, r->raw_n), &text));
	TRY(audited_unpack(put_span(&text), &r->event));
	TRY(conceal_topic(&r->patients[0], r->event));
	*event = r->event;
	return OK;
}

enum err reader_erased(struct reader *r, int64_t from_us, int64_t to_us, uint64_t *out)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct trail_ends ends;
	struct segment s;

	*out = 0;
	TRY(trail_view(r->trail, &view));
	TRY(view_ends(view, &ends));
	for (uint32_t id = 1; id <= ends.segment; id++) {
		TRY(view_segment(view, id, &s));
		if (s.state == SEGMENT_ERASED && s.opened_us < to_us && s.closed_us >= from_us)
			*out += s.records;
	}
	return OK;
}

struct span reader_raw(const struct reader *r) { return span(r->raw, r->raw_n); }
struct span reader_origin(const struct reader *r) { return span_str(r->origin); }
int64_t reader_since_us(const struct reader *r) { return r->since_us; }
bool reader_renewed(const struct reader *r) { return r->renewed; }

size_t reader_patients(const struct reader *r, const struct patients **out)
{
	*out = r->patients;
	return r->patients_n;
}


enum err reader_record_key(const struct reader *r, uint8_t key[AEAD_KEY_BYTES])
{
	struct entry e;

	TRY(entry_read(span(r->raw, r->raw_n), &e));
	if (e.kind == ENTRY_ERASED || (e.kind == ENTRY_SEALED && e.segment != r->segment))
		return ERR_CLOSED;
	return entry_key(&r->key, span(r->raw, r->raw_n), key);
}
