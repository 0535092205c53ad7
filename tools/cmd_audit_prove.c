/* audit prove, disclose, check-proof: one entry, for somebody who has nothing but a file and the verifier key. */
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "cmd.h"
#include "event.h"
#include "evidence.h"
#include "report.h"

static int was_erased(uint64_t index)
{
	report_error("entry %llu was erased: its leaf is all that is left of it", (unsigned long long)index);
	report_hint("that it is still under what was signed, pullcord audit verify checks");
	return CMD_NO;
}

static int no_proof(enum err e, const char *record, uint64_t index)
{
	if (e == ERR_CLOSED)
		return was_erased(index);
	if (e != ERR_NOT_FOUND)
		return source_no_record(e, record);
	(void)report_fail(e, "prove entry %llu", (unsigned long long)index);
	report_hint("there is none of that number under the newest checkpoint; the broker signs one a second");
	return CMD_NO;
}

static int make_proof(const struct source *s, uint64_t index, struct proof *p)
{
	CLEANUP(evidence_close) struct evidence *e = NULL;
	enum err got = evidence_open(s->record, &e);

	if (got != OK)
		return source_no_record(got, s->record);
	got = evidence_prove(e, index, p);
	return got == OK ? CMD_DONE : no_proof(got, s->record, index);
}

static int write_proof(const struct proof *p, const char *path)
{
	CLEANUP(free_cleanup) uint8_t *buf = malloc(PROOF_BYTES_MAX);
	struct put text = put(buf, PROOF_BYTES_MAX);
	enum err e;

	must(buf);
	proof_write(p, &text);
	must(put_end(&text) == OK);
	if (!path)
		return fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0 ? CMD_DONE : CMD_NO;
	e = install_write(path, put_span(&text), p->has_key ? 0600 : 0644);
	if (e != OK)
		return source_no_file(e, path);
	report_line(TONE_GOOD, "entry %llu%s, for pullcord audit check-proof, in %s", (unsigned long long)p->index,
		    p->has_key ? ", open to whoever has the file" : "", path);
	return CMD_DONE;
}

static int index_of(const struct opt_page *page, const char *text, uint64_t *out)
{
	return span_u64(span_str(text), UINT64_MAX - 1, out) ? OPT_RUN :
	       opt_wrong(page, "INDEX is the number of an entry, not \"%s\"", text);
}

int audit_prove(int argc, char **argv)
{
	CLEANUP(free_cleanup) struct proof *p = calloc(1, sizeof(*p));
	struct opt_list word = { 0 };
	struct source s = { 0 };
	const char *out = NULL;
	const struct opt opt[] = {
		OPT_TEXT("out", "FILE", &out, "a new file (default: standard output)"),
		OPT_DIR(&s.dir), OPT_RECORD(&s.record),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE };
	const struct opt_page page = {
		.command = "audit prove",
		.operands = "INDEX",
		.least = 1,
		.most = 1,
		.text = "Writes a proof that an entry is in the record as it was signed: the entry as it is sealed, the hashes that "
			"lead to the root, and the signed checkpoint. A C2SP tlog-proof; it says nothing of what the entry says.",
		.example = "pullcord audit prove 4711 --out 4711.tlog-proof",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, &word);
	uint64_t index;

	must(p);
	if (code == OPT_RUN)
		code = index_of(&page, word.text[0], &index);
	if (code != OPT_RUN)
		return code;
	if (source_fill(&s) != OK)
		return CMD_NO;
	code = make_proof(&s, index, p);
	source_leave(&s);
	return code == CMD_DONE ? write_proof(p, out) : code;
}

/* ---- disclose ---- */

