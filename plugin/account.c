#include "account.h"

#include <stdlib.h>

#include "crypt.h"
#include "directory.pb-c.h"
#include "topic.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE

const char *account_state_name(enum account_state s)
{
	static const char *const name[] = { "active", "suspended", "quarantined", "wiped" };

	return (unsigned)s < countof(name) ? name[s] : "unknown";
}

/* ---- what counts now --------------------------------------------------------------------------------------------- */

static int64_t end_of(const struct grant *g)
{
	return g && g->until_us ? g->until_us : INT64_MAX;
}

/* What ends first stands last: counts those that still count. */
static size_t standing(const struct grant *g, size_t n, int64_t now_us, int64_t *until_us)
{
	if (!g)
		return n;
	while (n && end_of(&g[n - 1]) <= now_us)
		n--;
	if (n && end_of(&g[n - 1]) < *until_us)
		*until_us = end_of(&g[n - 1]);
	return n;
}

struct subject account_subject(const struct account *a, int64_t now_us, int64_t *until_us)
{
	struct subject s = a->subject;

	*until_us = INT64_MAX;
	s.attributes = standing(a->attribute_grant, s.attributes, now_us, until_us);
	s.roles = standing(a->role_grant, s.roles, now_us, until_us);
	s.quarantined = (a->state == ACCOUNT_SUSPENDED ? a->suspended_from : a->state) == ACCOUNT_QUARANTINED;
	return s;
}

/* In its second it was removed and enrolled: what is of that second is of the new one. Some CAs date back what they issue. */
bool account_knows(const struct account *a, const uint8_t fingerprint[32], int64_t not_before_s)
{
	return not_before_s >= a->removed_us / 1000000 || memcmp(a->certificate, fingerprint, sizeof(a->certificate)) == 0;
}

