/* audit witness: a witness of the record, for a machine that hospital IT does not run. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "audit.h"
#include "client.h"
#include "clock.h"
#include "cmd.h"
#include "cosigned.h"
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
	const char *host, *cafile, *tenant, *peers;     /* with device */
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
	char gossip[TOPIC_BYTES_MAX + 1], others[TOPIC_BYTES_MAX + 1];
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
	    TOPIC_BUILD(p->cosignature, TOPIC_COSIGNATURE, p->tenant, "main", p->id) != OK ||
	    TOPIC_BUILD(p->gossip, TOPIC_GOSSIP, p->tenant, "main", p->id) != OK) {
		report_error("\"%.*s\" is no hospital's name: say it by --tenant", SPAN_FMT(tenant));
		return CMD_NO;
	}
	snprintf(p->others, sizeof(p->others), "%s/audit/main/witness/+/gossip", p->tenant);
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

/* The others, as they are listed. */
struct among {
	struct cosigned_list peers;
	struct gossip gossip;
};

static void among_free(struct among **a)
{
	if (*a)
		cosigned_free(&(*a)->peers);
	free(*a);
	*a = NULL;
}

static int among_read(const char *path, const struct notebook *book, struct among **out)
{
	CLEANUP(among_free) struct among *a = calloc(1, sizeof(*a));
	int code = a ? cosigned_read(path, true, &a->peers) : report_fail(ERR_FULL, "hear other witnesses");

	if (code != CMD_DONE)
		return code;
	notebook_gossip(book, &a->peers.of, &a->gossip);
	*out = a;
	a = NULL;
	return CMD_DONE;
}

static volatile sig_atomic_t hung_up;

static void on_hangup(int signum)
{
	(void)signum;
	hung_up = 1;
}

/* A witness at work; gossip NULL: it hears of no other. */
struct live {
	const struct witness_options *o;
	const struct place *p;
	struct client *c;
	struct notebook *book;
	struct among **among;           /* whose gossip is: */
	struct gossip *gossip;
	struct span origin;
	int64_t began_ms;
	bool unheard;                   /* that was said */
};

static int64_t mono_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

/* After SIGHUP, before the next question. */
static void reread(struct live *l)
{
	struct among *fresh;

	if (!l->gossip || !hung_up)
		return;
	hung_up = 0;
	if (among_read(l->o->peers, l->book, &fresh) != CMD_DONE) {
		report_hint("those who were listed before are heard until that is mended and SIGHUP is sent again");
		return;
	}
	gossip_carry(&fresh->gossip, l->gossip);
	among_free(l->among);
	*l->among = fresh;
	l->gossip = &fresh->gossip;
	if (!report_is_json())
		report_line(TONE_PLAIN, "%zu other witnesses are listed", fresh->gossip.n);
}

/* What comes of the others' words: nothing to say, or the end. */
static int compared(const struct live *l, enum err e, enum witness_kind kind)
{
	const struct outcome out = { .kind = kind, .before = notebook_size(l->book), .size = notebook_size(l->book),
				     .origin = l->origin, .stopped = true };

	if (!notebook_stopped(l->book))
		return e == OK ? CMD_DONE : report_fail(e, "compare what other witnesses have seen");
	if (e != OK)
		(void)report_fail(e, "keep the evidence in %s", l->o->state);
	if (report_is_json())
		say_outcome_json(&out);
	else
		say_outcome(&out, l->o->state);
	return CMD_NO;
}

static int hear(struct live *l, const struct client_message *m)
{
	enum witness_kind kind = WITNESS_ACCEPTED;
	struct topic t;
	enum err e;

	if (!l->gossip || topic_parse(span_str(m->topic), &t) != OK || t.kind != TOPIC_GOSSIP)
		return CMD_DONE;
	e = notebook_hear(l->book, l->gossip, m->payload, (uint64_t)time(NULL), mono_ms(), &kind);
	return compared(l, e, kind);
}

/* The answer to a question of that size; what others say meanwhile is heard. */
static int ask(struct live *l, uint64_t from, struct client_message *m)
{
	const int64_t end = mono_ms() + ANSWER_MS;
	char size[24];
	enum err e;

	snprintf(size, sizeof(size), "%llu\n", (unsigned long long)from);
	e = client_publish(l->c, l->p->req, span_str(size), 1, false);
	for (int64_t now = mono_ms(); e == OK; now = mono_ms()) {
		e = now < end ? client_next(l->c, (int)(end - now), m) : ERR_BUSY;
		if (e == OK && strcmp(m->topic, l->p->add) == 0)
			return CMD_DONE;
		if (e == OK && hear(l, m) != CMD_DONE)
			return CMD_NO;
	}
	return no_broker(l->o, l->c, e, "be given a checkpoint by");
}