/* The record's own key, and nothing more: its neighbours stay closed. */
static int add_key(const struct source *s, struct proof *p)
{
	CLEANUP(reader_close) struct reader *r = NULL;
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;
	int code = audit_open(s, NULL, &r);
	enum err e;

	if (code != CMD_DONE)
		return code;
	e = reader_get(r, p->index, &entry, &event);
	if (e == OK)
		e = reader_record_key(r, p->key);
	if (e == ERR_KIND) {
		report_error("entry %llu is the record's own, and not sealed: pullcord audit prove is enough", (unsigned long long)p->index);
		return CMD_NO;
	}
	if (e == ERR_CLOSED)
		return was_erased(p->index);
	p->has_key = true;
	return e == OK ? CMD_DONE : audit_unread(s, e, p->index);
}

int audit_disclose(int argc, char **argv)
{
	CLEANUP(free_cleanup) struct proof *p = calloc(1, sizeof(*p));
	struct opt_list word = { 0 };
	struct source s = { 0 };
	const char *out = NULL;
	const struct opt opt[] = {
		OPT_NEED("out", "FILE", &out, "a new file, readable by its owner only"),
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE, OPT_SEALED_RULE };
	const struct opt_page page = {
		.command = "audit disclose",
		.operands = "INDEX",
		.least = 1,
		.most = 1,
		.text = "Writes a proof of one entry together with the key that opens this entry and no other, for a regulator or a court: "
			"pullcord audit check-proof --open shows what it says, without the root key.\n"
			"Whoever has the file can read the entry. Send it over a channel you trust.",
		.example = "pullcord audit disclose 4711 --out 4711.disclosed",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, &word);
	uint64_t index;

	must(p);
	if (code == OPT_RUN)
		code = index_of(&page, word.text[0], &index);
	if (code != OPT_RUN)
		return code;
	source_says(&s, "audit disclose %llu", (unsigned long long)index);
	if (source_fill(&s) != OK)
		return CMD_NO;
	code = make_proof(&s, index, p);
	if (code == CMD_DONE)
		code = add_key(&s, p);
	source_leave(&s);
	if (code == CMD_DONE)
		code = write_proof(p, out);
	crypt_wipe(p, sizeof(*p));
	return code;
}

/* ---- check-proof ---- */

static int read_proof(const char *path, struct proof *p)
{
	CLEANUP(free_cleanup) char *text = NULL;
	size_t n;
	enum err e = install_read(path, PROOF_BYTES_MAX, &text, &n);

	if (e == OK)
		e = proof_read(span(text, n), p);
	if (e == OK)
		return CMD_DONE;
	(void)report_fail(e, "read the proof %s", path);
	if (e == ERR_VERSION || e == ERR_SYNTAX)
		report_hint("its first line is c2sp.org/tlog-proof@v1, its second says `extra` and the entry, then index, hashes, an "
			    "empty line and the checkpoint");
	return CMD_NO;
}

static enum err open_it(const struct proof *p, struct span origin, struct put *text)
{
	struct seal seal;

	if (!p->has_key)
		return ERR_NOT_FOUND;
	seal_init(&seal, origin);
	return entry_open_alone(&seal, p->key, span(p->entry, p->entry_n), text);
}

static bool opens(const struct proof *p, struct span origin)
{
	CLEANUP(free_cleanup) uint8_t *buf = malloc(ENTRY_BYTES_MAX);
	struct put text = put(buf, ENTRY_BYTES_MAX);

	must(buf);
	return open_it(p, origin, &text) == OK;
}

/* What a disclosed entry says. */
static int say_opened(const struct proof *p, struct span origin)
{
	CLEANUP(free_cleanup) uint8_t *buf = malloc(ENTRY_BYTES_MAX);
	struct put text = put(buf, ENTRY_BYTES_MAX);
	struct span raw = span(p->entry, p->entry_n);
	Pullcord__V1__AuditEvent *event = NULL;
	struct entry entry;
	enum err e = entry_read(raw, &entry);

	must(buf);
	if (e == OK && entry.kind == ENTRY_CONTROL) {
		event_show(p->index, &entry, NULL, raw);
		return CMD_DONE;
	}
	if (e == OK && !p->has_key) {
		report_error("the proof has no key that opens its entry: ask for a disclosure (pullcord audit disclose)");
		return CMD_NO;
	}
	if (e == OK)
		e = open_it(p, origin, &text);
	if (e == OK)
		e = audited_unpack(put_span(&text), &event);
	if (e != OK)
		return report_fail(e, "open entry %llu: it is in the record, but not as the key says", (unsigned long long)p->index);
	event_show(p->index, &entry, event, raw);
	audited_free(&event);
	return CMD_DONE;
}

