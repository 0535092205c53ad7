/* err: the ways of failing, listed once in err.def. OK is zero. */
#ifndef PULLCORD_ERR_H
#define PULLCORD_ERR_H

#include "base.h"

enum err {
	OK = 0,
#define ERR(name, word, text) ERR_##name,
#include "err.def"
#undef ERR
	ERR_COUNT
};

/* "not_found" for logs and scripts; "there is no such thing" for people. Never NULL. */
const char *err_name(enum err e);
const char *err_text(enum err e);

/* Hands a failure up. */
#define TRY(expr)                                                                                                      \
	do {                                                                                                           \
		enum err try_err_ = (expr);                                                                            \
		if (try_err_ != OK)                                                                                    \
			return try_err_;                                                                               \
	} while (0)

#endif
