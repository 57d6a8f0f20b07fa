/*
 * attempt.h: one try at a step, from the row that announces it to the verdict.
 *
 *     begin     the row is written                           (in the turn's transaction)
 *     start     folder, context.json, process                (after the commit)
 *     watch     the process's end, its journal, its deadlines
 *     settle    exit record -> step state, metadata, events   (in the next transaction)
 *
 * After a restart `attempt_recover` continues from whatever is found: a verdict, a living process, a dead one without
 * a verdict, or nothing started at all.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "engine/engine.h"

struct run_step;

/* Write the row and move the step to running; the process starts after the commit. */
void attempt_begin(struct engine *, struct run_step *);
/* Take over an open attempt found in the database; settled at once when its verdict is known. */
void attempt_recover(struct engine *, struct run_step *, int64_t n, tm_ms started_at, int64_t journal_offset,
    const char *kill_reason);
/* If it has ended: verdict into the step.  Returns whether it had. */
bool attempt_settle(struct engine *, struct run_step *);
/*
 * Look at its deadlines: ask it to stop when one has passed or the run was cancelled, escalate when it does not listen.
 * Returns when to look again.
 */
tm_ms attempt_check(struct engine *, struct run_step *);
/* Forget it without touching the process: the engine ends or starts over. */
void attempt_forget(struct run_step *);
/* Progress and pid as the page shows them; a new reference. */
json_t *attempt_live(const struct run_step *);

#endif
