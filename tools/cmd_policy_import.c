/* policy import: access lists of others, as a policy and a list of who holds what, with a report of the rest. */
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_policy.h"
#include "import.h"
#include "install.h"
#include "opt.h"
#include "report.h"

struct options {
	const char *acl_file, *dynsec, *tenant, *out, *subjects;
	bool json;
};

struct output {
	const struct options *o;
	const char *path;               /* what is read */
	struct import im;
	FILE *commands, *subjects;      /* the same people, for the shell and for programs */
	char *text[3];                  /* of policy, commands and subjects */
	size_t n[3];
};

/* ---- what the readers say ---------------------------------------------------------------------------------------- */

static void say_note(void *ctx, uint32_t line, enum loss l, const char *text)
{
	static const enum tone tone[LOSSES] = { TONE_DIM, TONE_PLAIN, TONE_WARN };
	const struct output *out = ctx;
	const struct cell cell[] = {
		CELL_STR("file", out->path), CELL_NUM("line", line), CELL_STR("loss", loss_name(l)), CELL_STR("text", text),
	};

	if (report_is_json())
		report_object(cell, countof(cell));
	else if (out->o->out)
		report_line(tone[l], "%s:%u: %s: %s", out->path, line, loss_name(l), text);
	else
		report_hint("%s:%u: %s: %s", out->path, line, loss_name(l), text);
}

/* Ids and roles are words of ours: nothing in them needs quotes or escapes. */
static void write_command(FILE *f, const struct subject *s)
{
	fprintf(f, "#   pullcord user add");
	for (size_t i = 0; i < s->roles; i++)
		fprintf(f, " --role %.*s", SPAN_FMT(s->role[i]));
	fprintf(f, "%s %.*s\n", s->id.p[0] == '-' ? " --" : "", SPAN_FMT(s->id));
	if (s->suspended)
		fprintf(f, "#   pullcord user suspend%s %.*s\n", s->id.p[0] == '-' ? " --" : "", SPAN_FMT(s->id));
}

static void write_object(FILE *f, const struct subject *s)
{
	fprintf(f, "{\"id\":\"%.*s\",\"party\":\"user\",\"state\":\"%s\",\"roles\":[", SPAN_FMT(s->id),
		s->suspended ? "suspended" : "active");
	for (size_t i = 0; i < s->roles; i++)
		fprintf(f, "%s\"%.*s\"", i ? "," : "", SPAN_FMT(s->role[i]));
	fprintf(f, "],\"attributes\":{}}\n");
}

static void write_subject(void *ctx, const struct subject *s)
{
	const struct output *out = ctx;

	write_command(out->commands, s);
	write_object(out->subjects, s);
}

/* ---- the three texts --------------------------------------------------------------------------------------------- */

static enum err output_open(struct output *out)
{
	FILE **file[] = { &out->im.policy, &out->commands, &out->subjects };

	for (size_t i = 0; i < countof(file); i++) {
		*file[i] = open_memstream(&out->text[i], &out->n[i]);
		if (!*file[i])
			return ERR_FULL;
	}
	return OK;
}

static enum err output_end(struct output *out)
{
	FILE **file[] = { &out->im.policy, &out->commands, &out->subjects };
	enum err e = OK;

	for (size_t i = 0; i < countof(file); i++) {
		if (*file[i] && fclose(*file[i]))
			e = ERR_FULL;
		*file[i] = NULL;
	}
	return e;
}

static void output_close(struct output *out)
{
	(void)output_end(out);
	for (size_t i = 0; i < countof(out->text); i++)
		free(out->text[i]);
}

static enum err put_file(const char *path, const struct output *out, size_t from, size_t to, unsigned mode)
{
	CLEANUP(free_cleanup) char *text = calloc(1, out->n[0] + out->n[1] + out->n[2] + 128);
	char *at = text;
	enum err e;

	if (!text)
		return ERR_FULL;
	for (size_t i = from; i < to; i++) {
		if (i == 1 && out->n[1])
			at = stpcpy(at, "\n# Who holds what. The passwords are new; a device is enrolled instead:\n"
				    "# pullcord device enroll ID --role ...\n");
		at = mempcpy(at, out->text[i], out->n[i]);
	}
	if (!path)
		return fwrite(text, 1, (size_t)(at - text), stdout) == (size_t)(at - text) && !fflush(stdout) ? OK : ERR_IO;
	e = install_write(path, span(text, (size_t)(at - text)), mode);
	if (e != OK)
		(void)report_fail(e, "write %s", path);
	return e;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static void say_done(const struct output *out)
{
	const struct import *im = &out->im;
	const struct cell cell[] = {
		CELL_STR("file", out->path), CELL_BOOL("ok", true), CELL_NUM("roles", im->roles), CELL_NUM("rules", im->rules),
		CELL_NUM("subjects", im->subjects), CELL_NUM("same", im->notes[LOSS_NONE]),
		CELL_NUM("outside", im->notes[LOSS_OUTSIDE]), CELL_NUM("narrower", im->notes[LOSS_NARROWER]),
	};

	if (report_is_json())
		report_object(cell, countof(cell));
	else if (out->o->out)
		report_line(TONE_GOOD, "%s: %zu roles, %zu rules, %zu subjects; notes: same %zu, outside %zu, narrower %zu", out->o->out,
			    im->roles, im->rules, im->subjects, im->notes[LOSS_NONE], im->notes[LOSS_OUTSIDE],
			    im->notes[LOSS_NARROWER]);
}

static int refused(const struct output *out, enum err e, const struct policy_error *where)
{
	const struct cell cell[] = {
		CELL_STR("file", out->path), CELL_BOOL("ok", false), CELL_NUM("line", where->line),
		CELL_NUM("column", where->column), CELL_STR("error", where->text),
	};

	if (e != ERR_SYNTAX)
		return report_fail(e, "import %s", out->path);
	if (report_is_json())
		report_object(cell, countof(cell));
	else
		report_error("%s:%u:%u: %s", out->path, where->line, where->column, where->text);
	return CMD_NO;
}

/* What is written is to be loaded: a policy of more than POLICY_BYTES_MAX would not be. */
static enum err check_policy(const struct output *out)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct policy_error where;
	enum err e = policy_load(span(out->text[0], out->n[0]), &p, &where);