void account_free(struct account **a)
{
	if (*a)
		crypt_wipe((*a)->password, sizeof((*a)->password));
	free_cleanup(a);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static enum err check_text(struct span s)
{
	if (s.n > ACCOUNT_TEXT_MAX)
		return ERR_TOO_LARGE;
	return span_utf8(s) ? OK : ERR_UTF8;
}

static enum err check_grants(const struct grant *g, size_t n)
{
	for (size_t i = 0; g && i < n; i++) {
		if (g[i].until_us < 0 || (g[i].by.n && !word_ok(g[i].by)))
			return ERR_RANGE;
		TRY(check_text(g[i].reason));
	}
	return OK;
}

static enum err check_password(const struct account *a)
{
	size_t phc = strnlen(a->password, sizeof(a->password));

	if (phc == sizeof(a->password))
		return ERR_RANGE;
	if (phc > 0 && (a->subject.party != USER || strncmp(a->password, "$argon2id$", 10) != 0))
		return ERR_RANGE;
	return OK;
}

enum err account_check(const struct account *a)
{
	const struct subject *s = &a->subject;

	if ((s->party != DEVICE && s->party != USER) || !word_ok(s->id) || !word_ok(s->tenant) ||
	    s->roles > ACCOUNT_ROLES_MAX || s->attributes > ACCOUNT_ATTRIBUTES_MAX || (unsigned)a->state >= ACCOUNT_STATES ||
	    (a->suspended_from != ACCOUNT_ACTIVE && a->suspended_from != ACCOUNT_QUARANTINED))
		return ERR_RANGE;
	for (size_t i = 0; i < s->roles; i++)
		if (!word_ok(s->role[i]))
			return ERR_RANGE;
	for (size_t i = 0; i < s->attributes; i++)
		if (!word_ok(s->attribute[i].name) || !word_ok(s->attribute[i].value))
			return ERR_RANGE;
	TRY(check_password(a));
	TRY(check_text(a->name));
	TRY(check_grants(&a->state_since, 1));
	TRY(check_grants(a->role_grant, s->roles));
	return check_grants(a->attribute_grant, s->attributes);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Bytes handed out of one block, front to back. */
struct block {
	uint8_t *p;
	size_t n, cap;
};

static void *block_take(struct block *b, size_t n)
{
	void *p = b->p + b->n;

	n = (n + 15) / 16 * 16;
	must(n <= b->cap - b->n);
	b->n += n;
	return p;
}

static char *block_text(struct block *b, struct span s)
{
	char *text = block_take(b, s.n + 1);

	must(span_text(s, text, s.n + 1));
	return text;
}

static size_t room(size_t n)
{
	return (n + 15) / 16 * 16;
}

static size_t grants_room(const struct grant *g, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; g && i < n; i++)
		bytes += room(sizeof(Pullcord__V1__Grant)) + sizeof(void *) + room(g[i].reason.n + 1) + room(g[i].by.n + 1);
	return bytes + 16;
}

/* Room for a protobuf-c message of this account: its strings want a NUL, ours have none. */
static size_t message_room(const struct account *a)
{
	const struct subject *s = &a->subject;
	size_t n = room(s->id.n + 1) + room(s->tenant.n + 1) + room(a->name.n + 1) + 32;

	n += grants_room(a->role_grant, s->roles) + grants_room(a->attribute_grant, s->attributes) +
	     grants_room(&a->state_since, 1);
	n += s->roles * sizeof(char *) + s->attributes * (sizeof(void *) + room(sizeof(Pullcord__V1__AccountAttribute)));
	for (size_t i = 0; i < s->roles; i++)
		n += room(s->role[i].n + 1);
	for (size_t i = 0; i < s->attributes; i++)
		n += room(s->attribute[i].name.n + 1) + room(s->attribute[i].value.n + 1);
	return n;
}

static bool is_plain(const struct grant *g)
{
	return !g->until_us && !g->at_us && !g->reason.n && !g->by.n;
}

/* Up to the last that says anything. */
static size_t grants_told(const struct grant *g, size_t n)
{
	while (n && (!g || is_plain(&g[n - 1])))
		n--;
	return n;
}

static Pullcord__V1__Grant **grants_fill(const struct grant *g, size_t n, struct block *b)
{
	Pullcord__V1__Grant **m = block_take(b, n * sizeof(*m));

	for (size_t i = 0; i < n; i++) {
		m[i] = block_take(b, sizeof(**m));
		pullcord__v1__grant__init(m[i]);
		m[i]->until_us = (uint64_t)g[i].until_us;
		m[i]->at_us = g[i].at_us;
		m[i]->reason = block_text(b, g[i].reason);
		m[i]->by = block_text(b, g[i].by);
	}
	return m;
}

/* Would a reader of version 1 give more than there is? */
static uint32_t version_of(const struct account *a)
{
	bool ends = a->state == ACCOUNT_QUARANTINED;

	for (size_t i = 0; a->role_grant && i < a->subject.roles; i++)
		ends |= a->role_grant[i].until_us != 0;
	for (size_t i = 0; a->attribute_grant && i < a->subject.attributes; i++)
		ends |= a->attribute_grant[i].until_us != 0;
	return a->removed_us ? 3 : ends ? 2 : 1;
}

static void message_fill_state(Pullcord__V1__Account *m, const struct account *a, struct block *b)
{
	m->suspended = a->subject.suspended || a->state == ACCOUNT_SUSPENDED || a->state == ACCOUNT_WIPED;
	m->state = (Pullcord__V1__AccountState)a->state;
	m->suspended_from = (Pullcord__V1__AccountState)a->suspended_from;
	m->state_reason = block_text(b, a->state_since.reason);
	m->state_by = block_text(b, a->state_since.by);
	m->state_us = a->state_since.at_us;
}

static void message_fill(Pullcord__V1__Account *m, const struct account *a, struct block *b)
{
	static const uint8_t none[sizeof(a->certificate)];
	const struct subject *s = &a->subject;

	m->version = version_of(a);
	m->party = s->party;
	m->id = block_text(b, s->id);
	m->tenant = block_text(b, s->tenant);
	m->password = (char *)(uintptr_t)a->password;
	m->name = block_text(b, a->name);
	m->changed_us = a->changed_us;
	m->unlocked_us = (uint64_t)a->unlocked_us;
	m->removed_us = (uint64_t)a->removed_us;
	if (memcmp(a->certificate, none, sizeof(none)) != 0)
		m->certificate = (ProtobufCBinaryData){ sizeof(a->certificate), (uint8_t *)(uintptr_t)a->certificate };
	m->n_role = s->roles;
	m->role = block_take(b, s->roles * sizeof(*m->role));
	for (size_t i = 0; i < s->roles; i++)
		m->role[i] = block_text(b, s->role[i]);
	m->n_attribute = s->attributes;
	m->attribute = block_take(b, s->attributes * sizeof(*m->attribute));
	for (size_t i = 0; i < s->attributes; i++) {
		m->attribute[i] = block_take(b, sizeof(**m->attribute));
		pullcord__v1__account_attribute__init(m->attribute[i]);
		m->attribute[i]->name = block_text(b, s->attribute[i].name);
		m->attribute[i]->value = block_text(b, s->attribute[i].value);
	}
	m->n_role_grant = grants_told(a->role_grant, s->roles);
	m->role_grant = grants_fill(a->role_grant, m->n_role_grant, b);
	m->n_attribute_grant = grants_told(a->attribute_grant, s->attributes);
	m->attribute_grant = grants_fill(a->attribute_grant, m->n_attribute_grant, b);
	message_fill_state(m, a, b);
}

enum err account_write(const struct account *a, uint8_t **out, size_t *n)
{
	Pullcord__V1__Account m = PULLCORD__V1__ACCOUNT__INIT;
	struct block b = { 0 };
	CLEANUP(free_cleanup) uint8_t *memory = NULL;

	TRY(account_check(a));
	b.cap = message_room(a);
	b.p = memory = calloc(1, b.cap);
	if (!memory)
		return ERR_FULL;
	message_fill(&m, a, &b);
	*n = pullcord__v1__account__get_packed_size(&m);
	*out = malloc(*n);
	if (!*out)
		return ERR_FULL;
	pullcord__v1__account__pack(&m, *out);
	return OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void message_free(Pullcord__V1__Account **m)
{
	if (*m)
		pullcord__v1__account__free_unpacked(*m, NULL);
	*m = NULL;
}

static size_t read_grants_room(Pullcord__V1__Grant *const *g, size_t told, size_t n)
{
	size_t bytes = n * sizeof(struct grant) + 16;

	for (size_t i = 0; i < told; i++)
		bytes += room(strlen(g[i]->reason) + 1) + room(strlen(g[i]->by) + 1);
	return bytes;
}

static size_t account_room(const Pullcord__V1__Account *m)
{
	size_t n = room(sizeof(struct account)) + room(strlen(m->id) + 1) + room(strlen(m->tenant) + 1) +
		   room(strlen(m->name) + 1) + room(strlen(m->state_reason) + 1) + room(strlen(m->state_by) + 1) + 32;

	n += m->n_role * sizeof(struct span) + m->n_attribute * sizeof(struct attribute);
	for (size_t i = 0; i < m->n_role; i++)
		n += room(strlen(m->role[i]) + 1);
	for (size_t i = 0; i < m->n_attribute; i++)
		n += room(strlen(m->attribute[i]->name) + 1) + room(strlen(m->attribute[i]->value) + 1);
	return n + read_grants_room(m->role_grant, m->n_role_grant, m->n_role) +
	       read_grants_room(m->attribute_grant, m->n_attribute_grant, m->n_attribute);
}

static struct span block_copy(struct block *b, const char *text)
{
	return span_str(block_text(b, span_str(text)));
}

static struct grant *grants_read(Pullcord__V1__Grant *const *m, size_t told, size_t n, struct block *b)
{
	struct grant *g = told ? block_take(b, n * sizeof(*g)) : NULL;

	for (size_t i = 0; i < told; i++)
		g[i] = (struct grant){ (int64_t)m[i]->until_us, m[i]->at_us, block_copy(b, m[i]->reason),
				       block_copy(b, m[i]->by) };
	return g;
}

static void swap(void *a, void *b, size_t n)
{
	uint8_t kept[sizeof(struct grant)];

	must(n <= sizeof(kept));
	memcpy(kept, a, n);
	memcpy(a, b, n);
	memcpy(b, kept, n);
}

/* What ends first goes last; otherwise the order stays. It was written in order, so this is one pass. */
static void sort_by_end(struct grant *g, void *item, size_t size, size_t n)
{
	uint8_t *at = item;

	for (size_t i = 1; g && i < n; i++)
		for (size_t j = i; j > 0 && end_of(&g[j - 1]) < end_of(&g[j]); j--) {
			swap(&g[j - 1], &g[j], sizeof(*g));
			swap(at + (j - 1) * size, at + j * size, size);
		}
}

static void account_fill_held(struct account *a, const Pullcord__V1__Account *m, struct block *b)
{
	struct span *role = block_take(b, m->n_role * sizeof(*role));
	struct attribute *attribute = block_take(b, m->n_attribute * sizeof(*attribute));
	struct grant *of_role = grants_read(m->role_grant, m->n_role_grant, m->n_role, b);
	struct grant *of_attribute = grants_read(m->attribute_grant, m->n_attribute_grant, m->n_attribute, b);

	for (size_t i = 0; i < m->n_role; i++)
		role[i] = block_copy(b, m->role[i]);
	for (size_t i = 0; i < m->n_attribute; i++)
		attribute[i] = (struct attribute){ block_copy(b, m->attribute[i]->name),
						   block_copy(b, m->attribute[i]->value) };
	sort_by_end(of_role, role, sizeof(*role), m->n_role);
	sort_by_end(of_attribute, attribute, sizeof(*attribute), m->n_attribute);
	a->subject.role = role;
	a->subject.roles = m->n_role;
	a->subject.attribute = attribute;
	a->subject.attributes = m->n_attribute;
	a->role_grant = of_role;
	a->attribute_grant = of_attribute;
}

static void account_fill(struct account *a, const Pullcord__V1__Account *m, struct block *b)
{
	a->subject = (struct subject){
		.party = (Pullcord__V1__Party)m->party,
		.tenant = block_copy(b, m->tenant),
		.id = block_copy(b, m->id),
		.suspended = m->suspended,
	};
	account_fill_held(a, m, b);
	a->state = m->suspended && m->state == PULLCORD__V1__ACCOUNT_STATE__STATE_ACTIVE ? ACCOUNT_SUSPENDED
											   : (enum account_state)m->state;
	a->subject.suspended |= a->state == ACCOUNT_SUSPENDED || a->state == ACCOUNT_WIPED;
	a->suspended_from = (enum account_state)m->suspended_from;
	a->state_since = (struct grant){ 0, m->state_us, block_copy(b, m->state_reason), block_copy(b, m->state_by) };
	a->name = block_copy(b, m->name);
	a->changed_us = m->changed_us;
	a->unlocked_us = (int64_t)m->unlocked_us;
	a->removed_us = (int64_t)m->removed_us;
	if (m->certificate.len == sizeof(a->certificate))
		memcpy(a->certificate, m->certificate.data, sizeof(a->certificate));
}

enum err account_read(struct span raw, struct account **out)
{
	CLEANUP(message_free) Pullcord__V1__Account *m = NULL;
	CLEANUP(account_free) struct account *a = NULL;
	struct block b = { 0 };

	if (raw.n > ACCOUNT_BYTES_MAX)
		return ERR_CORRUPT;
	m = pullcord__v1__account__unpack(NULL, raw.n, raw.p);
	if (!m || m->version < 1 || m->version > 3)
		return m ? ERR_VERSION : ERR_CORRUPT;
	if (m->n_role_grant > m->n_role || m->n_attribute_grant > m->n_attribute)
		return ERR_CORRUPT;
	b.cap = account_room(m);
	b.p = calloc(1, b.cap);
	if (!b.p)
		return ERR_FULL;
	a = block_take(&b, sizeof(*a));
	account_fill(a, m, &b);
	if (!span_text(span_str(m->password), a->password, sizeof(a->password)) || account_check(a) != OK)
		return ERR_CORRUPT;
	*out = a;
	a = NULL;
	return OK;
}
