#include "hints.h"

static uint32_t buckets(uint32_t most)
{
	uint32_t n = 8;

	while (n < most + most / 2)
		n *= 2;
	return n;
}

size_t hints_bytes(uint32_t most) { return buckets(most) * sizeof(struct hint); }

void hints_init(struct hints *h, uint32_t most, void *room) { *h = (struct hints){ buckets(most) - 1, 0, room }; }

static uint32_t print_of(uint32_t print) { return print ? print : 1; }

void hints_add(struct hints *h, uint32_t print, uint32_t number)
{
	uint32_t at = print_of(print) & h->mask;

	must(h->n < h->mask);   /* or a search would never end */
	while (h->at[at].print)
		at = (at + 1) & h->mask;
	h->at[at] = (struct hint){ print_of(print), number };
	h->n++;
}

/* Whatever stands behind a gap, and may stand in it, moves up: a search ends at the first gap. */
static void close_gap(struct hints *h, uint32_t gap)
{
	for (uint32_t at = (gap + 1) & h->mask; h->at[at].print; at = (at + 1) & h->mask) {
		uint32_t home = h->at[at].print & h->mask;

		if (((at - home) & h->mask) < ((at - gap) & h->mask))
			continue;
		h->at[gap] = h->at[at];
		gap = at;
	}
	h->at[gap] = (struct hint){ 0, 0 };
}

void hints_del(struct hints *h, uint32_t print, uint32_t number)
{
	for (uint32_t at = print_of(print) & h->mask; h->at[at].print; at = (at + 1) & h->mask)
		if (h->at[at].print == print_of(print) && h->at[at].number == number) {
			h->n--;
			close_gap(h, at);
			return;
		}
}

void hints_sweep(struct hints *h, uint32_t now, uint32_t age)
{
	for (uint32_t at = 0; at <= h->mask; at++)
		while (h->at[at].print && now - h->at[at].number >= age) {
			h->n--;
			close_gap(h, at);
		}
}

size_t hints_find(const struct hints *h, uint32_t print, uint32_t *number, size_t most)
{
	size_t n = 0;

	for (uint32_t at = print_of(print) & h->mask; h->at[at].print && n < most; at = (at + 1) & h->mask)
		if (h->at[at].print == print_of(print))
			number[n++] = h->at[at].number;
	return n;
}
