#include "config.h"

#include "store/op.h"

#include "base/mem.h"

#include <event2/event.h>

static void free_op(struct op *op)
{
	struct op_list *list = op->list;

	*op->link = op->next;
	if (op->next != NULL)
		op->next->link = op->link;
	event_free(op->timer);
	op->ops->release(op);
	if (list->first == NULL && list->free_store != NULL)
		list->free_store(list->store);
}

void op_enter(struct op *op)
{
	op->depth++;
}

bool op_leave(struct op *op)
{
	assert(op->depth > 0);
	if (--op->depth > 0 || !op->dead)
		return true;
	free_op(op);
	return false;
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct op *op = arg;

	op_enter(op);
	op->ops->turn(op);
	op_leave(op);
}

void op_init(struct op *op, const struct op_ops *ops, struct store *st, struct op_list *list)
{
	op->pub.store = st;
	op->ops = ops;
	op->list = list;
	op->failed = ERR_INIT;
	op->timer = evtimer_new(st->base, on_turn, op);
	if (op->timer == NULL)
		abort();
	op->next = list->first;
	if (op->next != NULL)
		op->next->link = &op->next;
	op->link = &list->first;
	list->first = op;
	op_kick(op);
}

void op_kick_after(struct op *op, tm_ms delay)
{
	struct timeval tv = {.tv_sec = delay / 1000, .tv_usec = delay % 1000 * 1000};

	if (!op->dead && !op->paused)
		evtimer_add(op->timer, &tv);
}

/* A timer of zero, not event_active: sockets and signals get their look between two turns. */
void op_kick(struct op *op)
{
	op_kick_after(op, 0);
}

void op_unkick(struct op *op)
{
	evtimer_del(op->timer);
}

void op_end(struct op *op)
{
	op->dead = true;
	evtimer_del(op->timer);
	if (op->depth == 0)
		free_op(op);
}

void op_cancel(struct op *op)
{
	op_end(op);
}

void op_pause(struct op *op, bool paused)
{
	if (op->paused == paused)
		return;
	op->paused = paused;
	if (paused)
		evtimer_del(op->timer);
	else
		op_kick(op);
}

void op_list_close(struct op_list *list, struct store *st, void (*free_store)(struct store *))
{
	struct op *op, *next;

	list->closing = true;
	for (op = list->first; op != NULL; op = next) {
		next = op->next;
		op_cancel(op);
	}
	/* free_store only now: freeing the last operation above must not free the list under the loop. */
	if (list->first == NULL) {
		free_store(st);
		return;
	}
	list->store = st;
	list->free_store = free_store;
}
