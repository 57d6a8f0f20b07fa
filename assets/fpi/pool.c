/* pool.c */
#include "config.h"

#include "assets/fpi/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct pool {
	size_t n;
	_Atomic size_t next, done;
	atomic_bool stopped;
	fpi_pool_work *work;
	bool (*stop)(void *arg);
	void *arg;
};

struct worker {
	struct pool *pool;
	int number;
	pthread_t thread;
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;

	for (;;) {
		size_t i;

		if (p->stop != NULL && !atomic_load(&p->stopped) && p->stop(p->arg))
			atomic_store(&p->stopped, true);
		if (atomic_load(&p->stopped))
			return NULL;
		i = atomic_fetch_add(&p->next, 1);
		if (i >= p->n)
			return NULL;
		p->work(p->arg, i, w->number);
		atomic_fetch_add(&p->done, 1);
	}
}

int fpi_pool_threads(int threads)
{
	if (threads <= 0)
		threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
	return MAX(1, MIN(threads, FPI_THREADS_MAX));
}

size_t fpi_pool_run(size_t n, int threads, fpi_pool_work *work, bool (*stop)(void *arg), void *arg)
{
	struct pool p = {.n = n, .work = work, .stop = stop, .arg = arg};
	struct worker w[FPI_THREADS_MAX];
	int count = (int)MIN((size_t)fpi_pool_threads(threads), n), started = 1;

	for (int k = 0; k < count; k++)
		w[k] = (struct worker){.pool = &p, .number = k};
	/* a thread that cannot be had is work for the others */
	while (started < count && pthread_create(&w[started].thread, NULL, worker_run, &w[started]) == 0)
		started++;
	if (count > 0)
		worker_run(&w[0]);
	for (int k = 1; k < started && count > 0; k++)
		pthread_join(w[k].thread, NULL);
	return atomic_load(&p.done);
}
