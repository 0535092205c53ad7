/* page: the help of a command, made from the table that reads its command line: for a terminal (--help), as a manual
 * page (--help=man, for the build), or as one section of the page of a command of commands (--help=section). */
#ifndef PULLCORD_PAGE_H
#define PULLCORD_PAGE_H

#include "opt.h"

enum page_shape { PAGE_TERMINAL, PAGE_MAN, PAGE_SECTION };

/* Is this argument a wish for help, and in which shape? -h counts as --help. */
bool page_shape_of(const char *arg, enum page_shape *shape);

/* On stdout; CMD_DONE. */
int page_show(const struct opt_page *page, enum page_shape shape);
/* A command of commands; as manual page with the sections of all its verbs. */
int page_verbs(const char *command, const char *text, const struct opt_verb *verb, size_t n, enum page_shape shape);

#endif
