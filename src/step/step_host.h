/*
 * step_host.h: the other side of step.h: who makes a step, runs its work and takes the verdict.  For orch-step.
 */
#ifndef STEP_HOST_H
#define STEP_HOST_H

#include "step/asset.h"
#include "step/context.h"
#include "step/exitrec.h"
#include "step/step.h"

/* dir: the attempt's folder, absolute.  Loads the context and opens the journal. */
struct step *step_open(const char *dir, struct err *err);
const struct step_context *step_context(const struct step *);
/* TERM and INT set what step_cancelled reads; there is one step in a process. */
void step_catch_signals(void);
/*
 * Bind the options and the run's config by the type's rows, check them, run the work, fill rec (outcome, error, metadata,
 * journal_bytes).  A work that fails without saying why is a bug; one that fails after TERM was cancelled.
 */
void step_run(struct step *, const struct asset_type *type, asset_run_fn *run, struct exitrec *rec);
void step_free(struct step *); /* closes stores, databases and the journal; NULL is fine */

#endif
