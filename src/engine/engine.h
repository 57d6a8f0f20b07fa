/*
 * engine.h: sensors ask for runs, runs become steps, steps become processes; every change is on disk before it acts.
 *
 * The engine works in turns.  Callbacks of the loop (a process ended, a timer, a command, a listing) only note what
 * happened and kick; the turn that follows
 *
 *     1. settles attempts that ended and ticks that are done,
 *     2. advances runs, admits queued ones, gives ready steps their slots,
 *     3. commits all of it in one transaction,
 *     4. and only then acts: starts and signals processes, answers commands, tells listeners.
 *
 * A crash between any two lines is therefore either before the commit (nothing happened) or after it (recovery finds what
 * was meant and looks at the world for what was done).  When a commit fails (disk full) everything in memory is dropped
 * and read again from the database, the way a restart does it; processes that run are adopted.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"
#include "engine/run.h"

struct conf;
struct engine;
struct event_base;
struct state;

struct engine_opts {
	const char *program_dir; /* where orch-step and orch-exec are; NULL: found by engine_program_dir */
	/* Work for one caller instead of a service: no sensor ticks by itself, and only runs made by it go on. */
	bool local;
};

/* conf is referenced; state stays the caller's and must outlive the engine.  Recovery runs inside: see engine_recovered. */
struct engine *engine_new(struct event_base *base, struct state *state, struct conf *conf,
    const struct engine_opts *opts, struct err *err);
/* Steps that run are left running; they will be adopted by the next owner. */
void engine_free(struct engine *);

/* Use a new configuration: sensors start again with it, runs under way keep their definitions. */
void engine_reload(struct engine *, struct conf *conf);
/* The file has errors and the old configuration stays; for those who show things, until the next engine_reload. */
void engine_conf_refused(struct engine *, const struct err *why);
const char *engine_conf_problem(const struct engine *); /* NULL: none */
/* Start nothing new; on_drained runs once no step runs or the grace of limits.drain is over. */
void engine_drain(struct engine *, void (*on_drained)(void *arg), void *arg);
bool engine_is_draining(const struct engine *);

/* Take a turn soon: the world changed. */
void engine_kick(struct engine *);
/*
 * Run fn once everything changed until now is durable; err is NULL, or why the commit failed (then the change did not
 * happen).  In order of the calls.
 */
typedef void engine_commit_fn(const struct err *err, void *arg);
void engine_after_commit(struct engine *, engine_commit_fn *fn, void *arg);

/* What happens, for those who watch: after the commit of the turn in which it happened.  data is lent. */
struct engine_event {
	const char *kind; /* "run" "step" "progress" "warning" "effect" "sensor" "conf" */
	int64_t run_id; /* 0: none */
	const char *asset;
	const json_t *data;
};
struct engine_listener {
	TAILQ_ENTRY(engine_listener) link;
	void (*on_event)(const struct engine_event *, void *arg);
	void *arg;
};
void engine_listen(struct engine *, struct engine_listener *); /* the listener's storage is the caller's */
void engine_unlisten(struct engine *, struct engine_listener *);

/* Requests of people (engine/request.c).  The state changes now; it is durable after the turn's commit. */
struct launch {
	const char *job; /* a job's name, or NULL */
	const struct strvec *selection; /* terms, when job is NULL */
	json_t *config; /* object of texts; borrowed */
	const char *partition; /* NULL: by template */
	bool dry_run;
	const char *who;
};
/* The run's id, or 0.  Fails with USAGE, CONFIG or PERMANENT (refused, not_found). */
int64_t engine_launch(struct engine *, const struct launch *, struct err *err);
int64_t engine_retry(struct engine *, int64_t run_id, bool from_failure, const char *who, struct err *err);
int engine_cancel(struct engine *, int64_t run_id, const char *who, struct err *err);
/* Nothing of the partition (and below) is deleted while it is held. */
int engine_hold(struct engine *, const char *partition, const char *reason, const char *who, struct err *err);
/*
 * The ids of runs that take up clean-ups the hold had skipped are appended to runs (a JSON array).
 */
int engine_release(struct engine *, const char *partition, const char *who, json_t *runs, struct err *err);
/* Keep the report of an audit (audit/audit.h); its number in *id. */
#define ENGINE_AUDIT_MAX 60000
int engine_audit(struct engine *, const json_t *result, const char *who, int64_t *id, struct err *err);
int engine_sensor_pause(struct engine *, const char *name, bool paused, const char *who, struct err *err);
/* Tick now (or as soon as the tick under way has ended); on_done once it was judged and committed. */
typedef void engine_tick_fn(const json_t *summary, const struct err *err, void *arg);
int engine_sensor_tick(
    struct engine *, const char *name, bool dry_run, engine_tick_fn *on_done, void *arg, struct err *err);

/*
 * A key of a bucket was announced (push/push.h): sensors that watch it will tick for it, and for nothing else, at once.
 * The state changes now; it is durable after the turn's commit.  A store is meant by its bucket's name, or by its own
 * name when it is no bucket.
 */
enum hint_fate {
	HINT_UNKNOWN, /* no sensor watches that place, or the key is nothing to it */
	HINT_WAITS, /* announced before; its tick has not begun */
	HINT_NEW,
};
enum hint_fate engine_hint(struct engine *, const char *bucket, const char *key);

/* Lent views for those who show things. */
struct conf *engine_conf(struct engine *);
struct state *engine_state(struct engine *);
/* What memory knows beyond the database of a running step: progress, pid; NULL when it does not run.  A new reference. */
json_t *engine_live_step(struct engine *, int64_t run_id, const char *asset);
/* Why a queued run or a ready step waits, for people; NULL when it does not. */
const char *engine_wait_reason(struct engine *, int64_t run_id, const char *asset);
/* Counters for metrics and `status`. */
struct engine_stats {
	int64_t runs_queued, runs_running, steps_running, commits, commit_failures, turns;
	int64_t commit_us_max, last_commit_us, recovery_us;
	tm_ms started_at;
};
const struct engine_stats *engine_stats(const struct engine *);

#endif
