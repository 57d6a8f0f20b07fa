/*
 * What goes on: queued runs are admitted, waiting steps become ready, ready steps get slots.
 *
 * Order is by run id, then by dependency order within a run, so that older work always wins a slot.  Reasons for waiting
 * are literals kept on the run or step for the queue page and `why`.
 */
#include "config.h"

#include "engine/announce.h"
#include "engine/attempt.h"
#include "engine/engine_priv.h"
#include "engine/partition.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "step/asset.h"

#include <stdlib.h>
#include <string.h>

static void settle_ended(struct engine *e, struct run *run)
{
	for (size_t i = 0; i < run->nsteps; i++) {
		struct run_step *s = &run->steps[i];

		if (s->attempt != NULL && attempt_settle(e, s))
			engine_note(e, "step", run->id, s->asset,
			    json_pack("{s:s, s:s*}", "state", step_state_name(s->state), "text",
			        step_waits(s) ? s->err.text : NULL));
	}
}

/* Another run under way, or an older one waiting, that has this one's partition. */
static const char *partition_conflict(struct engine *e, const struct run *run)
{
	struct run *other;

	TAILQ_FOREACH(other, &e->runs, link)
	{
		if (other == run || !partition_excludes(run->partition, other->partition))
			continue;
		if (run_is_parked(other))
			return "another run of this partition waits to go on";
		if (other->state == RUN_RUNNING)
			return "another run of this partition is under way";
		if (other->id < run->id)
			return "an older run of this partition waits";
	}
	return NULL;
}

static const char *admission(struct engine *e, const struct run *run, int64_t running)
{
	if (e->draining)
		return "the daemon is stopping";
	if (!engine_owns(e, run))
		return "it waits for the daemon";
	if (running >= e->conf->limits.max_runs)
		return "limits.max_runs is reached";
	return partition_conflict(e, run);
}

static void check_run_timeout(struct engine *e, struct run *run)
{
	if (run->timeout == 0 || run->cancel != NULL || e->now < run->started_at + run->timeout)
		return;
	run->cancel = xstrdup("the job's timeout");
	sql_do(e->state->sql, "UPDATE run SET cancel = ?2 WHERE id = ?1", "is", run->id, run->cancel);
	run_event(e->state, run, NULL, 0, "cancel", e->now, "longer than the job's timeout");
}

static void admit(struct engine *e, int64_t *running)
{
	struct run *run;

	TAILQ_FOREACH(run, &e->runs, link)
	{
		if (run->state != RUN_QUEUED)
			continue;
		if (run->cancel != NULL) {
			err_set(&run->err, ERR_CANCELLED, "canceled by %s", run->cancel);
			run_set_state(e->state, run, RUN_CANCELED, e->now);
			for (size_t i = 0; i < run->nsteps; i++)
				step_set_state(e->state, &run->steps[i], STEP_CANCELED, e->now);
			continue;
		}
		if ((run->wait_reason = admission(e, run, *running)) == NULL) {
			run_set_state(e->state, run, RUN_RUNNING, e->now);
			engine_note(e, "run", run->id, NULL, json_pack("{s:s}", "state", "running"));
			(*running)++;
		}
	}
}

struct pool_use {
	const struct conf_pool *pool;
	int64_t used;
};

static struct pool_use *pool_of(struct pool_use *use, size_t n, const char *name)
{
	for (size_t i = 0; name != NULL && i < n; i++)
		if (strcmp(use[i].pool->name, name) == 0)
			return &use[i];
	return NULL;
}

/* A step that deletes waits for no hold: it is skipped, and taken up again when the hold is released. */
static bool skip_held(struct engine *e, struct run_step *s)
{
	char *reason;

	if ((s->conf->type->flags & ASSET_DELETES) == 0 || s->run->dry_run ||
	    (reason = hold_reason(e->state, s->run->partition)) == NULL)
		return false;
	err_code(&s->err, ERR_NONE, "hold", "%s", reason);
	free(reason);
	step_set_state(e->state, s, STEP_SKIPPED, e->now);
	engine_kick(e);
	return true;
}

