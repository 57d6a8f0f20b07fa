/*
 * run.h: runs and their steps in memory, and the one door for each change of state.
 *
 *     run:   queued -> running -> succeeded | failed | canceled          (queued -> canceled too)
 *
 *     step:  waiting -> ready -> running -> succeeded
 *               |         ^         |  \-> retrying -> ready
 *               |         |         |-> failed | canceled
 *               |         \---------/  (an attempt that never started goes back to ready)
 *               \-> skipped | canceled          (ready: too, and failed; retrying -> canceled)
 *
 * run_set_state and step_set_state leave the old state, stamp, persist and log; an illegal move is a bug and aborts with
 * the object's id.  Nothing here starts or stops a process.  Rows are written into the open transaction of the turn.
 */
#ifndef RUN_H
#define RUN_H

#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"

#include <sys/queue.h>

struct attempt;
struct conf;
struct conf_asset;
struct state;

enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELED, RUN_NSTATES };

enum step_state {
	STEP_WAITING, /* a dependency has not ended */
	STEP_READY, /* waits for a slot */
	STEP_RUNNING, /* has an attempt */
	STEP_RETRYING, /* waits until not_before, after a failure or because it asked to (step_waits) */
	STEP_SUCCEEDED,
	STEP_FAILED,
	STEP_SKIPPED,
	STEP_CANCELED,
	STEP_NSTATES
};

enum result { RESULT_NONE, RESULT_OK, RESULT_WARNINGS, RESULT_NO_DATA, RESULT_NKINDS };

#define STEP_AGAIN "again" /* the code of a step's wait */

struct run_step {
	struct run *run;
	char *asset;
	const struct conf_asset *conf; /* NULL: no longer in the configuration */
	size_t *dep; /* indices of the run's steps this one waits for */
	size_t ndep;
	enum step_state state;
	enum result outcome;
	int64_t attempts, charged;
	tm_ms not_before, started_at, ended_at;
	int64_t ready_us; /* monotonic: when it became ready, or was read in as such */
	struct err err;
	char run_uid[65]; /* once an attempt was begun */
	char *code_version; /* that went into it; NULL: it was begun by version 0.1.0, which had none */
	json_t *metadata; /* once succeeded; may be NULL */
	struct attempt *attempt; /* while running */
	const char *wait_reason; /* why a ready step is not running; a literal, for people */
};
/* Whether the step asked to be taken up again later, which is no failure; its err.text says why, for people. */
bool step_waits(const struct run_step *s);

struct run {
	TAILQ_ENTRY(run) link;
	int64_t id;
	enum run_state state;
	enum result outcome;
	char *job; /* NULL: assets by selection */
	char *partition;
	char *origin, *why;
	char *sensor, *sensor_key, *run_key, *generation; /* NULL unless a sensor asked */
	json_t *config, *tags;
	bool dry_run;
	int64_t retry_of; /* 0: none */
	char *cancel; /* who asked */
	tm_ms created_at, started_at, ended_at;
	tm_ms timeout;
	struct err err;
	struct conf *conf; /* a reference: the definitions this run lives by */
	const char *wait_reason; /* why a queued run is not running; a literal, for people */
	struct run_step *steps;
	size_t nsteps;
};
TAILQ_HEAD(run_list, run);

const char *run_state_name(enum run_state s);
const char *step_state_name(enum step_state s);
const char *result_name(enum result o); /* "none" has no name: NULL */
/* The first of their kind for a name that is none. */
enum run_state run_state_parse(const char *name);
enum step_state step_state_parse(const char *name);
enum result result_parse(const char *name);
bool run_state_is_end(enum run_state s);
bool step_state_is_end(enum step_state s);

/*
 * A run of these assets (dependency order) that is not stored yet.  Takes references to conf, config and tags; the strings
 * are set by the caller before run_insert.
 */
struct run *run_new(
    struct conf *conf, struct conf_asset *const *assets, size_t n, json_t *config, json_t *tags);
void run_free(struct run *); /* no live attempt may be left; NULL is fine */
/* Write the run and its steps; gives it its id. */
void run_insert(struct state *, struct run *, tm_ms now);
/* All runs that have not ended, oldest first, appended to list; definitions are those of conf as it is now. */
void run_load_active(struct state *, struct conf *, struct run_list *list);

void run_set_state(struct state *, struct run *, enum run_state to, tm_ms now);
void step_set_state(struct state *, struct run_step *, enum step_state to, tm_ms now);
struct run_step *run_step_find(struct run *, const char *asset);
/* Nothing of the run goes on by itself before a time that one of its steps asked for: it takes no slot of limits.max_runs. */
bool run_is_parked(const struct run *run);
/* One line of a run's history. */
void run_event(struct state *, const struct run *, const char *asset, int64_t attempt, const char *kind,
    tm_ms now, const char *fmt, ...) PRINTF(7, 8);

/*
 * Let every waiting step whose dependencies have ended become ready, or skipped when they rule it out; and end the run when
 * all its steps have ended.  Returns whether anything changed.
 */
bool run_advance(struct state *, struct run *, tm_ms now);

#endif
