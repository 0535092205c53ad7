#include "cmp.h"

#include <openssl/cmp.h>
#include <stdio.h>

#include "cert.h"
#include "tls.h"
#include "whole.h"

static void ctx_drop(OSSL_CMP_CTX **c) { OSSL_CMP_CTX_free(*c); }
static void x509_drop(X509 **x) { X509_free(*x); }
static void pkey_drop(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void chain_drop(STACK_OF(X509) **s) { sk_X509_pop_free(*s, X509_free); }
static void text_drop(char **t) { OPENSSL_free(*t); }

/* What the library says when it goes wrong; it hands its words to a function without a context. */
static _Thread_local char *said;

static int hear(const char *func, const char *file, int line, OSSL_CMP_severity level, const char *text)
{
	size_t n = strlen(said);

	(void)func, (void)file, (void)line;
	if (level <= OSSL_CMP_LOG_ERR)
		snprintf(said + n, CMP_WHY_MAX - n, "%s%s", n ? "; " : "", text);
	return 1;
}

struct address {
	char *host, *path;
	int port, tls;
};

static void address_clear(struct address *a)
{
	text_drop(&a->host);
	text_drop(&a->path);
}

static enum err read_address(const char *server, struct address *out)
{
	char *user = NULL;
	bool good = OSSL_HTTP_parse_url(server, &out->tls, &user, &out->host, NULL, &out->port, &out->path, NULL, NULL) == 1 &&
		    out->host[0] && !(user && user[0]);

	text_drop(&user);
	return good ? OK : ERR_SYNTAX;
}

enum err cmp_check(const char *server)
{
	CLEANUP(address_clear) struct address a = { 0 };

	return read_address(server, &a);
}

static BIO *wrap(BIO *bio, void *arg, int connect, int detail)
{
	if (!detail)
		return bio;
	return connect ? tls_push(bio, arg) : tls_pop(bio);
}

/* The name stays as it is; a CA that goes by what is asked for is to give one that logs in. */
static bool ask_for(OSSL_CMP_CTX *c)
{
	X509_EXTENSIONS *all = NULL;
	X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, "critical,digitalSignature"),
		       *extended = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "clientAuth");
	bool good = usage && extended && X509v3_add_ext(&all, usage, -1) && X509v3_add_ext(&all, extended, -1) &&
		    OSSL_CMP_CTX_set0_reqExtensions(c, all) == 1;

	if (!good)
		sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	X509_EXTENSION_free(usage);
	X509_EXTENSION_free(extended);
	return good;
}

static enum err set_up(OSSL_CMP_CTX *c, const struct cmp_ask *a, const struct address *to, const struct tls_try *tls,
		       EVP_PKEY *fresh)
{
	CLEANUP(x509_drop) X509 *cert = NULL;
	CLEANUP(pkey_drop) EVP_PKEY *key = NULL;
	X509_STORE *trusted = X509_STORE_new();

	if (!trusted || X509_STORE_load_file(trusted, a->trusted) != 1 || OSSL_CMP_CTX_set0_trustedStore(c, trusted) != 1) {
		X509_STORE_free(trusted);
		return ERR_NOT_FOUND;
	}
	TRY(cert_load(a->certfile, a->keyfile, &cert, &key));
	if (OSSL_CMP_CTX_set1_server(c, to->host) != 1 || OSSL_CMP_CTX_set_serverPort(c, to->port) != 1 ||
	    OSSL_CMP_CTX_set1_serverPath(c, to->path) != 1 || OSSL_CMP_CTX_set1_cert(c, cert) != 1 ||
	    OSSL_CMP_CTX_set1_pkey(c, key) != 1 || OSSL_CMP_CTX_set1_oldCert(c, cert) != 1 || EVP_PKEY_up_ref(fresh) != 1 ||
	    OSSL_CMP_CTX_set0_newPkey(c, 1, fresh) != 1 || OSSL_CMP_CTX_set_log_cb(c, hear) != 1 ||
	    !ask_for(c) ||
	    OSSL_CMP_CTX_set_option(c, OSSL_CMP_OPT_MSG_TIMEOUT, (int)a->timeout_s) != 1 ||
	    OSSL_CMP_CTX_set_option(c, OSSL_CMP_OPT_TOTAL_TIMEOUT, 4 * (int)a->timeout_s) != 1)
		return ERR_CRYPTO;
	if (to->tls && (OSSL_CMP_CTX_set_http_cb(c, wrap) != 1 ||
			OSSL_CMP_CTX_set_http_cb_arg(c, (void *)(uintptr_t)tls) != 1))
		return ERR_CRYPTO;
	return OK;
}

/* It, and the CAs between it and one that signed itself: of those the answer brought, or that lie behind the one in force. */
static enum err find_chain(OSSL_CMP_CTX *c, const struct cmp_ask *a, X509 *cert, STACK_OF(X509) **out)
{
	CLEANUP(chain_drop) STACK_OF(X509) *sent = OSSL_CMP_CTX_get1_extraCertsIn(c), *known = NULL;

	TRY(cert_load_chain(a->certfile, &known));
	if (sent && X509_add_certs(known, sent, X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP) != 1)
		return ERR_FULL;
	*out = X509_build_chain(cert, known, NULL, 0, NULL, NULL);
	return *out ? OK : ERR_CRYPTO;
}

static enum err write_pair(const struct cmp_ask *a, const STACK_OF(X509) *chain, EVP_PKEY *key)
{
	char pem[CERT_PEM_MAX];
	size_t n = 0;
	enum err e = cert_key_pem(key, pem, &n);

	if (e == OK)
		e = whole_keep(a->new_keyfile, span(pem, n), 0600);
	OPENSSL_cleanse(pem, sizeof(pem));
	TRY(e);
	TRY(cert_pem(chain, pem, &n));
	return whole_keep(a->new_certfile, span(pem, n), 0644);
}

enum err cmp_renew(const struct cmp_ask *a, char why[CMP_WHY_MAX])
{
	CLEANUP(address_clear) struct address to = { 0 };
	CLEANUP(pkey_drop) EVP_PKEY *fresh = EVP_EC_gen("P-256");
	CLEANUP(ctx_drop) OSSL_CMP_CTX *c = OSSL_CMP_CTX_new(NULL, NULL);
	CLEANUP(chain_drop) STACK_OF(X509) *chain = NULL;
	struct tls_try tls = { .cafile = a->trusted, .certfile = a->certfile, .keyfile = a->keyfile };
	X509 *cert;

	said = why;
	why[0] = '\0';
	TRY(read_address(a->server, &to));
	if (!c || !fresh)
		return ERR_CRYPTO;
	tls.host = to.host;
	TRY(set_up(c, a, &to, &tls, fresh));
	cert = OSSL_CMP_exec_KUR_ses(c);
	if (!cert) {
		OSSL_CMP_CTX_print_errors(c);   /* into `why`, by hear() */
		if (!why[0])
			snprintf(why, CMP_WHY_MAX, "no certificate came");
		return ERR_DENIED;
	}
	TRY(find_chain(c, a, cert, &chain));
	return write_pair(a, chain, fresh);
}
