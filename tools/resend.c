#include "resend.h"

#define HEAD "pullcord feed 1"

int64_t resend_lost_ms(int64_t hold_ms)
{
	return hold_ms < 2 * RESEND_LOST_MS_MAX ? hold_ms / 2 : RESEND_LOST_MS_MAX;
}

void resend_init(struct resend *r, int64_t hold_ms, uint64_t safe)
{
	*r = (struct resend){ .hold_ms = hold_ms, .safe = safe };
}

static void drop_first(struct resend *r)
{
	memmove(&r->mark[0], &r->mark[1], (r->marks - 1) * sizeof(r->mark[0]));
	r->marks--;
}

void resend_sent(struct resend *r, uint64_t next, int64_t now_ms)
{
	/* A full table lets its newest mark wait: coarser, never too early. */
	int64_t apart = r->hold_ms / (RESEND_MARKS - 1) + 1;

	if (r->marks == 0 || now_ms - r->mark[r->marks - 1].at_ms >= apart) {
		must(r->marks < RESEND_MARKS);
		r->mark[r->marks].at_ms = now_ms;
		r->mark[r->marks++].next = next;
	}
	while (r->marks && now_ms - r->mark[0].at_ms >= r->hold_ms) {
		if (r->mark[0].next > r->safe)
			r->safe = r->mark[0].next;
		drop_first(r);
	}
}

uint64_t resend_broken(struct resend *r)
{
	r->marks = 0;
	return r->safe;
}

/* ---- the file ---- */

static bool line_of(struct span *text, const char *key, struct span *value)
{
	struct span line = span_cut(*text, '\n', text), word = span_cut(line, ' ', value);

	return span_is(word, key) && value->n;
}

enum err resend_read(struct span text, struct resend_file *out)
{
	struct resend_file f;
	struct span head, safe;

	head = span_cut(text, '\n', &text);
	if (!span_is(head, HEAD))
		return ERR_VERSION;
	if (!line_of(&text, "origin", &f.origin) || !line_of(&text, "to", &f.to) || !line_of(&text, "safe", &safe) ||
	    !span_u64(safe, UINT64_MAX, &f.safe) || text.n)
		return ERR_SYNTAX;
	*out = f;
	return OK;
}

void resend_write(const struct resend_file *f, struct put *out)
{
	put_fmt(out, HEAD "\norigin %.*s\nto %.*s\nsafe %llu\n", SPAN_FMT(f->origin), SPAN_FMT(f->to),
		(unsigned long long)f->safe);
}
