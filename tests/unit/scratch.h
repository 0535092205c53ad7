/* scratch: a folder of a test's own, removed with what is in it. */
#ifndef PULLCORD_SCRATCH_H
#define PULLCORD_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"

struct scratch {
	char dir[64];
};

static inline void scratch_make(struct scratch *s)
{
	const char *tmp = getenv("TMPDIR");

	*s = (struct scratch){ 0 };
	must(snprintf(s->dir, sizeof(s->dir), "%s/pullcord.XXXXXX", tmp && *tmp ? tmp : "/tmp") < (int)sizeof(s->dir));
	must(mkdtemp(s->dir));
}

/* Good until three more were asked for. */
static inline const char *scratch_path(const struct scratch *s, const char *name)
{
	static char path[4][384];
	static unsigned next;

	next = (next + 1) % countof(path);
	snprintf(path[next], sizeof(path[next]), "%s/%s", s->dir, name);
	return path[next];
}

static inline void scratch_empty(const char *dir)
{
	DIR *d = opendir(dir);
	char path[512];

	for (struct dirent *e; d && (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR)
			scratch_empty(path);
		remove(path);
	}
	if (d)
		closedir(d);
}

static inline void scratch_remove(struct scratch *s)
{
	scratch_empty(s->dir);
	rmdir(s->dir);
}

#endif
