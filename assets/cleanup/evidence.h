/*
 * evidence.h: what was checked before anything was deleted, stage by stage, with the time: kept in the step's
 * ledger folder and in the materialization, so that "why is it gone" has an answer for ever.
 */
#ifndef ASSETS_CLEANUP_EVIDENCE_H
#define ASSETS_CLEANUP_EVIDENCE_H

#include "base/err.h"
#include "base/json.h"

struct evidence {
	json_t *stages; /* [{"stage", "at", "attempt", "checked": {...}}, ...] */
	char *path;
};

void evidence_init(struct evidence *, const char *ledger_dir);
void evidence_release(struct evidence *);
/* Append one stage and rewrite the file.  Takes `checked` over. */
int evidence_add(struct evidence *, const char *stage, int attempt, json_t *checked, struct err *err);

#endif
