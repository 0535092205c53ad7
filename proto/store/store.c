#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages.h"
#include "whole.h"

_Static_assert(MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9, "pages.c knows what LMDB 0.9 writes");

struct store {
	MDB_env *env;           /* NULL: it could not be opened anew yet */
	pthread_rwlock_t lock;  /* over it: alone for who opens it anew */
	char *path;
	size_t bytes;
	unsigned flags;
	atomic_size_t unsure;   /* number of the commit that failed last, and none succeeded since; 0: none */
	dev_t dev;
	ino_t ino;
	struct store *next;     /* of all that are open */
	const char *name[STORE_TABLES_MAX];
	MDB_dbi table[STORE_TABLES_MAX];
	unsigned tables;
	bool read_only, more;
	atomic_uint views;      /* open transactions */
};

struct txn {
	MDB_txn *mdb;
	struct store *store;
	bool read_only;
	/* Of one that reads: what lies near the key before is found without descending. Of one that writes: the same for what
	 * is appended. */
	MDB_cursor *at[STORE_TABLES_MAX];
	uint64_t last[STORE_TABLES_MAX];        /* key that was read, if it was a number: often the next one follows */
};

/* LMDB 0.9.24 reports a full disk as EIO. */
static enum err err_of(int rc)
{
	static const struct { int rc; enum err err; } row[] = {
		{ MDB_SUCCESS, OK },
		{ MDB_NOTFOUND, ERR_NOT_FOUND },
		{ MDB_KEYEXIST, ERR_EXISTS },
		{ MDB_MAP_FULL, ERR_FULL },
		{ MDB_TXN_FULL, ERR_FULL },
		{ ENOSPC, ERR_FULL },
		{ EDQUOT, ERR_FULL },
		{ MDB_READERS_FULL, ERR_BUSY },
		{ EBUSY, ERR_BUSY },
		{ EAGAIN, ERR_BUSY },
		{ ENOENT, ERR_NOT_FOUND },
		{ EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED },
		{ EROFS, ERR_DENIED },
		{ MDB_CORRUPTED, ERR_CORRUPT },
		{ MDB_PAGE_NOTFOUND, ERR_CORRUPT },
		{ MDB_INVALID, ERR_CORRUPT },
		{ MDB_INCOMPATIBLE, ERR_CORRUPT },
		{ MDB_VERSION_MISMATCH, ERR_VERSION },
		{ MDB_BAD_VALSIZE, ERR_TOO_LARGE },
	};

	for (size_t i = 0; i < countof(row); i++)
		if (row[i].rc == rc)
			return row[i].err;
	return ERR_IO;
}

static MDB_val val(struct span s)
{
	return (MDB_val){ s.n, (void *)(uintptr_t)s.p };
}

static struct span unval(const MDB_val *v)
{
	return span(v->mv_data, v->mv_size);
}

/* LMDB keeps its readers' table beside the file; `reserve` gives the file its blocks before they are needed. */
static enum err reserve(const char *path, size_t bytes)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_of(errno);
	if ((size_t)st.st_size >= bytes && (size_t)st.st_blocks * 512 >= bytes)   /* a copy may have holes */
		return OK;
	if (st.st_size == 0)   /* LMDB takes a file of zeros for damaged: let it write its first pages itself */
		return OK;
	rc = posix_fallocate(fd, 0, (off_t)bytes);
	return err_of(rc);
}

/* Table "meta" of every store: what it is. */
static enum err check_kind(MDB_txn *t, MDB_dbi meta, const struct store_spec *spec)
{
	MDB_val key = { 4, (void *)(uintptr_t) "kind" }, have;
	char want[64], text[64];
	uint64_t version;
	int n = snprintf(want, sizeof(want), "%s %u", spec->kind, spec->version), rc = mdb_get(t, meta, &key, &have);
	struct span number;

