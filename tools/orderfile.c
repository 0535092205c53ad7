#include "orderfile.h"

#include "install.h"
#include "pki.h"
#include "topic.h"

enum err orderfile_begin(const struct warrant *w, struct orderfile *out)
{
	struct put b = put(out->bytes, sizeof(out->bytes));

	TRY(warrant_write(w, &b));
	put_str(&b, "\n");
	TRY(put_end(&b));
	out->n = b.n;
	return orderfile_parse(out);
}

/* Before its first signature it is no note yet. */
static enum err split(const struct orderfile *f, struct span *text, struct span *lines)
{
	struct warrant w;

	*lines = span(NULL, 0);
	*text = span(f->bytes, f->n ? f->n - 1 : 0);
	if (text->n && f->bytes[f->n - 1] == '\n' && warrant_read(*text, &w) == OK)
		return OK;
	return note_split(span(f->bytes, f->n), text, lines);
}

enum err orderfile_parse(struct orderfile *f)
{
	struct orderfile_signature *by;
	struct span lines;
	bool bad = false;

	f->signatures = 0;
	TRY(split(f, &f->text, &lines));
	TRY(warrant_read(f->text, &f->w));
	while (lines.n && f->signatures < WARRANT_APPROVALS_MAX && !bad) {
		by = &f->by[f->signatures];
		f->signatures += note_next(&lines, &by->name, by->key, by->sig, &bad);
	}
	SHA256(f->hash, f->text);
	return bad ? ERR_SYNTAX : lines.n ? ERR_FULL : OK;
}

enum err orderfile_load(const char *path, struct orderfile *out)
{
	CLEANUP(free_cleanup) char *text = NULL;

	TRY(install_read(path, sizeof(out->bytes), &text, &out->n));
	memcpy(out->bytes, text, out->n);
	return orderfile_parse(out);
}

enum err orderfile_sign(struct orderfile *f, struct span name, const uint8_t secret[SIGN_KEY_BYTES])
{
	struct put b = { f->bytes, f->n, sizeof(f->bytes), false };

	for (size_t i = 0; i < f->signatures; i++)
		if (span_eq(f->by[i].name, name))
			return ERR_EXISTS;
	if (f->signatures == WARRANT_APPROVALS_MAX)
		return ERR_FULL;
	TRY(note_sign(f->text, name, secret, &b));
	f->n = b.n;
	return orderfile_parse(f);
}

enum officer_signature orderfile_check(const struct orderfile *f, size_t i, const struct officers *list)
{
	const struct cosigner *who;

	return officers_check(list, f->by[i].name, f->text, f->by[i].sig, &who);
}

static ProtobufCBinaryData binary(struct span s) { return (ProtobufCBinaryData){ s.n, (uint8_t *)(uintptr_t)s.p }; }

enum err orderfile_command(const struct orderfile *f, struct orderfile_command *out)
{
	pullcord__v1__device_command__init(&out->c);
	out->c.command = f->w.kind;
	out->c.counter = f->w.counter;
	out->c.nonce = binary(span(f->w.nonce, WARRANT_NONCE));
	out->c.detail = binary(f->w.detail);
	out->c.expires_us = (uint64_t)f->w.expires_us;
	out->c.n_approval = f->signatures;
	out->c.approval = out->list;
	for (size_t i = 0; i < f->signatures; i++) {
		if (!span_text(f->by[i].name, out->name[i], sizeof(out->name[i])))
			return ERR_TOO_LARGE;
		pullcord__v1__approval__init(&out->approval[i]);
		out->approval[i].officer = out->name[i];
		out->approval[i].signature = binary(span(f->by[i].sig, SIGN_BYTES));
		out->approval[i].key = binary(span(f->by[i].key, NOTE_KEY_ID));
		out->list[i] = &out->approval[i];
	}
	return OK;
}

enum err orderfile_receipt(const Pullcord__V1__CommandReceipt *r, const char *tenant, const char *device,
			   const char *cafile)
{
	uint8_t room[RECEIPT_TEXT_MAX];
	struct put text = put(room, sizeof(room));

	if (!r->certificate.len || !r->signature.len)
		return ERR_NOT_FOUND;
	TRY(receipt_write(r, tenant, device, &text));
	return pki_signed(&(struct pki_claim){
		.cafile = cafile, .tenant = tenant, .device = device, .text = put_span(&text),
		.certificate = span(r->certificate.data, r->certificate.len),
		.signature = span(r->signature.data, r->signature.len), .at_s = (int64_t)(r->at_us / 1000000) });
}

static bool is_of(const struct orderfile *f, const Pullcord__V1__CommandReceipt *r)
{
	return r && r->order.len == SHA256_BYTES && memcmp(r->order.data, f->hash, SHA256_BYTES) == 0 &&
	       r->command == f->w.kind && r->counter == f->w.counter;
}

static bool is_proven(const struct orderfile *f, const Pullcord__V1__CommandReceipt *r, const char *cafile)
{
	char tenant[WORD_BYTES_MAX + 1], device[WORD_BYTES_MAX + 1];

	return span_text(f->w.tenant, tenant, sizeof(tenant)) && span_text(f->w.device, device, sizeof(device)) &&
	       orderfile_receipt(r, tenant, device, cafile) == OK;
}

enum orderfile_answer orderfile_answer(const struct orderfile *f, const Pullcord__V1__CommandReceipt *r, const char *cafile)
{
	if (!is_of(f, r))
		return RECEIPT_NONE;
	switch (r->outcome) {
	case PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_BEGUN:
		return RECEIPT_BEGUN;
	case PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_REFUSED:
		return RECEIPT_REFUSED;
	case PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_DONE:
	case PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_FAILED:
		return is_proven(f, r, cafile) ? RECEIPT_PROVEN : RECEIPT_CLAIMED;
	default:
		return RECEIPT_NONE;
	}
}
