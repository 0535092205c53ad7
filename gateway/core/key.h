/* key: one name for what several pieces name together, such as Alert.key. h = SHA-256("pullcord alert key v1"), then
 * h = SHA-256(h | piece) for each, cut to 16 bytes. Pure. */
#ifndef PULLCORD_KEY_H
#define PULLCORD_KEY_H

#include "span.h"

#define KEY_BYTES 16

void key_of(const struct span *piece, size_t n, uint8_t key[KEY_BYTES]);

#endif
