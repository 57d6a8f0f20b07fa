/*
 * conf.h: the whole configuration, bound and cross-checked.
 *
 * conf_load reads a file and what it includes, expands variables, binds every object by its type's option table, and
 * checks what only the whole can tell: names, references, cycles, templates.  It reports every problem it can find in
 * one go.  A conf is immutable once loaded; a reload makes a new one, and objects in use keep the old one by reference.
 */
#ifndef CONF_H
#define CONF_H

#include "base/err.h"
#include "conf/diag.h"
#include "conf/opt.h"

struct store_type;
struct db_type;
struct sensor_type;
struct asset_type;
struct sink_type;

struct conf_store {
	char *name;
	const struct store_type *type;
	void *opts;
};

struct conf_database {
	char *name;
	const struct db_type *type;
	void *opts;
};

struct conf_sensor {
	char *name;
	const struct sensor_type *type;
	void *opts; /* the type's own */
	/* The engine's own options. */
	char *job;
	tm_ms every; /* least time between two ticks */
	tm_ms timeout; /* a tick that takes longer has failed */
	char *run_key; /* template */
	char *partition; /* template; NULL: the job's */
	struct strmap config, tags; /* templates */
	bool rerun_changed; /* a new generation of a used run key starts a new run */
	bool paused; /* starts paused */
	char *description;
};

struct conf_asset {
	char *name;
	const struct asset_type *type;
	void *opts;
	struct strvec deps; /* names */
	struct conf_asset **dep; /* resolved, same order as deps */
	size_t ndep;
	struct strvec tags, aliases;
	char *pool; /* NULL: only the global limit */
	char *partition; /* template for runs without a job; NULL: none */
	int64_t retries;
	tm_ms retry_delay, retry_max_delay;
	tm_ms outage; /* how long after its first start a step waits for places that do not answer, uncharged */
	tm_ms timeout; /* of one attempt; 0: none */
	tm_ms stall; /* longest time without progress; 0: none */
	tm_ms grace; /* between TERM and KILL */
	tm_ms fresh_within; /* it is late when it was last made longer ago; 0: it is never late */
	char *code_version; /* of what the user's part of it does, beside that of its type; NULL: none */
	char *description;
	size_t index; /* position in conf->assets, which is in dependency order */
};

struct conf_job {
	char *name;
	struct strvec assets; /* selection terms */
	struct conf_asset **asset; /* resolved, in dependency order */
	size_t nasset;
	char *partition; /* template; NULL: none */
	tm_ms timeout; /* of a run; 0: none */
	char *description;
};

/* Whom to tell what: events of the engine on their way to a sink (notify/sink.h). */
struct conf_notification {
	char *name;
	const struct sink_type *type;
	void *opts;
	/* The engine's own options. */
	struct strvec on; /* kinds of events, event_kind_name */
	struct strvec jobs; /* of these only; empty: all */
	char *group; /* template: what belongs together for repeats and recovery */
	tm_ms dedup; /* the same trouble is told again after this time at the earliest */
	tm_ms expire; /* what could not be delivered for so long is given up, visibly */
	tm_ms retry_delay, retry_max_delay;
	char *description;
};

struct conf_pool {
	char *name;
	int64_t slots;
};

struct conf_limits {
	int64_t max_runs; /* active at once */
	int64_t max_steps; /* processes at once */
	int64_t max_queued; /* runs waiting; beyond it requests wait in their sensor */
	int64_t keep_runs; /* finished runs kept in the history */
	int64_t keep_materializations; /* of an asset and partition */
	tm_ms keep_ticks; /* age of tick history kept */
	tm_ms keep_run_keys; /* age from which the run key of an upload that is gone is forgotten */
	int64_t keep_keys; /* key index entries per sensor */
	int64_t log_bytes; /* stdout and stderr kept per attempt */
	tm_ms drain; /* SIGTERM: how long running steps may go on before the daemon leaves them behind */
};

struct conf_web {
	char *listen; /* NULL: no page */
	char *title;
	tm_ms late_after; /* age of the newest night of a row from which it is late; 0: never */
	char *time_zones; /* SECTION.*.KEY; NULL: no local times */
	struct strvec hosts; /* names accepted besides loopback ones and the listening address */
	int64_t max_connections, max_per_peer;
};

