#include "reads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "cur.h"
#include "disk.h"
#include "file.h"
#include "vault.h"

#define PATH_MAX_BYTES 4096
#define EVERY_US (1 * 1000000LL)
#define SEALED_MAX (READS_NOTE_MAX + VAULT_EXTRA)

struct reads {
	char path[PATH_MAX_BYTES], taken[PATH_MAX_BYTES];
	struct vault vault;
	bool stuck;                     /* what was taken cannot be removed */
	int64_t looked_us;              /* monotonic */
	int fd;                         /* of what was taken; -1: nothing is left of it */
	off_t at, done, size;           /* how far it was peeked at, and how far that is on record */
	uint8_t text[READS_NOTE_MAX];
};

static bool path_of(const char *record, const char *more, char out[PATH_MAX_BYTES])
{
	size_t n = strlen(record), keep = n > 4 && strcmp(record + n - 4, ".mdb") == 0 ? n - 4 : n;

	return snprintf(out, PATH_MAX_BYTES, "%.*s.reads%s", (int)keep, record, more) < PATH_MAX_BYTES;
}

/* ---- one note -------------------------------------------------------------------------------------------------------- */

static void put_text(struct put *b, struct span s, size_t most)
{
	if (s.n > most)
		s.n = most;
	put_u16(b, (uint16_t)s.n);
	put_bytes(b, s);
}

void read_note_write(const struct read_note *n, struct put *out)
{
	put_u64(out, (uint64_t)n->at_us);
	put_text(out, n->who, READS_WHO_MAX);
	put_text(out, n->as, READS_WHO_MAX);
	put_text(out, n->what, READS_WHAT_MAX);
	put_text(out, n->patient, READS_PATIENT_MAX);
	if (n->topic.n)
		put_text(out, n->topic, READS_TOPIC_MAX);
}

static struct span take_text(struct cur *c, size_t most)
{
	struct span s = cur_take(c, cur_u16(c));

	c->bad = c->bad || s.n > most;
	return s;
}

enum err read_note_read(struct span raw, struct read_note *out)
{
	struct cur c = cur(raw);
	struct read_note n = { .at_us = (int64_t)cur_u64(&c) };

	n.who = take_text(&c, READS_WHO_MAX);
	n.as = take_text(&c, READS_WHO_MAX);
	n.what = take_text(&c, READS_WHAT_MAX);
	n.patient = take_text(&c, READS_PATIENT_MAX);
	if (c.left.n) {
		n.topic = take_text(&c, READS_TOPIC_MAX);
		c.bad = c.bad || !n.topic.n;
	}
	TRY(cur_end(&c));
	if (n.at_us < 0 || !n.who.n || !n.what.n)
		return ERR_RANGE;
	*out = n;
	return OK;
}

/* ---- who reads ------------------------------------------------------------------------------------------------------- */

static enum err err_of(int why) { return why == EROFS ? ERR_CLOSED : file_err(why); }

/* The writer may have moved it away between opening and locking: then it is another file that is meant. */
static enum err open_locked(const char *path, int *out)
{
	struct stat mine, there;

	for (;;) {
		CLEANUP(fd_cleanup) int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return err_of(errno);
		if (flock(fd, LOCK_EX) != 0 || fstat(fd, &mine) != 0)
			return ERR_IO;
		if (stat(path, &there) != 0 || there.st_ino != mine.st_ino || there.st_dev != mine.st_dev)
			continue;
		*out = fd;
		fd = -1;
		return OK;
	}
}

/* Whose the record is must be able to take it: one that we made and cannot give away is in the way of others'. */
static enum err give_to_owner(int fd, const char *path, const char *record)
{
	struct stat file, owner;

	if (fstat(fd, &file) != 0 || stat(record, &owner) != 0)
		return ERR_IO;
	if (file.st_uid == owner.st_uid || fchown(fd, owner.st_uid, owner.st_gid) == 0)
		return OK;
	if (file.st_size == 0)
		(void)unlink(path);
	return ERR_DENIED;
}

/* Whole or not at all: what a full disk took half of is cut off again. */
static enum err append(int fd, struct span s)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0)
		return ERR_IO;
	n = write(fd, s.p, s.n);
	if (n == (ssize_t)s.n && fsync(fd) == 0)
		return OK;
	n = ftruncate(fd, st.st_size);
	return n == 0 ? ERR_FULL : ERR_IO;
}

enum err reads_put(const char *record, const uint8_t root[AEAD_KEY_BYTES], const struct read_note *n)
{
	CLEANUP(fd_cleanup) int fd = -1;
	uint8_t text[READS_NOTE_MAX], sealed[SEALED_MAX], raw[4 + SEALED_MAX];
	struct put note = put(text, sizeof(text)), frame = put(raw, sizeof(raw));
	char path[PATH_MAX_BYTES];
	struct vault vault;
	enum err e;

