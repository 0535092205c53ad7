#include "conf.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>

#include "cur.h"
#include "file.h"
#include "loop.h"
#include "topic.h"

enum type { NUM, TEXT, WORD, CHOICE, HOST, BROKERS };

static const struct param {
	const char *section, *name;
	enum type type;
	int32_t min, max;
	const char *def, *unit, *text;
	size_t at;
} params[] = {
#define PARAM(section, name, type, min, max, def, unit, text)                                                          \
	{ #section, #name, type, min, max, def, unit, text, offsetof(struct conf, section##_##name) },
#include "conf.def"
}, input_params[] = {
#define IPARAM(name, type, min, max, def, unit, text)                                                                  \
	{ "input", #name, type, min, max, def, unit, text, offsetof(struct conf_input, name) },
#include "conf.def"
};

static const struct { const char *name, *text; } sections[] = {
#define SECTION(name, text) { #name, text },
#include "conf.def"
	{ "units", "points of care as the sources call them, and the unit each belongs to" },
};

#define SECTION_MAX 49              /* inih takes the beginning of a longer one for it */
#define IS_SET_MAX (countof(params) + CONF_INPUTS_MAX * countof(input_params))

struct reading {
	struct conf c;
	struct conf_fault fault;
	struct span left;
	unsigned line;
	bool ordered;                       /* from afar: what a section may be is asked of its settings */
	unsigned set[IS_SET_MAX];           /* line a setting was given at */
};

/* What a gateway looks at each time it needs it: read again on SIGHUP, and may be ordered from afar, where one signature is
 * enough: so no less than `least`. Nothing that says who it is, where it keeps what, or whom it trusts. */
static const struct live {
	const char *name;
	long least;
} live[] = {
	{ "gateway expire_min", 0 }, { "gateway vitals_expire_s", 0 }, { "gateway state_s", 0 }, { "gateway log", 0 },
	{ "throttle burst", 5 }, { "throttle per_minute", 10 }, { "throttle fold_window_ms", 0 }, { "throttle delay_max_ms", 0 },
};

static const struct live *find_live(const char *section, const char *name)
{
	char both[160];

	snprintf(both, sizeof(both), "%s %s", section, name);
	for (size_t i = 0; i < countof(live); i++)
		if (strcmp(live[i].name, both) == 0)
			return &live[i];
	return NULL;
}

/* ---- faults ---- */

static void fault_at(struct conf_fault *f, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fault_at(struct conf_fault *f, unsigned line, const char *fmt, ...)
{
	va_list args;

	if (f->text[0] && f->line <= line)
		return;   /* the first counts */
	f->line = line;
	va_start(args, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
}

/* Values are quoted from a file anybody may have written. */
static const char *plain(const char *value, char out[64])
{
	size_t n = 0;

	for (; value[n] && n < 60; n++)
		out[n] = value[n] >= ' ' && value[n] < 0x7f ? value[n] : '?';
	strcpy(out + n, value[n] ? "..." : "");
	return out;
}

/* ---- values ---- */

static bool parse_num(const char *value, int32_t *out)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(value, &end, 10);
	if (errno || end == value || *end || v < INT32_MIN || v > INT32_MAX)
		return false;
	*out = (int32_t)v;
	return true;
}

static bool set_num(const struct param *p, const char *value, void *at, struct reading *r)
{
	int32_t v;

	if (!parse_num(value, &v) || v < p->min || v > p->max) {
		fault_at(&r->fault, r->line, "%s must be a whole number from %d to %d%s%s", p->name, p->min, p->max,
			 p->unit[0] ? " " : "", p->unit);
		return false;
	}
	memcpy(at, &v, sizeof(v));
	return true;
}

static bool set_text(const struct param *p, const char *value, void *at, struct reading *r)
{
	size_t n = strlen(value);

	if ((int32_t)n < p->min || (int32_t)n > p->max || !span_utf8(span_str(value))) {
		fault_at(&r->fault, r->line, "%s must be a text of %d to %d bytes", p->name, p->min, p->max);
		return false;
	}
	memcpy(at, value, n + 1);
	return true;
}

static bool set_word(const struct param *p, const char *value, void *at, struct reading *r)
{
	if (!word_ok(span_str(value)) && !(value[0] == '\0' && p->min == 0)) {
		fault_at(&r->fault, r->line, "%s must be 1 to %d of A-Z a-z 0-9 . _ : -", p->name, p->max);
		return false;
	}
	strcpy(at, value);
	return true;
}

static bool set_choice(const struct param *p, const char *value, void *at, struct reading *r)
{
	struct span rest = span_str(p->unit), word;
	unsigned i = 0;

	do {
		word = span_cut(rest, '|', &rest);
		if (span_is(word, value)) {
			memcpy(at, &i, sizeof(i));
			return true;
		}
		i++;
	} while (rest.p);
	fault_at(&r->fault, r->line, "%s must be one of %s", p->name, p->unit);
	return false;
}

static bool set_host(const struct param *p, const char *value, void *at, struct reading *r)
{
	char shown[64];

	if (!brokers_host_ok(span_str(value))) {
		fault_at(&r->fault, r->line, "%s must be a name such as broker.mercy.example, or an address such as 192.0.2.7 or "
			 "::1, without a port, not \"%s\"", p->name, plain(value, shown));
		return false;
	}
	strcpy(at, value);
	return true;
}

static bool set_brokers(const struct param *p, const char *value, void *at, struct reading *r)
{
	struct brokers all;
	struct span bad;
	char word[CONF_TEXT], shown[64];

	if (brokers_read("localhost", 1, value, &all, &bad) != OK) {
		(void)!span_text(bad, word, sizeof(word));
		fault_at(&r->fault, r->line, "%s must be at most %d brokers, each HOST or HOST:PORT, with blanks between: \"%s\" is "
			 "none, or one too many", p->name, BROKERS_MAX - 1, plain(word, shown));
		return false;
	}
	return set_text(p, value, at, r);
}

static bool set_value(const struct param *p, const char *value, void *base, struct reading *r)
{
	static bool (*const set[])(const struct param *, const char *, void *, struct reading *) = {
		[NUM] = set_num, [TEXT] = set_text, [WORD] = set_word, [CHOICE] = set_choice, [HOST] = set_host,
		[BROKERS] = set_brokers,
	};

	return set[p->type](p, value, (char *)base + p->at, r);
}

static void set_defaults(const struct param *p, size_t n, void *base)
{
	struct reading scratch = { 0 };

	for (size_t i = 0; i < n; i++)
		must(p[i].def[0] == '\0' || set_value(&p[i], p[i].def, base, &scratch));
}

void conf_init(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	set_defaults(params, countof(params), c);
}

/* ---- names ---- */

/* Levenshtein's distance, for names of our length. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], n = (unsigned)strlen(b);

	if (n >= countof(row))
		return UINT32_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[n];
}

#define NEAR 4                      /* typing errors; more is another word */

struct nearest {
	const char *to, *name;
	unsigned at;
};

static void nearest_try(struct nearest *n, const char *name)
{
	unsigned d = distance(n->to, name);

	if (!n->name || d < n->at)
		*n = (struct nearest){ n->to, name, d };
}

/* Where half of its letters differ, it is no slip. */
static bool is_near(const struct nearest *n)
{
	return n->at <= NEAR && 2 * n->at <= strlen(n->to);
}

/* Of another section: what was added at the file's end, or under the wrong head. */
static const char *home_of(const char *name)
{
	for (size_t i = 0; i < countof(params); i++)
		if (strcmp(params[i].name, name) == 0)
			return params[i].section;
	for (size_t i = 0; i < countof(input_params); i++)
		if (strcmp(input_params[i].name, name) == 0)
			return "input NAME";
	return NULL;
}

static const struct param *find_param(const struct param *p, size_t n, const char *section, const char *name,
				      struct reading *r)
{
	struct nearest near = { .to = name };
	const char *home = home_of(name);
	char shown[64];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(p[i].section, section) != 0)
			continue;
		if (strcmp(p[i].name, name) == 0)
			return &p[i];
		nearest_try(&near, p[i].name);
	}
	if (home)
		fault_at(&r->fault, r->line, "there is no setting \"%s\" in [%s]; it belongs in [%s]", plain(name, shown), section, home);
	else if (is_near(&near))
		fault_at(&r->fault, r->line, "there is no setting \"%s\" in [%s]; did you mean \"%s\"?",
			 plain(name, shown), section, near.name);
	else
		fault_at(&r->fault, r->line,
			 "there is no setting \"%s\" in [%s]; pullcord-gateway --print-conf lists them",
			 plain(name, shown), section);
	return NULL;
}

static bool section_known(const char *section, struct reading *r)
{
	struct nearest near = { .to = section };
	char shown[64];

	for (size_t i = 0; i < countof(sections); i++) {
		if (strcmp(sections[i].name, section) == 0)
			return true;
		nearest_try(&near, sections[i].name);
	}
	nearest_try(&near, "input NAME");
	if (strcmp(section, "input") == 0)
		fault_at(&r->fault, r->line, "an input has a name: [input NAME]");
	else if (section[0] && is_near(&near))
		fault_at(&r->fault, r->line, "there is no section [%s]; did you mean [%s]?", plain(section, shown),
			 near.name);
	else if (section[0])
		fault_at(&r->fault, r->line, "there is no section [%s]; pullcord-gateway --print-conf lists them",
			 plain(section, shown));
	else
		fault_at(&r->fault, r->line, "a setting must stand in a section, such as [gateway]");
	return false;
}

/* ---- lines ---- */

static bool set_once(struct reading *r, size_t which, const char *name)
{
	if (r->set[which]) {
		fault_at(&r->fault, r->line, "%s is given twice, first in line %u", name, r->set[which]);
		return false;
	}
	r->set[which] = r->line;
	return true;
}

static bool take_param(struct reading *r, const char *section, const char *name, const char *value)
{
	const struct param *p = find_param(params, countof(params), section, name, r);

	return p && set_once(r, (size_t)(p - params), name) && set_value(p, value, &r->c, r);
}

static struct conf_input *input_named(struct reading *r, const char *name)
{
	struct conf_input *i;
	char shown[64];

	for (unsigned k = 0; k < r->c.inputs; k++)
		if (strcmp(r->c.input[k].name, name) == 0)
			return &r->c.input[k];
	if (!word_ok(span_str(name))) {
		fault_at(&r->fault, r->line, "the name of [input %s] must be 1 to 64 of A-Z a-z 0-9 . _ : -",
			 plain(name, shown));
		return NULL;
	}
	if (r->c.inputs == CONF_INPUTS_MAX) {
		fault_at(&r->fault, r->line, "there may be at most %d inputs", CONF_INPUTS_MAX);
		return NULL;
	}
	i = &r->c.input[r->c.inputs++];
	set_defaults(input_params, countof(input_params), i);
	strcpy(i->name, name);
	return i;
}

static bool take_input(struct reading *r, const char *input, const char *name, const char *value)
{
	const struct param *p = find_param(input_params, countof(input_params), "input", name, r);
	struct conf_input *i = p ? input_named(r, input) : NULL;
	size_t which = countof(params);

	if (!i)
		return false;
	which += (size_t)(i - r->c.input) * countof(input_params) + (size_t)(p - input_params);
	return set_once(r, which, name) && set_value(p, value, i, r);
}

static bool take_unit(struct reading *r, const char *place, const char *unit)
{
	struct conf_unit *u = &r->c.unit[r->c.units];
	char shown[64];

	for (unsigned k = 0; k < r->c.units; k++)
		if (strcmp(r->c.unit[k].place, place) == 0) {
			fault_at(&r->fault, r->line, "%s is given twice", plain(place, shown));
			return false;
		}
	if (r->c.units == CONF_UNITS_MAX)
		fault_at(&r->fault, r->line, "there may be at most %d units", CONF_UNITS_MAX);
	else if (strlen(place) >= sizeof(u->place))
		fault_at(&r->fault, r->line, "a point of care may have at most 64 bytes");
	else if (!word_ok(span_str(unit)))
		fault_at(&r->fault, r->line, "the unit of %s must be 1 to 64 of A-Z a-z 0-9 . _ : -",
			 plain(place, shown));
	else {
		strcpy(u->place, place);
		strcpy(u->unit, unit);
		r->c.units++;
		return true;
	}
	return false;
}

static int take(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;

	if (strncmp(section, "input ", 6) == 0)
		return take_input(r, section + 6, name, value);
	if (strcmp(section, "units") == 0)
		return take_unit(r, name, value);
	return section_known(section, r) && take_param(r, section, name, value);
}

/* inih tells of settings only: a section that has none would be none, whatever its name, and an input have no defaults. */
static void take_section(struct reading *r, struct span line)
{
	struct span rest, head = span_trim(line), name;
	char section[SECTION_MAX + 1];

	if (r->ordered || !head.n || head.p[0] != '[')
		return;
	name = span_cut(span(head.p + 1, head.n - 1), ']', &rest);
	if (!rest.p)
		return;                     /* inih says so */
	if (!span_text(name, section, sizeof(section)))
		fault_at(&r->fault, r->line, "what stands in [] may have at most %d letters", SECTION_MAX);
	else if (strncmp(section, "input ", 6) == 0)
		(void)input_named(r, section + 6);
	else
		(void)section_known(section, r);
}

/* inih's fgets: also where lines are counted, and where one too long for it is noticed. */
static char *next_line(char *out, int cap, void *user)
{
	struct reading *r = user;
	size_t n = 0;

	if (!r->left.n)
		return NULL;
	r->line++;
	while (n < r->left.n && r->left.p[n] != '\n')
		n++;
	if (n + 2 > (size_t)cap - 1) {
		fault_at(&r->fault, r->line, "a line may have at most %d bytes", cap - 3);
		return NULL;
	}
	if (memchr(r->left.p, '\0', n)) {
		fault_at(&r->fault, r->line, "there is a NUL byte: this is not a settings file");
		return NULL;
	}
	take_section(r, span(r->left.p, n));
	n += n < r->left.n;
	memcpy(out, r->left.p, n);
	out[n] = '\0';
	r->left = span(r->left.p + n, r->left.n - n);
	return out;
}

static unsigned address_line(const struct reading *r, unsigned input)
{
	size_t which = countof(params) + input * countof(input_params);

	for (size_t i = 0; i < countof(input_params); i++)
		if (strcmp(input_params[i].name, "address") == 0)
			return r->set[which + i];
	return 0;
}

static const struct conf_input *same_address(const struct conf *c, unsigned input)
{
	for (unsigned i = 0; i < input; i++)
		if (c->input[i].kind != INPUT_REPLAY && strcmp(c->input[i].address, c->input[input].address) == 0)
			return &c->input[i];
	return NULL;
}

static bool address_good(struct reading *r, unsigned input)
{
	struct conf_input *in = &r->c.input[input];
	const struct conf_input *other;
	char shown[64];

	in->line = address_line(r, input);
	if (in->kind != INPUT_MLLP && !in->line)        /* which has a port of its own (2575, IANA) */
		fault_at(&r->fault, 0, "[input %s] of kind %s needs an address", in->name, conf_input_kind(in));
	else if (in->kind == INPUT_REPLAY)
		return true;
	else if (listener_check(in->address) != OK)
		fault_at(&r->fault, in->line, "[input %s] cannot listen at \"%s\": address must be such as "
			 "127.0.0.1:2575 or [::1]:2575 with a port up to 65535, or the path of a Unix socket, at most "
			 "107 bytes", in->name, plain(in->address, shown));
	else if ((other = same_address(&r->c, input)))
		fault_at(&r->fault, in->line, "[input %s] has the address of [input %s], %s: each needs one of its own",
			 in->name, other->name, plain(in->address, shown));
	else
		return true;
	return false;
}

/* What no single line can get wrong. */
static bool whole(struct reading *r)
{
	for (unsigned i = 0; i < r->c.inputs; i++)
		if (!address_good(r, i))
			return false;
	if (r->c.inputs == 0)
		fault_at(&r->fault, 0,
			 "there is no input: add a section such as [input monitors] with kind and address");
	return r->c.inputs > 0;
}

enum err conf_parse(struct span text, struct conf *out, struct conf_fault *fault)
{
	CLEANUP(free_cleanup) struct reading *r = calloc(1, sizeof(*r));
	int line;

	*fault = (struct conf_fault){ 0 };
	if (!r)
		return ERR_FULL;
	if (text.n > CONF_BYTES_MAX)
		return ERR_TOO_LARGE;
	conf_init(&r->c);
	r->left = text;
	ini_allow_multiline = false;
	line = ini_parse_stream(next_line, r, take, r);
	if (line > 0)
		fault_at(&r->fault, (unsigned)line, "this is neither [section] nor name = value");
	if (line != 0 || r->fault.text[0] || !whole(r)) {
		*fault = r->fault;
		return line < 0 ? ERR_FULL : ERR_SYNTAX;
	}
	*out = r->c;
	return OK;
}

/* ---- from afar ---- */

static int take_order(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	const struct live *l = find_live(section, name);
	char shown[2][64];
	int taken;

	if (!l) {
		fault_at(&r->fault, r->line, "[%s] %s cannot be changed from afar", plain(section, shown[0]), plain(name, shown[1]));
		return 0;
	}
	taken = take_param(r, section, name, value);
	if (taken && strtol(value, NULL, 10) < l->least)
		fault_at(&r->fault, r->line, "[%s] %s must be at least %ld from afar", section, name, l->least);
	return taken;
}

/* Or alerts would be out of date when they are sent. What the file says is the file's business. */
static void check_delays(const struct conf *was, struct reading *r)
{
	const struct conf *c = &r->c;
	bool same = c->throttle_delay_max_ms == was->throttle_delay_max_ms && c->gateway_expire_min == was->gateway_expire_min &&
		    c->throttle_fold_window_ms == was->throttle_fold_window_ms;

	if (!same && c->gateway_expire_min && c->throttle_delay_max_ms + c->throttle_fold_window_ms > c->gateway_expire_min * 60000 / 2)
		fault_at(&r->fault, r->line, "delay_max_ms and fold_window_ms together must be at most half of expire_min from afar");
}

enum err conf_order(struct span text, struct conf *c, struct conf_fault *fault)
{
	CLEANUP(free_cleanup) struct reading *r = calloc(1, sizeof(*r));
	int line;

	*fault = (struct conf_fault){ 0 };
	if (!r)
		return ERR_FULL;
	r->c = *c;
	r->ordered = true;
	r->left = text;
	ini_allow_multiline = false;
	line = ini_parse_stream(next_line, r, take_order, r);
	if (line > 0)
		fault_at(&r->fault, (unsigned)line, "this is neither [section] nor name = value");
	check_delays(c, r);
	if (line != 0 || r->fault.text[0]) {
		*fault = r->fault;
		return line < 0 ? ERR_FULL : ERR_SYNTAX;
	}
	*c = r->c;
	return OK;
}

enum err conf_load(const char *path, struct conf *out, struct conf_fault *fault)
{
	CLEANUP(free_cleanup) char *text = malloc(CONF_BYTES_MAX + 1);
	FILE *f = fopen(path, "re");
	enum err e = f ? OK : file_err(errno);
	size_t n = 0;

	*fault = (struct conf_fault){ 0 };
	if (f) {
		n = text ? fread(text, 1, CONF_BYTES_MAX + 1, f) : 0;
		e = !text ? ERR_FULL : ferror(f) ? file_err(errno) : OK;
		fclose(f);
	}
	TRY(e);
	return conf_parse(span(text, n), out, fault);
}

/* ---- asking ---- */

static bool differs(const struct param *p, const void *was, const void *is)
{
	const char *a = (const char *)was + p->at, *b = (const char *)is + p->at;

	return p->type == NUM || p->type == CHOICE ? memcmp(a, b, sizeof(int32_t)) != 0 : strcmp(a, b) != 0;
}

static const char *changed_input(const struct conf_input *was, const struct conf_input *is, char out[CONF_TEXT])
{
	if (strcmp(was->name, is->name) != 0)
		return snprintf(out, CONF_TEXT, "[input %s]", is->name), out;
	for (size_t i = 0; i < countof(input_params); i++)
		if (differs(&input_params[i], was, is))
			return snprintf(out, CONF_TEXT, "[input %s] %s", is->name, input_params[i].name), out;
	return NULL;
}

const char *conf_changed(const struct conf *was, const struct conf *is, char out[CONF_TEXT])
{
	const char *input = NULL;

	for (size_t i = 0; i < countof(params); i++)
		if (!find_live(params[i].section, params[i].name) && differs(&params[i], was, is))
			return snprintf(out, CONF_TEXT, "[%s] %s", params[i].section, params[i].name), out;
	if (was->units != is->units || memcmp(was->unit, is->unit, sizeof(is->unit)) != 0)
		return "[units]";
	if (was->inputs != is->inputs)
		return "the number of inputs";
	for (unsigned i = 0; i < is->inputs && !input; i++)
		input = changed_input(&was->input[i], &is->input[i], out);
	return input;
}

const char *conf_input_kind(const struct conf_input *i)
{
	static const char *const kind[] = { "mllp", "local", "replay" };

	must(i->kind < countof(kind));
	return kind[i->kind];
}

static const char *unit_listed(const struct conf *c, struct span place)
{
	for (unsigned i = 0; i < c->units; i++)
		if (span_is(place, c->unit[i].place))
			return c->unit[i].unit;
	return NULL;
}

bool conf_has_unit(const struct conf *c, struct span place)
{
	return !c->units || !place.n || unit_listed(c, place);
}

const char *conf_unit_of(const struct conf *c, struct span place)
{
	const char *unit = unit_listed(c, place);

	return unit ? unit : c->gateway_unit;
}

/* ---- printing ---- */

/* "ms, 0 to 600000", "one of a|b", "" */
static void print_limits(FILE *to, const struct param *p)
{
	if (p->type == NUM)
		fprintf(to, " (%s%s%d to %d)", p->unit, p->unit[0] ? ", " : "", p->min, p->max);
	if (p->type == CHOICE)
		fprintf(to, " (%s)", p->unit);
}

static void print_params(FILE *to, const struct param *p, size_t n, const char *section)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(p[i].section, section) != 0)
			continue;
		fprintf(to, "# %s", p[i].text);
		print_limits(to, &p[i]);
		fprintf(to, "\n%s%s = %s\n", p[i].def[0] ? "" : "#", p[i].name, p[i].def);
	}
}

