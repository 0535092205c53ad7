/* note: C2SP signed notes and tree checkpoints (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint),
 * Ed25519 (type 0x01).
 *
 *     origin "\n" size "\n" base64(root) "\n" "\n" "— " name " " base64(key id, 4 | signature, 64) "\n"
 *
 * The key id is SHA-256(name | 0x0A | 0x01 | public key)[:4]; the name is the origin. */
#ifndef PULLCORD_NOTE_H
#define PULLCORD_NOTE_H

#include "cur.h"
#include "tree.h"

#define NOTE_BYTES_MAX 4096
#define ORIGIN_BYTES_MAX 255    /* printable, without blanks and '+' */

struct checkpoint {
	struct span origin;     /* borrows from the note */
	uint64_t size;
	struct hash root;
};

/* Appends the signed note. ERR_SYNTAX: the origin is none; ERR_TOO_LARGE. */
enum err note_write(const struct checkpoint *c, const uint8_t secret[SIGN_KEY_BYTES], struct put *out) MUST_USE;
/* The body of a note and the check of its signature by `pub` under the name `origin`. ERR_SYNTAX, ERR_KEY. */
enum err note_open(struct span note, struct span origin, const uint8_t pub[SIGN_KEY_BYTES], struct checkpoint *out) MUST_USE;
/* Only the signature: *body is the signed text with its last newline (any note, not only a checkpoint). */
enum err note_verify(struct span note, struct span name, const uint8_t pub[SIGN_KEY_BYTES], struct span *body) MUST_USE;

/* A verifier key, "name+hash+base64(0x01 | public key)", NUL-terminated; and back. */
enum err vkey_write(struct span name, const uint8_t pub[SIGN_KEY_BYTES], char *out, size_t cap) MUST_USE;
enum err vkey_read(struct span text, struct span *name, uint8_t pub[SIGN_KEY_BYTES]) MUST_USE;

#endif
