#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "crypt.h"
#include "deed.h"
#include "password.h"

/* ---- permissions ------------------------------------------------------------------------------------------------- */

struct verdict control_allowed(const struct policy *p, const struct holder *h, enum command c)
{
	const char *permission = command_permission(c);

	return permission[0] ? policy_control(p, h, span_str(permission)) : (struct verdict){ .why = WHY_NO_RULE };
}

bool control_allowed_any(const struct policy *p, const struct holder *h)
{
	for (enum command c = 1; c < COMMANDS; c++)
		if (control_allowed(p, h, c).allow)
			return true;
	return false;
}

/* ---- what deeds say --------------------------------------------------------------------------------------------------- */

void work_fail(struct work *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	w->noted[0] = '\0';
}

void work_conceal(struct work *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->noted, sizeof(w->noted), fmt, ap);
	va_end(ap);
}

static const char *noted(const struct work *w)
{
	return w->noted[0] ? w->noted : w->why;
}

void work_refuse(struct work *w, struct verdict v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	w->noted[0] = '\0';
	w->verdict = v;
	w->refused = true;
}

void work_fail_err(struct work *w, enum err e, const char *what)
{
	work_fail(w, "cannot %s: %s", what, err_text(e));
}

void work_tell(struct work *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->detail, sizeof(w->detail), fmt, ap);
	va_end(ap);
}

void work_changed(struct work *w)
{
	const struct span s = batch_delta(w->b);

	w->change.n = s.n;
	memcpy(w->change.text, s.p, s.n);
}

static void put_on_record(struct work *w, enum command c, Pullcord__V1__AuditOutcome outcome, const char *detail)
{
	struct admin_note *n = calloc(1, sizeof(*n));

	if (!n)
		return;
	*n = (struct admin_note){ .command = c, .outcome = outcome, .why = w->verdict.why, .line = w->verdict.line };
	n->self = w->self && outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED;
	if (n->self && w->taken)
		n->taken_us = w->a->now_us++;   /* its name: what the next command takes is another */
	w->self = w->taken = false;
	snprintf(n->detail, sizeof(n->detail), "%s", detail);
	(void)!span_text(w->patient, n->patient, sizeof(n->patient));
	if (outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED)
		n->change = w->change;
	w->change.n = 0;
	*w->a->last_note = n;
	w->a->last_note = &n->next;
}

void work_note(struct work *w, enum command c)
{
	put_on_record(w, c, PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED, w->detail);
	w->detail[0] = '\0';
}

void admin_notes_free(struct admin_note **n)
{
	while (*n) {
		struct admin_note *next = (*n)->next;

		free(*n);
		*n = next;
	}
}

/* ---- a request --------------------------------------------------------------------------------------------------- */

bool work_sees(const struct work *w, const struct account *a)
{
	return span_is(a->subject.tenant, w->tenant);
}

/* Policies, certificates and the record are no one tenant's: the house's administrators see to them. */
static bool is_house_matter(enum command c)
{
	struct span rest, permission = span_str(command_permission(c)), about = span_cut(permission, '.', &rest);

	return (span_is(about, "policy") && c != COMMAND_WHO_CAN && c != COMMAND_EXPLAIN) || span_is(about, "certificate") ||
	       span_is(about, "record");
}

/* Understood, and permitted; a refusal is on record. */
static bool may(struct work *w, const struct order *o)
{
	w->patient = order_patient(o);
	if (o->problem[0]) {
		work_fail(w, "%s", o->problem);
		return false;
	}
	w->verdict = control_allowed(w->a->policy, w->holder, o->command);
	if (!w->verdict.allow) {
		work_fail(w, "not permitted: it takes %s", command_permission(o->command));
		put_on_record(w, o->command, PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED, "no role of theirs permits it");
		return false;
	}
	if (!is_house_matter(o->command) || span_is(policy_tenant(w->a->policy), w->tenant))
		return true;
	work_fail(w, "not permitted: %s is for administrators of %.*s", command_name(o->command),
		  SPAN_FMT(policy_tenant(w->a->policy)));
	put_on_record(w, o->command, PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED, "they are of another tenant");
	return false;
}

static enum err commit(struct work *w)
{
	enum err e = batch_commit(&w->b);

	if (e != OK)
		work_fail_err(w, e, "write the directory");
	return e;
}

const char *admin_name(const struct admin *a, char out[ADMIN_NAME])
{
	snprintf(out, ADMIN_NAME, "%s:%s", party_noun(a->party), a->id);
	return out;
}

static void begin(struct work *w)
{
	enum err e = directory_begin(w->a->directory, &w->b);

	if (e != OK)
		work_fail_err(w, e, "write the directory");
	else
		batch_by(w->b, span_str(admin_name(w->a, w->name)));
}

/* What one command tells of itself is kept only when it came to pass. */
static void forget_since(struct work *w, struct admin_note **last)
{
	admin_notes_free(last);
	w->a->last_note = last;
}

