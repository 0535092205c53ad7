/* cmp_ca: a small CA that speaks CMP over HTTP or HTTPS, and beside it a TLS server that takes whom the CA certified, as a
 * broker would. In a process of its own; made of OpenSSL's server half of CMP. */
#ifndef PULLCORD_CMP_CA_H
#define PULLCORD_CMP_CA_H

#include <arpa/inet.h>
#include <openssl/cmp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct cmp_ca {
	const char *ca_cert, *ca_key;           /* signs certificates */
	const char *root;                       /* signed that, and is all the broker knows; NULL: it signed itself */
	const char *cert, *key;                 /* signs answers, and is its TLS and the broker's */
	bool https, rejects, hangs_up, broker_refuses;
	bool for_servers;                       /* leaves out what it is to be used for */
	const char *renames_to;                 /* puts that CN instead; NULL: as asked */
	unsigned port, broker_port;             /* taken */
	int listening, broker;
	pid_t pid;
};

static inline X509 *ca_cert(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	must(x);
	fclose(f);
	return x;
}

static inline EVP_PKEY *ca_key(const char *path)
{
	FILE *f = fopen(path, "r");
	EVP_PKEY *k = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	must(k);
	fclose(f);
	return k;
}

/* publicKey of a CertTemplate, [6] IMPLICIT SubjectPublicKeyInfo (RFC 4211 §5), which this OpenSSL lets nobody have. */
static inline EVP_PKEY *asked_key(const OSSL_CRMF_CERTTEMPLATE *t)
{
	unsigned char *der = NULL;
	int all = i2d_OSSL_CRMF_CERTTEMPLATE(t, &der), tag, class;
	const unsigned char *p = der;
	EVP_PKEY *key = NULL;
	long n;

	must(all > 0);
	ASN1_get_object(&p, &n, &tag, &class, all);
	while (p < der + all && !key) {
		unsigned char *begin = der + (p - der);

		ASN1_get_object(&p, &n, &tag, &class, der + all - p);
		if (tag == 6) {
			const unsigned char *again = begin;

			*begin = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
			key = d2i_PUBKEY(NULL, &again, der + all - begin);
		}
		p += n;
	}
	OPENSSL_free(der);
	return key;
}

static inline X509 *certify(const struct cmp_ca *ca, const OSSL_CRMF_CERTTEMPLATE *t)
{
	X509 *x = X509_new(), *issuer = ca_cert(ca->ca_cert);
	EVP_PKEY *key = asked_key(t), *signer = ca_key(ca->ca_key);
	const X509_EXTENSIONS *wanted = OSSL_CRMF_CERTTEMPLATE_get0_extensions(t);
	X509_NAME *name = X509_NAME_dup(OSSL_CRMF_CERTTEMPLATE_get0_subject(t));

	must(key && name);
	if (ca->renames_to) {
		X509_NAME_free(name);
		name = X509_NAME_new();
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)ca->renames_to, -1, -1, 0);
	}
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 90 * 86400);
	X509_set_subject_name(x, name);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	X509_set_pubkey(x, key);
	for (int i = 0; i < sk_X509_EXTENSION_num(wanted); i++)
		if (!ca->for_servers || i != X509v3_get_ext_by_NID(wanted, NID_ext_key_usage, -1))
			X509_add_ext(x, sk_X509_EXTENSION_value(wanted, i), -1);
	X509_sign(x, signer, EVP_sha256());
	X509_NAME_free(name);
	X509_free(issuer);
	EVP_PKEY_free(key);
	EVP_PKEY_free(signer);
	return x;
}

static inline OSSL_CMP_PKISI *on_request(OSSL_CMP_SRV_CTX *s, const OSSL_CMP_MSG *req, int id, const OSSL_CRMF_MSG *crm,
					 const X509_REQ *p10, X509 **cert, STACK_OF(X509) **chain, STACK_OF(X509) **pubs)
{
	const struct cmp_ca *ca = OSSL_CMP_SRV_CTX_get0_custom_ctx(s);

	(void)req, (void)id, (void)p10, (void)chain, (void)pubs;
	if (ca->rejects || !crm)
		return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_rejection, 1 << OSSL_CMP_PKIFAILUREINFO_notAuthorized,
					       "no more for you");
	*cert = certify(ca, OSSL_CRMF_MSG_get0_tmpl(crm));
	return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_accepted, 0, NULL);
}

static inline int on_confirmed(OSSL_CMP_SRV_CTX *s, const OSSL_CMP_MSG *req, int id, const ASN1_OCTET_STRING *hash,
			       const OSSL_CMP_PKISI *status)
{
	(void)s, (void)req, (void)id, (void)hash, (void)status;
	return 1;
}

