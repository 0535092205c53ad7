#include "trouble.h"

#include <string.h>

#define ROW(name, priority, calm_s, code, text) { PULLCORD__V1__PRIORITY__PRIORITY_##priority, calm_s * 1000LL, code, text },
static const struct {
	Pullcord__V1__Priority priority;
	int64_t calm_ms;
	const char *code, *text;
} rows[] = { TROUBLES(ROW) };

static const struct id none;

static bool has_id(const struct trouble *t, unsigned k) { return memcmp(&t->kind[k].id, &none, sizeof(none)) != 0; }

static void changed(struct trouble *t, unsigned k)
{
	t->kind[k].told = false;
	t->kind[k].id = none;
}

void trouble_seen(struct trouble *t, enum trouble_kind k, int64_t now_ms)
{
	t->kind[k].seen_ms = now_ms;
	if (t->kind[k].on)
		return;
	t->kind[k].on = true;
	changed(t, k);
}

static void calm(struct trouble *t, unsigned k, int64_t now_ms)
{
	if (!t->kind[k].on || now_ms - t->kind[k].seen_ms < rows[k].calm_ms)
		return;
	t->kind[k].on = false;
	changed(t, k);
}

bool trouble_next(struct trouble *t, int64_t now_ms, int64_t real_us, const struct id *fresh, struct trouble_told *out)
{
	for (unsigned k = 0; k < TROUBLE_KINDS; k++)
		calm(t, k, now_ms);
	for (unsigned k = 0; k < TROUBLE_KINDS; k++) {
		if (t->kind[k].told || now_ms < t->kind[k].wait_ms || (!t->kind[k].on && !t->kind[k].ever))
			continue;
		if (!has_id(t, k)) {
			t->kind[k].id = *fresh;
			t->kind[k].at_us = real_us;
		}
		t->kind[k].told = true;   /* until the connection is lost or the broker says no */
		t->kind[k].ever = true;
		*out = (struct trouble_told){
			(enum trouble_kind)k, rows[k].priority,
			t->kind[k].on ? PULLCORD__V1__PHASE__PHASE_START : PULLCORD__V1__PHASE__PHASE_END,
			rows[k].code, rows[k].text, t->kind[k].id, t->kind[k].at_us,
		};
		return true;
	}
	return false;
}

bool trouble_acked(struct trouble *t, const struct id *id, bool taken, int64_t now_ms)
{
	for (unsigned k = 0; k < TROUBLE_KINDS; k++) {
		if (!has_id(t, k) || memcmp(&t->kind[k].id, id, sizeof(*id)) != 0)
			continue;
		if (!taken) {
			t->kind[k].told = false;
			t->kind[k].wait_ms = now_ms + TROUBLE_AGAIN_MS;   /* somebody may mend the policy */
		} else if (!t->kind[k].on) {
			t->kind[k].ever = false;   /* its end is known: nothing to repeat */
		}
		return true;
	}
	return false;
}

void trouble_lost(struct trouble *t)
{
	for (unsigned k = 0; k < TROUBLE_KINDS; k++) {
		t->kind[k].told = false;
		t->kind[k].wait_ms = 0;
	}
}

const char *trouble_code(enum trouble_kind k) { return rows[k].code; }
bool trouble_is_open(const struct trouble *t, enum trouble_kind k) { return t->kind[k].ever; }

bool trouble_keep(const struct trouble *t, enum trouble_kind k, struct trouble_told *out)
{
	if (!t->kind[k].ever || !t->kind[k].on || !has_id(t, k))
		return false;
	*out = (struct trouble_told){ .kind = k, .code = rows[k].code, .id = t->kind[k].id, .at_us = t->kind[k].at_us };
	return true;
}

/* Most show themselves again when they last; one that is only ever seen once must not begin anew with each restart. */
static int64_t passed_ms(unsigned k, int64_t at_us, int64_t real_us)
{
	int64_t most = rows[k].calm_ms - TROUBLE_RESTART_MS, age = (real_us - at_us) / 1000;

	return age < 0 || most < 0 ? 0 : age < most ? age : most;
}

bool trouble_restore(struct trouble *t, struct span code, const struct id *id, int64_t at_us, int64_t now_ms, int64_t real_us)
{
	for (unsigned k = 0; k < TROUBLE_KINDS; k++) {
		if (!span_is(code, rows[k].code) || t->kind[k].on)
			continue;
		t->kind[k].on = t->kind[k].ever = true;
		t->kind[k].seen_ms = now_ms - passed_ms(k, at_us, real_us);
		t->kind[k].id = *id;
		t->kind[k].at_us = at_us;
		return true;
	}
	return false;
}