static Pullcord__V1__AuditOutcome outcome_of(const struct work *w)
{
	return w->refused ? PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED : PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED;
}

static void run_one(struct work *w, const struct order *o)
{
	struct admin_note **before = w->a->last_note;

	if (!may(w, o))
		return;
	if (command_changes(o->command))
		begin(w);
	if (!w->why[0])
		deed_do(w, o);
	if (!w->why[0] && w->b)
		(void)commit(w);
	batch_abort(&w->b);
	if (!w->why[0]) {
		work_note(w, o->command);
		return;
	}
	if (!w->partly)
		forget_since(w, before);
	put_on_record(w, o->command, outcome_of(w), noted(w));
}

static int64_t most_us(const struct work *w)
{
	return w->a->most_us ? w->a->most_us : ADMIN_TIME_US;
}

static const char spent[] = "the request has had what one may take: ask for the rest in another, smaller one";

/* The flushes of many small changes keep others waiting as much as work does. */
static bool is_spent(const struct work *w)
{
	return reply_bytes(w->r) >= ADMIN_ANSWER_MAX || clock_us(CLOCK_MONOTONIC) - w->since_us >= most_us(w);
}

/* All of a batch is one flush, and lost when it is cut short: only its own work counts. */
static bool is_overworked(const struct work *w)
{
	return clock_us(CLOCK_THREAD_CPUTIME_ID) - w->cpu_us >= most_us(w);
}

static bool may_all(struct work *w, const struct order *o)
{
	char why[sizeof(w->why)];

	for (size_t i = 0; i < o->parts; i++) {
		if (may(w, &o->part[i]))
			continue;
		snprintf(why, sizeof(why), "%s", w->why);
		work_fail(w, "command %zu of %zu (%s): %.180s", i + 1, o->parts, command_name(o->part[i].command), why);
		return false;
	}
	return true;
}

/* All or nothing: one transaction. */
static void run_batch(struct work *w, const struct order *o)
{
	struct admin_note **before = w->a->last_note;
	enum command at = COMMAND_BATCH;
	char why[sizeof(w->why)], kept[sizeof(w->noted)];

	if (o->problem[0])
		work_fail(w, "%s", o->problem);
	if (w->why[0] || !may_all(w, o))
		return;
	begin(w);
	for (size_t i = 0; i < o->parts && !w->why[0]; i++) {
		w->verdict = control_allowed(w->a->policy, w->holder, o->part[i].command);
		w->patient = order_patient(&o->part[i]);
		if (is_overworked(w))
			work_fail(w, "%s", spent);
		else
			deed_do(w, &o->part[i]);
		if (!w->why[0]) {
			work_note(w, o->part[i].command);
			continue;
		}
		at = o->part[i].command;
		snprintf(why, sizeof(why), "%s", w->why);
		snprintf(kept, sizeof(kept), "%s", noted(w));
		work_fail(w, "nothing was done: command %zu of %zu (%s): %.150s", i + 1, o->parts, command_name(at), why);
		work_conceal(w, "nothing was done: command %zu of %zu (%s): %.150s", i + 1, o->parts, command_name(at), kept);
	}
	if (!w->why[0])
		(void)commit(w);
	batch_abort(&w->b);
	if (!w->why[0])
		return;
	forget_since(w, before);
	put_on_record(w, w->refused ? at : COMMAND_BATCH, outcome_of(w), noted(w));
}

/* Who asks, as the directory knows them now. */
static enum err bind_author(struct work *w)
{
	CLEANUP(account_free) struct account *a = NULL;
	struct subject s;
	int64_t until;

	TRY(directory_find(w->a->directory, w->a->party, span_str(w->a->id), &a));
	holder_close(&w->holder);
	s = account_subject(a, w->a->now_us, &until);
	s.address = span_str(w->a->address);
	if (!span_text(s.tenant, w->tenant, sizeof(w->tenant)))
		return ERR_RANGE;
	return policy_bind(w->a->policy, &s, &w->holder);
}

static void answer(struct work *w, const struct order *o)
{
	const struct policy *policy = w->a->policy;   /* a command may put another in force */

	w->why[0] = w->noted[0] = w->detail[0] = '\0';
	w->patient = span(NULL, 0);
	w->change.n = 0;
	w->refused = w->partly = w->self = w->taken = false;
	reply_object(w->r, NULL);
	reply_text(w->r, "command", span(o->word.p, o->word.n < 64 ? o->word.n : 0));
	if (o->correlation.n)
		reply_text(w->r, "correlationData", o->correlation);
	reply_object(w->r, "data");
	if (is_spent(w))
		work_fail(w, "%s", spent);
	else if (o->command == COMMAND_BATCH)
		run_batch(w, o);
	else
		run_one(w, o);
	reply_end(w->r);
	reply_prune(w->r, "data", w->why[0] != '\0');
	if (w->why[0])
		reply_text(w->r, "error", span_str(w->why));
	reply_end(w->r);
	account_free(&w->account);
	if (w->a->policy != policy && bind_author(w) != OK)
		holder_close(&w->holder);
}

