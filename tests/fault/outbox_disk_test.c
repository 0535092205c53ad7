/* A disk that refuses an outbox for a while: whatever was asked meanwhile is answered, nothing that was kept is lost, and it goes
 * on when the disk does. */
#include "faulty_disk.h"
#include "outboxed.h"

#include <fcntl.h>

static atomic_int refuse_last, refused_last;    /* so many of the writes that say where the trees begin; were */

/* LMDB writes that page by a descriptor of its own, which waits for the disk; and what it puts back by the other. */
OURS ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
	ssize_t done = syscall(SYS_pwrite64, fd, bytes, n, at);

	if (!(fcntl(fd, F_GETFL) & O_DSYNC) || atomic_load(&refuse_last) == 0)
		return done;
	atomic_fetch_sub(&refuse_last, 1);
	atomic_fetch_add(&refused_last, 1);
	errno = EIO;
	return -1;
}

OURS ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) { return pwrite64(fd, bytes, n, at); }

/* The committer has something to do, and what is asked meanwhile goes into one commit. */
static void keep_it_busy(void)
{
	struct id id = id_next(&ids, 1000);

	atomic_store(&disk.slow_ms, 100);
	assert_int_equal(outbox_tell(o, SPAN_LIT("code"), &id, 1), OK);
	assert_true(UNTIL(atomic_load(&disk.slow_now)));
}

static unsigned hear(enum outbox_work work, struct id *of)
{
	struct outbox_done d;
	unsigned n = 0;

	settle();
	while (outbox_next(o, &d))
		if (d.work == work && d.err == OK)
			of[n++] = d.id;
	return n;
}

/* What came while the disk was slow, and is kept together: of all kinds, some of it held, and due already. */
static unsigned bring_at_once(unsigned most_bytes, struct id *kept)
{
	static uint8_t body[16384];

	keep_it_busy();
	for (uint64_t n = 1 + seed_below(900); n; n--) {
		struct outbox_message m = message(seed_below(2) ? 1 : (unsigned)seed_below(FLIGHT_TIERS), (unsigned)seed_next());
		bool hold = m.tier > FLIGHT_TIER_CALM && seed_below(4) == 0;

		seed_bytes(m.id.b, sizeof(m.id.b));
		seed_bytes(m.key, sizeof(m.key));
		m.opens = seed_below(2);
		m.envelope = span(body, 1 + seed_below(most_bytes));
		if ((hold ? outbox_hold(o, &m) : outbox_put(o, &m, &(uint64_t){ 0 })) == OK && hold)
			assert_int_equal(outbox_release(o, &m.id), OK);
	}
	return hear(WORK_PUT, kept);
}

/* LMDB gives pages back only after the next commit: one that takes the last of them leaves a file that nothing can be deleted from,
 * and no gateway starts with. */
static void however_much_comes_at_once_it_can_be_emptied(void **state)
{
	static struct id kept[8192];
	static const unsigned bytes[] = { 3000, 3000, 9000, 3000, 700, 3000, 3000 };

	(void)state;
	for (unsigned round = 0; round < countof(bytes); round++) {
		for (unsigned quiet = 0; quiet < 3;)
			quiet = bring_at_once(bytes[round], kept) ? 0 : quiet + 1;
		reopen();
		for (struct all *a = all(); a->n; a = all()) {
			for (unsigned i = 0; i < a->n; i++)
				assert_int_equal(outbox_delivered(o, &a->item[i].id), OK);
			assert_true(hear(WORK_DELIVERED, kept) > 0);
		}
		reopen();
	}
}

/* Its last count could not be kept, but it is due: with the count before, however much longer that is. */
static void what_is_due_is_what_was_kept(void **state)
{
	static uint8_t large[OUTBOX_ENVELOPE_MAX];
	struct outbox_message before = message(3, 1), last;
	struct outbox_done d;

	(void)state;
	before.envelope = span(large, sizeof(large));
	assert_int_equal(outbox_hold(o, &before), OK);
	done(WORK_HOLD, OK);
	keep_it_busy();
	last = message(3, 2);
	last.id = before.id;
	last.envelope.n = 40;
	assert_int_equal(outbox_hold(o, &last), OK);
	assert_int_equal(outbox_release(o, &before.id), OK);
	disk_refuses(EIO, NULL);
	assert_true(UNTIL(atomic_load(&disk.refused) >= 3));    /* both together, and each alone */
	disk_heals();
	settle();
	for (enum outbox_work work = WORK_TELL; work != WORK_RELEASE;) {
		assert_true(outbox_next(o, &d));
		assert_string_equal(err_name(d.err), err_name(d.work == WORK_HOLD ? ERR_IO : OK));
		work = d.work;
	}
	assert_int_equal(d.m.envelope.n, sizeof(large));
	assert_int_equal(outbox_read(o, &all()->item[0], &room, &d.m), OK);
	assert_int_equal(d.m.envelope.n, sizeof(large));
}

static void put_and_hear(unsigned n, enum err want)
{
	put_one(1, n);
	done(WORK_PUT, want);
}

/* It is not asked whether the disk is well until the next start, which nobody may be there for. */
static void a_disk_that_failed_once_is_asked_again(void **state)
{
	unsigned kept = 0, n = 0;

	(void)state;
	for (int round = 0; round < 5; round++) {
		put_and_hear(n++, OK);
		kept++;
		atomic_store(&refused_last, 0);
		atomic_store(&refuse_last, 2);          /* together, and alone */
		put_and_hear(n++, ERR_IO);
		assert_int_equal(atomic_load(&refused_last), 2);
		assert_int_equal(all()->n, kept);
		if (round % 2) {
			reopen();
			assert_int_equal(all()->n, kept);
		}
	}
	for (unsigned i = 0; i < kept; i++)
		assert_int_equal(number_at(&all()->item[i]), 2 * i);
}

/* Nothing is written before what was put back is on the disk. */
static void but_not_before_it_answers(void **state)
{
	(void)state;
	put_and_hear(1, OK);
	atomic_store(&refuse_last, 2);
	put_and_hear(2, ERR_IO);
	disk_refuses(EIO, NULL);
	put_and_hear(3, ERR_IO);
	disk_heals();
	put_and_hear(4, OK);
	assert_int_equal(all()->n, 2);
	reopen();
	assert_int_equal(all()->n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OUTBOX(however_much_comes_at_once_it_can_be_emptied),
		WITH_OUTBOX(what_is_due_is_what_was_kept),
		WITH_OUTBOX(a_disk_that_failed_once_is_asked_again),
		WITH_OUTBOX(but_not_before_it_answers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
