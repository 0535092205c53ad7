/* Bytes of a store somebody may have changed: entries, frontiers, what is in a seal, and lines of the sizes file. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "audited.h"
#include "seal.h"
#include "sizes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written as it was, but for words of people that are cut. */
static void as_control(const struct entry *e, struct span raw)
{
	static uint8_t again[ENTRY_BYTES_MAX];
	struct put out = put(again, sizeof(again));

	if (e->kind != ENTRY_CONTROL || e->who.n > ENTRY_TEXT_MAX || e->second.n > ENTRY_TEXT_MAX ||
	    e->reason.n > ENTRY_TEXT_MAX)
		return;
	entry_write_control(e, &out);
	must(span_eq(put_span(&out), raw));
}

static void as_entry(struct span s)
{
	struct segment_key key = { .b = { 1 } };
	struct put text = { 0 };
	struct seal seal;
	struct entry e;

	if (entry_read(s, &e) != OK)
		return;
	must(e.kind != ENTRY_SEALED || e.sealed.n >= AEAD_TAG_BYTES);
	as_control(&e, s);
	segment_key_ready(&key);
	seal_init(&seal, SPAN_LIT("fuzz.example/audit"));
	text = put(malloc(s.n), s.n);
	must(entry_open(&seal, &key, s, &text) != OK || e.kind == ENTRY_SEALED);
	free(text.p);
}

static void as_frontier(struct span s)
{
	uint8_t again[TREE_BYTES_MAX];
	struct tree t;

	if (tree_read(s, &t) != OK)
		return;
	must(span_eq(span(again, tree_write(&t, again)), s));
	(void)tree_root(&t);
}

static void as_event(struct span s)
{
	Pullcord__V1__AuditEvent *e = NULL;

	if (audited_unpack(s, &e) == OK)
		must(e->actor && e->client && e->topic && e->detail);
	audited_free(&e);
}

static void as_sizes(struct span s)
{
	static const uint8_t pub[SIGN_KEY_BYTES] = { 1 };
	static uint8_t file[SIZES_SLOTS * SIZES_SLOT_BYTES];
	char path[] = "/tmp/sizes.XXXXXX";
	struct sizes *sizes = NULL;
	struct checkpoint c;
	int fd = mkstemp(path);

	memset(file, 0, sizeof(file));
	memcpy(file, s.p, s.n < sizeof(file) ? s.n : sizeof(file));
	must(fd >= 0 && write(fd, file, sizeof(file)) == (ssize_t)sizeof(file));
	close(fd);
	if (sizes_open(path, SPAN_LIT("fuzz.example/audit"), pub, false, &sizes) == OK) {
		must(sizes_newest(sizes, &c) == ERR_NOT_FOUND);   /* nobody signed it */
		must(sizes_next(sizes, &c) == ERR_NOT_FOUND);
	}
	sizes_close(&sizes);
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = span(data, size);

	must(crypt_init() == OK);
	as_entry(s);
	as_frontier(s);
	as_event(s);
	as_sizes(s);
	return 0;
}
