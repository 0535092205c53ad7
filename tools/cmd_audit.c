/* audit: what the record says, and whether it is whole. Reads only; the broker may write meanwhile. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "audit.h"
#include "clock.h"
#include "cmd.h"
#include "cosigned.h"
#include "event.h"
#include "opt.h"
#include "reader.h"
#include "renew.h"
#include "report.h"
#include "source.h"
#include "vault.h"
#include "verify.h"

#define FOLLOW_MS 200

/* ---- tail ---------------------------------------------------------------------------------------------------------- */

static int say_entries(struct reader *r, const char *path, uint64_t from, uint64_t to)
{
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;

	for (uint64_t i = from; i < to && !report_broken(); i++) {
		enum err e = reader_get(r, i, &entry, &event);

		if (e != OK) {
			(void)source_no_record(e, path);
			report_hint("entry %llu; pullcord audit verify says more", (unsigned long long)i);
			return CMD_NO;
		}
		event_say(i, &entry, event);
	}
	return CMD_DONE;
}

static int tail_follow(struct reader *r, const char *path, uint64_t at)
{
	const struct timespec pause = { 0, FOLLOW_MS * 1000000L };
	uint64_t generation = 0, size;
	int code = CMD_DONE;

	while (code == CMD_DONE && !report_broken()) {
		enum err e;

		if (reader_generation(r) == generation) {
			if (reader_replaced(r))
				return audit_replaced(path);
			nanosleep(&pause, NULL);
			continue;
		}
		generation = reader_generation(r);
		e = reader_size(r, &size);
		if (e != OK)
			return source_no_record(e, path);
		code = say_entries(r, path, at, size);
		at = size;
	}
	return code;
}

static int tail_read(const struct source *s, uint64_t count, bool follow)
{
	CLEANUP(reader_close) struct reader *r = NULL;
	uint64_t size, from;
	enum err e;
	int code = audit_open(s, NULL, &r);

	if (code != CMD_DONE)
		return code;
	e = reader_size(r, &size);
	if (e != OK)
		return source_no_record(e, s->record);
	from = size > count ? size - count : 0;
	code = say_entries(r, s->record, from, size);
	return code == CMD_DONE && follow ? tail_follow(r, s->record, size) : code;
}

