/* in_scratch: a folder of the tests' own, there while one of them, or a group, runs: make, unmake. */
#ifndef PULLCORD_IN_SCRATCH_H
#define PULLCORD_IN_SCRATCH_H

#include "crypt.h"
#include "scratch.h"

static struct scratch scratch;

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	return crypt_init() == OK ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

#endif
