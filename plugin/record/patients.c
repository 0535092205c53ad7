#include "patients.h"

#include <string.h>

#include "vault.h"

void patients_init(struct patients *p, const uint8_t root[AEAD_KEY_BYTES])
{
	struct vault v;

	vault_init(&v, root, "record patients");
	memcpy(p->key, v.key, sizeof(p->key));
	vault_clear(&v);
}

void patient_pseudonym(const struct patients *p, struct span id, uint8_t out[PATIENT_PSEUDONYM_BYTES])
{
	uint8_t all[SHA256_BYTES];

	HMAC256(all, span(p->key, sizeof(p->key)), span(id.p, id.n < PATIENT_ID_MAX ? id.n : PATIENT_ID_MAX));
	memcpy(out, all, PATIENT_PSEUDONYM_BYTES);
}

const char *patient_word(const struct patients *p, struct span id, char out[PATIENT_WORD])
{
	uint8_t pseudonym[PATIENT_PSEUDONYM_BYTES];

	patient_pseudonym(p, id, pseudonym);
	out[0] = '~';
	hex_encode(span(pseudonym, sizeof(pseudonym)), out + 1);
	return out;
}

bool patient_word_read(struct span text, uint8_t out[PATIENT_PSEUDONYM_BYTES])
{
	return text.n >= PATIENT_WORD - 1 && text.p[0] == '~' &&
	       hex_decode(span(text.p + 1, PATIENT_WORD - 2), out, PATIENT_PSEUDONYM_BYTES);
}

/* ---- topics ---- */

static struct span next_level(struct span *rest)
{
	return span_cut(*rest, '/', rest);
}

static bool is_wild(struct span level)
{
	return span_is(level, "+") || span_is(level, "#");
}

/* "mercy/+/icu3/alert/+/+" is about a unit, as its fourth level says. */
static bool may_follow_patient(struct span level)
{
	return !level.n || is_wild(level) || span_is(level, "msg") || span_is(level, "receipt");
}

struct span patient_in_topic(struct span topic)
{
	struct span rest = topic, kind, level = next_level(&rest);

	if (span_is(level, "$share")) {
		(void)next_level(&rest);
		(void)next_level(&rest);
	}
	kind = next_level(&rest);
	level = next_level(&rest);
	if (is_wild(level) || (!span_is(kind, "patient") && !(span_is(kind, "+") && may_follow_patient(next_level(&rest)))))
		return span(NULL, 0);
	return level;
}

void patient_conceal(const struct patients *p, struct span topic, struct put *out)
{
	struct span id = patient_in_topic(topic);
	uint8_t known[PATIENT_PSEUDONYM_BYTES];
	char word[PATIENT_WORD];
	size_t before;

	if (!id.n || (id.n == PATIENT_WORD - 1 && patient_word_read(id, known))) {
		put_bytes(out, topic);
		return;
	}
	before = (size_t)(id.p - topic.p);
	put_bytes(out, span(topic.p, before));
	put_str(out, patient_word(p, id, word));
	put_bytes(out, span(id.p + id.n, topic.n - before - id.n));
}
