/*
 * handover.h: what a step is given: its context and its environment.
 *
 * A step gets the stores and databases its own options name, nothing else; secrets go as references, and of the
 * daemon's environment it sees a fixed list of harmless variables and those that its references name.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include "engine/engine.h"

struct conf_asset;
struct run_step;

/* Of the asset's work: its type's, "/", and its own if it has one.  free() it. */
char *handover_code_version(const struct conf_asset *);
#define HANDOVER_CODE_FIRST "1" /* of everything that version 0.1.0 made */
/*
 * H(asset, type, options, partition, config, generation, upstream, code version): equal work has equal identity.  NULL for
 * the code version: as version 0.1.0 did it, with its own version in that place.
 */
void handover_run_uid(const struct run_step *step, const char *code_version, char out[65]);
/* Write context.json into the attempt's folder. */
int handover_context(const struct run_step *step, int64_t attempt, const char *dir, const char *ledger,
    struct state *state, struct err *err);
/* plain: for the process's environment as the kernel shows it.  quiet: those that are, or may hold, secrets. */
void handover_environment(const struct run_step *step, struct strvec *plain, struct strvec *quiet);

#endif
