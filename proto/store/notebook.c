#include "notebook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "vault.h"

#define NAME_MAX_HERE 32        /* of a file in it */

struct notebook {
	int folder;                     /* also what the lock is on */
	char vkey[ORIGIN_BYTES_MAX + 64];
	char origin[ORIGIN_BYTES_MAX + 1];
	struct cosigner log;            /* its name is origin */
	struct cosigner self;           /* its name is in vkey */
	uint8_t secret[SIGN_KEY_BYTES];
	char note_name[NAME_MAX_HERE], new_name[NAME_MAX_HERE], had_name[NAME_MAX_HERE], got_name[NAME_MAX_HERE],
		told_name[NAME_MAX_HERE];
	struct witnessed last;
	bool stopped, unkept;           /* it has, and of why there is nothing on the disk */
	size_t note_n;
	char note[NOTE_BYTES_MAX + 1];
};

/* ---- files ---- */

/* There as a whole, for good, or not at all. */
static enum err keep(const struct notebook *n, const char *name, struct span s)
{
	CLEANUP(fd_cleanup) int fd = openat(n->folder, n->new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || file_write(fd, s) != OK || fsync(fd) != 0 || renameat(n->folder, n->new_name, n->folder, name) != 0 ||
	    fsync(n->folder) != 0)
		return file_err(errno);
	return OK;
}

static enum err bring(const struct notebook *n, const char *name, char *out, size_t cap, size_t *len)
{
	CLEANUP(fd_cleanup) int fd = openat(n->folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (fd < 0)
		return file_err(errno);
	for (*len = 0; *len < cap && (got = read(fd, out + *len, cap - *len)) > 0;)
		*len += (size_t)got;
	if (got < 0)
		return ERR_IO;
	return *len == cap ? ERR_TOO_LARGE : OK;
}

static bool is_there(const struct notebook *n, const char *name)
{
	return faccessat(n->folder, name, F_OK, 0) == 0 || errno != ENOENT;
}

/* ---- opening ---- */

static enum err open_folder(struct notebook *n, const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return file_err(errno);
	n->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (n->folder < 0 || fstat(n->folder, &st) != 0)
		return file_err(errno);
	if (st.st_mode & 077)
		return ERR_DENIED;
	return flock(n->folder, LOCK_EX | LOCK_NB) == 0 ? OK : ERR_BUSY;
}

static enum err open_key(struct notebook *n, const char *path)
{
	char key[4096];
	enum err e;

	if (snprintf(key, sizeof(key), "%s/key", path) >= (int)sizeof(key))
		return ERR_TOO_LARGE;
	e = vault_root(key, n->secret);
	if (e == ERR_NOT_FOUND) {
		TRY(vault_make_root(key));
		e = vault_root(key, n->secret);
	}
	TRY(e);
	return sign_public(n->secret, n->self.pub);
}

/* The name is for good: cosignatures bear it. */
static enum err open_name(struct notebook *n, struct span name)
{
	struct cosigner kept;
	struct span rest;
	size_t len;
	enum err e = bring(n, "vkey", n->vkey, sizeof(n->vkey) - 1, &len);

	if (e == ERR_NOT_FOUND && name.n) {
		TRY(cosigner_write(name, n->self.pub, n->vkey, sizeof(n->vkey) - 1));
		len = strlen(n->vkey);
		n->vkey[len++] = '\n';
		e = keep(n, "vkey", span(n->vkey, len));
	}
	TRY(e);
	TRY(cosigner_read(span_cut(span(n->vkey, len), '\n', &rest), &kept));
	if (memcmp(kept.pub, n->self.pub, sizeof(kept.pub)) != 0)
		return ERR_KEY;
	if (name.n && !span_eq(name, kept.name))
		return ERR_EXISTS;
	n->vkey[strcspn(n->vkey, "\n")] = '\0';
	n->self.name = kept.name;
	return OK;
}

static enum err open_note(struct notebook *n)
{
	struct checkpoint c;
	enum err e = bring(n, n->note_name, n->note, sizeof(n->note), &n->note_n);

