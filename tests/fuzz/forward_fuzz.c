/* A note's forward-secure line comes from outside, and the file of its seed may be anything after a crash. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "epochs.h"
#include "fsline.h"

#define NAME SPAN_LIT("hospital.example/audit/main")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_note(const struct fsline *line, struct span s)
{
	struct span text, lines;
	uint32_t epoch;

	if (forward_check(s, NAME, &line->root, &epoch) == OK)
		must(epoch < forward_epochs(line->root.depth) && note_split(s, &text, &lines) == OK);
}

static void read_file(const struct fsline *line, struct span s)
{
	int fd = memfd_create("line", MFD_CLOEXEC);
	struct forward_root root;
	struct epochs *e = NULL;
	char path[64];
	uint32_t epoch;

	must(fd >= 0 && write(fd, s.p, s.n) == (ssize_t)s.n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (epochs_open(path, &e) == OK && epochs_peek(path, &root, &epoch) == OK) {
		must(epoch < forward_epochs(root.depth) && epochs_find(e, &root, epoch, true) == OK);
		must(epochs_now(e)->key.epoch == epoch && forward_fits(&root, &epochs_now(e)->key) == OK);
	} else if (e) {
		must(epochs_find(e, &line->root, 0, true) != OK);
	}
	epochs_close(&e);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fsline line;

	must(crypt_init() == OK);
	if (!line.root.depth)
		fsline_make(&line, 7, 2);
	read_note(&line, span(data, size));
	read_file(&line, span(data, size));
	return 0;
}
