#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "aside.h"
#include "attest.h"
#include "cert.h"
#include "check.h"
#include "clock.h"
#include "complain.h"
#include "conf.h"
#include "crypt.h"
#include "farewell.h"
#include "inputs.h"
#include "journal.h"
#include "kek.h"
#include "log.h"
#include "loop.h"
#include "orders.h"
#include "pipeline.h"
#include "renewal.h"
#include "scout.h"
#include "shred.h"
#include "tls.h"
#include "vigil.h"
#include "wipe.h"

#define CONF_DEFAULT "/etc/pullcord/gateway.ini"

enum task { TASK_SERVE, TASK_CHECK, TASK_ASIDE, TASK_ASIDE_JSON };

struct daemon {
	const char *conf_path;
	struct conf conf;
	struct cert cert;
	const char *device, *tenant;
	uint8_t root[AEAD_KEY_BYTES];

	struct loop *loop;
	struct waker *waker;            /* of the loop; threads that outlive it call wake() */
	pthread_mutex_t waking;         /* over it */
	struct timer *timer;
	struct scout *scout;
	struct attest *attest;
	struct orders *orders;
	struct gateway *gateway;
	struct farewell *farewell;      /* instead of the gateway */
	bool stop_due;                  /* a wipe was ordered */
	uint32_t undelivered;           /* messages, then, */
	int64_t clock_off_us;           /* and how wrong our clock was */
	struct inputs *inputs;
	struct vigil vigil;
};

static int usage(void)
{
	fputs("usage: pullcord-gateway [--config FILE] [--check | --aside [--json] | --print-conf | --print-man]\n"
	      "\n"
	      "Takes alerts from the devices of a ward and brings them to the broker; loses none.\n"
	      "\n"
	      "  -c, --config FILE   settings (default: " CONF_DEFAULT ")\n"
	      "      --check         read the settings, certificate and keys, say what is wrong, and end\n"
	      "      --aside         list what the broker refused for good, also while the gateway runs; with\n"
	      "                      --json an object a line. `systemctl reload pullcord-gateway` sends it again\n"
	      "      --print-conf    print a settings file with every setting and its default\n"
	      "      --print-man     print the same as a piece of pullcord-gateway.conf(5)\n"
	      "      --version       print the version\n"
	      "  -h, --help          print this\n"
	      "\n"
	      "SIGHUP reads [throttle], the log level, a few more settings, the officers and the witnesses again,\n"
	      "and tries once more what the broker refused; SIGTERM and SIGINT end it in good order. Exit code 3:\n"
	      "this device was wiped.\n"
	      "\n"
	      "example:\n"
	      "  pullcord-gateway --config /etc/pullcord/gateway.ini --check\n", stdout);
	return 0;
}

static int wrong(const char *what, const char *word)
{
	complain("%s%s", what, word);
	fputs("  pullcord-gateway --help shows what there is\n", stderr);
	return 2;
}

/* ---- what must be there before anything starts ---- */

static bool load_conf(const char *path, struct conf *out)
{
	struct conf_fault f;
	enum err e = conf_load(path, out, &f);

	if (e == OK)
		return true;
	if (f.text[0] && f.line)
		complain("%s, line %u: %s", path, f.line, f.text);
	else if (f.text[0])
		complain("%s: %s", path, f.text);
	else
		complain_of(ABOUT_SETTINGS, e, "cannot read the settings in %s", path);
	return false;
}

