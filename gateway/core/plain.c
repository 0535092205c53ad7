#include "plain.h"

#include <string.h>

/* Part of the line: X509_verify_cert_error_string(3), ERR_reason_error_string(3) with alerts of RFC 8446 §6, Paho 1.3.12. The
 * first that fits; those the broker says ("alert") before those found here. */
static const struct { const char *part, *plain; } whys[] = {
	{ "alert certificate expired", "the broker says that this device's certificate has expired, or has another time: enroll it anew "
				       "(pullcord device enroll), or set the broker's clock" },
	{ "alert certificate revoked", "the broker says that this device's certificate was revoked: "
	  "enroll it anew if it is to come back" },
	{ "alert unknown ca", "the broker does not know the CA of this device's certificate: is it of this installation?" },
	{ "alert certificate unknown", "the broker does not take this device's certificate: its log says why" },
	{ "alert bad certificate", "the broker does not take this device's certificate: its log says why" },
	{ "alert certificate required", "the broker wants a certificate, and got none: are [uplink] certfile and keyfile right?" },
	{ "alert protocol version", "the broker does not speak TLS 1.3: allow it there" },
	{ "alert handshake failure", "the broker and we have no cipher or signature in common: allow TLS 1.3 there" },
	{ "certificate has expired", "the broker's certificate has expired, or this device's clock is ahead: "
	  "renew it there, or set the clock" },
	{ "certificate is not yet valid", "the broker's certificate is not valid yet, or this device's clock is behind: set the clock" },
	{ "hostname mismatch", "the broker's certificate is for another host name than [uplink] host: one of the two must be changed" },
	{ "IP address mismatch", "the broker's certificate is not for the address in [uplink] host: give its name there" },
	{ "self-signed certificate", "[uplink] cafile did not issue the broker's certificate: is it the CA's of that broker?" },
	{ "unable to get local issuer", "[uplink] cafile did not issue the broker's certificate: is it the CA's of that broker?" },
	{ "unable to verify the first", "[uplink] cafile did not issue the broker's certificate: is it the CA's of that broker?" },
	{ "certificate signature failure", "[uplink] cafile did not issue the broker's certificate: another CA of the same name did" },
	{ "certificate verify failed", "the broker's certificate is not to be believed: is [uplink] cafile the CA's of that broker?" },
	{ "wrong version number", "what answers there does not speak TLS: is [uplink] port the right one?" },
	{ "unsupported protocol", "the broker does not speak TLS 1.3: allow it there" },
	{ "unexpected eof", "the connection was closed in mid handshake: the broker's log says why" },
	{ "TCP connect timeout", "nothing answers there: is [uplink] host right, the network up, and no firewall between?" },
	{ "TCP connect completion failure", "nobody listens there: does the broker run, and are [uplink] host and port right?" },
	{ "TCP/TLS connect failure", "no connection: does the broker run, are [uplink] host and port right, is its name known here?" },
	{ "Failure", "no connection: is the name in [uplink] host known here, and the network up?" },
};

static const struct { int reason; const char *plain; } reasons[] = {
	{ 0x85, "the broker does not take this device's client id: is the certificate that of the device in [gateway] device?" },
	{ 0x86, "the broker does not know this device, or this certificate of it: enroll it (pullcord device enroll)" },
	{ 0x87, "the broker does not let this device in: is it enrolled, not suspended, its certificate the newest, and "
		"[uplink] port that for devices?" },
	{ 0x88, "the broker is not ready yet: it is tried again" },
	{ 0x89, "the broker is busy: it is tried again" },
	{ 0x8b, "the broker is being shut down: it is tried again" },
	{ 0x8e, "another client came in under this device's name: does its certificate lie on a second machine?" },
	{ 0x98, "the broker ended the connection: somebody changed this device's account, or shut it out" },
};

const char *plain_why(const char *raw)
{
	for (size_t i = 0; i < countof(whys); i++)
		if (strstr(raw, whys[i].part))
			return whys[i].plain;
	return raw;
}

const char *plain_reason(int reason)
{
	for (size_t i = 0; i < countof(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].plain;
	return NULL;
}
