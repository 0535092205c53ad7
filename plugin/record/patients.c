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

struct span patient_in_topic(struct span topic)
{
	uint32_t levels = places_in(NULL, topic);
	struct span level = span(NULL, 0);

	for (; levels; levels >>= 1)
		level = span_cut(topic, '/', &topic);
	return level;
}

static void put_level(const struct patients *p, struct span level, bool named, struct put *out)
{
	uint8_t known[PATIENT_PSEUDONYM_BYTES];
	char word[PATIENT_WORD];

	named = named && !(level.n == PATIENT_WORD - 1 && patient_word_read(level, known));
	put_bytes(out, named ? span_str(patient_word(p, level, word)) : level);
}

void patient_conceal(const struct patients *p, const struct places *more, struct span topic, struct put *out)
{
	uint32_t levels = places_in(more, topic);
	struct span level;

	for (; levels; levels >>= 1) {
		level = span_cut(topic, '/', &topic);
		put_level(p, level, levels & 1, out);
		put_str(out, topic.p ? "/" : "");
	}
	put_bytes(out, topic);
}
