/* engine_priv.h: the engine's inside, shared by the files of this folder only. */
#ifndef ENGINE_PRIV_H
#define ENGINE_PRIV_H

#include "conf/conf.h"
#include "engine/engine.h"
#include "metric/metric.h"
#include "state/state.h"

#include <event2/event.h>

struct prune;
struct shared_store;
struct spawner;
struct watch;

/* Something to do after the commit, in order. */
struct after {
	STAILQ_ENTRY(after) link;
	engine_commit_fn *fn;
	void *arg;
};
STAILQ_HEAD(after_list, after);

struct pending_event {
	STAILQ_ENTRY(pending_event) link;
	const char *kind; /* literal */
	int64_t run_id;
	char *asset;
	json_t *data;
};
STAILQ_HEAD(event_list, pending_event);

struct engine {
	struct event_base *base;
	struct state *state;
	struct conf *conf;
	char *conf_problem; /* why a newer one is not in use */
	bool local;
	char *step_program, *exec_program;
	struct spawner *spawner; /* NULL until the first step */

	struct run_list runs; /* not ended, oldest first */
	struct shared_store *stores; /* opened for sensors, until they stop */
	struct watch *watches;
	size_t nwatches;

	struct event *turn_event, *timer_event;
	bool in_turn, kicked;
	tm_ms now; /* of this turn */
	struct after_list after;
	struct event_list events;
	TAILQ_HEAD(, engine_listener) listeners;
	int64_t *own_runs; /* local: the runs that go on */
	size_t nown_runs;

	bool draining;
	tm_ms drain_until; /* monotonic */
	void (*on_drained)(void *);
	void *drained_arg;
	struct prune *prune;
	struct engine_stats stats;
	struct metric_batch counts; /* of this turn: they hold once it is committed */
};

/* engine.c */
void engine_note(
    struct engine *, const char *kind, int64_t run_id, const char *asset, json_t *data); /* takes data */
bool engine_owns(const struct engine *, const struct run *);
struct run *engine_run_find(struct engine *, int64_t id);
void engine_run_add(struct engine *, struct run *); /* the engine's from now on */

/* schedule.c: decide what goes on; returns the time of the next thing that is due by itself. */
tm_ms schedule_turn(struct engine *);

/* recover.c: make memory from the database and the world. */
void recover_runs(struct engine *);

/* prune.c: bounded history; prune_turn returns when to come again. */
struct prune *prune_new(void);
void prune_free(struct prune *); /* NULL is fine */
tm_ms prune_turn(struct engine *);
void prune_undone(struct prune *); /* the commit failed: what was removed is there again */
/* The step has asked to be started again: the oldest attempts that did the same go. */
void prune_agains(struct engine *, const struct run_step *);
/* Remove folders of runs that are not in the database (a crash between the two). */
void prune_orphans(struct engine *);

/* hold.c */
/* The reason why the partition is held, or NULL; free() it. */
char *hold_reason(struct state *, const char *partition);

#endif