	must(n > 0 && (size_t)n < sizeof(want));
	if (rc == MDB_NOTFOUND && !spec->read_only) {
		have = (MDB_val){ (size_t)n, want };
		return err_of(mdb_put(t, meta, &key, &have, 0));
	}
	if (rc != 0)
		return rc == MDB_NOTFOUND ? ERR_CORRUPT : err_of(rc);
	if (!span_text(unval(&have), text, sizeof(text)) ||
	    !span_is(span_cut(span_str(text), ' ', &number), spec->kind) || !span_u64(number, UINT32_MAX, &version))
		return ERR_CORRUPT;
	if (version > spec->version || version < spec->oldest)
		return ERR_VERSION;
	if (version == spec->version || spec->read_only)
		return OK;
	have = (MDB_val){ (size_t)n, want };   /* who knows only the older is not to take what is written now for it */
	return err_of(mdb_put(t, meta, &key, &have, 0));
}

/* Each is an entry of LMDB's own. */
static size_t count_tables(MDB_txn *t)
{
	MDB_dbi all;
	MDB_stat st;

	return mdb_dbi_open(t, NULL, 0, &all) == 0 && mdb_stat(t, all, &st) == 0 ? st.ms_entries : SIZE_MAX;
}

static enum err open_tables(struct store *s, const struct store_spec *spec)
{
	unsigned flags = spec->read_only ? 0 : MDB_CREATE;
	MDB_txn *t;
	MDB_dbi meta;
	enum err e;
	int rc;

	TRY(err_of(mdb_txn_begin(s->env, NULL, spec->read_only ? MDB_RDONLY : 0, &t)));
	rc = mdb_dbi_open(t, "meta", flags, &meta);
	e = rc ? (rc == MDB_NOTFOUND ? ERR_CORRUPT : err_of(rc)) : check_kind(t, meta, spec);
	for (; e == OK && spec->table[s->tables]; s->tables++) {
		must(s->tables < STORE_TABLES_MAX);
		s->name[s->tables] = spec->table[s->tables];
		e = err_of(mdb_dbi_open(t, spec->table[s->tables], flags, &s->table[s->tables]));
		if (e == ERR_NOT_FOUND)
			e = ERR_CORRUPT;
	}
	s->more = e == OK && count_tables(t) > s->tables + 1;
	if (e != OK) {
		mdb_txn_abort(t);
		return e;
	}
	return err_of(mdb_txn_commit(t));
}

/* LMDB's locks are the process's: closing one of two environments on a file would drop those of the other. */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store *all;

static enum err claim(struct store *s, const struct stat *st)
{
	enum err e = OK;

	pthread_mutex_lock(&all_lock);
	for (const struct store *other = all; other; other = other->next)
		if (other->dev == st->st_dev && other->ino == st->st_ino)
			e = ERR_BUSY;
	if (e == OK) {
		s->dev = st->st_dev;
		s->ino = st->st_ino;
		s->next = all;
		all = s;
	}
	pthread_mutex_unlock(&all_lock);
	return e;
}

