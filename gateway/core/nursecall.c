#include "nursecall.h"

/* Rows are tried in order. Phrases are whole words; after '=' a phrase must be the whole text ("code" alone is a code,
 * "error code 17" is not). Classes after UL 1069 and requirement D3; code blue and pink are the resuscitation codes
 * hospitals agree on (HASC, "Hospital Emergency Codes"). A loose call cord is a fault of the equipment. */
static const struct nursecall calls[] = {
	{ "call.code", PULLCORD__V1__PRIORITY__PRIORITY_CODE, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "code blue|code pink|cardiac arrest|crash call|resuscitation|=code|=code call" },
	{ "call.cord", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL,
	  "cord out|cord removed|cord disconnected" },
	{ "call.bath", PULLCORD__V1__PRIORITY__PRIORITY_HIGH, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "bath|bathroom|toilet|lavatory|shower|washroom" },
	{ "call.assist", PULLCORD__V1__PRIORITY__PRIORITY_HIGH, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "staff assist|staff assistance|staff assist call|assist call" },
	{ "call.emergency", PULLCORD__V1__PRIORITY__PRIORITY_HIGH, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "emergency|staff emergency|rapid response" },
	{ "call.exit", PULLCORD__V1__PRIORITY__PRIORITY_HIGH, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "bed exit|chair exit|fall detected" },
	{ "call.pain", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "pain|pain medication" },
	{ "call.cord", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL,
	  "call cord" },           /* not before these: "bathroom call cord" is somebody's call */
	{ "call.normal", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "normal call|patient call|nurse call|routine call|bed call|call light|call button|=normal|=routine" },
	{ "call.service", PULLCORD__V1__PRIORITY__PRIORITY_LOW, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NURSE_CALL,
	  "service call|housekeeping|=service" },
};

/* Case and the underscores of the nomenclature make no difference. */
static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c == '_' ? ' ' : c;
}

static bool is_letter(uint8_t c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static bool has_phrase(struct span text, struct span phrase)
{
	for (size_t i = 0; i + phrase.n <= text.n; i++) {
		size_t k = 0;

		while (k < phrase.n && lower(text.p[i + k]) == phrase.p[k])
			k++;
		if (k == phrase.n && (i == 0 || !is_letter(text.p[i - 1])) &&
		    (i + k == text.n || !is_letter(text.p[i + k])))
			return true;
	}
	return false;
}

static bool call_matches(const struct nursecall *c, struct span text)
{
	struct span rest = span_str(c->words);

	while (rest.n) {
		struct span phrase = span_cut(rest, '|', &rest);
		bool whole = phrase.p[0] == '=';

		if (whole)
			phrase = span(phrase.p + 1, phrase.n - 1);
		if ((!whole || text.n == phrase.n) && has_phrase(text, phrase))
			return true;
	}
	return false;
}

const struct nursecall *nursecall_named(struct span text)
{
	text = span_trim(text);
	for (size_t i = 0; i < countof(calls); i++)
		if (call_matches(&calls[i], text))
			return &calls[i];
	return NULL;
}

const struct nursecall *nursecall_of(struct span code)
{
	for (size_t i = 0; i < countof(calls); i++)
		if (span_is(code, calls[i].code))
			return &calls[i];
	return NULL;
}
