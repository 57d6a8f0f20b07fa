/* commands_priv.h: a command from inside, for the files that hold what the rows of the table do. */
#ifndef COMMANDS_PRIV_H
#define COMMANDS_PRIV_H

#include "control/commands.h"
#include "engine/engine.h"

struct command {
	struct command_caller *caller; /* not after a cancel */
	struct engine *engine;
	json_t *args;
	struct command_cbs cbs;
	void *arg;
	bool cancelled, answered, in_start;
	bool engine_holds; /* a callback of the engine's will still come: the command is freed then */
	json_t *result; /* waits for the commit */
	int64_t run_id; /* of runs.wait */
	struct engine_listener listener;
	bool listening;
};

enum verdict {
	DONE, /* c->result is the answer */
	LATER, /* it comes by command_answer */
	FAILED, /* err is the answer */
};

/* ---- arguments ---- */

const char *command_text(const struct command *, const char *name); /* NULL: none */
const char *command_need_text(const struct command *, const char *name, struct err *err);
/* A run by number, or by the text of its number or uid; 0: err. */
int64_t command_need_run(const struct command *, struct err *err);

/* ---- answers ---- */

/* The result (taken over) is the answer, NULL: err is. */
enum verdict command_give(struct command *, json_t *result);
/* The same once it is durable. */
enum verdict command_after_commit(struct command *, json_t *result);
/* For callbacks of the engine's: answer with c->result; the command may be gone afterwards. */
engine_commit_fn command_answer_after_commit;
/* Answer now, of a command that said LATER. */
void command_answer(struct command *, const json_t *result, const struct err *err);

/* ---- what there is, by the names in the table of commands.c ---- */

typedef enum verdict command_fn(struct command *c, struct err *err);
/* commands_read.c: nothing changes */
command_fn do_status, do_runs_list, do_runs_show, do_runs_logs, do_assets_list, do_assets_show,
    do_schedules_list, do_sensors_list, do_sensors_ticks, do_sensors_keys, do_holds, do_outbox, do_audit_show,
    do_why, do_runs_wait;
/* commands_change.c: the engine does what people ask for */
command_fn do_runs_cancel, do_runs_retry, do_sensors_tick, do_sensors_pause, do_sensors_resume, do_hold,
    do_release, do_audit_record, do_materialize, do_launch, do_reload;

#endif