static void unclaim(const struct store *s)
{
	pthread_mutex_lock(&all_lock);
	for (struct store **at = &all; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	pthread_mutex_unlock(&all_lock);
}

static enum err open_env(struct store *s)
{
	int rc;

	TRY(err_of(mdb_env_create(&s->env)));
	TRY(err_of(mdb_env_set_mapsize(s->env, s->bytes)));
	TRY(err_of(mdb_env_set_maxdbs(s->env, STORE_TABLES_MAX + 1)));
	rc = mdb_env_open(s->env, s->path, s->flags, 0600);
	if (rc && s->read_only && (rc == EACCES || rc == EROFS))   /* a read-only folder has no room for locks */
		rc = mdb_env_open(s->env, s->path, s->flags | MDB_NOLOCK, 0600);
	return err_of(rc);
}

static struct store *store_make(const char *path, bool read_only)
{
	CLEANUP(free_cleanup) struct store *s = calloc(1, sizeof(*s));
	struct store *made = s;

	if (!s || !(s->path = strdup(path)))
		return NULL;
	must(pthread_rwlock_init(&s->lock, NULL) == 0);
	s->read_only = read_only;
	s->flags = MDB_NOSUBDIR | MDB_NOTLS | (read_only ? MDB_RDONLY : 0);
	s = NULL;
	return made;
}

enum err store_open(const char *path, const struct store_spec *spec, struct store **out)
{
	CLEANUP(store_close) struct store *s = store_make(path, spec->read_only);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (spec->map_bytes + page - 1) / page * page;
	struct stat st;

	if (!s)
		return ERR_FULL;
	if (!spec->read_only)
		TRY(reserve(path, bytes));
	if (stat(path, &st) != 0)
		return err_of(errno);
	if ((size_t)st.st_size > bytes)   /* somebody gave it more room: two maps of one file must not differ */
		bytes = (size_t)st.st_size / page * page;
	TRY(claim(s, &st));
	s->bytes = bytes;
	TRY(open_env(s));
	TRY(open_tables(s, spec));
	if (!spec->read_only) {
		TRY(reserve(path, bytes));
		TRY(whole_flush(path));                 /* that it is there, too: its commits flush only what is in it */
		(void)mdb_reader_check(s->env, NULL);   /* who was killed while reading still holds pages */
	}
	*out = s;
	s = NULL;
	return OK;
}

void store_close(struct store **s)
{
	if (*s) {
		if ((*s)->env)
			mdb_env_close((*s)->env);
		unclaim(*s);
		pthread_rwlock_destroy(&(*s)->lock);
		free((*s)->path);
	}
	free_cleanup(s);
}

/* Pages LMDB has given back wait in its table 0, each value a count and that many page numbers. */
enum err store_room(struct store *s, struct store_room *out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	MDB_envinfo info;
	MDB_stat st;
	MDB_cursor *c;
	MDB_val k, v;
	size_t freed = 0, last = 0;
	int rc;

	TRY(txn_begin_read(s, &t));
	rc = mdb_cursor_open(t->mdb, 0, &c);
	if (rc == 0) {
		while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
			size_t n, by;

			memcpy(&n, v.mv_data, sizeof(n));
			memcpy(&by, k.mv_data, sizeof(by));
			freed += n;
			last += by < mdb_txn_id(t->mdb) ? 0 : n;
		}
		mdb_cursor_close(c);
	}
	if (rc != MDB_NOTFOUND)
		return err_of(rc);
	TRY(err_of(mdb_env_info(s->env, &info)));
	TRY(err_of(mdb_env_stat(s->env, &st)));
	out->page_bytes = st.ms_psize;
	out->all = info.me_mapsize / st.ms_psize;
	out->free = out->all - (info.me_last_pgno + 1) + freed;
	out->next = out->free - last;
	return OK;
}

bool store_has_more(const struct store *s) { return s->more; }

bool store_tight(struct store *s)
{
	struct store_room r;

	return store_room(s, &r) != OK || r.free <= store_room_reserve(&r);
}

/* Damage ends whoever trusts it by one of these. Any other signal is of somebody who wanted the memory, or the end. */
static const int deadly[] = { SIGBUS, SIGSEGV, SIGABRT, SIGFPE, SIGILL };

void store_probe_begin(void)
{
	for (size_t i = 0; i < countof(deadly); i++)
		signal(deadly[i], SIG_DFL);   /* whoever catches them elsewhere does not mean these */
}

enum err store_probed(int status)
{
	if (WIFEXITED(status))
		return (enum err)WEXITSTATUS(status);
	for (size_t i = 0; i < countof(deadly); i++)
		if (WIFSIGNALED(status) && WTERMSIG(status) == deadly[i])
			return ERR_CORRUPT;
	return ERR_IO;
}

#define ASKED_MOST 100                  /* nobody commits as often: it is damaged */

/* Of the whole file, as of a moment: who writes to it meanwhile is asked again. */
static enum err check_pages(MDB_env *env)
{
	struct pages p = { 0 };
	MDB_stat stat;
	struct stat st;
	enum err e = ERR_BUSY;
	MDB_txn *t;
	int fd;

