/* audit witness: a witness of the record, for a machine that hospital IT does not run. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "audit.h"
#include "client.h"
#include "cmd.h"
#include "notebook.h"
#include "pki.h"
#include "report.h"
#include "tiles.h"
#include "topic.h"

#define DEVICE_PORT 8883
#define CONNECT_MS 10000
#define ANSWER_MS 10000

struct witness_options {
	const char *state, *vkey, *name;
	const char *body, *tiles, *device;      /* one of them */
	const char *host, *cafile, *tenant;     /* with device */
	long port, every_s;
	bool newest, once;
};

/* ---- what is read ---- */

/* A whole file, or standard input. */
static enum err read_body(const char *path, uint8_t body[WITNESS_BODY_MAX + 1], size_t *n)
{
	CLEANUP(free_cleanup) char *text = NULL;

	if (strcmp(path, "-") == 0) {
		*n = fread(body, 1, WITNESS_BODY_MAX + 1, stdin);
		return ferror(stdin) ? ERR_IO : *n > WITNESS_BODY_MAX ? ERR_TOO_LARGE : OK;
	}
	TRY(install_read(path, WITNESS_BODY_MAX, &text, n));
	memcpy(body, text, *n);
	return OK;
}

/* The size a checkpoint says, which nobody has checked yet. */
static enum err size_of(struct span note, uint64_t *out)
{
	struct span rest;

	(void)span_cut(note, '\n', &rest);
	return span_u64(span_cut(rest, '\n', &rest), UINT64_MAX, out) ? OK : ERR_SYNTAX;
}

/* The checkpoint of a folder of tiles, with the proof that they hold, from what was witnessed before on. No tile is looked at
 * for a size that the log did not sign; what that is is judged without a proof. */
static enum err body_of_tiles(const char *folder, const struct cosigner *log, uint64_t before, struct put *out)
{
	CLEANUP(free_cleanup) char *note = NULL;
	struct tiles tiles = { .folder = folder };
	const struct tree_source source = tiles_source(&tiles);
	struct hash proof[TREE_PROOF_MAX];
	struct witness_request r = { 0 };
	char path[INSTALL_PATH_MAX];
	struct checkpoint c;
	size_t n;

	if (snprintf(path, sizeof(path), "%s/checkpoint", folder) >= (int)sizeof(path))
		return ERR_TOO_LARGE;
	TRY(install_read(path, NOTE_BYTES_MAX, &note, &n));
	r.note = span(note, n);
	if (note_open(r.note, log->name, log->pub, &c) != OK)
		return witness_write(&r, out);
	tiles.size = c.size;
	r.old = before < tiles.size ? before : tiles.size;
	if (r.old && r.old < tiles.size)
		TRY(tree_prove_consistency(&source, r.old, tiles.size, proof, &r.hashes));
	if (r.hashes > WITNESS_HASHES_MAX)
		return ERR_TOO_LARGE;
	memcpy(r.hash, proof, r.hashes * sizeof(*proof));
	return witness_write(&r, out);
}

/* ---- what came of it ---- */

struct outcome {
	enum witness_kind kind;
	uint64_t before, size;
	struct span origin, line;       /* the cosignature; empty: none */
	bool stopped;
};

static void say_outcome_json(const struct outcome *o)
{
	const struct span line = o->line.n ? span(o->line.p, o->line.n - 1) : o->line;

	report_object((const struct cell[]){
		CELL_BOOL("good", o->kind == WITNESS_ACCEPTED), CELL_STR("kind", witness_word(o->kind)),
		CELL_STR("what", witness_text(o->kind)), CELL_SPAN("origin", o->origin), CELL_NUM("before", o->before),
		CELL_NUM("size", o->size), line.n ? CELL_SPAN("cosignature", line) : CELL_NULL("cosignature"),
		CELL_BOOL("stopped", o->stopped),
	}, 8);
}

