#include "hush.h"

bool hush_say(struct hush *h, int64_t now_ms)
{
	if (now_ms >= h->anew_ms) {
		h->anew_ms = now_ms + HUSH_MS;
		h->said = 0;
	}
	if (h->said < HUSH_MOST) {
		h->said++;
		return true;
	}
	if (!h->left_out)
		h->tell_ms = now_ms + HUSH_MS;
	h->left_out += h->left_out < UINT32_MAX;
	return false;
}

uint32_t hush_left_out(struct hush *h, int64_t now_ms)
{
	uint32_t n = now_ms >= h->tell_ms ? h->left_out : 0;

	h->left_out -= n;
	return n;
}
