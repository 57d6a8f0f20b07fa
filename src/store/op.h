/*
 * op.h: the life of one store operation.  Private to the store implementations.
 *
 * An operation is born with its first turn already scheduled, so that no callback runs inside the call that started
 * it.  It works in turns of bounded length from the loop, and it ends once: op_end after its last callback, or
 * op_cancel.  Both may happen while one of its callbacks is still on the stack (user code may cancel the operation or
 * close the whole store from there), so memory goes only when the last op_leave has unwound.
 */
#ifndef STORE_OP_H
#define STORE_OP_H

#include "store/store.h"

struct event;
struct op;

struct op_ops {
	void (*turn)(struct op *);
	void (*release)(
	    struct op *); /* frees the operation; called once, with no callback of it on the stack */
};

/* The operations of one store. */
struct op_list {
	struct op *first;
	bool closing; /* all are being cancelled, also those that others of the list have started */
	void (*free_store)(
	    struct store *); /* set once the store was closed: called when the last operation is gone */
	struct store *store;
};

struct op {
	struct store_op pub; /* what callers hold */
	const struct op_ops *ops;
	struct op_list *list;
	struct op *next, **link;
	struct event *timer;
	int depth; /* op_enter without op_leave */
	bool dead, paused;
	struct err failed; /* found before the first turn; class ERR_NONE: nothing */
};

void op_init(struct op *, const struct op_ops *, struct store *, struct op_list *);
/* A turn as soon as the loop comes round, or after this time; one is enough however often it is asked for. */
void op_kick(struct op *);
void op_kick_after(struct op *, tm_ms delay);
void op_unkick(struct op *);

/* Around everything that may call back from outside a turn. op_leave returns false when the operation is gone. */
void op_enter(struct op *);
bool op_leave(struct op *);
/* After the last callback. */
void op_end(struct op *);
void op_cancel(struct op *);
void op_pause(struct op *, bool paused);

/* store_delete_many for every store, by its other operations. */
struct store_op *op_delete_many(struct store *, struct op_list *, const struct store_deletion *, size_t n,
    const struct store_delete_cbs *, void *arg);

/* Cancel everything; free_store runs now, or when the callbacks on the stack have unwound. */
void op_list_close(struct op_list *, struct store *, void (*free_store)(struct store *));

#endif
