/*
 * query.h: what is known, as JSON: the one serializer behind `orchctl --json`, the API and the page.
 *
 * Every function reads the state database (a reader is enough) and the configuration, and returns a new object with
 * "schema": "orchd/1", or NULL with err ("not_found" and the like).  Times are ISO 8601 UTC texts or null; durations
 * end in _ms; an error is null or {"class", "code", "text"}.
 *
 * run      {"id", "uid", "job", "assets": [..], "partition", "state", "outcome", "origin", "why", "dry_run",
 *           "retry_of", "cancel", "created_at", "started_at", "ended_at", "error", "wait_reason"}
 * run_show run + {"config", "tags", "sensor", "sensor_key", "run_key", "generation",
 *           "steps": [{"asset", "type", "deps": [..], "state", "outcome", "started_at", "ended_at", "not_before",
 *                      "error", "wait_reason", "run_uid", "code_version", "metadata",
 *                      "live": {"attempt", "pid", "progress": {"what", "done", "total"}, "stopping"} | null,
 *                      "attempts": [{"n", "started_at", "ended_at", "outcome", "kill_reason", "error", "exit_code",
 *                                    "signal", "utime_s", "stime_s", "maxrss_kib", "warnings"}]}],
 *           "checks": [check..], "events": [{"id", "at", "asset", "attempt", "kind", "text"}]}
 * check    {"at", "run", "asset", "attempt", "check": its name, "passed", "severity": "ERROR" | "WARN" | null: not known,
 *           "metadata": {..} | null, "metadata_cut": members that had no room, "text"}
 * key      {"key", "verdict", "reason", "present", "expected", "bytes", "newest", "first_at", "since", "gone_at", "run"}
 * tick     {"first_at", "last_at", "n", "outcome", "reason", "requested", "duration_ms"}
 */
#ifndef QUERY_H
#define QUERY_H

#define QUERY_SCHEMA "orchd/1"

#include "base/err.h"
#include "base/json.h"

struct conf;
struct conf_asset;
struct engine;
struct push_stats;
struct state;

#define QUERY_LIMIT_MAX 1000

struct query {
	struct state *state; /* reader or owner */
	const struct conf *conf;
	struct engine *engine; /* NULL: no live knowledge */
	const char *page; /* where the status page is; NULL or empty: there is none */
	const struct push_stats *push; /* NULL: notifications are not taken by this process */
};

struct run_filter {
	const char *state, *job, *partition, *origin; /* NULL: any; a partition takes those below it too */
	int64_t before; /* ids below this; 0: from the newest */
	int64_t limit;
};

/*
 * {"as_of", "version", "instance", "epoch", "config_file", "config_problem", "daemon", "runs": {"queued", "running"}, "failed_last_day",
 *  "failed_unmended": of these, the newest 500 at most, those whose job has not succeeded since for the same partition,
 *  "sensors": [sensor..], "holds": [..], "outbox": {"pending", "failed", "retrying", "oldest_at"},
 *  "stores": [{"name", "type", "ok_at", "failed_at", "error"}], "databases": [..] (times of the last answer and the last
 *  failure that the daemon or a step has seen; both null: not asked yet),
 *  "audit": the newest of all partitions, as in query_audit's list | null, "state_bytes",
 *  "disk": {"free_bytes", "total_bytes"} | null, "page",
 *  "push": null or {"address": text or null, "pending", "requests", "records", "accepted", "duplicates", "ignored",
 *                   "unknown", "bad", "refused", "malformed", "unavailable", "last_at", "last_unknown"} (push/push.h)}
 * and from a daemon {"pid", "started_at", "draining", "steps_running", "turns", "commits", "commit_failures",
 * "commit_max_ms"}
 */
json_t *query_status(const struct query *, struct err *err);

/* What may be asked for, each ends with NULL. */
extern const char *const query_run_states[], *const query_outbox_states[], *const query_key_verdicts[];
/* Class USAGE, naming `what` and all the words, when value (may be NULL) is none of them. */
int query_need_word(const char *what, const char *value, const char *const *words, struct err *err);

/*
 * {"runs": [run..], "next": id or null} newest first.  `next` is where to go on with `before`, and null at the end: there may be
 * more although fewer than `limit` came, when several conditions leave few runs (see run_filter.h).
 */
json_t *query_runs(const struct query *, const struct run_filter *, struct err *err);
json_t *query_run(const struct query *, int64_t id, struct err *err);
/*
 * {"logs": [{"asset", "attempt", "stream": "stdout"|"stderr"|"journal", "text", "size", "from"}]}: the last `most`
 * bytes of each; asset NULL: all.
 */