static bool load_cert(struct daemon *d)
{
	const char *cert = d->conf.uplink_certfile, *key = d->conf.uplink_keyfile;
	enum err e = cert_read(cert, &d->cert);
	struct stat s;

	if (e != OK) {
		complain_of(ABOUT_CERTIFICATE, e, "%s: [uplink] certfile: cannot use %s", d->conf_path, cert);
		return false;
	}
	e = cert_check_key(cert, key);
	if (e != OK) {
		complain_of(ABOUT_DEVICE_KEY, e, "%s: [uplink] keyfile: cannot use %s with the certificate %s", d->conf_path, key, cert);
		return false;
	}
	if (stat(key, &s) == 0 && s.st_mode & 077)      /* it works: no reason to bring nobody's alarm any more */
		complain("others than its owner may read or change the private key %s: chmod 600 %s", key, key);
	if (access(d->conf.uplink_cafile, R_OK) != 0) {
		complain("%s: [uplink] cafile: cannot read %s: %s", d->conf_path, d->conf.uplink_cafile, strerror(errno));
		return false;
	}
	return true;
}

static bool know_thyself(struct daemon *d)
{
	d->device = d->conf.gateway_device[0] ? d->conf.gateway_device : d->cert.device;
	d->tenant = d->conf.gateway_tenant[0] ? d->conf.gateway_tenant : d->cert.tenant;
	if (strcmp(d->device, d->cert.device) != 0)
		complain("%s: [gateway] device is %s, but the certificate %s is that of %s: leave device empty, or bring its own",
			 d->conf_path, d->device, d->conf.uplink_certfile, d->cert.device);
	else if (d->cert.tenant[0] && strcmp(d->tenant, d->cert.tenant) != 0)
		complain("%s: [gateway] tenant is %s, but the certificate %s is of %s, as which alone the broker takes anything: leave "
			 "tenant empty", d->conf_path, d->tenant, d->conf.uplink_certfile, d->cert.tenant);
	else if (!d->tenant[0])
		complain("%s: the certificate %s names no tenant (SAN URI urn:pullcord:TENANT:device:%s): set [gateway] tenant",
			 d->conf_path, d->conf.uplink_certfile, d->device);
	else
		return true;
	return false;
}

/* At the very first start there is neither key nor outbox. A lost key is another matter: a new one opens nothing. */
static bool load_root(struct daemon *d, bool may_make)
{
	const char *path = d->conf.gateway_root_key, *unwrap = d->conf.gateway_root_key_unwrap;
	enum err e = kek_load(path, unwrap, d->root);

	if (e == ERR_NOT_FOUND && access(d->conf.gateway_outbox, F_OK) != 0) {
		if (!may_make)
			return true;
		e = kek_make(path, unwrap);
		if (e != OK) {
			complain_of(ABOUT_NEW_ROOT_KEY, e, "%s: [gateway] root_key: cannot make %s", d->conf_path, path);
			return false;
		}
		e = kek_load(path, unwrap, d->root);
	}
	if (e == OK)
		return true;
	complain_of(ABOUT_ROOT_KEY, e, "%s: [gateway] root_key: cannot use %s", d->conf_path, path);
	return false;
}

/* ---- running ---- */

static int64_t clock_now_ms(void *ctx) { return loop_now_ms(((struct daemon *)ctx)->loop); }

static int64_t clock_real_us(void *ctx)
{
	(void)ctx;
	return clock_us(CLOCK_REALTIME);
}

/* By any thread. */
static void wake(void *ctx)
{
	struct daemon *d = ctx;

	pthread_mutex_lock(&d->waking);
	if (d->waker)
		waker_wake(d->waker);
	pthread_mutex_unlock(&d->waking);
}

static void end_loop(struct daemon *d)
{
	pthread_mutex_lock(&d->waking);
	d->waker = NULL;
	pthread_mutex_unlock(&d->waking);
	if (d->loop)
		loop_close(&d->loop);
}

/* Called when the pipeline has run: who does not get here is silent, and is started anew. */
static void look(struct daemon *d)
{
	struct health h;

	if (!vigil_is_due(&d->vigil, loop_now_ms(d->loop)))
		return;
	pipeline_health(d->gateway, vigil_stuck_ms(&d->vigil), &h);
	vigil_look(&d->vigil, &h);
}

static void on_stop(void *ctx, int signum);

