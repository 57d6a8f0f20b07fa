/* backup.h: a consistent copy of the state while its owner works on. */
#ifndef STATE_BACKUP_H
#define STATE_BACKUP_H

#include "base/err.h"

/*
 * Copy STATE/state.db of `dir` to `file`, which appears whole and durable or not at all; everything committed before the
 * call is in it.  An existing file is "refused".  To restore: put the copy in place of state.db while nothing runs.
 */
int state_backup(const char *dir, const char *file, int64_t *bytes, struct err *err);

#endif
