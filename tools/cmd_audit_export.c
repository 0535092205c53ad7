/* audit export: the record for other programs: ATNA, FHIR, CSV, tiles. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "atna.h"
#include "audit.h"
#include "cmd.h"
#include "criteria.h"
#include "csv.h"
#include "evidence.h"
#include "fhir.h"
#include "file.h"
#include "report.h"
#include "source.h"


struct export {
	FILE *out;
	struct reader *reader;
	struct mapped_source source;
	struct mapped mapped;
	uint64_t written;
	bool lost;                      /* what was read could not be written down */
	uint8_t text[MAPPED_BYTES_MAX];
};

struct format {
	const char *name;
	void (*head)(struct put *out);
	void (*write)(struct export *x, uint64_t index, const Pullcord__V1__AuditEvent *e, uint32_t part, struct put *out);
	bool parts;                     /* one event may be several messages */
};

static void write_mapped(struct export *x, uint64_t index, const Pullcord__V1__AuditEvent *e, uint32_t part)
{
	struct hash leaf = tree_leaf(reader_raw(x->reader));

	mapped_make(&x->source, index, &leaf, e, part, &x->mapped);
}

static void write_atna(struct export *x, uint64_t index, const Pullcord__V1__AuditEvent *e, uint32_t part, struct put *out)
{
	write_mapped(x, index, e, part);
	atna_write(&x->mapped, out);
	put_u8(out, '\n');
}

static void write_fhir(struct export *x, uint64_t index, const Pullcord__V1__AuditEvent *e, uint32_t part, struct put *out)
{
	write_mapped(x, index, e, part);
	fhir_write(&x->mapped, out);
	put_u8(out, '\n');
}

static void write_csv(struct export *x, uint64_t index, const Pullcord__V1__AuditEvent *e, uint32_t part, struct put *out)
{
	(void)x, (void)part;
	csv_event(out, index, e);
}

static const struct format formats[] = {
	{ "atna", NULL, write_atna, true },
	{ "fhir", NULL, write_fhir, true },
	{ "csv", csv_event_head, write_csv, false },
};

