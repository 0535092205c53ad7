#include "room.h"

static const struct { unsigned worse, better; } marks[] = {
#define MARK(name, worse, better) [RECORD_DISK_##name] = { worse, better },
	ROOM_MARKS(MARK)
#undef MARK
};

enum record_disk room_level(enum record_disk was, size_t free, size_t all)
{
	size_t percent = free * 100 / all;
	enum record_disk now = RECORD_DISK_FINE;

	for (enum record_disk at = RECORD_DISK_LOW; at <= RECORD_DISK_OUT; at++)
		if (percent < (was >= at ? marks[at].better : marks[at].worse))
			now = at;
	return now;
}
