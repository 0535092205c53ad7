#include "vigil.h"

#include <stdio.h>
#include <unistd.h>

#include "log.h"

#define LOOK_MS 1000
#define STUCK_MS 30000              /* where no watchdog says how long is too long */

enum err vigil_open(const struct conf *c, struct vigil *out)
{
	const char *const path[BULLETIN_FILES] = {
		[BULLETIN_STATUS] = c->health_status, [BULLETIN_METRICS] = c->health_metrics,
	};

	*out = (struct vigil){ .conf = c };
	notify_open(&out->notify);
	return bulletin_open(path, &out->bulletin);
}

void vigil_close(struct vigil *v)
{
	bulletin_close(&v->bulletin);
	notify_close(&v->notify);
}

void vigil_say(const struct vigil *v, const char *what) { notify_say(&v->notify, what); }
bool vigil_is_due(const struct vigil *v, int64_t now_ms) { return now_ms >= v->due_ms; }
int64_t vigil_stuck_ms(const struct vigil *v) { return v->notify.watchdog_ms ? v->notify.watchdog_ms : STUCK_MS; }

/* The second field is pages resident (proc(5)). */
static int64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%*d %lld", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static bool is_time(int64_t *due_ms, int64_t now_ms, int64_t every_ms)
{
	if (now_ms < *due_ms)
		return false;
	*due_ms = now_ms + every_ms;
	return true;
}

static const char *first_fault(const struct health *h)
{
	for (unsigned i = 0; i < HEALTH_FAULTS_END; i++)
		if (h->fault[i])
			return health_fault_text((enum health_fault)i);
	return "";
}

static void say_stuck(struct vigil *v, const struct health *h)
{
	enum health_condition now = health_condition(h);

	if (now == HEALTH_STUCK && v->was != HEALTH_STUCK)
		log_say(EV_GATEWAY_STUCK, KV_STR("why", first_fault(h)));
	v->was = now;
}

static void tell_systemd(struct vigil *v, const struct health *h)
{
	struct put b = put(v->text, sizeof(v->said));

	if (health_condition(h) != HEALTH_STUCK && v->notify.watchdog_ms &&
	    is_time(&v->watchdog_due_ms, h->mono_ms, v->notify.watchdog_ms / 2))
		notify_say(&v->notify, "WATCHDOG=1");
	put_str(&b, "STATUS=");
	(void)!health_line(h, &b);
	put_u8(&b, '\0');
	if (put_end(&b) != OK || strcmp(v->said, (const char *)v->text) == 0)
		return;
	memcpy(v->said, v->text, b.n);
	notify_say(&v->notify, v->said);
}

static void say_trouble(struct vigil *v, enum bulletin_file f, const char *path)
{
	enum err now = bulletin_trouble(v->bulletin, f);

	if (now != v->trouble_was[f] && now != OK)
		log_say(EV_BULLETIN_NOT_WRITTEN, KV_STR("file", path), KV_STR("why", err_text(now)));
	v->trouble_was[f] = now;
}

static void write_status(struct vigil *v, const struct health *h)
{
	int64_t every_ms = v->conf->health_status_s * 1000LL;
	struct put b = put(v->text, sizeof(v->text));

	if (!is_time(&v->status_due_ms, h->mono_ms, every_ms))
		return;
	if (health_json(h, (long)getpid(), every_ms, &b) == OK)
		bulletin_put(v->bulletin, BULLETIN_STATUS, put_span(&b));
	say_trouble(v, BULLETIN_STATUS, v->conf->health_status);
}

static void write_metrics(struct vigil *v, const struct health *h)
{
	struct put b = put(v->text, sizeof(v->text));

	if (!is_time(&v->metrics_due_ms, h->mono_ms, v->conf->health_metrics_s * 1000LL))
		return;
	if (health_metrics(h, &b) == OK)
		bulletin_put(v->bulletin, BULLETIN_METRICS, put_span(&b));
	say_trouble(v, BULLETIN_METRICS, v->conf->health_metrics);
}

void vigil_look(struct vigil *v, struct health *h)
{
	int64_t every_ms = v->notify.watchdog_ms && v->notify.watchdog_ms / 4 < LOOK_MS ? v->notify.watchdog_ms / 4 : LOOK_MS;

	v->due_ms = h->mono_ms + every_ms;
	h->resident_memory_bytes = resident_bytes();
	say_stuck(v, h);
	tell_systemd(v, h);
	write_status(v, h);
	write_metrics(v, h);
}