	TRY(err_of(mdb_env_get_fd(env, &fd)));
	TRY(err_of(mdb_env_stat(env, &stat)));
	if (fstat(fd, &st) != 0)
		return err_of(errno);
	p.page = stat.ms_psize;
	p.bytes = (size_t)st.st_size;
	p.map = mmap(NULL, p.bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (p.map == MAP_FAILED)
		return err_of(errno);
	for (unsigned i = 0; i < ASKED_MOST && e == ERR_BUSY; i++) {
		TRY(err_of(mdb_txn_begin(env, NULL, MDB_RDONLY, &t)));
		e = pages_check(&p, mdb_txn_id(t));
		mdb_txn_abort(t);
	}
	return e == ERR_BUSY ? ERR_CORRUPT : e;
}

static _Noreturn void check_in_child(const char *path, size_t bytes)
{
	const unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY;
	MDB_env *env;
	int rc = mdb_env_create(&env);

	store_probe_begin();
	if (rc == 0)
		rc = mdb_env_set_mapsize(env, bytes);
	if (rc == 0)
		rc = mdb_env_open(env, path, flags, 0600);
	if (rc == EACCES || rc == EROFS)
		rc = mdb_env_open(env, path, flags | MDB_NOLOCK, 0600);
	_exit((int)(rc ? err_of(rc) : check_pages(env)));
}

enum err store_check(const char *path, size_t map_bytes)
{
	struct stat st;
	int status;
	pid_t pid;

	if (stat(path, &st) != 0)
		return errno == ENOENT ? OK : err_of(errno);
	if (st.st_size == 0)
		return OK;
	pid = fork();
	if (pid == 0)
		check_in_child(path, map_bytes > (size_t)st.st_size ? map_bytes : (size_t)st.st_size);
	if (pid < 0)
		return err_of(errno);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_of(errno);
	return store_probed(status);
}

static size_t generation(MDB_env *env)
{
	MDB_envinfo info;

	return env && mdb_env_info(env, &info) == 0 ? info.me_last_txnid : 0;
}

uint64_t store_generation(struct store *s)
{
	uint64_t n;

	pthread_rwlock_rdlock(&s->lock);
	n = generation(s->env);
	pthread_rwlock_unlock(&s->lock);
	return n;
}

uint64_t txn_generation(const struct txn *t)
{
	return mdb_txn_id(t->mdb);
}

/* The writer gave the file more room. LMDB maps it anew when it is told, which must not be while anything is read. */
static int begin_in_grown(struct store *s, MDB_txn **out)
{
	int rc = s->read_only && atomic_load(&s->views) == 0 ? mdb_env_set_mapsize(s->env, 0) : MDB_MAP_RESIZED;

	return rc ? rc : mdb_txn_begin(s->env, NULL, MDB_RDONLY, out);
}

static int begin_in(struct store *s, bool read_only, MDB_txn **out)
{
	int rc = s->env ? mdb_txn_begin(s->env, NULL, read_only ? MDB_RDONLY : 0, out) : MDB_PANIC;

	if (rc == MDB_READERS_FULL && mdb_reader_check(s->env, NULL) == 0)   /* slots of readers that were killed */
		rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, out);
	return rc == MDB_MAP_RESIZED ? begin_in_grown(s, out) : rc;
}

static int begin_viewed(struct store *s, bool read_only, MDB_txn **out)
{
	int rc;

	pthread_rwlock_rdlock(&s->lock);
	rc = begin_in(s, read_only, out);
	atomic_fetch_add(&s->views, rc == 0);
	pthread_rwlock_unlock(&s->lock);
	return rc;
}

/* ---- after a failed commit ---- */

static enum err find_tables(struct store *s)
{
	MDB_txn *t;
	int rc = 0;

	TRY(err_of(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &t)));
	for (unsigned i = 0; i < s->tables && rc == 0; i++)
		rc = mdb_dbi_open(t, s->name[i], 0, &s->table[i]);
	if (rc == 0)
		return err_of(mdb_txn_commit(t));
	mdb_txn_abort(t);
	return err_of(rc);
}

/* What it put back is to be on the disk before anything else: or the power goes, the failed commit is there after all, and what it
 * leads to is written over. */
static enum err leave_env(struct store *s)
{
	size_t unsure = atomic_load(&s->unsure);
	int fd;