	if (e == ERR_NOT_FOUND) {
		n->note_n = 0;
		n->last = (struct witnessed){ 0 };
		return OK;
	}
	TRY(e);
	if (note_open(span(n->note, n->note_n), n->log.name, n->log.pub, &c) != OK)
		return ERR_CORRUPT;
	n->last = (struct witnessed){ c.size, c.root };
	return OK;
}

static enum err open_log(struct notebook *n, const struct cosigner *log)
{
	char vkey[ORIGIN_BYTES_MAX + 64];
	struct span rest = span(NULL, 0), id;

	if (!span_text(log->name, n->origin, sizeof(n->origin)))
		return ERR_TOO_LARGE;
	n->log = *log;
	n->log.name = span_str(n->origin);
	TRY(vkey_write(n->log.name, n->log.pub, vkey, sizeof(vkey)));
	(void)span_cut(span_str(vkey), '+', &rest);
	id = span_cut(rest, '+', &rest);
	snprintf(n->note_name, sizeof(n->note_name), "note.%.*s", SPAN_FMT(id));
	snprintf(n->new_name, sizeof(n->new_name), "new.%.*s", SPAN_FMT(id));
	snprintf(n->had_name, sizeof(n->had_name), "evidence.%.*s.had", SPAN_FMT(id));
	snprintf(n->got_name, sizeof(n->got_name), "evidence.%.*s.got", SPAN_FMT(id));
	snprintf(n->told_name, sizeof(n->told_name), "evidence.%.*s.told", SPAN_FMT(id));
	return OK;
}

static bool has_evidence(const struct notebook *n)
{
	return is_there(n, n->had_name) || is_there(n, n->got_name) || is_there(n, n->told_name);
}

enum err notebook_open(const struct notebook_spec *spec, struct notebook **out)
{
	CLEANUP(notebook_close) struct notebook *n = calloc(1, sizeof(*n));

	if (!n)
		return ERR_FULL;
	n->folder = -1;
	TRY(open_log(n, &spec->log));
	TRY(open_folder(n, spec->folder));
	TRY(open_key(n, spec->folder));
	TRY(open_name(n, spec->name));
	TRY(open_note(n));
	n->stopped = has_evidence(n);
	*out = n;
	n = NULL;
	return OK;
}

void notebook_close(struct notebook **n)
{
	if (*n) {
		fd_cleanup(&(*n)->folder);
		crypt_wipe((*n)->secret, sizeof((*n)->secret));
	}
	free(*n);
	*n = NULL;
}

const char *notebook_vkey(const struct notebook *n) { return n->vkey; }
uint64_t notebook_size(const struct notebook *n) { return n->last.size; }
bool notebook_stopped(const struct notebook *n) { return n->stopped; }
bool notebook_told(const struct notebook *n) { return n->stopped && is_there(n, n->told_name); }

enum err notebook_reread(struct notebook *n, const struct cosigner *log)
{
	CLEANUP(free_cleanup) struct notebook *was = malloc(sizeof(*was));
	bool same = span_eq(log->name, n->log.name) && memcmp(log->pub, n->log.pub, sizeof(log->pub)) == 0;
	enum err e;

	if (!was)
		return ERR_FULL;
	*was = *n;
	e = open_log(n, log);
	if (e == OK)
		e = open_note(n);
	if (e == OK) {
		n->unkept = n->unkept && same;
		n->stopped = n->unkept || has_evidence(n);
	} else {
		*n = *was;
	}
	crypt_wipe(was->secret, sizeof(was->secret));
	return e;
}

/* ---- witnessing ---- */

/* It stops also when the disk takes no evidence, and then for as long as it runs: nobody could have seen to it. */
static enum err keep_evidence(struct notebook *n, struct span had, struct span got)
{
	n->stopped = n->unkept = true;
	TRY(keep(n, n->got_name, got));
	n->unkept = false;
	return keep(n, n->had_name, had);
}

static enum err vouch(struct notebook *n, const struct checkpoint *c, struct span note, uint64_t time_s, struct put *line)
{
	if (c->size != n->last.size || n->note_n == 0) {
		TRY(keep(n, n->note_name, note));
		n->last = (struct witnessed){ c->size, c->root };
		memcpy(n->note, note.p, note.n);
		n->note_n = note.n;
	}
	return note_cosign(note, n->self.name, n->secret, time_s, line);
}

enum err notebook_add(struct notebook *n, struct span body, bool newest, uint64_t time_s, struct put *line,
		      enum witness_kind *kind)
{
	struct witness_request r;
	struct checkpoint c;