json_t *query_run_logs(const struct query *, int64_t id, const char *asset, size_t most, struct err *err);
/*
 * What its steps did to the outside: {"steps": [{"asset", "attempt", "count", "bytes", "effects": [{"verb", "what", "size",
 * "sha256"}]}]}; the first thousand of each attempt.
 */
json_t *query_effects(const struct query *, int64_t id, struct err *err);

/*
 * {"assets": [{"name", "type", "deps", "tags", "aliases", "pool", "description",
 *              "last": {"run", "partition", "at", "outcome", "freshness"} | null, "fresh_within_ms": n | null,
 *              "late_ms": how long it should have been made again; 0: it is not late}]}
 *
 * freshness {"state": "current" | "stale" | "missing" | "replaced", "reasons": [{"code", "asset", "run", "text"}]}: would it
 *            be made as it is?  Stale: something it is made from is newer or stale itself, its definition or the
 *            software has changed, or the newest try failed.  Replaced: made again since, for the same partition.
 */
json_t *query_assets(const struct query *, struct err *err);
/* When it was last made; 0: never. */
int64_t query_asset_made(const struct query *, const struct conf_asset *);
/* The late_ms above.  What was never made is late from the start of the daemon on. */
int64_t query_asset_late(const struct query *, const struct conf_asset *);
/*
 * One of those + {"options", "retries", "timeout_ms", "partition_template", "downstream",
 *                 "checks": [check..] of the newest run, "materializations": [{"run", "partition", "at", "outcome", "metadata",
 *                 "freshness"}]}; partition NULL: any
 */
json_t *query_asset(const struct query *, const char *name, const char *partition, struct err *err);

/*
 * {"sensors": [{"name", "type", "job", "description", "every_ms", "paused", "cursor", "last_tick_at", "last_ok_at",
 *               "next_tick_at", "last": tick | null, "keys": {"pending": n, "complete": n, ..}}]}
 */
json_t *query_sensors(const struct query *, struct err *err);
/* Those that keep a calendar, each with its next n times. */
json_t *query_schedules(const struct query *, int64_t n, struct err *err);
/* {"sensor", "ticks": [tick..]} newest first */
json_t *query_ticks(const struct query *, const char *sensor, int64_t limit, struct err *err);
/* {"sensor", "keys": [key..], "next": key or null}; verdict NULL: any that is there; "gone": those that left */
json_t *query_keys(const struct query *, const char *sensor, const char *verdict, const char *after,
    int64_t limit, struct err *err);

/*
 * {"notifications": [{"name", "type", "on": [..], "description", "pending", "sent", "failed", "oldest_at"}],
 *  "rows": [{"id", "event", "notification", "kind", "subject", "group", "labels", "state", "attempts", "created_at",
 *            "next_at", "ended_at", "error"}]} newest first; state NULL: any
 */
json_t *query_outbox(const struct query *, const char *state, int64_t limit, struct err *err);
/*
 * What runs now, and how full it is: {"steps": [{"run", "job", "partition", "asset", "state", "attempt", "started_at",
 * "not_before", "error", "pool", "wait_reason", "live"}], "steps_running", "pools": [{"name", "slots", "used"}],
 * "limits": {"max_runs", "max_steps", "max_queued"}}: steps of active runs that run, wait for a slot or for a retry.
 */
json_t *query_queue(const struct query *, struct err *err);
/*
 * {"audit": one of the reports of audit/audit.h + {"id", "who"} | null, "audits": [{"id", "began_at", "at", "who",
 *  "narrow", "clean", "missing", "mismatched", "extra", "leftover", "unknown"}]} newest first; id 0: the newest
 */
json_t *query_audit(const struct query *, int64_t id, struct err *err);
/* {"holds": [{"partition", "reason", "who", "at"}]} */
json_t *query_holds(const struct query *, struct err *err);
/*
 * What happened to a key or partition, and why: {"what", "lines": [text..], "keys": [key..], "runs": [run..],
 * "holds": [..], "assets": [{"name", "at", "run", "outcome", "freshness"}]}; lines tell the story for people, oldest
 * first; assets: those that runs of the partition were about, in dependency order.
 */
json_t *query_why(const struct query *, const char *what, struct err *err);

/* A fresh object with the schema member. */
json_t *query_object(void);
json_t *query_time(tm_ms t); /* null for 0 */

#endif
