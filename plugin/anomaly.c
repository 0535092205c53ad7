#include "anomaly.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_US INT64_C(1000000)
#define LASTS_US (60 * SECOND_US)       /* a stop so long is told, if those before were less than half as long */

/* One subject that is watched. */
struct row {
	enum anomaly_kind kind;
	Pullcord__V1__Party party;
	char subject[WORD_BYTES_MAX + 1];
	uint64_t n, all;                /* since from_us; since first_us: what came while it was told already, too */
	int64_t from_us, first_us, seen_us, told_us;
	bool told, due;                 /* ever; a finding is to be taken */
};

/* Times that the record stopped, none of them `again` after the one before. */
struct spell {
	unsigned times, told;           /* so many; as many as were told */
	unsigned tellings;
	int64_t first_us, gone_us;      /* the first began; the last was over */
	int64_t longest_us;             /* of those that are over */
};

/* What is so or not so. */
struct state {
	unsigned now, told;             /* level; the worst that was told and is not over */
	unsigned worst;                 /* told since told_us */
	int64_t told_us, since_us, fine_us;
	bool ever, carried;             /* carried: an earlier run told it */
	struct spell spell;
};

/* One witness of several. */
struct missed {
	char name[WORD_BYTES_MAX + 1];  /* "": free */
	struct state state;
	int64_t named_us;
	bool quiet;                     /* its beginning was for the record alone; so is its end */
};

/* How many of a kind were told since when. */
struct told {
	int64_t from_us;
	uint32_t n;
	uint64_t others, events;        /* findings that were not; what they stand for */
	int64_t first_us;
};

struct anomaly {
	struct anomaly_limits limit;
	uint32_t tag[ANOMALY_ROWS];     /* 0: free; apart, because they are looked through for each event */
	struct row row[ANOMALY_ROWS];
	struct state state[ANOMALIES];
	struct missed missed[ANOMALY_WITNESSES];
	unsigned quorum;
	struct told told[ANOMALIES];
	bool has_offset;
	int64_t offset_us, jump_us;
	enum err why;                   /* the record could not be written last */
	uint64_t gaps;                  /* of the record, as known */
	unsigned due;                   /* rows */
};

#define ANOMALY(name, level, word, what) [ANOMALY_##name] = { PULLCORD__V1__PRIORITY__PRIORITY_##level, word },
static const struct { Pullcord__V1__Priority priority; const char *code; } kinds[] = {
#include "anomaly.def"
};

const char *anomaly_code(enum anomaly_kind k) { return kinds[k].code; }

/* ---- settings ---- */

#define SETTING(word, low, high, def, unit, what) { #word, low, high, offsetof(struct anomaly_limits, word) },
static const struct { const char *name; uint32_t min, max; size_t at; } settings[] = {
#include "anomaly.def"
};

struct anomaly_limits anomaly_defaults(void)
{
	return (struct anomaly_limits){
#define SETTING(name, min, max, def, unit, text) .name = def,
#include "anomaly.def"
	};
}

enum err anomaly_set(struct anomaly_limits *l, struct span name, struct span value, char right[ANOMALY_TEXT])
{
	const struct span prefix = SPAN_LIT("anomaly_");
	uint64_t n;

	if (name.n <= prefix.n || memcmp(name.p, prefix.p, prefix.n) != 0)
		return ERR_NOT_FOUND;
	name = span(name.p + prefix.n, name.n - prefix.n);
	for (size_t i = 0; i < countof(settings); i++) {
		if (!span_is(name, settings[i].name))
			continue;
		snprintf(right, ANOMALY_TEXT, "a whole number from %" PRIu32 " to %" PRIu32, settings[i].min, settings[i].max);
		if (!span_u64(value, settings[i].max, &n) || n < settings[i].min)
			return ERR_RANGE;
		memcpy((char *)l + settings[i].at, &(uint32_t){ (uint32_t)n }, sizeof(uint32_t));
		return OK;
	}
	return ERR_NOT_FOUND;
}

enum err anomaly_open(const struct anomaly_limits *l, struct anomaly **out)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return ERR_FULL;
	(*out)->limit = *l;
	return OK;
}

void anomaly_close(struct anomaly **a)
{
	free_cleanup(a);
}