	if (unsure && generation(s->env) >= unsure)
		return ERR_IO;
	TRY(err_of(mdb_env_get_fd(s->env, &fd)));
	if (fdatasync(fd) != 0)
		return err_of(errno);
	mdb_env_close(s->env);
	s->env = NULL;
	return OK;
}

static enum err open_anew(struct store *s)
{
	enum err e;

	if (s->env)
		TRY(leave_env(s));
	e = open_env(s);
	if (e == OK)
		e = find_tables(s);
	if (e == OK)
		return OK;
	mdb_env_close(s->env);
	s->env = NULL;
	return e;
}

static bool is_well(struct store *s)
{
	MDB_txn *t;
	int rc = s->env ? mdb_txn_begin(s->env, NULL, MDB_RDONLY, &t) : MDB_PANIC;

	if (rc == 0)
		mdb_txn_abort(t);
	return rc != MDB_PANIC;
}

/* When LMDB cannot write the last page of a commit, where its trees begin, it puts back what was there, in memory, and begins
 * nothing any more: a disk that failed once would have us refuse all until the next start. */
static enum err revive(struct store *s)
{
	enum err e = OK;

	pthread_rwlock_wrlock(&s->lock);
	if (!is_well(s))
		e = atomic_load(&s->views) ? ERR_IO : open_anew(s);
	pthread_rwlock_unlock(&s->lock);
	return e;
}

static enum err begin(struct store *s, bool read_only, struct txn **out)
{
	CLEANUP(free_cleanup) struct txn *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return ERR_FULL;
	must(read_only || !s->read_only);
	t->store = s;
	t->read_only = read_only;
	rc = begin_viewed(s, read_only, &t->mdb);
	if (rc == MDB_PANIC) {
		TRY(revive(s));
		rc = begin_viewed(s, read_only, &t->mdb);
	}
	TRY(err_of(rc));
	*out = t;
	t = NULL;
	return OK;
}

enum err txn_begin_read(struct store *s, struct txn **out) { return begin(s, true, out); }
enum err txn_begin_write(struct store *s, struct txn **out) { return begin(s, false, out); }

/* Cursors of one that reads outlive it unless they are closed. */
static void close_cursors(struct txn *t)
{
	for (unsigned i = 0; i < t->store->tables; i++)
		if (t->at[i])
			mdb_cursor_close(t->at[i]);
}

enum err txn_commit(struct txn **t)
{
	struct store *s = (*t)->store;
	size_t number = mdb_txn_id((*t)->mdb);
	bool read_only = (*t)->read_only;
	int rc;

	close_cursors(*t);
	rc = mdb_txn_commit((*t)->mdb);
	if (!read_only)
		atomic_store(&s->unsure, rc ? number : 0);
	atomic_fetch_sub(&s->views, 1);
	free_cleanup(t);
	if (rc && !read_only)
		(void)!revive(s);       /* by the thread that writes, if it can be: who only looks in is not to wait for a disk */
	return err_of(rc);
}

void txn_abort(struct txn **t)
{
	if (*t) {
		close_cursors(*t);
		mdb_txn_abort((*t)->mdb);
		atomic_fetch_sub(&(*t)->store->views, 1);
	}
	free_cleanup(t);
}

static MDB_dbi dbi(const struct txn *t, unsigned table)
{
	must(table < t->store->tables);
	return t->store->table[table];
}

static int cursor_at(struct txn *t, unsigned table)
{
	return t->at[table] ? 0 : mdb_cursor_open(t->mdb, dbi(t, table), &t->at[table]);
}

static int get_near(struct txn *t, unsigned table, MDB_val *key, MDB_val *value)
{
	struct span want = unval(key);
	uint64_t n = key64_value(want), before = t->last[table];
	int rc = cursor_at(t, table);

	t->last[table] = n;
	if (rc == 0 && before && n == before + 1 && mdb_cursor_get(t->at[table], key, value, MDB_NEXT) == 0 &&
	    span_eq(unval(key), want))
		return 0;
	*key = val(want);
	return rc ? rc : mdb_cursor_get(t->at[table], key, value, MDB_SET);
}

