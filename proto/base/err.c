#include "err.h"

static const char *const names[ERR_COUNT] = {
	[OK] = "ok",
#define ERR(name, word, text) [ERR_##name] = word,
#include "err.def"
#undef ERR
};

static const char *const texts[ERR_COUNT] = {
	[OK] = "it went well",
#define ERR(name, word, text) [ERR_##name] = text,
#include "err.def"
#undef ERR
};

const char *err_name(enum err e)
{
	return (unsigned)e < ERR_COUNT ? names[e] : "unknown";
}

const char *err_text(enum err e)
{
	return (unsigned)e < ERR_COUNT ? texts[e] : "for an unknown reason";
}
