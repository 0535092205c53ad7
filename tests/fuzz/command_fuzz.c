/* Any bytes as a request for commands, and as an answer to one. What is read keeps its promises. */
#include <stdlib.h>

#include "base.h"
#include "command.h"
#include "crypt.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct order *o, bool within)
{
	static const struct patients patients;
	char raw[200];
	struct put words = put(raw, sizeof(raw));

	must(o->command < COMMANDS && o->problem[sizeof(o->problem) - 1] == '\0' && span_utf8(span_str(o->problem)));
	if (o->problem[0])
		return;
	must(o->command != COMMAND_NONE && !o->phc[0] == !order_has(o, FIELD_PHC) && (!within || command_changes(o->command)));
	must(!order_has(o, FIELD_USER) || word_ok(o->text[FIELD_USER]));
	must(!order_has(o, FIELD_REASON) || (o->text[FIELD_REASON].n <= ACCOUNT_TEXT_MAX && span_utf8(o->text[FIELD_REASON])));
	must(!order_has(o, FIELD_EXPIRES) || o->until_us > 0);
	for (size_t i = 0; i < o->members; i++)
		must(word_ok(o->member[i]));
	for (size_t i = 0; i < o->attributes; i++)
		must(word_ok(o->attribute[i].name) && word_ok(o->attribute[i].value));
	for (size_t i = 0; i < o->segments; i++)
		must(o->segment[i] > 0);
	order_write(o, &patients, &words);
	must(order_patient(o).n == 0 || word_ok(order_patient(o)));
	must(put_end(&words) == OK && span_utf8(put_span(&words)));     /* as it goes on record */
	for (size_t i = 0; i < o->parts; i++)
		check(&o->part[i], true);
}

static void see(void *ctx, const struct answer *a)
{
	(void)ctx;
	must(a->command && a->error && a->json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(request_free) struct request *r = NULL;
	CLEANUP(free_cleanup) char *copy = malloc(size + 1);   /* passwords are wiped where they stand */
	char why[64];

	must(copy && crypt_init() == OK);
	if (size)
		memcpy(copy, data, size);
	(void)!answer_read(span(copy, size), see, NULL);
	if (request_read(span(copy, size), &r, why, sizeof(why)) != OK) {
		must(!r && why[0]);
		return 0;
	}
	for (size_t i = 0; i < r->n; i++)
		check(&r->order[i], false);
	return 0;
}
