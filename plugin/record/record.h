/* record: the tamper-evident record. The broker's thread copies what happened into a ring (no I/O, no lock, no
 * allocation); one writer thread seals, hashes into an RFC 6962 tree and commits in groups, entries and tree in one
 * transaction; then signs a checkpoint, at once over what administrators do, else each second. Order: commit, flush, sign,
 * publish. Design: one screen in README, "The record".
 *
 * What the record never holds: payloads, passwords, free text but the reason of emergency access (emergency.h) and why segments
 * are held or erased, or a history. */
#ifndef PULLCORD_RECORD_H
#define PULLCORD_RECORD_H

#include "err.h"
#include "id.h"
#include "note.h"
#include "pullcord.pb-c.h"
#include "record.pb-c.h"
#include "witness.h"

struct places;
struct record;
struct segment;
struct segment_act;
struct retention;

/* What is to become of an event when the record is in a hurry, and how long it is kept: by class. */
enum record_class {
	RECORD_CONSENT,              /* what administrators do: policy, directory, commands */
	RECORD_ACCESS,               /* who came and went and what was refused */
	RECORD_MOVEMENT,             /* messages and their deliveries */
	RECORD_CRITICAL,             /* those of life-critical topics */
	RECORD_HOUSEKEEPING,         /* what the record can do without */
	RECORD_CLASSES
};

struct record_spec {
	const char *path;            /* record.mdb */
	const char *sizes_path;      /* second small file: every signed (size, root); "" for none */
	const char *origin;          /* "hospital.example/audit/main": name of tree and key */
	const uint8_t *root;         /* 32 bytes, vault_root() */
	const uint8_t *sign_secret;  /* Ed25519 seed, 32 bytes */
	size_t map_bytes;            /* of the store */
	size_t ring_bytes;           /* power of two, 16 MiB by default */
	const char *line_path;       /* seed of the forward-secure line (epochs.h); NULL: none is kept */
	int64_t sign_every_us;       /* between checkpoints, when no act asks for one at once; 0: a second */
	int64_t line_every_us;       /* of an epoch; 0: LINE_EVERY_US of turns.h */
	unsigned line_depth;         /* a line has 2^this epochs, FORWARD_DEPTH_MIN to FORWARD_DEPTH_MAX; 0: the most */
	const char *witnesses_path;  /* whose cosignatures count (witnesses_read() of witness.h); NULL: nobody's */
	unsigned quorum;             /* so many of them are to vouch for a checkpoint; 0: their majority */
	const char *spill_path;      /* where life-critical events wait that find no room; NULL: nowhere, they are lost then */
	size_t spill_bytes;          /* as spill_bytes() says (spill.h) */
	struct span before;          /* of a new record: the last note of the one it goes on from, and why that ended */
	const char *reason;
	const char **found;          /* what made it ERR_CORRUPT, in a few words; NULL: nobody asks */
	const struct places *places; /* as record_places() takes them; NULL: none */
	uint16_t keep[RECORD_CLASSES];   /* retention (keep_read() of seal.h); 0: six years. Who shares one, shares segments */
};

/* What the policy on trial said; which is all that is known without a question. */
struct shadow_verdict {
	uint8_t policy[16];
	uint32_t access, why, line;
	bool allow;
	uint64_t count;              /* so many times ... */
	int64_t since_us;            /* ... since then */
};

