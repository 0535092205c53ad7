/* What the broker's thread does for an event that goes on record: it copies it, and may wake the writer; what saves lives it
 * seals and sets aside when the record has stopped. How fast that is says `make bench T=acceptance_10`; that it asks neither the
 * kernel nor the heap for anything else is counted here. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "faulty_disk.h"
#include "recording.h"
#include "until.h"

#define EVENTS 20000            /* more than the ring has room for: also what happens then */

static struct recording g;
static bool life_critical;      /* what is pushed */
static atomic_bool done;
static atomic_int asked;        /* the last system call that should not have been; 0: none */
static atomic_uint allocated, refused;
static _Thread_local bool counts;

/* ---- the heap ---- */

#ifndef __SANITIZE_ADDRESS__
#define OURS __attribute__((visibility("default")))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
OURS void *malloc(size_t n);
OURS void *calloc(size_t n, size_t size);
OURS void *realloc(void *p, size_t n);

void *malloc(size_t n)
{
	allocated += counts;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocated += counts;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocated += counts;
	return __libc_realloc(p, n);
}
#endif

/* ---- the kernel ---- */

static void on_call(int signum, siginfo_t *info, void *context)
{
	(void)signum, (void)context;
	atomic_store(&asked, info->si_syscall ? info->si_syscall : -1);
}

/* Of this thread: waking the writer is a write; the clock is no call where the machine has a good one; it waits in the end;
 * and on_call() is to come back. */
static void forbid_calls(void)
{
	static const struct sock_filter only[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ppoll, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { countof(only), (struct sock_filter *)(uintptr_t)only };

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* It cannot end any more: it waits for the process to. */
static void *enqueue(void *arg)
{
	void *volatile first = malloc(1);       /* makes the heap of this thread, so that what comes next would be counted */

	free(first);
	forbid_calls();
	counts = true;
	for (uint64_t i = 0; i < EVENTS; i++) {
		struct happening h = publish(i);

		h.life_critical = life_critical;
		atomic_fetch_add(&refused, !record_push(g.record, &h));
	}
	counts = false;
	atomic_store(&done, true);
	for (;;)
		(void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	return arg;
}

/* Opens the record and has a thread push that can do no more than it should. */
static void push_all(bool disk_full)
{
	struct sigaction a = { .sa_sigaction = on_call, .sa_flags = SA_SIGINFO };
	pthread_t thread;

	done = false;
	allocated = refused = 0;
	asked = 0;
	assert_int_equal(sigaction(SIGSYS, &a, NULL), 0);
	assert_int_equal(record_open(&g.spec, &g.record), OK);
	if (disk_full)
		disk_refuses(ENOSPC, g.path);
	assert_int_equal(pthread_create(&thread, NULL, enqueue, NULL), 0);
	assert_int_equal(pthread_detach(thread), 0);
	assert_true(UNTIL(atomic_load(&done)));
	assert_int_equal(asked, 0);
	assert_int_equal(allocated, 0);
	assert_in_range(refused, 0, EVENTS - 1);
}

static void acceptance_10_an_event_costs_no_call_and_no_allocation(void **state)
{
	(void)state;
	recording_make(&g);
	g.spec.map_bytes = 64 << 20;
	push_all(false);
	recording_drop(&g);
}

/* There is room for a part of them in the ring, for a part aside, and for the rest nowhere. */
static void acceptance_10_nor_does_one_that_is_set_aside(void **state)
{
	char path[128];
	uint64_t aside;
	uint8_t *file;
	size_t n;

	(void)state;
	recording_make(&g);
	snprintf(path, sizeof(path), "%s/record.spill", g.folder);
	g.spec.ring_bytes = 1 << 15;
	g.spec.spill_path = path;
	g.spec.spill_bytes = 1 << 20;
	life_critical = true;
	push_all(true);
	assert_int_equal(record_state(g.record), RECORD_STOPPED);
	assert_in_range(refused, 1, EVENTS);
	file = slurp(path, &n);
	memcpy(&aside, file + 32, sizeof(aside));       /* spill.c: pushed */
	free(file);
	assert_in_range(aside, 1000, EVENTS);
	disk_heals();
	recording_drop(&g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(acceptance_10_an_event_costs_no_call_and_no_allocation),
		cmocka_unit_test(acceptance_10_nor_does_one_that_is_set_aside),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
