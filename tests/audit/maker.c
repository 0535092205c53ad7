/* maker: writes a record of synthetic events, through the record's own writer:
 *     maker FOLDER ENTRIES [STARTS [ROOM [SEED [ERASE [LOSE]]]]]
 * FOLDER gets record.mdb, record.sizes, record.vkey, root.key and record.line, the seed of a forward-secure line of 16
 * epochs, of which each start ends one; or what is there is gone on with. The same every time but for keys and segments.
 *
 * maker age FOLDER SEGMENT makes that segment seven years older, so that its retention is over.
 * maker tail FOLDER ENTRIES puts so many behind the end that nobody signed: beginnings of a line as older versions had it.
 *
 * ROOM: for how many entries the store is made. SEED: for another ward. ERASE: a segment, which is erased at the end as if
 * its time had come; 0: none. LOSE: then, a digest of 60 messages to each of three about patient MRN-sum, and so many
 * deliveries into a ring that cannot hold them; how many were lost is said on a second line. And two logins of eve, one in
 * 1970 and one in 2026.
 *
 * With RENEWED in the environment it is the second of that name, as if the first had been put aside.
 *
 * First one event of every type, some of strangers' odd texts, and messages about MRN-away: one that n000 was sent, n001 is
 * to be sent and n002 had queued, one that n003 had by emergency access and n002 without, one that n003 had by another of which
 * nothing tells; then what a ward does: an alert, kept durably, delivered
 * to three, and now and then a login, a refusal, an administrator. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "keeping.h"
#include "record.h"
#include "trail.h"
#include "vault.h"

#define ORIGIN "broker.mercy.example/audit/main"
#define BEGIN_US 1767225600000000LL     /* 2026-01-01T00:00:00Z */
#define STEP_US 263000                  /* ten million entries: a month */
#define DEVICES 200
#define NURSES 300

#define TYPE(name) PULLCORD__V1__AUDIT_TYPE__AUDIT_##name
#define OUTCOME(name) PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_##name
#define PARTY(name) PULLCORD__V1__PARTY__PARTY_##name

static struct record *record;
static uint64_t made, begun, wanted;
static const uint8_t policy[16] = "policy version 1";

static void push(struct happening h)
{
	h.at_us = BEGIN_US + (int64_t)made * STEP_US;
	h.mono_us = 1000000 + (int64_t)made * STEP_US;
	while (!record_push(record, &h))
		usleep(200);
}

static struct happening happening(Pullcord__V1__AuditType type, Pullcord__V1__Party party, const char *actor, const char *client,
				  const char *topic)
{
	return (struct happening){
		.type = type, .outcome = OUTCOME(ALLOWED), .party = party, .actor = span_str(actor), .client = span_str(client),
		.address = SPAN_LIT("10.20.8.41"), .topic = span_str(topic), .policy = policy,
	};
}

/* ---- one of each ---- */

static void by_emergency(void)
{
	const int64_t taken_us = BEGIN_US + (int64_t)made * STEP_US;
	struct id id = { { 3 } };
	struct happening h = happening(TYPE(ADMIN), PARTY(USER), "n003", "n003.t1", "mercy/control/role.grant");

	h.detail = SPAN_LIT("emergency: code 412");
	h.emergency_us = taken_us;
	push(h);
	made++;
	for (int i = 0; i < 3; i++) {
		h = happening(TYPE(DELIVER), PARTY(USER), i == 1 ? "n002" : "n003", i == 1 ? "n002.t1" : "n003.t1",
			      "mercy/unit/icu3/alert/high/nc-1");
		id.b[1] = (uint8_t)(i / 2);
		h.message = &id;
		h.patient = SPAN_LIT("MRN-away");
		h.line = 9;
		h.why = 1;
		h.emergency_us = i == 1 ? 0 : i ? taken_us + 1 : taken_us;
		push(h);
	}
	made += 2;
}

static void on_each_basis(void)
{
	static const struct { const char *nurse, *client; Pullcord__V1__AuditBasis basis; } row[] = {
		{ "n000", "n000.t1", PULLCORD__V1__AUDIT_BASIS__BASIS_SENT },
		{ "n001", "n001.t1", PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED },
		{ "n002", "n002.t1", PULLCORD__V1__AUDIT_BASIS__BASIS_QUEUED },
	};
	struct id id = { { 2 } };

	for (size_t i = 0; i < countof(row); i++, made++) {
		struct happening h = happening(TYPE(DELIVER), PARTY(USER), row[i].nurse, row[i].client, "mercy/unit/icu3/alert/high/nc-1");

		h.message = &id;
		h.patient = SPAN_LIT("MRN-away");
		h.basis = row[i].basis;
		push(h);
	}
	by_emergency();
}

