/*
 * After a start, a restart, a crash or a failed commit: the database says what was meant, the world says what was done.
 */
#include "config.h"

#include "engine/attempt.h"
#include "engine/engine_priv.h"

#include "base/log.h"

#include <inttypes.h>

static void recover_attempts(struct engine *e, struct run *run)
{
	struct sql_row *row = sql_query(e->state->sql,
	    "SELECT asset, n, started_at, journal_offset, kill_reason FROM attempt WHERE run_id = ?1 AND "
	    "ended_at IS NULL",
	    "i", run->id);

	while (sql_next(row)) {
		struct run_step *step = run_step_find(run, sql_text(row, 0));

		if (step == NULL || step->state != STEP_RUNNING || step->attempt != NULL) {
			log_error("run %" PRId64 " asset=%s: an open attempt of a step that does not run",
			    run->id, sql_text(row, 0));
			continue;
		}
		attempt_recover(e, step, sql_int(row, 1), sql_int(row, 2), sql_int(row, 3), sql_text(row, 4));
	}
	sql_end(row);
}

void recover_runs(struct engine *e)
{
	struct run *run;

	run_load_active(e->state, e->conf, &e->runs);
	TAILQ_FOREACH(run, &e->runs, link)
	if (run->state == RUN_RUNNING && engine_owns(e, run))
		recover_attempts(e, run);
	e->stats.runs_queued =
	    sql_get_int(e->state->sql, 0, "SELECT count(*) FROM run WHERE state = 'queued'", "");
}
