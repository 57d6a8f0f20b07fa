#include "config.h"

#include "web/orders.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/httpd.h"
#include "net/payload.h"
#include "web/rendering.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct order *order;
	struct httpd_request *req;
};

struct order {
	TAILQ_ENTRY(order) link;
	struct orders *all;
	char *target;
	TAILQ_HEAD(, waiter) waiters; /* none: it is in renewals, otherwise in awaited */
};

TAILQ_HEAD(order_queue, order);

struct orders {
	struct event_base *base;
	orders_make_fn *make;
	void *arg;
	struct event *turn;
	struct order_queue awaited, renewals;
	size_t n;
	tm_ms rested; /* no renewal is made before; monotonic */
};

static struct order *order_in(const struct order_queue *queue, const char *target)
{
	struct order *o;

	TAILQ_FOREACH(o, queue, link)
	if (strcmp(o->target, target) == 0)
		return o;
	return NULL;
}

static struct order *order_new(struct orders *all, const char *target)
{
	struct order *o = xcalloc(1, sizeof(*o));

	*o = (struct order){.all = all, .target = xstrdup(target)};
	TAILQ_INIT(&o->waiters);
	all->n++;
	return o;
}

/* It is in no queue, and nobody waits for it. */
static void order_free(struct order *o)
{
	o->all->n--;
	free(o->target);
	free(o);
}

/* A timer that is due at once runs in the next turn, behind what came in by then. */
static void arm(struct orders *all)
{
	tm_ms now = clock_mono(), wait = 0;
	struct timeval tv;

	if (TAILQ_EMPTY(&all->awaited) && TAILQ_EMPTY(&all->renewals))
		return;
	if (TAILQ_EMPTY(&all->awaited) && all->rested > now)
		wait = all->rested - now;
	tv = (struct timeval){.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
	event_add(all->turn, &tv);
}

/* ---- those who wait ---- */

static void waiter_free(struct waiter *w)
{
	TAILQ_REMOVE(&w->order->waiters, w, link);
	free(w);
}

static void on_gone(void *arg)
{
	struct waiter *w = arg;
	struct order *o = w->order;

	waiter_free(w);
	if (!TAILQ_EMPTY(&o->waiters))
		return;
	TAILQ_REMOVE(&o->all->awaited, o, link);
	order_free(o);
}

static void add_waiter(struct order *o, struct httpd_request *req)
{
	struct waiter *w = xcalloc(1, sizeof(*w));

	*w = (struct waiter){.order = o, .req = req};
	TAILQ_INSERT_TAIL(&o->waiters, w, link);
	httpd_on_gone(req, on_gone, w);
}

/* The first that waits, to be answered; NULL: nobody does. */
static struct httpd_request *take_waiter(struct order *o)
{
	struct waiter *w = TAILQ_FIRST(&o->waiters);
	struct httpd_request *req = w ? w->req : NULL;

	if (w == NULL)
		return NULL;
	httpd_on_gone(req, NULL, NULL);
	waiter_free(w);
	return req;
}

/* ---- turns ---- */

static struct order *next_order(struct orders *all)
{
	struct order *o;

	if ((o = TAILQ_FIRST(&all->awaited)) != NULL) {
		TAILQ_REMOVE(&all->awaited, o, link);
	} else if (clock_mono() >= all->rested && (o = TAILQ_FIRST(&all->renewals)) != NULL) {
		TAILQ_REMOVE(&all->renewals, o, link);
	}
	return o;
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct orders *all = arg;
	struct order *o = next_order(all);

	if (o != NULL) {
		struct rendering r = {0};
		struct httpd_request *req;
		tm_ms began = clock_mono();

		all->make(all->arg, o->target, !TAILQ_EMPTY(&o->waiters), &r);
		while ((req = take_waiter(o)) != NULL)
			rendering_reply(req, &r);
		payload_unref(r.payload);
		order_free(o);
		all->rested = clock_mono() + MAX(clock_mono() - began, (tm_ms)1);
	}
	arm(all);
}

/* ---- orders ---- */

bool orders_join(struct orders *all, struct httpd_request *req)
{
	struct order *o = order_in(&all->awaited, httpd_target(req));

	if (o != NULL)
		add_waiter(o, req);
	return o != NULL;
}

bool orders_wait(struct orders *all, struct httpd_request *req)
{
	struct order *o;

	if (orders_join(all, req))
		return true;
	if ((o = order_in(&all->renewals, httpd_target(req))) != NULL)
		TAILQ_REMOVE(&all->renewals, o, link);
	else if (all->n < ORDERS_MAX)
		o = order_new(all, httpd_target(req));
	else
		return false;
	TAILQ_INSERT_TAIL(&all->awaited, o, link);
	add_waiter(o, req);
	arm(all);
	return true;
}

void orders_renew(struct orders *all, const char *target)
{
	struct order *o;

	if (all->n == ORDERS_MAX || order_in(&all->awaited, target) != NULL ||
	    order_in(&all->renewals, target) != NULL)
		return;
	o = order_new(all, target);
	TAILQ_INSERT_TAIL(&all->renewals, o, link);
	arm(all);
}

struct orders *orders_new(struct event_base *base, orders_make_fn *make, void *arg)
{
	struct orders *all = xcalloc(1, sizeof(*all));

	*all = (struct orders){.base = base, .make = make, .arg = arg};
	all->turn = event_new(base, -1, 0, on_turn, all);
	TAILQ_INIT(&all->awaited);
	TAILQ_INIT(&all->renewals);
	return all;
}

void orders_free(struct orders *all)
{
	struct httpd_request *req;
	struct order *o;

	if (all == NULL)
		return;
	while ((o = TAILQ_FIRST(&all->renewals)) != NULL) {
		TAILQ_REMOVE(&all->renewals, o, link);
		order_free(o);
	}
	while ((o = TAILQ_FIRST(&all->awaited)) != NULL) {
		TAILQ_REMOVE(&all->awaited, o, link);
		while ((req = take_waiter(o)) != NULL)
			httpd_reply_error(req, 503, "the page is going away");
		order_free(o);
	}
	event_free(all->turn);
	free(all);
}
