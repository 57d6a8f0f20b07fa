/* run_text.h: one run for people. */
#ifndef RUN_TEXT_H
#define RUN_TEXT_H

#include "orchctl/ctl.h"

/* "run 41 succeeded with warnings in 12.3 s", and the errors of failed steps. */
void run_text_verdict(const json_t *run);
/* Everything: what and why, steps with their attempts and times, metadata, events (the last max_events). */
void run_text_show(const json_t *run, size_t max_events);
/* "state" or "state, outcome" into sb; returns how to paint it. */
enum paint run_text_state(struct strbuf *sb, const json_t *obj);

#endif
