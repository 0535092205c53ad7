#include "scout.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "thread.h"
#include "tls.h"

#define LOOK_MS 5000                /* at the files */
#define AGAIN_MS 60000              /* a pair that did not work is tried again after this, or when it changes */
#define REFUSED_AGAIN_MS 3600000    /* one that was refused at a login: each try of it costs a connection; and at most */
#define FILE_MOST (1 << 20)         /* all public CAs are a quarter of it */
#define FILES 3

enum { CA, CERT, KEY };

/* A file as it was last seen: enough to see that it changed. */
struct mark {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

/* Copies of the three files in memory, which have paths of their own. */
struct set {
	int fd[FILES];
	char path[FILES][32];
	struct mark mark[FILES];
	struct cert cert;
};

struct scout {
	const struct conf *conf;
	void (*wake)(void *ctx);
	void *ctx;
	struct set in_force, candidate;
	struct set before;              /* what was in force, until a login with the new one was taken; else empty */
	struct brokers brokers;
	int64_t look_ms, again_ms, prefer_ms;
	int64_t stale_ms;               /* since then what lies in place is not what works; 0: it is */
	int64_t wait_ms;                /* for no login came about with these files, twice as long each time */

	/* one try at a time */
	pthread_t thread;
	bool trying, of_certificate;
	unsigned target;
	atomic_bool done;
	enum err err;
	char why[TLS_WHY_MAX];
};

static const char *file_of(const struct conf *c, int which)
{
	return which == CA ? c->uplink_cafile : which == CERT ? c->uplink_certfile : c->uplink_keyfile;
}

/* ---- files in memory ---- */

static void set_clear(struct set *s)
{
	for (int i = 0; i < FILES; i++)
		fd_cleanup(&s->fd[i]);
	*s = (struct set){ .fd = { -1, -1, -1 } };
}

static enum err copy_file(const char *from, int to)
{
	CLEANUP(fd_cleanup) int fd = open(from, O_RDONLY | O_CLOEXEC);
	uint8_t bytes[4096];
	size_t all = 0;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0 && (all += (size_t)n) <= FILE_MOST)
		if (write(to, bytes, (size_t)n) != n)
			return ERR_IO;
	explicit_bzero(bytes, sizeof(bytes));
	return n == 0 && all ? OK : n < 0 ? ERR_IO : ERR_TOO_LARGE;
}

static bool mark_file(const char *path, struct mark *out)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (stat(path, &st) != 0)
		return false;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->size = st.st_size;
	out->changed = st.st_ctim;
	return true;
}

