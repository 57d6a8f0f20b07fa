/* run_priv.h: how a run is put together, for run.c and for run_rows.c, which reads one. */
#ifndef RUN_PRIV_H
#define RUN_PRIV_H

#include "engine/run.h"

/* A run with that many steps, of which nothing is known yet. */
struct run *run_alloc(struct conf *, size_t nsteps);
/* Which steps wait for which, once each has its definition. */
void run_link_steps(struct run *);

#endif
