/* pool.h: the same work for many items, on several threads. */
#ifndef FPI_POOL_H
#define FPI_POOL_H

#include "base/util.h"

/*
 * Call work(arg, i, worker) for each i < n from up to `threads` threads (0: one per online core), worker numbering them from 0.
 * Items are handed out in order; results must not depend on it.  stop (NULL is fine) is asked before each item: true
 * ends early.  Returns the number of items done.
 */
typedef void fpi_pool_work(void *arg, size_t i, int worker);
size_t fpi_pool_run(size_t n, int threads, fpi_pool_work *work, bool (*stop)(void *arg), void *arg);
int fpi_pool_threads(int threads);

#define FPI_THREADS_MAX 64

#endif
