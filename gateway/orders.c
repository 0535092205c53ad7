#include "orders.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cert.h"
#include "log.h"
#include "thread.h"
#include "whole.h"

#define PATH_MAX_HERE 320
#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name
#define OUTCOME(name) PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_##name

enum stage {
	STAGE_IDLE,
	STAGE_KEEPING,                  /* that it is obeyed is being written */
	STAGE_BEGUN,                    /* it is on disk */
	STAGE_GIVEN,                    /* the caller does it */
	STAGE_RENEWING,                 /* our thread does it */
	STAGE_RENEWING_UNASKED,         /* nobody ordered that */
	STAGE_CLOSING,                  /* its receipt is being signed and written */
};

struct orders {
	struct orders_spec spec;
	char path[PATH_MAX_HERE];
	char list[OFFICERS_BYTES_MAX];
	struct officers officers;
	bool lost;                      /* what was ordered before is not known, so that the next could be an old one */

	enum stage stage;
	struct standing now;            /* as on disk */
	struct standing next;           /* the thread's, while it works */
	struct standing_receipt refused;
	char why[STANDING_TEXT_MAX + 1];        /* settings are refused */
	bool news;
	Pullcord__V1__CommandReceipt told[2];

	int64_t renew_ms;               /* not before, unasked */
	pthread_t thread;
	bool working;
	atomic_bool done;
	enum err err, sign_err;
	char text[STANDING_TEXT_MAX + 1];       /* the thread's */
};

/* ---- the disk ---- */

/* Whoever may write it, or put a pipe there, would say whom we obey. */
static enum err read_file(const char *path, uint8_t *out, size_t cap, size_t *n)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t got = 0;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
		return ERR_DENIED;
	for (*n = 0; *n < cap && (got = read(fd, out + *n, cap - *n)) > 0;)
		*n += (size_t)got;
	return got < 0 ? ERR_IO : *n == cap ? ERR_TOO_LARGE : OK;
}

/* What has taken its place is what the next start goes by, even if the disk then failed to say that it will stay. */
static enum err keep(const struct orders *o, const struct standing *s)
{
	uint8_t bytes[STANDING_BYTES_MAX], there[STANDING_BYTES_MAX];
	struct put b = put(bytes, sizeof(bytes));
	size_t n;
	enum err e;

	TRY(standing_write(s, &b));
	e = whole_keep(o->path, put_span(&b), 0600);
	if (e != OK && read_file(o->path, there, sizeof(there), &n) == OK && span_eq(span(there, n), put_span(&b)))
		e = OK;
	return e;
}

/* Others can prove by it that it was this device that said so. Without its key it is said all the same. */
static enum err sign_receipt(const struct orders *o, struct standing_receipt *r)
{
	uint8_t room[RECEIPT_TEXT_MAX];
	struct put text = put(room, sizeof(room));
	Pullcord__V1__CommandReceipt m;
	struct cert_signed s;

	r->cert_n = r->sig_n = 0;
	standing_message(r, &m);
	TRY(receipt_write(&m, o->spec.tenant, o->spec.device, &text));
	TRY(cert_sign(o->spec.certfile, o->spec.keyfile, put_span(&text), &s));
	memcpy(r->cert, s.der, r->cert_n = s.der_n);
	memcpy(r->sig, s.sig, r->sig_n = s.sig_n);
	return OK;
}

/* ---- the thread ---- */

static void *work(void *arg)
{
	struct orders *o = arg;

	if (o->stage == STAGE_CLOSING)
		o->sign_err = sign_receipt(o, &o->next.last);
	if (o->stage == STAGE_RENEWING || o->stage == STAGE_RENEWING_UNASKED)
		o->err = o->spec.renew(o->spec.conf, o->text);
	else
		o->err = keep(o, &o->next);
	atomic_store(&o->done, true);
	o->spec.wake(o->spec.ctx);
	return NULL;
}

static bool begin(struct orders *o, enum stage stage)
{
	enum stage was = o->stage;

	o->stage = stage;
	o->text[0] = '\0';
	atomic_store(&o->done, false);
	o->working = thread_start(&o->thread, work, o) == OK;
	if (!o->working)
		o->stage = was;
	return o->working;
}

/* ---- hearing ---- */

