#include "import.h"

#include <stdarg.h>

#include "cur.h"

/* ---- what is written and said ------------------------------------------------------------------------------------ */

const char *loss_name(enum loss l)
{
	static const char *const name[LOSSES] = { "same", "outside", "narrower" };

	return name[l];
}

void import_note(struct import *im, uint32_t line, enum loss l, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	im->notes[l]++;
	im->say(im->ctx, line, l, text);
}

void import_head(struct import *im, const char *from)
{
	fprintf(im->policy, "# Imported from %s. Look at it with: pullcord policy check\n\ntenant %.*s\n", from,
		SPAN_FMT(im->tenant));
}

void import_role(struct import *im, struct span name)
{
	im->role = name;
}

bool import_role_end(struct import *im)
{
	bool written = im->role.n == 0;

	im->role = span(NULL, 0);
	return written;
}

void import_rule(struct import *im, const char *effect, const char *access, const char *pattern)
{
	if (im->role.n) {
		fprintf(im->policy, "\nrole %.*s\n", SPAN_FMT(im->role));
		im->role = span(NULL, 0);
		im->roles++;
	}
	fprintf(im->policy, "  %-5s %-10s %s\n", effect, access, pattern);
	im->rules++;
}

void import_subject(struct import *im, struct span id, const struct span *role, size_t roles, bool suspended)
{
	const struct subject s = {
		.party = PULLCORD__V1__PARTY__PARTY_USER, .tenant = im->tenant, .id = id, .role = role, .roles = roles,
		.suspended = suspended,
	};

	im->subjects++;
	im->subject(im->ctx, &s);
}

/* ---- filters ----------------------------------------------------------------------------------------------------- */

const char *fit_reason(enum fit fit)
{
	static const char *const reason[] = {
		[FIT_SAME] = "it fits",
		[FIT_DOLLAR] = "topics that begin with '$' are denied to everybody here",
		[FIT_TENANT] = "it lies outside the tenant, where everything is denied",
		[FIT_NEVER] = ("no topic here can match it: at most 12 levels and 200 bytes, each level 1 to 64 of "
			       "A-Z a-z 0-9 . _ : -"),
	};

	return reason[fit];
}

static bool has_percent(struct span s)
{
	return s.n > 1 && (memmem(s.p, s.n, "%u", 2) || memmem(s.p, s.n, "%c", 2));
}

/* What is left of a level without its %u and %c must be of our letters, or nothing can match it. */
static bool part_ok(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 1 < s.n && (s.p[i + 1] == 'u' || s.p[i + 1] == 'c'))
			i++;
		else if (!word_ok(span(s.p + i, 1)))
			return false;
	}
	return true;
}

static bool fit_level(struct span text, bool last, bool percent, enum piece *out)
{
	if (span_is(text, "+") || (span_is(text, "#") && last))
		*out = text.p[0] == '+' ? PIECE_PLUS : PIECE_HASH;
	else if (percent && (span_is(text, "%u") || span_is(text, "%c")))
		*out = text.p[1] == 'u' ? PIECE_USER : PIECE_CLIENT;
	else if (percent && has_percent(text) && part_ok(text))
		*out = PIECE_PART;
	else if (word_ok(text))
		*out = PIECE_WORD;
	else
		return false;
	return true;
}

static void add(struct fitted *f, enum piece piece, struct span text)
{
	f->level[f->n].piece = piece;
	f->level[f->n++].text = text;
	f->user |= piece == PIECE_USER;
	f->client |= piece == PIECE_CLIENT;
	f->part |= piece == PIECE_PART;
}

/* Ours begins with the tenant, whatever theirs lets match it. False: theirs cannot. */
static bool fit_first(struct span tenant, enum piece piece, struct span text, struct fitted *f)
{
	add(f, PIECE_WORD, tenant);
	f->cut = piece == PIECE_PLUS || piece == PIECE_HASH;
	f->part = piece == PIECE_USER || piece == PIECE_CLIENT || piece == PIECE_PART;
	if (piece == PIECE_HASH)
		add(f, PIECE_HASH, text);
	return piece != PIECE_WORD || span_eq(text, tenant);
}

/* A '#' behind twelve levels can only stand for none. */
enum fit fit_filter(struct span tenant, struct span filter, bool percent, struct fitted *out)
{
	struct span rest = filter, level;
	struct fitted f = { 0 };
	enum piece piece;
	bool outside = false;

	if (filter.n && filter.p[0] == '$')
		return FIT_DOLLAR;
	do {
		level = span_cut(rest, '/', &rest);
		if (!fit_level(level, !rest.p, percent, &piece))
			return FIT_NEVER;
		if (f.n == TOPIC_LEVELS_MAX && piece == PIECE_HASH)
			break;
		if (f.n == TOPIC_LEVELS_MAX)
			return FIT_NEVER;
		if (f.n == 0)
			outside = !fit_first(tenant, piece, level, &f);
		else
			add(&f, piece, level);
	} while (rest.p);
	*out = f;
	return outside ? FIT_TENANT : FIT_SAME;
}

static void put_level(struct put *b, const struct fitted *f, uint32_t i, const char *user, const char *client)
{
	if (i)
		put_str(b, "/");
	switch (f->level[i].piece) {
	case PIECE_USER:
		put_str(b, user);
		break;
	case PIECE_CLIENT:
		put_str(b, client);
		break;
	case PIECE_PART:
		put_str(b, "+");
		break;
	default:
		put_bytes(b, f->level[i].text);
	}
}

static bool fit_levels(const struct fitted *f, uint32_t n, const char *user, const char *client, char *out)
{
	struct put b = put(out, FIT_TEXT_MAX - 1);

	for (uint32_t i = 0; i < n; i++)
		put_level(&b, f, i, user, client);
	out[b.n] = '\0';
	return put_end(&b) == OK;
}

/* When "x/#" is too long and "x" is not, so is everything below "x". */
enum fit fit_text(const struct fitted *f, const char *user, const char *client, char out[FIT_TEXT_MAX])
{
	if (fit_levels(f, f->n, user, client, out) ||
	    (f->level[f->n - 1].piece == PIECE_HASH && fit_levels(f, f->n - 1, user, client, out)))
		return FIT_SAME;
	return FIT_NEVER;
}
