/*
 * context.h: what a step is told: DIR/context.json, written by the daemon before the process is started.
 *
 * One table of members serves both directions, so what is written is what is read.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "base/err.h"
#include "base/json.h"

#define CONTEXT_SCHEMA    "orchd/1"
#define CONTEXT_MAX_BYTES (4 << 20)

struct step_context {
	/* Texts: never NULL after context_load except hold and code_version. */
	const char *run, *run_uid, *job, *asset, *type, *partition;
	const char *hold; /* reason; NULL: not on hold */
	const char *code_version; /* the asset's own, as its definition has it; NULL: none */
	const char *ledger, *work;
	int64_t attempt; /* from 1 */
	int64_t epoch; /* of the owning daemon: fencing token beside attempt */
	int64_t log_bytes; /* kept of stdout and of stderr */
	int64_t grace_ms; /* orch-exec: from TERM to KILL */
	bool dry_run;
	/* Mappings; deps is a list.  Never NULL after context_load. */
	const json_t *options, *config, *tags, *deps, *upstream, *stores, *databases, *sections;
	json_t *json; /* owner of everything above after context_load; NULL when a writer filled the struct */
};

/* Read and check DIR/context.json.  Class CONFIG or BAD_DATA with the member's name when it is not as it must be. */
int context_load(const char *dir, struct step_context *ctx, struct err *err);
/*
 * Write DIR/context.json.  Not by rename, and not forced to disk: its reader is started after this returned, in the
 * same life of the machine, and the next attempt has a folder of its own.  NULL texts are left out, NULL mappings are written empty.
 */
int context_save(const char *dir, const struct step_context *ctx, struct err *err);
void context_release(struct step_context *ctx);

#endif