/* What happened, as the broker's thread sees it. Spans borrow for the call. */
struct happening {
	Pullcord__V1__AuditType type;
	Pullcord__V1__AuditOutcome outcome;
	int64_t at_us, mono_us;
	Pullcord__V1__Party party;
	struct span actor;           /* authenticated id; empty: nobody proved who they are */
	struct span client;          /* MQTT client id, as sent, cut at 64 bytes; what stands for one that is nobody's */
	struct span address;         /* peer's IP address */
	struct span topic;           /* or filter; cut at 200 bytes; patients in it are kept as pseudonyms */
	struct span patient;         /* id of whom it is about; kept as a pseudonym only; empty: not known */
	const struct id *message;    /* NULL: none */
	const uint8_t *policy;       /* 16 bytes, policy_version(); NULL: none */
	uint32_t why, line;          /* enum why and rule line of the verdict; for logins the reason */
	uint8_t qos;
	bool retain, life_critical;
	Pullcord__V1__AuditBasis basis;     /* of a delivery */
	Pullcord__V1__AuditHow how;  /* the same */
	int64_t emergency_us;        /* when they took the emergency access that it rests on; 0: on none */
	const struct shadow_verdict *shadow;    /* NULL: none */
	uint64_t count;              /* events it stands for, from at_us to until_us; 0: one */
	int64_t until_us;
	const struct id *last;       /* of a digest: the last message, where `message` is the first; NULL: it is none */
	const uint8_t *digest;       /* 32 bytes over their ids (digest.h) */
	struct span detail;          /* a word or two in our own terms, at most 200 bytes; never what a client wrote */
	struct span change;          /* what was held before and after (delta.h) */
	struct span by;              /* who changed that, when it is not the actor */
	struct span claimed;         /* the name somebody tried and did not prove */
	struct span certificate;     /* SHA-256 of the one that was shown; empty: none was */
};

enum record_class record_class(const struct happening *h);

/* ERR_CORRUPT: damaged, or smaller than the last signed size or without its sizes file (a rewound store), or never signed
 * (a forged one), or the keys of its entries are gone, or the seed of its line is gone, damaged, or further on: nothing is
 * signed. The way on is a new record under the next origin; the old one stays as evidence.
 * ERR_VERSION: of another layout. ERR_KEY: another root, signing key or origin wrote it. ERR_BUSY: another process writes it. */
enum err record_open(const struct record_spec *spec, struct record **out) MUST_USE;
/* Would it be opened? In a process of its own, because LMDB trusts its file and a damaged one can end whoever reads it. What
 * opening reads is read, not all of it; nothing is written. ERR_CORRUPT also when that process ended so. Errors: the same, but for
 * those of files beside the store. Before there are threads. */
enum err record_probe(const struct record_spec *spec) MUST_USE;
void record_close(struct record **r);             /* waits until everything is durable, or the disk refuses */

/* Where topics name a patient beside our own grammar (places.h), for what is pushed from now on. Copies. ERR_FULL: no memory. */
enum err record_places(struct record *r, const struct places *p) MUST_USE;

/* Broker's thread. False when there is no room: the gap is counted by class and becomes a GAP entry, the first when there is
 * room again. What is life-critical goes to the spill then, and follows. Housekeeping is not taken while the record is
 * behind. */
bool record_push(struct record *r, const struct happening *h);

/* The same for who can wait and will ask again: what finds no room is not counted, nor set aside. */
bool record_try(struct record *r, const struct happening *h);

/* Acts are answered only when they are durable: the ticket of what was pushed last, and is it (and all before it)? Never,
 * when the record has stopped for good. */
uint64_t record_ticket(const struct record *r);
bool record_settled(const struct record *r, uint64_t ticket);

/* Broker's thread, now and then: tells a gap that nothing followed. */
void record_tick(struct record *r);

/* The next event of each retention begins a segment with a new key; whose cosignatures count is read again. Any thread. */
void record_turn(struct record *r);

/* Acts on segments, carried out by the writer: they wait for it, so never from the broker's thread. OK: durable. What else
 * they say: keeping.h; ERR_CLOSED also when the record stops meanwhile. */
enum err segment_hold(struct record *r, const struct segment_act *act, bool held) MUST_USE;
enum err segment_erase(struct record *r, const struct segment_act *act) MUST_USE;
/* As the store has it, and until when it is to be kept (keeping.h). Any thread. ERR_NOT_FOUND. */
enum err segment_look(struct record *r, uint32_t id, struct segment *out, struct retention *kept) MUST_USE;

