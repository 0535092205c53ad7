/* fill: gives an installation many people at once, as no hospital does. The broker must not be running.
 *
 *     fill DIR USERS         BENCH_PASSWORD in the environment
 *
 * They are called s0, s1, ... and hold the role "reader" in unit icu3. Their password's hash is made to be quick: how long
 * a good one takes is not what is measured. Says last, in hex, what s0 may publish on a topic for vital signs. */
#include <argon2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "directory.h"
#include "load.h"
#include "vault.h"

#define USERS_A_BATCH 20000
#define BYTES_A_USER 1024       /* of the file, with room to spare */

static void quick_hash(const char *password, char phc[ACCOUNT_PHC_MAX])
{
	if (argon2id_hash_encoded(1, 8, 1, password, strlen(password), "pullcordbench", 13, 16, phc, ACCOUNT_PHC_MAX) != ARGON2_OK)
		load_fail("argon2 refuses");
}

static void add(struct directory *d, const char *phc, long from, long until)
{
	struct span role = SPAN_LIT("reader");
	struct attribute unit = { SPAN_LIT("unit"), SPAN_LIT("icu3") };
	struct account a = { .subject = { .party = PULLCORD__V1__PARTY__PARTY_USER, .tenant = SPAN_LIT("mercy"), .role = &role,
					  .roles = 1, .attribute = &unit, .attributes = 1 } };
	struct batch *b;
	char id[32];
	enum err e = directory_begin(d, &b);

	strcpy(a.password, phc);
	for (; e == OK && from < until; from++) {
		snprintf(id, sizeof(id), "s%ld", from);
		a.subject.id = span_str(id);
		e = batch_save(b, &a, true);
	}
	if (e == OK)
		e = batch_commit(&b);
	if (e != OK)
		load_fail("cannot add s%ld: %s", from, err_text(e));
}

static void say_vitals(void)
{
	Pullcord__V1__Observations o = PULLCORD__V1__OBSERVATIONS__INIT;
	uint8_t raw[512];
	char hex[2 * sizeof(raw) + 1];
	struct put out = put(raw, sizeof(raw));
	struct id_maker ids;
	int64_t now_us = (int64_t)time(NULL) * 1000000;
	struct envelope_from from = { .tenant = "mercy", .sender = "s0", .party = PULLCORD__V1__PARTY__PARTY_USER,
				      .sent_us = now_us };

	id_init(&ids, SPAN_LIT("mercy"), from.party, SPAN_LIT("s0"), 0);
	from.id = id_next(&ids, now_us / 1000);
	o.bed = "412-B";
	o.source = "bench";
	o.source_id = "sixty-four bytes or so that stand for what a monitor has to say";
	o.taken_us = (uint64_t)now_us;
	if (envelope_write(&from, &o.base, &out) != OK)
		load_fail("vital signs do not fit");
	hex_encode(put_span(&out), hex);
	load_say("%s", hex);
}

int main(int argc, char **argv)
{
	const char *password = getenv("BENCH_PASSWORD");
	char path[600], phc[ACCOUNT_PHC_MAX];
	struct directory *d;
	uint8_t root[32];
	long users;
	enum err e;

	if (argc != 3 || !password)
		load_fail("DIR USERS");
	load_open();
	users = atol(argv[2]);
	quick_hash(password, phc);
	snprintf(path, sizeof(path), "%s/keys/root.key", argv[1]);
	e = vault_root(path, root);
	snprintf(path, sizeof(path), "%s/directory.mdb", argv[1]);
	if (e == OK)
		e = directory_open_room(path, root, (size_t)users * BYTES_A_USER, &d);
	if (e != OK)
		load_fail("%s: %s", path, err_text(e));
	for (long at = 0; at < users; at += USERS_A_BATCH)
		add(d, phc, at, at + USERS_A_BATCH < users ? at + USERS_A_BATCH : users);
	directory_close(&d);
	say_vitals();
	return 0;
}
