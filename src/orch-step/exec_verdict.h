/* exec_verdict.h: from a command's end and its messages to the exit record. */
#ifndef EXEC_VERDICT_H
#define EXEC_VERDICT_H

#include "orch-step/capture.h"
#include "step/context.h"
#include "step/exitrec.h"

struct exec_end {
	int status; /* of waitpid */
	bool stopped; /* we were told to stop before it ended */
	bool killed; /* and had to kill it */
	const struct capture *err; /* its stderr, for the last words */
};

/* Fill outcome, error, exit code, signal, metadata and journal_bytes of rec, reading DIR's journal. */
void exec_verdict(
    const struct exec_end *end, const char *dir, const struct step_context *ctx, struct exitrec *rec);

#endif
