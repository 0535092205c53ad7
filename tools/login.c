#include "login.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "cmd.h"
#include "crypt.h"
#include "report.h"

#define APP_PORT 8884
#define LOOKUP_FAILED "Lookup error"    /* in libmosquitto's words */
#define CONNECT_MS 5000
#define AGAIN_US (15 * 1000000LL)

/* An installation is read unless --cafile and --tenant make it needless: a nurse's workstation has none. */
static int find_broker(struct login *l, const struct opt_page *page)
{
	if (!(l->cafile && l->tenant) && install_open(l->dir, &l->install) != OK)
		return CMD_NO;
	if (l->tenant && opt_word(page, "--tenant", l->tenant) != CMD_DONE)
		return CMD_USAGE;
	if (l->tenant)
		must(span_text(span_str(l->tenant), l->install.tenant, sizeof(l->install.tenant)));
	if (!l->cafile) {
		l->ca = install_path(&l->install, "ca.crt");
		l->cafile = l->ca.text;
	}
	if (!l->host)
		l->host = "localhost";
	if (!l->port)
		l->port = l->install.app_port ? l->install.app_port : APP_PORT;
	return CMD_DONE;
}

static int client_id(struct login *l, const struct opt_page *page, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s.%s", l->user, l->terminal);

	if (n < 0 || (size_t)n >= cap || !word_ok(span_str(out)))
		return opt_wrong(page, "USER.TERMINAL is to be at most %d of A-Z a-z 0-9 . _ : -, not \"%s.%s\"",
				 WORD_BYTES_MAX, l->user, l->terminal);
	return CMD_DONE;
}

int login_failed(const struct login *l, enum err e, const struct client *c)
{
	report_error("cannot connect to %s:%ld as %s: %s", l->host, l->port, l->user, client_why(c));
	if (l->port == l->install.device_port && e != ERR_DENIED) {
		report_hint("port %ld is for devices; people use %d", l->port, l->install.app_port ? l->install.app_port : APP_PORT);
		return CMD_NO;
	}
	switch (e) {
	case ERR_DENIED:
		report_hint("wrong user or password, or the account is suspended: pullcord user show %s", l->user);
		break;
	case ERR_KEY:
		report_hint("is %s the CA of that broker, and %s a name in its certificate?", l->cafile, l->host);
		break;
	case ERR_NOT_FOUND:
		if (strncmp(client_why(c), LOOKUP_FAILED, strlen(LOOKUP_FAILED)) == 0)
			report_hint("this machine knows no %s: is it spelt right?", l->host);
		else if (l->install.dir[0] && strcmp(l->host, "localhost") == 0)
			report_hint("is the broker running? mosquitto -c %s/mosquitto.conf", l->install.dir);
		else
			report_hint("is a broker running there, and does it listen to people on port %ld?", l->port);
		break;
	case ERR_IO:
		report_hint("--cafile names the CA of the broker, ca.crt of its installation");
		break;
	case ERR_CLOSED:
		report_hint("the broker may be starting or refusing new logins: look at its log");
		break;
	default:
		report_hint("%s", err_text(e));
	}
	return CMD_NO;
}

static int connect_as(struct login *l, const char *id, uint32_t session_s, struct client **out)
{
	CLEANUP(secret_clear) struct secret password;
	CLEANUP(client_close) struct client *c = NULL;
	struct client_spec spec = {
		.host = l->host, .port = (int)l->port, .id = id, .cafile = l->cafile,
		.user = l->user, .password = password.text, .session_s = session_s,
	};
	enum err e = secret_get(l->password_file, "password", NULL, &password);

	if (e != OK)
		return CMD_NO;
	e = client_open(&spec, &c);
	if (e != OK)
		return report_fail(e, "make a connection");
	e = client_connect(c, true, CONNECT_MS);
	if (e != OK)
		return login_failed(l, e, c);
	*out = c;
	c = NULL;
	return CMD_DONE;
}

int login_open(struct login *l, const struct opt_page *page, const char *terminal, uint32_t session_s,
	       struct client **out)
{
	char id[WORD_BYTES_MAX + 1];
	uint16_t seed;
	int code;

	if (!l->terminal)
		l->terminal = terminal;
	code = find_broker(l, page);
	if (code == CMD_DONE)
		code = client_id(l, page, id, sizeof(id));
	if (code == CMD_DONE)
		code = connect_as(l, id, session_s, out);
	crypt_random(&seed, sizeof(seed));
	id_init(&l->ids, span_str(l->install.tenant), PULLCORD__V1__PARTY__PARTY_USER, span_str(l->user), seed);
	return code;
}

static int say_refused(const struct login *l, const struct client *c, const char *topic)
{
	report_error("the broker refused %s: %s (0x%02x)", topic, client_why(c), (unsigned)client_reason(c));
	report_hint("pullcord policy explain user:%s publish %s", l->user, topic);
	return CMD_NO;
}

int login_send(struct login *l, struct client *c, const char *topic, const ProtobufCMessage *body, int64_t expires_us,
	       struct id *id)
{
	uint8_t raw[ENVELOPE_BODY_MAX + 1024];
	struct put out = put(raw, sizeof(raw));
	int64_t now = clock_us(CLOCK_REALTIME);
	struct envelope_from from = {
		.tenant = l->install.tenant, .sender = l->user, .party = PULLCORD__V1__PARTY__PARTY_USER,
		.id = id_next(&l->ids, now / 1000), .sent_us = now, .expires_us = expires_us,
	};
	enum err e = envelope_write(&from, body, &out);

	if (e != OK)
		return report_fail(e, "write the message");
	*id = from.id;
	e = client_publish(c, topic, put_span(&out), 1, false);
	while (e == ERR_CLOSED && l->again && clock_us(CLOCK_REALTIME) - now < AGAIN_US) {
		e = client_connect(c, true, CLIENT_ANSWER_MS);
		if (e == OK)
			e = client_subscribe(c, l->again, 1);
		if (e == OK)
			e = client_publish(c, topic, put_span(&out), 1, false);
	}
	if (e == ERR_DENIED)
		return say_refused(l, c, topic);
	if (e == ERR_CLOSED && l->again)
		report_hint("it did not go on: the broker lets it, once it is on durable record, and for %d s it was not; see what its log says "
			    "of the record, then send it again", (int)(AGAIN_US / 1000000));
	return e == OK ? CMD_DONE : report_fail(e, "publish on %s (%s)", topic, client_why(c));
}

bool login_unheard(const struct client *c) { return client_reason(c) == 0x10; }

void login_say_sent(const struct client *c, const char *topic, const struct id *id)
{
	if (report_is_json())
		report_object((const struct cell[]){ CELL_HEX("id", span(id->b, ID_BYTES)), CELL_STR("topic", topic),
						     CELL_BOOL("heard", !login_unheard(c)) }, 3);
}
