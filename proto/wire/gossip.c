#include "gossip.h"

#include <string.h>

void gossip_init(struct gossip *g, const struct witnesses *peers, const struct cosigner *log, const uint8_t self[SIGN_KEY_BYTES])
{
	g->log = *log;
	g->n = 0;
	for (size_t i = 0; i < peers->n; i++)
		if (memcmp(peers->of[i].pub, self, SIGN_KEY_BYTES) != 0)
			g->of[g->n++] = (struct gossip_peer){ .key = peers->of[i] };
}

void gossip_carry(struct gossip *g, const struct gossip *was)
{
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; k < was->n; k++) {
			const struct cosigner key = g->of[i].key;

			if (!span_eq(key.name, was->of[k].key.name) || memcmp(key.pub, was->of[k].key.pub, SIGN_KEY_BYTES) != 0)
				continue;
			g->of[i] = was->of[k];
			g->of[i].key = key;     /* its name borrows from the list of now */
		}
}

/* ---- saying ---- */

/* Is that line the log's, under that text? Whatever else stands there is somebody else's to say. */
static bool is_of_log(struct span text, struct span line, const struct cosigner *log)
{
	uint8_t raw[GOSSIP_NOTE_MAX];
	struct put note = put(raw, sizeof(raw));
	struct checkpoint c;

	put_bytes(&note, text);
	put_str(&note, "\n");
	put_bytes(&note, line);
	return !note.bad && note_open(put_span(&note), log->name, log->pub, &c) == OK;
}

/* Of a note its text and the log's line. */
static enum err put_bare(struct span note, const struct cosigner *log, struct put *out)
{
	struct span text, rest;

	TRY(note_split(note, &text, &rest));
	while (rest.n) {
		struct span from = rest;

		(void)span_cut(from, '\n', &rest);
		from.n -= rest.n;
		if (!is_of_log(text, from, log))
			continue;
		put_bytes(out, text);
		put_str(out, "\n");
		put_bytes(out, from);
		return put_end(out);
	}
	return ERR_SYNTAX;              /* the log did not sign it */
}

enum err gossip_write(struct span note, const struct cosigner *log, struct span line, struct put *out)
{
	TRY(put_bare(note, log, out));
	put_bytes(out, line);
	return put_end(out);
}

#define EVIDENCE_TITLE "pullcord/evidence/v1\n"

enum err gossip_write_evidence(struct span had, struct span got, const struct cosigner *log, struct span self,
			       const uint8_t secret[SIGN_KEY_BYTES], struct put *out)
{
	uint8_t had_raw[GOSSIP_NOTE_MAX], got_raw[GOSSIP_NOTE_MAX];
	struct put bare_had = put(had_raw, sizeof(had_raw)), bare_got = put(got_raw, sizeof(got_raw));
	const size_t start = out->n;
	struct witness_request r;
	size_t end;

	TRY(witness_read(got, &r));
	TRY(put_bare(had, log, &bare_had));
	TRY(put_bare(r.note, log, &bare_got));
	r.note = put_span(&bare_got);
	put_fmt(out, EVIDENCE_TITLE "had %zu\n", bare_had.n);
	put_bytes(out, put_span(&bare_had));
	TRY(witness_write(&r, out));
	end = out->n;
	put_str(out, "\n");
	TRY(put_end(out));
	return note_sign(span(out->p + start, end - start), self, secret, out);
}

/* ---- hearing ---- */

static struct gossip_peer *peer_of(struct gossip *g, struct span note, uint64_t *when)
{
	for (size_t i = 0; i < g->n; i++)
		if (note_cosigned(note, &g->of[i].key, when) == OK)
			return &g->of[i];
	return NULL;
}

enum gossip_word gossip_hear(struct gossip *g, struct span note, uint64_t time_s)
{
	struct gossip_peer *p;
	struct checkpoint c;
	uint64_t when;

	if (note.n > GOSSIP_NOTE_MAX)
		return GOSSIP_STRANGE;
	p = peer_of(g, note, &when);
	if (!p || note_open(note, g->log.name, g->log.pub, &c) != OK || !c.size)
		return GOSSIP_STRANGE;
	if (when <= p->time_s)
		return GOSSIP_REPEATED;
	p->said = (struct witnessed){ c.size, c.root };
	p->fresh = when + GOSSIP_FRESH_S >= time_s && when <= time_s + GOSSIP_FRESH_S;
	if (p->fresh)                   /* a clock that is far ahead must not make what comes later old */
		p->time_s = when;
	p->checked = p->tried = false;
	memcpy(p->note, note.p, note.n);
	p->note_n = note.n;
	return GOSSIP_NEWS;
}

/* ---- hearing evidence ---- */

bool gossip_is_evidence(struct span message)
{
	return message.n >= strlen(EVIDENCE_TITLE) && memcmp(message.p, EVIDENCE_TITLE, strlen(EVIDENCE_TITLE)) == 0;
}

/* Whose it is, and its text, as that witness signed it. */
static struct gossip_peer *signer_of(struct gossip *g, struct span message, struct span *text)
{
	if (message.n > GOSSIP_BYTES_MAX || !gossip_is_evidence(message))
		return NULL;
	for (size_t i = 0; i < g->n; i++)
		if (note_verify(message, g->of[i].key.name, g->of[i].key.pub, text) == OK)
			return &g->of[i];
	return NULL;
}

static enum err split_evidence(struct span text, struct gossip_evidence *out)
{
	struct span rest, n;
	uint64_t bytes;

