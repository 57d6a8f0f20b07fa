/* audit_priv.h: what the parts of an audit share. */
#ifndef AUDIT_PRIV_H
#define AUDIT_PRIV_H

#include "audit/audit.h"
#include "audit/keyset.h"
#include "conf/conf.h"
#include "database/database.h"
#include "state/state.h"
#include "store/store.h"

enum found { FOUND_MISSING, FOUND_MISMATCHED, FOUND_EXTRA, FOUND_LEFTOVER, FOUND_UNKNOWN, NFOUND };

/* The newest materialization that names a manifest. */
struct made {
	char *store, *database; /* names; database may be NULL */
	char *key, *sha256;
	char *asset, *partition;
	int64_t run;
};

struct audit {
	const struct audit_opts *opts;
	const struct conf *conf;
	struct state *state;
	tm_ms started;
	struct event_base *base;
	struct store **stores; /* by index in conf; opened when first asked for */
	struct database **databases;
	bool *store_failed, *database_failed;
	struct made *made; /* newest first */
	size_t nmade, capmade;
	struct keyset *known; /* store + key of everything that a manifest names */
	json_t *folders; /* set of "STORE\nPREFIX" that hold such */
	json_t *tables; /* what rows must be in which table, gathered from the manifests */
	json_t *findings;
	int64_t found[NFOUND], cut;
	struct {
		int64_t materializations, manifests, objects, bytes, read_back, effects, tables, keys,
		    deletions, listed, under_way;
	} n;
};

/* What was found, told as it comes.  Texts are copied; NULL is fine except for what and key. */
struct finding {
	enum found kind;
	const char *what; /* manifest, object, effect, rows, run, deletion, piece, upload, folder */
	const char *where; /* name of a store, database or sensor */
	const char *key;
	const char *asset, *partition;
	int64_t run; /* 0: none */
	const char *expected, *found;
	char *next; /* taken over */
};
void audit_find(struct audit *, const struct finding *);
/* The command that makes the asset again for this partition, with the settings that the run had; free() it. */
char *audit_again(struct audit *, const char *asset, const char *partition, int64_t run);
/* A finding about what a run has made; where: the store or database. */
void audit_tell(struct audit *, const struct made *, const char *where, enum found kind, const char *what,
    const char *key, const char *expected, const char *found);
/* A run that is under way is about this partition, now or since the audit began. */
bool audit_is_under_way(struct audit *, const char *partition);
/* NULL: it cannot be had; told once as a finding of kind unknown. */
struct store *audit_store(struct audit *, const char *name);
struct database *audit_database(struct audit *, const char *name);
/* A look at `where` failed and tells nothing: kind unknown. */
void audit_unknown(struct audit *, const char *what, const char *where, const char *key, const struct err *err);
void audit_progress(struct audit *, const char *what, int64_t done, int64_t total);
bool audit_stopped(const struct audit *);

/* The parts; -1 only when the records cannot be read, or audit_stopped. */
int audit_records(struct audit *, struct err *err); /* audit_made.c: fills made */
int audit_objects(struct audit *, struct err *err); /* audit_objects.c: manifests and what they list */
int audit_rows(struct audit *, struct err *err); /* audit_rows.c */
int audit_keys(struct audit *, struct err *err); /* audit_keys.c */
int audit_extras(struct audit *, struct err *err); /* audit_extra.c: what nobody lists */

/* The effect of a manifest, and its rows for the count that comes later. */
void audit_rows_note(struct audit *, const struct made *, const json_t *manifest);

#endif
