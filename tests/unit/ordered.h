/* ordered: officers, a device whose certificate is of a CA, and orders from them to it. After pipelined.h. */
#ifndef PULLCORD_ORDERED_H
#define PULLCORD_ORDERED_H

#include <sys/stat.h>

#include "orderfile.h"
#include "orders.h"
#include "pki.h"

#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name
#define OUTCOME(name) PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_##name

static const uint8_t officer_secret[2][SIGN_KEY_BYTES] = { { 1 }, { 2 } };
static const char *const officer_name[2] = { "mercy/officer/ana", "mercy/officer/ben" };
static char ca_path[400], ca_key_path[400], standing_path[400];

static inline void name_file(char *out, const char *name) { snprintf(out, CONF_TEXT, "%s", scratch_path(&scratch, name)); }

static inline void make_officers(void)
{
	uint8_t pub[SIGN_KEY_BYTES];
	char vkey[300];
	FILE *f;

	name_file(conf.orders_officers, "officers");
	f = fopen(conf.orders_officers, "w");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sign_public(officer_secret[i], pub), OK);
		assert_int_equal(vkey_write(span_str(officer_name[i]), pub, vkey, sizeof(vkey)), OK);
		fprintf(f, "%s\n", vkey);
	}
	fclose(f);
	assert_int_equal(chmod(conf.orders_officers, 0644), 0);
}

/* Names all files in the scratch folder, and makes those that must be there. */
static inline void make_device(void)
{
	const struct pki_files ca = { ca_path, ca_key_path }, pair = { conf.uplink_certfile, conf.uplink_keyfile };

	name_file(ca_path, "ca.crt");
	name_file(ca_key_path, "ca.key");
	name_file(conf.uplink_certfile, "device.crt");
	name_file(conf.uplink_keyfile, "device.key");
	name_file(conf.orders_folder, "orders");
	name_file(standing_path, "orders/standing");
	assert_int_equal(pki_make_ca(&ca, "mercy", real / 1000000), OK);
	assert_int_equal(pki_make_device(&ca, &pair, "mercy", "nc-1", 90, real / 1000000), OK);
	make_officers();
}

static enum err renewed_with;
static unsigned renewals;

/* A CA that does as the test wants. On a thread of the orders. */
static inline enum err fake_renew(const struct conf *c, char text[STANDING_TEXT_MAX + 1])
{
	(void)c;
	renewals++;
	strcpy(text, renewed_with == OK ? "good until 2027-01-01" : "the CA says no");
	return renewed_with;
}

static inline enum err open_orders(void)
{
	const struct orders_spec spec = {
		.conf = &conf, .certfile = conf.uplink_certfile, .keyfile = conf.uplink_keyfile, .tenant = "mercy", .device = "nc-1",
		.renew = fake_renew, .wake = no_wake,
	};
	const char *what;
	unsigned line;

	return orders_open(&spec, &orders, &what, &line);
}

/* As it lies on disk. */
static inline struct standing on_disk(void)
{
	static uint8_t bytes[STANDING_BYTES_MAX];
	static struct standing s;
	FILE *f = fopen(standing_path, "r");
	size_t n = f ? fread(bytes, 1, sizeof(bytes), f) : 0;

	assert_non_null(f);
	fclose(f);
	assert_int_equal(standing_read(span(bytes, n), &s), OK);
	return s;
}

/* The next order, by how many officers. */
static inline void write_order(struct orderfile *f, Pullcord__V1__CommandKind kind, const char *detail, unsigned by)
{
	struct warrant w = {
		.tenant = SPAN_LIT("mercy"), .device = SPAN_LIT("nc-1"), .kind = kind, .counter = orders_standing(orders)->executed + 1,
		.expires_us = fake_real(NULL) + 3600000000LL, .detail = span_str(detail),
	};

	memcpy(w.nonce, orders_standing(orders)->nonce, WARRANT_NONCE);
	assert_int_equal(orderfile_begin(&w, f), OK);
	for (unsigned i = 0; i < by; i++)
		assert_int_equal(orderfile_sign(f, span_str(officer_name[i]), officer_secret[i]), OK);
}

#endif