/* What the others vouched for last must be the beginning of what was vouched for here. A size is asked about once. */
static int prove(struct live *l)
{
	uint64_t before = 0, from;

	while (l->gossip && (from = notebook_wants(l->book, l->gossip)) && from != before) {
		enum witness_kind kind = WITNESS_ACCEPTED;
		struct client_message m;
		enum err e;

		if (ask(l, from, &m) != CMD_DONE)
			return CMD_NO;
		e = notebook_prove(l->book, l->gossip, m.payload, mono_ms(), &kind);
		if (compared(l, e, kind) != CMD_DONE)
			return CMD_NO;
		before = from;
	}
	return CMD_DONE;
}

static int tell(struct live *l, struct span line)
{
	enum witness_kind kind = WITNESS_ACCEPTED;
	uint8_t text[GOSSIP_NOTE_MAX];
	struct put word = put(text, sizeof(text));
	enum err e = notebook_tell(l->book, line, &word);

	if (e == OK)
		e = client_publish(l->c, l->p->gossip, put_span(&word), 1, false);
	if (e != OK)
		return no_broker(l->o, l->c, e, "tell other witnesses through");
	e = notebook_compare(l->book, l->gossip, mono_ms(), &kind);
	return compared(l, e, kind);
}

/* One question, its answer, and the cosignature. */
static int witness_once(struct live *l)
{
	uint8_t text[COSIGNATURE_LINE_MAX];
	struct put line = put(text, sizeof(text));
	struct client_message m;
	enum err e;
	int code;

	reread(l);
	code = ask(l, notebook_size(l->book), &m);
	if (code == CMD_DONE)
		code = add(l->o, l->book, l->origin, m.payload, true, &line);
	if (code != CMD_DONE)
		return code;
	e = client_publish(l->c, l->p->cosignature, put_span(&line), 1, false);
	if (e != OK)
		return no_broker(l->o, l->c, e, "give the cosignature to");
	code = l->gossip ? tell(l, put_span(&line)) : CMD_DONE;
	return code == CMD_DONE ? prove(l) : code;
}

static int connect_once(struct live *l)
{
	enum err e = client_connect(l->c, true, CONNECT_MS);

	if (e == OK)
		e = client_subscribe(l->c, l->p->add, 1);
	if (e == OK && l->gossip)
		e = client_subscribe(l->c, l->p->others, 1);
	return e == OK ? witness_once(l) : no_broker(l->o, l->c, e, "come to");
}

static bool is_heard(const struct live *l) { return gossip_heard_ms(l->gossip) >= l->began_ms; }

/* Until the next question is due; asked once, until a majority was heard. */
static int listen(struct live *l)
{
	const int64_t end = mono_ms() + l->o->every_s * 1000;
	struct client_message m;
	int code = CMD_DONE;

	for (int64_t now = mono_ms(); code == CMD_DONE && now < end && !(l->o->once && is_heard(l)); now = mono_ms()) {
		enum err e = client_next(l->c, (int)(end - now), &m);

		if (e == ERR_BUSY)
			break;
		if (e != OK)
			return no_broker(l->o, l->c, e, "hear other witnesses through");
		code = hear(l, &m);
		if (code == CMD_DONE)
			code = prove(l);
	}
	return code;
}

/* Nobody, or too few: said once, and by the exit status of one question. */
static int say_unheard(struct live *l)
{
	int64_t heard = gossip_heard_ms(l->gossip), since = heard > l->began_ms ? heard : l->began_ms;
	bool unheard = l->o->once ? !is_heard(l) : mono_ms() - since > GOSSIP_FRESH_S * 1000;

	if (unheard && !l->unheard) {
		report_error("less than a majority of the record's witnesses is heard: they are off, or the broker keeps back what they say");
		report_hint("whether they cosign, `pullcord audit show checkpoint` says on the broker");
	}
	l->unheard = unheard;
	return unheard ? CMD_NO : CMD_DONE;
}

