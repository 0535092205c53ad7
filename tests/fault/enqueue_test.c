/* What the broker's thread does for an event that goes on record: it copies it, and may wake the writer. How fast that is says
 * `make bench T=acceptance_10`; that it asks neither the kernel nor the heap for anything else is counted here. (What is set
 * aside while the record has stopped is sealed at once, by OpenSSL, which may ask for memory: that is not looked at.) */
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

#include "recording.h"
#include "until.h"

#define EVENTS 20000            /* more than the ring has room for: also what happens then */

static struct recording g;
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
		const struct happening h = publish(i);

		atomic_fetch_add(&refused, !record_push(g.record, &h));
	}
	counts = false;
	atomic_store(&done, true);
	for (;;)
		(void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	return arg;
}

static void acceptance_10_an_event_costs_no_call_and_no_allocation(void **state)
{
	struct sigaction a = { .sa_sigaction = on_call, .sa_flags = SA_SIGINFO };
	pthread_t thread;

	(void)state;
	recording_make(&g);
	g.spec.map_bytes = 64 << 20;
	assert_int_equal(sigaction(SIGSYS, &a, NULL), 0);
	assert_int_equal(record_open(&g.spec, &g.record), OK);
	assert_int_equal(pthread_create(&thread, NULL, enqueue, NULL), 0);
	assert_int_equal(pthread_detach(thread), 0);
	assert_true(UNTIL(atomic_load(&done)));
	assert_int_equal(asked, 0);
	assert_int_equal(allocated, 0);
	assert_in_range(refused, 0, EVENTS - 1);
	recording_drop(&g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(acceptance_10_an_event_costs_no_call_and_no_allocation),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
