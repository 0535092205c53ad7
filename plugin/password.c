#include "password.h"

#include <argon2.h>
#include <stdlib.h>

#include "crypt.h"
#include "lockout.h"
#include "thread.h"

/* OWASP's second choice for argon2id: 19 MiB, 2 passes, 1 lane. */
#define COST_KIB 19456
#define COST_PASSES 2
#define COST_LANES 1
#define SALT_BYTES 16
#define HASH_BYTES 32

/* How much more than ours a hash may cost that comes over the air: whoever may hand one in could tie up the one worker. */
#define MOST_TIMES 4

/* What a PHC string may ask of us. */
#define MOST_KIB (256 * 1024)
#define MOST_PASSES 10
#define MOST_LANES 4

#define ANSWERS_MAX 1024
#define ANSWER_MS 60000

/* The work an unknown user costs; its answer is thrown away. Nobody knows a password to it. */
static const char nobodys_phc[] = "$argon2id$v=19$m=19456,t=2,p=1$cHVsbGNvcmQgbm9ib2R5$"
				  "bm8gcGFzc3dvcmQgaGFzaGVzIHRvIHRoaXMgdGV4dCE";

/* ---- hashing ----------------------------------------------------------------------------------------------------- */

bool password_length_ok(struct span password)
{
	return password.n >= PASSWORD_BYTES_MIN && password.n <= PASSWORD_BYTES_MAX;
}

static enum err err_of(int rc)
{
	if (rc == ARGON2_OK)
		return OK;
	if (rc == ARGON2_VERIFY_MISMATCH)
		return ERR_KEY;
	return rc == ARGON2_MEMORY_ALLOCATION_ERROR || rc == ARGON2_THREAD_FAIL ? ERR_FULL : ERR_SYNTAX;
}

enum err password_hash(struct span password, char phc[PASSWORD_PHC_MAX])
{
	uint8_t salt[SALT_BYTES];

	if (!password_length_ok(password))
		return ERR_RANGE;
	crypt_random(salt, sizeof(salt));
	return err_of(argon2id_hash_encoded(COST_PASSES, COST_KIB, COST_LANES, password.p, password.n, salt,
					    sizeof(salt), HASH_BYTES, phc, PASSWORD_PHC_MAX));
}

/* "m=19456": the number after `name`, in 1..most. */
static bool cost_read(struct span part, const char *name, uint64_t most, uint64_t *out)
{
	struct span value;

	return span_is(span_cut(part, '=', &value), name) && span_u64(value, most, out) && *out >= 1;
}

struct costs { uint64_t kib, passes, lanes; };

/* "$argon2id$v=19$m=..,t=..,p=..$salt$hash": the library does the rest, once we know that it will not take too long.
 * *tail is "salt$hash". */
static bool costs_read(struct span phc, struct costs *out, struct span *tail)
{
	struct span costs;

	if (phc.n >= PASSWORD_PHC_MAX || span_cut(phc, '$', &phc).n != 0 ||
	    !span_is(span_cut(phc, '$', &phc), "argon2id") || !span_is(span_cut(phc, '$', &phc), "v=19"))
		return false;
	costs = span_cut(phc, '$', tail);
	return cost_read(span_cut(costs, ',', &costs), "m", MOST_KIB, &out->kib) &&
	       cost_read(span_cut(costs, ',', &costs), "t", MOST_PASSES, &out->passes) &&
	       cost_read(span_cut(costs, ',', &costs), "p", MOST_LANES, &out->lanes) && !costs.n;
}

/* Base64 without padding, as PHC strings have it, of so many bytes at least. */
static bool bytes_ok(struct span text, size_t least)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/'))
			return false;
	}
	return text.n % 4 != 1 && text.n * 3 / 4 >= least;
}

bool password_is_hash(struct span phc)
{
	struct span hash, salt;
	struct costs c;

	if (!costs_read(phc, &c, &hash) || c.kib < COST_KIB || c.passes < COST_PASSES ||
	    c.kib * c.passes > MOST_TIMES * COST_KIB * COST_PASSES)
		return false;
	salt = span_cut(hash, '$', &hash);
	return bytes_ok(salt, SALT_BYTES) && bytes_ok(hash, HASH_BYTES);
}

enum err password_check(const char *phc, struct span password)
{
	struct span tail;
	struct costs c;