void conf_print_sample(FILE *to)
{
	fprintf(to, "# Settings of pullcord-gateway, all with their defaults. See pullcord-gateway.conf(5).\n");
	for (size_t i = 0; i < countof(sections); i++) {
		fprintf(to, "\n# %s\n[%s]\n", sections[i].text, sections[i].name);
		print_params(to, params, countof(params), sections[i].name);
	}
	fprintf(to, "#ICU 3 = icu3\n\n# one section for each source of alerts\n[input monitors]\n");
	print_params(to, input_params, countof(input_params), "input");
}

static void man_params(FILE *to, const struct param *p, size_t n, const char *section)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(p[i].section, section) != 0)
			continue;
		fprintf(to, ".TP\n.BI %s\\~=\\~ %s\n%s", p[i].name, p[i].def[0] ? p[i].def : "...", p[i].text);
		print_limits(to, &p[i]);
		fprintf(to, ".\n");
	}
}

void conf_print_man(FILE *to)
{
	for (size_t i = 0; i < countof(sections); i++) {
		fprintf(to, ".SS [%s]\n%s.\n", sections[i].name, sections[i].text);
		man_params(to, params, countof(params), sections[i].name);
	}
	fprintf(to, ".TP\n.IR place \\~=\\~ unit\nOne line for each point of care (HL7 PV1-3.1).\n");
	fprintf(to, ".SS [input \\fIname\\fP]\nOne section for each source of alerts.\n");
	man_params(to, input_params, countof(input_params), "input");
}
