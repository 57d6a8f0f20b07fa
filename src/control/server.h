/* server.h: the daemon's end of the control socket. */
#ifndef SERVER_H
#define SERVER_H

#include "control/commands.h"

struct event_base;
struct server;

/*
 * Listen on STATE_DIR/control.sock.  The caller owns the lock of the state directory, so a socket found there is a
 * dead owner's and is replaced; anything else in its place is an error.  caller_template is copied for each connection,
 * with who filled in.
 */
struct server *server_new(struct event_base *base, const char *state_dir,
    const struct command_caller *caller_template, struct err *err);
/* Closes every connection and removes the socket; NULL is fine. */
void server_free(struct server *);

#endif
