#include "config.h"

#include "engine/engine_priv.h"
#include "engine/partition.h"

#include "base/log.h"
#include "base/mem.h"
#include "step/asset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONTINUED_MAX 100

/* A hold on any partition that covers this one, or that this one covers: what is deleted would be held data either way. */
char *hold_reason(struct state *st, const char *partition)
{
	struct sql_row *row =
	    sql_query(st->sql, "SELECT partition, reason, who FROM hold ORDER BY partition", "");
	char *reason = NULL;

	while (reason == NULL && sql_next(row))
		if (partition_excludes(sql_text(row, 0), partition))
			reason = xasprintf(
			    "%s is held by %s: %s", sql_text(row, 0), sql_text(row, 2), sql_text(row, 1));
	sql_end(row);
	return reason;
}

/* A run under way whose deleting step has started: too late to hold. */
static const struct run *deleting(struct engine *e, const char *partition)
{
	const struct run *run;

	TAILQ_FOREACH(run, &e->runs, link)
	for (size_t i = 0; i < run->nsteps; i++) {
		const struct run_step *s = &run->steps[i];

		if (s->state == STEP_RUNNING && s->conf != NULL &&
		    (s->conf->type->flags & ASSET_DELETES) != 0 && !run->dry_run &&
		    partition_excludes(run->partition, partition))
			return run;
	}
	return NULL;
}

int engine_hold(struct engine *e, const char *partition, const char *reason, const char *who, struct err *err)
{
	const struct run *run;

	if (partition_check(partition, err) == -1)
		return -1;
	if (partition[0] == '\0')
		return err_set(err, ERR_USAGE, "a hold needs a partition");
	if ((run = deleting(e, partition)) != NULL)
		return err_code(err, ERR_PERMANENT, "refused",
		    "run %" PRId64 " is deleting raw data of %s right now", run->id, run->partition);
	sql_do(e->state->sql,
	    "INSERT INTO hold(partition, reason, who, at) VALUES(?1, ?2, ?3, ?4)"
	    " ON CONFLICT(partition) DO UPDATE SET reason = ?2, who = ?3, at = ?4",
	    "ssst", partition, reason, who, e->now);
	sql_do(e->state->sql,
	    "INSERT INTO event(at, kind, text) VALUES(?1, 'hold', 'hold ' || ?2 || ' by ' || ?3 || ': ' || ?4)",
	    "tsss", e->now, partition, who, reason);
	log_info("hold %s by=%s: %s", partition, who, reason);
	engine_kick(e);
	return 0;
}

/* The newest run of each partition whose deleting step was skipped because of a hold that is gone now. */
static void continue_skipped(struct engine *e, const char *released, const char *who, json_t *runs)
{
	int64_t ids[CONTINUED_MAX];
	size_t n = 0;
	struct sql_row *row = sql_query(e->state->sql,
	    "SELECT r.id, r.partition FROM step AS s JOIN run AS r ON r.id = s.run_id"
	    " WHERE s.state = 'skipped' AND s.err_code = 'hold' AND r.state = 'succeeded'"
	    " AND NOT EXISTS (SELECT 1 FROM run AS later WHERE later.retry_of = r.id) ORDER BY r.id DESC",
	    "");

	while (n < CONTINUED_MAX && sql_next(row)) {
		char *held = NULL;

		if (partition_excludes(released, sql_text(row, 1)) &&
		    (held = hold_reason(e->state, sql_text(row, 1))) == NULL)
			ids[n++] = sql_int(row, 0);
		free(held);
	}
	sql_end(row);
	while (n > 0) {
		struct err err = ERR_INIT;
		int64_t id = engine_retry(e, ids[--n], true, who, &err);

		if (id != 0)
			json_array_append_new(runs, json_integer(id));
		else
			log_warn("run %" PRId64 ": its clean-up was not taken up: %s", ids[n], err.text);
	}
}

int engine_release(struct engine *e, const char *partition, const char *who, json_t *runs, struct err *err)
{
	sql_do(e->state->sql, "DELETE FROM hold WHERE partition = ?1", "s", partition);
	if (sql_changes(e->state->sql) == 0)
		return err_code(err, ERR_PERMANENT, "not_found", "%s is not held", partition);
	sql_do(e->state->sql,
	    "INSERT INTO event(at, kind, text) VALUES(?1, 'hold', 'release ' || ?2 || ' by ' || ?3)", "tss",
	    e->now, partition, who);
	log_info("release %s by=%s", partition, who);
	continue_skipped(e, partition, who, runs);
	engine_kick(e);
	return 0;
}
