/*
 * orders.h: pages that are to be made, one in a turn of the loop.
 *
 * Making a page takes milliseconds, and all that the loop has to do besides waits for it: steps that ended, ticks, readers whose
 * page is at hand.  So however many pages are asked for, a turn makes one, and the next turn sees first what came meanwhile.
 * Those who ask for the same page wait for the same order.
 */
#ifndef ORDERS_H
#define ORDERS_H

#include "base/util.h"

#define ORDERS_MAX 1024 /* pages that wait at once */

struct event_base;
struct httpd_request;
struct orders;
struct rendering;

/*
 * Called from the loop for a target that was ordered.  out's payload is a reference that is taken back; without one nothing was
 * made, which is allowed when nobody waits for it.
 */
typedef void orders_make_fn(void *arg, const char *target, bool awaited, struct rendering *out);

struct orders *orders_new(struct event_base *, orders_make_fn *, void *arg);
void orders_free(struct orders *); /* those who wait are answered 503; NULL is fine */

/*
 * The request is answered when its page is made, in the order in which pages were first waited for; false: too many are, and it
 * is the caller's to answer.  A client that goes away is forgotten, and the order with the last of them.
 */
bool orders_wait(struct orders *, struct httpd_request *);
/* As orders_wait if somebody waits for that page already; false: nobody does. */
bool orders_join(struct orders *, struct httpd_request *);
/*
 * Nobody waits: what there is of the page may be given for a while yet.  It is made when no other is waited for, and after a rest
 * as long as the last one took, so that pages which were once made in one burst are not due in one burst ever after.
 */
void orders_renew(struct orders *, const char *target);

#endif
