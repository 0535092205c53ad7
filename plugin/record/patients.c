#include "patients.h"

#include <string.h>

#include "vault.h"

void patients_init(struct patients *p, const uint8_t root[AEAD_KEY_BYTES])
{
	struct vault v;

	vault_init(&v, root, "record patients");
	*p = (struct patients){ .keys = 0 };
	patients_then(p, v.key);
	vault_clear(&v);
}

void patients_then(struct patients *p, const uint8_t key[SHA256_BYTES])
{
	must(p->keys < PATIENT_KEYS_MAX);
	memcpy(p->key[p->keys++], key, SHA256_BYTES);
}

static void by_key(const uint8_t key[SHA256_BYTES], struct span of, uint8_t out[PATIENT_PSEUDONYM_BYTES])
{
	uint8_t all[SHA256_BYTES];

	HMAC256(all, span(key, SHA256_BYTES), of);
	memcpy(out, all, PATIENT_PSEUDONYM_BYTES);
}

void patient_pseudonym(const struct patients *p, struct span id, uint8_t out[PATIENT_PSEUDONYM_BYTES])
{
	by_key(p->key[0], span(id.p, id.n < PATIENT_ID_MAX ? id.n : PATIENT_ID_MAX), out);
	for (size_t i = 1; i < p->keys; i++)
		by_key(p->key[i], span(out, PATIENT_PSEUDONYM_BYTES), out);
}

const char *patient_word_of(const uint8_t pseudonym[PATIENT_PSEUDONYM_BYTES], char out[PATIENT_WORD])
{
	out[0] = '~';
	hex_encode(span(pseudonym, PATIENT_PSEUDONYM_BYTES), out + 1);
	return out;
}

const char *patient_word(const struct patients *p, struct span id, char out[PATIENT_WORD])
{
	uint8_t pseudonym[PATIENT_PSEUDONYM_BYTES];

	patient_pseudonym(p, id, pseudonym);
	return patient_word_of(pseudonym, out);
}

bool patient_word_read(struct span text, uint8_t out[PATIENT_PSEUDONYM_BYTES])
{
	return text.n >= PATIENT_WORD - 1 && text.p[0] == '~' &&
	       hex_decode(span(text.p + 1, PATIENT_WORD - 2), out, PATIENT_PSEUDONYM_BYTES);
}

/* ---- texts ---- */

bool patient_word_next(struct span *text, uint8_t out[PATIENT_PSEUDONYM_BYTES])
{
	const uint8_t *at;

	while (text->n && (at = memchr(text->p, '~', text->n))) {
		*text = span(at, text->n - (size_t)(at - text->p));
		if (patient_word_read(*text, out)) {
			*text = span(at + PATIENT_WORD - 1, text->n - (PATIENT_WORD - 1));
			return true;
		}
		*text = span(at + 1, text->n - 1);
	}
	return false;
}

bool patient_words_in(struct span text)
{
	return text.n && memchr(text.p, '~', text.n);
}

void patient_renew(const struct patients *p, char *text)
{
	uint8_t pseudonym[PATIENT_PSEUDONYM_BYTES];
	char word[PATIENT_WORD];

	while ((text = strchr(text, '~'))) {
		if (patient_word_read(span_str(text), pseudonym)) {
			for (size_t i = 1; i < p->keys; i++)
				by_key(p->key[i], span(pseudonym, sizeof(pseudonym)), pseudonym);
			memcpy(text, patient_word_of(pseudonym, word), PATIENT_WORD - 1);
		} else if (text[1 + strspn(text + 1, "0123456789abcdef")] == '\0') {
			text[1] = '\0';
		}
		text++;
	}
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