	if (!path_of(record, "", path))
		return ERR_TOO_LARGE;
	read_note_write(n, &note);
	TRY(put_end(&note));
	vault_init(&vault, root, "record reads");
	e = vault_seal(&vault, SPAN_LIT(""), put_span(&note), sealed);
	vault_clear(&vault);
	TRY(e);
	put_u32(&frame, (uint32_t)(note.n + VAULT_EXTRA));
	put_bytes(&frame, span(sealed, note.n + VAULT_EXTRA));
	TRY(put_end(&frame));
	TRY(open_locked(path, &fd));
	TRY(give_to_owner(fd, path, record));
	TRY(append(fd, put_span(&frame)));
	return disk_flush_folder(path);
}

/* ---- the writer ------------------------------------------------------------------------------------------------------ */

enum err reads_open(const char *record, const uint8_t root[AEAD_KEY_BYTES], struct reads **out)
{
	CLEANUP(reads_close) struct reads *r = calloc(1, sizeof(*r));

	if (!r)
		return ERR_FULL;
	r->fd = -1;
	if (!path_of(record, "", r->path) || !path_of(record, "-taken", r->taken))
		return ERR_TOO_LARGE;
	vault_init(&r->vault, root, "record reads");
	*out = r;
	r = NULL;
	return OK;
}

void reads_close(struct reads **r)
{
	if (*r) {
		fd_cleanup(&(*r)->fd);
		vault_clear(&(*r)->vault);
	}
	free(*r);
	*r = NULL;
}

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Whoever writes there holds the lock, and looks again after they got it. */
static bool take(struct reads *r)
{
	CLEANUP(fd_cleanup) int fd = open(r->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && is_file(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 && rename(r->path, r->taken) == 0;
}

/* What cannot be removed would be told again and again: once more when the next process starts is enough. */
static void drop(struct reads *r)
{
	r->stuck = unlink(r->taken) != 0;
	fd_cleanup(&r->fd);
	r->fd = -1;
}

/* What an earlier process took and did not finish comes first; some of it may be on record already, and then is twice. */
static bool look(struct reads *r)
{
	struct stat st;

	if (access(r->taken, F_OK) != 0 && !take(r))
		return false;
	r->fd = open(r->taken, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0 || !is_file(r->fd) || fstat(r->fd, &st) != 0) {
		fd_cleanup(&r->fd);
		r->fd = -1;
		return false;
	}
	r->at = r->done = 0;
	r->size = st.st_size;
	if (r->size == 0)
		drop(r);
	return r->fd >= 0;
}

bool reads_due(struct reads *r)
{
	int64_t now = clock_us(CLOCK_MONOTONIC);

	if (r->fd >= 0)
		return true;
	if (r->stuck || (r->looked_us && now - r->looked_us < EVERY_US))
		return false;
	r->looked_us = now;
	return look(r);
}

/* What cannot be read ends it: where the next one begins, only its length would tell. */
static enum err next(struct reads *r, struct read_note *out)
{
	uint8_t head[4], sealed[SEALED_MAX];
	struct cur c = cur(span(head, sizeof(head)));
	uint32_t n;

	TRY(disk_read(r->fd, head, sizeof(head), r->at));
	n = cur_u32(&c);
	if (n <= VAULT_EXTRA || n > sizeof(sealed))
		return ERR_CORRUPT;
	TRY(disk_read(r->fd, sealed, n, r->at + 4));
	TRY(vault_open(&r->vault, SPAN_LIT(""), span(sealed, n), r->text));
	TRY(read_note_read(span(r->text, n - VAULT_EXTRA), out));
	r->at += 4 + (off_t)n;
	return OK;
}

bool reads_peek(struct reads *r, struct happening *out)
{
	struct read_note n;

	if (r->fd < 0 || r->at >= r->size)
		return false;
	if (next(r, &n) == OK) {
		*out = (struct happening){ .type = PULLCORD__V1__AUDIT_TYPE__AUDIT_READ, .at_us = n.at_us, .actor = n.who, .client = n.as,
					   .outcome = PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED, .detail = n.what, .patient = n.patient, .topic = n.topic };
		return true;
	}
	r->at = r->size;
	*out = (struct happening){ .type = PULLCORD__V1__AUDIT_TYPE__AUDIT_READ, .at_us = clock_us(CLOCK_REALTIME),
				   .outcome = PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED,
				   .detail = SPAN_LIT("what a reader of the record left about it could not be read") };
	return true;
}

void reads_advance(struct reads *r)
{
	r->done = r->at;
	if (r->fd >= 0 && r->done >= r->size)
		drop(r);
}

void reads_rewind(struct reads *r)
{
	r->at = r->done;
}
