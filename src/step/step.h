/*
 * step.h: what the work of an asset may ask of its surroundings.  Public: the only engine header assets include
 * besides asset.h, store/ and database/.
 *
 * A step is one attempt to materialize one asset in one run, in a process of its own.  It reads its context file,
 * reports through its journal, and leaves an exit record.  It may be killed at any instant and started again: every
 * effect must be keyed so that the second time finds the first one's traces.
 */
#ifndef STEP_H
#define STEP_H

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "conf/opt.h"

struct step;
struct store;
struct database;

/* Identity. */
const char *step_asset(const struct step *);
const char *step_run_id(const struct step *); /* unique for ever, "01J..." style text */
/* H(asset, partition, config, code version): equal for every attempt and rerun that must give the same effect. */
const char *step_run_uid(const struct step *);
const char *step_partition(const struct step *); /* "" when the run has none */
int step_attempt(const struct step *); /* from 1 */
bool step_dry_run(const struct step *);
/* A folder of this attempt, removed with it; and one shared by all attempts of this step of this run. */
const char *step_workdir(const struct step *);
const char *step_ledger_dir(const struct step *);
/* TERM was received: clean up and return ERR_CANCELLED soon.  Long loops ask. */
bool step_cancelled(const struct step *);

/* The file that holds a top-level section this asset's type reads itself ("sites"), or NULL. */
const char *step_section_file(const struct step *, const char *section);
/* Opened on first use, owned by the step; fails with class CONFIG when the name is unknown. */
struct store *step_store(struct step *, const char *name, struct err *err);
struct database *step_database(struct step *, const char *name, struct err *err);
/* A new connection, for independent re-reads; the caller closes it. */
struct database *step_database_fresh(struct step *, const char *name, struct err *err);
/* Metadata that the asset `name` of this run recorded (step_metadata), lent; NULL when it has none in this run. */
const json_t *step_upstream(const struct step *, const char *name);
/* The type name of an upstream asset of this run, or NULL; and the i-th direct dependency's name. */
const char *step_dep(const struct step *, size_t i);
/* The run's whole config mapping, lent. */
const json_t *step_config(const struct step *);
/* The partition is on hold (orchctl hold): nothing of it may be deleted. Fixed when the step starts. */
const char *step_hold_reason(const struct step *);

/* Reports.  They reach the journal in order; small ones may be batched for up to 100 ms. */
void step_log(struct step *, enum log_level level, const char *fmt, ...) PRINTF(3, 4);
/* A warning with a stable label ("warning:bad_image"); makes the outcome "warnings". */
void step_warn(struct step *, const char *label, const char *fmt, ...) PRINTF(3, 4);
/* Progress in units of `what` ("images", "bytes"): total 0 when unknown.  Also feeds the no-progress timeout. */
void step_progress(struct step *, const char *what, int64_t done, int64_t total);
/* An effect outside: verb "put" "copy" "delete" "rows"; what is a key or table.  In a dry run: what would be done. */
void step_effect(struct step *, const char *verb, const char *what, int64_t size, const char *sha256);
/* One entry of the materialization's metadata; takes over value. */
void step_metadata(struct step *, const char *key, json_t *value);
/* "no_data": finished, nothing to do for those downstream, who are skipped with this reason. */
void step_no_data(struct step *, const char *fmt, ...) PRINTF(2, 3);
/*
 * What is to be done may not be done before `at`: report it and return -1 with the class TRANSIENT that this fills in.  The
 * step is taken up again at that time, as often as it asks, and its retries are not charged.
 */
int step_again(struct step *, tm_ms at, struct err *err, const char *fmt, ...) PRINTF(4, 5);

#endif
