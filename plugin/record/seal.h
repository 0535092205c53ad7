/* seal: the entries of the record, which are the leaves of its tree.
 *
 *     entry    version, 1 = 1 | kind, 1 | body                                        at most 65,535 bytes
 *     sealed   segment, u32 | seq, u32 | AES-256-GCM ciphertext | tag, 16             of an AuditEvent
 *     control  type, 1 | at, u64 (µs) | ...                                           in clear, for everybody
 *       genesis          the verifier's key (C2SP vkey text)                          always entry 0
 *       segment open     segment, u32 | class, 1 | commitment, 32                     before its first sealed entry
 *
 * Every record has its own key, HMAC(segment key, "alog record v1" | segment | seq), so one of them can be disclosed
 * without its neighbours; hence the nonce is 0. GCM does not commit to its key: the commitment does. The ciphertext is
 * bound to the record by SHA-256(origin) | entry[0..9]. Numbers are big endian. Pure. */
#ifndef PULLCORD_SEAL_H
#define PULLCORD_SEAL_H

#include "cur.h"
#include "note.h"

#define ENTRY_BYTES_MAX 65535
#define ENTRY_SEAL_EXTRA (10 + AEAD_TAG_BYTES)
#define SEGMENT_RECORDS_MAX (1u << 16)
#define SEGMENT_CLASS_6Y 1          /* how long it is kept; the only class so far */

enum entry_kind { ENTRY_SEALED = 1, ENTRY_CONTROL = 2 };
enum control_type { CONTROL_GENESIS = 1, CONTROL_SEGMENT_OPEN = 2 };

struct entry {
	enum entry_kind kind;
	uint32_t segment, seq;          /* sealed; segment of segment open too */
	struct span sealed;             /* borrows */
	enum control_type type;         /* control */
	int64_t at_us;
	struct span vkey;
	uint8_t class;
	uint8_t commitment[SHA256_BYTES];
};

/* ERR_VERSION: of a kind or type this program does not know. */
enum err entry_read(struct span raw, struct entry *out) MUST_USE;

struct segment_key {
	uint8_t b[AEAD_KEY_BYTES];
};

/* Everything the entries of one record share: SHA-256 of its origin. */
struct seal {
	uint8_t origin[SHA256_BYTES];
};
void seal_init(struct seal *s, struct span origin);

void segment_commitment(const struct segment_key *k, uint8_t out[SHA256_BYTES]);

void entry_write_genesis(int64_t at_us, struct span vkey, struct put *out);
void entry_write_segment(int64_t at_us, uint32_t segment, uint8_t class, const struct segment_key *k, struct put *out);
/* `out` must be empty. ERR_TOO_LARGE. */
enum err entry_seal(const struct seal *s, const struct segment_key *k, uint32_t segment, uint32_t seq, struct span text,
		    struct put *out) MUST_USE;
/* *text takes what was sealed: at least raw.n bytes of room. ERR_KIND when it is not a sealed one; ERR_KEY. */
enum err entry_open(const struct seal *s, const struct segment_key *k, struct span raw, struct put *text) MUST_USE;

/* The key of one sealed entry, which opens it and no other; and opening with that alone. The key is the sealer's word: only
 * the segment's key is committed to. ERR_KIND. */
enum err entry_key(const struct segment_key *k, struct span raw, uint8_t key[AEAD_KEY_BYTES]) MUST_USE;
enum err entry_open_alone(const struct seal *s, const uint8_t key[AEAD_KEY_BYTES], struct span raw, struct put *text) MUST_USE;

#endif
