#include "leaving.h"

#include <string.h>

void leaving_add(struct leaving *l, const struct id *id, const uint8_t kind[THROTTLE_KEY])
{
	if (!kind || l->n == LEAVING_MAX) {
		l->others++;
		return;
	}
	l->at[l->n].id = *id;
	memcpy(l->at[l->n++].kind, kind, THROTTLE_KEY);
}

void leaving_drop(struct leaving *l, const struct id *id)
{
	for (unsigned i = 0; i < l->n; i++)
		if (memcmp(&l->at[i].id, id, sizeof(*id)) == 0) {
			l->at[i] = l->at[--l->n];
			return;
		}
	must(l->others > 0);
	l->others--;
}

bool leaving_any(const struct leaving *l) { return l->n || l->others; }

bool leaving_has(const struct leaving *l, const uint8_t kind[THROTTLE_KEY])
{
	for (unsigned i = 0; i < l->n; i++)
		if (memcmp(l->at[i].kind, kind, THROTTLE_KEY) == 0)
			return true;
	return l->others > 0;
}
