/* seal: the entries of the record, which are the leaves of its tree.
 *
 *     entry    version, 1 = 1 | kind, 1 | body                                        at most 65,535 bytes
 *     sealed   segment, u32 | seq, u32 | AES-256-GCM ciphertext | tag, 16             of an AuditEvent
 *     control  type, 1 | at, u64 (µs) | ...                                           in clear, for everybody
 *       genesis          verifier's key (C2SP vkey), text | last checkpoint of the record before, text
 *                        | why that ended, text                                        always entry 0
 *       segment open     segment, u32 | keep, u16 | commitment, 32                    before its first sealed entry
 *       segment erased   segment, u32 | SHA-256 of its wrapped key, 32 | two who agreed, texts | reason, text
 *       hold             segment, u32 | 1 or 0, 1 | two who agreed, texts | reason, text   held, or no longer
 *       line begin, mark number, u64 | 32 bytes           of older versions: only a secret tells whether a mark is right
 *       line root        depth, 1 | µs of an epoch, u64 | root, 32                     a line begins (line_check.h)
 *       epoch end        epoch, u64 | 1: because the clock was set, else 0, 1
 *     erased   segment, u32 | seq, u32                  what is kept of a sealed entry whose segment was erased; no leaf
 *
 * A text is its length, u16, and its bytes. Every record has its own key, HMAC(segment key, "alog record v1" | segment |
 * seq), so one of them can be disclosed without its neighbours; hence the nonce is 0. GCM does not commit to its key: the
 * commitment does. The ciphertext is bound to the record by SHA-256(origin) | entry[0..9]. Numbers are big endian. Pure. */
#ifndef PULLCORD_SEAL_H
#define PULLCORD_SEAL_H

#include "cur.h"
#include "note.h"

#define ENTRY_BYTES_MAX 65535
#define ENTRY_SEAL_EXTRA (10 + AEAD_TAG_BYTES)
#define ENTRY_ERASED_BYTES 10
#define ENTRY_TEXT_MAX 200          /* of who and why, in clear: ids and a few words, never a patient */
#define SEGMENT_RECORDS_MAX (1u << 16)
#define EPOCH_US_MAX (366 * 24 * 3600 * 1000000LL)

enum entry_kind { ENTRY_SEALED = 1, ENTRY_CONTROL = 2, ENTRY_ERASED = 3 };
enum control_type {
	CONTROL_GENESIS = 1, CONTROL_SEGMENT_OPEN = 2, CONTROL_SEGMENT_ERASED = 3, CONTROL_HOLD = 4,
	CONTROL_LINE_BEGIN = 5, CONTROL_LINE_MARK = 6, CONTROL_LINE_ROOT = 7, CONTROL_EPOCH_END = 8,
};

/* How long a segment is kept: calendar years, or days with the high bit set. With the next bit set it is the key of the
 * pseudonyms of that calendar year (years.h), holds no records, and is kept as long as any entry of the year is. */
#define KEEP_DAYS 0x8000
#define KEEP_PSEUDONYMS 0x4000
#define KEEP_YEARS_DEFAULT 6            /* 45 CFR 164.316(b)(2)(i) */
#define KEEP_TEXT_MAX 8
/* The year of whose pseudonyms it is the key; 0: it is none. */
static inline unsigned keep_year(uint16_t keep)
{
	return (keep & (KEEP_DAYS | KEEP_PSEUDONYMS)) == KEEP_PSEUDONYMS ? keep & 0xfffu : 0;
}
/* "6y", "90d" (1 to 999 of either), and back; "of 2026" of pseudonyms. False: it is neither of the first two. */
bool keep_read(struct span text, uint16_t *keep) MUST_USE;
void keep_write(uint16_t keep, char out[KEEP_TEXT_MAX]);

struct entry {
	enum entry_kind kind;
	uint32_t segment, seq;          /* sealed and erased; segment of its control entries too */
	struct span sealed;             /* borrows, as all spans here */
	enum control_type type;         /* control */
	int64_t at_us;
	struct span vkey, before;       /* genesis: key, and the note this record goes on from */
	uint16_t keep;
	bool held;
	uint8_t commitment[SHA256_BYTES];   /* segment open; segment erased: digest; line: root; an older one: id or MAC */
	uint64_t number;                /* epoch; of an older line its mark */
	uint8_t depth;                  /* line root */
	int64_t every_us;
	bool clock_set;                 /* epoch end */
	struct span who, second, reason;
};

/* ERR_VERSION: of a kind or type this program does not know. */
enum err entry_read(struct span raw, struct entry *out) MUST_USE;
/* Control entries: type and what belongs to it. Texts of people are cut at ENTRY_TEXT_MAX. */
void entry_write_control(const struct entry *e, struct put *out);
void entry_write_erased(uint32_t segment, uint32_t seq, struct put *out);

struct segment_key {
	uint8_t b[AEAD_KEY_BYTES];
	struct hmac_key of_records;     /* made of b by segment_key_ready(): what seals, opens and commits needs it */
};
void segment_key_ready(struct segment_key *k);

/* Everything the entries of one record share: SHA-256 of its origin. */
struct seal {
	uint8_t origin[SHA256_BYTES];
};
void seal_init(struct seal *s, struct span origin);

void segment_commitment(const struct segment_key *k, uint8_t out[SHA256_BYTES]);

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
