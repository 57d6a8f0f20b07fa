/*
 * The turn: the only place where the state is committed and the only one that acts on what was committed.
 */
#include "config.h"

#include "engine/attempt.h"
#include "engine/engine_priv.h"
#include "engine/spawn.h"
#include "engine/watch.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* After a failed commit: how long to wait before trying to go on. */
#define RETRY_COMMIT_MS 1000

static void run_turn(evutil_socket_t fd, short what, void *arg);

/* The programs stand beside the running one (a build tree) or in the installed place. */
static char *find_program(const char *dir, const char *name, struct err *err)
{
	char self[4096], *slash, *path;
	ssize_t n;

	if (dir != NULL)
		return fs_join(dir, name);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	if ((slash = strrchr(self, '/')) != NULL) {
		*slash = '\0';
		path = fs_join(self, name);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	path = fs_join(ORCH_LIBEXECDIR, name);
	if (access(path, X_OK) == 0)
		return path;
	err_set(err, ERR_CONFIG, "%s is neither beside this program nor in " ORCH_LIBEXECDIR, name);
	free(path);
	return NULL;
}

struct engine *engine_new(struct event_base *base, struct state *state, struct conf *conf,
    const struct engine_opts *opts, struct err *err)
{
	struct engine *e = xcalloc(1, sizeof(*e));
	int64_t start_us;

	e->base = base;
	e->state = state;
	e->conf = conf_ref(conf);
	e->local = opts->local;
	e->now = clock_now();
	e->stats.started_at = e->now;
	TAILQ_INIT(&e->runs);
	TAILQ_INIT(&e->listeners);
	STAILQ_INIT(&e->after);
	STAILQ_INIT(&e->events);
	e->turn_event = event_new(base, -1, 0, run_turn, e);
	e->timer_event = event_new(base, -1, 0, run_turn, e);
	if ((e->step_program = find_program(opts->program_dir, "orch-step", err)) == NULL ||
	    (e->exec_program = find_program(opts->program_dir, "orch-exec", err)) == NULL) {
		engine_free(e);
		return NULL;
	}
	start_us = clock_mono_us();
	e->prune = prune_new();
	watch_start_all(e);
	recover_runs(e);
	prune_orphans(e);
	e->stats.recovery_us = clock_mono_us() - start_us;
	engine_kick(e);
	return e;
}

static void drop_runs(struct engine *e)
{
	struct run *run;

	while ((run = TAILQ_FIRST(&e->runs)) != NULL) {
		TAILQ_REMOVE(&e->runs, run, link);
		for (size_t i = 0; i < run->nsteps; i++)
			attempt_forget(&run->steps[i]);
		run_free(run);
	}
}

static void drop_events(struct engine *e)
{
	struct pending_event *ev;

	while ((ev = STAILQ_FIRST(&e->events)) != NULL) {
		STAILQ_REMOVE_HEAD(&e->events, link);
		free(ev->asset);
		json_decref(ev->data);
		free(ev);
	}
}

void engine_free(struct engine *e)
{
	struct after *a;

	if (e == NULL)
		return;
	watch_stop_all(e);
	while ((a = STAILQ_FIRST(&e->after)) != NULL) {
		struct err err = ERR_INIT;

		STAILQ_REMOVE_HEAD(&e->after, link);
		err_set(&err, ERR_CANCELLED, "shutting down");
		a->fn(&err, a->arg);
		free(a);
	}
	metric_batch_drop(&e->counts);
	drop_events(e);
	drop_runs(e);
	spawner_free(e->spawner);
	prune_free(e->prune);
	if (e->turn_event != NULL)
		event_free(e->turn_event);
	if (e->timer_event != NULL)
		event_free(e->timer_event);
	conf_unref(e->conf);
	free(e->own_runs);
	free(e->conf_problem);
	free(e->step_program);
	free(e->exec_program);
	free(e);
}

void engine_kick(struct engine *e)
{
	if (e->kicked || e->in_turn) {
		e->kicked = true;
		return;
	}
	e->kicked = true;
	event_active(e->turn_event, 0, 0);
}

void engine_after_commit(struct engine *e, engine_commit_fn *fn, void *arg)
{
	struct after *a = xcalloc(1, sizeof(*a));

	*a = (struct after){.fn = fn, .arg = arg};
	STAILQ_INSERT_TAIL(&e->after, a, link);
	engine_kick(e);
}

void engine_note(struct engine *e, const char *kind, int64_t run_id, const char *asset, json_t *data)
{
	struct pending_event *ev;

	if (TAILQ_EMPTY(&e->listeners)) {
		json_decref(data);
		return;
	}
	ev = xcalloc(1, sizeof(*ev));
	*ev = (struct pending_event){.kind = kind, .run_id = run_id, .data = data};
	ev->asset = asset ? xstrdup(asset) : NULL;
	STAILQ_INSERT_TAIL(&e->events, ev, link);
}

void engine_listen(struct engine *e, struct engine_listener *l)
{
	TAILQ_INSERT_TAIL(&e->listeners, l, link);
}

void engine_unlisten(struct engine *e, struct engine_listener *l)
{
	TAILQ_REMOVE(&e->listeners, l, link);
}

static void tell_listeners(struct engine *e)
{
	struct event_list events = STAILQ_HEAD_INITIALIZER(events);
	struct pending_event *ev;

	STAILQ_CONCAT(&events, &e->events);
	while ((ev = STAILQ_FIRST(&events)) != NULL) {
		struct engine_event pub = {
		    .kind = ev->kind, .run_id = ev->run_id, .asset = ev->asset, .data = ev->data};
		struct engine_listener *l, *next;

		STAILQ_REMOVE_HEAD(&events, link);
		/* A listener may take itself off the list, and only itself. */
		for (l = TAILQ_FIRST(&e->listeners); l != NULL; l = next) {
			next = TAILQ_NEXT(l, link);
			l->on_event(&pub, l->arg);
		}
		free(ev->asset);
		json_decref(ev->data);
		free(ev);
	}
}

static void do_afterwards(struct engine *e, const struct err *err)
{
	struct after_list list = STAILQ_HEAD_INITIALIZER(list);
	struct after *a;

	STAILQ_CONCAT(&list, &e->after);
	while ((a = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, link);
		a->fn(err, a->arg);
		free(a);
	}
}

/* Memory is ahead of the database by a turn that was undone: forget it and start again from what is true. */
static void start_over(struct engine *e, const struct err *err)
{
	log_error(
	    "state: commit failed, starting over from the database in %d ms: %s", RETRY_COMMIT_MS, err->text);
	e->stats.commit_failures++;
	metric_count(METRIC_COMMIT_FAILURES, NULL, NULL);
	metric_batch_drop(&e->counts);
	drop_events(e);
	do_afterwards(e, err);
	drop_runs(e);
	watch_stop_all(e);
	sql_rollback(e->state->sql);
	prune_undone(e->prune);
	watch_start_all(e);
	recover_runs(e);
}

static void arm_timer(struct engine *e, tm_ms due)
{
	tm_ms wait = due == TIME_NEVER ? 60 * 1000 : MAX(due - clock_now(), (tm_ms)0);
	struct timeval tv;

	wait = MIN(wait, (tm_ms)60 * 1000); /* a wall clock that jumps is noticed within the minute */
	tv = (struct timeval){.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
	event_add(e->timer_event, &tv);
}

static int commit(struct engine *e, struct err *err)
{
	int64_t start = clock_mono_us();

	if (!sql_in_transaction(e->state->sql) && sql_error(e->state->sql) == NULL)
		return 0;
	if (sql_commit(e->state->sql, err) == -1)
		return -1;
	e->stats.commits++;
	e->stats.last_commit_us = clock_mono_us() - start;
	metric_observe(METRIC_COMMIT_DURATION, (double)e->stats.last_commit_us / 1e6, NULL, NULL);
	e->stats.commit_us_max = MAX(e->stats.commit_us_max, e->stats.last_commit_us);
	return 0;
}

static void check_drained(struct engine *e)
{
	void (*fn)(void *) = e->on_drained;

	if (!e->draining || fn == NULL || (e->stats.steps_running > 0 && clock_mono() < e->drain_until))
		return;
	e->on_drained = NULL;
	fn(e->drained_arg);
}

static void run_turn(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;
	struct err err = ERR_INIT;
	tm_ms due;

	e->in_turn = true;
	e->kicked = false;
	e->now = clock_now();
	e->stats.turns++;
	due = watch_turn(e);
	due = MIN(due, schedule_turn(e));
	due = MIN(due, prune_turn(e));
	if (commit(e, &err) == -1) {
		start_over(e, &err);
		due = clock_now() + RETRY_COMMIT_MS;
		e->kicked = false;
	} else {
		metric_batch_apply(&e->counts);
		do_afterwards(e, NULL);
		tell_listeners(e);
	}
	e->in_turn = false;
	check_drained(e);
	if (e->draining)
		due = MIN(due, clock_now() + 100);
	arm_timer(e, due);
	if (e->kicked)
		event_active(e->turn_event, 0, 0);
}

void engine_reload(struct engine *e, struct conf *conf)
{
	struct conf *old = e->conf;

	watch_stop_all(e);
	e->conf = conf_ref(conf);
	conf_unref(old);
	xstrset(&e->conf_problem, NULL);
	watch_start_all(e);
	engine_note(e, "conf", 0, NULL, json_object());
	engine_kick(e);
}

void engine_conf_refused(struct engine *e, const struct err *why)
{
	xstrset(&e->conf_problem, why->text);
}

const char *engine_conf_problem(const struct engine *e)
{
	return e->conf_problem;
}

void engine_drain(struct engine *e, void (*on_drained)(void *arg), void *arg)
{
	e->draining = true;
	e->drain_until = clock_mono() + e->conf->limits.drain;
	e->on_drained = on_drained;
	e->drained_arg = arg;
	watch_stop_all(e);
	engine_kick(e);
}

bool engine_is_draining(const struct engine *e)
{
	return e->draining;
}

struct run *engine_run_find(struct engine *e, int64_t id)
{
	struct run *run;

	TAILQ_FOREACH(run, &e->runs, link)
	if (run->id == id)
		return run;
	return NULL;
}

void engine_run_add(struct engine *e, struct run *run)
{
	TAILQ_INSERT_TAIL(&e->runs, run, link);
	if (e->local) {
		e->own_runs = xreallocarray(e->own_runs, e->nown_runs + 1, sizeof(*e->own_runs));
		e->own_runs[e->nown_runs++] = run->id;
	}
	engine_note(e, "run", run->id, NULL, json_pack("{s:s}", "state", run_state_name(run->state)));
	engine_kick(e);
}

bool engine_owns(const struct engine *e, const struct run *run)
{
	if (!e->local)
		return true;
	for (size_t i = 0; i < e->nown_runs; i++)
		if (e->own_runs[i] == run->id)
			return true;
	return false;
}

struct conf *engine_conf(struct engine *e)
{
	return e->conf;
}

struct state *engine_state(struct engine *e)
{
	return e->state;
}

const struct engine_stats *engine_stats(const struct engine *e)
{
	return &e->stats;
}

json_t *engine_live_step(struct engine *e, int64_t run_id, const char *asset)
{
	struct run *run = engine_run_find(e, run_id);
	struct run_step *step = run ? run_step_find(run, asset) : NULL;

	return step && step->attempt ? attempt_live(step) : NULL;
}

const char *engine_wait_reason(struct engine *e, int64_t run_id, const char *asset)
{
	struct run *run = engine_run_find(e, run_id);
	struct run_step *step = run && asset ? run_step_find(run, asset) : NULL;

	if (run == NULL)
		return NULL;
	if (step != NULL && step_waits(step))
		return step->err.text;
	return step ? step->wait_reason : run->wait_reason;
}
