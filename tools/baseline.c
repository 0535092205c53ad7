#include "baseline.h"

#include <stdio.h>

/* The assembler reads the file: C of 2017 has no #embed. Paths are those of the top folder, where make runs. */
#define EMBED(name, file)                                                                                              \
	extern const uint8_t name[], name##_end[];                                                                     \
	__asm__(".pushsection .rodata\n" #name ":\n.incbin \"" file "\"\n" #name "_end:\n.byte 0\n.popsection\n")

EMBED(embedded_conf, "configs/mosquitto.conf");
EMBED(embedded_policy, "configs/hospital.policy");

struct span baseline_conf(void)
{
	return span(embedded_conf, (size_t)(embedded_conf_end - embedded_conf));
}

struct span baseline_policy(void)
{
	return span(embedded_policy, (size_t)(embedded_policy_end - embedded_policy));
}

/* What stands in a sample, and what stands there in an installation. */
struct change {
	const char *sample, *real;
};

static bool in_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Whole words only: "mercy" is not in "mercyful". */
static const struct change *change_at(struct span text, size_t at, const struct change *c, size_t n)
{
	if (at > 0 && in_word(text.p[at - 1]) && in_word(text.p[at]))
		return NULL;
	for (; n > 0; n--, c++) {
		size_t len = strlen(c->sample);

		if (len > text.n - at || memcmp(text.p + at, c->sample, len) != 0)
			continue;
		if (at + len == text.n || !in_word(text.p[at + len]))
			return c;
	}
	return NULL;
}

static enum err fit(struct span text, const struct change *change, size_t n, struct put *out)
{
	for (size_t at = 0; at < text.n;) {
		const struct change *c = change_at(text, at, change, n);

		if (c)
			put_str(out, c->real);
		else
			put_bytes(out, span(text.p + at, 1));
		at += c ? strlen(c->sample) : 1;
	}
	return put_end(out);
}

/* A value goes to the end of its line, and blanks at its ends are lost. */
static bool value_ok(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7F)
			return false;
	return text[0] && text[0] != ' ' && text[strlen(text) - 1] != ' ';
}

enum err baseline_write_conf(const struct baseline *b, struct put *out)
{
	char device[32], app[32], mib[64], user[80], tenant[96];
	const struct change change[] = {
		{ "/etc/pullcord", b->dir },
		{ "/usr/local/lib/pullcord/mosquitto_pullcord.so", b->plugin },
		{ "user mosquitto", user },
		{ "plugin_opt_tenant mercy", tenant },
		{ "plugin_opt_record_mib 1024", mib },
		{ "listener 8883", device },
		{ "listener 8884", app },
	};

	if (!value_ok(b->dir) || !value_ok(b->plugin) || !value_ok(b->user) || strlen(b->user) > 64)
		return ERR_SYNTAX;
	snprintf(device, sizeof(device), "listener %ld", b->device_port);
	snprintf(app, sizeof(app), "listener %ld", b->app_port);
	snprintf(mib, sizeof(mib), "plugin_opt_record_mib %ld", b->record_mib);
	snprintf(user, sizeof(user), "user %s", b->user);
	snprintf(tenant, sizeof(tenant), "plugin_opt_tenant %s", b->tenant);
	return fit(baseline_conf(), change, countof(change), out);
}

enum err baseline_write_policy(const struct baseline *b, struct put *out)
{
	const struct change change[] = { { "mercy", b->tenant } };

	return fit(baseline_policy(), change, countof(change), out);
}