static inline OSSL_CMP_SRV_CTX *ca_context(struct cmp_ca *ca)
{
	OSSL_CMP_SRV_CTX *s = OSSL_CMP_SRV_CTX_new(NULL, NULL);
	OSSL_CMP_CTX *c = OSSL_CMP_SRV_CTX_get0_cmp_ctx(s);
	X509_STORE *trusted = X509_STORE_new();

	X509_STORE_load_file(trusted, ca->ca_cert);
	if (ca->root)
		X509_STORE_load_file(trusted, ca->root);
	OSSL_CMP_SRV_CTX_init(s, ca, on_request, NULL, NULL, NULL, on_confirmed, NULL);
	OSSL_CMP_CTX_set0_trustedStore(c, trusted);
	OSSL_CMP_CTX_set1_cert(c, ca_cert(ca->cert));
	OSSL_CMP_CTX_set1_pkey(c, ca_key(ca->key));
	return s;
}

static inline SSL_CTX *ca_tls(const struct cmp_ca *ca)
{
	SSL_CTX *t = SSL_CTX_new(TLS_server_method());

	SSL_CTX_use_certificate_file(t, ca->cert, SSL_FILETYPE_PEM);
	SSL_CTX_use_PrivateKey_file(t, ca->key, SSL_FILETYPE_PEM);
	SSL_CTX_load_verify_locations(t, ca->root ? ca->root : ca->ca_cert, NULL);
	SSL_CTX_set_verify(t, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return t;
}

static inline BIO *ca_accept(int listening, SSL_CTX *tls)
{
	int fd = accept(listening, NULL, NULL);
	BIO *plain = BIO_new_socket(fd, BIO_CLOSE), *wrapped;

	if (!tls)
		return plain;
	wrapped = BIO_new_ssl(tls, 0);
	BIO_push(wrapped, plain);
	if (BIO_do_handshake(wrapped) == 1)
		return wrapped;
	BIO_free_all(wrapped);
	return NULL;
}

/* One request, one answer, and goodbye (RFC 6712 §3). */
static inline void ca_answer(OSSL_CMP_SRV_CTX *s, BIO *b)
{
	static char text[65536];
	unsigned char *der = NULL;
	const unsigned char *body = NULL;
	OSSL_CMP_MSG *asked, *answer;
	size_t n = 0, length = 0;
	int got;

	while ((!body || n < length) && (got = BIO_read(b, text + n, (int)(sizeof(text) - 1 - n))) > 0) {
		char *end, *at;

		text[n += (size_t)got] = '\0';
		if (body || !(end = strstr(text, "\r\n\r\n")) || !(at = strcasestr(text, "Content-Length:")))
			continue;
		body = (unsigned char *)end + 4;
		length = (size_t)(end + 4 - text) + strtoul(at + 15, NULL, 10);
	}
	asked = body ? d2i_OSSL_CMP_MSG(NULL, &body, (long)(text + n - (const char *)body)) : NULL;
	answer = asked ? OSSL_CMP_SRV_process_request(s, asked) : NULL;
	got = answer ? i2d_OSSL_CMP_MSG(answer, &der) : 0;
	BIO_printf(b, "HTTP/1.0 %s\r\nContent-Type: application/pkixcmp\r\nContent-Length: %d\r\n\r\n",
		   got > 0 ? "200 OK" : "400 no", got);
	if (got > 0)
		BIO_write(b, der, got);
	(void)!BIO_flush(b);
	OPENSSL_free(der);
	OSSL_CMP_MSG_free(asked);
	OSSL_CMP_MSG_free(answer);
}

static inline void ca_serve(struct cmp_ca *ca)
{
	OSSL_CMP_SRV_CTX *s = ca_context(ca);
	SSL_CTX *tls = ca_tls(ca);
	struct pollfd p[] = { { ca->listening, POLLIN, 0 }, { ca->broker, POLLIN, 0 } };

	while (poll(p, 2, -1) >= 0) {
		BIO *b = p[0].revents ? ca_accept(ca->listening, ca->https ? tls : NULL) : NULL;
		char byte = 0;

		if (b && !ca->hangs_up)
			ca_answer(s, b);
		BIO_free_all(b);
		b = p[1].revents && !ca->broker_refuses ? ca_accept(ca->broker, tls) : NULL;
		if (p[1].revents && ca->broker_refuses)
			close(accept(ca->broker, NULL, NULL));
		if (b && BIO_write(b, &byte, 1) == 1)   /* a real one waits, and is believed after a while */
			(void)!BIO_read(b, &byte, 1);   /* until the client hangs up */
		BIO_free_all(b);
	}
}

static inline int ca_listen(unsigned *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof(at);

	must(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static inline void ca_start(struct cmp_ca *ca)
{
	ca->listening = ca_listen(&ca->port);
	ca->broker = ca_listen(&ca->broker_port);
	ca->pid = fork();
	if (ca->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		must(freopen("/dev/null", "w", stderr));   /* it says what it finds wrong */
		ca_serve(ca);
		_exit(1);
	}
	close(ca->listening);
	close(ca->broker);
}

static inline void ca_stop(struct cmp_ca *ca)
{
	kill(ca->pid, SIGKILL);
	waitpid(ca->pid, NULL, 0);
}

#endif
