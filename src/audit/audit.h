/*
 * audit.h: is everything there that the records say was made?
 *
 * An audit reads the state database and looks at the world: manifests and objects in their stores, effect rows and
 * counts in results databases, a terminal run behind every upload that was complete, a proof behind every one that is gone.
 * It believes no record of success, changes nothing, and knows no pipeline: what it goes by is what every asset type may
 * record in a materialization's metadata,
 *
 *     "store": NAME, "database": NAME (where rows went; absent: none),
 *     "manifest": {"key", "sha256"}  or  "manifests": [{"key", "sha256"}, ..],
 *     "evidence": [{"stage", ..}, ..]  of a type that deletes its inputs (ASSET_DELETES), one stage being DURABLE,
 *
 * and in a manifest: "objects": [{"key", "size", "sha256"}], "copies": [{"from", "to"}] (their content may change), "run_uid", "asset", "rows": {table: n},
 * "rows_where": {table: {"column", "values"}}.  When several materializations name the same manifest, the newest counts.
 *
 * Calls block: this is for orchctl, never for the daemon's loop.  What a run under way is about is not judged.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "base/err.h"
#include "base/json.h"

struct conf;
struct state;

struct audit_opts {
	const char *partition; /* and what is below it; NULL: all */
	const char *asset; /* NULL: all */
	tm_ms since; /* materialized, or seen, not before; 0: ever */
	bool deep; /* read every object back and hash it */
	void (*on_progress)(const char *what, int64_t done, int64_t total, void *arg); /* may be NULL */
	bool (*stop)(void *arg); /* may be NULL */
	void *arg;
};

/*
 * {"schema", "started_at", "ended_at", "scope": {"partition", "asset", "since", "deep", "whole"}, "clean": bool,
 *  "checked": {"materializations", "manifests", "objects", "bytes", "read_back", "effects", "tables", "keys",
 *              "deletions", "listed", "under_way"},
 *  "found": {"missing", "mismatched", "extra", "leftover", "unknown"},
 *  "findings": [{"kind", "what", "where", "key", "asset", "partition", "run", "expected", "found", "next"}],
 *  "findings_cut": n not in the list}
 *
 * kind is one of those of "found"; unknown is what could not be looked at (a server is down).  clean: nothing missing,
 * mismatched or unknown.  state may be a reader.  Fails only when the records cannot be read or stop said so.
 */
json_t *audit_run(const struct conf *, struct state *, const struct audit_opts *, struct err *err);

#define AUDIT_FINDINGS_MAX 2000

#endif
