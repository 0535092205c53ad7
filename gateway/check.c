#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "attest.h"
#include "cert.h"
#include "cmp.h"
#include "complain.h"
#include "filters.h"
#include "kek.h"
#include "orders.h"

/* Only systemd brings a credential, to the service it starts. */
static bool check_root_key(const struct check *c)
{
	const char *where = c->conf->gateway_root_key;
	uint8_t root[AEAD_KEY_BYTES];
	enum err e;

	if (kek_is_credential(where) && !getenv("CREDENTIALS_DIRECTORY"))
		return true;
	e = kek_load(where, c->conf->gateway_root_key_unwrap, root);
	crypt_wipe(root, sizeof(root));
	if (e == OK || (e == ERR_NOT_FOUND && access(c->conf->gateway_outbox, F_OK) != 0))
		return true;            /* made at the first start */
	complain_of(ABOUT_ROOT_KEY, e, "%s: [gateway] root_key: cannot use %s", c->path, where);
	return false;
}

static bool check_use(const struct check *c)
{
	enum err e = cert_check_use(c->conf->uplink_certfile);

	if (e != OK)
		complain_of(ABOUT_CERTIFICATE, e, "%s: [uplink] certfile: cannot use %s", c->path, c->conf->uplink_certfile);
	return e == OK;
}

static bool check_time(const struct check *c)
{
	int64_t wrong_s = c->now_s < c->cert->not_before_s ? c->cert->not_before_s :
			  c->now_s >= c->cert->not_after_s ? c->cert->not_after_s : 0;
	bool early = wrong_s > c->now_s;
	char date[32];

	if (!wrong_s)
		return true;
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&(time_t){ wrong_s }));
	complain("%s: [uplink] certfile: %s %s %s: %s", c->path, c->conf->uplink_certfile,
		 early ? "is not valid before" : "ended on", date,
		 early ? "is the clock right?" : "enroll it anew (pullcord device renew), or set the clock");
	return false;
}

/* A hospital may have one CA for its brokers and another for devices: a word, no refusal. */
static bool check_ca(const struct check *c)
{
	enum err e = cert_check_issuer(c->conf->uplink_certfile, c->conf->uplink_cafile);

	if (e == ERR_SENDER)
		complain("%s: [uplink] cafile: %s did not issue this device's certificate %s; that is right only where brokers have "
			 "a CA of their own: else no broker will be believed", c->path, c->conf->uplink_cafile,
			 c->conf->uplink_certfile);
	else if (e != OK)
		complain("%s: [uplink] cafile: cannot use %s: it must hold the certificate of the broker's CA, in PEM", c->path,
			 c->conf->uplink_cafile);
	return e == OK || e == ERR_SENDER;
}

static bool check_attest(const struct check *c)
{
	const struct attest_spec spec = { .vkey = c->conf->witness_vkey, .peers = c->conf->witness_peers };
	const char *what;
	unsigned line = 0;
	char where[24] = "";
	enum err e = c->conf->witness_vkey[0] ? attest_check(&spec, &what, &line) : OK;

	if (line)
		snprintf(where, sizeof(where), ", line %u", line);
	if (e != OK)
		complain_of(ABOUT_WITNESS, e, "%s: [witness] %s: cannot use %s%s", c->path, what == spec.peers ? "peers" : "vkey", what,
			    where);
	return e == OK;
}

static bool check_renew(const struct check *c)
{
	bool good = !c->conf->renew_cmp[0] || cmp_check(c->conf->renew_cmp) == OK;

	if (!good)
		complain("%s: [renew] cmp: an address such as https://ca.example:8443/cmp, not \"%s\"", c->path,
			 c->conf->renew_cmp);
	if (c->conf->renew_cafile[0] && access(c->conf->renew_cafile, R_OK) != 0) {
		complain("%s: [renew] cafile: cannot read %s: %s", c->path, c->conf->renew_cafile, strerror(errno));
		good = false;
	}
	return good;
}

static bool check_orders(const struct check *c)
{
	unsigned line = 0;
	enum err e = orders_check(c->conf, &line);

	if (e != OK && line)
		complain_of(ABOUT_ORDERS, e, "%s, line %u", c->conf->orders_officers, line);
	else if (e != OK)
		complain_of(ABOUT_ORDERS, e, "%s: [orders] officers: cannot use %s", c->path, c->conf->orders_officers);
	return e == OK;
}

