/* The line's initial key comes from where it was kept, and the file of its key of now may be anything after a crash. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_text(struct span s)
{
	uint8_t key[FORWARD_KEY_BYTES], again[FORWARD_KEY_BYTES];
	char text[FORWARD_TEXT_MAX];

	if (forward_text_read(s, key) != OK)
		return;
	forward_text_write(key, text);
	must(forward_text_read(span_str(text), again) == OK && memcmp(key, again, sizeof(key)) == 0);
}

static void read_file(struct span s)
{
	int fd = memfd_create("line", MFD_CLOEXEC);
	struct forward *l = NULL;
	char path[64];
	uint64_t n;

	must(fd >= 0 && write(fd, s.p, s.n) == (ssize_t)s.n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (forward_open(path, &l) == OK) {
		must(forward_peek(path, &n, NULL) == OK && n == forward_now(l)->n);
		must(n == UINT64_MAX || (forward_go(l, n + 1) == OK && forward_peek(path, &n, NULL) == OK && n == forward_now(l)->n));
	}
	forward_close(&l);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	must(crypt_init() == OK);
	read_text(span(data, size));
	read_file(span(data, size));
	return 0;
}
