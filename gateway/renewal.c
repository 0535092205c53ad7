#include "renewal.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "brokers.h"
#include "cert.h"
#include "cmp.h"
#include "cur.h"
#include "tls.h"
#include "whole.h"

#define CMP_TIMEOUT_S 10

struct pair {
	char cert[CONF_TEXT + 8], key[CONF_TEXT + 8];
};

static struct pair new_pair(const struct conf *c)
{
	struct pair p;

	snprintf(p.cert, sizeof(p.cert), "%s.new", c->uplink_certfile);
	snprintf(p.key, sizeof(p.key), "%s.new", c->uplink_keyfile);
	return p;
}

static enum err say(char text[RENEWAL_TEXT_MAX], enum err e, const char *what, const char *why)
{
	snprintf(text, RENEWAL_TEXT_MAX, "%s: %s", what, why[0] ? why : err_text(e));
	return e;
}

static enum err ask(const struct conf *c, const struct pair *p, char text[RENEWAL_TEXT_MAX])
{
	const struct cmp_ask a = {
		c->renew_cmp, c->renew_cafile[0] ? c->renew_cafile : c->uplink_cafile, c->uplink_certfile, c->uplink_keyfile,
		p->cert, p->key, CMP_TIMEOUT_S,
	};
	char why[CMP_WHY_MAX];
	enum err e = cmp_renew(&a, why);

	return e == OK ? OK : say(text, e, c->renew_cmp, why);
}

/* One that takes it is enough: others may be away, and whichever it goes to is asked again before it is used. What one says that
 * does not take it tells more than that another is away. */
static enum err try_brokers(const struct conf *c, const struct pair *p, char why[TLS_WHY_MAX])
{
	enum err refused = ERR_IO;
	struct brokers all;
	struct span bad;

	TRY(brokers_read(c->uplink_host, (unsigned)c->uplink_port, c->uplink_others, &all, &bad));
	for (unsigned i = 0; i < all.n; i++) {
		char said[TLS_WHY_MAX];
		enum err e = tls_try(&(struct tls_try){ all.at[i].host, c->uplink_cafile, p->cert, p->key, all.at[i].port,
						        (unsigned)c->uplink_connect_timeout_ms }, said);

		if (e == OK)
			return OK;
		if (refused == ERR_IO)
			memcpy(why, said, sizeof(said));
		refused = refused == ERR_IO ? e : refused;
	}
	return refused;
}

/* A CA may make mistakes, too. */
static enum err check(const struct conf *c, const struct pair *p, struct cert *fresh, char text[RENEWAL_TEXT_MAX])
{
	char why[TLS_WHY_MAX] = "";
	struct cert old;
	enum err e = cert_read(p->cert, fresh);

	if (e == OK)
		e = cert_read(c->uplink_certfile, &old);
	if (e == OK)
		e = cert_check_key(p->cert, p->key);
	if (e == OK)
		e = cert_check_use(p->cert);
	if (e == OK && (strcmp(fresh->device, old.device) != 0 || strcmp(fresh->tenant, old.tenant) != 0))
		e = ERR_SENDER;
	if (e != OK)
		return say(text, e, "the certificate that came", "");
	e = try_brokers(c, p, why);
	return e == OK ? OK : say(text, e, "no broker takes it", why);
}

/* For a person, should the broker refuse a login with the new pair after all. */
static void keep_old(const char *path)
{
	char old[CONF_TEXT + 8];

	snprintf(old, sizeof(old), "%s.old", path);
	(void)unlink(old);
	(void)!link(path, old);
}

static enum err put_in_place(const struct conf *c, const struct pair *p)
{
	keep_old(c->uplink_certfile);
	keep_old(c->uplink_keyfile);
	if (rename(p->key, c->uplink_keyfile) != 0 || whole_flush(c->uplink_keyfile) != OK ||
	    rename(p->cert, c->uplink_certfile) != 0)
		return ERR_IO;
	return whole_flush(c->uplink_certfile);
}

static void say_until(int64_t not_after_s, char text[RENEWAL_TEXT_MAX])
{
	time_t end = (time_t)not_after_s;
	struct tm tm;

	if (!gmtime_r(&end, &tm) || !strftime(text, RENEWAL_TEXT_MAX, "good until %Y-%m-%d", &tm))
		text[0] = '\0';
}

enum err renewal_run(const struct conf *c, char text[RENEWAL_TEXT_MAX])
{
	const struct pair p = new_pair(c);
	struct cert fresh;
	enum err e;

	text[0] = '\0';
	TRY(ask(c, &p, text));
	e = check(c, &p, &fresh, text);
	if (e == OK) {
		e = put_in_place(c, &p);
		if (e != OK)
			(void)say(text, e, c->uplink_certfile, "");
	}
	if (e == OK)
		say_until(fresh.not_after_s, text);
	return e;
}

/* The key was there, the certificate not yet. */
void renewal_mend(const struct conf *c)
{
	const struct pair p = new_pair(c);

	if (cert_check_key(c->uplink_certfile, c->uplink_keyfile) == ERR_KEY && cert_check_key(p.cert, c->uplink_keyfile) == OK)
		(void)rename(p.cert, c->uplink_certfile);
}
