/* What a step says while it works. */
#include "config.h"

#include "engine/attempt_priv.h"

#include "engine/check.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "step/attempt_dir.h"

#include <stdlib.h>

#define EVENTS_KEPT 500 /* of one attempt in the database; the journal itself has them all */

static json_t *progress_json(const struct journal_msg *m)
{
	return json_pack("{s:s, s:I, s:I}", "what", m->name ? m->name : "", "done", (json_int_t)m->done,
	    "total", (json_int_t)m->total);
}

static void keep_event(struct attempt *a, const char *kind, const char *fmt, ...) PRINTF(3, 4);
static void keep_event(struct attempt *a, const char *kind, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT(2000);
	va_list ap;

	if (a->events++ >= EVENTS_KEPT)
		return;
	va_start(ap, fmt);
	if (strbuf_vaddf(&text, fmt, ap) == -1)
		strbuf_addstr(&text, "(too long to keep here; see the journal)");
	va_end(ap);
	run_event(a->engine->state, a->step->run, a->step->asset, a->n, kind, a->engine->now, "%s", text.buf);
	strbuf_release(&text);
}

static int on_message(const struct journal_msg *m, void *arg)
{
	struct attempt *a = arg;
	struct engine *e = a->engine;
	int64_t run = a->step->run->id;

	a->last_sign = clock_mono();
	switch (m->kind) {
	case MSG_PROGRESS:
		json_decref(a->progress);
		a->progress = progress_json(m);
		engine_note(e, "progress", run, a->step->asset, json_incref(a->progress));
		break;
	case MSG_WARNING:
		a->warnings++;
		keep_event(a, "warning", "%s: %s", m->name ? m->name : "warning", m->text ? m->text : "");
		engine_note(e, "warning", run, a->step->asset,
		    json_pack("{s:s?, s:s?}", "label", m->name, "text", m->text));
		break;
	case MSG_EFFECT:
		/* What was done stands in the journal and the manifests; what would be done has no other place. */
		if (a->step->run->dry_run)
			keep_event(a, "effect", "%s %s", m->name ? m->name : "", m->text ? m->text : "");
		engine_note(e, "effect", run, a->step->asset,
		    json_pack(
		        "{s:s?, s:s?, s:I}", "verb", m->name, "what", m->text, "size", (json_int_t)m->done));
		break;
	case MSG_CHECK:
		check_keep(e->state, a->step, a->n, m, e->now);
		keep_event(a, "check", "%s: %s", m->name ? m->name : "check",
		    m->passed                ? "passed"
		    : m->level == LOG_ERROR_ ? "failed"
		                             : "failed (WARN)");
		break;
	case MSG_LOG:
		if (m->level >= LOG_WARN_)
			keep_event(a, "log", "%s", m->text ? m->text : "");
		engine_note(e, "log", run, a->step->asset,
		    json_pack("{s:s, s:s?}", "level", log_level_name(m->level), "text", m->text));
		break;
	default: break;
	}
	return 0;
}

int64_t attempt_read_journal(struct attempt *a, size_t most)
{
	char *path = fs_join(a->dir, ATTEMPT_JOURNAL);
	int64_t n = journal_read(&a->reader, path, most, on_message, a, NULL);

	free(path);
	a->last_look = clock_mono();
	if (n > 0)
		sql_do(a->engine->state->sql,
		    "UPDATE attempt SET journal_offset = ?4, warnings = ?5 WHERE run_id = ?1 AND asset = ?2 "
		    "AND n = ?3",
		    "isiii", a->step->run->id, a->step->asset, a->n, a->reader.offset, a->warnings);
	return n;
}
