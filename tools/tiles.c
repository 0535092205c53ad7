#include "tiles.h"

#include <stdio.h>
#include <stdlib.h>

#include "install.h"

void tiles_number(uint64_t n, char out[TILES_NUMBER_MAX])
{
	uint64_t part[8];
	size_t parts = 0, at = 0;

	do {
		part[parts++] = n % 1000;
		n /= 1000;
	} while (n);
	while (parts--)
		at += (size_t)snprintf(out + at, TILES_NUMBER_MAX - at, "%s%03u%s", parts ? "x" : "",
				       (unsigned)(part[parts] % 1000), parts ? "/" : "");
}

static enum err read_tile(void *ctx, unsigned level, uint64_t first, unsigned n, struct hash *out)
{
	CLEANUP(free_cleanup) char *text = NULL;
	const struct tiles *t = ctx;
	char path[INSTALL_PATH_MAX], number[TILES_NUMBER_MAX], part[16] = "";
	uint64_t tile = first / TREE_TILE_HASHES, all = t->size >> (level * TREE_TILE_HEIGHT);
	uint64_t width = all - tile * TREE_TILE_HASHES, at = first % TREE_TILE_HASHES;
	size_t len;

	must(level < TREE_TILE_LEVELS && first + n <= all);
	if (width < TREE_TILE_HASHES)
		snprintf(part, sizeof(part), ".p/%u", (unsigned)width);
	tiles_number(tile, number);
	if (snprintf(path, sizeof(path), "%s/tile/%u/%s%s", t->folder, level, number, part) >= (int)sizeof(path))
		return ERR_TOO_LARGE;
	TRY(install_read(path, TREE_TILE_HASHES * sizeof(*out), &text, &len));
	if (width > TREE_TILE_HASHES)
		width = TREE_TILE_HASHES;
	if (len != width * sizeof(*out))
		return ERR_CORRUPT;
	memcpy(out, text + at * sizeof(*out), n * sizeof(*out));
	return OK;
}

struct tree_source tiles_source(struct tiles *t)
{
	return (struct tree_source){ read_tile, t };
}