static void start_ready(struct engine *e, struct run *run, struct pool_use *use, int64_t *running)
{
	for (size_t i = 0; i < run->nsteps; i++) {
		struct run_step *s = &run->steps[i];
		struct pool_use *pool;

		if (s->state != STEP_READY)
			continue;
		if (s->conf == NULL) {
			err_code(&s->err, ERR_CONFIG, "no_asset",
			    "asset '%s' is no longer in the configuration", s->asset);
			step_set_state(e->state, s, STEP_FAILED, e->now);
			engine_kick(e);
			continue;
		}
		if (skip_held(e, s))
			continue;
		pool = pool_of(use, e->conf->npools, s->conf->pool);
		if (*running >= e->conf->limits.max_steps) {
			s->wait_reason = "limits.max_steps is reached";
		} else if (pool != NULL && pool->used >= pool->pool->slots) {
			s->wait_reason = "its pool is full";
		} else {
			attempt_begin(e, s);
			engine_note(e, "step", run->id, s->asset, json_pack("{s:s}", "state", "running"));
			(*running)++;
			if (pool != NULL)
				pool->used++;
		}
	}
}

static void count_running(struct engine *e, struct pool_use *use, int64_t *runs, int64_t *steps)
{
	struct run *run;

	*runs = *steps = 0;
	for (size_t i = 0; i < e->conf->npools; i++)
		use[i] = (struct pool_use){.pool = &e->conf->pools[i]};
	TAILQ_FOREACH(run, &e->runs, link)
	{
		*runs += run->state == RUN_RUNNING && !run_is_parked(run);
		for (size_t i = 0; i < run->nsteps; i++) {
			const struct run_step *s = &run->steps[i];
			struct pool_use *pool = pool_of(use, e->conf->npools, s->conf ? s->conf->pool : NULL);

			if (s->state != STEP_RUNNING)
				continue;
			(*steps)++;
			if (pool != NULL)
				pool->used++;
		}
	}
}

static tm_ms next_due(struct engine *e, struct run *run)
{
	tm_ms due = TIME_NEVER;

	if (run->state != RUN_RUNNING)
		return due;
	if (run->timeout > 0 && run->cancel == NULL)
		due = run->started_at + run->timeout;
	for (size_t i = 0; i < run->nsteps; i++) {
		struct run_step *s = &run->steps[i];

		if (s->state == STEP_RETRYING)
			due = MIN(due, s->not_before);
		else if (s->attempt != NULL)
			due = MIN(due, attempt_check(e, s));
	}
	return due;
}

static void remove_ended(struct engine *e)
{
	struct run *run, *next;

	for (run = TAILQ_FIRST(&e->runs); run != NULL; run = next) {
		next = TAILQ_NEXT(run, link);
		if (!run_state_is_end(run->state))
			continue;
		announce_run(e->state, e->conf, run, e->now);
		metric_batch_count(&e->counts, METRIC_RUNS, run->job ? run->job : METRIC_NONE,
		    run->outcome ? result_name(run->outcome) : run_state_name(run->state));
		engine_note(e, "run", run->id, NULL,
		    json_pack("{s:s, s:s?}", "state", run_state_name(run->state), "outcome",
		        result_name(run->outcome)));
		TAILQ_REMOVE(&e->runs, run, link);
		run_free(run);
	}
}

tm_ms schedule_turn(struct engine *e)
{
	struct pool_use *use = xcalloc(e->conf->npools, sizeof(*use));
	int64_t runs, steps;
	tm_ms due = TIME_NEVER;
	struct run *run;

	TAILQ_FOREACH(run, &e->runs, link)
	if (engine_owns(e, run)) {
		settle_ended(e, run);
		if (run->state == RUN_RUNNING)
			check_run_timeout(e, run);
		run_advance(e->state, run, e->now);
	}
	remove_ended(e);
	count_running(e, use, &runs, &steps);
	admit(e, &runs);
	remove_ended(e);
	TAILQ_FOREACH(run, &e->runs, link)
	{
		if (run->state != RUN_RUNNING || !engine_owns(e, run))
			continue;
		run_advance(e->state, run, e->now);
		if (!e->draining)
			start_ready(e, run, use, &steps);
		due = MIN(due, next_due(e, run));
	}
	count_running(e, use, &runs, &steps);
	e->stats.runs_running = runs;
	e->stats.steps_running = steps;
	e->stats.runs_queued = 0;
	TAILQ_FOREACH(run, &e->runs, link)
	e->stats.runs_queued += run->state == RUN_QUEUED;
	free(use);
	return due;
}