static void say_outcome(const struct outcome *o, const char *state)
{
	const unsigned long long before = o->before, size = o->size;

	if (o->kind == WITNESS_ACCEPTED && before)
		report_line(TONE_GOOD, "the first %llu entries of %.*s continue the %llu witnessed before", size,
			    SPAN_FMT(o->origin), before);
	else if (o->kind == WITNESS_ACCEPTED)
		report_line(TONE_GOOD, "the first %llu entries of %.*s are the first witnessed here", size, SPAN_FMT(o->origin));
	else
		report_line(TONE_BAD, "the checkpoint is refused: %s", witness_text(o->kind));
	if (o->line.n)
		report_line(TONE_PLAIN, "%.*s", SPAN_FMT(span(o->line.p, o->line.n - 1)));
	if (o->kind == WITNESS_TOO_OLD)
		report_hint("%llu entries were witnessed before; if this is the newest checkpoint the broker has, say --newest", before);
	if (o->stopped) {
		report_hint("what was signed before and what is signed now are in %s/evidence.*: keep them, and tell whoever answers "
			    "for the record", state);
		report_hint("nothing is witnessed until they are moved away from there");
	}
}

/* Judges it, and says what came of it. *line takes the cosignature. */
static int add(const struct witness_options *o, struct notebook *book, struct span origin, struct span body, bool newest,
	       struct put *line)
{
	struct outcome out = { .before = notebook_size(book), .origin = origin };
	struct witness_request r;
	enum err e = notebook_add(book, body, newest, (uint64_t)time(NULL), line, &out.kind);

	if (e != OK && !notebook_stopped(book))
		return report_fail(e, "keep the checkpoint in %s; it is not cosigned", o->state);
	if (e != OK)
		(void)report_fail(e, "keep the evidence in %s", o->state);
	if (witness_read(body, &r) == OK)
		(void)!size_of(r.note, &out.size);
	out.line = put_span(line);
	out.stopped = notebook_stopped(book);
	if (report_is_json())
		say_outcome_json(&out);
	else
		say_outcome(&out, o->state);
	return out.kind == WITNESS_ACCEPTED ? CMD_DONE : CMD_NO;
}

/* ---- from the broker itself ---- */

/* The device, as its certificate says, and where it speaks and hears. */
struct place {
	struct install_path cert, key, ca;
	char tenant[WORD_BYTES_MAX + 1], id[WORD_BYTES_MAX + 1], name[2 * WORD_BYTES_MAX + 16];
	char req[TOPIC_BYTES_MAX + 1], add[TOPIC_BYTES_MAX + 1], cosignature[TOPIC_BYTES_MAX + 1];
};

static struct install_path in_folder(const char *folder, const char *name)
{
	struct install_path p;

	snprintf(p.text, sizeof(p.text), "%s/%s", folder, name);
	return p;
}

/* The hospital's name begins the name of its record, as `pullcord init` makes it. */
static int find_place(const struct witness_options *o, struct span origin, struct place *p)
{
	struct span rest, tenant = o->tenant ? span_str(o->tenant) : span_cut(origin, '/', &rest);
	struct pki_facts facts;
	enum err e;

	p->cert = in_folder(o->device, "device.crt");
	p->key = in_folder(o->device, "device.key");
	p->ca = in_folder(o->device, "ca.crt");
	e = pki_read(p->cert.text, &facts);
	if (e == OK && (!span_text(span_str(facts.subject), p->id, sizeof(p->id)) || !word_ok(span_str(p->id))))
		e = ERR_SYNTAX;
	if (e != OK) {
		(void)report_fail(e, "use the certificate %s", p->cert.text);
		report_hint("--device takes the folder made by pullcord device enroll ... --role witness --out FOLDER");
		return CMD_NO;
	}
	if (!span_text(tenant, p->tenant, sizeof(p->tenant)) ||
	    TOPIC_BUILD(p->req, TOPIC_WITNESS_REQ, p->tenant, "main", p->id) != OK ||
	    TOPIC_BUILD(p->add, TOPIC_WITNESS_ADD, p->tenant, "main", p->id) != OK ||
	    TOPIC_BUILD(p->cosignature, TOPIC_COSIGNATURE, p->tenant, "main", p->id) != OK) {
		report_error("\"%.*s\" is no hospital's name: say it by --tenant", SPAN_FMT(tenant));
		return CMD_NO;
	}
	snprintf(p->name, sizeof(p->name), "%s/device/%s", p->tenant, p->id);
	return CMD_DONE;
}

static int no_broker(const struct witness_options *o, const struct client *c, enum err e, const char *what)
{
	report_error("cannot %s %s:%ld: %s", what, o->host, o->port, *client_why(c) ? client_why(c) : err_text(e));
	if (e == ERR_NOT_FOUND)
		report_hint("is the broker there? --host and --port say where, the port being that for devices");
	if (e == ERR_KEY)
		report_hint("is --cafile the CA of that broker, %s a name in its certificate, and the device's own certificate good?", o->host);
	if (e == ERR_DENIED)
		report_hint("the device needs the role `witness`: pullcord device grant, and a policy that has it");
	return CMD_NO;
}