	if (n->stopped)
		return ERR_CLOSED;
	*kind = WITNESS_MALFORMED;
	if (witness_read(body, &r) != OK)
		return OK;
	*kind = witness_judge(&n->last, &n->log, &r, newest, &c);
	if (witness_contradicts(*kind, newest))
		return keep_evidence(n, span(n->note, n->note_n), body);
	if (*kind != WITNESS_ACCEPTED)
		return OK;
	return vouch(n, &c, r.note, time_s, line);
}

/* ---- among witnesses ---- */

void notebook_gossip(const struct notebook *n, const struct witnesses *peers, struct gossip *out)
{
	gossip_init(out, peers, &n->log, n->self.pub);
}

enum err notebook_tell(const struct notebook *n, struct span line, struct put *out)
{
	return n->note_n ? gossip_write(span(n->note, n->note_n), &n->log, line, out) : ERR_NOT_FOUND;
}

/* A peer's tree of the size of ours: an add-checkpoint body needs no proof then. */
enum err notebook_compare(struct notebook *n, struct gossip *g, int64_t now_ms, enum witness_kind *kind)
{
	const struct gossip_peer *p;
	struct witness_request r = { .old = n->last.size };
	uint8_t body[GOSSIP_NOTE_MAX + 64];
	struct put got = put(body, sizeof(body));

	if (n->stopped)
		return ERR_CLOSED;
	*kind = WITNESS_ACCEPTED;
	p = gossip_compare(g, &n->last, now_ms);
	if (!p)
		return OK;
	*kind = WITNESS_FORK;
	r.note = span(p->note, p->note_n);
	must(witness_write(&r, &got) == OK);
	return keep_evidence(n, span(n->note, n->note_n), put_span(&got));
}

static enum err hear_evidence(struct notebook *n, struct gossip *g, struct span message, int64_t now_ms, enum witness_kind *kind)
{
	struct gossip_evidence e;

	*kind = gossip_hear_evidence(g, message, &e);
	if (*kind != WITNESS_FORK)
		return notebook_compare(n, g, now_ms, kind);
	n->stopped = n->unkept = true;
	TRY(keep(n, n->told_name, message));
	return keep_evidence(n, e.had, e.got);
}

enum err notebook_hear(struct notebook *n, struct gossip *g, struct span note, uint64_t time_s, int64_t now_ms,
		       enum witness_kind *kind)
{
	*kind = WITNESS_ACCEPTED;
	if (n->stopped)
		return ERR_CLOSED;
	if (gossip_is_evidence(note))
		return hear_evidence(n, g, note, now_ms, kind);
	return gossip_hear(g, note, time_s) == GOSSIP_NEWS ? notebook_compare(n, g, now_ms, kind) : OK;
}

enum err notebook_show(const struct notebook *n, struct put *out)
{
	char had[NOTE_BYTES_MAX + 1];
	CLEANUP(free_cleanup) char *got = malloc(WITNESS_BODY_MAX + 1);
	size_t had_n, got_n;

	if (!n->stopped || notebook_told(n))
		return ERR_NOT_FOUND;
	if (!got)
		return ERR_FULL;
	TRY(bring(n, n->had_name, had, sizeof(had), &had_n));
	TRY(bring(n, n->got_name, got, WITNESS_BODY_MAX + 1, &got_n));
	return gossip_write_evidence(span(had, had_n), span(got, got_n), &n->log, n->self.name, n->secret, out);
}

uint64_t notebook_wants(const struct notebook *n, const struct gossip *g) { return n->stopped ? 0 : gossip_wants(g, &n->last); }

enum err notebook_prove(struct notebook *n, struct gossip *g, struct span body, int64_t now_ms, enum witness_kind *kind)
{
	const struct gossip_peer *against;

	if (n->stopped)
		return ERR_CLOSED;
	*kind = gossip_prove(g, &n->last, body, now_ms, &against);
	if (!witness_contradicts(*kind, true))
		return OK;
	return keep_evidence(n, against ? span(against->note, against->note_n) : span(n->note, n->note_n), body);
}
