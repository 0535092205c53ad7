#include "fold.h"

#include <string.h>

#include "words.h"

static size_t bucket(const struct fold *f, const struct id *id)
{
	return words_hash(f->key, span(id->b, ID_BYTES)) % FOLD_IDS;
}

static void forget(struct fold *f, uint32_t place)
{
	uint32_t *at = &f->alike[bucket(f, &f->id[place])];

	while (*at != place + 1)
		at = &f->next[*at - 1];
	*at = f->next[place];
}

bool fold_knows(const struct fold *f, const struct id *id)
{
	for (uint32_t i = f->alike[bucket(f, id)]; i; i = f->next[i - 1])
		if (memcmp(&f->id[i - 1], id, sizeof(*id)) == 0)
			return true;
	return false;
}

void fold_note(struct fold *f, const struct id *id)
{
	uint32_t *first = &f->alike[bucket(f, id)], place = (uint32_t)(f->ids % FOLD_IDS);

	if (fold_knows(f, id))
		return;
	if (f->ids++ >= FOLD_IDS)
		forget(f, place);
	f->id[place] = *id;
	f->next[place] = *first;
	*first = place + 1;
}

static struct fold_alert *alert_find(struct fold *f, const char *device, const uint8_t key[FOLD_KEY_BYTES])
{
	size_t n = f->alerts < FOLD_MAX ? f->alerts : FOLD_MAX;

	for (size_t i = 0; i < n; i++)
		if (memcmp(f->alert[i].key, key, FOLD_KEY_BYTES) == 0 && strcmp(f->alert[i].device, device) == 0)
			return &f->alert[i];
	return NULL;
}

/* As much of a text as there is room for, in whole characters. */
static void keep_text(char *to, size_t cap, const char *text)
{
	size_t n = strnlen(text, cap - 1);

	while (n && !span_utf8(span(text, n)))
		n--;
	memcpy(to, text, n);
	to[n] = '\0';
}

/* A device's messages rise: what is older than the end of its condition does not begin it anew, and an end does not end what is
 * younger. Either comes late when a device is not sure that it had arrived. */
static bool is_late(const struct fold_alert *a, uint64_t order, const Pullcord__V1__Alert *alert)
{
	return (a->ended || alert->phase == PULLCORD__V1__PHASE__PHASE_END) && order < a->last;
}

static void keep(struct fold_alert *a, uint64_t order, const char *device, const Pullcord__V1__Alert *alert)
{
	uint64_t last = order > a->last ? order : a->last;
	bool ended = alert->phase == PULLCORD__V1__PHASE__PHASE_END;

	*a = (struct fold_alert){ .last = last, .ended = ended, .over = ended };
	keep_text(a->device, sizeof(a->device), device);
	memcpy(a->key, alert->key.data, FOLD_KEY_BYTES);
	keep_text(a->bed, sizeof(a->bed), alert->bed);
	keep_text(a->text, sizeof(a->text), alert->text[0] ? alert->text : alert->code);
}

enum fold_seen fold_see(struct fold *f, const struct id *id, uint64_t order, const char *device, const Pullcord__V1__Alert *alert)
{
	struct fold_alert *a;
	bool open;

	if (fold_knows(f, id))
		return FOLD_SAME;
	fold_note(f, id);
	a = alert_find(f, device, alert->key.data);
	if (a && is_late(a, order, alert))
		return FOLD_AGAIN;
	open = a && !a->over;
	if (a && !open)
		*a = (struct fold_alert){ 0 };      /* what begins anew is the youngest again */
	if (!open) {
		a = &f->alert[f->alerts++ % FOLD_MAX];
		*a = (struct fold_alert){ 0 };
	}
	keep(a, order, device, alert);
	return open ? FOLD_AGAIN : FOLD_NEW;
}

const struct fold_alert *fold_update(struct fold *f, const char *device, const Pullcord__V1__AlertUpdate *update)
{
	struct fold_alert *a = update->key.len == FOLD_KEY_BYTES ? alert_find(f, device, update->key.data) : NULL;

	if (a && update->state == PULLCORD__V1__ALERT_STATE__ALERT_STATE_RESOLVED)
		a->over = true;
	return a;
}
