/* loop.h: the event loop as every program of ours wants it. */
#ifndef LOOP_H
#define LOOP_H

struct event_base;

/*
 * One thread, timers to the millisecond, and a lowest priority (event_base_get_npriorities - 1) for those who can wait
 * until nothing else is to be done.  Free with event_base_free.
 */
struct event_base *loop_new(void);

#endif
