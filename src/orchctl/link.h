/*
 * link.h: whoever answers: the daemon at its socket or, without one, the same engine in this process.
 *
 * The first question decides.  What changes something needs the owner of the state, so without a daemon this process
 * takes the lock for as long as the link is open; what only looks needs no lock.
 */
#ifndef LINK_H
#define LINK_H

#include "base/err.h"
#include "base/json.h"

struct conf;
struct link;

/* conf is lent and must outlive the link. */
struct link *link_new(struct conf *conf);
void link_free(struct link *); /* NULL is fine */

/*
 * Ask (control/protocol.h); a new reference in *result.  timeout_ms 0: for ever.  Events are lent to on_event (may be
 * NULL).
 */
int link_call(struct link *, const char *cmd, const json_t *args, tm_ms timeout_ms,
    void (*on_event)(const json_t *event, void *arg), void *arg, json_t **result, struct err *err);
/* Whether a daemon answers; connects when nothing has been asked yet. */
int link_has_daemon(struct link *, bool *has, struct err *err);

#endif