/* The others are to know why this one falls silent: once, for it ends here. */
static void show(const struct live *l)
{
	uint8_t text[GOSSIP_BYTES_MAX];
	struct put shown = put(text, sizeof(text));

	if (l->gossip && notebook_show(l->book, &shown) == OK && client_publish(l->c, l->p->gossip, put_span(&shown), 1, false) != OK)
		report_hint("the other witnesses could not be told");
}

/* Without others to hear a connection for each question: a minute apart, it is not worth keeping. Ends when the record is not to
 * be trusted. */
static int witness_live(const struct witness_options *o, const struct place *p, struct notebook *book, struct among **among,
			struct span origin)
{
	CLEANUP(client_close) struct client *c = NULL;
	const struct client_spec spec = {
		.host = o->host, .port = (int)o->port, .id = p->id, .cafile = o->cafile ? o->cafile : p->ca.text,
		.cert = p->cert.text, .key = p->key.text,
	};
	const struct timespec pause = { o->every_s, 0 };
	struct live l = { .o = o, .p = p, .book = book, .among = among, .gossip = *among ? &(*among)->gossip : NULL,
			  .origin = origin, .began_ms = mono_ms() };
	enum err e = client_open(&spec, &c);
	bool up = false;
	int code;

	l.c = c;
	if (e != OK)
		return report_fail(e, "make a connection");
	for (;;) {
		code = up ? witness_once(&l) : connect_once(&l);
		if (code == CMD_DONE && l.gossip)
			code = listen(&l);
		up = l.gossip && code == CMD_DONE;
		if (notebook_stopped(book))
			show(&l);
		else if (l.gossip && say_unheard(&l) != CMD_DONE)
			code = CMD_NO;
		if (o->once || notebook_stopped(book) || report_broken())
			return code;
		if (!up)
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
	CLEANUP(among_free) struct among *among = NULL;
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
	if (o->peers) {
		code = among_read(o->peers, book, &among);
		if (code != CMD_DONE)
			return code;
		if (!o->once)
			(void)!signal(SIGHUP, on_hangup);
	}
	return o->device ? witness_live(o, &place, book, &among, spec.log.name) : witness_file(o, book, &spec.log);
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
		OPT_TEXT("peers", "FILE", &o.peers, "with --device: the record's witnesses, a verifier key a line; they and this one "
			 "compare what they saw; read again on SIGHUP"),
		OPT_FLAG("once", &o.once, "with --device: ask once; with --peers wait for a majority of them, as long as --every says"),
		OPT_TEXT("tiles", "FOLDER", &o.tiles, "witness the checkpoint of what audit export --format tiles wrote"),
		OPT_TEXT("body", "FILE", &o.body, "witness a C2SP add-checkpoint body; -: from standard input"),
		OPT_FLAG("newest", &o.newest, "it is the newest there is: a smaller one than before shows that the record was set back"),
		OPT_FLAG("json", &json, "one JSON object for each checkpoint"),
	};
	const struct opt_rule rule[] = {
		OPT_WITH("host", "device"), OPT_WITH("port", "device"), OPT_WITH("cafile", "device"),
		OPT_WITH("tenant", "device"), OPT_WITH("every", "device"), OPT_WITH("once", "device"),
		OPT_WITH("peers", "device"),
	};
	const struct opt_page page = {
		.command = "audit witness",
		.text = "Vouches for the record from a machine that those who run the broker have no hand in: is the checkpoint signed, and is "
			"what was witnessed before a beginning of it? Then it is remembered, and cosigned by the witness's own key. It sees no "
			"entry and needs no other key of the hospital's.\n"
			"A record that was forked or set back is refused, both notes are kept as evidence, and nothing more is witnessed until "
			"a person has seen to them. FOLDER/vkey is the witness's verifier key: whoever lists it (the file `witnesses` beside the "
			"record, audit verify --witnesses) counts its cosignatures. Ends with 0 when the checkpoint is cosigned, else with 1.\n"
			"With --peers it stays connected, tells the other witnesses what it vouched for, and hears them: a broker that shows "
			"each another history is found out, and one that keeps back what they say is told of after 15 minutes. What convicts "
			"the record it shows to them before it ends.",
		.example = "pullcord audit witness --state w1 --vkey record.vkey --device auditor-w1 --host broker.mercy.example "
			   "--peers witnesses\n"
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
