#include "bulletin.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "thread.h"
#include "whole.h"

#define MODE 0644                   /* the folder says who may read it */

struct sheet {
	char path[WHOLE_PATH_MAX];
	size_t n;                   /* of what waits; 0: nothing does */
	char text[BULLETIN_TEXT_MAX];
	_Atomic int trouble;
};

struct bulletin {
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;       /* guards `stop`, and of each sheet what waits */
	pthread_cond_t more;
	bool stop;
	struct sheet sheet[BULLETIN_FILES];
	char writing[BULLETIN_TEXT_MAX];    /* the thread's */
};

static struct sheet *next_sheet(struct bulletin *b)
{
	for (unsigned i = 0; i < BULLETIN_FILES; i++)
		if (b->sheet[i].n)
			return &b->sheet[i];
	return NULL;
}

static void *writer(void *arg)
{
	struct bulletin *b = arg;
	struct sheet *s;
	size_t n;

	pthread_mutex_lock(&b->lock);
	while (!b->stop) {
		s = next_sheet(b);
		if (!s) {
			pthread_cond_wait(&b->more, &b->lock);
			continue;
		}
		n = s->n;
		memcpy(b->writing, s->text, n);
		s->n = 0;
		pthread_mutex_unlock(&b->lock);
		atomic_store(&s->trouble, (int)whole_write(s->path, span(b->writing, n), MODE));
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

enum err bulletin_open(const char *const path[BULLETIN_FILES], struct bulletin **out)
{
	CLEANUP(bulletin_close) struct bulletin *b = calloc(1, sizeof(*b));

	if (!b)
		return ERR_FULL;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->more, NULL);
	for (unsigned i = 0; i < BULLETIN_FILES; i++)
		if (!span_text(span_str(path[i]), b->sheet[i].path, sizeof(b->sheet[i].path) - 8))
			return ERR_TOO_LARGE;
	TRY(thread_start(&b->thread, writer, b));
	b->running = true;
	*out = b;
	b = NULL;
	return OK;
}

void bulletin_close(struct bulletin **out)
{
	struct bulletin *b = *out;

	*out = NULL;
	if (!b)
		return;
	if (b->running) {
		pthread_mutex_lock(&b->lock);
		b->stop = true;
		pthread_cond_signal(&b->more);
		pthread_mutex_unlock(&b->lock);
		pthread_join(b->thread, NULL);
		for (unsigned i = 0; i < BULLETIN_FILES; i++)
			if (b->sheet[i].path[0])
				(void)unlink(b->sheet[i].path);
	}
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->more);
	free(b);
}

void bulletin_put(struct bulletin *b, enum bulletin_file f, struct span text)
{
	struct sheet *s = &b->sheet[f];

	if (!s->path[0] || text.n == 0 || text.n > sizeof(s->text))
		return;
	pthread_mutex_lock(&b->lock);
	memcpy(s->text, text.p, text.n);
	s->n = text.n;
	pthread_cond_signal(&b->more);
	pthread_mutex_unlock(&b->lock);
}

enum err bulletin_trouble(const struct bulletin *b, enum bulletin_file f)
{
	return (enum err)atomic_load(&b->sheet[f].trouble);
}