/* Is there room for what may wait? Cheap, any thread. */
enum record_state {
	RECORD_FLOWING,
	RECORD_BEHIND,               /* ring over 75 %, or the writer silent for 2 s with work waiting */
	RECORD_STOPPED,              /* the store refuses, or the ring has room left for life-critical events only */
};
enum record_state record_state(const struct record *r);
bool record_stopped(const struct record *r);      /* the same as RECORD_STOPPED, without a look at the clock */
/* Room on the disk set aside for the record, as of the last commit; by which marks: room.h. OUT: RECORD_STOPPED, with the rest
 * for what is life-critical. */
enum record_disk { RECORD_DISK_FINE, RECORD_DISK_LOW, RECORD_DISK_SCARCE, RECORD_DISK_OUT };
enum record_disk record_disk(const struct record *r);
/* What can be told together is to be: that room is SCARCE, or the ring over 75 %. Without a look at the clock. */
bool record_scarce(const struct record *r);
enum err record_trouble(const struct record *r);  /* why it is RECORD_STOPPED: ERR_FULL, ERR_IO, ... */
uint64_t record_lost(const struct record *r);     /* happenings that found no room, since it was opened */

/* The newest signed checkpoint if there is one newer than *size (which is then updated). Any thread. */
bool record_checkpoint(struct record *r, uint64_t *size, char *note, size_t cap);
/* A checkpoint over an act (RECORD_CONSENT) was signed since it was asked: it is to be published now. Any thread. */
bool record_urgent(struct record *r);
uint64_t record_durable(const struct record *r);  /* entries committed */
bool record_lined(const struct record *r);        /* has its forward-secure line begun? */

/* ---- witnesses: who vouch for the checkpoints they were given (witness.h); what they say is only copied here ---- */

#define RECORD_WITNESS_MAX 64

/* The witness `who` has seen the first `size` entries and asks for the newest checkpoint; or has cosigned one: one line.
 * False: too many wait, it may come again. Any thread. */
bool record_witness_asks(struct record *r, struct span who, uint64_t size);
bool record_witness_says(struct record *r, struct span who, struct span line);

/* What is to be said to whom: an add-checkpoint body. False: nothing. Any thread. */
struct record_answer {
	char who[RECORD_WITNESS_MAX + 1];
	size_t n;
	uint8_t body[WITNESS_BODY_MAX];
};
bool record_witness_answer(struct record *r, struct record_answer *out);

/* Cheap, any thread. Silence counts from the last good cosignature, or from when the record was opened. */
struct record_witnesses {
	unsigned listed;             /* whose cosignatures count; 0: no silence is anybody's */
	int64_t silent_us;
	uint64_t size;               /* of the largest cosigned since it was opened; 0: none */
	unsigned quorum;             /* how many are to vouch; more than are listed: it is never reached */
	uint64_t quorum_size;        /* the largest that so many vouched for since it was opened; 0: none */
	int64_t quorum_silent_us;    /* since that last grew, or was the newest they were given */
	enum err trouble;            /* of reading the list, in `line`; the one before stays in force */
	unsigned line;
};
struct record_witnesses record_witnesses(const struct record *r);

/* One of the listed, `i` from 0 in the list's order; false: there are no more. Its silence counts from its last good
 * cosignature, or from when it was listed here first. Any thread. */
struct record_witness {
	char name[ORIGIN_BYTES_MAX + 1];
	int64_t silent_us;
};
bool record_witness(struct record *r, unsigned i, struct record_witness *out);

/* How it is, in numbers. Any thread; no lock. */
struct record_health {
	enum record_state state;
	bool stuck, full;            /* the writer is silent for 2 s with work waiting; the ring has room for the life-critical only */
	uint64_t entries, signed_entries;   /* committed; under the newest checkpoint */
	uint64_t gaps, lost;         /* GAP entries, and what they stand for, since it was opened */
	size_t queue_bytes, queue_room;
	size_t free_bytes, room_bytes;      /* of the disk set aside, as of the last commit */
	int64_t checkpoint_age_us;   /* since the newest was signed, or since it was opened */
};
void record_health(const struct record *r, struct record_health *out);

#endif