static int64_t again_us(const struct anomaly *a) { return a->limit.again * SECOND_US; }
static int64_t within_us(const struct anomaly *a, enum anomaly_kind k)
{
	return k == ANOMALY_GUESSING || k == ANOMALY_OUTSIDE ? a->limit.within * SECOND_US : again_us(a);
}

static bool holds_record(enum anomaly_kind k)
{
	return k == ANOMALY_RECORD_FAILED || k == ANOMALY_RECORD_STUCK || k == ANOMALY_RECORD_FULL;
}

bool anomaly_is_of_record(enum anomaly_kind k) { return k == ANOMALY_DISK || holds_record(k); }

/* Each use of emergency access is told, not the first in a while. */
static bool is_each(enum anomaly_kind k) { return k == ANOMALY_BREAK_GLASS; }

/* The record stops for want of room: that is told also when less was told within the hour. */
static bool is_grave(enum anomaly_kind k, unsigned level) { return k == ANOMALY_DISK && level > 2; }
static bool is_stop(enum anomaly_kind k, unsigned level) { return (holds_record(k) && level) || is_grave(k, level); }

/* After n times in a row: four times as long each time, up to `again`. */
static int64_t grown_us(const struct anomaly *a, unsigned n)
{
	int64_t us = a->limit.calm ? a->limit.calm * SECOND_US : SECOND_US;

	for (; n > 0 && us < again_us(a); n--)
		us *= 4;
	return us < again_us(a) ? us : again_us(a);
}

/* How long it must have been fine before that is said. */
static int64_t calm_us(const struct anomaly *a, enum anomaly_kind k, const struct state *s)
{
	if (s->spell.times > 1)
		return grown_us(a, s->spell.times - 1);
	return holds_record(k) ? a->limit.calm * SECOND_US : 0;
}

/* ---- rows ---- */

/* FNV-1a; what collides is compared. */
static uint32_t tag_of(enum anomaly_kind k, Pullcord__V1__Party party, struct span subject)
{
	uint32_t h = 2166136261u ^ (uint32_t)k ^ (uint32_t)party << 8;

	for (size_t i = 0; i < subject.n; i++)
		h = (h ^ subject.p[i]) * 16777619u;
	return h ? h : 1;
}

static bool in_force(const struct anomaly *a, const struct row *r, int64_t now_us)
{
	return r->told && !is_each(r->kind) && now_us - r->told_us < again_us(a);
}

/* Who is least missed: nothing counts any more, then few events, then long ago. */
static bool yields(const struct anomaly *a, const struct row *r, const struct row *to, int64_t now_us)
{
	bool idle = now_us - r->seen_us > within_us(a, r->kind), to_idle = now_us - to->seen_us > within_us(a, to->kind);

	if (in_force(a, r, now_us) != in_force(a, to, now_us))
		return !in_force(a, r, now_us);
	if (idle != to_idle)
		return idle;
	return r->n != to->n ? r->n < to->n : r->seen_us < to->seen_us;
}

/* NULL: every row has a finding that is yet to be taken. */
static struct row *make_room(struct anomaly *a, int64_t now_us)
{
	struct row *least = NULL;

	for (size_t i = 0; i < ANOMALY_ROWS; i++) {
		struct row *r = &a->row[i];

		if (!a->tag[i])
			return r;
		if (!r->due && (!least || yields(a, r, least, now_us)))
			least = r;
	}
	return least;
}

static struct row *row_of(struct anomaly *a, enum anomaly_kind k, Pullcord__V1__Party party, struct span subject,
			  int64_t now_us)
{
	uint32_t tag = tag_of(k, party, subject);
	struct row *r;

	for (size_t i = 0; i < ANOMALY_ROWS; i++) {
		r = &a->row[i];
		if (a->tag[i] == tag && r->kind == k && r->party == party && span_is(subject, r->subject))
			return r;
	}
	r = make_room(a, now_us);
	if (!r)
		return NULL;
	*r = (struct row){ .kind = k, .party = party, .from_us = now_us, .first_us = now_us };
	must(span_text(subject, r->subject, sizeof(r->subject)));
	a->tag[r - a->row] = tag;
	return r;
}

static struct span cut(struct span s)
{
	return span(s.p, s.n < WORD_BYTES_MAX ? s.n : WORD_BYTES_MAX);
}