static enum err await_answer(struct client *c, const char *topic, struct client_message *m)
{
	do
		TRY(client_next(c, ANSWER_MS, m));
	while (strcmp(m->topic, topic) != 0);
	return OK;
}

/* One question, its answer, and the cosignature. */
static int witness_once(const struct witness_options *o, const struct place *p, struct client *c, struct notebook *book,
			struct span origin)
{
	char size[24];
	uint8_t text[COSIGNATURE_LINE_MAX];
	struct put line = put(text, sizeof(text));
	struct client_message m;
	enum err e;
	int code;

	snprintf(size, sizeof(size), "%llu\n", (unsigned long long)notebook_size(book));
	e = client_publish(c, p->req, span_str(size), 1, false);
	if (e == OK)
		e = await_answer(c, p->add, &m);
	if (e != OK)
		return no_broker(o, c, e, "be given a checkpoint by");
	code = add(o, book, origin, m.payload, true, &line);
	if (code != CMD_DONE)
		return code;
	e = client_publish(c, p->cosignature, put_span(&line), 1, false);
	return e == OK ? CMD_DONE : no_broker(o, c, e, "give the cosignature to");
}

static int connect_once(const struct witness_options *o, const struct place *p, struct client *c, struct notebook *book,
			struct span origin)
{
	enum err e = client_connect(c, true, CONNECT_MS);

	if (e == OK)
		e = client_subscribe(c, p->add, 1);
	return e == OK ? witness_once(o, p, c, book, origin) : no_broker(o, c, e, "come to");
}

/* A connection for each question: a minute apart, it is not worth keeping. Ends when the record is not to be trusted. */
static int witness_live(const struct witness_options *o, const struct place *p, struct notebook *book, struct span origin)
{
	CLEANUP(client_close) struct client *c = NULL;
	const struct client_spec spec = {
		.host = o->host, .port = (int)o->port, .id = p->id, .cafile = o->cafile ? o->cafile : p->ca.text,
		.cert = p->cert.text, .key = p->key.text,
	};
	const struct timespec pause = { o->every_s, 0 };
	enum err e = client_open(&spec, &c);
	int code;

	if (e != OK)
		return report_fail(e, "make a connection");
	for (;;) {
		code = connect_once(o, p, c, book, origin);
		if (o->once || notebook_stopped(book) || report_broken())
			return code;
		nanosleep(&pause, NULL);
	}
}

/* ---- the command ---- */

static int no_notebook(const struct witness_options *o, enum err e)
{
	(void)report_fail(e, "use the folder %s", o->state);
	if (e == ERR_NOT_FOUND && !o->name)
		report_hint("a new witness needs a name, for good: --name auditor.example/w1");
	else if (e == ERR_NOT_FOUND)
		report_hint("the folder above it must be there");
	if (e == ERR_EXISTS)
		report_hint("it is of a witness of another name, which %s/vkey says", o->state);
	if (e == ERR_DENIED)
		report_hint("it must be ours, with mode 0700, and the key in it 0600");
	if (e == ERR_BUSY)
		report_hint("another process is using it");
	if (e == ERR_SYNTAX)
		report_hint("a witness's name has no blanks and no '+', or its key is not 64 hex digits");
	if (e == ERR_CORRUPT)
		report_hint("the note it kept is no checkpoint of that record: do not delete it before somebody has looked");
	return CMD_NO;
}

static int stopped(const struct witness_options *o)
{
	report_error("there is evidence against this record in %s/evidence.*: nothing is witnessed until it is moved away", o->state);
	return CMD_NO;
}

static int witness_file(const struct witness_options *o, struct notebook *book, const struct cosigner *log)
{
	uint8_t text[WITNESS_BODY_MAX + 1], cosignature[COSIGNATURE_LINE_MAX];
	struct put body = put(text, WITNESS_BODY_MAX), line = put(cosignature, sizeof(cosignature));
	enum err e;

	if (o->tiles)
		e = body_of_tiles(o->tiles, log, notebook_size(book), &body);
	else
		e = read_body(o->body, text, &body.n);
	if (e != OK)
		return report_fail(e, "read %s", o->tiles ? o->tiles : o->body);
	return add(o, book, log->name, put_span(&body), o->newest, &line);
}