static void refuse(struct orders *o, const struct order *order, enum order_verdict v, int64_t now_us)
{
	o->refused = (struct standing_receipt){
		.kind = order->kind, .counter = order->counter, .outcome = OUTCOME(REFUSED), .why = v, .at_us = now_us,
	};
	memcpy(o->refused.order, order->hash, SHA256_BYTES);
	snprintf(o->refused.text, sizeof(o->refused.text), "%s", o->why[0] ? o->why : order_text(v));
	o->news = true;
}

/* Are those settings, and such as may be ordered? */
static bool settings_ok(struct orders *o, struct span text)
{
	CLEANUP(free_cleanup) struct conf *c = malloc(sizeof(*c));
	struct conf_fault f;

	if (c)
		*c = *o->spec.conf;
	if (!c || conf_order(text, c, &f) == OK)
		return c != NULL;
	snprintf(o->why, sizeof(o->why), "line %u: %s", f.line, f.text);
	return false;
}

static enum order_verdict judge(struct orders *o, const Pullcord__V1__DeviceCommand *c, int64_t latest_us, struct order *order)
{
	static struct officers nobody;          /* not const: that would be part of the program */
	struct order_self self = {
		.tenant = o->spec.tenant, .device = o->spec.device, .officers = o->lost ? &nobody : &o->officers,
		.executed = o->now.executed,
	};
	enum order_verdict v;

	memcpy(self.nonce, o->now.nonce, sizeof(self.nonce));
	v = order_judge(&self, c, latest_us, order);
	if (v != ORDER_OBEY || order->kind == KIND(REPORT))
		return v;
	if (o->stage != STAGE_IDLE || o->now.wipe != WIPE_NONE)
		return ORDER_BUSY;
	return order->kind == KIND(SETTINGS) && !settings_ok(o, order->detail) ? ORDER_DETAIL : ORDER_OBEY;
}

/* Whose signatures they were is known only while the command is here. */
static void say_begun(const Pullcord__V1__DeviceCommand *c)
{
	char by[WARRANT_APPROVALS_MAX * (WARRANT_OFFICER_MAX + 1)] = "";
	struct put b = put(by, sizeof(by));

	for (size_t i = 0; i < c->n_approval; i++)
		put_fmt(&b, "%s%s", i ? " " : "", c->approval[i]->officer);
	log_say(EV_ORDER_OBEYED, KV_STR("kind", warrant_kind_name(c->command)), KV_NUM("counter", c->counter), KV_STR("by", by),
		KV_STR("text", "begun"));
}

enum order_verdict orders_hear(struct orders *o, const Pullcord__V1__DeviceCommand *c, int64_t now_us, int64_t latest_us)
{
	uint8_t nonce[WARRANT_NONCE];
	struct order order;
	enum order_verdict v;

	if (!o)
		return c->command == KIND(REPORT) ? ORDER_OBEY : ORDER_UNARMED;
	o->why[0] = '\0';
	v = judge(o, c, latest_us, &order);
	if (v == ORDER_OBEY && order.kind != KIND(REPORT)) {
		o->next = o->now;
		crypt_random(nonce, sizeof(nonce));
		standing_obey(&o->next, &order, nonce, now_us);
		if (begin(o, STAGE_KEEPING))
			say_begun(c);
		else
			v = ORDER_BUSY;
	}
	if (v != ORDER_OBEY)
		refuse(o, &order, v, now_us);
	return v;
}

/* ---- obeying ---- */

static void say_failed(const char *file, enum err e)
{
	if (e != OK)
		log_say(EV_ORDERS_FAILED, KV_STR("file", file), KV_STR("why", err_text(e)));
}

static void kept(struct orders *o, int64_t now_us)
{
	struct order order = { .kind = o->next.last.kind, .counter = o->next.last.counter };

	if (o->err == OK) {
		o->now = o->next;
		o->stage = STAGE_BEGUN;
		o->news = true;
		return;
	}
	memcpy(order.hash, o->next.last.order, SHA256_BYTES);
	o->why[0] = '\0';
	say_failed(o->path, o->err);
	o->stage = STAGE_IDLE;
	refuse(o, &order, ORDER_DISK, now_us);
}

/* It is done, whether that could be written or not: then it is done once more after the next start. */
static void closed(struct orders *o)
{
	say_failed(o->path, o->err);
	say_failed(o->spec.conf->uplink_keyfile, o->sign_err);
	o->now = o->next;
	o->stage = STAGE_IDLE;
	o->news = true;
}

