/*
 * wait.h: following a run to its end: a line per step and warning, on a terminal a line of progress, and at the end what
 * was written.
 */
#ifndef WAIT_H
#define WAIT_H

#include "orchctl/ctl.h"

#define WAIT_OPTS                                                                                           \
	{"wait", 'w', ARG_OPTIONAL, "TIME", "follow the run to its end, or for TIME at most (90s, 1h30m)"}, \
	{                                                                                                   \
		"detach", 0, ARG_FLAG, NULL, "leave as soon as the run is recorded; wants a daemon"         \
	}

struct wait_plan {
	bool wait;
	tm_ms timeout; /* 0: none */
};

/* From --wait and --detach: without either, waits on a terminal and when there is no daemon to do it. */
int wait_plan(struct ctl *ctl, struct wait_plan *plan, struct err *err);
/*
 * Follow a run; the exit code (0 succeeded, 1 not), or -1: "wait_timeout", "interrupted" and whatever the daemon says.
 * With --json the run is not printed but handed over in *run, a new reference as runs.show has it.
 */
int wait_run(struct ctl *ctl, int64_t id, const struct wait_plan *plan, json_t **run, struct err *err);
/* After a run was recorded: tell its number, then wait_run or leave. */
int wait_or_tell(struct ctl *ctl, const json_t *result, const struct wait_plan *plan, struct err *err);

#endif
