/*
 * worker.h: the thread that inflates: archive bytes from the relay, checked members back into it.
 */
#ifndef ASSETS_UNZIP_WORKER_H
#define ASSETS_UNZIP_WORKER_H

#include "assets/archive/unpack.h"
#include "assets/unzip/relay.h"

struct worker;

struct worker_conf {
	const struct unpack_limits *limits;
	bool flatten;
	const char *dir; /* for large members */
	const char *const *piece_names; /* for error texts */
	size_t npieces;
};

/* Everything is lent until worker_join.  Signals stay with the caller's thread. */
struct worker *worker_start(struct relay *, const struct worker_conf *, struct err *err);
/* Waits for the end; relay_stop makes it come soon.  The verdict is in the relay.  NULL is fine. */
void worker_join(struct worker *);

#endif
