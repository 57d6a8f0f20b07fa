/*
 * The tables of the state database, one script per version.  A released script is never edited: later changes are
 * later versions.  Times are milliseconds since 1970 UTC; states and outcomes are the words of the outside contract.
 */
#include "config.h"

#include "state/state.h"

static const char *const script[] = {
    [1] = "CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"

          /* One row per run; `active` shrinks the index of those not ended to what is under way. */
          "CREATE TABLE run("
          " id INTEGER PRIMARY KEY AUTOINCREMENT,"
          " job TEXT,"
          " assets TEXT NOT NULL," /* JSON list, dependency order */
          " partition TEXT NOT NULL,"
          " state TEXT NOT NULL,"
          " outcome TEXT,"
          " origin TEXT NOT NULL," /* sensor:NAME, user:NAME, retry */
          " why TEXT,"
          " sensor TEXT, sensor_key TEXT, run_key TEXT, generation TEXT,"
          " config TEXT NOT NULL, tags TEXT NOT NULL,"
          " dry_run INTEGER NOT NULL DEFAULT 0,"
          " retry_of INTEGER,"
          " cancel TEXT," /* who asked, once somebody did */
          " created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER,"
          " err_class TEXT, err_code TEXT, err_text TEXT) STRICT;"
          "CREATE INDEX run_active ON run(id) WHERE ended_at IS NULL;"
          "CREATE INDEX run_partition ON run(partition, id);"
          "CREATE INDEX run_state ON run(state, id);"
          "CREATE INDEX run_job ON run(job, id);"

          "CREATE TABLE step("
          " run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,"
          " asset TEXT NOT NULL,"
          " ord INTEGER NOT NULL,"
          " state TEXT NOT NULL,"
          " outcome TEXT,"
          " attempts INTEGER NOT NULL DEFAULT 0," /* started so far, all kinds */
          " charged INTEGER NOT NULL DEFAULT 0," /* of these, counted against the retries */
          " not_before INTEGER,"
          " started_at INTEGER, ended_at INTEGER,"
          " err_class TEXT, err_code TEXT, err_text TEXT,"
          " run_uid TEXT,"
          " metadata TEXT,"
          " PRIMARY KEY(run_id, asset)) STRICT, WITHOUT ROWID;"

          "CREATE TABLE attempt("
          " run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,"
          " asset TEXT NOT NULL,"
          " n INTEGER NOT NULL,"
          " epoch INTEGER NOT NULL,"
          " started_at INTEGER NOT NULL, ended_at INTEGER,"
          " kill_reason TEXT," /* why we sent TERM, committed before it was sent */
          " outcome TEXT, err_class TEXT, err_code TEXT, err_text TEXT,"
          " exit_code INTEGER, signal INTEGER,"
          " utime_s REAL, stime_s REAL, maxrss_kib INTEGER,"
          " warnings INTEGER NOT NULL DEFAULT 0,"
          " journal_offset INTEGER NOT NULL DEFAULT 0," /* messages before it are in event */
          " PRIMARY KEY(run_id, asset, n)) STRICT, WITHOUT ROWID;"
          "CREATE INDEX attempt_open ON attempt(run_id) WHERE ended_at IS NULL;"

          "CREATE TABLE materialization("
          " id INTEGER PRIMARY KEY,"
          " asset TEXT NOT NULL, partition TEXT NOT NULL,"
          " run_id INTEGER NOT NULL, at INTEGER NOT NULL,"
          " outcome TEXT NOT NULL, metadata TEXT NOT NULL) STRICT;"
          "CREATE INDEX materialization_asset ON materialization(asset, partition, id);"
          "CREATE INDEX materialization_run ON materialization(run_id);"
          "CREATE INDEX materialization_newest ON materialization(asset, id);"

          "CREATE TABLE event("
          " id INTEGER PRIMARY KEY,"
          " at INTEGER NOT NULL,"
          " run_id INTEGER, asset TEXT, attempt INTEGER,"
          " kind TEXT NOT NULL," /* run, step, warning, effect, check, cancel, hold, ... */
          " text TEXT NOT NULL) STRICT;"
          "CREATE INDEX event_run ON event(run_id, id);"

          "CREATE TABLE sensor("
          " name TEXT PRIMARY KEY,"
          " paused TEXT," /* who paused it; NULL: not paused */
          " cursor TEXT NOT NULL DEFAULT '',"
          " last_tick_at INTEGER, last_ok_at INTEGER, next_tick_at INTEGER) STRICT, WITHOUT ROWID;"

          /* Identical consecutive ticks are one row: first, last and how many. */
          "CREATE TABLE tick("
          " id INTEGER PRIMARY KEY,"
          " sensor TEXT NOT NULL,"
          " first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, n INTEGER NOT NULL,"
          " outcome TEXT NOT NULL," /* requested, skipped, failed */
          " reason TEXT, requested INTEGER NOT NULL, duration_ms INTEGER NOT NULL) STRICT;"
          "CREATE INDEX tick_sensor ON tick(sensor, id);"

          "CREATE TABLE sensor_key("
          " sensor TEXT NOT NULL, key TEXT NOT NULL,"
          " verdict TEXT NOT NULL, reason TEXT, fingerprint TEXT,"
          " present INTEGER, expected INTEGER, bytes INTEGER, newest INTEGER,"
          " first_at INTEGER NOT NULL," /* first seen at all */
          " since INTEGER NOT NULL," /* in this fingerprint */
          " gone_at INTEGER," /* left the place */
          " run_id INTEGER,"
          " PRIMARY KEY(sensor, key)) STRICT, WITHOUT ROWID;"
          "CREATE INDEX sensor_key_there ON sensor_key(sensor, key, verdict) WHERE gone_at IS NULL;"
          "CREATE INDEX sensor_key_gone ON sensor_key(sensor, gone_at) WHERE gone_at IS NOT NULL;"

          "CREATE TABLE run_key("
          " sensor TEXT NOT NULL, run_key TEXT NOT NULL, generation TEXT NOT NULL,"
          " run_id INTEGER NOT NULL, at INTEGER NOT NULL,"
          " PRIMARY KEY(sensor, run_key, generation)) STRICT, WITHOUT ROWID;"

          /* What is to be told, one row per notification and event, written with what it tells of. */
          "CREATE TABLE outbox("
          " id INTEGER PRIMARY KEY AUTOINCREMENT,"
          " sink TEXT NOT NULL," /* the notification's name */
          " event TEXT NOT NULL," /* names the occasion, so that it is told once */
          " kind TEXT NOT NULL,"
          " subject TEXT NOT NULL, data TEXT NOT NULL," /* of the CloudEvent */
          " state TEXT NOT NULL DEFAULT 'pending'," /* pending, sent, failed */
          " attempts INTEGER NOT NULL DEFAULT 0,"
          " created_at INTEGER NOT NULL, next_at INTEGER NOT NULL, ended_at INTEGER,"
          " err_class TEXT, err_code TEXT, err_text TEXT,"
          " UNIQUE(sink, event)) STRICT;"
          "CREATE INDEX outbox_pending ON outbox(sink, id) WHERE state = 'pending';"
          "CREATE INDEX outbox_ended ON outbox(ended_at) WHERE state <> 'pending';"

          /* Trouble that was told and has not gone away since. */
          "CREATE TABLE trouble("
          " sink TEXT NOT NULL, team TEXT NOT NULL, job TEXT NOT NULL, label TEXT NOT NULL,"
          " since INTEGER NOT NULL,"
          " told_at INTEGER NOT NULL," /* the last time */
          " untold INTEGER NOT NULL DEFAULT 0," /* repeats since then that dedup held back */
          " PRIMARY KEY(sink, team, job, label)) STRICT, WITHOUT ROWID;"

          "CREATE TABLE hold("
          " partition TEXT PRIMARY KEY, reason TEXT NOT NULL, who TEXT NOT NULL, at INTEGER NOT NULL)"
          " STRICT, WITHOUT ROWID;",

    /* What was announced to a sensor and waits for its tick; '' is everything (engine/hints.h). */
    [2] = "CREATE TABLE hint("
          " sensor TEXT NOT NULL, hint TEXT NOT NULL, at INTEGER NOT NULL,"
          " PRIMARY KEY(sensor, hint)) STRICT, WITHOUT ROWID;",

    /* What audits found: the numbers, and the report as it was told. */
    [3] = "CREATE TABLE audit("
          " id INTEGER PRIMARY KEY,"
          " began_at INTEGER NOT NULL, at INTEGER NOT NULL,"
          " who TEXT NOT NULL,"
          " narrow INTEGER NOT NULL," /* of one partition or asset */
          " clean INTEGER NOT NULL,"
          " missing INTEGER NOT NULL, mismatched INTEGER NOT NULL, extra INTEGER NOT NULL,"
          " leftover INTEGER NOT NULL, unknown INTEGER NOT NULL,"
          " result TEXT NOT NULL) STRICT;"
          "CREATE INDEX audit_wide ON audit(id) WHERE narrow = 0;",

    /* What pages and the pruning ask of a long history is found without a walk over it. */
    [4] = /* A run, under each partition that its own lies in, and under its own. */
    "CREATE TABLE run_place("
    " place TEXT NOT NULL, run_id INTEGER NOT NULL, PRIMARY KEY(place, run_id)) STRICT, WITHOUT ROWID;"
    "INSERT INTO run_place(place, run_id)"
    " WITH RECURSIVE p(place, id) AS (SELECT partition, id FROM run UNION ALL"
    "  SELECT substr(rtrim(place, replace(place, '/', '')), 1,"
    "                length(rtrim(place, replace(place, '/', ''))) - 1), id FROM p WHERE instr(place, '/'))"
    " SELECT place, id FROM p WHERE place <> '' ORDER BY place, id;"

    /* How many there are, kept by the triggers below. */
    "CREATE TABLE run_count("
    " job TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(job, state)) STRICT, WITHOUT "
    "ROWID;"
    "INSERT INTO run_count(job, state, n) SELECT coalesce(job, ''), state, count(*) FROM run GROUP BY 1, 2;"
    "CREATE TRIGGER run_count_new AFTER INSERT ON run BEGIN"
    " INSERT INTO run_count(job, state, n) VALUES(coalesce(new.job, ''), new.state, 1)"
    "  ON CONFLICT DO UPDATE SET n = n + 1; END;"
    "CREATE TRIGGER run_count_gone AFTER DELETE ON run BEGIN"
    " UPDATE run_count SET n = n - 1 WHERE job = coalesce(old.job, '') AND state = old.state; END;"
    "CREATE TRIGGER run_count_other AFTER UPDATE OF state ON run WHEN old.state <> new.state BEGIN"
    " UPDATE run_count SET n = n - 1 WHERE job = coalesce(old.job, '') AND state = old.state;"
    " INSERT INTO run_count(job, state, n) VALUES(coalesce(new.job, ''), new.state, 1)"
    "  ON CONFLICT DO UPDATE SET n = n + 1; END;"

    "CREATE TABLE sensor_key_count(" /* of those that are there */
    " sensor TEXT NOT NULL, verdict TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(sensor, verdict))"
    " STRICT, WITHOUT ROWID;"
    "INSERT INTO sensor_key_count(sensor, verdict, n)"
    " SELECT sensor, verdict, count(*) FROM sensor_key WHERE gone_at IS NULL GROUP BY 1, 2;"
    "CREATE TRIGGER sensor_key_count_new AFTER INSERT ON sensor_key WHEN new.gone_at IS NULL BEGIN"
    " INSERT INTO sensor_key_count(sensor, verdict, n) VALUES(new.sensor, new.verdict, 1)"
    "  ON CONFLICT DO UPDATE SET n = n + 1; END;"
    "CREATE TRIGGER sensor_key_count_gone AFTER DELETE ON sensor_key WHEN old.gone_at IS NULL BEGIN"
    " UPDATE sensor_key_count SET n = n - 1 WHERE sensor = old.sensor AND verdict = old.verdict; END;"
    "CREATE TRIGGER sensor_key_count_other AFTER UPDATE OF verdict, gone_at ON sensor_key"
    " WHEN old.verdict <> new.verdict OR (old.gone_at IS NULL) <> (new.gone_at IS NULL) BEGIN"
    " UPDATE sensor_key_count SET n = n - (old.gone_at IS NULL)"
    "  WHERE sensor = old.sensor AND verdict = old.verdict;"
    " INSERT INTO sensor_key_count(sensor, verdict, n) VALUES(new.sensor, new.verdict, new.gone_at IS NULL)"
    "  ON CONFLICT DO UPDATE SET n = n + excluded.n; END;"

    "CREATE INDEX run_origin ON run(origin, id);"
    "CREATE INDEX run_upload ON run(sensor_key, id) WHERE sensor_key IS NOT NULL;"
    "CREATE INDEX run_retry ON run(retry_of) WHERE retry_of IS NOT NULL;"
    "CREATE INDEX step_held ON step(run_id) WHERE state = 'skipped' AND err_code = 'hold';"
    "CREATE INDEX tick_old ON tick(last_at);"
    "CREATE INDEX outbox_failed ON outbox(sink, id) WHERE state = 'failed';"
    "CREATE INDEX sensor_key_verdict ON sensor_key(sensor, verdict, key) WHERE gone_at IS NULL;"
    "CREATE INDEX sensor_key_waiting ON sensor_key(first_at)"
    " WHERE gone_at IS NULL AND run_id IS NULL AND verdict <> 'ignored';"
    "DROP INDEX sensor_key_gone;"
    "CREATE INDEX sensor_key_gone ON sensor_key(gone_at) WHERE gone_at IS NOT NULL;"
    "CREATE INDEX sensor_key_left ON sensor_key(sensor, key) WHERE gone_at IS NOT NULL;",

    /* The outbox by state, and how many of a sink were sent. */
    [5] = "CREATE INDEX outbox_state ON outbox(state, id);"
          "CREATE INDEX outbox_sent ON outbox(sink) WHERE state = 'sent';",

    /* What a run key is of, so that it can go once that is gone. */
    [6] = "ALTER TABLE run_key ADD COLUMN key TEXT;"
          "UPDATE run_key SET key = r.sensor_key FROM run AS r WHERE r.id = run_key.run_id;"
          "UPDATE run_key SET key = k.key FROM sensor_key AS k"
          " WHERE run_key.key IS NULL AND k.sensor = run_key.sensor AND k.run_id = run_key.run_id;",

    /* What the identity of a step has in place of the software's version; NULL: it has that. */
    [7] = "ALTER TABLE step ADD COLUMN code_version TEXT;",

    /* What steps have checked; before, it was an event's text. */
    [8] = "CREATE TABLE asset_check("
          " run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,"
          " asset TEXT NOT NULL, attempt INTEGER NOT NULL, n INTEGER NOT NULL,"
          " at INTEGER NOT NULL,"
          " name TEXT NOT NULL, passed INTEGER NOT NULL,"
          " severity TEXT," /* ERROR, WARN; NULL: it was not kept */
          " metadata TEXT," /* JSON object */
          " cut INTEGER NOT NULL DEFAULT 0," /* members of it that are in the journal alone */
          " PRIMARY KEY(run_id, asset, attempt, n)) STRICT, WITHOUT ROWID;"
          "INSERT INTO asset_check(run_id, asset, attempt, n, at, name, passed)"
          " SELECT run_id, asset, coalesce(attempt, 0), id, at, substr(text, 1, length(text) - length(': "
          "passed')),"
          "  text LIKE '%: passed' FROM event"
          " WHERE kind = 'check' AND asset IS NOT NULL AND run_id IN (SELECT id FROM run)"
          "  AND (text LIKE '%: passed' OR text LIKE '%: failed');",
};

int schema_version(void)
{
	return (int)NITEMS(script) - 1;
}

const char *schema_sql(int version)
{
	assert(version >= 1 && version <= schema_version());
	return script[version];
}
