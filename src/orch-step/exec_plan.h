/*
 * exec_plan.h: from a step's context to what execve is given.
 *
 * The asset's options: command (list), shell, env (map), pass_env (list), workdir.  {name} places in the command's
 * arguments and in env values are filled from the run's config, then its tags, then the step itself (run, job, asset,
 * partition, work, ledger).  A shell's program text is never filled: it takes "$1" or the environment, so data
 * cannot become code.
 */
#ifndef EXEC_PLAN_H
#define EXEC_PLAN_H

#include "base/strvec.h"
#include "step/context.h"

struct exec_plan {
	char *program; /* the file to run, found on PATH */
	char *workdir;
	struct strvec argv, env;
};

/* dir: the attempt's folder, absolute.  Class CONFIG, with the argument or name that is wrong. */
int exec_plan_make(struct exec_plan *plan, const char *dir, const struct step_context *ctx, struct err *err);
void exec_plan_release(struct exec_plan *plan);
/* The command as a person would type it, for messages. */
char *exec_plan_text(const struct exec_plan *plan);

#endif