static void run(void *ctx)
{
	struct daemon *d = ctx;

	if (!d->gateway)
		return;   /* woken before all is open */
	timer_set(d->timer, pipeline_run(d->gateway));
	look(d);
	if (d->stop_due) {
		d->stop_due = false;
		on_stop(d, 0);
		return;
	}
	if (pipeline_stopped(d->gateway))
		loop_stop(d->loop);
}

static void on_stop(void *ctx, int signum)
{
	struct daemon *d = ctx;

	if (signum)
		vigil_say(&d->vigil, "STOPPING=1");
	pipeline_stop(d->gateway);
	inputs_close(&d->inputs);
	run(d);
}

/* Over what the file says. They were looked at before they were obeyed; a file that changed since may not take them. */
static void add_orders(const struct daemon *d, struct conf *c)
{
	const struct standing *s = orders_standing(d->orders);
	struct conf_fault f;
	char log[64] = "";

	if (s->log_level[0])
		snprintf(log, sizeof(log), "[gateway]\nlog = %s\n", s->log_level);
	if (conf_order(span_str(s->settings), c, &f) != OK || conf_order(span_str(log), c, &f) != OK)
		log_say(EV_SETTINGS_REFUSED, KV_STR("file", d->conf.orders_folder), KV_NUM("line", f.line),
			KV_STR("why", f.text));
}

/* What may change under way. */
static void take_settings(struct daemon *d, const struct conf *c)
{
	d->conf.gateway_expire_min = c->gateway_expire_min;
	d->conf.gateway_vitals_expire_s = c->gateway_vitals_expire_s;
	d->conf.gateway_state_s = c->gateway_state_s;
	pipeline_set_throttle(d->gateway, c);
	log_least((enum log_level)c->gateway_log);
}

static bool reload(struct daemon *d)
{
	struct conf_fault f = { 0 };
	struct conf *c = malloc(sizeof(*c));
	char name[CONF_TEXT];
	const char *waits;
	enum err e = c ? conf_load(d->conf_path, c, &f) : ERR_FULL;

	if (e == OK) {
		waits = conf_changed(&d->conf, c, name);
		add_orders(d, c);
		take_settings(d, c);
		log_say(EV_SETTINGS_LOADED, KV_STR("file", d->conf_path));
		if (waits)
			log_say(EV_SETTINGS_WAIT, KV_STR("file", d->conf_path), KV_STR("setting", waits));
	} else {
		log_say(EV_SETTINGS_REFUSED, KV_STR("file", d->conf_path), KV_NUM("line", c ? f.line : 0),
			KV_STR("why", c && f.text[0] ? f.text : err_text(e)));
	}
	free(c);
	return e == OK;
}

static void say_orders_failed(enum err e, const char *file, unsigned line)
{
	log_say(EV_ORDERS_FAILED, KV_STR("file", file), KV_NUM("line", line), KV_STR("why", err_text(e)),
		KV_STR("right", remedy(ABOUT_ORDERS, e)));
}

/* Whatever the settings are like by now: a wrong one must not keep an officer in force who was struck off. */
static void reread_officers(struct daemon *d)
{
	unsigned line = 0;
	enum err e;

	if (!d->orders || !d->conf.orders_officers[0])
		return;
	e = orders_reread(d->orders, &line);
	if (e == OK)
		log_say(EV_OFFICERS_LOADED, KV_STR("file", d->conf.orders_officers));
	else
		log_say(EV_OFFICERS_STAY, KV_STR("file", d->conf.orders_officers), KV_NUM("line", line), KV_STR("why", err_text(e)),
			KV_STR("right", remedy(ABOUT_ORDERS, e)));
}

