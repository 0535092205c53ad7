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

#define NOTE_BYTES_MAX 5120     /* the forward-secure line (forward.h), and some twenty cosignatures */
#define NOTE_KEY_ID 4
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

/* A note of any text is that text, which ends with a line end, an empty line, and lines of signatures. Where its text and
 * its signatures are: ERR_SYNTAX, ERR_TOO_LARGE. The next signature of Ed25519's length, and which key it claims, all
 * unchecked; false: there is no more, or *bad is set, what stands there is none. */
enum err note_split(struct span note, struct span *text, struct span *lines) MUST_USE;
bool note_next(struct span *lines, struct span *name, uint8_t key[NOTE_KEY_ID], uint8_t sig[SIGN_BYTES], bool *bad);
/* Appends a line for it, which belongs under the note. ERR_SYNTAX: the name is none; ERR_TOO_LARGE. */
enum err note_sign(struct span text, struct span name, const uint8_t secret[SIGN_KEY_BYTES], struct put *out) MUST_USE;

/* Lines of other types: the key id is SHA-256(name | 0x0A | type and key)[:4]; `raw` begins with it. Appends one; ERR_SYNTAX: the
 * name is none; ERR_TOO_LARGE. The next that has that name, id and length, whatever is in it; ERR_NOT_FOUND after the last. */
void note_key_id(struct span name, struct span typed_key, uint8_t id[NOTE_KEY_ID]);
enum err note_put_line(struct span name, struct span raw, struct put *out) MUST_USE;
enum err note_next_line(struct span *lines, struct span name, const uint8_t id[NOTE_KEY_ID], uint8_t *raw, size_t n) MUST_USE;

/* A verifier key, "name+hash+base64(0x01 | public key)", NUL-terminated; and back. */
enum err vkey_write(struct span name, const uint8_t pub[SIGN_KEY_BYTES], char *out, size_t cap) MUST_USE;
enum err vkey_read(struct span text, struct span *name, uint8_t pub[SIGN_KEY_BYTES]) MUST_USE;
/* Its hash, which in hex stands in the middle. */
void vkey_id(struct span name, const uint8_t pub[SIGN_KEY_BYTES], uint8_t id[NOTE_KEY_ID]);
/* The secret key that goes with it, "PRIVATE+KEY+name+hash+base64(0x01 | seed)", as Go's golang.org/x/mod/sumdb/note has it. */
enum err skey_write(struct span name, const uint8_t secret[SIGN_KEY_BYTES], char *out, size_t cap) MUST_USE;
enum err skey_read(struct span text, struct span *name, uint8_t secret[SIGN_KEY_BYTES]) MUST_USE;
/* Files of keys, one a line, '#' begins a comment: the next, and the line it stands in. *line is 0 at first. */
bool vkey_next(struct span *text, struct span *key, unsigned *line);

/* ---- cosignatures of witnesses (https://c2sp.org/tlog-cosignature), Ed25519 (type 0x04) ----
 *
 *     "— " name " " base64(key id, 4 | POSIX time, 8 BE | signature, 64) "\n"
 *
 * over "cosignature/v1" "\n" "time " decimal "\n" and the note's text: as of then, this is the largest tree that the
 * witness has seen, and every one it saw before is a beginning of it. */
#define COSIGNATURE_LINE_MAX (4 + ORIGIN_BYTES_MAX + 1 + 104 + 1)

struct cosigner {
	struct span name;       /* borrowed */
	uint8_t pub[SIGN_KEY_BYTES];
};

/* Appends one line, which belongs under the note. ERR_SYNTAX: not a note, or no name; ERR_TOO_LARGE. */
enum err note_cosign(struct span note, struct span name, const uint8_t secret[SIGN_KEY_BYTES], uint64_t time_s,
		     struct put *out) MUST_USE;
/* When did they cosign the note last? ERR_NOT_FOUND: it has no line of theirs; ERR_KEY: one that does not fit. */
enum err note_cosigned(struct span note, const struct cosigner *by, uint64_t *time_s) MUST_USE;

/* A cosigner's key, as vkey_write() and vkey_read(): "name+hash+base64(0x04 | public key)". */
enum err cosigner_write(struct span name, const uint8_t pub[SIGN_KEY_BYTES], char *out, size_t cap) MUST_USE;
enum err cosigner_read(struct span text, struct cosigner *out) MUST_USE;

#endif
