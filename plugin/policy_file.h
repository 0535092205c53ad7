/* policy_file: a policy from disk, with the files it includes, which lie beside or below it. Reads files. */
#ifndef PULLCORD_POLICY_FILE_H
#define PULLCORD_POLICY_FILE_H

#include "policy.h"

/* As policy_load(). *where says what is wrong with which file whatever the failure: where->file is the path (of an
 * included file too) and where->line is 0 when it could not be read. */
enum err policy_file_load(const char *path, struct policy **out, struct policy_error *where) MUST_USE;

/* "pullcord.policy:3:7: 'alow' is no statement ..."; into out[cap]. */
void policy_error_write(const struct policy_error *where, char *out, size_t cap);

#endif
