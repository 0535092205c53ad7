#include "delta.h"

#include <stdlib.h>
#include <time.h>

#include "cur.h"

#define LINE_MAX_BYTES 288      /* NAME=VALUE of 129, " until " and a time, " reason " and a mark, " by " and a word */
#define OWN_LINES 7             /* tenant, name, password, unlocked, removed, certificate, state */
#define REST_MAX 64             /* "... 1154 more, a word" */

struct line {
	char text[LINE_MAX_BYTES];
};

struct lines {
	struct line *line;
	size_t n;
};

static void lines_free(struct lines *l)
{
	free(l->line);
}

const char *delta_mark(const struct patients *p, struct span text, char out[PATIENT_WORD])
{
	uint8_t hash[SHA256_BYTES];

	SHA256(hash, text);
	return patient_word(p, span(hash, sizeof(hash)), out);
}

/* ---- what an account holds, a line for each -------------------------------------------------------------------------- */

static struct put begin(struct lines *l)
{
	return put(l->line[l->n].text, LINE_MAX_BYTES - 1);
}

static void end(struct lines *l, struct put *b)
{
	must(put_end(b) == OK);
	l->line[l->n++].text[b->n] = '\0';
}

static void put_time(struct put *b, const char *before, int64_t us)
{
	time_t s = (time_t)(us / 1000000);
	char text[32];
	struct tm tm;

	if (gmtime_r(&s, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		put_fmt(b, "%s%s", before, text);
}

static void put_terms(struct put *b, const struct grant *g, const struct patients *p)
{
	char mark[PATIENT_WORD];

	if (!g)
		return;
	if (g->until_us)
		put_time(b, " until ", g->until_us);
	if (g->reason.n)
		put_fmt(b, " reason %s", delta_mark(p, g->reason, mark));
	if (g->by.n)
		put_fmt(b, " by %.*s", SPAN_FMT(g->by));
}

static void put_own(struct lines *l, const struct account *a, const struct patients *p)
{
	static const uint8_t none[sizeof(a->certificate)];
	struct put b = begin(l);
	char mark[PATIENT_WORD], hex[2 * sizeof(none) + 1];

	put_fmt(&b, "tenant %.*s", SPAN_FMT(a->subject.tenant));
	end(l, &b);
	if (a->name.n) {
		b = begin(l);
		put_fmt(&b, "name %s", delta_mark(p, a->name, mark));
		end(l, &b);
	}
	if (a->unlocked_us) {
		b = begin(l);
		put_time(&b, "unlocked ", a->unlocked_us);
		end(l, &b);
	}
	if (a->removed_us) {
		b = begin(l);
		put_time(&b, "certificates from ", a->removed_us);
		end(l, &b);
	}
	if (memcmp(a->certificate, none, sizeof(none)) != 0) {
		b = begin(l);
		hex_encode(span(a->certificate, sizeof(a->certificate)), hex);
		put_fmt(&b, "certificate %s", hex);
		end(l, &b);
	}
	b = begin(l);
	put_fmt(&b, "state %s", account_state_name(a->state));
	if (a->state == ACCOUNT_SUSPENDED && a->suspended_from == ACCOUNT_QUARANTINED)
		put_str(&b, ", then quarantined");
	put_terms(&b, &a->state_since, p);
	end(l, &b);
}

static void put_held(struct lines *l, const struct account *a, const struct patients *p)
{
	const struct subject *s = &a->subject;
	char word[PATIENT_WORD];

	for (size_t i = 0; i < s->roles; i++) {
		struct put b = begin(l);

		put_fmt(&b, "role %.*s", SPAN_FMT(s->role[i]));
		put_terms(&b, a->role_grant ? &a->role_grant[i] : NULL, p);
		end(l, &b);
	}
	for (size_t i = 0; i < s->attributes; i++) {
		const struct attribute *at = &s->attribute[i];
		struct put b = begin(l);

		if (span_is(at->name, "patient"))
			put_fmt(&b, "patient=%s", patient_word(p, at->value, word));
		else
			put_fmt(&b, "%.*s=%.*s", SPAN_FMT(at->name), SPAN_FMT(at->value));
		put_terms(&b, a->attribute_grant ? &a->attribute_grant[i] : NULL, p);
		end(l, &b);
	}
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

static enum err lines_of(const struct account *a, const char *password, const struct patients *p, struct lines *l)
{
	struct put b;

	if (!a)
		return OK;
	l->line = calloc(OWN_LINES + a->subject.roles + a->subject.attributes, sizeof(*l->line));
	if (!l->line)
		return ERR_FULL;
	put_own(l, a, p);
	if (a->password[0]) {
		b = begin(l);
		put_str(&b, password);
		end(l, &b);
	}
	put_held(l, a, p);
	qsort(l->line, l->n, sizeof(*l->line), by_bytes);
	return OK;
}

/* ---- where they differ ----------------------------------------------------------------------------------------------- */

struct writer {
	struct put out;
	uint8_t chain[SHA256_BYTES];
	size_t cut;
};

static void write_line(struct writer *w, char sign, const char *text)
{
	const struct span line = span_str(text);

	SHA256(w->chain, span(w->chain, sizeof(w->chain)), span(&sign, 1), line);
	if (w->cut || w->out.n + line.n + 2 + REST_MAX > DELTA_MAX) {
		w->cut++;
		return;
	}
	put_fmt(&w->out, "%s%c%s", w->out.n ? "\n" : "", sign, text);
}

static void write_end(struct writer *w, struct delta *out)
{
	char word[PATIENT_WORD];

	if (w->cut)
		put_fmt(&w->out, "\n... %zu more, %s", w->cut, patient_word_of(w->chain, word));
	must(put_end(&w->out) == OK);
	out->n = w->out.n;
}

enum err delta_account(const struct account *before, const struct account *after, const struct patients *p,
		       struct delta *out)
{
	CLEANUP(lines_free) struct lines went = { NULL, 0 };
	CLEANUP(lines_free) struct lines came = { NULL, 0 };
	bool another = before && after && before->password[0] && strcmp(before->password, after->password) != 0;
	struct writer w = { .out = put(out->text, sizeof(out->text)) };

	TRY(lines_of(before, "password", p, &went));
	TRY(lines_of(after, another ? "password another" : "password", p, &came));
	for (size_t i = 0, k = 0; i < went.n || k < came.n;) {
		int order = i == went.n ? 1 : k == came.n ? -1 : by_bytes(&went.line[i], &came.line[k]);

		if (order < 0)
			write_line(&w, '-', went.line[i].text);
		else if (order > 0)
			write_line(&w, '+', came.line[k].text);
		i += order <= 0;
		k += order >= 0;
	}
	write_end(&w, out);
	return OK;
}

void delta_line(const char *before, const char *after, struct delta *out)
{
	struct writer w = { .out = put(out->text, sizeof(out->text)) };

	if (*before)
		write_line(&w, '-', before);
	if (*after)
		write_line(&w, '+', after);
	write_end(&w, out);
}

/* ---- readers --------------------------------------------------------------------------------------------------------- */

bool delta_next(struct span *text, struct span *line)
{
	if (!text->n)
		return false;
	*line = span_cut(*text, '\n', text);
	return true;
}