static int say_checked(const struct proof *p, const struct checkpoint *c)
{
	struct hash leaf = tree_leaf(span(p->entry, p->entry_n));
	const struct cell cell[] = {
		CELL_BOOL("good", true), CELL_NUM("index", p->index), CELL_SPAN("origin", c->origin), CELL_NUM("size", c->size),
		CELL_HEX("root", span(c->root.b, sizeof(c->root.b))), CELL_HEX("leaf", span(leaf.b, sizeof(leaf.b))),
		CELL_BOOL("opens", opens(p, c->origin)),
	};

	if (report_is_json())
		report_object(cell, countof(cell));
	else
		report_line(TONE_GOOD, "entry %llu is in the record %.*s, whose first %llu entries were signed",
			    (unsigned long long)p->index, SPAN_FMT(c->origin), (unsigned long long)c->size);
	return CMD_DONE;
}

static int say_refused(const struct proof *p, enum err e, bool signature)
{
	const char *what = !signature ? "the checkpoint is not signed by this key under its name" :
			   e == ERR_RANGE ? "the checkpoint does not reach the entry, or the hashes are too many or too few" :
			   "the hashes do not lead from the entry to the signed root";

	if (report_is_json())
		report_object((const struct cell[]){ CELL_BOOL("good", false), CELL_NUM("index", p->index), CELL_STR("what", what) }, 3);
	else
		report_line(TONE_BAD, "entry %llu is not proved: %s", (unsigned long long)p->index, what);
	return CMD_NO;
}

static int check_run(const char *path, const char *vkey, bool open)
{
	CLEANUP(free_cleanup) struct proof *p = calloc(1, sizeof(*p));
	CLEANUP(free_cleanup) char *key = NULL;
	uint8_t pub[SIGN_KEY_BYTES];
	struct checkpoint c;
	struct span origin;
	bool signature;
	int code = source_vkey(vkey, &key, &origin, pub);
	enum err e;

	must(p);
	if (code == CMD_DONE)
		code = read_proof(path, p);
	if (code != CMD_DONE)
		return code;
	e = proof_check(p, origin, pub, &c, &signature);
	code = e == OK ? say_checked(p, &c) : say_refused(p, e, signature);
	if (code == CMD_DONE && open)
		code = say_opened(p, origin);
	crypt_wipe(p, sizeof(*p));
	return code;
}

int audit_check_proof(int argc, char **argv)
{
	struct opt_list file = { 0 };
	const char *vkey = NULL;
	bool open = false, json = false;
	const struct opt opt[] = {
		OPT_NEED("vkey", "FILE|KEY", &vkey, "the verifier key of the record, got from somebody you trust"),
		OPT_FLAG("open", &open, "show what a disclosed entry says"),
		OPT_FLAG("json", &json, "one JSON object, and one more with --open"),
	};
	const struct opt_page page = {
		.command = "audit check-proof",
		.operands = "FILE",
		.least = 1,
		.most = 1,
		.text = "Checks a proof or a disclosure of an entry, with nothing but the file and the verifier key: is the checkpoint signed "
			"by that key, and do the hashes lead from the entry to its root? Ends with 0 when they do and 1 when not.\n"
			"A disclosure opens its entry by a key of its own. That this key is the one it was sealed with is as sure as "
			"the sealer is honest: one who prepared for it could have sealed an entry that opens to two texts.",
		.example = "pullcord audit check-proof 4711.disclosed --vkey record.vkey --open",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &file);

	if (code != OPT_RUN)
		return code;
	report_json(json);
	return check_run(file.text[0], vkey, open);
}