static int audit_tail(int argc, char **argv)
{
	struct source s = { 0 };
	bool follow = false, json = false;
	long n = 20;
	const struct opt opt[] = {
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
		OPT_NUMBER("last", "N", &n, 0, LONG_MAX, "how many entries (default: 20)"),
		OPT_FLAG("follow", &follow, "go on as events are recorded"),
		OPT_FLAG("json", &json, "one JSON object a line"),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE, OPT_SEALED_RULE };
	const struct opt_page page = {
		.command = "audit tail",
		.text = "Shows the newest entries of the record: when, who, what, on which topic, what came of it and why.\n"
			"A delivery is one entry with its recipients; \"\u00d71,000 in 9.8 s\" says how many events an entry stands for: "
			"denials that repeat, or messages of a topic with `record digest`, whose digest proves them (--json shows all of "
			"it, and the first and last message). "
			"A gap says how many events could not be written down, and when.",
		.example = "pullcord audit tail --last 50\npullcord audit tail --follow --json",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	report_json(json);
	source_says(&s, "audit tail --last %ld%s", n, follow ? " --follow" : "");
	return source_fill(&s) == OK ? tail_read(&s, (uint64_t)n, follow) : CMD_NO;
}

/* ---- verify -------------------------------------------------------------------------------------------------------- */

static void progress(void *ctx, uint64_t done, uint64_t all)
{
	(void)ctx;
	report_progress("entries", done, all);
}

static struct cell number_or_null(const char *key, const char *part, uint64_t n)
{
	return part ? CELL_NUM(key, n) : CELL_NULL(key);
}

static void say_report_json(const struct verify_report *r, const struct witnesses *w, size_t k)
{
	const struct cosigned_quorum quorum = cosigned_quorum(w, r->cosigned, k);
	struct span name[WITNESSES_MAX];
	const struct cell cell[] = {
		CELL_BOOL("good", !r->part), CELL_NUM("entries", r->entries), CELL_NUM("opened", r->opened),
		CELL_NUM("segments", r->segments), CELL_NUM("erased", r->erased), CELL_NUM("checkpoints", r->checkpoints),
		CELL_NUM("signed_size", r->signed_size), CELL_NUM("unsigned", r->entries - r->signed_size),
		CELL_NUM("epochs", r->line.ends), CELL_NUM("closed_size", r->line.size), CELL_NUM("marks", r->line.marks),
		r->line.begun ? CELL_HEX("line_root", span(r->line.root.hash.b, SHA256_BYTES)) : CELL_NULL("line_root"),
		cosigned_size(w, r->cosigned), CELL_NUM("quorum", quorum.k), CELL_NUM("quorum_size", quorum.size),
		cosigned_names(w, r->cosigned, name),
		r->part ? CELL_NULL("root") : CELL_HEX("root", span(r->root.b, sizeof(r->root.b))),
		r->part ? CELL_STR("part", r->part) : CELL_NULL("part"), number_or_null("index", r->part, r->index),
		r->part ? CELL_STR("what", r->what) : CELL_NULL("what"),
	};
	report_object(cell, countof(cell));
}

/* What is not sealed is the record's bookkeeping: its first entry, and where a segment opens. */
static void say_entries_checked(const struct verify_report *r)
{
	const unsigned long long all = r->entries, opened = r->opened;

	if (opened)
		report_line(TONE_PLAIN, "  entries      %llu: %llu sealed events, all opened; %llu of the record about "
			    "itself, in clear", all, opened, all - opened);
	else
		report_line(TONE_PLAIN, "  entries      %llu, no seal opened", all);
}

/* A broker that runs signs every second, so a few are no news. */
static void say_unsigned(const struct verify_report *r)
{
	const unsigned long long rest = r->entries - r->signed_size;

	if (!rest)
		return;
	report_line(TONE_WARN, "  not signed   the newest %llu entries: nobody vouches for them", rest);
	report_hint("a broker that runs signs them within seconds, and its next start what a crash left; more than that, "
		    "somebody may have put there");
}

/* Its root belongs on paper and with the auditors: from then on it says which line is the record's. */
static void say_line(const struct line_check *l)
{
	char root[2 * SHA256_BYTES + 1], when[REPORT_TIME];

	if (l->begun) {
		hex_encode(span(l->root.hash.b, SHA256_BYTES), root);
		report_line(TONE_PLAIN, "  line         in epoch %u of %u; what came before %s is closed: %llu entries", l->epoch,
			    forward_epochs(l->root.depth), report_date(l->began_us, when), (unsigned long long)l->size);
		report_line(TONE_DIM, "  its root     %s", root);
	} else {
		report_line(TONE_WARN, "  line         none so far");
		report_hint("who has the keys of its machine can write it anew; a broker of this version begins a line");
	}
	if (l->marks)
		report_hint("%llu marks are of an older version: they were checked with a secret key, which this one does not do; all that "
			    "the line has closed is under it, too", (unsigned long long)l->marks);
}

static void say_good(const struct verify_report *r, const struct witnesses *w, size_t k, int64_t took_us)
{
	char root[2 * SHA256_BYTES + 1];

	hex_encode(span(r->root.b, sizeof(r->root.b)), root);
	if (r->signed_size == r->entries)
		report_line(TONE_GOOD, "the record is whole");
	else
		report_line(TONE_GOOD, "the record is whole as far as it is signed: %llu of %llu entries",
			    (unsigned long long)r->signed_size, (unsigned long long)r->entries);
	say_entries_checked(r);
	if (r->erased)
		report_line(TONE_PLAIN, "  segments     %llu, %llu of them erased", (unsigned long long)r->segments,
			    (unsigned long long)r->erased);
	else
		report_line(TONE_PLAIN, "  segments     %llu", (unsigned long long)r->segments);
	report_line(TONE_PLAIN, "  checkpoints  %llu, the newest over %llu entries", (unsigned long long)r->checkpoints,
		    (unsigned long long)r->signed_size);
	say_unsigned(r);
	say_line(&r->line);
	cosigned_say(w, r->cosigned, k);
	report_line(TONE_DIM, "  root         %s", root);
	report_line(TONE_DIM, "  took         %.1f s, %.2f us an entry", (double)took_us / 1e6,
		    (double)took_us / (double)(r->entries ? r->entries : 1));
}

static void say_bad(const struct verify_report *r)
{
	report_line(TONE_BAD, "%s %llu: %s", r->part, (unsigned long long)r->index, r->what);
	report_line(TONE_PLAIN, "  before that: %llu good entries, %llu of them under a good checkpoint",
		    (unsigned long long)r->entries, (unsigned long long)r->signed_size);
}

/* How many are to vouch; and how much older than the newest checkpoint that may be which they vouch for. */
struct quorum_rule {
	long k, grace_min;              /* k 0: their majority */
	bool asked;                     /* else it is said */
};

/* What nobody vouches for can still be signed anew by who has the record's key. */
static void check_quorum(const struct quorum_rule *rule, const struct witnesses *w, struct verify_report *r)
{
	const struct cosigned_quorum q = cosigned_quorum(w, r->cosigned, (size_t)rule->k);

	if (!rule->asked || r->part || cosigned_within(&q, r->signed_us, rule->grace_min * 60000000LL))
		return;
	r->part = "quorum";
	r->index = q.size;
	snprintf(r->what, sizeof(r->what), q.size ?
		 "%zu of %zu witnesses vouch for no more, and that was signed more than --grace before the newest" :
		 "fewer than %zu of %zu witnesses vouch for any entry", q.k, w->n);
}

static int verify_run(const struct source *s, const struct verify_spec *spec, const struct quorum_rule *quorum)
{
	int64_t began_us = clock_us(CLOCK_MONOTONIC);
	struct verify_report report;
	enum err e = verify_record(spec, &report);

	if (e == ERR_NOT_FOUND && *spec->sizes_path && access(spec->sizes_path, F_OK) != 0 && access(s->record, F_OK) == 0) {
		(void)report_fail(e, "read the signed sizes %s", spec->sizes_path);
		report_hint("record.sizes lies beside the record; a record that has lost it may have been set back");
		return CMD_NO;
	}
	if (e != OK && !report.part)
		return source_no_record(e, s->record);
	check_quorum(quorum, spec->witnesses, &report);
	if (report_is_json())
		say_report_json(&report, spec->witnesses, (size_t)quorum->k);
	else if (report.part)
		say_bad(&report);
	else
		say_good(&report, spec->witnesses, (size_t)quorum->k, clock_us(CLOCK_MONOTONIC) - began_us);
	return report.part ? CMD_NO : CMD_DONE;
}

/* Who may not read the root key can still verify everything that is public, and is told what was left out. */
static int verify_with_keys(const struct source *s, bool key_given, const struct witnesses *w, const struct quorum_rule *quorum)
{
	CLEANUP(free_cleanup) char *vkey = NULL;
	uint8_t root[AEAD_KEY_BYTES], pub[SIGN_KEY_BYTES];
	enum err key = s->key ? vault_root(s->key, root) : ERR_NOT_FOUND;
	struct span name;
	int code = source_vkey(s->vkey, &vkey, &name, pub);

	if (code != CMD_DONE)
		return code;
	if (key != OK && key_given)
		return source_no_key(key, s->key);
	if (key != OK && !report_is_json())
		report_hint("without the root key the seals of the entries are not opened");
	code = verify_run(s, &(struct verify_spec){
		.path = s->record, .sizes_path = s->sizes ? s->sizes : "", .vkey = span_str(vkey),
		.root = key == OK ? root : NULL, .line_path = s->line, .witnesses = w,
		.progress = progress,
	}, quorum);
	crypt_wipe(root, sizeof(root));
	return code;
}

static int audit_verify(int argc, char **argv)
{
	CLEANUP(cosigned_free) struct cosigned_list list = { 0 };
	struct quorum_rule quorum = { .grace_min = 120 };
	struct source s = { 0 };
	bool json = false, key_given, list_given;
	const struct opt opt[] = {
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
		OPT_TEXT("vkey", "FILE|KEY", &s.vkey, "the verifier key (default: the installation's record.vkey)"),
		OPT_TEXT("sizes", "FILE", &s.sizes, "the signed sizes (default: the installation's record.sizes)"),
		OPT_WITNESSES(&s.witnesses),
		OPT_QUORUM(&quorum.k, "so many of them are to vouch for it (default: as the broker's settings say, or more than half; "
			   "said only)"),
		OPT_NUMBER("grace", "MIN", &quorum.grace_min, 1, 525600,
			   "with --quorum: so much later the newest checkpoint may be than what they vouch for (default: 120)"),
		OPT_FLAG("json", &json, "one JSON object"),
	};
	const struct opt_rule rule[] = {
		OPT_RECORD_RULE, OPT_WITH_FOR("record", "vkey", "whose signature is it to bear?"), OPT_WITH("grace", "quorum"),
	};
	const struct opt_page page = {
		.command = "audit verify",
		.text = "Recomputes the record from its first entry and compares it with everything that was signed. Names the "
			"first entry that was changed, taken out or added.\n"
			"Without the root key anybody who has the verifier key can check that the entries are those that were "
			"signed; with it, also that each opens. The sizes file tells a record that was cut or set back. How many entries came "
			"after the newest signature is said apart: nobody vouches for them yet. "
			"Checkpoints bear a forward-secure line, signed by a key that is gone after a quarter of an hour or when the "
			"broker stops, and checked without any secret: what was rewritten by somebody who has all keys of the machine "
			"shows, as far as its epochs were closed before they came. Keep the line's root on paper: another one is another "
			"record. "
			"Of each witness it says the largest checkpoint that bears its cosignature: so much was seen by somebody "
			"else; and for how much a quorum of them vouches. With --quorum it is not good when that is older than --grace. "
			"Ends with 0 when all is good and 1 when it is not.",
		.example = "pullcord audit verify\n"
			   "pullcord audit verify --record copy.mdb --vkey record.vkey --sizes record.sizes\n"
			   "pullcord audit verify --quorum 2 --grace 60",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	report_json(json);
	key_given = s.key;
	list_given = s.witnesses;
	code = source_fill(&s) == OK ? cosigned_read(s.witnesses, list_given, &list) : CMD_NO;
	if (code == CMD_DONE && (size_t)quorum.k > list.of.n)
		return opt_wrong(&page, "--quorum is %ld, and %zu witnesses are listed", quorum.k, list.of.n);
	quorum.asked = quorum.k;
	quorum.k = quorum.k ? quorum.k : s.quorum;
	if (code == CMD_DONE)
		code = verify_with_keys(&s, key_given, &list.of, &quorum);
	return code;
}

int cmd_audit(int argc, char **argv)
{
	static const struct opt_verb verbs[] = {
		{ "tail", audit_tail, "show the newest entries" },
		{ "verify", audit_verify, "is the record whole, and what was signed?" },
		{ "renew", audit_renew, "put a broken record aside and begin another" },
		{ "search", audit_search, "show the events that somebody or something was part of" },
		{ "show", audit_show, "show everything an entry says" },
		{ "disclosures", audit_disclosures, "who received a patient's data, when, and on what ground" },
		{ "segments", audit_segments, "list what is kept, held and erased together" },
		{ "hold", audit_hold, "keep segments from being erased; takes two persons" },
		{ "release", audit_release, "end a hold; takes two persons" },
		{ "erase", audit_erase, "erase segments that had their time; takes two persons" },
		{ "requests", audit_requests, "what waits for a second person" },
		{ "prove", audit_prove, "prove that an entry is in it" },
		{ "disclose", audit_disclose, "prove an entry, and open it to whoever gets the file" },
		{ "check-proof", audit_check_proof, "check such a file, without the record" },
		{ "export", audit_export, "write it as ATNA, FHIR, CSV or tiles" },
		{ "feed", audit_feed, "send it to an audit repository as it grows" },
		{ "reconcile", audit_reconcile, "what does the repository not have?" },
		{ "witness", audit_witness, "vouch for it from a machine of its own" },
	};

	return opt_verb("audit", "Reads, verifies, renews, searches and exports the record, and ends it where its time is over. "
			"Who is shown its entries is put on record before.", verbs, countof(verbs), argc, argv);
}
