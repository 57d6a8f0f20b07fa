/*
 * made.h: the record of what was made of an asset, and its length.
 *
 * Of an asset and partition the newest limits.keep_materializations stay.  Beyond them stays what no newer one stands for: the
 * newest of the best outcome, one that names a manifest which no newer one names (audit/audit.h goes by it), and the
 * newest proof of a deletion.
 */
#ifndef MADE_H
#define MADE_H

#include "base/err.h"

struct conf_limits;
struct run_step;
struct state;

/* The step has just succeeded, with its outcome and metadata set. */
void made_record(struct state *, const struct run_step *, const struct conf_limits *, tm_ms now);

#endif
