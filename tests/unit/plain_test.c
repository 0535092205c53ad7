/* plain: why there is no connection is said in words. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "plain.h"

#define ROOM 160                    /* of a line about the uplink */

static void says(const char *raw, const char *part)
{
	if (!strstr(plain_why(raw), part))
		fail_msg("\"%s\" becomes \"%s\", without \"%s\"", raw, plain_why(raw), part);
	assert_true(strlen(plain_why(raw)) < ROOM);
}

static const char *alert(int number)
{
	return ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, SSL_AD_REASON_OFFSET + number));
}

/* The library's own words, so that another version of it which says it otherwise is noticed. */
static void what_openssl_says_of_a_certificate_is_known(void **state)
{
	(void)state;
	says(X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED), "has expired");
	says(X509_verify_cert_error_string(X509_V_ERR_CERT_NOT_YET_VALID), "not valid yet");
	says(X509_verify_cert_error_string(X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN), "cafile did not issue");
	says(X509_verify_cert_error_string(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT), "cafile did not issue");
	says(X509_verify_cert_error_string(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY), "cafile did not issue");
	says(X509_verify_cert_error_string(X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE), "cafile did not issue");
	says(X509_verify_cert_error_string(X509_V_ERR_CERT_SIGNATURE_FAILURE), "cafile did not issue");
	says(X509_verify_cert_error_string(X509_V_ERR_HOSTNAME_MISMATCH), "another host name");
	says(X509_verify_cert_error_string(X509_V_ERR_IP_ADDRESS_MISMATCH), "not for the address");
}

static void what_the_broker_says_of_ours_is_known(void **state)
{
	(void)state;
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);
	says(alert(SSL_AD_CERTIFICATE_EXPIRED), "this device's certificate has expired");
	says(alert(SSL_AD_CERTIFICATE_REVOKED), "was revoked");
	says(alert(SSL_AD_UNKNOWN_CA), "does not know the CA of this device");
	says(alert(SSL_AD_BAD_CERTIFICATE), "does not take this device's certificate");
	says(alert(SSL_AD_CERTIFICATE_UNKNOWN), "does not take this device's certificate");
	says(alert(TLS13_AD_CERTIFICATE_REQUIRED), "wants a certificate");
	says(alert(SSL_AD_PROTOCOL_VERSION), "TLS 1.3");
	says(alert(SSL_AD_HANDSHAKE_FAILURE), "TLS 1.3");
	says(ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_WRONG_VERSION_NUMBER)), "does not speak TLS");
	says(ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNEXPECTED_EOF_WHILE_READING)), "closed in mid handshake");
	says("error:0A000086:SSL routines:tls_process_server_certificate:certificate verify failed:x.c:1", "cafile");
}

static void what_is_not_known_is_said_as_it_came(void **state)
{
	(void)state;
	assert_string_equal(plain_why("something new"), "something new");
	assert_null(plain_reason(0));
	assert_non_null(plain_reason(0x98));    /* and not "Administrative action" */
	for (int reason = 0; reason < 256; reason++)
		assert_true(!plain_reason(reason) || strlen(plain_reason(reason)) < ROOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_openssl_says_of_a_certificate_is_known),
		cmocka_unit_test(what_the_broker_says_of_ours_is_known),
		cmocka_unit_test(what_is_not_known_is_said_as_it_came),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
