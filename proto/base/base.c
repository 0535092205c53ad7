#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void must_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "pullcord: broken invariant: %s (%s:%d)\n", cond, file, line);
	abort();
}

void free_cleanup(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;

	free(*p);
	*p = NULL;
}

void fd_cleanup(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
