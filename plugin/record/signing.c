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

/* The sizes file first. Of an epoch whose time is over only the checkpoint that closes it is signed. */
enum err signing_sign(struct record *r)
{
	const struct tree *tree = trail_tree(r->trail);
	const struct checkpoint c = { span_str(r->origin), tree->size, tree_root(tree) };
	char text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text));
	struct span body, lines;

	if (tree->size == r->signed_size || turns_over(&r->turns))
		return turns_sealed(&r->turns);
	TRY(note_write(&c, r->secret, &note));
	TRY(note_split(put_span(&note), &body, &lines));
	TRY(turns_sign(&r->turns, body, c.origin, &note));
	if (r->sizes && r->listed_size != tree->size)
		TRY(sizes_append(r->sizes, put_span(&note)));
	r->listed_size = tree->size;
	TRY(trail_put_checkpoint(r->trail, put_span(&note), clock_us(CLOCK_REALTIME), r->turns.closing));
	r->signed_size = tree->size;
	r->signed_us = clock_us(CLOCK_MONOTONIC);
	atomic_store(&r->signed_upto, r->signed_size);
	atomic_store(&r->signed_at_us, r->signed_us);
	signing_show(r, put_span(&note));
	if (r->act)
		atomic_store(&r->urgent, true);
	r->act = false;
	return turns_sealed(&r->turns);
}

enum err signing_close(struct record *r)
{
	return r->turns.closing ? signing_sign(r) : turns_sealed(&r->turns);
}

int64_t signing_due_us(const struct record *r)
{
	if (trail_tree(r->trail)->size == r->signed_size || turns_over(&r->turns))
		return INT64_MAX;
	return r->act || r->turns.closing ? 0 : r->signed_us + r->sign_every_us - clock_us(CLOCK_MONOTONIC);
}