/* Alerts come first: a gateway that cannot be a witness is one without, and says so. */
static void open_attest(struct daemon *d)
{
	const struct attest_spec spec = {
		.folder = d->conf.witness_folder, .vkey = d->conf.witness_vkey, .peers = d->conf.witness_peers,
		.tenant = d->tenant, .device = d->device,
		.every_ms = d->conf.witness_every_s * 1000LL, .wake = wake, .ctx = d,
	};
	const char *what;
	enum err e = d->conf.witness_vkey[0] ? attest_open(&spec, &d->attest, &what) : OK;

	if (e != OK)
		log_say(EV_WITNESS_FAILED, KV_STR("file", what), KV_STR("why", err_text(e)), KV_STR("right", remedy(ABOUT_WITNESS, e)));
}

/* Nor must the list of peers wait for the other settings. One that could not become a witness tries again. */
static void reread_witness(struct daemon *d)
{
	unsigned line = 0;
	const char *what;
	enum err e;

	if (!d->conf.witness_vkey[0])
		return;
	if (!d->attest) {
		open_attest(d);
		pipeline_set_attest(d->gateway, d->attest);
		return;
	}
	e = attest_reread(d->attest, &what, &line);
	if (e == OK)
		log_say(EV_WITNESS_LOADED, KV_STR("vkey", d->conf.witness_vkey), KV_STR("peers", d->conf.witness_peers));
	else
		log_say(EV_WITNESS_STAYS, KV_STR("file", what), KV_NUM("line", line), KV_STR("why", err_text(e)),
			KV_STR("right", remedy(ABOUT_WITNESS, e)));
}

static void on_reload(void *ctx, int signum)
{
	struct daemon *d = ctx;

	(void)signum;
	reread_officers(d);
	reread_witness(d);
	if (reload(d))
		pipeline_try_again(d->gateway);
}

/* A wipe begins with the end of everything else. */
static bool obey(void *ctx, Pullcord__V1__CommandKind kind)
{
	struct daemon *d = ctx;

	if (kind != PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE)
		return reload(d);
	d->stop_due = true;
	d->undelivered = pipeline_queued(d->gateway);
	d->clock_off_us = pipeline_real_us(d->gateway) - clock_real_us(d);
	return true;
}

static bool open_inputs(struct daemon *d)
{
	enum err e = inputs_open(&(struct inputs_spec){ &d->conf, d->device, d->loop, d->gateway }, &d->inputs);

	if (e != OK)
		complain("cannot open the inputs: %s", err_text(e));
	return e == OK;
}

static bool open_loop(struct daemon *d)
{
	enum err e = loop_open(&d->loop);

	if (e == OK)
		e = waker_open(d->loop, run, d, &d->waker);
	if (e == OK)
		e = timer_open(d->loop, run, d, &d->timer);
	if (e == OK)
		e = loop_on_signal(d->loop, SIGTERM, on_stop, d);
	if (e == OK)
		e = loop_on_signal(d->loop, SIGINT, on_stop, d);
	if (e == OK)
		e = loop_on_signal(d->loop, SIGHUP, on_reload, d);
	if (e != OK)
		complain("cannot start the event loop: %s", err_text(e));
	return e == OK;
}

static bool open_scout(struct daemon *d)
{
	enum err e = tls_only_13();

	if (e == OK)
		e = scout_open(&d->conf, wake, d, &d->scout);
	if (e != OK)
		complain("cannot prepare TLS with the certificate %s: %s", d->conf.uplink_certfile, err_text(e));
	return e == OK;
}

/* What is in force may be better than what lies in place; without a scout nothing else is known. */
static const char *certfile_of(const struct daemon *d) { return d->scout ? scout_certfile(d->scout) : d->conf.uplink_certfile; }
static const char *keyfile_of(const struct daemon *d) { return d->scout ? scout_keyfile(d->scout) : d->conf.uplink_keyfile; }
static const char *cafile_of(const struct daemon *d) { return d->scout ? scout_cafile(d->scout) : d->conf.uplink_cafile; }

