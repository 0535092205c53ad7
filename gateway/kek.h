/* kek: where the outbox's root key comes from. It is 64 hex digits in
 *
 *     a file                      mode 0600 or stricter, ours or root's
 *     credential:NAME             what systemd put into $CREDENTIALS_DIRECTORY for this service (systemd.exec(5))
 *
 * or, when `unwrap` names a private RSA key, that file holds it encrypted for this key (RSA-OAEP, SHA-256). The key may be
 * a PEM file or whatever else a provider of OpenSSL's can load: with tpm2-openssl one that never leaves a TPM, such as
 * handle:0x81000001 or a file "TSS2 PRIVATE KEY". */
#ifndef PULLCORD_KEK_H
#define PULLCORD_KEK_H

#include "crypt.h"

/* ERR_NOT_FOUND, ERR_DENIED (others may read it, or not ours), ERR_SYNTAX; ERR_KEY: `unwrap` cannot be loaded or does not
 * open it. */
enum err kek_load(const char *where, const char *unwrap, uint8_t root[AEAD_KEY_BYTES]) MUST_USE;
bool kek_is_credential(const char *where);
/* A new one, mode 0600, which survives a power cut; an empty file is none. ERR_DENIED, also: a credential is not ours to make;
 * else as whole_make(); ERR_KEY. */
enum err kek_make(const char *where, const char *unwrap) MUST_USE;

#endif
