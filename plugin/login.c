#include <stdio.h>
#include <time.h>

#include "guard_inside.h"
#include "identity.h"
#include "log.h"
#include "patients.h"

#define KEEPALIVE_MAX_S 120

/* What is recorded with a login, and why one was refused. */
enum fault {
	LOGIN_GOOD,
	LOGIN_CLIENT_ID,
	LOGIN_CERTIFICATE,
	LOGIN_TENANT,
	LOGIN_USERNAME,
	LOGIN_NO_CREDENTIAL,
	LOGIN_UNKNOWN,
	LOGIN_SUSPENDED,
	LOGIN_PASSWORD,
	LOGIN_OWNER,
	LOGIN_KEEPALIVE,
	LOGIN_MEMORY,
	LOGIN_WAIT,
	LOGIN_BUSY,
	LOGIN_RECORD,
	LOGIN_SESSIONS,
	LOGIN_REVOKED,
	LOGIN_WIPED,
	LOGIN_LOCKED,
	LOGIN_FORMER,
	LOGIN_WEBSOCKET,
};

static const struct { const char *text; enum gate answer; } faults[] = {
	[LOGIN_GOOD] = { "", GATE_ALLOW },
	[LOGIN_CLIENT_ID] = { "the client id does not belong to this identity", GATE_DENY },
	[LOGIN_CERTIFICATE] = { "the certificate is no identity of ours", GATE_DENY },
	[LOGIN_TENANT] = { "the certificate is of another tenant", GATE_DENY },
	[LOGIN_USERNAME] = { "the username is not the certificate's", GATE_DENY },
	[LOGIN_NO_CREDENTIAL] = { "neither certificate nor password", GATE_DENY },
	[LOGIN_UNKNOWN] = { "not in the directory", GATE_DENY },
	[LOGIN_SUSPENDED] = { "suspended", GATE_DENY },
	[LOGIN_PASSWORD] = { "wrong user or password", GATE_DENY },
	[LOGIN_OWNER] = { "the client id is bound to somebody else", GATE_DENY },
	[LOGIN_KEEPALIVE] = { "keep-alive must be 1 to 120 s", GATE_DENY },
	[LOGIN_MEMORY] = { "out of memory", GATE_CLOSE },
	[LOGIN_WAIT] = { "the password is being checked", GATE_CLOSE },
	[LOGIN_BUSY] = { "too many passwords to check", GATE_CLOSE },
	[LOGIN_RECORD] = { "the record is behind", GATE_CLOSE },
	[LOGIN_SESSIONS] = { "limit sessions: as many as the roles allow are there already", GATE_DENY },
	[LOGIN_REVOKED] = { "the certificate is revoked", GATE_DENY },
	[LOGIN_WIPED] = { "wiped", GATE_DENY },
	[LOGIN_LOCKED] = { "locked out", GATE_DENY },
	[LOGIN_FORMER] = { "the certificate is of a device of this name that was removed", GATE_DENY },
	[LOGIN_WEBSOCKET] = { "a device by websocket, where the broker looks at no revocation list", GATE_DENY },
};

/* Who a connection says it is, while that is being found out. */
struct claim {
	Pullcord__V1__Party party;
	char id[WORD_BYTES_MAX + 1];
	struct account *account;
	bool proved;                        /* it is who it says, let in or not */
	uint8_t fingerprint[32];
	int64_t not_before_s;
	const char *detail;
	char text[64];                      /* where `detail` may stand */
};

static void claim_clear(struct claim *k)
{
	account_free(&k->account);
}

static enum fault find_account(struct guard *g, struct claim *k)
{
	enum err e = directory_find(g->directory, k->party, span_str(k->id), &k->account);

	if (e == ERR_NOT_FOUND)
		return LOGIN_UNKNOWN;
	if (e != OK) {
		log_say(EV_DIRECTORY_FAILED, KV_STR("error", err_name(e)));
		return LOGIN_MEMORY;
	}
	if (k->account->state == ACCOUNT_WIPED)
		return LOGIN_WIPED;
	return k->account->subject.suspended ? LOGIN_SUSPENDED : LOGIN_GOOD;
}

