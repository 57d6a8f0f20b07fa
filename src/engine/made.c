#include "config.h"

#include "engine/made.h"

#include "base/json.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "engine/run.h"
#include "state/state.h"

#include <stdlib.h>
#include <string.h>

#define JUDGED \
	32 /* beyond the limit, looked at for each new one: usually it is the one that has just passed it */
#define NEWER 8 /* looked at for what an old one names; what they do not name keeps it */
/* What proves a deletion stays as long as the key that it is of, which is seen to be gone some time later. */
#define PROOF_MORE_MS (INT64_C(7) * 86400000)

/* One materialization beyond the limit. */
struct old {
	int64_t id;
	tm_ms at;
	char *metadata;
};

/* The newest of an asset and partition, read when first asked for. */
struct made {
	struct state *state;
	const struct conf_limits *limits;
	const char *asset, *partition;
	tm_ms now;
	json_t *newer[NEWER];
	size_t nnewer;
	bool read;
};

static void read_newer(struct made *m)
{
	struct sql_row *row = sql_query(m->state->sql,
	    "SELECT metadata FROM materialization WHERE asset = ?1 AND partition = ?2 ORDER BY id DESC LIMIT "
	    "?3",
	    "ssi", m->asset, m->partition, MIN(m->limits->keep_materializations, (int64_t)NEWER));

	while (m->nnewer < NEWER && sql_next(row))
		m->newer[m->nnewer++] = json_loads(sql_text(row, 0), 0, NULL);
	sql_end(row);
	m->read = true;
}

static bool is_same(const json_t *manifest, const json_t *other)
{
	return json_equal(json_object_get(manifest, "key"), json_object_get(other, "key")) == 1;
}

static bool names(const json_t *metadata, const json_t *store, const json_t *manifest)
{
	const json_t *other;
	size_t i;

	if (json_equal(json_object_get(metadata, "store"), store) != 1)
		return false;
	json_array_foreach(json_object_get(metadata, "manifests"), i, other)
	{
		if (is_same(manifest, other))
			return true;
	}
	return is_same(manifest, json_object_get(metadata, "manifest"));
}

static bool is_named_later(const struct made *m, const json_t *store, const json_t *manifest)
{
	for (size_t i = 0; i < m->nnewer; i++)
		if (names(m->newer[i], store, manifest))
			return true;
	return manifest == NULL;
}

static bool names_what_no_other_does(const struct made *m, const json_t *metadata)
{
	const json_t *store = json_object_get(metadata, "store"), *manifest;
	bool alone = !is_named_later(m, store, json_object_get(metadata, "manifest"));
	size_t i;

	json_array_foreach(json_object_get(metadata, "manifests"), i, manifest) alone |=
	    !is_named_later(m, store, manifest);
	return alone;
}

static bool proves_deletion(const json_t *metadata)
{
	return json_is_array(json_object_get(metadata, "evidence")) &&
	       json_object_get(metadata, "kept_because") == NULL;
}

static bool is_proved_later(const struct made *m)
{
	for (size_t i = 0; i < m->nnewer; i++)
		if (proves_deletion(m->newer[i]))
			return true;
	return false;
}

/* Most say nothing that others go by, and are not even parsed. */
static bool says_more(struct made *m, const struct old *old)
{
	tm_ms proofs_since = m->now - m->limits->keep_ticks - PROOF_MORE_MS;
	json_t *metadata;
	bool more;

	if (strstr(old->metadata, "\"manifest") == NULL && strstr(old->metadata, "\"evidence\"") == NULL)
		return false;
	if (!m->read)
		read_newer(m);
	metadata = json_loads(old->metadata, 0, NULL);
	more = names_what_no_other_does(m, metadata) ||
	       (proves_deletion(metadata) && (old->at > proofs_since || !is_proved_later(m)));
	json_decref(metadata);
	return more;
}

#define GOODNESS "(CASE outcome WHEN 'ok' THEN 2 WHEN 'warnings' THEN 1 ELSE 0 END)"

static bool is_best(const struct made *m, const struct old *old)
{
	return sql_get_int(m->state->sql, 0,
	           "SELECT 1 FROM materialization WHERE asset = ?1 AND partition = ?2 AND id > ?3"
	           " AND " GOODNESS " >= (SELECT " GOODNESS " FROM materialization WHERE id = ?3) LIMIT 1",
	           "ssi", m->asset, m->partition, old->id) == 0;
}

static size_t read_old(const struct made *m, struct old *v)
{
	struct sql_row *row = sql_query(m->state->sql,
	    "SELECT id, at, metadata FROM materialization WHERE asset = ?1 AND partition = ?2 AND id <="
	    " (SELECT id FROM materialization WHERE asset = ?1 AND partition = ?2 ORDER BY id DESC LIMIT 1 "
	    "OFFSET ?3)"
	    " ORDER BY id DESC LIMIT ?4",
	    "ssii", m->asset, m->partition, m->limits->keep_materializations, (int64_t)JUDGED);
	size_t n = 0;

	while (n < JUDGED && sql_next(row))
		v[n++] = (struct old){
		    .id = sql_int(row, 0), .at = sql_int(row, 1), .metadata = xstrdup(sql_text(row, 2))};
	sql_end(row);
	return n;
}

/* When it grows, and so no faster than it grows: a table of millions needs no walk. */
static void shorten(struct made *m)
{
	struct old old[JUDGED];
	size_t n = read_old(m, old);

	for (size_t i = 0; i < n; i++) {
		if (!is_best(m, &old[i]) && !says_more(m, &old[i]))
			sql_do(m->state->sql, "DELETE FROM materialization WHERE id = ?1", "i", old[i].id);
		free(old[i].metadata);
	}
	for (size_t i = 0; i < m->nnewer; i++)
		json_decref(m->newer[i]);
}

void made_record(struct state *st, const struct run_step *step, const struct conf_limits *limits, tm_ms now)
{
	struct made m = {
	    .state = st, .limits = limits, .asset = step->asset, .partition = step->run->partition, .now = now};
	char *metadata = json_text(step->metadata);

	sql_do(st->sql,
	    "INSERT INTO materialization(asset, partition, run_id, at, outcome, metadata) VALUES(?1, ?2, ?3, "
	    "?4, ?5, ?6)",
	    "ssitss", m.asset, m.partition, step->run->id, now, result_name(step->outcome), metadata);
	free(metadata);
	shorten(&m);
}