static bool same_mark(const struct mark *a, const struct mark *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

static enum err set_load(const struct conf *c, struct set *out)
{
	set_clear(out);
	for (int i = 0; i < FILES; i++) {
		if (!mark_file(file_of(c, i), &out->mark[i]))
			return ERR_NOT_FOUND;
		out->fd[i] = memfd_create("pullcord", MFD_CLOEXEC);
		if (out->fd[i] < 0)
			return ERR_IO;
		TRY(copy_file(file_of(c, i), out->fd[i]));
		snprintf(out->path[i], sizeof(out->path[i]), "/proc/self/fd/%d", out->fd[i]);
	}
	TRY(cert_read(out->path[CERT], &out->cert));
	return cert_check_key(out->path[CERT], out->path[KEY]);
}

static bool set_is_of_files(const struct conf *c, const struct set *s)
{
	bool same = true;

	for (int i = 0; i < FILES; i++) {
		struct mark now;

		mark_file(file_of(c, i), &now);
		same = same && same_mark(&now, &s->mark[i]);
	}
	return same;
}

/* Under the same paths, so that whoever has them need not be told. */
static void set_become(struct set *s, const struct set *other)
{
	for (int i = 0; i < FILES; i++)
		(void)dup3(other->fd[i], s->fd[i], O_CLOEXEC);
	memcpy(s->mark, other->mark, sizeof(s->mark));
	s->cert = other->cert;
}

/* Of two that were never taken, the first is the one that is known to work. */
static void put_in_force(struct scout *s)
{
	if (s->before.fd[CA] < 0) {
		for (int i = 0; i < FILES; i++)
			s->before.fd[i] = fcntl(s->in_force.fd[i], F_DUPFD_CLOEXEC, 0);
		memcpy(s->before.mark, s->in_force.mark, sizeof(s->before.mark));
		s->before.cert = s->in_force.cert;
	}
	set_become(&s->in_force, &s->candidate);
	set_clear(&s->candidate);
}

void scout_taken(struct scout *s)
{
	if (s->before.fd[CA] >= 0)
		set_clear(&s->before);
}

static void is_stale(struct scout *s, int64_t now_ms)
{
	if (!s->stale_ms)
		s->stale_ms = now_ms;
}

bool scout_stale(const struct scout *s, int64_t now_ms) { return s->stale_ms && now_ms - s->stale_ms >= SCOUT_STALE_MS; }

bool scout_go_back(struct scout *s, bool refused, int64_t now_ms)
{
	if (s->before.fd[CA] < 0 || s->trying)
		return false;
	log_say(EV_CERTIFICATE_REFUSED, KV_STR("file", s->conf->uplink_certfile),
		KV_STR("why", refused ? "the broker refused a login with it" : "no login came about with it; it is tried again"));
	is_stale(s, now_ms);
	set_clear(&s->candidate);
	memcpy(s->candidate.mark, s->in_force.mark, sizeof(s->candidate.mark));
	s->wait_ms = refused || 2 * s->wait_ms > REFUSED_AGAIN_MS ? REFUSED_AGAIN_MS : 2 * s->wait_ms;
	s->again_ms = now_ms + s->wait_ms;
	set_become(&s->in_force, &s->before);
	set_clear(&s->before);
	return true;
}

/* ---- trying ---- */

static void *try_it(void *arg)
{
	struct scout *s = arg;
	const struct set *with = s->of_certificate ? &s->candidate : &s->in_force;
	const struct tls_try t = {
		s->brokers.at[s->target].host, with->path[CA], with->path[CERT], with->path[KEY], s->brokers.at[s->target].port,
		(unsigned)s->conf->uplink_connect_timeout_ms,
	};

	s->err = tls_try(&t, s->why);
	atomic_store(&s->done, true);
	s->wake(s->ctx);
	return NULL;
}

static void begin(struct scout *s, unsigned target, bool of_certificate)
{
	s->target = target;
	s->of_certificate = of_certificate;
	atomic_store(&s->done, false);
	s->trying = thread_start(&s->thread, try_it, s) == OK;
}

static void refuse(struct scout *s, const char *why, int64_t now_ms)
{
	log_say(EV_CERTIFICATE_REFUSED, KV_STR("file", s->conf->uplink_certfile), KV_STR("why", why));
	is_stale(s, now_ms);
	s->again_ms = now_ms + AGAIN_MS;
}

static enum scout_news finish(struct scout *s, int64_t now_ms, unsigned *better)
{
	pthread_join(s->thread, NULL);
	s->trying = false;
	if (!s->of_certificate) {
		*better = s->target;
		return s->err == OK ? SCOUT_BROKER : SCOUT_NOTHING;
	}
	if (s->err != OK) {
		refuse(s, s->why, now_ms);
		return SCOUT_NOTHING;
	}
	put_in_force(s);
	log_say(EV_CERTIFICATE_CHANGED, KV_STR("file", s->conf->uplink_certfile));
	return SCOUT_CERTIFICATE;
}

/* True: a try began. */
static bool look_at_files(struct scout *s, unsigned at, int64_t now_ms)
{
	bool known = set_is_of_files(s->conf, &s->candidate), used = set_is_of_files(s->conf, &s->in_force);
	enum err e;

	if (used && s->before.fd[CA] < 0)
		s->stale_ms = 0;
	if (used || (known && now_ms < s->again_ms))
		return false;
	if (!known)
		s->wait_ms = AGAIN_MS / 2;
	e = set_load(s->conf, &s->candidate);
	if (e == OK && (strcmp(s->candidate.cert.device, s->in_force.cert.device) != 0 ||
			strcmp(s->candidate.cert.tenant, s->in_force.cert.tenant) != 0))
		e = ERR_SENDER;
	if (e == OK) {
		begin(s, at, true);
		return true;
	}
	if (!known)   /* once for each state of the files */
		refuse(s, err_text(e), now_ms);
	s->again_ms = now_ms + AGAIN_MS;
	return false;
}

enum scout_news scout_look(struct scout *s, unsigned at, int64_t now_ms, unsigned *better)
{
	if (s->trying)
		return atomic_load(&s->done) ? finish(s, now_ms, better) : SCOUT_NOTHING;
	if (now_ms >= s->look_ms) {
		s->look_ms = now_ms + LOOK_MS;
		if (look_at_files(s, at, now_ms))
			return SCOUT_NOTHING;
	}
	if (at == 0) {
		s->prefer_ms = now_ms + s->conf->uplink_prefer_s * 1000LL;
	} else if (now_ms >= s->prefer_ms) {
		s->prefer_ms = now_ms + s->conf->uplink_prefer_s * 1000LL;
		begin(s, s->target + 1 < at && !s->of_certificate ? s->target + 1 : 0, false);
	}
	return SCOUT_NOTHING;
}

/* ---- brokers ---- */

unsigned scout_brokers(const struct scout *s) { return s->brokers.n; }
const char *scout_host(const struct scout *s, unsigned broker) { return s->brokers.at[broker].host; }
unsigned scout_port(const struct scout *s, unsigned broker) { return s->brokers.at[broker].port; }
const char *scout_cafile(const struct scout *s) { return s->in_force.path[CA]; }
const char *scout_certfile(const struct scout *s) { return s->in_force.path[CERT]; }
const char *scout_keyfile(const struct scout *s) { return s->in_force.path[KEY]; }
struct cert scout_cert(const struct scout *s) { return s->in_force.cert; }

/* ---- life ---- */

enum err scout_open(const struct conf *c, void (*wake)(void *ctx), void *ctx, struct scout **out)
{
	CLEANUP(scout_close) struct scout *s = calloc(1, sizeof(*s));
	struct span bad;

	if (!s)
		return ERR_FULL;
	*s = (struct scout){ .conf = c, .wake = wake, .ctx = ctx };
	s->in_force.fd[CA] = s->in_force.fd[CERT] = s->in_force.fd[KEY] = -1;
	s->candidate.fd[CA] = s->candidate.fd[CERT] = s->candidate.fd[KEY] = -1;
	s->before.fd[CA] = s->before.fd[CERT] = s->before.fd[KEY] = -1;
	TRY(brokers_read(c->uplink_host, (unsigned)c->uplink_port, c->uplink_others, &s->brokers, &bad));
	TRY(set_load(c, &s->in_force));
	*out = s;
	s = NULL;
	return OK;
}

void scout_close(struct scout **out)
{
	struct scout *s = *out;

	if (!s)
		return;
	if (s->trying)
		pthread_join(s->thread, NULL);
	set_clear(&s->in_force);
	set_clear(&s->candidate);
	set_clear(&s->before);
	free(s);
	*out = NULL;
}