/* Why it was revoked the directory says, in its revoker's words, which are none of the record's. Also when it cannot be read. */
static enum fault check_certificate(const struct guard *g, const struct claim *k)
{
	struct denial x;
	enum err e = directory_denial(g->directory, k->fingerprint, &x);

	if (e == ERR_NOT_FOUND)
		return LOGIN_GOOD;
	if (e != OK) {
		log_say(EV_DIRECTORY_FAILED, KV_STR("error", err_name(e)));
		return LOGIN_MEMORY;
	}
	return LOGIN_REVOKED;
}

/* A device: its certificate is its identity, the client id must be the same, a username may repeat it. */
static enum fault claim_device(struct guard *g, const struct client *c, void *x509, struct claim *k)
{
	struct identity who;
	enum certificate_fault f = identity_read(x509, time(NULL), &who);
	enum fault fault;

	k->party = PULLCORD__V1__PARTY__PARTY_DEVICE;
	if (f != CERTIFICATE_GOOD) {
		k->detail = certificate_fault_text(f);
		return LOGIN_CERTIFICATE;
	}
	strcpy(k->id, who.id);
	k->proved = true;
	memcpy(k->fingerprint, who.fingerprint, sizeof(k->fingerprint));
	k->not_before_s = who.not_before_s;
	fault = check_certificate(g, k);
	if (fault != LOGIN_GOOD)
		return fault;
	if (!policy_has_tenant(g->policy, span_str(who.tenant)))
		return LOGIN_TENANT;
	if (c->username && strcmp(c->username, who.id) != 0)
		return LOGIN_USERNAME;
	if (strcmp(c->client, who.id) != 0)
		return LOGIN_CLIENT_ID;
	fault = find_account(g, k);
	if (fault == LOGIN_GOOD && !span_is(k->account->subject.tenant, who.tenant))
		return LOGIN_TENANT;
	if (fault == LOGIN_GOOD && !account_knows(k->account, k->fingerprint, k->not_before_s))
		return LOGIN_FORMER;
	return fault;
}

/* ---- wrong passwords ---- */

static const char *until_text(int64_t us, char out[COMMAND_TIME])
{
	return command_time(us + 999999, out);   /* not before it is over */
}

static bool is_somebody(struct guard *g, struct span name)
{
	CLEANUP(account_free) struct account *a = NULL;

	return directory_find(g->directory, PULLCORD__V1__PARTY__PARTY_USER, name, &a) == OK ||
	       directory_find(g->directory, PULLCORD__V1__PARTY__PARTY_DEVICE, name, &a) == OK;
}

/* What somebody said of themselves and did not prove. What is nobody's may be a password in the wrong field, a patient's number,
 * or anything: what stands for it tells the same from another. */
static struct span unproved(struct guard *g, struct span said, bool is_known, char word[PATIENT_WORD])
{
	return !said.n || is_known ? said : span_str(patient_word(directory_patients(g->directory), said, word));
}

/* As it was sent, when it is somebody's, with or without a terminal. */
static struct span unproved_client(struct guard *g, const struct client *c, char word[PATIENT_WORD])
{
	const struct span id = span_str(c->client);
	struct span terminal, user = span_cut(id, '.', &terminal);
	bool is_known = c->client && word_ok(id) && (owners_find(g->owners, c->client) || is_somebody(g, id) || is_somebody(g, user));

	return unproved(g, id, is_known, word);
}

/* Once for each lock that begins; what is refused because of it is recorded as a login. */
static void record_lock(struct guard *g, const struct client *c, const struct claim *k, enum lockout_kind kind,
			const struct lockout_mark *mark)
{
	static const char *const whom[LOCKOUT_KINDS] = {
		[LOCKOUT_PERSON] = "this name, from this address",
		[LOCKOUT_ADDRESS] = "newcomers from this address",
		[LOCKOUT_ACCOUNT] = "this name, wherever it is not known",
	};
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_LOCKOUT, true, NULL);
	char detail[128], until[COMMAND_TIME], client[PATIENT_WORD];

	snprintf(detail, sizeof(detail), "%u wrong passwords: %s is locked out until %s",
		 (unsigned)policy_lockout(g->policy)[kind].failures, whom[kind], until_text(mark->until_us, until));
	h.party = PULLCORD__V1__PARTY__PARTY_USER;
	h.actor = k->account && kind != LOCKOUT_ADDRESS ? span_str(k->id) : span(NULL, 0);
	h.client = unproved_client(g, c, client);
	h.address = span_str(c->address);
	h.detail = span_str(detail);
	record_push(g->record, &h);
}