static bool check_units(const struct check *c)
{
	CLEANUP(filters_free) struct filters *f = NULL;
	const char *list[FILTERS_MAX];
	bool good = filters_make(c->conf, c->tenant, c->device, &f) == OK && filters_list(f, list) <= FILTERS_TAKEN;

	if (!good)
		complain("%s: [units]: at most %d different units, or the broker lets the gateway hear of none beyond",
			 c->path, FILTERS_TAKEN - FILTERS_OTHERS);
	return good;
}

/* The folder of a socket, the file to be replayed. That of the status is made by systemd at the start. */
static bool input_place(const struct check *c, const struct conf_input *in)
{
	bool replayed = in->kind == INPUT_REPLAY;
	size_t n = replayed ? strlen(in->address) : (size_t)(strrchr(in->address, '/') - in->address) + 1;
	char place[CONF_TEXT];
	struct conf usual;

	conf_init(&usual);
	if (span_text(span(in->address, n), place, sizeof(place)) && access(place, replayed ? R_OK : F_OK) == 0)
		return true;
	if (!replayed && errno == ENOENT && strncmp(usual.health_status, place, n) == 0 && !strchr(usual.health_status + n, '/'))
		return true;
	complain("%s, line %u: [input %s] cannot use %s: %s: %s", c->path, in->line, in->name, in->address,
		 strerror(errno), replayed ? "address must be a file that was recorded" : "the folder of the socket must be made first");
	return false;
}

static bool check_inputs(const struct check *c)
{
	bool good = true;

	for (unsigned i = 0; i < c->conf->inputs; i++)
		if (c->conf->input[i].kind == INPUT_REPLAY || c->conf->input[i].address[0] == '/')
			good = input_place(c, &c->conf->input[i]) && good;
	return good;
}

/* A folder that is to be made, or a file that is to be put in place, wants the folder above. */
static bool may_write(const char *path, bool folder)
{
	const char *slash = strrchr(path, '/');
	char above[CONF_TEXT];

	snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	return access(folder && access(path, F_OK) == 0 ? path : above, W_OK | X_OK) == 0;
}

/* What it writes beside the outbox would fail under way, and orders be obeyed no more. Where the settings name no place, systemd
 * makes it at the start. */
static bool check_folders(const struct check *c)
{
	struct conf usual;
	const struct { const char *setting, *path, *usual; bool used, folder; } all[] = {
		{ "[gateway] outbox", c->conf->gateway_outbox, usual.gateway_outbox, true, false },
		{ "[gateway] root_key", c->conf->gateway_root_key, usual.gateway_root_key,
		  !kek_is_credential(c->conf->gateway_root_key) && access(c->conf->gateway_root_key, F_OK) != 0, false },
		{ "[health] status", c->conf->health_status, usual.health_status, c->conf->health_status[0], false },
		{ "[health] metrics", c->conf->health_metrics, usual.health_metrics, c->conf->health_metrics[0], false },
		{ "[witness] folder", c->conf->witness_folder, usual.witness_folder, c->conf->witness_vkey[0], true },
		{ "[orders] folder", c->conf->orders_folder, usual.orders_folder, c->conf->orders_officers[0], true },
	};
	bool good = true;

	conf_init(&usual);
	for (size_t i = 0; i < countof(all); i++) {
		if (!all[i].used || may_write(all[i].path, all[i].folder) ||
		    (errno == ENOENT && strcmp(all[i].path, all[i].usual) == 0))
			continue;
		complain("%s: %s: cannot use %s: %s: its folder must be %s", c->path, all[i].setting, all[i].path, strerror(errno),
			 errno == ENOENT ? "made first" : "ours to write");
		good = false;
	}
	return good;
}

/* A word, no refusal. */
static bool check_metrics(const struct check *c)
{
	const char *path = c->conf->health_metrics, *end = strrchr(path, '.');

	if (*path && (!end || strcmp(end, ".prom") != 0))
		complain("%s: [health] metrics: %s: Prometheus' node exporter reads only what ends in .prom", c->path, path);
	return true;
}

bool check_all(const struct check *c)
{
	static bool (*const checks[])(const struct check *c) = {
		check_use, check_time, check_ca, check_root_key, check_attest, check_orders, check_renew, check_inputs, check_units,
		check_folders, check_metrics,
	};
	bool good = true;

	for (size_t i = 0; i < countof(checks); i++)
		good = checks[i](c) && good;
	return good;
}