/* True: as many as are too many, just now or before. */
static bool count(struct anomaly *a, enum anomaly_kind k, Pullcord__V1__Party party, struct span subject, uint64_t n,
		  uint64_t limit, int64_t now_us)
{
	struct row *r = limit && subject.n ? row_of(a, k, party, cut(subject), now_us) : NULL;

	if (!r)
		return false;
	if (now_us - r->from_us > within_us(a, k)) {
		r->n = 0;
		r->all = in_force(a, r, now_us) ? r->all : 0;
		r->from_us = now_us;
	}
	if (r->all == 0)
		r->first_us = now_us;
	r->n += n;
	r->all += n;
	r->seen_us = now_us;
	if (r->n >= limit && !r->due && !in_force(a, r, now_us)) {
		r->due = true;
		a->due++;
	}
	return r->n >= limit || in_force(a, r, now_us);
}

/* ---- events ---- */

void anomaly_guess(struct anomaly *a, struct span address, struct span name, int64_t now_us)
{
	/* One attacker is one finding: a name counts what comes from where nothing was found yet, and all together what is found
	 * by neither. */
	if (!count(a, ANOMALY_GUESSING, PULLCORD__V1__PARTY__PARTY_NONE, address, 1, a->limit.guesses, now_us) &&
	    !count(a, ANOMALY_GUESSING, PULLCORD__V1__PARTY__PARTY_USER, name, 1, a->limit.guesses, now_us))
		(void)count(a, ANOMALY_GUESSING, PULLCORD__V1__PARTY__PARTY_BROKER, SPAN_LIT("many addresses"), 1,
			    (uint64_t)a->limit.guesses * ANOMALY_MANY, now_us);
}

uint32_t anomaly_volume_limit(const struct anomaly *a, Pullcord__V1__Party party)
{
	uint32_t limit = party == PULLCORD__V1__PARTY__PARTY_USER ? a->limit.person
		       : party == PULLCORD__V1__PARTY__PARTY_DEVICE ? a->limit.device : 0;

	return limit ? limit : UINT32_MAX;
}

void anomaly_volume(struct anomaly *a, Pullcord__V1__Party party, struct span id, uint64_t n, int64_t now_us)
{
	if (n >= anomaly_volume_limit(a, party))
		(void)count(a, ANOMALY_VOLUME, party, id, n, 1, now_us);
}

void anomaly_outside(struct anomaly *a, struct span user, int64_t now_us)
{
	(void)count(a, ANOMALY_OUTSIDE, PULLCORD__V1__PARTY__PARTY_USER, user, 1, a->limit.outside, now_us);
}

void anomaly_break_glass(struct anomaly *a, struct span user, int64_t now_us)
{
	(void)count(a, ANOMALY_BREAK_GLASS, PULLCORD__V1__PARTY__PARTY_USER, user, 1, 1, now_us);
}

void anomaly_policy(struct anomaly *a, struct span user, int64_t now_us)
{
	(void)count(a, ANOMALY_POLICY, user.n ? PULLCORD__V1__PARTY__PARTY_USER : PULLCORD__V1__PARTY__PARTY_BROKER,
		    user.n ? user : SPAN_LIT("the policy's file"), 1, 1, now_us);
}

void anomaly_damaged(struct anomaly *a, struct span store, int64_t now_us)
{
	(void)count(a, ANOMALY_DAMAGED, PULLCORD__V1__PARTY__PARTY_BROKER, store, 1, 1, now_us);
}

void anomaly_old_policy(struct anomaly *a, int64_t now_us)
{
	(void)count(a, ANOMALY_OLD_POLICY, PULLCORD__V1__PARTY__PARTY_BROKER, SPAN_LIT("the policy's file"), 1, 1, now_us);
}

void anomaly_clock(struct anomaly *a, int64_t offset_us, int64_t now_us)
{
	int64_t jump = offset_us - a->offset_us;

	if (a->has_offset && llabs(jump) > a->limit.clock * SECOND_US) {
		a->jump_us = jump;
		(void)count(a, ANOMALY_CLOCK, PULLCORD__V1__PARTY__PARTY_BROKER, SPAN_LIT("clock"), 1, 1, now_us);
	}
	a->offset_us = offset_us;
	a->has_offset = true;
}

