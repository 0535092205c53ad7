#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "seed.h"
#include "session.h"

static int world[64];   /* addresses to stand for the broker's contexts */

static struct sessions fresh(void)
{
	struct sessions t;

	assert_int_equal(sessions_init(&t, 1), OK);
	return t;
}

static void the_new_connection_of_a_client_supersedes_the_old(void **state)
{
	struct sessions t = fresh();
	struct session *old = session_add(&t, &world[0], "ana.t1", false), *new = session_add(&t, &world[1], "ana.t1", false);

	(void)state;
	assert_int_equal(old->state, SESSION_SUPERSEDED);
	assert_int_equal(new->state, SESSION_LIVE);
	assert_ptr_equal(session_client(&t, "ana.t1"), new);
	assert_ptr_equal(session_of(&t, &world[0]), old);   /* its disconnect and its will are still to come */
	sessions_clear(&t);
}

static void a_pointer_used_again_is_a_new_session(void **state)
{
	struct sessions t = fresh();

	(void)state;
	session_add(&t, &world[0], "ana.t1", false)->party = PULLCORD__V1__PARTY__PARTY_USER;
	session_add(&t, &world[0], "pump-7", false);
	assert_int_equal(t.n, 1);
	assert_string_equal(session_of(&t, &world[0])->client, "pump-7");
	assert_int_equal(session_of(&t, &world[0])->party, 0);
	assert_null(session_client(&t, "ana.t1"));
	sessions_clear(&t);
}

/* The broker uses the memory of a connection that ended for the next: who floods is not to gain by it. */
static void what_was_used_outlives_the_pointer(void **state)
{
	struct sessions t = fresh();
	struct session *s = session_add(&t, &world[0], "pump-7", false);
	unsigned n = 0;

	(void)state;
	while (session_count_refusal(s, 1))
		n++;
	assert_int_equal(n, SESSION_REFUSALS);
	s->state = SESSION_CLOSED;
	session_add(&t, &world[0], "pump-8", false);
	s = session_add(&t, &world[1], "pump-7", false);
	for (n = 0; session_count_refusal(s, 1000001); n++)
		;
	assert_int_equal(n, SESSION_REFUSALS_PER_S);
	assert_int_equal(t.n, 2);
	sessions_clear(&t);
}

static void an_offline_entry_disturbs_no_live_one(void **state)
{
	struct sessions t = fresh();
	struct session *live = session_add(&t, &world[0], "pump-7", false);

	(void)state;
	session_add_offline(&t, &world[1], "pump-7");
	assert_int_equal(live->state, SESSION_LIVE);
	assert_ptr_equal(session_client(&t, "pump-7"), live);
	sessions_clear(&t);
}

static void what_was_subscribed_passes_to_whoever_resumes(void **state)
{
	struct sessions t = fresh();
	struct session *s = session_add(&t, &world[0], "ana.t1", false);

	(void)state;
	assert_int_equal(session_filter_add(s, SPAN_LIT("mercy/#"), 0), OK);
	s = session_add(&t, &world[1], "ana.t1", true);
	assert_int_equal(s->filters, 1);
	s->state = SESSION_CLOSED;
	s = session_add(&t, &world[2], "ana.t1", true);
	assert_int_equal(s->filters, 1);
	s = session_add(&t, &world[2], "ana.t1", true);   /* at the same address */
	assert_int_equal(s->filters, 1);
	s = session_add(&t, &world[3], "ana.t1", false);
	assert_int_equal(s->filters, 0);
	sessions_clear(&t);
}

static void closed_sessions_go_after_a_while(void **state)
{
	struct sessions t = fresh();
	struct session *s = session_add(&t, &world[0], "ana.t1", false);

	(void)state;
	s->state = SESSION_CLOSED;
	s->active_ms = 1000;
	session_add(&t, &world[1], "bea.t1", false);
	sessions_reap(&t, 1000 + SESSION_LINGER_MS);
	assert_non_null(session_of(&t, &world[0]));
	sessions_reap(&t, 1001 + SESSION_LINGER_MS);
	assert_null(session_of(&t, &world[0]));
	assert_non_null(session_of(&t, &world[1]));
	sessions_clear(&t);
}

