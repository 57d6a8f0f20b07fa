/*
 * announce.h: what is worth telling becomes rows of the outbox, in the transaction of what they tell of.
 *
 * An event's data, as notifications send it (members without a value are left out):
 *
 *     {"kind": "failed", "group": "uao", "job", "run", "partition", "outcome", "origin", "created_at", "started_at",
 *      "ended_at", "error": {"class", "code", "text"}, "labels": [..], "messages": [{"asset", "label", "text"}],
 *      "repeats": n, "since": time, "names": {..}}
 *
 * names are the texts of the run's config and tags and what templates of notifications may name besides: job, partition,
 * sensor, key, group.  Of a stale key there are "sensor", "key", "reason" instead of the run's members.
 *
 * Trouble has labels: those of the run's warnings, and the error codes of steps that failed for good.  A label that
 * was told and that a later successful run of the same group and job does not show again has recovered.
 */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include "base/util.h"

struct conf;
struct conf_sensor;
struct key_report;
struct run;
struct state;

enum event_kind { EVENT_FAILED, EVENT_WARNINGS, EVENT_RECOVERED, EVENT_STALE, EVENT_SUCCEEDED, EVENT_NKINDS };
const char *event_kind_name(enum event_kind);
/* "org.orchd.run.failed.v1"; lent; NULL when there is no such kind. */
const char *event_kind_type(const char *kind);

/* The run has just ended.  Cancelled runs, dry runs and runs without data are not told of. */
void announce_run(struct state *, const struct conf *, const struct run *, tm_ms now);
/* The report changed; only stale ones are told of. */
void announce_key(
    struct state *, const struct conf *, const struct conf_sensor *, const struct key_report *, tm_ms now);

#endif
