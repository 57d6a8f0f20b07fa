/*
 * clock.h: the one module that reads the clock.
 *
 * Tests own time with clock_set; the environment variable ORCH_CLOCK_OFFSET_MS (tests of whole programs) shifts
 * the wall clock, never the monotonic one.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include "base/util.h"

tm_ms clock_now(void); /* wall clock, UTC */
tm_ms clock_mono(void); /* monotonic; for spans inside one process */
int64_t clock_mono_us(void);
tm_ms clock_boot(void); /* since the machine started, sleep included; never frozen */
/* Freeze both clocks at these values; clock_unset returns to the real ones. */
void clock_set(tm_ms wall, tm_ms mono);
void clock_unset(void);

#endif
