/* phi: does a word of a topic look like a person's identifier (45 CFR 164.514(b)(2)(i): names, dates of birth, record, phone and
 * social security numbers)? A guess, for warnings: by shapes of numbers and by common names that are no other words, so it
 * misses what is rare. Pure. */
#ifndef PULLCORD_PHI_H
#define PULLCORD_PHI_H

#include "span.h"

enum phi { PHI_NONE, PHI_NUMBER, PHI_NAME };

/* Spelt in any case, as one word or parted by '-', '_', '.', ':' or a capital letter. Wards called after a saint, directions,
 * things and what staff is called are no persons' names; times, IPv4 addresses and UUIDs no persons' numbers. */
enum phi phi_word(struct span word);
/* The same where the word stands for a patient: there one name, or four digits, are enough. */
enum phi phi_patient(struct span word);

#endif