static void say_outcome(const struct standing_receipt *r)
{
	if (r->outcome == OUTCOME(FAILED))
		log_say(EV_ORDER_REFUSED, KV_STR("kind", warrant_kind_name(r->kind)), KV_NUM("counter", r->counter),
			KV_STR("why", r->text));
	else
		log_say(EV_ORDER_OBEYED, KV_STR("kind", warrant_kind_name(r->kind)), KV_NUM("counter", r->counter),
			KV_STR("text", "done"));
}

static void set_outcome(struct standing_receipt *r, bool good, const char *text, int64_t now_us)
{
	r->outcome = good ? OUTCOME(DONE) : OUTCOME(FAILED);
	r->at_us = now_us;
	snprintf(r->text, sizeof(r->text), "%s", text);
	say_outcome(r);
}

void orders_done(struct orders *o, bool good, const char *text, int64_t now_us)
{
	o->next = o->now;
	set_outcome(&o->next.last, good, text, now_us);
	if (!begin(o, STAGE_CLOSING)) {   /* said unsigned, and not kept */
		o->err = ERR_BUSY;
		closed(o);
	}
}

static void say_renewed(const struct orders *o, const char *text)
{
	if (o->err == OK)
		log_say(EV_CERTIFICATE_RENEWED, KV_STR("file", o->spec.conf->uplink_certfile), KV_STR("text", text));
	else
		log_say(EV_RENEWAL_FAILED, KV_STR("file", o->spec.conf->uplink_certfile), KV_STR("why", text));
}

static void renewed(struct orders *o)
{
	say_renewed(o, o->text);
	o->stage = STAGE_IDLE;
}

static void finish(struct orders *o, int64_t now_us)
{
	char text[STANDING_TEXT_MAX + 1];

	pthread_join(o->thread, NULL);
	o->working = false;
	memcpy(text, o->text, sizeof(text));
	if (o->stage == STAGE_KEEPING)
		kept(o, now_us);
	else if (o->stage == STAGE_RENEWING_UNASKED)
		renewed(o);
	else if (o->stage == STAGE_RENEWING)
		orders_done(o, o->err == OK, text, now_us);
	else
		closed(o);
}

void orders_renew(struct orders *o, int64_t now_ms)
{
	if (!o || !o->spec.conf->renew_cmp[0] || o->stage != STAGE_IDLE || now_ms < o->renew_ms)
		return;
	o->renew_ms = now_ms + ORDERS_RENEW_MS;
	(void)begin(o, STAGE_RENEWING_UNASKED);
}

static void renew(struct orders *o, int64_t now_us)
{
	if (!o->spec.conf->renew_cmp[0])
		orders_done(o, false, "this gateway knows no CA to ask ([renew] cmp)", now_us);
	else
		(void)begin(o, STAGE_RENEWING);   /* else again at the next call */
}

Pullcord__V1__CommandKind orders_run(struct orders *o, int64_t now_us)
{
	if (!o || (o->working && !atomic_load(&o->done)))
		return KIND(NONE);
	if (o->working)
		finish(o, now_us);
	if (o->working || o->stage != STAGE_BEGUN)
		return KIND(NONE);
	if (o->now.last.kind == KIND(RENEW)) {
		renew(o, now_us);
		return KIND(NONE);
	}
	o->stage = STAGE_GIVEN;
	return o->now.last.kind;
}

bool orders_news(struct orders *o)
{
	bool news = o && o->news;

	if (news)
		o->news = false;
	return news;
}

enum err orders_wipe(struct orders *o, enum standing_wipe stage, bool good, const char *text, int64_t now_us)
{
	o->now.wipe = stage;
	if (stage == WIPE_TOLD) {
		set_outcome(&o->now.last, good, text, now_us > o->now.last.at_us ? now_us : o->now.last.at_us);
		o->sign_err = sign_receipt(o, &o->now.last);
		say_failed(o->spec.conf->uplink_keyfile, o->sign_err);
	}
	return keep(o, &o->now);
}

/* ---- telling ---- */

