/*
 * health.h: whether stores and databases answered when this process, or a step it started, asked them last.
 *
 * Nothing is probed: what is not used is not known.  An answer that says no (not found, a constraint) is an answer; a
 * failure is one that hides the whole place: unreachable, access denied, disk full.  Steps hand theirs over with the exit
 * record, as they do with metric.h.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include "base/err.h"
#include "base/json.h"

enum health_kind { HEALTH_STORE, HEALTH_DATABASE, HEALTH_NKINDS };

struct health {
	enum health_kind kind;
	char *name; /* as in the configuration */
	tm_ms ok_at, failed_at; /* the last time of each; 0: never */
	struct err err; /* of failed_at */
};

/* err NULL or of class NONE: it answered. */
void health_note(enum health_kind, const char *name, const struct err *err);
/* NULL: it was not asked yet. */
const struct health *health_find(enum health_kind, const char *name);
bool health_is_good(const struct health *);

json_t *health_export(void);
/* Did one of these places not answer at all when it was asked last?  One that says no, or fails at one thing, is there. */
bool health_says_away(const json_t *exported);
/* Newer times win; what does not fit is passed over. */
void health_import(const json_t *exported);

#endif
