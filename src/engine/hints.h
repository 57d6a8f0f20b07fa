/*
 * hints.h: what was announced to a sensor and not looked at yet.
 *
 * A hint is the sensor type's word for what a tick must look at because of an announced key (an upload, whose thousand
 * pieces have one hint), or "" for everything.  A hint that waits is a row of the table `hint`, written in the turn that
 * heard of it and deleted in the turn that applies a tick which began later; so after a crash it still waits.  What is
 * announced again while a tick looks at it waits for another tick: the row just stays.
 *
 * At most HINTS_MAX of them wait; beyond that one "" stands for them all, so that nothing is lost and nothing grows.
 */
#ifndef HINTS_H
#define HINTS_H

#include "base/util.h"

struct hints;
struct state;

#define HINTS_MAX 1000
#define HINTS_FEW 32 /* a tick for more of them looks at everything instead */

/* Those of one sensor, from the database. */
struct hints *hints_load(struct state *, const char *sensor);
void hints_free(struct hints *); /* NULL is fine */

/* False: it waits already, in the database or in the transaction that is open. */
bool hints_add(struct hints *, const char *hint, tm_ms now);
/* Whether anything waits that no tick under way has taken. */
bool hints_waiting(const struct hints *);

/* A tick begins: what waits now is its. */
void hints_take(struct hints *);
/* What it took, lent until the next call of settle or give_back; NULL: nothing, or too much to look at one by one. */
const char *const *hints_taken(const struct hints *, size_t *n);
/* It saw all it took: their rows go, but for those announced again in the meantime. */
void hints_settle(struct hints *);
/* It did not: they wait again. */
void hints_give_back(struct hints *);

#endif