/* A name that nobody has is not repeated to others: it may be a password in the wrong field. */
static void notice_guess(struct guard *g, const struct client *c, const struct claim *k)
{
	anomaly_guess(g->anomaly, span_str(c->address), k->account ? span_str(k->id) : span(NULL, 0), guard_mono_us());
}

static void count_failure(struct guard *g, const struct client *c, const struct claim *k, const struct lockout_who *who)
{
	struct lockout_mark mark[LOCKOUT_KINDS];
	unsigned begun = locks_fail(g->locks, g->policy, who, guard_real_us(), mark);

	notice_guess(g, c, k);
	g->count.passwords_wrong++;
	g->count.lockouts += (unsigned)__builtin_popcount(begun);
	for (enum lockout_kind kind = 0; kind < LOCKOUT_KINDS; kind++)
		if (begun & 1u << kind)
			record_lock(g, c, k, kind, &mark[kind]);
}

static struct lockout_who who_tries(const struct client *c, const struct claim *k)
{
	return (struct lockout_who){ span_str(k->id), span_str(c->address), k->account ? k->account->unlocked_us : 0 };
}

/* Without the account, for want of memory, it counts all the same. */
static void count_guess(struct guard *g, const struct client *c, struct claim *k)
{
	struct lockout_who who;

	(void)!find_account(g, k);
	who = who_tries(c, k);
	count_failure(g, c, k, &who);
}

static enum fault check_lock(struct guard *g, struct claim *k, const struct lockout_who *who)
{
	int64_t until = locks_until(g->locks, g->policy, who, guard_real_us());
	char text[COMMAND_TIME];

	if (!until)
		return LOGIN_GOOD;
	snprintf(k->text, sizeof(k->text), "locked out until %s", until_text(until, text));
	k->detail = k->text;
	return LOGIN_LOCKED;
}

/* A person: "<user>.<terminal>" with a password. An unknown name costs the same hash as a known one. */
static enum fault claim_person(struct guard *g, const struct client *c, const char *password, struct claim *k)
{
	size_t n = c->username ? strlen(c->username) : 0;
	struct password_asker asker;
	struct lockout_who who;
	const char *phc;
	enum fault f;

	k->party = PULLCORD__V1__PARTY__PARTY_USER;
	if (n == 0 || !password)
		return LOGIN_NO_CREDENTIAL;
	if (!word_ok(span(c->username, n)))
		return LOGIN_PASSWORD;
	strcpy(k->id, c->username);
	if (strncmp(c->client, k->id, n) != 0 || c->client[n] != '.' || !c->client[n + 1])
		return LOGIN_CLIENT_ID;
	f = find_account(g, k);
	if (f == LOGIN_MEMORY)
		return f;
	who = who_tries(c, k);
	if (check_lock(g, k, &who) != LOGIN_GOOD) {
		notice_guess(g, c, k);
		return LOGIN_LOCKED;
	}
	phc = k->account && k->account->password[0] ? k->account->password : NULL;
	asker = (struct password_asker){ who.name, who.address, span_str(c->client), locks_knows(g->locks, &who, guard_real_us()) };
	switch (password_ask(g->passwords, &asker, span_str(password), phc, guard_mono_us() / 1000)) {
	case PASSWORD_RIGHT: k->proved = true; locks_pass(g->locks, &who, guard_real_us()); return f;
	case PASSWORD_WAIT: return LOGIN_WAIT;
	case PASSWORD_BUSY: return LOGIN_BUSY;
	case PASSWORD_WRONG: count_failure(g, c, k, &who); break;
	case PASSWORD_AGAIN: break;
	}
	return LOGIN_PASSWORD;
}

