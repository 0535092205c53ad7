#include "order.h"

#define NAMES_WORD(name, word, text) word,
#define NAMES_TEXT(name, word, text) text,
static const char *const words[] = { ORDER_VERDICTS(NAMES_WORD) };
static const char *const texts[] = { ORDER_VERDICTS(NAMES_TEXT) };

const char *order_word(enum order_verdict v) { return words[v]; }
const char *order_text(enum order_verdict v) { return texts[v]; }

bool order_is_forged(enum order_verdict v)
{
	return v == ORDER_COUNTER || v == ORDER_NONCE || v == ORDER_EXPIRED || v == ORDER_UNSIGNED || v == ORDER_STRANGER ||
	       v == ORDER_TWICE || v == ORDER_SIGNATURE || v == ORDER_TOO_FEW;
}

/* ---- signatures ---- */

/* What was said of the key is on the broker's record: it must be true. */
static bool is_key_of(const struct cosigner *officer, ProtobufCBinaryData said)
{
	uint8_t id[NOTE_KEY_ID];

	vkey_id(officer->name, officer->pub, id);
	return !said.len || span_eq(span(said.data, said.len), span(id, sizeof(id)));
}

/* One that does not fit spoils the others: whoever put it there altered what they signed. */
static enum order_verdict judge_signatures(const struct officers *officers, const Pullcord__V1__DeviceCommand *c,
					   struct span text, unsigned needed)
{
	const struct cosigner *seen[WARRANT_APPROVALS_MAX];

	if (c->n_approval == 0)
		return ORDER_UNSIGNED;
	if (c->n_approval > WARRANT_APPROVALS_MAX)
		return ORDER_TWICE;
	for (size_t i = 0; i < c->n_approval; i++) {
		const Pullcord__V1__Approval *a = c->approval[i];

		enum officer_signature is;

		if (a->signature.len != SIGN_BYTES)
			return ORDER_SIGNATURE;
		is = officers_check(officers, span_str(a->officer), text, a->signature.data, &seen[i]);
		if (is == SIGNATURE_STRANGER)
			return ORDER_STRANGER;
		for (size_t k = 0; k < i; k++)
			if (seen[k] == seen[i])
				return ORDER_TWICE;
		if (is != SIGNATURE_GOOD || !is_key_of(seen[i], a->key))
			return ORDER_SIGNATURE;
	}
	return c->n_approval < needed ? ORDER_TOO_FEW : ORDER_OBEY;
}

/* ---- the whole ---- */

static enum order_verdict judge_times(const struct warrant *w, int64_t now_us)
{
	if (now_us >= w->expires_us)
		return ORDER_EXPIRED;
	return w->expires_us - now_us > WARRANT_LASTS_MAX_US ? ORDER_LASTS : ORDER_OBEY;
}

/* What is told of a refused one comes from whoever sent it; cheap checks come before costly ones. */
static enum order_verdict judge_signed(const struct order_self *self, const Pullcord__V1__DeviceCommand *c,
				       int64_t now_us, struct order *o)
{
	uint8_t room[WARRANT_TEXT_MAX];
	struct put text = put(room, sizeof(room));
	struct warrant w;
	enum order_verdict v;

	if (self->officers->n == 0)
		return ORDER_UNARMED;
	if (warrant_of(c, self->tenant, self->device, &w) != OK)
		return ORDER_NONCE;
	if (warrant_write(&w, &text) != OK)
		return ORDER_DETAIL;
	SHA256(o->hash, put_span(&text));
	if (self->executed == UINT64_MAX || w.counter != self->executed + 1)
		return ORDER_COUNTER;
	if (!crypt_same(w.nonce, self->nonce, sizeof(w.nonce)))
		return ORDER_NONCE;
	v = judge_times(&w, now_us);
	if (v != ORDER_OBEY)
		return v;
	if (!warrant_detail_ok(w.kind, w.detail))
		return ORDER_DETAIL;
	return judge_signatures(self->officers, c, put_span(&text), warrant_officers(w.kind));
}

enum order_verdict order_judge(const struct order_self *self, const Pullcord__V1__DeviceCommand *c, int64_t now_us,
			       struct order *out)
{
	*out = (struct order){ .kind = c->command, .counter = c->counter, .detail = span(c->detail.data, c->detail.len) };
	if (!warrant_details(c->command))
		return ORDER_KIND;
	return warrant_officers(c->command) ? judge_signed(self, c, now_us, out) : ORDER_OBEY;
}
