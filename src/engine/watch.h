/*
 * watch.h: sensors at work: when they tick, what a tick may ask for, and its history.
 *
 * One watch per configured sensor.  A tick's reports and requests are collected in memory and applied in the turn after
 * tick_done, in one transaction with the runs they ask for: a key is never marked as seen without its run, nor a run made
 * twice for one generation of a run key.
 */
#ifndef WATCH_H
#define WATCH_H

#include "engine/engine.h"
#include "engine/keyindex.h"

void watch_start_all(struct engine *);
void watch_stop_all(struct engine *); /* cancels ticks under way */
/* Apply ticks that are done, start those that are due; returns when the next one is. */
tm_ms watch_turn(struct engine *);
/* NULL: there is no such sensor, or none is at work. */
const struct key_tally *watch_tally(const struct engine *, const char *sensor);

#endif