static enum fault prove(struct guard *g, const struct client *c, void *x509, const char *password, struct claim *k)
{
	enum fault f;

	if (!c->client || !word_ok(span_str(c->client)))
		return LOGIN_CLIENT_ID;
	if (c->protocol < 5 && (c->keepalive_s < 1 || c->keepalive_s > KEEPALIVE_MAX_S))
		return LOGIN_KEEPALIVE;   /* in version 5 the broker itself lowers it */
	if (x509 && c->websocket && !g->websocket_lists)
		return LOGIN_WEBSOCKET;
	if (!x509 && record_state(g->record) != RECORD_FLOWING)
		return LOGIN_RECORD;      /* people wait; devices carry alerts */
	f = x509 ? claim_device(g, c, x509, k) : claim_person(g, c, password, k);
	if (f != LOGIN_GOOD)
		return f;
	switch (owners_bind(g->owners, c->client, k->party, k->id)) {
	case OK: return LOGIN_GOOD;
	case ERR_EXISTS: return LOGIN_OWNER;
	default: return LOGIN_MEMORY;
	}
}

static struct span claimed_name(struct guard *g, const struct client *c, const struct claim *k, char word[PATIENT_WORD])
{
	const struct span name = span_str(c->username ? c->username : k->proved ? "" : k->id);

	if (!name.n || (k->proved && span_is(name, k->id)))
		return span(NULL, 0);
	return unproved(g, name, word_ok(name) && is_somebody(g, name), word);
}

static void record_login(struct guard *g, const struct client *c, const struct claim *k, enum fault f,
			 Pullcord__V1__AuditType type)
{
	static const uint8_t none[sizeof(k->fingerprint)];
	struct happening h = guard_happening(g, type, f == LOGIN_GOOD, NULL);
	char name[PATIENT_WORD], client[PATIENT_WORD];

	if (f == LOGIN_WAIT)
		return;   /* not yet an answer */
	if (f != LOGIN_GOOD)
		h.claimed = claimed_name(g, c, k, name);
	if (memcmp(k->fingerprint, none, sizeof(none)) != 0)
		h.certificate = span(k->fingerprint, sizeof(k->fingerprint));
	h.party = k->party;
	h.actor = k->proved || f == LOGIN_GOOD ? span_str(k->id) : span(NULL, 0);
	h.client = f == LOGIN_GOOD ? span_str(c->client) : unproved_client(g, c, client);
	h.address = span_str(c->address);
	h.why = (uint32_t)f;
	h.detail = span_str(k->detail ? k->detail : faults[f].text);
	if (faults[f].answer == GATE_CLOSE)
		h.outcome = PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED;
	tally_add(f == LOGIN_GOOD && type == PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGIN ? g->arrivals : g->tally, &h);
}

void guard_login_tick(struct guard *g, int64_t now_ms)
{
	enum password_unheard what;
	struct password_guess guess;

	while ((what = password_unheard(g->passwords, now_ms, &guess)) != PASSWORD_NONE) {
		CLEANUP(claim_clear) struct claim k = { .party = PULLCORD__V1__PARTY__PARTY_USER };
		const struct client c = { .client = guess.client, .address = guess.address };

		strcpy(k.id, guess.user);
		k.detail = "wrong user or password, and nobody came for the answer";
		if (what == PASSWORD_SAY)
			record_login(g, &c, &k, LOGIN_PASSWORD, PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGIN);
		else
			count_guess(g, &c, &k);
	}
}

/* Binds first: a session that cannot be had must not supersede one that is. */
static enum fault open_session(struct guard *g, const struct client *c, const struct claim *k)
{
	CLEANUP(emergency_held_free) struct emergency_held *taken = NULL;
	struct holder *h;
	struct session *s;
	uint32_t most;
	int64_t until;