	if (!costs_read(span(phc, strnlen(phc, PASSWORD_PHC_MAX)), &c, &tail))
		return ERR_SYNTAX;
	return err_of(argon2id_verify(phc, password.p, password.n));
}

/* ---- the desk ---------------------------------------------------------------------------------------------------- */

/* HMAC over user, password and PHC under a key of this process: a memory dump of answers holds no password, and an
 * answer dies with the PHC it was given for. */
struct ticket {
	uint8_t b[SHA256_BYTES];
};

struct question {
	struct ticket ticket;
	struct password_guess who;
	bool known;
	uint8_t password[PASSWORD_BYTES_MAX];
	size_t n;
	char phc[PASSWORD_PHC_MAX];   /* "": no such user */
};

struct answer {
	struct ticket ticket;
	int64_t until_ms;             /* 0: none here */
	bool right, counted, told;    /* as a failure; to whoever asked */
};

/* `question` is a ring from `first`; its first is being worked on. `answer` is a ring that forgets the oldest. */
struct password_desk {
	pthread_t worker;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	uint8_t key[SHA256_BYTES];
	bool stop;
	int64_t now_ms;               /* the latest any caller said */
	size_t first, questions;
	struct question question[PASSWORD_QUESTIONS_MAX];
	size_t next_answer;
	struct answer answer[ANSWERS_MAX];
	struct password_guess of_answer[ANSWERS_MAX];
};

static struct ticket ticket_of(const struct password_desk *d, struct span user, struct span password, const char *phc)
{
	uint8_t lengths[] = { (uint8_t)user.n, (uint8_t)(password.n >> 8), (uint8_t)password.n, phc != NULL };
	struct ticket t;

	HMAC256(t.b, span(d->key, sizeof(d->key)), span(lengths, sizeof(lengths)), user, password, span_str(phc));
	return t;
}

