/*
 * /livez: the loop turns.  /readyz: and the journal takes commits, the sensors look in time, and new work is taken.
 *
 * 200 when all of it is well, 503 otherwise, for those who restart or route; a line for each, with its reason when
 * ?verbose is asked for or it failed.  What is late or broken outside (a store, a run) is no reason to restart us: that is
 * what /metrics is for.
 */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "state/state.h"

#include <inttypes.h>

#define LAG_MAX_MS 2000

/* Whether it is well, and what there is to say about it. */
typedef bool check_fn(const struct web *, struct strbuf *why);

static bool loop_turns(const struct web *w, struct strbuf *why)
{
	tm_ms silent;

	if (w->lag == NULL) { /* a copy of the page */
		strbuf_addstr(why, "there is none");
		return true;
	}
	silent = clock_mono() - w->lag->turned_at;
	strbuf_addf(why, "its timers are %.1f ms late, the last ran %" PRId64 " ms ago",
	    (double)w->lag->last_us / 1000, silent);
	return silent < LAG_MAX_MS && w->lag->last_us < LAG_MAX_MS * 1000;
}

/* Reading it through the page's connection is half of the question. */
static bool journal_works(const struct web *w, struct strbuf *why)
{
	int64_t epoch = sql_get_int(w->query.state->sql, 0, "SELECT value FROM meta WHERE key = 'epoch'", "");
	const struct engine_stats *st = w->engine ? engine_stats(w->engine) : NULL;

	if (sql_error(w->query.state->sql) != NULL || epoch == 0) {
		sql_rollback(w->query.state->sql);
		strbuf_addstr(why, "the state database cannot be read");
		return false;
	}
	if (w->lag != NULL && lag_commits_fail(w->lag)) {
		strbuf_addstr(why, "a commit failed in the last minute");
		return false;
	}
	if (st != NULL)
		strbuf_addf(why, "%" PRId64 " commits, %" PRId64 " failed, the last took %.1f ms", st->commits,
		    st->commit_failures, (double)st->last_commit_us / 1000);
	return true;
}

static bool sensors_look(const struct web *w, struct strbuf *why)
{
	int64_t late = 0, paused = 0;

	for (size_t i = 0; i < w->conf->nsensors; i++) {
		struct sensor_times t = sensor_times(w, &w->conf->sensors[i]);

		paused += t.paused;
		if (t.late_ms == 0)
			continue;
		strbuf_addf(why, "%s%s is late by %" PRId64 " s", late ? ", " : "", w->conf->sensors[i].name,
		    t.late_ms / 1000);
		late++;
	}
	if (late == 0)
		strbuf_addf(why, "%zu, of which %" PRId64 " paused", w->conf->nsensors, paused);
	return late == 0;
}

static bool takes_work(const struct web *w, struct strbuf *why)
{
	bool draining = w->engine != NULL && engine_is_draining(w->engine);

	strbuf_addstr(why, draining ? "the daemon is stopping" : "new runs may start");
	return !draining;
}

static const struct {
	const char *name;
	check_fn *check;
} checks[] = {
    {"loop", loop_turns},
    {"journal", journal_works},
    {"sensors", sensors_look},
    {"work", takes_work},
};

static void answer(struct page *p, size_t nchecks)
{
	bool verbose = p->ask->param(p->ask->arg, "verbose") != NULL;

	p->content_type = "text/plain; charset=utf-8";
	for (size_t i = 0; i < nchecks; i++) {
		struct strbuf why = STRBUF_INIT(4096);
		bool good = checks[i].check(p->web, &why);

		if (!good)
			p->status = 503;
		strbuf_addf(&p->body, "%s: %s%s%s\n", checks[i].name, good ? "ok" : "failed",
		    verbose || !good ? ": " : "", verbose || !good ? why.buf : "");
		strbuf_release(&why);
	}
}

void page_livez(struct page *p)
{
	answer(p, 1);
}

void page_readyz(struct page *p)
{
	answer(p, NITEMS(checks));
}
