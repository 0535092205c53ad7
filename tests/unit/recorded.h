/* recorded: what stands in the record of a guard that was closed (guarded.h). */
#ifndef PULLCORD_RECORDED_H
#define PULLCORD_RECORDED_H

#include "guarded.h"
#include "reader.h"

#define RECORDED(name) PULLCORD__V1__AUDIT_TYPE__AUDIT_##name

/* Entries of that type whose detail holds the text, how many events they stand for, and what the last of them says. */
struct recorded {
	unsigned entries;
	uint64_t events;
	uint64_t index;
	size_t recipients;
	char actor[65], client[65], address[65], detail[201], by[141], change[801], claimed[65];
	int64_t at_us;
	uint8_t digest[32];         /* zeros: it is none */
	uint8_t certificate[32];    /* the same */
	struct patients patients;   /* of the newest year */
};

static struct recorded recorded(Pullcord__V1__AuditType type, const char *detail)
{
	struct recorded out = { 0 };
	const struct patients *p;
	struct reader *r = NULL;
	uint8_t root[32];
	uint64_t size;

	assert_null(g);
	assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
	assert_int_equal(reader_open(in_dir("record.mdb"), root, &r), OK);
	assert_int_equal(reader_size(r, &size), OK);
	for (uint64_t i = 0; i < size; i++) {
		const Pullcord__V1__AuditEvent *e;
		struct entry entry;

		assert_int_equal(reader_get(r, i, &entry, &e), OK);
		if (!e || e->type != type || !strstr(e->detail, detail))
			continue;
		out.entries++;
		out.events += e->count ? e->count : 1;
		out.index = i;
		out.recipients = e->n_recipient;
		memset(out.digest, 0, sizeof(out.digest));
		if (e->digest.len == sizeof(out.digest))
			memcpy(out.digest, e->digest.data, e->digest.len);
		snprintf(out.actor, sizeof(out.actor), "%s", e->actor);
		snprintf(out.client, sizeof(out.client), "%s", e->client);
		snprintf(out.address, sizeof(out.address), "%s", e->address);
		memset(out.certificate, 0, sizeof(out.certificate));
		if (e->certificate.len == sizeof(out.certificate))
			memcpy(out.certificate, e->certificate.data, e->certificate.len);
		snprintf(out.claimed, sizeof(out.claimed), "%s", e->claimed);
		snprintf(out.by, sizeof(out.by), "%s", e->by);
		snprintf(out.change, sizeof(out.change), "%s", e->change);
		out.at_us = (int64_t)e->at_us;
		snprintf(out.detail, sizeof(out.detail), "%s", e->detail);
	}
	size = reader_patients(r, &p);
	out.patients = p[size - 1];
	reader_close(&r);
	return out;
}

#endif
