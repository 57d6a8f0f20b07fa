/*
 * local.h: the same commands without a daemon.
 *
 * An owner takes the state's lock and runs the engine in this process: what it starts goes on until local_call returns,
 * sensors tick only when asked, other runs found in the state are left for the daemon.  A reader takes no lock and only
 * looks.  With a daemon the lock is held, and opening an owner fails with code "locked".
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "base/err.h"
#include "base/json.h"

struct conf;
struct local;

/* conf is referenced. */
struct local *local_open(struct conf *conf, bool owner, struct err *err);
/* Steps still running are left running; a daemon will adopt them. */
void local_close(struct local *); /* NULL is fine */

/*
 * Ask and wait for the answer (control/protocol.h); a new reference in *result.  While a run is waited for, the first
 * SIGINT or SIGTERM cancels it and the wait goes on until its steps have stopped; the second returns at once with code
 * "interrupted".  After timeout_ms (0: none) it returns with code "wait_timeout".
 */
int local_call(struct local *, const char *cmd, const json_t *args, tm_ms timeout_ms,
    void (*on_event)(const json_t *event, void *arg), void *arg, json_t **result, struct err *err);

#endif