static const struct format *format_of(const char *name)
{
	for (size_t i = 0; i < countof(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

static enum err write_out(struct export *x, const struct put *text)
{
	TRY(put_end(text));
	x->lost = fwrite(text->p, 1, text->n, x->out) != text->n;
	return x->lost ? ERR_IO : OK;
}

static enum err write_event(struct export *x, const struct format *f, uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	uint32_t parts = f->parts ? mapped_parts(e) : 1;

	for (uint32_t part = 0; part < parts; part++) {
		struct put text = put(x->text, sizeof(x->text));

		f->write(x, index, e, part, &text);
		TRY(write_out(x, &text));
	}
	x->written++;
	return OK;
}

struct walk_export {
	struct export *x;
	const struct format *format;
};

static enum err on_event(void *ctx, uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e)
{
	struct walk_export *w = ctx;

	(void)entry;
	return write_event(w->x, w->format, index, e);
}

/* A file that is there already is nobody's to overwrite; one that was begun and not finished is taken away. */
static enum err out_open(const char *path, FILE **out)
{
	int fd;

	*out = stdout;
	if (!path)
		return OK;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_err(errno);
	*out = fdopen(fd, "w");
	must(*out);
	return OK;
}

static enum err out_close(struct export *x, enum err e)
{
	FILE *f = x->out;
	bool whole = fflush(f) == 0 && (f == stdout || fsync(fileno(f)) == 0);

	whole &= f == stdout || fclose(f) == 0;
	x->lost |= e == OK && !whole;
	return x->lost ? ERR_IO : e;
}

static enum err export_all(struct export *x, const struct format *f, struct audit_walk *walk)
{
	struct walk_export ctx = { x, f };
	struct put head = put(x->text, sizeof(x->text));

	mapped_source(reader_origin(x->reader), &x->source);
	if (f->head) {
		f->head(&head);
		TRY(write_out(x, &head));
	}
	return audit_walk(x->reader, walk, on_event, &ctx);
}

static bool is_narrowed(const struct criteria *c)
{
	return c->user || c->device || c->client || c->claimed || c->patient || c->topic || c->event || c->outcome || c->from || c->to;
}

static int export_run(const struct source *s, struct criteria *c, const struct format *f, const char *path,
		      const char *index, bool no_index)
{
	CLEANUP(free_cleanup) struct export *x = calloc(1, sizeof(*x));
	CLEANUP(audit_books_close) struct audit_books books = { 0 };
	struct audit_walk walk = { .criteria = c, .progress = "exported, entry" };
	enum err e;
	int code = audit_books_open(s, c, index, no_index || !is_narrowed(c), &books);

	must(x);
	if (code != CMD_DONE)
		return code;
	source_leave(s);
	x->reader = books.reader;
	walk.index = books.index;
	e = out_open(path, &x->out);
	if (e != OK)
		return source_no_file(e, path);
	e = out_close(x, export_all(x, f, &walk));
	if (e != OK && path)
		(void)unlink(path);
	if (e == ERR_IO && report_broken())
		return CMD_NO;
	if (x->lost) {
		(void)report_fail(e, "write %s to its end", path ? path : "the output");
		report_hint("is the disk full? The record is not at fault; what was begun of the file is taken away");
		return CMD_NO;
	}
	if (e != OK)
		return audit_unread(s, e, walk.at);
	if (path)
		report_line(TONE_GOOD, "%llu events written to %s", (unsigned long long)x->written, path);
	audit_hint_missing(books.reader, c);
	return CMD_DONE;
}

/* ---- tiles ---- */

static int tiles_run(const struct source *s, const char *folder, bool notes)
{
	CLEANUP(evidence_close) struct evidence *e = NULL;
	uint64_t size = 0;
	enum err got = evidence_open(s->record, &e);

	if (got != OK)
		return source_no_record(got, s->record);
	source_leave(s);
	got = evidence_tiles(e, folder, notes, report_progress, &size);
	if (got != OK) {
		(void)(got == ERR_CORRUPT ? report_fail(got, "export the record") : report_fail(got, "write the tiles to %s", folder));
		if (got == ERR_CORRUPT)
			report_hint("pullcord audit verify says where");
		if (size)
			report_hint("%s is not whole: remove it", folder);
		return CMD_NO;
	}
	report_line(TONE_GOOD, "%llu entries written to %s", (unsigned long long)size, folder);
	return CMD_DONE;
}

int audit_export(int argc, char **argv)
{
	struct source s = { 0 };
	struct criteria c = { 0 };
	const char *format = NULL, *out = NULL, *index = NULL;
	bool notes = false, no_index = false;
	const struct opt opt[] = {
		OPT_NEED("format", "FORMAT", &format, "atna, fhir, csv or tiles"),
		OPT_TEXT("out", "FILE", &out, "a new file, readable by its owner only, or a new folder (default: standard output)"),
		OPT_FLAG("notes", &notes, "with tiles: also the checkpoints that are kept: all of the last hour, one a minute of the last "
			 "week, one an hour from before"),
		CRITERIA_OPTS(&c),
		AUDIT_INDEX_OPTS(&index, &no_index),
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE, AUDIT_INDEX_RULE };
	const struct opt_page page = {
		.command = "audit export",
		.text = "Writes events of the record in the form of another program, one a line.\n"
			"atna: the audit message of DICOM PS3.15 A.5 (IHE ATNA), XML. fhir: AuditEvent of FHIR R4, JSON. csv: for a "
			"spreadsheet. atna and fhir say in each message the entry's index (chain-seq) and its leaf in the tree "
			"(chain-hash); a delivery to more than 48 is several messages.\n"
			"tiles: the whole tree, sealed as it is, as C2SP's tlog-tiles have it, for whoever wants to check it with a "
			"program of their own; needs no root key. An erased entry has no bytes there, and its hash stays.\n"
			"What is exported is as secret as the record. It is a copy: the evidence is the record itself.",
		.example = "pullcord audit export --format fhir --from 2026-11-01 --to 2026-12-01 --out november.ndjson\n"
			   "pullcord audit export --format csv --user ana --outcome denied",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code == OPT_RUN)
		code = criteria_read(&c, &page);
	if (code != OPT_RUN)
		return code;
	if (strcmp(format, "tiles") == 0) {
		if (!out || is_narrowed(&c))
			return opt_wrong(&page, out ? "tiles are always of the whole record" : "tiles go into a folder: --out FOLDER");
		if (s.key || index || no_index)
			return opt_wrong(&page, "tiles are sealed and whole as they are: they need no --key, --index or --no-index");
		return source_fill(&s) == OK ? tiles_run(&s, out, notes) : CMD_NO;
	}
	if (!format_of(format))
		return opt_wrong(&page, "--format is atna, fhir, csv or tiles, not \"%s\"", format);
	if (notes)
		return opt_wrong(&page, "--notes goes with tiles");
	if (s.record && !s.key)
		return opt_wrong(&page, "--record goes with --key: entries are sealed");
	source_says(&s, "audit export --format %s", format);
	return source_fill(&s) == OK ? export_run(&s, &c, format_of(format), out, index, no_index) : CMD_NO;
}