/* Not in constant time: who has not the key cannot choose how far two tickets agree. */
static bool ticket_same(const struct ticket *a, const struct ticket *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static struct question *question_at(struct password_desk *d, size_t i)
{
	return &d->question[(d->first + i) % PASSWORD_QUESTIONS_MAX];
}

/* Slow. Equal work whoever is asked for: a user without a usable PHC costs what the others cost, and is wrong.
 * ERR_FULL: no memory to hash in. */
static enum err judge(const struct question *q, bool *right)
{
	struct span password = span(q->password, q->n);
	enum err e = password_check(q->phc, password);

	*right = e == OK;
	if (e == ERR_SYNTAX)
		e = password_check(nobodys_phc, password);
	return e == ERR_FULL ? e : OK;
}

static void remember(struct password_desk *d, const struct question *q, bool right)
{
	d->answer[d->next_answer] = (struct answer){ q->ticket, d->now_ms + ANSWER_MS, right, false, false };
	d->of_answer[d->next_answer] = q->who;
	d->next_answer = (d->next_answer + 1) % ANSWERS_MAX;
}

/* Without memory for the hash there is no answer, and the client's next try asks again. Called with the lock held. */
static void work_one(struct password_desk *d)
{
	struct question q = d->question[d->first];
	bool right;
	enum err e;

	pthread_mutex_unlock(&d->lock);
	e = judge(&q, &right);
	pthread_mutex_lock(&d->lock);
	if (e == OK)
		remember(d, &q, right);
	crypt_wipe(&d->question[d->first], sizeof(q));
	d->first = (d->first + 1) % PASSWORD_QUESTIONS_MAX;
	d->questions--;
	crypt_wipe(&q, sizeof(q));
}

static void *work(void *desk)
{
	struct password_desk *d = desk;

	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		if (d->questions)
			work_one(d);
		else
			pthread_cond_wait(&d->wake, &d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static void desk_free(struct password_desk *d)
{
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	crypt_wipe(d, sizeof(*d));
	free(d);
}

enum err password_open(struct password_desk **out)
{
	struct password_desk *d = calloc(1, sizeof(*d));
	struct span tail;
	struct costs c;

	if (!d)
		return ERR_FULL;
	must(costs_read(span_str(nobodys_phc), &c, &tail) && c.kib == COST_KIB && c.passes == COST_PASSES);
	crypt_random(d->key, sizeof(d->key));
	must(pthread_mutex_init(&d->lock, NULL) == 0 && pthread_cond_init(&d->wake, NULL) == 0);
	if (thread_start(&d->worker, work, d) != OK) {
		desk_free(d);
		return ERR_FULL;
	}
	*out = d;
	return OK;
}

void password_close(struct password_desk **d)
{
	if (!*d)
		return;
	pthread_mutex_lock(&(*d)->lock);
	(*d)->stop = true;
	pthread_cond_signal(&(*d)->wake);
	pthread_mutex_unlock(&(*d)->lock);
	must(pthread_join((*d)->worker, NULL) == 0);
	desk_free(*d);
	*d = NULL;
}

static struct answer *recall(struct password_desk *d, const struct ticket *t)
{
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		if (d->answer[i].until_ms > d->now_ms && ticket_same(&d->answer[i].ticket, t))
			return &d->answer[i];
	return NULL;
}

static enum password_answer tell(struct answer *a)
{
	bool counted = a->counted;

	a->counted = a->told = true;
	return a->right ? PASSWORD_RIGHT : counted ? PASSWORD_AGAIN : PASSWORD_WRONG;
}

enum password_unheard password_unheard(struct password_desk *d, int64_t now_ms, struct password_guess *out)
{
	enum password_unheard what = PASSWORD_NONE;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < ANSWERS_MAX && what == PASSWORD_NONE; i++) {
		struct answer *a = &d->answer[i];

		if (!a->until_ms || a->right || a->told)
			continue;
		if (!a->counted)
			what = PASSWORD_COUNT;
		else if (now_ms - (a->until_ms - ANSWER_MS) >= PASSWORD_UNHEARD_MS)
			what = PASSWORD_SAY;
		a->counted = true;
		a->told = what == PASSWORD_SAY;
		*out = d->of_answer[i];
	}
	pthread_mutex_unlock(&d->lock);
	return what;
}

static bool is_beside(const struct question *q, const struct password_asker *who)
{
	struct network n, m;

	return span_eq(lockout_machine(span_str(q->who.address), &n), lockout_machine(who->address, &m));
}

/* Of those who are not known: is there a place for one more of them? */
static bool has_place(struct password_desk *d, const struct password_asker *who)
{
	size_t strangers = 0, beside = 0;

	for (size_t i = 0; i < d->questions && !who->known; i++) {
		const struct question *q = question_at(d, i);

		strangers += !q->known;
		beside += !q->known && is_beside(q, who);
	}
	return d->questions < PASSWORD_QUESTIONS_MAX && strangers < PASSWORD_STRANGERS_MAX && beside < PASSWORD_SHARE_MAX;
}

/* The same question waits with the one that is there; another of the same user from the same address must come back. */
static enum password_answer enqueue(struct password_desk *d, const struct ticket *t, const struct password_asker *who,
				    struct span password, const char *phc)
{
	struct question *q;

	for (size_t i = 0; i < d->questions; i++) {
		q = question_at(d, i);
		if (ticket_same(&q->ticket, t))
			return PASSWORD_WAIT;
		if (span_is(who->user, q->who.user) && span_is(who->address, q->who.address))
			return PASSWORD_BUSY;
	}
	if (!has_place(d, who))
		return PASSWORD_BUSY;
	q = question_at(d, d->questions);
	if (!span_text(who->user, q->who.user, sizeof(q->who.user)) || !span_text(span_str(phc), q->phc, sizeof(q->phc)) ||
	    !span_text(who->address, q->who.address, sizeof(q->who.address)) ||
	    !span_text(who->client, q->who.client, sizeof(q->who.client)))
		return PASSWORD_AGAIN;
	q->ticket = *t;
	q->known = who->known;
	q->n = password.n;
	memcpy(q->password, password.p, password.n);
	d->questions++;
	pthread_cond_signal(&d->wake);
	return PASSWORD_WAIT;
}

/* Which lengths are wrong is public, so these need not cost the same. */
enum password_answer password_ask(struct password_desk *d, const struct password_asker *who, struct span password,
				  const char *phc, int64_t now_ms)
{
	enum password_answer said;
	struct answer *known;
	struct ticket t;

	if (!word_ok(who->user) || !password_length_ok(password))
		return PASSWORD_AGAIN;
	t = ticket_of(d, who->user, password, phc);
	pthread_mutex_lock(&d->lock);
	d->now_ms = now_ms > d->now_ms ? now_ms : d->now_ms;
	known = recall(d, &t);
	said = known ? tell(known) : enqueue(d, &t, who, password, phc);
	pthread_mutex_unlock(&d->lock);
	return said;
}
