/* replay: runs a fuzz target over its corpus, each sample whole and cut at every byte of its first kilobyte, without
 * libFuzzer. The name of the sample at work is printed first, so a crash says whose it is. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

#define SAMPLE_MAX (1 << 20)
#define CUTS_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly `n` bytes: one byte read too far is seen by AddressSanitizer. */
static void feed(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);

	must(exact);
	memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static int replay(const char *folder, const char *name)
{
	static uint8_t sample[SAMPLE_MAX];
	char path[1024];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (!f) {
		printf("not ok - cannot read %s\n", path);
		return 1;
	}
	n = fread(sample, 1, sizeof(sample), f);
	fclose(f);
	printf("# %s\n", path);
	fflush(stdout);
	feed(sample, n);
	for (size_t cut = 0; cut < n && cut < CUTS_MAX; cut++)
		feed(sample, cut);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entry;
	int n = argc == 2 ? scandir(argv[1], &entry, NULL, alphasort) : -1, samples = 0, failed = 0;

	for (int i = 0; i < n; i++) {
		if (entry[i]->d_name[0] != '.') {
			failed += replay(argv[1], entry[i]->d_name);
			samples++;
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	printf("%sok 1 - %d samples survived\n1..1\n", samples && !failed ? "" : "not ", samples);
	return samples && !failed ? 0 : 1;
}
