/*
 * check.h: what a step says it has checked, kept with its run.
 *
 * As in Dagster a check that fails undoes nothing: the asset is made, and the outcome says that somebody should look
 * (engine/attempt_settle.c), whatever its severity.
 */
#ifndef CHECK_H
#define CHECK_H

#include "base/err.h"

struct journal_msg;
struct run_step;
struct state;

#define CHECKS_KEPT        100 /* of one attempt */
#define CHECK_NAME_MAX     200 /* bytes */
#define CHECK_METADATA_MAX 4096 /* bytes of JSON; members beyond are counted, and in the journal */

/* A message of kind MSG_CHECK of the step's attempt. */
void check_keep(
    struct state *, const struct run_step *, int64_t attempt, const struct journal_msg *, tm_ms now);

#endif
