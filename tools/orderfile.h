/* orderfile: an order to a device as a file that officers hand on: the text of a warrant (warrant.h), an empty line, and a
 * line for each signature. A C2SP signed note, so other tools can read and check it. */
#ifndef PULLCORD_ORDERFILE_H
#define PULLCORD_ORDERFILE_H

#include "warrant.h"

struct orderfile {
	uint8_t bytes[NOTE_BYTES_MAX];
	size_t n;
	struct span text;               /* in it, as are those of w and by */
	struct warrant w;
	uint8_t hash[SHA256_BYTES];
	size_t signatures;
	struct orderfile_signature { struct span name; uint8_t key[NOTE_KEY_ID], sig[SIGN_BYTES]; } by[WARRANT_APPROVALS_MAX];
};

/* A new one, which nobody has signed. Errors: those of warrant_write(). */
enum err orderfile_begin(const struct warrant *w, struct orderfile *out) MUST_USE;
/* What is in f->bytes. ERR_SYNTAX; ERR_FULL: too many signatures. Nobody has checked these. */
enum err orderfile_parse(struct orderfile *f) MUST_USE;
enum err orderfile_load(const char *path, struct orderfile *out) MUST_USE;
/* A signature more. ERR_EXISTS: that name has signed it; ERR_FULL. */
enum err orderfile_sign(struct orderfile *f, struct span name, const uint8_t secret[SIGN_KEY_BYTES]) MUST_USE;

enum officer_signature orderfile_check(const struct orderfile *f, size_t i, const struct officers *list);

/* As it is sent; borrows from f. */
struct orderfile_command {
	Pullcord__V1__DeviceCommand c;
	Pullcord__V1__Approval approval[WARRANT_APPROVALS_MAX], *list[WARRANT_APPROVALS_MAX];
	char name[WARRANT_APPROVALS_MAX][WARRANT_OFFICER_MAX + 1];
};
/* ERR_TOO_LARGE: a name. */
enum err orderfile_command(const struct orderfile *f, struct orderfile_command *out) MUST_USE;

/* Did the device itself say that, with a certificate of that CA? ERR_NOT_FOUND: it is not signed; else those of
 * pki_signed(). */
enum err orderfile_receipt(const Pullcord__V1__CommandReceipt *r, const char *tenant, const char *device,
			   const char *cafile) MUST_USE;

/* What a receipt says of this very order. */
enum orderfile_answer {
	RECEIPT_NONE,                    /* nothing: it is of another, or there is none */
	RECEIPT_BEGUN,
	RECEIPT_REFUSED,                 /* nobody signs that */
	RECEIPT_CLAIMED,                 /* its end; but who says so is not the device */
	RECEIPT_PROVEN,                  /* its end */
};
enum orderfile_answer orderfile_answer(const struct orderfile *f, const Pullcord__V1__CommandReceipt *r, const char *cafile);

#endif
