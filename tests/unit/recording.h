/* recording: what tests of the record share: a folder, its keys, and things that happen. */
#ifndef PULLCORD_RECORDING_H
#define PULLCORD_RECORDING_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cur.h"
#include "record.h"
#include "verify.h"

#define RECORDING_ORIGIN "hospital.example/audit/main"
#define TYPE(name) PULLCORD__V1__AUDIT_TYPE__AUDIT_##name
#define OUTCOME(name) PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_##name

struct recording {
	char folder[64], path[96], sizes[96], vkey[400];
	uint8_t root[32], secret[32], pub[32];
	struct record_spec spec;
	struct record *record;
};

static inline void recording_make_in(struct recording *g, const char *folder)
{
	*g = (struct recording){ .root = { 7 }, .secret = { 9 } };
	must(snprintf(g->folder, sizeof(g->folder), "%s/record.XXXXXX", folder) < (int)sizeof(g->folder));
	must(crypt_init() == OK && mkdtemp(g->folder) && sign_public(g->secret, g->pub) == OK);
	snprintf(g->path, sizeof(g->path), "%s/record.mdb", g->folder);
	snprintf(g->sizes, sizeof(g->sizes), "%s/record.sizes", g->folder);
	must(vkey_write(span_str(RECORDING_ORIGIN), g->pub, g->vkey, sizeof(g->vkey)) == OK);
	g->spec = (struct record_spec){
		.path = g->path, .sizes_path = g->sizes, .origin = RECORDING_ORIGIN, .root = g->root,
		.sign_secret = g->secret, .map_bytes = 4 << 20, .ring_bytes = 1 << 20,
	};
}

static inline void recording_make(struct recording *g)
{
	recording_make_in(g, "/tmp");
}

static inline void recording_drop(struct recording *g)
{
	char path[512];
	struct dirent *d;
	DIR *dir;

	record_close(&g->record);
	dir = opendir(g->folder);
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", g->folder, d->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
	rmdir(g->folder);
}

static inline struct verify_spec recording_verify(const struct recording *g)
{
	return (struct verify_spec){ .path = g->path, .sizes_path = g->sizes, .vkey = span_str(g->vkey), .root = g->root };
}

/* Ana publishes something; `i` makes it differ from the next. */
static inline struct happening publish(uint64_t i)
{
	return (struct happening){
		.type = TYPE(PUBLISH), .outcome = OUTCOME(ALLOWED), .at_us = 1770000000000000 + (int64_t)i,
		.mono_us = 1000000 + (int64_t)i, .party = PULLCORD__V1__PARTY__PARTY_USER, .actor = SPAN_LIT("ana"),
		.client = SPAN_LIT("ana.t1"), .address = SPAN_LIT("10.0.0.7"),
		.topic = SPAN_LIT("mercy/unit/icu3/ack/nc-1"), .why = 1, .line = (uint32_t)i, .qos = 1,
	};
}

/* A whole file in memory, and back. */
static inline uint8_t *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *p;

	must(f && fstat(fileno(f), &st) == 0);
	p = malloc((size_t)st.st_size + 1);
	must(p && fread(p, 1, (size_t)st.st_size, f) == (size_t)st.st_size);
	fclose(f);
	*n = (size_t)st.st_size;
	return p;
}

static inline void spill(const char *path, const uint8_t *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	must(f && fwrite(p, 1, n, f) == n && fclose(f) == 0);
}

#endif
