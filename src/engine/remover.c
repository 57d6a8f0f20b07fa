#include "config.h"

#include "engine/remover.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/thread.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define STACK_BYTES  ((size_t)256 << 10) /* remove_at of base/fs.c goes down some levels */
#define ENOUGH       16384 /* folders that wait */
#define FAILURES_MAX 16 /* told; those beyond are found by the next start like the others */

struct doomed {
	STAILQ_ENTRY(doomed) link;
	char *text; /* a folder, or what went wrong with it */
};
STAILQ_HEAD(doomed_list, doomed);

struct remover {
	pthread_t thread;
	bool started, quit;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* waiting, or quit */
	struct doomed_list waiting, failed;
	size_t nwaiting, nfailed;
};

static void put(struct doomed_list *list, char *text)
{
	struct doomed *d = xcalloc(1, sizeof(*d));

	d->text = text;
	STAILQ_INSERT_TAIL(list, d, link);
}

/* The first text of a list, NULL: it is empty. */
static char *take(struct doomed_list *list)
{
	struct doomed *d = STAILQ_FIRST(list);
	char *text = NULL;

	if (d != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		text = d->text;
		free(d);
	}
	return text;
}

static void drop(struct doomed_list *list)
{
	char *text;

	while ((text = take(list)) != NULL)
		free(text);
}

static void *work(void *arg)
{
	struct remover *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->quit) {
		struct err err = ERR_INIT;
		char *dir = take(&r->waiting);
		int rc;

		if (dir == NULL) {
			pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		r->nwaiting--;
		pthread_mutex_unlock(&r->lock);
		rc = fs_remove_tree(dir, &err);
		free(dir);
		pthread_mutex_lock(&r->lock);
		if (rc == -1 && r->nfailed < FAILURES_MAX) {
			put(&r->failed, xstrdup(err.text));
			r->nfailed++;
		}
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

struct remover *remover_new(void)
{
	struct remover *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	STAILQ_INIT(&r->waiting);
	STAILQ_INIT(&r->failed);
	return r;
}

void remover_free(struct remover *r)
{
	if (r == NULL)
		return;
	if (r->started) {
		pthread_mutex_lock(&r->lock);
		r->quit = true;
		pthread_cond_broadcast(&r->changed);
		pthread_mutex_unlock(&r->lock);
		pthread_join(r->thread, NULL);
	}
	drop(&r->waiting);
	drop(&r->failed);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

bool remover_has_room(struct remover *r)
{
	bool has;

	pthread_mutex_lock(&r->lock);
	has = r->nwaiting < ENOUGH;
	pthread_mutex_unlock(&r->lock);
	return has;
}

void remover_add(struct remover *r, char *dir)
{
	r->started = r->started || thread_start(&r->thread, STACK_BYTES, work, r) == 0;
	if (!r->started) {
		free(dir); /* no thread to be had: the next start finds it */
		return;
	}
	pthread_mutex_lock(&r->lock);
	put(&r->waiting, dir);
	r->nwaiting++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

char *remover_failure(struct remover *r)
{
	char *text;

	pthread_mutex_lock(&r->lock);
	text = take(&r->failed);
	r->nfailed -= text != NULL;
	pthread_mutex_unlock(&r->lock);
	return text;
}
