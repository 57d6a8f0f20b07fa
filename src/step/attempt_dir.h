/*
 * attempt_dir.h: the folders and files of one attempt, shared by the daemon and the step programs.
 *
 *     STATE/runs/<run>/<asset>/ledger/       shared by all attempts
 *     STATE/runs/<run>/<asset>/<attempt>/    context.json journal.ndjson stdout stderr exit.json work/
 *
 * stdout and stderr may be missing when nothing was written.
 */
#ifndef ATTEMPT_DIR_H
#define ATTEMPT_DIR_H

#include "base/err.h"

#define ATTEMPT_CONTEXT "context.json"
#define ATTEMPT_JOURNAL "journal.ndjson"
#define ATTEMPT_STDOUT  "stdout"
#define ATTEMPT_STDERR  "stderr"
#define ATTEMPT_EXIT    "exit.json"
#define ATTEMPT_WORK    "work"
#define ATTEMPT_LEDGER  "ledger"

/* Paths; free() them. */
char *attempt_dir_run(const char *state_dir, const char *run);
char *attempt_dir_step(const char *state_dir, const char *run, const char *asset);
char *attempt_dir_path(const char *state_dir, const char *run, const char *asset, int attempt);

/*
 * The daemon makes the attempt's folder; the step's program makes work/ and the shared ledger/ in it, because each
 * change of a folder may wait for the disk and the daemon has one thread.  Mode 0700; existing ones are fine.
 */
int attempt_dir_create(const char *dir, struct err *err);
int attempt_dir_prepare(const char *dir, struct err *err);
/*
 * The attempt is over: remove work/ with what is in it.  An empty one stays until the run is pruned: ext4 searches past
 * inodes freed within the last half minute, so a folder removed per step would slow down every file made after it.
 */
int attempt_dir_settle(const char *dir, struct err *err);
/* Its process left no verdict: remove what it was writing when it died, in its folder and in the ledger. */
void attempt_dir_sweep(const char *dir);

#endif
