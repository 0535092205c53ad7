/* base: the few words every file of the house uses. libc only. */
#ifndef PULLCORD_BASE_H
#define PULLCORD_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PULLCORD_VERSION "0.1.0"

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Calls `destroy(&variable)` when the variable goes out of scope; destroyers take T ** and accept a pointer to NULL. */
#define CLEANUP(destroy) __attribute__((cleanup(destroy)))

#define countof(array) (sizeof(array) / sizeof((array)[0]))

/* A bug, never an input: always on, aborts (systemd restarts us; a broken access controller must not go on). */
#define must(cond) ((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))
_Noreturn void must_failed(const char *cond, const char *file, int line);

/* Cleanup destroyers for memory, stdio and descriptors. */
void free_cleanup(void *pointer_to_pointer);
void fd_cleanup(int *fd);

#endif
