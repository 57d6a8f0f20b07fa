#include "config.h"

#include "web/night.h"

#include "base/json.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "query/query.h"
#include "state/state.h"
#include "step/asset.h"

#include <stdlib.h>
#include <string.h>

struct night_reader {
	struct sql *sql;
	json_t *holds; /* by partition */
	struct strvec deleting; /* assets that delete what came in */
};

/* A hold is on the partition itself or on one that it lies in. */
static bool is_held(const struct night_reader *reader, const char *partition)
{
	size_t n = strlen(partition);

	for (size_t i = 0; i <= n && json_object_size(reader->holds) > 0; i++)
		if ((partition[i] == '/' || partition[i] == '\0') &&
		    json_object_getn(reader->holds, partition, i) != NULL)
			return true;
	return false;
}

/* Did a step of the run that deletes what came in do so?  It may succeed and keep everything, and says how many. */
static bool has_deleted(const struct night_reader *reader, int64_t run)
{
	for (size_t i = 0; i < reader->deleting.n; i++)
		if (sql_get_int(reader->sql, 0,
		        "SELECT coalesce(json_extract(metadata, '$.deleted'), 0)"
		        " + coalesce(json_extract(metadata, '$.already_absent'), 0) > 0 FROM step"
		        " WHERE run_id = ?1 AND asset = ?2 AND state = 'succeeded'",
		        "is", run, reader->deleting.v[i]) == 1)
			return true;
	return false;
}

static bool is_there(const struct night_reader *reader, const char *sensor, const char *key)
{
	return sensor != NULL && key != NULL &&
	       sql_get_int(reader->sql, 0,
	           "SELECT 1 FROM sensor_key WHERE sensor = ?1 AND key = ?2 AND gone_at IS NULL", "ss", sensor,
	           key) == 1;
}

static const char *raw_of(const struct night_reader *reader, const char *partition, const struct sql_row *row)
{
	if (is_held(reader, partition))
		return "held";
	if (has_deleted(reader, sql_int(row, 0)))
		return "deleted";
	return is_there(reader, sql_text(row, 4), sql_text(row, 5)) ? "kept" : NULL;
}

bool night_read(struct night_reader *reader, const char *partition, struct night *out)
{
	struct sql_row *row = sql_query(reader->sql,
	    "SELECT id, state, outcome, err_text, sensor, sensor_key FROM run"
	    " WHERE partition = ?1 AND dry_run = 0 ORDER BY id DESC LIMIT 1",
	    "s", partition);
	bool known = sql_next(row);

	if (known) {
		const char *state = sql_text(row, 1), *outcome = sql_text(row, 2), *text = sql_text(row, 3);
		bool good = strcmp(state, "succeeded") == 0;

		night_release(out);
		*out = (struct night){.state = xstrdup(good && outcome ? outcome : state),
		    .text = good || text == NULL ? NULL : xstrdup(text),
		    .partition = xstrdup(partition),
		    .run = sql_int(row, 0),
		    .raw = raw_of(reader, partition, row)};
	}
	sql_end(row);
	return known;
}

void night_tell_warning(struct night_reader *reader, struct night *night)
{
	struct sql_row *row;

	if (night->state == NULL || strcmp(night->state, "warnings") != 0)
		return;
	row = sql_query(reader->sql,
	    "SELECT text FROM event WHERE run_id = ?1 AND kind = 'warning' ORDER BY text NOT LIKE 'error:%', "
	    "id LIMIT 1",
	    "i", night->run);
	if (sql_next(row))
		xstrset(&night->text, sql_text(row, 0));
	sql_end(row);
}

void night_release(struct night *night)
{
	free(night->state);
	free(night->text);
	free(night->partition);
	free(night->key);
	*night = (struct night){0};
}

static json_t *read_holds(struct sql *sql)
{
	json_t *holds = json_object();
	struct sql_row *row = sql_query(sql, "SELECT partition FROM hold", "");

	while (sql_next(row))
		json_object_set_new(holds, sql_text(row, 0), json_true());
	sql_end(row);
	return holds;
}

struct night_reader *night_reader_new(const struct query *q)
{
	struct night_reader *reader = xcalloc(1, sizeof(*reader));
	const struct conf *conf = q->conf;

	reader->sql = q->state->sql;
	reader->holds = read_holds(reader->sql);
	for (size_t i = 0; i < conf->nassets; i++)
		if ((conf->assets[i].type->flags & ASSET_DELETES) != 0)
			strvec_push(&reader->deleting, conf->assets[i].name);
	return reader;
}

void night_reader_free(struct night_reader *reader)
{
	json_decref(reader->holds);
	strvec_release(&reader->deleting);
	free(reader);
}
