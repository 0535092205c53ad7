/* cmp: has a CA certify a new key of this device (CMP: RFC 4210 key update, over HTTP as of RFC 6712). The key is made here
 * and never leaves; the request is signed with the pair in force, the answer must be by somebody `trusted` vouches for, and
 * what comes must be over the new key. The only file that includes <openssl/cmp.h>. */
#ifndef PULLCORD_CMP_H
#define PULLCORD_CMP_H

#include "err.h"

#define CMP_WHY_MAX 300

struct cmp_ask {
	const char *server;             /* "http://ca.example:829/pkix", or https://: then with the pair in force */
	const char *trusted;            /* PEM: of the CA's answers, and of its TLS */
	const char *certfile, *keyfile; /* in force */
	const char *new_certfile, *new_keyfile;     /* written over what is there; flushed. The key 0600; CAs between come along */
	unsigned timeout_s;
};

/* ERR_SYNTAX: the server is no such address; ERR_DENIED: it cannot be reached, or does not grant it: `why`; ERR_KEY,
 * ERR_NOT_FOUND, ERR_CRYPTO, ERR_IO: of files. Blocks. */
enum err cmp_renew(const struct cmp_ask *a, char why[CMP_WHY_MAX]) MUST_USE;
enum err cmp_check(const char *server) MUST_USE;

#endif
