/*
 * client.h: the asking end of the control socket, as plain blocking calls.
 *
 * Every call has an end: an answer, a deadline, or a signal.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "base/err.h"
#include "base/json.h"

struct client;

typedef void client_event_fn(const json_t *event, void *arg); /* event is lent */

/*
 * Connect to STATE_DIR/control.sock.  Code "no_daemon": nobody listens there; "no_access": the socket is there, but not for
 * this user.  INT and TERM end the waiting for an answer as long as the connection is open; in between they wait.
 */
struct client *client_open(const char *state_dir, struct err *err);
void client_close(struct client *); /* NULL is fine */

/*
 * Ask and wait for the answer; a new reference in *result.  timeout_ms 0: for ever.  Failures are those of the daemon
 * as it told them, and CANCELLED "interrupted" (INT or TERM came while waiting), TRANSIENT "wait_timeout",
 * TRANSIENT "lost" (the daemon went away: what was asked may or may not have been done).
 */
int client_call(struct client *, const char *cmd, const json_t *args, tm_ms timeout_ms,
    client_event_fn *on_event, void *arg, json_t **result, struct err *err);

#endif
