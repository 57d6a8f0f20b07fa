/*
 * The history has a length: rows beyond the limits go, a little in each turn of the loop, and folders in a thread.
 *
 * What bounds each table of the state is told in HACKING.md; tests/unit/test_prune.c goes through them.
 */
#include "config.h"

#include "engine/prune_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/remover.h"

#include <stdlib.h>

#define PASS_EVERY_MS 60000 /* between two looks at everything */
#define REST_MS       20 /* between two turns of one look: others have the loop meanwhile */
#define TURN_US       5000 /* of a turn for pruning, and what one piece more takes */

struct prune *prune_new(void)
{
	struct prune *p = xcalloc(1, sizeof(*p));

	p->remover = remover_new();
	return p;
}

void prune_free(struct prune *p)
{
	if (p == NULL)
		return;
	remover_free(p->remover);
	free(p->key_sensor);
	free(p->key);
	free(p->key_generation);
	free(p);
}

void prune_undone(struct prune *p)
{
	p->next = p->next_walk = p->next_run_keys = 0;
	xstrset(&p->key, NULL);
}

/* ---- folders ---- */

struct doomed {
	struct remover *remover;
	char *dir;
};

static void remove_after_commit(const struct err *failed, void *arg)
{
	struct doomed *d = arg;

	if (failed == NULL)
		remover_add(d->remover, d->dir);
	else
		free(d->dir);
	free(d);
}

/* Rows first, the folder after the commit: what a crash leaves is a folder without a row. */
void prune_dir(struct engine *e, char *dir)
{
	struct doomed *d = xcalloc(1, sizeof(*d));

	*d = (struct doomed){e->prune->remover, dir};
	engine_after_commit(e, remove_after_commit, d);
}

static void tell_failures(struct prune *p)
{
	char *text;

	while ((text = remover_failure(p->remover)) != NULL) {
		log_warn("prune: it stays until the next start: %s", text);
		free(text);
	}
}

/* ---- what goes by its age ---- */

static enum piece prune_older(struct engine *e, const char *literal, tm_ms age)
{
	struct sql *sql = e->state->sql;

	if (sql_do(sql, literal, "ti", e->now - age, (int64_t)ROWS_PER_PIECE) == -1)
		return PIECE_LAST;
	return sql_changes(sql) == ROWS_PER_PIECE ? PIECE_MORE : PIECE_LAST;
}

static enum piece prune_ticks(struct engine *e)
{
	return prune_older(e, "DELETE FROM tick WHERE id IN (SELECT id FROM tick WHERE last_at < ?1 LIMIT ?2)",
	    e->conf->limits.keep_ticks);
}

static enum piece prune_events(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE run_id IS NULL AND at < ?1 LIMIT ?2)",
	    e->conf->limits.keep_ticks);
}

static enum piece prune_outbox(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM outbox WHERE id IN"
	    " (SELECT id FROM outbox WHERE state <> 'pending' AND ended_at < ?1 LIMIT ?2)",
	    e->conf->limits.keep_ticks);
}

static enum piece prune_sensor_keys(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM sensor_key WHERE (sensor, key) IN"
	    " (SELECT sensor, key FROM sensor_key WHERE gone_at IS NOT NULL AND gone_at < ?1 LIMIT ?2)",
	    e->conf->limits.keep_ticks);
}

static enum piece prune_trouble(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM trouble WHERE (sink, team, job, label) IN"
	    " (SELECT sink, team, job, label FROM trouble WHERE told_at < ?1 LIMIT ?2)",
	    FORGOTTEN_MS);
}

/* Of sensors that are gone: any other has looked at everything long since. */
static enum piece prune_hints(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM hint WHERE (sensor, hint) IN (SELECT sensor, hint FROM hint WHERE at < ?1 LIMIT ?2)",
	    FORGOTTEN_MS);
}

/* What there is none of any more: names of jobs and sensors come from configurations, which change. */
static enum piece prune_counts(struct engine *e)
{
	sql_do(e->state->sql, "DELETE FROM run_count WHERE n = 0", "");
	sql_do(e->state->sql, "DELETE FROM sensor_key_count WHERE n = 0", "");
	return PIECE_LAST;
}

/* ---- the turn ---- */

static enum piece (*const kinds[])(struct engine *) = {prune_ticks, prune_events, prune_outbox,
    prune_sensor_keys, prune_trouble, prune_hints, prune_run_keys, prune_sensors, prune_runs, prune_counts};

tm_ms prune_turn(struct engine *e)
{
	struct prune *p = e->prune;
	int64_t until;

	if (e->now < p->next && e->now > p->next - 2 * PASS_EVERY_MS)
		return p->next;
	tell_failures(p);
	until = clock_mono_us() + TURN_US;
	while (p->kind < NITEMS(kinds)) {
		enum piece piece = kinds[p->kind](e);

		if (piece == PIECE_LAST)
			p->kind++;
		if (piece == PIECE_WAITS || clock_mono_us() >= until)
			break;
	}
	if (p->kind == NITEMS(kinds)) {
		p->kind = 0;
		p->next = e->now + PASS_EVERY_MS;
	} else {
		p->next = e->now + REST_MS;
	}
	return p->next;
}
