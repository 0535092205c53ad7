/* The first byte says how the stream is cut; cutting must not matter. */
#include <stdlib.h>

#include "mllp.h"

#define FRAMES_MAX 4096

struct seen {
	size_t frames, bytes;
	uint64_t mix;      /* order and content of the payloads */
	bool junk;
};

static bool decode(struct mllp *m, struct span bytes, struct seen *s)
{
	struct span payload;
	enum mllp_says says;

	mllp_push(m, bytes);
	while ((says = mllp_next(m, &payload)) != MLLP_MORE) {
		if (says == MLLP_ROOM) {
			uint8_t *more = realloc(m->body, m->cap + 64);

			must(more);
			mllp_room(m, more, m->cap + 64);
			continue;
		}
		s->junk = says == MLLP_JUNK;
		if (s->junk)
			return false;
		s->frames++;
		s->bytes += payload.n;
		for (size_t i = 0; i < payload.n; i++)
			s->mix = (s->mix ^ payload.p[i]) * 0x100000001b3u;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { 0 }, parts = { 0 };
	struct mllp a = { 0 }, b = { 0 };
	size_t step;

	if (size == 0)
		return 0;
	step = (size_t)(data[0] & 15) + 1;
	(void)decode(&a, span(data + 1, size - 1), &whole);
	for (size_t at = 1; at < size; at += step)
		if (!decode(&b, span(data + at, size - at < step ? size - at : step), &parts))
			break;
	must(whole.frames == parts.frames && whole.mix == parts.mix && whole.junk == parts.junk);
	must(whole.bytes + 3 * whole.frames <= size - 1);
	free(a.body);
	free(b.body);
	return 0;
}