/* A gateway whose orders cannot be read obeys none, and takes alerts all the same: then it is told. */
static void open_orders(struct daemon *d)
{
	const struct orders_spec spec = { .conf = &d->conf, .certfile = certfile_of(d), .keyfile = keyfile_of(d), .tenant = d->tenant,
					  .device = d->device, .renew = renewal_run, .wake = wake, .ctx = d };
	const char *what;
	unsigned line = 0;
	enum err e = orders_open(&spec, &d->orders, &what, &line);

	if (e != OK)
		say_orders_failed(e, what, line);
	add_orders(d, &d->conf);
}

static bool open_gateway(struct daemon *d)
{
	const struct pipeline_spec spec = {
		.conf = &d->conf, .cert = d->cert, .scout = d->scout, .attest = d->attest, .orders = d->orders,
		.obey = obey, .device = d->device, .tenant = d->tenant, .root = d->root,
		.uplink = &uplink_paho, .now_ms = clock_now_ms, .real_us = clock_real_us, .wake = wake, .ctx = d,
	};
	enum err e = pipeline_open(&spec, &d->gateway);

	crypt_wipe(d->root, sizeof(d->root));
	if (e == OK)
		return true;
	complain_of(ABOUT_OUTBOX, e, "cannot open the outbox %s (%d MiB)", d->conf.gateway_outbox, d->conf.gateway_outbox_mib);
	return false;
}

static bool open_vigil(struct daemon *d)
{
	enum err e = vigil_open(&d->conf, &d->vigil);

	if (e != OK)
		complain("cannot start to watch: %s", err_text(e));
	return e == OK;
}

static bool open_all(struct daemon *d)
{
	if (!open_loop(d) || !open_scout(d))
		return false;
	open_attest(d);
	open_orders(d);
	log_least((enum log_level)d->conf.gateway_log);
	return open_gateway(d) && open_inputs(d);
}

/* ---- the end of a device ---- */

#define EXIT_WIPED 3                    /* configs/pullcord-gateway.service: not to be started anew */

static void alive(void *ctx) { vigil_say(&((struct daemon *)ctx)->vigil, "WATCHDOG=1"); }

static int wiped(struct daemon *d)
{
	char left[WIPE_TEXT_MAX];

	if (!shred_identity(&d->conf, &(struct shred_watch){ alive, d }, left, sizeof(left)))
		complain("cannot destroy %s", left);
	log_say(EV_WIPED, KV_STR("file", d->conf.orders_folder));
	complain("this device was wiped: remove %s, then enroll it anew; the other way round its new keys would be destroyed, too",
		 d->conf.orders_folder);
	return EXIT_WIPED;
}

static void say_farewell(void *ctx)
{
	struct daemon *d = ctx;

	if (!d->farewell)
		return;
	timer_set(d->timer, farewell_run(d->farewell));
	alive(d);
	if (farewell_over(d->farewell))
		loop_stop(d->loop);
}

static void give_up(void *ctx, int signum)
{
	struct daemon *d = ctx;

	(void)signum;
	loop_stop(d->loop);   /* the next start goes on with it */
}

static enum err open_farewell(struct daemon *d)
{
	TRY(tls_only_13());
	TRY(loop_open(&d->loop));
	TRY(waker_open(d->loop, say_farewell, d, &d->waker));
	TRY(timer_open(d->loop, say_farewell, d, &d->timer));
	TRY(loop_on_signal(d->loop, SIGTERM, give_up, d));
	TRY(loop_on_signal(d->loop, SIGINT, give_up, d));
	return farewell_open(&(struct farewell_spec){
		.conf = &d->conf, .cafile = cafile_of(d), .certfile = certfile_of(d), .keyfile = keyfile_of(d), .device = d->device,
		.tenant = d->tenant, .orders = d->orders, .uplink = &uplink_paho, .now_ms = clock_now_ms, .real_us = clock_real_us,
		.wake = wake, .ctx = d }, &d->farewell);
}

static enum err wipe_on(struct daemon *d, bool *over)
{
	char left[WIPE_TEXT_MAX];