	if (guard_bind(g, k->account, c->address, &h, &until) != OK)
		return LOGIN_MEMORY;
	if (guard_emergency_bind(g, k->account, c->address, &taken) != OK) {
		holder_close(&h);
		return LOGIN_MEMORY;
	}
	most = policy_limits(g->policy, h).sessions;
	if (most != POLICY_NO_LIMIT && sessions_beside(&g->sessions, k->party, k->id, c->client) >= most) {
		holder_close(&h);
		return LOGIN_SESSIONS;
	}
	s = session_add(&g->sessions, c->context, c->client, !c->clean);
	if (!s) {
		holder_close(&h);
		return LOGIN_MEMORY;
	}
	session_hold(s, h);
	s->taken = taken;
	taken = NULL;           /* given away */
	s->bound = g->policies;
	s->fresh = true;
	g->attend = true;
	s->until_us = until;
	session_own(&g->sessions, s, k->party, k->id);
	(void)!span_text(k->account->subject.tenant, s->tenant, sizeof(s->tenant));   /* a word */
	memcpy(s->fingerprint, k->fingerprint, sizeof(s->fingerprint));
	s->not_before_s = k->not_before_s;
	s->active_ms = guard_mono_us() / 1000;
	if (c->address)
		session_address(s, span_str(c->address));
	g->serving.who = s;
	g->serving.how = PULLCORD__V1__AUDIT_HOW__HOW_RELEASED;
	guard_shadow_bind(g, s, k->account);
	return LOGIN_GOOD;
}

/* Mosquitto asks every session again after SIGHUP, offline ones too, with the stored password and the username we gave
 * it. Who was let in is still known; whoever lost their account since has lost their holder as well. */
static enum gate recognise(struct guard *g, const struct client *c, struct session *s)
{
	struct claim k = { .party = s->party, .proved = true };

	guard_refresh(g, s);
	memcpy(k.fingerprint, s->fingerprint, sizeof(k.fingerprint));
	strcpy(k.id, s->id);
	record_login(g, c, &k, s->holder ? LOGIN_GOOD : LOGIN_UNKNOWN, PULLCORD__V1__AUDIT_TYPE__AUDIT_REAUTH);
	return s->holder ? GATE_ALLOW : GATE_DENY;
}

enum gate guard_login(struct guard *g, const struct client *c, void *x509, const char *password, const char **username)
{
	CLEANUP(claim_clear) struct claim k = { 0 };
	struct session *s = session_of(&g->sessions, c->context);
	enum fault f;

	*username = NULL;
	guard_not_sent(g);
	/* Websockets are served between a reload and its tick (libwebsockets, in 2.0): a CONNECT there is a new one. */
	if (g->reloading && !s && !c->websocket)
		s = guard_restored(g, c);
	if (g->reloading && s && c->client && strcmp(s->client, c->client) == 0)
		return recognise(g, c, s);
	(void)identity_fingerprint(x509, k.fingerprint);        /* also of one that is no identity of ours */
	f = prove(g, c, x509, password, &k);
	if (f == LOGIN_GOOD)
		f = open_session(g, c, &k);
	record_login(g, c, &k, f,
		     f == LOGIN_OWNER || f == LOGIN_CLIENT_ID ? PULLCORD__V1__AUDIT_TYPE__AUDIT_TAKEOVER
							      : PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGIN);
	if (f != LOGIN_WAIT)
		g->count.login[faults[f].answer]++;
	if (f == LOGIN_GOOD && x509)
		*username = session_of(&g->sessions, c->context)->id;
	return faults[f].answer;
}

/* Mosquitto 2.0.11 gives -1 for every end; later versions tell a goodbye from a broken connection. */
static const char *end_text(const struct session *s, int reason)
{
	if (s->state == SESSION_SUPERSEDED)
		return "the same client connected again";
	if (s->kick)
		return "ended by us";
	return reason < 0 ? "the connection ended" : reason == 0 ? "it said goodbye" : "the connection broke";
}

void guard_logoff(struct guard *g, const void *context, int reason)
{
	struct session *s = session_of(&g->sessions, context);
	struct happening h;

	guard_not_sent(g);
	if (!s || s->state == SESSION_CLOSED)
		return;   /* never proved who it was, or told us before */
	h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGOFF, true, s);
	h.detail = span_str(end_text(s, reason));
	tally_add(g->arrivals, &h);
	s->state = SESSION_CLOSED;
	s->active_ms = guard_mono_us() / 1000;
}