static void stops(const struct anomaly *a, struct state *s, int64_t now_us)
{
	struct spell *p = &s->spell;

	if (p->times && now_us - p->gone_us < a->limit.calm * SECOND_US)
		return;                 /* it was hardly gone */
	if (!s->told && now_us - p->gone_us >= again_us(a))
		*p = (struct spell){ 0 };
	if (p->times++ == 0)
		p->first_us = now_us;
}

static void goes_on(struct state *s, int64_t now_us)
{
	int64_t us = now_us - s->since_us;

	s->spell.gone_us = now_us;
	s->spell.longest_us = us > s->spell.longest_us ? us : s->spell.longest_us;
}

static void set_state(const struct anomaly *a, enum anomaly_kind k, struct state *s, unsigned level, int64_t now_us)
{
	if (is_stop(k, level) && !is_stop(k, s->now))
		stops(a, s, now_us);
	if (!is_stop(k, level) && is_stop(k, s->now))
		goes_on(s, now_us);
	if (level && !s->now)
		s->since_us = now_us;
	if (!level && s->now)
		s->fine_us = now_us;
	s->carried = s->carried && level;
	s->now = level;
}

/* For too long; or not yet again, but it was told before the start, and nothing has come since. */
static bool is_silent(const struct anomaly *a, const struct state *s, int64_t age_us, int64_t now_us)
{
	return age_us > a->limit.witness * SECOND_US || (s->carried && age_us >= 0 && age_us >= now_us - s->since_us);
}

void anomaly_witness(struct anomaly *a, int64_t age_us, int64_t now_us)
{
	struct state *s = &a->state[ANOMALY_WITNESS];

	set_state(a, ANOMALY_WITNESS, s, is_silent(a, s, age_us, now_us), now_us);
}

void anomaly_quorum(struct anomaly *a, unsigned quorum, int64_t age_us, int64_t now_us)
{
	struct state *s = &a->state[ANOMALY_QUORUM];

	a->quorum = quorum;
	if (!a->state[ANOMALY_WITNESS].now)     /* it is not reached either, and no news */
		set_state(a, ANOMALY_QUORUM, s, is_silent(a, s, age_us, now_us), now_us);
}

static struct missed *missed_of(struct anomaly *a, struct span name)
{
	struct missed *free_one = NULL;

	for (size_t i = 0; i < ANOMALY_WITNESSES; i++) {
		if (a->missed[i].name[0] && span_is(name, a->missed[i].name))
			return &a->missed[i];
		if (!a->missed[i].name[0] && !free_one)
			free_one = &a->missed[i];
	}
	return free_one;
}

void anomaly_witness_named(struct anomaly *a, struct span name, int64_t age_us, int64_t now_us)
{
	struct missed *m = missed_of(a, cut(name));

	if (!m || !name.n)
		return;
	if (!m->name[0])
		must(span_text(cut(name), m->name, sizeof(m->name)));
	m->named_us = now_us;
	if (!a->state[ANOMALY_WITNESS].now)     /* all of them are silent: that is told, not each */
		set_state(a, ANOMALY_WITNESS, &m->state, is_silent(a, &m->state, age_us, now_us), now_us);
}

void anomaly_disk(struct anomaly *a, unsigned level, int64_t now_us)
{
	set_state(a, ANOMALY_DISK, &a->state[ANOMALY_DISK], level, now_us);
}

void anomaly_record(struct anomaly *a, const struct anomaly_record *now, int64_t now_us)
{
	bool failed = now->why != OK;

	if (failed)
		a->why = now->why;
	set_state(a, ANOMALY_RECORD_FAILED, &a->state[ANOMALY_RECORD_FAILED], failed, now_us);
	if (!failed) {          /* while it has, nobody can say that what was told before is over */
		set_state(a, ANOMALY_RECORD_STUCK, &a->state[ANOMALY_RECORD_STUCK], now->stuck, now_us);
		set_state(a, ANOMALY_RECORD_FULL, &a->state[ANOMALY_RECORD_FULL], now->full, now_us);
	}
	if (now->gaps > a->gaps)
		(void)count(a, ANOMALY_GAP, PULLCORD__V1__PARTY__PARTY_BROKER, SPAN_LIT("record"), now->gaps - a->gaps, 1, now_us);
	a->gaps = now->gaps;
}

static void was_told(struct state *s, int64_t now_us)
{
	s->now = s->told = s->worst = 1;
	s->since_us = s->told_us = now_us;
	s->ever = s->carried = true;
	s->spell = (struct spell){ .times = 1, .told = 1, .tellings = 1, .first_us = now_us };
}

