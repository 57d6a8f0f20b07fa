#include "config.h"

#include "engine/check.h"

#include "base/mem.h"
#include "engine/run.h"
#include "state/state.h"
#include "step/journal_msg.h"

#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 64 /* of the metadata, looked at */

/* {name: plain value} of as many members as there is room for, NULL: there are none; *cut counts the others.  free() it. */
static char *plain_metadata(const json_t *metadata, int64_t *cut)
{
	json_t *kept = json_object(), *value;
	char *text = NULL;
	const char *key;

	*cut = 0;
	json_object_foreach((json_t *)(uintptr_t)metadata, key, value)
	{
		char *longer = NULL;

		json_object_set(kept, key, msg_metadata_value(value));
		if (json_object_size(kept) <= MEMBERS_MAX &&
		    strlen(longer = json_text(kept)) <= CHECK_METADATA_MAX) {
			free(text);
			text = longer;
			continue;
		}
		free(longer);
		json_object_del(kept, key);
		(*cut)++;
	}
	json_decref(kept);
	return text;
}

void check_keep(
    struct state *st, const struct run_step *step, int64_t attempt, const struct journal_msg *m, tm_ms now)
{
	int64_t cut, n = sql_get_int(st->sql, 0,
	                 "SELECT max(n) FROM asset_check WHERE run_id = ?1 AND asset = ?2 AND attempt = ?3",
	                 "isi", step->run->id, step->asset, attempt);
	struct strbuf name = STRBUF_INIT(CHECK_NAME_MAX);
	const char *said = m->name && m->name[0] ? m->name : "check";
	char *metadata;

	if (n >= CHECKS_KEPT)
		return;
	strbuf_add(&name, said, MIN(strlen(said), (size_t)CHECK_NAME_MAX));
	metadata = plain_metadata(m->metadata, &cut);
	sql_do(st->sql,
	    "INSERT INTO asset_check(run_id, asset, attempt, n, at, name, passed, severity, metadata, cut)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	    "isiitsissi", step->run->id, step->asset, attempt, n + 1, now, name.buf, (int64_t)m->passed,
	    m->level == LOG_ERROR_ ? "ERROR" : "WARN", metadata, cut);
	free(metadata);
	strbuf_release(&name);
}
