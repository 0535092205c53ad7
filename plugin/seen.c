#include "seen.h"

#include <stdio.h>

#include "whole.h"

#define SEEN_BYTES_MAX 128
#define MODE 0600

static bool path_of(const char *dir, char out[WHOLE_PATH_MAX])
{
	int n = snprintf(out, WHOLE_PATH_MAX, "%s/%s", dir, SEEN_FILE);

	return n > 0 && n < WHOLE_PATH_MAX;
}

enum err seen_write(const char *dir, struct directory *d, uint64_t line)
{
	char path[WHOLE_PATH_MAX], hex[2 * SHA256_BYTES + 1], text[SEEN_BYTES_MAX];
	uint8_t hash[SHA256_BYTES];

	if (!path_of(dir, path))
		return ERR_TOO_LARGE;
	TRY(directory_line(d, line, hash));
	hex_encode(span(hash, sizeof(hash)), hex);
	snprintf(text, sizeof(text), "%llu %s\n", (unsigned long long)line, hex);
	return whole_write(path, span_str(text), MODE);
}

/* False: there is no such file, or it says nothing. */
static bool read_seen(const char *dir, uint64_t *line, uint8_t hash[SHA256_BYTES])
{
	char path[WHOLE_PATH_MAX], text[SEEN_BYTES_MAX];
	struct span digits, rest;
	size_t n;

	if (!path_of(dir, path) || whole_read(path, text, sizeof(text), &n) != OK)
		return false;
	digits = span_cut(span_cut(span(text, n), '\n', &rest), ' ', &rest);
	return span_u64(digits, UINT64_MAX, line) && rest.n == 2 * SHA256_BYTES && hex_decode(rest, hash, SHA256_BYTES);
}

/* A line that the journal does not keep any more tells nothing. */
bool seen_is_another(const char *dir, struct directory *d, uint64_t last)
{
	uint8_t was[SHA256_BYTES], is[SHA256_BYTES];
	uint64_t line;
	enum err e;

	if (!read_seen(dir, &line, was))
		return false;
	e = directory_line(d, line, is);
	return line > last || (e == OK && memcmp(is, was, sizeof(is)) != 0);
}