	if (e != OK)
		(void)report_fail(e, "load the policy made of %s%s%s", out->path, e == ERR_SYNTAX ? ": " : "", where.text);
	return e;
}

static int run(const struct options *o)
{
	CLEANUP(output_close) struct output out = { .o = o, .path = o->acl_file ? o->acl_file : o->dynsec };
	CLEANUP(free_cleanup) char *text = NULL;
	struct policy_error where;
	size_t n;
	enum err e = install_read(out.path, IMPORT_BYTES_MAX, &text, &n);

	if (e != OK)
		return report_fail(e, "read %s", out.path);
	out.im = (struct import){ .tenant = span_str(o->tenant), .say = say_note, .subject = write_subject, .ctx = &out };
	e = output_open(&out);
	if (e == OK)
		e = (o->acl_file ? import_acl : import_dynsec)(&out.im, span(text, n), &where);
	if (e != OK)
		return refused(&out, e, &where);
	e = output_end(&out);
	if (e != OK)
		return report_fail(e, "import %s", out.path);
	if (check_policy(&out) != OK)
		return CMD_NO;
	if (put_file(o->out, &out, 0, 2, 0644) != OK)
		return CMD_NO;
	if (o->subjects && put_file(o->subjects, &out, 2, 3, 0600) != OK) {
		if (o->out)
			(void)unlink(o->out);   /* both or none */
		return CMD_NO;
	}
	say_done(&out);
	return CMD_DONE;
}

/* Before anything is made: one of two files alone is of no use. */
static int check_free(const struct options *o)
{
	const char *const made[] = { o->out, o->subjects };

	for (size_t i = 0; i < countof(made); i++) {
		if (!made[i] || access(made[i], F_OK) != 0)
			continue;
		(void)report_fail(ERR_EXISTS, "write %s", made[i]);
		report_hint("nothing is overwritten, and nothing was written: name another file");
		return CMD_NO;
	}
	return CMD_DONE;
}

int policy_import(int argc, char **argv)
{
	struct options o = { 0 };
	const struct opt opt[] = {
		OPT_TEXT("acl-file", "FILE", &o.acl_file, "a file as Mosquitto's option acl_file names"),
		OPT_TEXT("dynsec", "FILE", &o.dynsec, "the JSON file of Mosquitto's dynamic-security plugin"),
		OPT_NEED("tenant", "NAME", &o.tenant, "the first level of every topic"),
		OPT_TEXT("out", "FILE", &o.out, "the new policy; must not exist (default: stdout, and the report on stderr)"),
		OPT_TEXT("subjects", "FILE", &o.subjects, "who holds what, one JSON object a line; must not exist"),
		OPT_FLAG("json", &o.json, "the report as one JSON object a line"),
	};
	const struct opt_page page = {
		.command = "policy import",
		.text = "Makes a policy of an ACL file of Mosquitto or of the file of its dynamic-security plugin, and a list of who "
			"holds what: as commands at the end of the policy, and as JSON.\n"
			"What the new policy allows, the original allowed. Whatever has no equivalent is reported with file and line: "
			"\"same\" is worth knowing but changes no decision; \"outside\" was about topics and people that cannot exist "
			"here; \"narrower\" was allowed and is not any more, because here a deny beats every allow, whoever subscribes "
			"receives, and client ids of people are not known to rules. Without a line of the last kind, everything within "
			"the tenant is decided as before. Subscriptions: an ACL file lets everybody subscribe to anything and looks at "
			"messages; here a filter must lie within one rule.",
		.example = "pullcord policy import --acl-file /etc/mosquitto/acl --tenant mercy --out new.policy\n"
			   "pullcord policy import --dynsec dynamic-security.json --tenant mercy --out new.policy "
			   "--subjects who.json",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	if (!o.acl_file == !o.dynsec)
		return opt_wrong(&page, "of what? give --acl-file or --dynsec, one of them");
	if (opt_word(&page, "--tenant", o.tenant) != CMD_DONE)
		return CMD_USAGE;
	if (o.json && !o.out)
		return opt_wrong(&page, "--json wants --out FILE: policy and report cannot share one stream");
	report_json(o.json);
	return check_free(&o) == CMD_DONE ? run(&o) : CMD_NO;
}