static int witness_run(struct witness_options *o)
{
	CLEANUP(notebook_close) struct notebook *book = NULL;
	CLEANUP(free_cleanup) char *vkey = NULL;
	struct notebook_spec spec = { .folder = o->state };
	struct place place;
	int code = source_vkey(o->vkey, &vkey, &spec.log.name, spec.log.pub);
	enum err e;

	if (code == CMD_DONE && o->device)
		code = find_place(o, spec.log.name, &place);
	if (code != CMD_DONE)
		return code;
	if (o->device && !o->name)
		o->name = place.name;
	spec.name = span_str(o->name);
	e = notebook_open(&spec, &book);
	if (e != OK)
		return no_notebook(o, e);
	if (notebook_stopped(book))
		return stopped(o);
	return o->device ? witness_live(o, &place, book, spec.log.name) : witness_file(o, book, &spec.log);
}

int audit_witness(int argc, char **argv)
{
	struct witness_options o = { .host = "localhost", .port = DEVICE_PORT, .every_s = 60 };
	bool json = false;
	const struct opt opt[] = {
		OPT_NEED("state", "FOLDER", &o.state, "what the witness remembers, and its key; made when it is not there"),
		OPT_NEED("vkey", "FILE|KEY", &o.vkey, "the verifier key of the record, got from somebody you trust"),
		OPT_TEXT("name", "NAME", &o.name, "the witness's name, for good; needed the first time (of a device: TENANT/device/ID)"),
		OPT_TEXT("device", "FOLDER", &o.device, "ask the broker itself, again and again, as the device whose folder that is"),
		OPT_TEXT("host", "HOST", &o.host, "with --device: the broker (default: localhost)"),
		OPT_NUMBER("port", "PORT", &o.port, 1, 65535, "with --device: its port for devices (default: 8883)"),
		OPT_TEXT("cafile", "FILE", &o.cafile, "with --device: CA of the broker (default: ca.crt in the folder)"),
		OPT_TEXT("tenant", "NAME", &o.tenant, "with --device: the hospital's name (default: as the record's begins)"),
		OPT_NUMBER("every", "SECONDS", &o.every_s, 1, 86400, "with --device: how often to ask (default: 60)"),
		OPT_FLAG("once", &o.once, "with --device: ask once"),
		OPT_TEXT("tiles", "FOLDER", &o.tiles, "witness the checkpoint of what audit export --format tiles wrote"),
		OPT_TEXT("body", "FILE", &o.body, "witness a C2SP add-checkpoint body; -: from standard input"),
		OPT_FLAG("newest", &o.newest, "it is the newest there is: a smaller one than before shows that the record was set back"),
		OPT_FLAG("json", &json, "one JSON object for each checkpoint"),
	};
	const struct opt_rule rule[] = {
		OPT_WITH("host", "device"), OPT_WITH("port", "device"), OPT_WITH("cafile", "device"),
		OPT_WITH("tenant", "device"), OPT_WITH("every", "device"), OPT_WITH("once", "device"),
	};
	const struct opt_page page = {
		.command = "audit witness",
		.text = "Vouches for the record from a machine that those who run the broker have no hand in: is the checkpoint signed, and is "
			"what was witnessed before a beginning of it? Then it is remembered, and cosigned by the witness's own key. It sees no "
			"entry and needs no other key of the hospital's.\n"
			"A record that was forked or set back is refused, both notes are kept as evidence, and nothing more is witnessed until "
			"a person has seen to them. FOLDER/vkey is the witness's verifier key: whoever lists it (the file `witnesses` beside the "
			"record, audit verify --witnesses) counts its cosignatures. Ends with 0 when the checkpoint is cosigned, else with 1.",
		.example = "pullcord audit witness --state w1 --vkey record.vkey --device auditor-w1 --host broker.mercy.example\n"
			   "pullcord audit witness --state w1 --vkey record.vkey --name auditor.example/w1 --tiles exported\n"
			   "pullcord audit witness --state w1 --vkey record.vkey --body - --json <request",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	if (!!o.tiles + !!o.body + !!o.device != 1)
		return opt_wrong(&page, "say what to witness: --device FOLDER, --tiles FOLDER or --body FILE");
	report_json(json);
	return witness_run(&o);
}
