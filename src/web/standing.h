/*
 * standing.h: how each row of a matrix of nights stands:
 *     current   its newest night is not older than web.late_after and not stuck
 *     stuck     its newest night failed, cannot be used, or waits for the rest for too long
 *     late      nothing newer came for longer than that
 *     quiet     nothing came for two weeks: it is not expected any more
 */
#ifndef STANDING_H
#define STANDING_H

#include "web/nights.h"

/* Sets the standing of each row, and which nights are stuck, in the place of what was judged before.  late_after 0: nothing is ever late. */
void standing_judge(struct nights *, tm_ms late_after, tm_ms now);
int64_t standing_count(const struct nights *, const char *standing);

#endif
