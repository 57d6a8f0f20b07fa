/*
 * handover.h: what a step is given: its context and its environment.
 *
 * A step gets the stores and databases its own options name, nothing else; secrets go as references, and of the
 * daemon's environment it sees a fixed list of harmless variables and those that its references name.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include "engine/engine.h"

struct run_step;

/* H(asset, type, options, partition, config, generation, upstream, software): equal work has equal identity. */
void handover_run_uid(const struct run_step *step, char out[65]);
/* Write context.json into the attempt's folder. */
int handover_context(const struct run_step *step, int64_t attempt, const char *dir, const char *ledger,
    struct state *state, struct err *err);
/* plain: for the process's environment as the kernel shows it.  quiet: those that are, or may hold, secrets. */
void handover_environment(const struct run_step *step, struct strvec *plain, struct strvec *quiet);

#endif