	TRY(wipe_store(d->orders, &d->conf, &(struct shred_watch){ alive, d }, d->undelivered, clock_real_us(d) + d->clock_off_us));
	TRY(open_farewell(d));
	say_farewell(d);
	loop_run(d->loop);
	*over = farewell_over(d->farewell);
	return *over ? wipe_silence(d->orders, &d->conf, &(struct shred_watch){ alive, d }, left) : OK;
}

/* Without its certificate it can tell nobody; the keys go all the same. */
static void wipe_unnamed(struct daemon *d)
{
	char left[STANDING_TEXT_MAX + 1];

	if (orders_wiped(&d->conf) == WIPE_BEGUN && !shred_store(&d->conf, &(struct shred_watch){ alive, d }, left, sizeof(left)))
		complain("cannot destroy %s", left);
}

static int wipe(struct daemon *d)
{
	bool over = false;
	enum err e;

	if (!d->orders)
		open_orders(d);
	vigil_say(&d->vigil, "READY=1\nSTATUS=wiped: bringing the receipt to a broker");
	e = d->orders ? wipe_on(d, &over) : ERR_CORRUPT;
	farewell_close(&d->farewell);
	end_loop(d);
	orders_close(&d->orders);
	if (e != OK)
		complain("cannot go on with the wipe: %s", err_text(e));
	return e != OK ? 1 : over ? wiped(d) : 0;
}

static void close_all(struct daemon *d)
{
	inputs_close(&d->inputs);
	pipeline_close(&d->gateway);
	attest_close(&d->attest);
	end_loop(d);
}

static int serve(struct daemon *d)
{
	bool good = open_vigil(d), must_wipe = orders_wiped(&d->conf) != WIPE_NONE;
	int code;

	log_least((enum log_level)d->conf.gateway_log);
	good = good && !must_wipe && open_all(d);
	if (good) {
		log_say(EV_GATEWAY_START, KV_STR("device", d->device), KV_STR("tenant", d->tenant),
			KV_STR("version", PULLCORD_VERSION), KV_NUM("waiting", pipeline_queued(d->gateway)));
		vigil_say(&d->vigil, "READY=1");
		run(d);
		loop_run(d->loop);
	}
	close_all(d);
	if (good)
		log_say(EV_GATEWAY_STOP, KV_STR("device", d->device));
	code = good ? 0 : 1;
	if (must_wipe || orders_standing(d->orders)->wipe != WIPE_NONE)
		code = wipe(d);
	orders_close(&d->orders);
	scout_close(&d->scout);
	vigil_close(&d->vigil);
	return code;
}

/* What the broker refused, for a person. */
static int list_aside(struct daemon *d, bool json)
{
	const struct outbox_spec spec = {
		.path = d->conf.gateway_outbox, .root = d->root, .map_bytes = (size_t)d->conf.gateway_outbox_mib << 20,
	};
	unsigned n = 0;
	enum err e = aside_print(&spec, json, stdout, &n);

	crypt_wipe(d->root, sizeof(d->root));
	if (e == ERR_NOT_FOUND)
		complain("there is no outbox %s: no gateway has run yet with the settings in %s", spec.path, d->conf_path);
	else if (e != OK)
		complain_of(ABOUT_OUTBOX, e, "cannot read the outbox %s", spec.path);
	else if (!n && !json)
		puts("nothing is set aside");
	return e == OK ? 0 : 1;
}

