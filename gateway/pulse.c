#include "pulse.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_line(const char *line, const char *key, const char **value)
{
	size_t n = strlen(key);

	if (strncmp(line, key, n) != 0 || line[n] != ':')
		return false;
	*value = line + n + 1 + strspn(line + n + 1, " \t");
	return true;
}

/* False: it has another name, or is gone. */
static bool turns_of(int tid, const char *name, uint64_t *turns)
{
	char path[64], line[256];
	const char *value;
	bool named = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	*turns = 0;
	while (fgets(line, sizeof(line), f)) {
		if (is_line(line, "Name", &value))
			named = strncmp(value, name, strlen(name)) == 0;
		else if (is_line(line, "voluntary_ctxt_switches", &value) || is_line(line, "nonvoluntary_ctxt_switches", &value))
			*turns += strtoull(value, NULL, 10);
	}
	fclose(f);
	return named;
}

static struct pulse_thread seen(const struct pulse *before, int tid, uint64_t turns, int64_t now_ms)
{
	for (unsigned i = 0; i < before->n && now_ms - before->looked_ms <= PULSE_GAP_MS; i++)
		if (before->thread[i].tid == tid && before->thread[i].turns == turns)
			return before->thread[i];
	return (struct pulse_thread){ tid, turns, now_ms };
}

int64_t pulse_still_ms(struct pulse *p, const char *name, int64_t now_ms)
{
	const struct pulse before = *p;
	DIR *tasks = opendir("/proc/self/task");
	int64_t longest = 0;
	uint64_t turns;

	*p = (struct pulse){ .looked_ms = now_ms };
	for (struct dirent *d; tasks && p->n < PULSE_THREADS && (d = readdir(tasks));) {
		int tid = atoi(d->d_name);

		if (tid > 0 && turns_of(tid, name, &turns))
			p->thread[p->n++] = seen(&before, tid, turns, now_ms);
	}
	if (tasks)
		closedir(tasks);
	for (unsigned i = 0; i < p->n; i++)
		if (now_ms - p->thread[i].moved_ms > longest)
			longest = now_ms - p->thread[i].moved_ms;
	return longest;
}