/* Slow: before any transaction begins. */
static void hash_passwords(const struct work *w, struct order *o, size_t n, size_t *left)
{
	for (size_t i = 0; i < n; i++) {
		enum err e = OK;

		hash_passwords(w, o[i].part, o[i].parts, left);
		if (o[i].problem[0] || !order_has(&o[i], FIELD_PASSWORD) ||
		    !control_allowed(w->a->policy, w->holder, o[i].command).allow)
			continue;
		e = *left ? password_hash(o[i].text[FIELD_PASSWORD], o[i].phc) : ERR_TOO_LARGE;
		if (e == ERR_RANGE)
			snprintf(o[i].problem, sizeof(o[i].problem), "\"password\" is to have %d to %d bytes",
				 PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
		else if (e == ERR_TOO_LARGE)
			snprintf(o[i].problem, sizeof(o[i].problem), "a request sets at most %d passwords", ADMIN_PASSWORDS_MAX);
		else if (e != OK)
			snprintf(o[i].problem, sizeof(o[i].problem), "cannot hash the password: %s", err_text(e));
		*left -= *left > 0;
	}
}

/* ---- what is about to be done ------------------------------------------------------------------------------------ */

static bool add_about(const struct order *o, const struct patients *p, struct admin_note ***last)
{
	struct admin_note *n;
	struct put detail;

	if (o->problem[0] || !command_acts(o->command))
		return true;
	n = calloc(1, sizeof(*n));
	if (!n)
		return false;
	n->command = o->command;
	detail = put(n->detail, sizeof(n->detail) - 1);
	order_write(o, p, &detail);
	(void)!span_text(order_patient(o), n->patient, sizeof(n->patient));
	n->detail[detail.n] = '\0';
	**last = n;
	*last = &n->next;
	return true;
}

static bool add_all(const struct order *o, size_t n, const struct patients *p, struct admin_note ***last)
{
	for (size_t i = 0; i < n; i++)
		if (!add_about(&o[i], p, last) || !add_all(o[i].part, o[i].parts, p, last))
			return false;
	return true;
}

static enum command first_act(const struct request *request)
{
	size_t i = 0;

	while (i < request->n && !command_acts(request->order[i].command))
		i++;
	return i < request->n ? request->order[i].command : COMMAND_BATCH;
}

/* Also of what will turn out not to be permitted: that may depend on what comes before it. */
static bool tell_first(struct admin *a, const struct request *request)
{
	struct admin_note *about = NULL, **last = &about;

	if (!a->first)
		return true;
	if (!add_all(request->order, request->n, directory_patients(a->directory), &last)) {
		admin_notes_free(&about);
		return false;
	}
	return !about || a->first(a, about);
}

static char *refuse(const char *why)
{
	CLEANUP(reply_close) struct reply *r = reply_open();

	if (!r)
		return NULL;
	reply_array(r, "responses");
	reply_object(r, NULL);
	reply_text(r, "command", span(NULL, 0));
	reply_text(r, "error", span_str(why));
	reply_end(r);
	reply_end(r);
	return reply_finish(r);
}

static void work_free(struct work **w)
{
	if (*w) {
		holder_close(&(*w)->holder);
		reply_close(&(*w)->r);
		account_free(&(*w)->account);
		batch_abort(&(*w)->b);
		crypt_wipe(&(*w)->draft.account.password, sizeof((*w)->draft.account.password));
	}
	free_cleanup(w);
}

char *admin_run(struct admin *a, struct span payload)
{
	CLEANUP(request_free) struct request *request = NULL;
	CLEANUP(work_free) struct work *w = calloc(1, sizeof(*w));
	size_t passwords = ADMIN_PASSWORDS_MAX;
	char why[200];
	enum err e;

	a->last_note = &a->note;
	if (!w)
		return NULL;
	w->a = a;
	w->r = reply_open();
	e = w->r ? request_read(payload, &request, why, sizeof(why)) : ERR_FULL;
	if (e == OK && !tell_first(a, request)) {
		put_on_record(w, first_act(request), PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED,
			      "nothing was done: it could not be put on record before");
		return refuse("it could not be put on record, so nothing was done: try again");
	}
	if (e == OK)
		e = bind_author(w);
	if (e != OK)
		return refuse(request ? "who you are cannot be told any more" : why);
	hash_passwords(w, request->order, request->n, &passwords);
	w->since_us = clock_us(CLOCK_MONOTONIC);
	w->cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
	reply_array(w->r, "responses");
	for (size_t i = 0; i < request->n; i++)
		answer(w, &request->order[i]);
	reply_end(w->r);
	return reply_finish(w->r);
}
