/* importing_fuzz: what holds for every import, whatever the bytes. */
#ifndef PULLCORD_IMPORTING_FUZZ_H
#define PULLCORD_IMPORTING_FUZZ_H

#include <stdlib.h>

#include "crypt.h"
#include "import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_note(void *ctx, uint32_t line, enum loss l, const char *text)
{
	(void)ctx, (void)line;
	must(l < LOSSES && text[0]);
	for (const char *c = text; *c; c++)
		must(*c >= ' ' && *c < 0x7f);
}

/* Every role it holds is one of the policy: looked at when that is loaded. */
static void keep_role(void *ctx, const struct subject *s)
{
	struct span *last = ctx;

	must(word_ok(s->id) && s->roles <= IMPORT_ROLES_MAX);
	for (size_t i = 0; i < s->roles; i++)
		must(word_ok(s->role[i]));
	if (s->roles) {
		free((void *)last->p);
		*last = span(memcpy(malloc(s->role[0].n), s->role[0].p, s->role[0].n), s->role[0].n);
	}
}

static int import_any(enum err (*read)(struct import *, struct span, struct policy_error *), const uint8_t *data, size_t size)
{
	struct span rest, role = { NULL, 0 }, tenant = span_cut(span(data, size), '\n', &rest);
	struct import im = { .tenant = tenant, .say = check_note, .subject = keep_role, .ctx = &role };
	struct policy_error where;
	struct policy *p = NULL;
	char *text = NULL;
	size_t n;
	enum err e;

	must(crypt_init() == OK);
	im.policy = open_memstream(&text, &n);
	must(im.policy);
	e = read(&im, rest, &where);
	must(fclose(im.policy) == 0);
	if (e == OK) {
		must(policy_load(span(text, n), &p, &where) == OK);
		must(policy_count(p).roles == im.roles && policy_count(p).rules == im.rules);
		must(!role.n || policy_has_role(p, role));
		policy_close(&p);
	} else {
		must(n == 0 && (e != ERR_SYNTAX || (where.line && where.column && where.text[0])));
		must(e == ERR_SYNTAX || e == ERR_RANGE);
	}
	free((void *)role.p);
	free(text);
	return 0;
}

#endif