static void one_of_each(void)
{
	static const char *const odd[] = {
		"<&\"'>", "tab\there", "line\nbreak", "\x01\x02\x1f", "caf\xc3\xa9", "\xe2\x80\xae-desrever", "\xff\xfe\xc3",
		" blanks  twice ", "=HYPERLINK(1)", "]]>", "\\u0000", "%41%zz", "\xef\xbf\xbf", "a,b;\"c\"",
	};
	char client[32], nurse[32];

	for (int type = TYPE(NONE) + 1; type <= TYPE(BREAKGLASS_END); type++, made++) {
		if (type == TYPE(GAP))
			continue;       /* the record's own */
		push(happening((Pullcord__V1__AuditType)type, PARTY(USER), "ana", "ana.t1", "mercy/unit/icu3/ack/nc-1"));
		made++;
		push((struct happening){ .type = (Pullcord__V1__AuditType)type, .outcome = OUTCOME(DENIED),
					 .detail = SPAN_LIT("a \"quoted\" <word> & more") });
		made++;
		push((struct happening){ .type = (Pullcord__V1__AuditType)type, .outcome = OUTCOME(FAILED), .party = PARTY(BROKER) });
	}
	for (size_t i = 0; i < countof(odd); i++, made++)
		push(happening(TYPE(PUBLISH), PARTY(DEVICE), odd[i], odd[(i + 1) % countof(odd)], odd[(i + 2) % countof(odd)]));
	for (int i = 0; i < 100; i++) {
		struct happening h;
		struct id id = { { 1 } };

		snprintf(nurse, sizeof(nurse), "n%03d", i);
		snprintf(client, sizeof(client), "n%03d.t1", i);
		h = happening(TYPE(DELIVER), PARTY(USER), nurse, client, "mercy/unit/all/broadcast");
		h.message = &id;
		push(h);
	}
	made++;
	on_each_basis();
}

/* ---- a ward ---- */

static uint64_t state = 88172645463325252ULL;

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state % n);
}

static void alert(void)
{
	char device[32], topic[96], patient[32], nurse[32], client[40];
	uint32_t which = below(DEVICES), first = below(NURSES);
	struct happening h;
	struct id id = { { 0 } };

	memcpy(id.b, &made, sizeof(made));
	id.b[15] = 2;
	snprintf(device, sizeof(device), "nc-%u", which);
	snprintf(topic, sizeof(topic), "mercy/unit/u%u/alert/high/%s", which % 10, device);
	snprintf(patient, sizeof(patient), "MRN-%u", below((uint32_t)(wanted / 50 + 1)));
	h = happening(TYPE(PUBLISH), PARTY(DEVICE), device, device, topic);
	h.message = &id;
	h.patient = span_str(patient);
	h.why = 1;
	h.line = 12;
	h.qos = 1;
	push(h);
	made++;
	h.type = TYPE(STORED);
	push(h);
	made++;
	for (uint32_t i = 0; i < 3; i++) {
		snprintf(nurse, sizeof(nurse), "n%03u", (first + i) % NURSES);
		snprintf(client, sizeof(client), "%s.t1", nurse);
		h.type = TYPE(DELIVER);
		h.party = PARTY(USER);
		h.actor = span_str(nurse);
		h.client = span_str(client);
		h.line = 7 + i;
		push(h);
	}
	made++;
}

static void other(void)
{
	static const Pullcord__V1__AuditType types[] = { TYPE(LOGIN), TYPE(LOGOFF), TYPE(SUBSCRIBE), TYPE(PUBLISH), TYPE(ADMIN) };
	char nurse[32], client[40];
	struct happening h;

	snprintf(nurse, sizeof(nurse), "n%03u", below(NURSES));
	snprintf(client, sizeof(client), "%s.t2", nurse);
	h = happening(types[below(countof(types))], PARTY(USER), nurse, client, "mercy/unit/u1/alert/+/+");
	if (below(4) == 0)
		h.outcome = OUTCOME(DENIED);
	push(h);
	made++;
}

static void work(uint64_t until)
{
	while (made < until)
		if (below(20))
			alert();
		else
			other();
}

static int age(const char *folder, const char *segment)
{
	const uint32_t id = (uint32_t)strtoul(segment, NULL, 10);
	CLEANUP(trail_close) struct trail *t = NULL;
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct segment s;
	char path[512];

	snprintf(path, sizeof(path), "%s/record.mdb", folder);
	if (trail_open(path, 1 << 20, false, &t) != OK || trail_view(t, &view) != OK || view_segment(view, id, &s) != OK)
		return 1;
	txn_abort(&view);
	s.opened_us -= 7 * 366 * 24 * 3600 * 1000000LL;
	s.closed_us -= 7 * 366 * 24 * 3600 * 1000000LL;
	return trail_begin(t) == OK && trail_put_segment(t, id, &s) == OK && trail_commit(t) == OK ? 0 : 1;
}

