#include "config.h"

#include "engine/engine_priv.h"
#include "engine/partition.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A hold on any partition that covers this one, or that this one covers: what is deleted would be held data either way. */
char *hold_reason(struct state *st, const char *partition)
{
	struct sql_row *row = sql_query(st->sql, "SELECT partition, reason, who FROM hold ORDER BY partition", "");
	char *reason = NULL;

	while (reason == NULL && sql_next(row))
		if (partition_excludes(sql_text(row, 0), partition))
			reason = xasprintf("%s is held by %s: %s", sql_text(row, 0), sql_text(row, 2), sql_text(row, 1));
	sql_end(row);
	return reason;
}

int engine_hold(struct engine *e, const char *partition, const char *reason, const char *who, struct err *err)
{
	if (partition_check(partition, err) == -1)
		return -1;
	if (partition[0] == '\0')
		return err_set(err, ERR_USAGE, "a hold needs a partition");
	sql_do(e->state->sql,
	    "INSERT INTO hold(partition, reason, who, at) VALUES(?1, ?2, ?3, ?4)"
	    " ON CONFLICT(partition) DO UPDATE SET reason = ?2, who = ?3, at = ?4",
	    "ssst", partition, reason, who, e->now);
	sql_do(e->state->sql, "INSERT INTO event(at, kind, text) VALUES(?1, 'hold', 'hold ' || ?2 || ' by ' || ?3 || ': ' || ?4)",
	    "tsss", e->now, partition, who, reason);
	log_info("hold %s by=%s: %s", partition, who, reason);
	engine_kick(e);
	return 0;
}

int engine_release(struct engine *e, const char *partition, const char *who, struct err *err)
{
	sql_do(e->state->sql, "DELETE FROM hold WHERE partition = ?1", "s", partition);
	if (sql_changes(e->state->sql) == 0)
		return err_code(err, ERR_PERMANENT, "not_found", "%s is not held", partition);
	sql_do(e->state->sql, "INSERT INTO event(at, kind, text) VALUES(?1, 'hold', 'release ' || ?2 || ' by ' || ?3)", "tss",
	    e->now, partition, who);
	log_info("release %s by=%s", partition, who);
	engine_kick(e);
	return 0;
}
