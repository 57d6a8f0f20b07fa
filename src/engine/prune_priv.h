/* prune_priv.h: what the files of the pruning share: prune.c the turn, and those that know a kind of row. */
#ifndef PRUNE_PRIV_H
#define PRUNE_PRIV_H

#include "engine/engine_priv.h"

/* A piece takes about a millisecond. */
#define SEEN_PER_PIECE 100
#define ROWS_PER_PIECE 200

#define DAY_MS INT64_C(86400000)
/* What nobody has seen for so long is forgotten: trouble, whose end will not be told, and sensors that are no more. */
#define FORGOTTEN_MS (180 * DAY_MS)

struct prune {
	tm_ms next; /* the next turn */
	size_t kind; /* where it goes on */
	/*
	 * Runs up to runs_to have been judged; what came after news_to may have made those of its partition go.  So a history of a
	 * million runs that stay is walked once, and again once a day for what was missed.
	 */
	int64_t runs_to, news_to;
	tm_ms next_walk;
	tm_ms next_run_keys; /* the next walk over the run keys */
	char *key_sensor, *key, *key_generation; /* the last one looked at in this walk; NULL: none yet */
	struct remover *remover;
};

enum piece {
	PIECE_LAST, /* of its kind, in this pass */
	PIECE_MORE,
	PIECE_WAITS, /* there is more, later */
};

typedef enum piece piece_fn(struct engine *);
piece_fn prune_runs; /* prune_runs.c */
piece_fn prune_run_keys, prune_sensors; /* prune_keys.c */

/* After the commit; takes over dir.  What a crash leaves is a folder without a row. */
void prune_dir(struct engine *, char *dir);

#endif
