/* loop.h: the event loop as every program of ours wants it. */
#ifndef LOOP_H
#define LOOP_H

struct event_base;

/* One thread, timers to the millisecond; free with event_base_free. */
struct event_base *loop_new(void);

#endif