void anomaly_was_told(struct anomaly *a, enum anomaly_kind kind, int64_t now_us)
{
	was_told(&a->state[kind], now_us);
}

void anomaly_witness_was_told(struct anomaly *a, struct span name, int64_t now_us)
{
	struct missed *m = missed_of(a, cut(name));

	if (!m || !name.n || m->name[0])
		return;
	must(span_text(cut(name), m->name, sizeof(m->name)));
	m->named_us = now_us;
	was_told(&m->state, now_us);
}

/* ---- findings ---- */

static const char *times(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* Of what somebody did, or some things did, so many times. */
static void write_counted(const struct anomaly *a, const struct anomaly_finding *f, int64_t now_us, char *t)
{
	const bool user = f->party == PULLCORD__V1__PARTY__PARTY_USER;
	long long s = (long long)((now_us - f->first_us) / SECOND_US);
	unsigned long long n = f->count;

	switch (f->kind) {
	case ANOMALY_GUESSING:
		snprintf(t, ANOMALY_TEXT, "%llu wrong password%s %s %s in %lld s", n, times(n), user ? "for" : "from", f->subject, s);
		break;
	case ANOMALY_VOLUME:
		snprintf(t, ANOMALY_TEXT, "%s %s moved %llu messages, far more than usual", user ? "user" : "device", f->subject, n);
		break;
	case ANOMALY_OUTSIDE:
		snprintf(t, ANOMALY_TEXT, "user %s asked %llu time%s for units, channels or patients not theirs, in %lld s", f->subject, n,
			 times(n), s);
		break;
	case ANOMALY_BREAK_GLASS:
		snprintf(t, ANOMALY_TEXT, "user %s took emergency access (%llu time%s): what, until when and why is on record", f->subject,
			 n, times(n));
		break;
	case ANOMALY_POLICY:
		snprintf(t, ANOMALY_TEXT, "a policy that two officers have not signed was refused: %s%s (%llu time%s)",
			 user ? "set by user " : "", f->subject, n, times(n));
		break;
	case ANOMALY_OLD_POLICY:
		snprintf(t, ANOMALY_TEXT, "an older policy was put back in the policy's file, and refused (%llu time%s)", n, times(n));
		break;
	case ANOMALY_CLOCK:
		snprintf(t, ANOMALY_TEXT, "the broker's clock was set by %+.1f s%s", (double)a->jump_us / 1e6, n > 1 ? ", and before" : "");
		break;
	case ANOMALY_GAP:
		snprintf(t, ANOMALY_TEXT, "%llu gap%s in the record: pullcord audit search --event gap says what and how much", n, times(n));
		break;
	default:
		break;
	}
}

/* Of what is so, or not so any more. */
static void write_state(const struct anomaly *a, const struct anomaly_finding *f, char *t)
{
	static const char *const room[] = { "is enough again", "is below 20 %", "is below 10 %", "is below 5 %: it stops" };
	unsigned level = a->state[f->kind].now;

	switch (f->kind) {
	case ANOMALY_DAMAGED:
		snprintf(t, ANOMALY_TEXT, "%s was damaged or set back: it was put aside, and another begun", f->subject);
		break;
	case ANOMALY_WITNESS:
		if (f->subject[0])
			snprintf(t, ANOMALY_TEXT, f->phase == PULLCORD__V1__PHASE__PHASE_START
				 ? "witness %s has not cosigned the record for %" PRIu32 " s" : "witness %s is not missed any more",
				 f->subject, a->limit.witness);
		else
			snprintf(t, ANOMALY_TEXT, level ? "no witness has cosigned the record for %" PRIu32 " s"
				 : "no witness is missed any more", a->limit.witness);
		break;
	case ANOMALY_QUORUM:
		if (level)
			snprintf(t, ANOMALY_TEXT, "for %" PRIu32 " s fewer than %u witnesses have vouched for anything new of the record",
				 a->limit.witness, a->quorum);
		else
			snprintf(t, ANOMALY_TEXT, "enough witnesses vouch for the record again");
		break;
	case ANOMALY_DISK:
		snprintf(t, ANOMALY_TEXT, "room for the record %s", room[level < countof(room) ? level : 3]);
		break;
	case ANOMALY_RECORD_FAILED:
		snprintf(t, ANOMALY_TEXT, level ? "the record has stopped: %s%s" : "the record is written again", err_text(a->why),
			 a->why == ERR_IO ? "; if its disk is failing it goes on only after a restart of the broker" : "");
		break;
	case ANOMALY_RECORD_STUCK:
		snprintf(t, ANOMALY_TEXT, level ? "the record's writer does nothing: newcomers and commands wait" :
			 "the record's writer goes on");
		break;
	case ANOMALY_RECORD_FULL:
		snprintf(t, ANOMALY_TEXT, level ? "the record has stopped: too much waits for it; what saves lives goes on" :
			 "what waited for the record is written");
		break;
	default:
		break;
	}
}

static void write_text(const struct anomaly *a, struct anomaly_finding *f, int64_t now_us)
{
	f->text[0] = '\0';
	write_counted(a, f, now_us, f->text);
	write_state(a, f, f->text);
	must(f->text[0]);       /* each kind is one or the other */
	for (char *t = f->text; *t; t++)
		if (*t < 0x20 || *t > 0x7E)
			*t = '?';           /* names of those who never proved one */
}

/* Is it one of those that are told, or for the record alone? */
static bool is_told(struct anomaly *a, const struct anomaly_finding *f, int64_t now_us)
{
	struct told *t = &a->told[f->kind];

	if (is_each(f->kind))
		return true;
	if (t->n == 0 || (now_us - t->from_us >= again_us(a) && t->others == 0)) {
		t->n = 0;
		t->from_us = now_us;
	}
	if (t->n < ANOMALY_TOLD) {
		t->n++;
		return true;
	}
	if (t->others++ == 0)
		t->first_us = f->first_us;
	t->events += f->count;
	return false;
}

static bool next_of_rows(struct anomaly *a, int64_t now_us, struct anomaly_finding *out)
{
	struct row *r = a->row;

	if (!a->due)
		return false;
	while (!r->due)
		r++;
	*out = (struct anomaly_finding){
		.kind = r->kind, .priority = kinds[r->kind].priority, .phase = PULLCORD__V1__PHASE__PHASE_TPOINT, .party = r->party,
		.count = r->all, .first_us = r->first_us, .code = kinds[r->kind].code,
	};
	memcpy(out->subject, r->subject, sizeof(out->subject));
	r->due = false;
	a->due--;
	r->told = true;
	r->told_us = r->from_us = now_us;
	r->n = r->all = 0;
	write_text(a, out, now_us);
	out->quiet = !is_told(a, out, now_us);
	return true;
}

/* More of them than were told: how many, when the time is over. */
static bool next_of_others(struct anomaly *a, int64_t now_us, struct anomaly_finding *out)
{
	for (size_t k = 0; k < ANOMALIES; k++) {
		struct told *t = &a->told[k];

		if (!t->others || now_us - t->from_us < again_us(a))
			continue;
		*out = (struct anomaly_finding){
			.kind = (enum anomaly_kind)k, .priority = kinds[k].priority, .phase = PULLCORD__V1__PHASE__PHASE_TPOINT,
			.count = t->events, .first_us = t->first_us, .code = kinds[k].code,
		};
		snprintf(out->text, sizeof(out->text), "%llu more findings like these are on record: pullcord audit search --event anomaly",
			 (unsigned long long)t->others);
		*t = (struct told){ 0 };
		return true;
	}
	return false;
}

static bool is_over(const struct anomaly *a, enum anomaly_kind k, const struct state *s, int64_t now_us)
{
	return s->told && !s->now && now_us - s->fine_us >= calm_us(a, k, s);
}

/* What holds the record. While it was told and is not over, it is said again how often it was, ever more rarely; but one that
 * lasts as none before is told. */
static bool stop_is_due(const struct anomaly *a, const struct state *s, int64_t now_us)
{
	const struct spell *p = &s->spell;
	int64_t lasts_us = 2 * p->longest_us > LASTS_US ? 2 * p->longest_us : LASTS_US;

	if (!s->now || !s->told)
		return s->now;
	return p->times > p->told && (now_us - s->told_us >= grown_us(a, p->tellings) || now_us - s->since_us >= lasts_us);
}

/* Everything else, once in a while. */
static bool state_is_due(const struct anomaly *a, enum anomaly_kind k, const struct state *s, int64_t now_us)
{
	bool fresh = !s->ever || now_us - s->told_us >= again_us(a);

	return s->now > s->told && (fresh || s->now > s->worst || is_grave(k, s->now));
}

static void state_told(const struct anomaly *a, enum anomaly_kind k, struct state *s, int64_t now_us)
{
	bool fresh = !s->ever || now_us - s->told_us >= again_us(a);

	s->told = s->now;
	s->worst = fresh || s->now > s->worst ? s->now : s->worst;
	s->told_us = fresh || holds_record(k) ? now_us : s->told_us;
	s->ever = true;
	s->spell.told = s->spell.times;
	s->spell.tellings++;
}

/* Is there something to be told of it? Then it is: *over says which. */
static bool state_step(const struct anomaly *a, enum anomaly_kind k, struct state *s, int64_t now_us, bool *over)
{
	*over = is_over(a, k, s, now_us);
	if (*over)
		s->told = 0;
	else if (holds_record(k) ? stop_is_due(a, s, now_us) : state_is_due(a, k, s, now_us))
		state_told(a, k, s, now_us);
	else
		return false;
	return true;
}

static struct anomaly_finding finding_of(enum anomaly_kind k, const struct state *s, bool over)
{
	return (struct anomaly_finding){
		.kind = k, .priority = kinds[k].priority,
		.phase = over ? PULLCORD__V1__PHASE__PHASE_END : PULLCORD__V1__PHASE__PHASE_START,
		.party = PULLCORD__V1__PARTY__PARTY_BROKER, .count = 1, .first_us = s->since_us, .code = kinds[k].code,
	};
}

/* "; 5 times in 12 min" */
static void say_how_often(const struct spell *p, struct anomaly_finding *f, int64_t now_us)
{
	long long s = (long long)((now_us - p->first_us) / SECOND_US);
	size_t n = strlen(f->text);

	if (p->times > 1)
		snprintf(f->text + n, sizeof(f->text) - n, "; %s%u times in %lld %s", f->phase == PULLCORD__V1__PHASE__PHASE_END ?
			 "it was so " : "", p->times, s < 600 ? s : s / 60, s < 600 ? "s" : "min");
}

static bool next_of_states(struct anomaly *a, int64_t now_us, struct anomaly_finding *out)
{
	bool over;

	for (size_t k = 0; k < ANOMALIES; k++) {
		struct state *s = &a->state[k];
		unsigned more = s->spell.times - s->spell.told;

		if (!state_step(a, (enum anomaly_kind)k, s, now_us, &over))
			continue;
		*out = finding_of((enum anomaly_kind)k, s, over);
		out->count = more > 1 ? more : 1;
		if (k == ANOMALY_DISK && s->now > 1)
			out->priority = s->now > 2 ? PULLCORD__V1__PRIORITY__PRIORITY_HIGH : PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM;
		write_text(a, out, now_us);
		say_how_often(&s->spell, out, now_us);
		return true;
	}
	return false;
}

static bool next_of_missed(struct anomaly *a, int64_t now_us, struct anomaly_finding *out)
{
	for (size_t i = 0; i < ANOMALY_WITNESSES; i++) {
		struct missed *m = &a->missed[i];
		bool listed = now_us - m->named_us < ANOMALY_UNNAMED_US, over, told;

		if (!m->name[0])
			continue;
		if (!listed)
			m->state.now = 0;
		told = state_step(a, ANOMALY_WITNESS, &m->state, now_us, &over);
		if (told) {
			*out = finding_of(ANOMALY_WITNESS, &m->state, over);
			memcpy(out->subject, m->name, sizeof(out->subject));
			write_text(a, out, now_us);
			if (!over)
				m->quiet = !is_told(a, out, now_us);
			out->quiet = m->quiet;
		}
		if (!listed)
			*m = (struct missed){ 0 };
		if (told)
			return true;
	}
	return false;
}

bool anomaly_next(struct anomaly *a, int64_t now_us, struct anomaly_finding *out)
{
	/* Rows come as fast as attackers make them: they are not to hold up the few that do not. */
	return next_of_states(a, now_us, out) || next_of_missed(a, now_us, out) || next_of_others(a, now_us, out) ||
	       next_of_rows(a, now_us, out);
}