static int tail(const char *folder, unsigned n)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	struct entry e = { .type = CONTROL_LINE_BEGIN, .at_us = BEGIN_US };
	char path[512];
	uint8_t raw[64];
	struct put entry = put(raw, sizeof(raw));

	must(crypt_init() == OK);
	entry_write_control(&e, &entry);
	snprintf(path, sizeof(path), "%s/record.mdb", folder);
	if (trail_open(path, 1 << 20, false, &t) != OK || trail_begin(t) != OK)
		return 1;
	while (n--)
		if (trail_append(t, put_span(&entry)) != OK)
			return 1;
	return trail_commit(t) == OK ? 0 : 1;
}

static void erase(uint32_t segment)
{
	const struct segment_act act = { segment, ((int64_t)time(NULL) + 7 * 366 * 24 * 3600) * 1000000, SPAN_LIT("ana"),
					 SPAN_LIT("bob"), SPAN_LIT("its time has come") };

	must(segment_erase(record, &act) == OK);
}

static void lose(struct record_spec *spec, unsigned n)
{
	struct id id = { { 9 } }, last = { { 10 } };
	uint8_t digest[32] = { 7 };
	struct happening h = happening(TYPE(DELIVER), PARTY(USER), "ana", "ana.t1", "mercy/unit/u1/vitals/m-1");
	static const char *const nurse[] = { "ana", "bea", "cyd" };
	uint64_t lost;

	spec->ring_bytes = 4096;
	must(record_open(spec, &record) == OK);
	h.message = &id;
	h.last = &last;
	h.digest = digest;
	h.count = 60;
	h.until_us = BEGIN_US + 60000000;
	h.patient = SPAN_LIT("MRN-sum");
	for (size_t i = 0; i < countof(nurse); i++) {
		h.actor = span_str(nurse[i]);
		push(h);
	}
	while (!record_try(record, &(struct happening){ .type = TYPE(LOGIN), .outcome = OUTCOME(DENIED), .at_us = 1, .count = 2,
							 .until_us = BEGIN_US + 500000000, .actor = SPAN_LIT("eve") }))
		usleep(200);
	h.count = 0;
	h.last = NULL;
	h.digest = NULL;
	h.at_us = BEGIN_US;
	for (unsigned i = 0; i < n; i++)
		(void)record_push(record, &h);
	lost = record_lost(record);
	record_close(&record);
	printf("%" PRIu64 "\n", lost);
}

int main(int argc, char **argv)
{
	char path[512], sizes[512], key[512], name[512], line[512], vkey[400];
	uint8_t root[32], secret[32], pub[32];
	struct record_spec spec = { .path = path, .sizes_path = sizes, .root = root, .sign_secret = secret,
				    .ring_bytes = 16u << 20, .line_path = line, .line_depth = 4 };
	const bool renewed = getenv("RENEWED");
	const char *origin = renewed ? ORIGIN "/2" : ORIGIN;
	uint64_t starts = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	FILE *f;

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "age") == 0)
		return argc == 4 ? age(argv[2], argv[3]) : 2;
	if (strcmp(argv[1], "tail") == 0)
		return argc == 4 ? tail(argv[2], (unsigned)strtoul(argv[3], NULL, 10)) : 2;
	spec.origin = origin;
	spec.reason = renewed ? "the disk was lost" : NULL;
	wanted = strtoull(argv[2], NULL, 10);
	state ^= argc > 5 ? strtoull(argv[5], NULL, 10) << 32 : 0;
	spec.map_bytes = (16u << 20) + (argc > 4 ? strtoull(argv[4], NULL, 10) : wanted) * 480;
	snprintf(path, sizeof(path), "%s/record.mdb", argv[1]);
	snprintf(sizes, sizeof(sizes), "%s/record.sizes", argv[1]);
	snprintf(key, sizeof(key), "%s/root.key", argv[1]);
	snprintf(name, sizeof(name), "%s/record.vkey", argv[1]);
	snprintf(line, sizeof(line), "%s/record.line", argv[1]);
	must(crypt_init() == OK && (access(key, F_OK) == 0 || vault_make_root(key) == OK) && vault_root(key, root) == OK);
	SHA256(secret, span(root, sizeof(root)));
	must(sign_public(secret, pub) == OK && vkey_write(span_str(origin), pub, vkey, sizeof(vkey)) == OK);
	f = fopen(name, "w");
	must(f && fprintf(f, "%s\n", vkey) > 0 && fclose(f) == 0);
	for (uint64_t i = 0; i < starts; i++) {
		enum err e = record_open(&spec, &record);

		if (e != OK) {
			fprintf(stderr, "maker: %s\n", err_text(e));
			return 1;
		}
		if (i == 0)
			made = begun = record_durable(record) > 1 ? record_durable(record) : 0;
		while (!record_lined(record))
			usleep(200);
		if (made == 0)
			one_of_each();
		work(begun + wanted * (i + 1) / starts);
		if (i + 1 == starts && argc > 6 && strcmp(argv[6], "0") != 0)
			erase((uint32_t)strtoul(argv[6], NULL, 10));
		record_close(&record);
	}
	printf("%" PRIu64 "\n", made);
	if (argc > 7)
		lose(&spec, (unsigned)strtoul(argv[7], NULL, 10));
	return 0;
}
