#include "cosigned.h"


#include "cmd.h"
#include "install.h"

#define LIST_BYTES_MAX 32768

int cosigned_read(const char *path, bool must_be, struct cosigned_list *out)
{
	unsigned line = 0;
	size_t n = 0;
	enum err e = path ? install_read(path, LIST_BYTES_MAX, &out->text, &n) : ERR_NOT_FOUND;

	out->of.n = 0;
	if (e == ERR_NOT_FOUND && !must_be)
		return CMD_DONE;
	if (e == OK)
		e = witnesses_read(span(out->text, n), &out->of, &line);
	if (e == OK)
		return CMD_DONE;
	if (line)
		(void)report_fail(e, "read the list of witnesses %s, line %u", path, line);
	else
		(void)report_fail(e, "read the list of witnesses %s", path);
	install_say_denied(e, path);
	report_hint("each line is a witness's verifier key, name+hash+key, as in the file vkey of its folder; no name twice");
	return CMD_NO;
}

void cosigned_free(struct cosigned_list *l) { free_cleanup(&l->text); }

struct cosigned_quorum cosigned_quorum(const struct witnesses *w, const struct verify_cosigned *seen, size_t k)
{
	struct cosigned_quorum q = { .k = k ? k : witness_majority(w->n) };
	uint64_t size[WITNESSES_MAX];

	for (size_t i = 0; i < w->n; i++)
		size[i] = seen[i].size;
	q.size = witness_quorum_size(size, w->n, q.k);
	for (size_t i = 0; i < w->n; i++)
		if (q.size && size[i] == q.size)
			q.at_us = seen[i].at_us;
	return q;
}

bool cosigned_within(const struct cosigned_quorum *q, int64_t newest_us, int64_t grace_us)
{
	return q->size && newest_us - q->at_us <= grace_us;
}

static void say_quorum(const struct witnesses *w, const struct cosigned_quorum *q)
{
	char when[REPORT_TIME];

	if (!w->n)
		return;
	if (q->size)
		report_line(TONE_PLAIN, "  quorum       %zu of %zu vouch for %llu entries, signed %s", q->k, w->n, (unsigned long long)q->size,
			    report_date(q->at_us, when));
	else
		report_line(TONE_WARN, "  quorum       %zu of %zu vouch for nothing", q->k, w->n);
}

void cosigned_say(const struct witnesses *w, const struct verify_cosigned *seen, size_t k)
{
	const struct cosigned_quorum quorum = cosigned_quorum(w, seen, k);
	char when[REPORT_TIME];
	unsigned n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += seen[i].size > 0;
	if (w->n)
		report_line(n ? TONE_PLAIN : TONE_WARN, "  witnesses    %u of %zu cosigned", n, w->n);
	for (size_t i = 0; i < w->n; i++)
		if (seen[i].size)
			report_line(TONE_PLAIN, "    %.*s  %llu entries, at %s", SPAN_FMT(w->of[i].name),
				    (unsigned long long)seen[i].size, report_date((int64_t)seen[i].time_s * 1000000, when));
		else
			report_line(TONE_WARN, "    %.*s  never", SPAN_FMT(w->of[i].name));
	say_quorum(w, &quorum);
}

struct cell cosigned_names(const struct witnesses *w, const struct verify_cosigned *seen, struct span name[WITNESSES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		if (seen[i].size)
			name[n++] = w->of[i].name;
	return CELL_WORDS("witnesses", name, n);
}

struct cell cosigned_size(const struct witnesses *w, const struct verify_cosigned *seen)
{
	uint64_t most = 0;

	for (size_t i = 0; i < w->n; i++)
		if (seen[i].size > most)
			most = seen[i].size;
	return CELL_NUM("cosigned_size", most);
}