struct conf_push {
	char *listen; /* NULL: no endpoint for notifications */
	struct secret_ref token;
	struct strvec hosts;
	int64_t max_connections, max_body;
};

struct conf_section {
	char *name, *file;
};

struct conf {
	char *file; /* absolute */
	char *dir; /* the folder relative paths start from */
	char *state_dir; /* absolute */
	struct conf_web web;
	struct conf_push push;
	struct conf_limits limits;
	struct conf_store *stores;
	size_t nstores;
	struct conf_database *databases;
	size_t ndatabases;
	struct conf_sensor *sensors;
	size_t nsensors;
	struct conf_asset *assets; /* in dependency order, ties by name */
	size_t nassets;
	struct conf_job *jobs;
	size_t njobs;
	struct conf_pool *pools;
	size_t npools;
	struct conf_notification *notifications;
	size_t nnotifications;
	struct conf_section *sections; /* top-level sections that asset types read themselves */
	size_t nsections;
	struct strvec files; /* every file read, absolute */
	char digest[65]; /* of all their bytes */
	int refs;
	struct conf_index *index; /* conf_index.h */
};

/*
 * -f, $ORCH_CONFIG, ./orch.yaml, SYSCONFDIR/orch/orch.yaml, /etc/orch/orch.yaml: the first that is given or exists, as
 * an absolute path; explicit may be NULL.  free() it.  NULL, class CONFIG, when there is none.
 */
char *conf_find(const char *explicit, struct err *err);
/* NULL when there was any error; warnings and notes may be there in any case. */
struct conf *conf_load(const char *path, struct diags *diags);
struct conf *conf_ref(struct conf *);
void conf_unref(struct conf *);

struct conf_asset *conf_asset_find(const struct conf *, const char *name_or_alias);
struct conf_job *conf_job_find(const struct conf *, const char *name);
struct conf_sensor *conf_sensor_find(const struct conf *, const char *name);
struct conf_store *conf_store_find(const struct conf *, const char *name);
struct conf_database *conf_database_find(const struct conf *, const char *name);
struct conf_pool *conf_pool_find(const struct conf *, const char *name);
struct conf_notification *conf_notification_find(const struct conf *, const char *name);
/* The i-th name, NULL behind the last; conf is the struct conf (base/suggest.h). */
const char *conf_asset_name(const void *conf, size_t i);
const char *conf_job_name(const void *conf, size_t i);
const char *conf_sensor_name(const void *conf, size_t i);
/* "no asset 'x' in the configuration", code "not_found", with the nearest name; kind: "asset", "job", "sensor".  Always -1. */
int conf_missing(const struct conf *, const char *kind, const char *name, struct err *err);
/* The file that holds a section of an asset type ("sites"), lent; NULL: none does. */
const char *conf_section_file(const struct conf *, const char *name);
/*
 * The assets that selection terms mean (graph/select.h), in dependency order, into *out (free() the array).  Returns
 * how many; 0 is an error, class USAGE.
 */
size_t conf_select(
    const struct conf *, char *const *terms, size_t n, struct conf_asset ***out, struct err *err);

/*
 * Read a run file (the `config:` mapping of run.yaml) against the run options of a set of assets: the union of their
 * rows, a key one asset knows is known.  Values come out as a JSON object of texts as they were written (lists and
 * mappings of texts stay such), validated; keys that have no effect any more are left out with a note.  Every problem
 * is reported; NULL when there was an error.  What stands in `over` (NULL: nothing) takes the place of the file's values and
 * is part of the answer; it is for conf_check_run to check, as is then what is missing.
 */
json_t *conf_load_run(
    const char *path, json_t *over, struct conf_asset *const *assets, size_t n, struct diags *diags);
/* The same for a mapping made elsewhere (a sensor's request, --set); where names it in messages. */
json_t *conf_check_run(
    const json_t *config, const char *where, struct conf_asset *const *assets, size_t n, struct diags *diags);

#endif