static void filters_are_kept_once_and_bounded(void **state)
{
	struct sessions t = fresh();
	struct session *s = session_add(&t, &world[0], "ana.t1", false);
	char text[32];

	(void)state;
	assert_int_equal(session_filter_add(s, SPAN_LIT("mercy/#"), 3), OK);
	assert_int_equal(session_filter_add(s, SPAN_LIT("mercy/#"), 5), OK);
	assert_int_equal(s->filters, 1);
	assert_int_equal(s->filter[0].alerts_before, 5);
	assert_true(s->catch_up);
	for (int i = 1; i < SESSION_FILTERS_MAX; i++) {
		snprintf(text, sizeof(text), "mercy/%d", i);
		assert_int_equal(session_filter_add(s, span_str(text), 0), OK);
	}
	assert_int_equal(session_filter_add(s, SPAN_LIT("one/more"), 0), ERR_FULL);
	session_filter_del(s, SPAN_LIT("mercy/#"));
	session_filter_del(s, SPAN_LIT("never/there"));
	assert_int_equal(session_filter_add(s, SPAN_LIT("one/more"), 0), OK);
	sessions_clear(&t);
}

/* Through growing tables and ends in any order. */
static void the_sessions_of_an_account_are_found(void **state)
{
	static const char *const id[] = { "ana", "bea", "cem", "dea" };
	static int many[3000];
	size_t of[countof(id)] = { 0 };
	struct sessions t = fresh();
	char client[16];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t at = seed_below(countof(many)), who = seed_below(countof(id));
		struct session *s = session_of(&t, &many[at]);

		for (size_t k = 0; s && k < countof(id); k++)
			of[k] -= strcmp(s->id, id[k]) == 0;
		if (s) {
			session_drop(&t, s);
			continue;
		}
		snprintf(client, sizeof(client), "c%zu", at);
		session_own(&t, session_add(&t, &many[at], client, false), PULLCORD__V1__PARTY__PARTY_USER, id[who]);
		of[who]++;
		if (i % 16)
			continue;
		for (size_t k = 0; k < countof(id); k++)
			assert_int_equal(sessions_beside(&t, PULLCORD__V1__PARTY__PARTY_USER, id[k], ""), of[k]);
		assert_null(session_account(&t, PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT("ana"), NULL));
	}
	sessions_clear(&t);
}

/* The plainest table there can be: an array searched from the front. No context: found by its client id alone. */
struct model { const void *context; char client[8]; enum session_state state; };

static struct model *model_of(struct model *m, size_t n, const void *context)
{
	for (size_t i = 0; i < n; i++)
		if (m[i].context == context)
			return &m[i];
	return NULL;
}

static size_t model_login(struct model *m, size_t n, const void *context, const char *client)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		bool same = strcmp(m[i].client, client) == 0;

		if (same ? m[i].state == SESSION_CLOSED || m[i].context == context
			 : m[i].context == context && m[i].state != SESSION_CLOSED)
			continue;
		if (m[i].context == context)
			m[i].context = NULL;
		if (same && m[i].state == SESSION_LIVE)
			m[i].state = SESSION_SUPERSEDED;
		m[k++] = m[i];
	}
	m[k] = (struct model){ .context = context, .state = SESSION_LIVE };
	strcpy(m[k].client, client);
	return k + 1;
}

#define CLIENTS 24

static void any_order_of_logins_and_ends_agrees_with_the_model(void **state)
{
	struct sessions t = fresh();
	struct model m[countof(world) + CLIENTS + 1];
	size_t n = 0;

	(void)state;
	for (int step = 0; step < 200000; step++) {
		const void *context = &world[seed_below(countof(world))];
		char client[8];

		snprintf(client, sizeof(client), "c%u", (unsigned)seed_below(CLIENTS));
		if (seed_below(2)) {
			session_add(&t, context, client, false);
			n = model_login(m, n, context, client);
		} else {
			struct session *s = session_of(&t, context);
			struct model *e = model_of(m, n, context);

			if (s)
				s->state = SESSION_CLOSED;
			if (e)
				e->state = SESSION_CLOSED;
		}
		assert_int_equal(t.n, n);
		for (size_t i = 0; i < n; i += 7) {
			struct session *s = m[i].context ? session_of(&t, m[i].context) : session_client(&t, m[i].client);

			if (!m[i].context && s && s->state != m[i].state)
				continue;       /* that of another connection comes first */
			assert_non_null(s);
			assert_int_equal(s->state, m[i].state);
			assert_string_equal(s->client, m[i].client);
		}
	}
	sessions_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_new_connection_of_a_client_supersedes_the_old),
		cmocka_unit_test(a_pointer_used_again_is_a_new_session),
		cmocka_unit_test(what_was_used_outlives_the_pointer),
		cmocka_unit_test(an_offline_entry_disturbs_no_live_one),
		cmocka_unit_test(what_was_subscribed_passes_to_whoever_resumes),
		cmocka_unit_test(closed_sessions_go_after_a_while),
		cmocka_unit_test(filters_are_kept_once_and_bounded),
		cmocka_unit_test(the_sessions_of_an_account_are_found),
		cmocka_unit_test(any_order_of_logins_and_ends_agrees_with_the_model),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
