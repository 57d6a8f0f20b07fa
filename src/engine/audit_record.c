/* The reports of audits: made elsewhere, by a process that may block; kept here, a bounded number of them. */
#include "config.h"

#include "engine/engine_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utctime.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define AUDITS_KEPT 50

static int check(const json_t *result, tm_ms *began, struct err *err)
{
	static const char *const counts[] = {"missing", "mismatched", "extra", "leftover", "unknown"};
	const json_t *found = json_object_get(result, "found");
	const char *at = json_str(result, "started_at", NULL);

	if (at == NULL || utctime_parse(at, began) == -1)
		return err_set(err, ERR_USAGE, "the argument 'result' has no started_at");
	for (size_t i = 0; i < NITEMS(counts); i++)
		if (json_int(found, counts[i], -1) < 0)
			return err_set(err, ERR_USAGE, "the argument 'result' has no found.%s", counts[i]);
	if (!json_is_boolean(json_object_get(result, "clean")) ||
	    !json_is_object(json_object_get(result, "scope")) ||
	    !json_is_object(json_object_get(result, "checked")) ||
	    !json_is_array(json_object_get(result, "findings")))
		return err_set(err, ERR_USAGE, "the argument 'result' is no report of an audit");
	return 0;
}

int engine_audit(struct engine *e, const json_t *result, const char *who, int64_t *id, struct err *err)
{
	const json_t *found = json_object_get(result, "found"), *scope = json_object_get(result, "scope");
	bool narrow = json_str(scope, "partition", NULL) != NULL || json_str(scope, "asset", NULL) != NULL;
	char *text;
	tm_ms began;

	if (check(result, &began, err) == -1)
		return -1;
	text = json_text(result);
	if (strlen(text) > ENGINE_AUDIT_MAX) {
		free(text);
		return err_set(err, ERR_USAGE, "the report is larger than %d bytes", ENGINE_AUDIT_MAX);
	}
	sql_do(e->state->sql,
	    "INSERT INTO audit(began_at, at, who, narrow, clean, missing, mismatched, extra, leftover, "
	    "unknown, result)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	    "ttsiiiiiiis", began, clock_now(), who, (int64_t)narrow, (int64_t)json_bool(result, "clean", false),
	    json_int(found, "missing", 0), json_int(found, "mismatched", 0), json_int(found, "extra", 0),
	    json_int(found, "leftover", 0), json_int(found, "unknown", 0), text);
	*id = sql_last_id(e->state->sql);
	sql_do(e->state->sql, "DELETE FROM audit WHERE id <= ?1 - ?2", "ii", *id, (int64_t)AUDITS_KEPT);
	log_info("audit %" PRId64 " by=%s missing=%" PRId64 " mismatched=%" PRId64, *id, who,
	    json_int(found, "missing", 0), json_int(found, "mismatched", 0));
	free(text);
	engine_kick(e);
	return 0;
}
