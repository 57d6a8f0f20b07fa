/*
 * exec_child.h: one command as a child process, and everything it may leave behind.
 *
 * The command leads a process group of its own and dies with its supervisor (PR_SET_PDEATHSIG), so that a killed
 * orch-exec never leaves an unsupervised command that a retry would run beside.  The supervisor is a child subreaper:
 * whatever the command forks away becomes ours and is killed after its end.
 */
#ifndef EXEC_CHILD_H
#define EXEC_CHILD_H

#include "orch-step/exec_plan.h"

#include <sys/types.h>

struct exec_child {
	pid_t pid; /* also the process group */
	bool ended;
	int status; /* of waitpid, once ended */
};

/* Start with /dev/null, out and err as descriptors 0 to 2 and nothing else.  Class CONFIG when it cannot be executed. */
int exec_child_start(
    struct exec_child *child, const struct exec_plan *plan, int out, int err_fd, struct err *err);
/* Collect ended children; sets ended and status when the command is among them. */
void exec_child_reap(struct exec_child *child);
void exec_child_signal(const struct exec_child *child, int sig);
/*
 * Kill all that is left of the group and all descendants, and collect them.  Returns how many there were; gives up after
 * timeout (a process in uninterruptible sleep cannot be waited for).
 */
int exec_child_kill_rest(struct exec_child *child, tm_ms timeout);

#endif