enum err txn_get(struct txn *t, unsigned table, struct span key, struct span *value)
{
	MDB_val k = val(key), v;

	must(table < t->store->tables);
	TRY(err_of(t->read_only ? get_near(t, table, &k, &v) : mdb_get(t->mdb, dbi(t, table), &k, &v)));
	*value = unval(&v);
	return OK;
}

static enum err write_with(struct txn *t, unsigned table, struct span key, struct span value, unsigned flags)
{
	MDB_val k = val(key), v = val(value);

	must(!t->read_only);
	return err_of(mdb_put(t->mdb, dbi(t, table), &k, &v, flags));
}

enum err txn_put(struct txn *t, unsigned table, struct span key, struct span value)
{
	return write_with(t, table, key, value, 0);
}

enum err txn_add(struct txn *t, unsigned table, struct span key, struct span value)
{
	return write_with(t, table, key, value, MDB_NOOVERWRITE);
}

enum err txn_append(struct txn *t, unsigned table, struct span key, struct span value)
{
	MDB_val k = val(key), v = val(value);
	int rc = cursor_at(t, table);

	must(!t->read_only);
	return err_of(rc ? rc : mdb_cursor_put(t->at[table], &k, &v, MDB_APPEND));
}

enum err txn_del(struct txn *t, unsigned table, struct span key)
{
	MDB_val k = val(key);

	must(!t->read_only);
	return err_of(mdb_del(t->mdb, dbi(t, table), &k, NULL));
}

enum err txn_count(struct txn *t, unsigned table, uint64_t *out)
{
	MDB_stat st;

	TRY(err_of(mdb_stat(t->mdb, dbi(t, table), &st)));
	*out = st.ms_entries;
	return OK;
}

static enum err look(struct txn *t, unsigned table, struct span key, MDB_cursor_op op, bool skip, struct span *at,
		     struct span *value)
{
	MDB_val k = val(key), v;
	MDB_cursor *c;
	int rc;

	TRY(err_of(mdb_cursor_open(t->mdb, dbi(t, table), &c)));
	rc = mdb_cursor_get(c, &k, &v, op);
	if (rc == 0 && skip && span_eq(unval(&k), key))
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	mdb_cursor_close(c);
	TRY(err_of(rc));
	*at = unval(&k);
	*value = unval(&v);
	return OK;
}

enum err txn_seek(struct txn *t, unsigned table, struct span key, struct span *at, struct span *value)
{
	return look(t, table, key, key.n ? MDB_SET_RANGE : MDB_FIRST, false, at, value);
}

enum err txn_after(struct txn *t, unsigned table, struct span key, struct span *at, struct span *value)
{
	return look(t, table, key, key.n ? MDB_SET_RANGE : MDB_FIRST, key.n > 0, at, value);
}

enum err txn_before(struct txn *t, unsigned table, struct span key, struct span *at, struct span *value)
{
	MDB_val k = val(key), v;
	MDB_cursor *c;
	int rc;

	if (!key.n)
		return txn_last(t, table, at, value);
	TRY(err_of(mdb_cursor_open(t->mdb, dbi(t, table), &c)));
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	rc = mdb_cursor_get(c, &k, &v, rc == 0 ? MDB_PREV : MDB_LAST);   /* none at or after it: all are before */
	mdb_cursor_close(c);
	TRY(err_of(rc));
	*at = unval(&k);
	*value = unval(&v);
	return OK;
}

enum err txn_last(struct txn *t, unsigned table, struct span *at, struct span *value)
{
	return look(t, table, span(NULL, 0), MDB_LAST, false, at, value);
}

struct key64 key64(uint64_t n)
{
	struct key64 k;

	for (unsigned i = 0; i < 8; i++)
		k.b[i] = (uint8_t)(n >> (56 - 8 * i));
	return k;
}

uint64_t key64_value(struct span s)
{
	uint64_t n = 0;

	for (size_t i = 0; s.n == 8 && i < 8; i++)
		n = n << 8 | s.p[i];
	return n;
}
