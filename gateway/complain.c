#include "complain.h"

#include <stdarg.h>
#include <stdio.h>

#include "journal.h"

static const char *const remedies[ABOUTS][ERR_COUNT] = {
	[ABOUT_SETTINGS] = {
		[ERR_NOT_FOUND] = "--config FILE names another; `pullcord device enroll` makes one",
		[ERR_DENIED] = "the user of the gateway must be able to read it",
		[ERR_KIND] = "it is a folder: name the file in it",
	},
	[ABOUT_CERTIFICATE] = {
		[ERR_NOT_FOUND] = "`pullcord device enroll` makes one",
		[ERR_DENIED] = "the user of the gateway must be able to read it",
		[ERR_SYNTAX] = "it must be that of a device, in PEM: `pullcord device enroll` makes one",
		[ERR_KIND] = "it is not for logging in to a broker: is it the broker's own, or the CA's?",
	},
	[ABOUT_DEVICE_KEY] = {
		[ERR_NOT_FOUND] = "bring the one that was made with the certificate",
		[ERR_DENIED] = "it must belong to the user of the gateway",
		[ERR_SYNTAX] = "it must be a private key in PEM, without a passphrase",
		[ERR_KEY] = "it is of another certificate: bring the two that were made together",
	},
	[ABOUT_ROOT_KEY] = {
		[ERR_NOT_FOUND] = "nothing in the outbox can be read without it: bring it back, or move the outbox away",
		[ERR_DENIED] = "it must be ours, with mode 0600",
		[ERR_SYNTAX] = "it must hold 64 hex digits, or be encrypted for root_key_unwrap",
		[ERR_KEY] = "root_key_unwrap cannot be loaded, or is not the key it was encrypted for",
	},
	[ABOUT_NEW_ROOT_KEY] = {
		[ERR_NOT_FOUND] = "its folder must be made first",
		[ERR_DENIED] = "its folder must be ours to write; a credential is systemd's to bring (LoadCredential in the unit)",
		[ERR_FULL] = "make room on its disk",
		[ERR_KEY] = "root_key_unwrap cannot be loaded, or is no RSA key",
	},
	[ABOUT_OUTBOX] = {
		[ERR_BUSY] = "is another gateway running?",
		[ERR_NOT_FOUND] = "its folder must be made first",
		[ERR_DENIED] = "it and its folder must be ours to write: was a gateway run as root, or is the file system read-only?",
		[ERR_FULL] = "make room on its disk, or outbox_mib smaller",
		[ERR_IO] = "is its disk well?",
	},
	[ABOUT_INPUT] = {
		[ERR_EXISTS] = "another program listens there, or something that is no socket has that name",
		[ERR_NOT_FOUND] = "the folder, the file or the machine's address must be there first",
		[ERR_DENIED] = "this user may not use it; ports below 1024 are root's",
	},
	[ABOUT_WITNESS] = {
		[ERR_BUSY] = "is another gateway running?",
		[ERR_NOT_FOUND] = "it, or the folder it is to be in, must be there",
		[ERR_DENIED] = "a folder must be ours, with mode 0700, and what is in it 0600",
		[ERR_EXISTS] = "it is of another device, or names a witness twice",
		[ERR_SYNTAX] = "a verifier key is one line, name+hash+key, as in record.vkey, or a witness's vkey",
		[ERR_KEY] = "a letter of the key is wrong",
		[ERR_CORRUPT] = "what it kept is no checkpoint of that record: let somebody look before it is deleted",
	},
	[ABOUT_ORDERS] = {
		[ERR_NOT_FOUND] = "the file must be there, or the folder it is to be made in",
		[ERR_DENIED] = "it must be a file, ours or root's, that nobody else may write; the folder must be ours to write",
		[ERR_SYNTAX] = "a verifier key is one line, name+hash+key, as pullcord order key prints it",
		[ERR_KEY] = "a letter of the key is wrong",
		[ERR_EXISTS] = "an officer stands there twice",
		[ERR_CORRUPT] = "let somebody look before it is deleted",
	},
};

const char *remedy(enum about a, enum err e)
{
	return remedies[a][e] ? remedies[a][e] : "";
}

static void say(const char *fmt, va_list args)
{
	fprintf(stderr, "%spullcord-gateway: ", journal_prefix(LOG_LEVEL_ERROR));
	vfprintf(stderr, fmt, args);
}

void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void complain_of(enum about a, enum err e, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	fprintf(stderr, ": %s%s%s\n", err_text(e), *remedy(a, e) ? "; " : "", remedy(a, e));
}
