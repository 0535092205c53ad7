/* reading: before the tool shows what the record says, it leaves word of that beside the record (reads.h), and without it
 * shows nothing. */
#ifndef PULLCORD_READING_H
#define PULLCORD_READING_H

#include <sys/types.h>

#include "directory.h"
#include "reads.h"

#define READING_WHO_MAX (READS_WHO_MAX + 1)

/* As the operating system knows them: who logged in, if it kept that (pam_loginuid), else whose process it is; and as whom
 * they work, when that is another. "os:ana", "os:root"; a user without a name is its number. */
struct reading_who {
	char who[READING_WHO_MAX], as[READING_WHO_MAX];
};
struct reading_who reading_who(const char *login_uid, uid_t uid);

/* Whoever runs the tool, in one: "os:ana as os:root". */
const char *reading_name(char out[DIRECTORY_BY_MAX + 1]);

/* `what` is the command with what was asked for, `patient` whom it is about (NULL: nobody in particular). CMD_DONE; why it
 * cannot be is said. */
int reading_announce(const char *record, const uint8_t root[AEAD_KEY_BYTES], const char *what, const char *patient,
		     const char *topic) MUST_USE;

#endif