void orders_state(struct orders *o, Pullcord__V1__DeviceState *s)
{
	const struct standing_receipt *of[] = { o ? &o->now.last : NULL, o ? &o->refused : NULL };
	Pullcord__V1__CommandReceipt **to[] = { &s->last_obeyed, &s->last_refused };

	if (!o)
		return;
	if (o->officers.n && !o->lost)
		s->nonce = (ProtobufCBinaryData){ WARRANT_NONCE, o->now.nonce };
	s->executed = o->now.executed;
	s->quarantined = o->now.quarantined;
	for (size_t i = 0; i < countof(of); i++) {
		if (of[i]->outcome == OUTCOME(NONE))
			continue;
		standing_message(of[i], &o->told[i]);
		*to[i] = &o->told[i];
	}
}

const struct standing *orders_standing(const struct orders *o)
{
	static struct standing none;            /* not const: that would be part of the program */

	return o ? &o->now : &none;
}

bool orders_quarantined(const struct orders *o) { return o && o->now.quarantined; }
bool orders_unreadable(const struct orders *o) { return o && (o->lost || (o->spec.conf->orders_officers[0] && !o->officers.n)); }

/* ---- life ---- */

static enum err load_officers(const struct conf *c, char *list, struct officers *out, unsigned *line)
{
	size_t n;

	*line = 0;
	if (!c->orders_officers[0])
		return OK;
	TRY(read_file(c->orders_officers, (uint8_t *)list, OFFICERS_BYTES_MAX, &n));
	return officers_read(span(list, n), out, line);
}

enum err orders_check(const struct conf *c, unsigned *line)
{
	char list[OFFICERS_BYTES_MAX];
	struct officers o;

	return load_officers(c, list, &o, line);
}

/* Names borrow from the text: read where it will stay. */
enum err orders_reread(struct orders *o, unsigned *line)
{
	char list[OFFICERS_BYTES_MAX];
	struct officers fresh;

	TRY(load_officers(o->spec.conf, list, &fresh, line));
	return load_officers(o->spec.conf, o->list, &o->officers, line);
}

/* Whoever is to obey nobody needs no folder; but what was ordered before still stands. */
static enum err load_standing(struct orders *o)
{
	uint8_t bytes[STANDING_BYTES_MAX];
	size_t n;
	enum err e = read_file(o->path, bytes, sizeof(bytes), &n);

	if (e == OK)
		e = standing_read(span(bytes, n), &o->now);
	if (e == OK && o->now.last.outcome == OUTCOME(BEGUN))
		o->stage = STAGE_BEGUN;
	if (e != ERR_NOT_FOUND)
		return e == ERR_TOO_LARGE ? ERR_CORRUPT : e;
	crypt_random(o->now.nonce, sizeof(o->now.nonce));
	if (o->officers.n == 0)
		return OK;
	if (mkdir(o->spec.conf->orders_folder, 0700) != 0 && errno != EEXIST)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
	return keep(o, &o->now);
}

static bool find_path(const struct conf *c, char out[PATH_MAX_HERE])
{
	return snprintf(out, PATH_MAX_HERE, "%s/standing", c->orders_folder) < PATH_MAX_HERE;
}

enum standing_wipe orders_wiped(const struct conf *c)
{
	uint8_t bytes[STANDING_BYTES_MAX];
	char path[PATH_MAX_HERE];
	struct standing s;
	size_t n;

	return find_path(c, path) && read_file(path, bytes, sizeof(bytes), &n) == OK && standing_read(span(bytes, n), &s) == OK
		       ? s.wipe : WIPE_NONE;
}

enum err orders_open(const struct orders_spec *spec, struct orders **out, const char **what, unsigned *line)
{
	CLEANUP(orders_close) struct orders *o = calloc(1, sizeof(*o));
	enum err officers, standing;

	*what = spec->conf->orders_folder;
	if (!o)
		return ERR_FULL;
	o->spec = *spec;
	if (!find_path(spec->conf, o->path))
		return ERR_TOO_LARGE;
	officers = load_officers(spec->conf, o->list, &o->officers, line);
	standing = load_standing(o);
	o->lost = standing != OK;
	if (standing == ERR_CORRUPT || standing == ERR_VERSION)   /* whether it is in quarantine is not known: then it is */
		o->now.quarantined = true;
	if (standing == OK)
		*what = spec->conf->orders_officers;
	*out = o;
	o = NULL;
	return standing == OK ? officers : standing;
}

void orders_close(struct orders **o)
{
	if (*o && (*o)->working)
		pthread_join((*o)->thread, NULL);
	free(*o);
	*o = NULL;
}
