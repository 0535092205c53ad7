#include "signing.h"

#include "clock.h"

#define SIGN_EVERY_US (1 * 1000000LL)

void signing_begin(struct record *r, int64_t every_us)
{
	r->sign_every_us = every_us ? every_us : SIGN_EVERY_US;
	r->signed_us = clock_us(CLOCK_MONOTONIC) - r->sign_every_us;
}

void signing_show(struct record *r, struct span note)
{
	pthread_mutex_lock(&r->note_lock);
	memcpy(r->note, note.p, note.n);
	r->note_n = note.n;
	r->note_size = r->signed_size;
	pthread_mutex_unlock(&r->note_lock);
}

/* The sizes file first. */
enum err signing_sign(struct record *r)
{
	const struct tree *tree = trail_tree(r->trail);
	const struct checkpoint c = { span_str(r->origin), tree->size, tree_root(tree) };
	char text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text));

	if (tree->size == r->signed_size)
		return OK;
	TRY(note_write(&c, r->secret, &note));
	if (r->sizes && r->listed_size != tree->size)
		TRY(sizes_append(r->sizes, put_span(&note)));
	r->listed_size = tree->size;
	TRY(trail_put_checkpoint(r->trail, put_span(&note), clock_us(CLOCK_REALTIME), false));
	r->signed_size = tree->size;
	r->signed_us = clock_us(CLOCK_MONOTONIC);
	atomic_store(&r->signed_upto, r->signed_size);
	atomic_store(&r->signed_at_us, r->signed_us);
	signing_show(r, put_span(&note));
	if (r->act)
		atomic_store(&r->urgent, true);
	r->act = false;
	return OK;
}

int64_t signing_due_us(const struct record *r)
{
	if (trail_tree(r->trail)->size == r->signed_size)
		return INT64_MAX;
	return r->act ? 0 : r->signed_us + r->sign_every_us - clock_us(CLOCK_MONOTONIC);
}
