/* inside: what the record's own files share: record.c, which writes it, resume.c, which opens it, signing.c, and state.c, which
 * says how it is. Nobody else looks inside. */
#ifndef PULLCORD_INSIDE_H
#define PULLCORD_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "audited.h"
#include "cosigners.h"
#include "pens.h"
#include "reads.h"
#include "record.h"
#include "ring.h"
#include "sizes.h"
#include "turns.h"
#include "years.h"

/* What the writer knows beside the tree, and takes back when a batch fails. */
struct progress {
	struct pens pens;
	struct years years;
	bool has_clock;
	int64_t clock_us;                   /* wall clock minus monotonic clock, as last told */
	uint64_t gaps;                      /* told since the start */
};

/* One act, and what came of it. */
struct segment_asked {
	const struct segment_act *act;
	enum { SEGMENT_HOLD, SEGMENT_RELEASE, SEGMENT_ERASE } what;
	bool done;
	enum err came;
};

struct record {
	char origin[ORIGIN_BYTES_MAX + 1];
	uint8_t secret[SIGN_KEY_BYTES], pub[SIGN_KEY_BYTES];
	struct vault vault;
	struct seal seal;
	struct trail *trail;
	struct sizes *sizes;                /* NULL: none is kept */
	char path[512];
	const char *found;                  /* at opening: why it is ERR_CORRUPT */
	bool failed;                        /* the disk is: no file of ours is written any more */
	struct ring *ring;
	struct spill *spill;                /* NULL: none */
	struct cosigners *cosigners;
	struct reads *reads;                /* who read the record */

	/* The broker's thread. */
	struct gap gap;

	/* The writer. */
	pthread_t thread;
	bool running;
	struct ink ink;
	uint16_t keep[RECORD_CLASSES];
	struct fold *fold;
	enum record_class folded;           /* of what is in it */
	struct segment_asked *erasing;              /* who waits until the segment is taken out; NULL: nobody */
	bool stripping;                     /* something may be left to be taken out */
	struct progress done;
	size_t batch_bytes;                 /* of the ring to one batch */
	uint64_t listed_size, signed_size;  /* newest in the sizes file, in the store */
	int64_t signed_us, sign_every_us;
	bool act;                           /* not yet signed: one of those that are to be at once */
	struct turns turns;

	/* Between them. */
	atomic_bool stop, turn, ended, urgent;
	struct places *_Atomic places;      /* given by the one, not yet taken by the other; NULL: none are */
	pthread_mutex_t act_lock;           /* guards what is asked of the writer */
	pthread_cond_t acted;
	struct segment_asked *asked;                /* NULL: nothing; its owner waits */
	_Atomic uint64_t durable, lost, gaps, signed_upto;
	_Atomic int64_t signed_at_us;
	_Atomic size_t free_bytes, room_bytes;
	_Atomic uint64_t aside_after;       /* ticket of what the ring had when the first was set aside */
	_Atomic int64_t alive_us;           /* when the writer last had nothing left to do, or committed */
	_Atomic int trouble, disk;
	atomic_bool lined;
	pthread_mutex_t note_lock;          /* guards what follows; held for a copy only */
	uint64_t note_size;
	size_t note_n;
	char note[NOTE_BYTES_MAX];
};

/* Opens the store and what lies beside it, for writing, and looks whether what is there is of these keys and goes on what was
 * signed: from there the writer may. A new one is given its first entry and signed. As record_open(); on ERR_CORRUPT r->found may
 * say why. */
enum err record_resume(struct record *r, const struct record_spec *spec) MUST_USE;

#endif