	(void)span_cut(text, '\n', &rest);
	if (!span_is(span_cut(span_cut(rest, '\n', &rest), ' ', &n), "had") || !span_u64(n, GOSSIP_NOTE_MAX, &bytes) || bytes > rest.n)
		return ERR_SYNTAX;
	*out = (struct gossip_evidence){ span(rest.p, bytes), span(rest.p + bytes, rest.n - bytes) };
	return OK;
}

static bool is_same(const struct witnessed *a, const struct witnessed *b)
{
	return a->size == b->size && memcmp(a->root.b, b->root.b, SHA256_BYTES) == 0;
}

/* It vouches for nothing any more: first the one, then the other takes the place of its word. */
static void take_shown(struct gossip_peer *p, const struct witnessed tree[2], const struct span note[2])
{
	unsigned which = 0;

	if (is_same(&p->said, &tree[1]))
		return;
	if (is_same(&p->said, &tree[0])) {
		if (!p->checked)
			return;
		which = 1;
	}
	p->said = tree[which];
	p->checked = p->fresh = p->tried = false;
	memcpy(p->note, note[which].p, note[which].n);
	p->note_n = note[which].n;
}

enum witness_kind gossip_hear_evidence(struct gossip *g, struct span message, struct gossip_evidence *out)
{
	struct span text;
	struct gossip_peer *p = signer_of(g, message, &text);
	struct witness_request r;
	struct checkpoint had, got;
	enum witness_kind kind;

	if (!p || split_evidence(text, out) != OK || witness_read(out->got, &r) != OK || r.note.n > GOSSIP_NOTE_MAX)
		return WITNESS_MALFORMED;
	if (note_open(out->had, g->log.name, g->log.pub, &had) != OK || !had.size)
		return WITNESS_BAD_SIGNATURE;
	kind = witness_judge(&(struct witnessed){ had.size, had.root }, &g->log, &r, false, &got);
	if (kind == WITNESS_UNKNOWN_ORIGIN || kind == WITNESS_BAD_SIGNATURE || kind == WITNESS_MALFORMED || kind == WITNESS_FORK)
		return kind;
	take_shown(p, (const struct witnessed[]){ { had.size, had.root }, { got.size, got.root } },
		   (const struct span[]){ out->had, r.note });
	return kind;
}

/* ---- comparing ---- */

static void settle(struct gossip_peer *p, int64_t now_ms)
{
	p->checked = true;
	if (p->fresh)
		p->heard_ms = now_ms;
}

const struct gossip_peer *gossip_compare(struct gossip *g, const struct witnessed *own, int64_t now_ms)
{
	for (size_t i = 0; i < g->n; i++) {
		struct gossip_peer *p = &g->of[i];

		p->tried = false;
		if (p->checked || !own->size || p->said.size != own->size)
			continue;
		if (!is_same(&p->said, own))
			return p;
		settle(p, now_ms);
	}
	return NULL;
}

static bool is_open(const struct gossip_peer *p, const struct witnessed *own)
{
	return !p->checked && !p->tried && p->said.size && p->said.size < own->size;
}

uint64_t gossip_wants(const struct gossip *g, const struct witnessed *own)
{
	for (size_t i = 0; i < g->n; i++)
		if (is_open(&g->of[i], own))
			return g->of[i].said.size;
	return 0;
}

/* The log's word against a peer's: the proof is to lead from the peer's tree to ours. */
static enum witness_kind prove(const struct gossip *g, const struct gossip_peer *p, const struct witnessed *own,
			       const struct witness_request *r, const struct gossip_peer **against)
{
	struct checkpoint c;
	enum witness_kind kind = witness_judge(&p->said, &g->log, r, false, &c);

	*against = witness_contradicts(kind, true) ? p : NULL;
	if (kind != WITNESS_ACCEPTED)
		return kind;
	if (c.size != own->size)
		return WITNESS_TOO_OLD;         /* of another moment than ours: it says nothing of our tree */
	return is_same(&(struct witnessed){ c.size, c.root }, own) ? kind : WITNESS_FORK;
}

enum witness_kind gossip_prove(struct gossip *g, const struct witnessed *own, struct span body, int64_t now_ms,
			       const struct gossip_peer **against)
{
	enum witness_kind kind = WITNESS_MALFORMED;
	struct witness_request r;

	*against = NULL;
	if (witness_read(body, &r) != OK)
		return kind;
	for (size_t i = 0; i < g->n; i++) {
		struct gossip_peer *p = &g->of[i];

		if (!is_open(p, own) || p->said.size != r.old)
			continue;
		kind = prove(g, p, own, &r, against);
		if (witness_contradicts(kind, true))
			return kind;
		p->tried = true;
		if (kind == WITNESS_ACCEPTED)
			settle(p, now_ms);
	}
	return kind;
}

/* ---- silence ---- */

/* A majority of n + 1 with ourselves takes (n + 1) / 2 others. */
int64_t gossip_heard_ms(const struct gossip *g)
{
	size_t need = (g->n + 1) / 2;

	if (!g->n)
		return INT64_MAX;
	for (size_t i = 0; i < g->n; i++) {
		size_t not_before = 0;

		for (size_t k = 0; k < g->n; k++)
			not_before += g->of[k].heard_ms > g->of[i].heard_ms || (g->of[k].heard_ms == g->of[i].heard_ms && k <= i);
		if (not_before == need)
			return g->of[i].heard_ms;
	}
	return 0;
}