static int start(struct daemon *d, enum task task)
{
	if (crypt_init() != OK) {
		complain("cannot use OpenSSL: SHA-256 and AES-256-GCM must be there");
		return 1;
	}
	if (!load_conf(d->conf_path, &d->conf))
		return 1;
	if (task == TASK_ASIDE || task == TASK_ASIDE_JSON)
		return load_root(d, false) ? list_aside(d, task == TASK_ASIDE_JSON) : 1;
	if (task == TASK_CHECK && orders_wiped(&d->conf) != WIPE_NONE) {
		printf("%s: this device was wiped, or is being wiped: what it had is not there any more\n", d->conf_path);
		return 0;               /* a start must come to bring that to its end */
	}
	if (task == TASK_SERVE && orders_wiped(&d->conf) == WIPE_SILENT)
		return wiped(d);
	if (task == TASK_SERVE)
		renewal_mend(&d->conf);
	if (!load_cert(d) || !know_thyself(d)) {
		if (task == TASK_SERVE)
			wipe_unnamed(d);
		return 1;
	}
	if (task == TASK_SERVE && orders_wiped(&d->conf) != WIPE_NONE)
		return serve(d);
	if (task == TASK_CHECK) {
		if (!check_all(&(struct check){ d->conf_path, &d->conf, &d->cert, d->device, d->tenant, time(NULL) }))
			return 1;
		printf("%s is good: device %s of %s, %u input%s, certificate good for %u days\n", d->conf_path,
		       d->device, d->tenant, d->conf.inputs, d->conf.inputs == 1 ? "" : "s",
		       cert_days_left(&d->cert, time(NULL)));
		return 0;
	}
	return load_root(d, true) ? serve(d) : 1;
}

/* What was asked for and cannot be read is not done. */
static int shown(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	complain("the output could not be written to its end: is the disk full?");
	return 1;
}

/* What getopt_long() found no name for, or no use of. */
static int wrong_option(int o, int known, const char *word)
{
	const char letter[] = { '-', (char)optopt, '\0' };

	if (o == ':')
		return wrong("a file is missing behind ", word);
	if (optopt >= known)
		return wrong("it takes no value: ", word);
	return wrong("there is no option ", optopt ? letter : word);
}

int main(int argc, char **argv)
{
	enum { OPT_CHECK = 256, OPT_CONF, OPT_MAN, OPT_VERSION, OPT_ASIDE, OPT_JSON };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },     { "check", no_argument, NULL, OPT_CHECK },
		{ "print-conf", no_argument, NULL, OPT_CONF },  { "print-man", no_argument, NULL, OPT_MAN },
		{ "version", no_argument, NULL, OPT_VERSION },  { "help", no_argument, NULL, 'h' },
		{ "aside", no_argument, NULL, OPT_ASIDE },      { "json", no_argument, NULL, OPT_JSON },
		{ NULL, 0, NULL, 0 },
	};
	static struct daemon d = { .waking = PTHREAD_MUTEX_INITIALIZER };
	bool check = false, aside = false, json = false;

	d.conf_path = CONF_DEFAULT;
	d.vigil.notify.fd = -1;
	prctl(PR_SET_DUMPABLE, 0);   /* keys and patients' names stay out of core files */
	journal_open();
	opterr = 0;
	for (int o; (o = getopt_long(argc, argv, ":c:h", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			d.conf_path = optarg;
			break;
		case OPT_CHECK:
			check = true;
			break;
		case OPT_ASIDE:
			aside = true;
			break;
		case OPT_JSON:
			json = true;
			break;
		case OPT_CONF:
			conf_print_sample(stdout);
			return shown(0);
		case OPT_MAN:
			conf_print_man(stdout);
			return shown(0);
		case OPT_VERSION:
			puts("pullcord-gateway " PULLCORD_VERSION);
			return shown(0);
		case 'h':
			return shown(usage());
		default:
			return wrong_option(o, OPT_CHECK, argv[optind - 1]);
		}
	}
	if (optind < argc)
		return wrong("settings are named by --config FILE; there is nothing to do with ", argv[optind]);
	if (check && aside)
		return wrong("--check and --aside: one of them", "");
	if (json && !aside)
		return wrong("--json goes with --aside", "");
	return shown(start(&d, check ? TASK_CHECK : !aside ? TASK_SERVE : json ? TASK_ASIDE_JSON : TASK_ASIDE));
}
