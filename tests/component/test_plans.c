/* Every statement that the pages and the API make finds its rows by an index, whatever is asked of them. */
#include "config.h"

#include "tests/tap.h"

#include "base/json.h"
#include "conf/conf.h"
#include "engine/loop.h"
#include "net/httpd_head.h"
#include "state/state.h"
#include "web/web_priv.h"

#include <event2/event.h>

#define TEXT_MAX 16384

static const char config[] = "state_dir: ./state\n"
                             "stores: {data: {type: dir, path: .}}\n"
                             "databases: {results: {type: sqlite, path: ./results.db}}\n"
                             "notifications: {board: {type: command, command: ['true']}}\n"
                             "sensors:\n"
                             "  s: {type: chunked_upload, store: data, prefix: raw/, part: "
                             "'^(?<stub>f\\d+)_(?<date>\\d{8})\\.(?<part>\\d{6})$',\n"
                             "      check_file: '{stub}_{date}.txt', run_key: '{stub}-{date}', job: j,\n"
                             "      config: {site: x, observation_date: '{date}', instrument_name: i1}}\n"
                             "assets:\n"
                             "  a: {type: exec, command: ['true']}\n"
                             "  b: {type: exec, command: ['true'], deps: [a], fresh_within: 1h}\n"
                             "  clean: {type: delete_raw, deps: [b], store: data, database: results, prefix: "
                             "raw/, manifest: 'm/{observation_date}.json',\n"
                             "          names: {stub: f1}, rows: {}}\n"
                             "jobs: {j: {assets: ['*'], partition: 'x/{observation_date}/i1'}}\n";

/* One of everything, so that every question about it is asked. */
static const char history[] =
    "INSERT INTO run(job, assets, partition, state, outcome, origin, sensor, sensor_key, run_key, generation, "
    "config, tags,"
    " created_at, started_at, ended_at) VALUES"
    " ('j', '[\"a\",\"b\",\"clean\"]', 'x/20260407/i1', 'succeeded', 'warnings', 'sensor:s', 's', "
    "'raw/f1_20260407.txt', 'f1', 'g',"
    "  '{}', '{}', 1, 2, 3),"
    " ('j', '[\"a\",\"b\",\"clean\"]', 'x/20260408/i1', 'failed', NULL, 'sensor:s', 's', "
    "'raw/f1_20260408.txt', 'f1', 'g', '{}', '{}', 1, 2, 3),"
    " ('j', '[\"a\"]', 'x/20260409/i1', 'queued', NULL, 'user:u', NULL, NULL, NULL, NULL, '{}', '{}', 1, NULL, "
    "NULL),"
    " ('j', '[\"a\"]', 'x/20260410/i1', 'running', NULL, 'user:u', NULL, NULL, NULL, NULL, '{}', '{}', 1, 2, "
    "NULL);"
    "INSERT INTO run_place(place, run_id) SELECT partition, id FROM run UNION SELECT 'x', id FROM run;"
    "INSERT INTO step(run_id, asset, ord, state, outcome, attempts, started_at, ended_at, metadata)"
    " SELECT id, 'a', 0, 'succeeded', 'ok', 1, 2, 3, '{}' FROM run UNION ALL"
    " SELECT id, 'b', 1, 'succeeded', 'warnings', 1, 2, 3, '{}' FROM run UNION ALL"
    " SELECT id, 'clean', 2, iif(state = 'running', 'running', 'succeeded'), 'ok', 1, 2, iif(state = "
    "'running', NULL, 3), '{}' FROM run;"
    "INSERT INTO attempt(run_id, asset, n, epoch, started_at, ended_at, outcome) SELECT run_id, asset, 1, 1, "
    "2, ended_at, 'ok' FROM step;"
    "INSERT INTO materialization(asset, partition, run_id, at, outcome, metadata)"
    " SELECT asset, partition, id, 3, 'ok', '{\"n\": 1}' FROM run JOIN step ON run_id = id WHERE run.state IN "
    "('succeeded', 'failed');"
    "INSERT INTO event(at, run_id, asset, attempt, kind, text) SELECT 2, id, 'b', 1, 'warning', 'warning:w: x' "
    "FROM run;"
    "INSERT INTO sensor(name, last_tick_at, last_ok_at, next_tick_at) VALUES('s', 1, 1, 2);"
    "INSERT INTO tick(sensor, first_at, last_at, n, outcome, requested, duration_ms) VALUES('s', 1, 1, 1, "
    "'skipped', 0, 1);"
    "INSERT INTO sensor_key(sensor, key, verdict, present, expected, first_at, since, gone_at, run_id) VALUES"
    " ('s', 'raw/f1_20260407.txt', 'complete', 9, 9, 1, 1, 5, 1), ('s', 'raw/f1_20260408.txt', 'complete', 9, "
    "9, 1, 1, NULL, 2),"
    " ('s', 'raw/f1_20260411.txt', 'pending', 3, 9, 1, 1, NULL, NULL);"
    "INSERT INTO run_key(sensor, run_key, generation, run_id, at) VALUES('s', 'f1', 'g', 1, 1);"
    "INSERT INTO outbox(sink, event, kind, subject, data, state, created_at, next_at, ended_at) VALUES"
    " ('board', 'e1', 'failed', 'x', '{}', 'pending', 1, 1, NULL), ('board', 'e2', 'failed', 'x', '{}', "
    "'failed', 1, 1, 2),"
    " ('board', 'e3', 'failed', 'x', '{}', 'sent', 1, 1, 2);"
    "INSERT INTO hold(partition, reason, who, at) VALUES('x/20260407', 'r', 'w', 1);";

/* What may be walked over: tables that do not grow with the history, and the few rows of an index with a condition. */
static const char *const may_be_walked[] = {"SCAN sensor", "SCAN hold", "SCAN meta", "SCAN run_count",
    "SCAN sensor_key_count", "SCAN hint", "SCAN trouble", "SCAN run USING INDEX run_active",
    "SCAN r USING INDEX run_active", "SCAN run USING COVERING INDEX run_active",
    "SCAN outbox USING INDEX outbox_pending", "SCAN outbox USING COVERING INDEX outbox_pending",
    "SCAN outbox USING INDEX outbox_failed", "SCAN outbox USING COVERING INDEX outbox_failed",
    "SCAN attempt USING INDEX attempt_open", "SCAN attempt USING COVERING INDEX attempt_open",
    "SCAN sensor_key USING INDEX sensor_key_waiting", "SCAN audit USING INDEX audit_wide",
    "SCAN audit USING COVERING INDEX audit_wide", "SCAN CONSTANT ROW", "SCAN json_each", "SCAN (subquery"};

/* Walks that end after a number of rows that the statement itself sets: newest first by id. */
static const char *const may_be_cut[] = {"SCAN run", "SCAN outbox", "SCAN audit", "SCAN event"};

static json_t *statements; /* text -> the target that made it first */
static const char *target_now;

static int on_statement(unsigned what, void *arg, void *stmt, void *x)
{
	const char *text = sqlite3_sql(stmt);

	if (text != NULL && json_object_get(statements, text) == NULL)
		json_object_set_new(statements, text, json_string(target_now));
	return 0;
}

static const char *param_of(void *arg, const char *name)
{
	const struct httpd_head *h = arg;

	for (size_t i = 0; i < h->params.n; i++)
		if (strcmp(h->params.v[i], name) == 0)
			return h->pvalues.v[i];
	return NULL;
}

static int visit(struct web *w, const char *target)
{
	struct strbuf head = STRBUF_INIT(TEXT_MAX);
	struct httpd_head h;
	struct page_ask ask = {.param = param_of, .arg = &h};
	const struct route *route;
	const char *args[2];
	struct page p;
	char *copy;

	target_now = target;
	strbuf_addf(&head, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	httpd_head_parse(&h, head.buf, head.len, 0);
	ask.path = h.path;
	if ((route = route_find(h.path, &copy, args)) == NULL)
		tap_bail("no page %s", target);
	route_render(w, route, args, &ask, &p);
	strbuf_release(&p.body);
	strbuf_release(&head);
	httpd_head_release(&h);
	free(copy);
	return p.status;
}

/* Pages that take conditions, with every set of them. */
static void visit_filters(struct web *w, const char *path)
{
	static const char *const condition[] = {
	    "state=failed", "state=succeeded", "job=j", "partition=x", "origin=user:u", "before=3", "limit=2"};

	for (unsigned set = 0; set < 1u << NITEMS(condition); set++) {
		struct strbuf target = STRBUF_INIT(TEXT_MAX);

		strbuf_addf(&target, "%s?", path);
		for (size_t i = 0; i < NITEMS(condition); i++)
			if (set >> i & 1)
				strbuf_addf(&target, "%s&", condition[i]);
		if (visit(w, target.buf) != 200)
			ok(false, "%s", target.buf);
		strbuf_release(&target);
	}
}

static void visit_all(struct web *w)
{
	static const char *const target[] = {"/", "/nights", "/nights?until=20260408", "/nights?after=a",
	    "/partition/x", "/partition/x/20260407/i1", "/partition/raw/f1_20260411.txt", "/runs/1", "/runs/2",
	    "/runs/3", "/runs/4", "/assets", "/assets/a", "/assets/clean?partition=x/20260407/i1", "/sensors",
	    "/sensors/s", "/sensors/s?verdict=gone", "/sensors/s?verdict=pending&after=raw/a", "/queue",
	    "/deletions", "/outbox", "/outbox?state=failed", "/audit", "/api/v1/status", "/api/v1/runs/1",
	    "/api/v1/runs/1/logs", "/api/v1/runs/1/logs?asset=a", "/api/v1/assets", "/api/v1/assets/b",
	    "/api/v1/assets/b?partition=x/20260407/i1", "/api/v1/sensors", "/api/v1/sensors/s/keys",
	    "/api/v1/sensors/s/keys?verdict=gone", "/api/v1/sensors/s/keys?verdict=pending",
	    "/api/v1/sensors/s/ticks", "/api/v1/nights?days=9", "/api/v1/events?after=1",
	    "/api/v1/why/x/20260407/i1", "/api/v1/why/raw/f1_20260408.txt", "/api/v1/queue",
	    "/api/v1/outbox?state=sent", "/api/v1/outbox", "/api/v1/audit", "/feed.atom", "/badge/a.svg",
	    "/badge/clean.svg", "/badge/s.svg", "/metrics"};

	for (size_t i = 0; i < NITEMS(target); i++) {
		int status = visit(w, target[i]);

		ok(status == 200, "%s: %d", target[i], status);
	}
	visit_filters(w, "/runs");
	visit_filters(w, "/api/v1/runs");
}

static bool starts_with(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 && (s[n] == '\0' || s[n] == ' ' || prefix[n - 1] == 'y');
}

/* line: a step of a plan; named: what the plan has made itself before, such as "CO-ROUTINE p". */
static bool is_good(const char *line, const char *text, const json_t *named)
{
	if (strncmp(line, "SCAN ", 5) != 0 || json_object_get(named, line + 5) != NULL)
		return true;
	for (size_t i = 0; i < NITEMS(may_be_walked); i++)
		if (starts_with(line, may_be_walked[i]))
			return true;
	for (size_t i = 0; i < NITEMS(may_be_cut); i++)
		if (strcmp(line, may_be_cut[i]) == 0 && strstr(text, "ORDER BY id DESC LIMIT") != NULL)
			return true;
	return false;
}

/*
 * Indexes that lead to a large part of the history: fine where the statement ends after some rows of them, and a walk where it has a
 * condition that leads to few.
 */
static bool is_wide(const char *line, const char *text)
{
	static const struct {
		const char *index, *narrow;
	} wide[] = {
	    {"INDEX run_state ", " partition = ?"},
	    {"INDEX run_job ", " partition = ?"},
	    {"INDEX run_origin ", " partition = ?"},
	    {"INDEX materialization_newest ", " partition = ?"},
	};

	for (size_t i = 0; i < NITEMS(wide); i++)
		if (strstr(line, wide[i].index) != NULL && strstr(text, wide[i].narrow) != NULL)
			return true;
	return false;
}

static void check(sqlite3 *db, const char *text, const char *target)
{
	char *explain = xasprintf("EXPLAIN QUERY PLAN %s", text);
	json_t *named = json_object();
	sqlite3_stmt *stmt;
	bool good = true;

	if (sqlite3_prepare_v2(db, explain, -1, &stmt, NULL) != SQLITE_OK)
		tap_bail("%s: %s", sqlite3_errmsg(db), explain);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *line = (const char *)sqlite3_column_text(stmt, 3);

		if (strncmp(line, "CO-ROUTINE ", 11) == 0 || strncmp(line, "MATERIALIZE ", 12) == 0)
			json_object_set_new(named, strchr(line, ' ') + 1, json_true());
		if (is_good(line, text, named) && !is_wide(line, text))
			continue;
		good = false;
		printf("# %s\n", line);
	}
	sqlite3_finalize(stmt);
	ok(good, "%s: %.200s", target, text);
	json_decref(named);
	free(explain);
}

static struct web *open_web(struct event_base *base, struct conf **conf)
{
	struct diags diags = {0};
	struct err err = ERR_INIT;
	struct state *st;
	struct web *w;
	char path[600];

	snprintf(path, sizeof(path), "%s/orch.yaml", test_dir());
	if (fs_write_atomic(path, config, sizeof(config) - 1, 0600, &err) == -1 ||
	    (*conf = conf_load(path, &diags)) == NULL) {
		struct strbuf sb = STRBUF_INIT(65536);

		diags_print(&diags, &sb);
		tap_bail("%s %s", err.text, sb.buf);
	}
	if ((st = state_open((*conf)->state_dir, &err)) == NULL || sql_script(st->sql, history, &err) == -1)
		tap_bail("%s", err.text);
	state_close(st);
	if ((w = web_new_copy(base, *conf, &err)) == NULL)
		tap_bail("%s", err.text);
	return w;
}

static void test_plans(void)
{
	struct event_base *base = loop_new();
	struct conf *conf;
	struct web *w = open_web(base, &conf);
	sqlite3 *db = sql_handle(w->query.state->sql);
	const char *text;
	json_t *target;

	statements = json_object();
	sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
	visit_all(w);
	sqlite3_trace_v2(db, 0, NULL, NULL);
	ok(json_object_size(statements) > 50, "%zu statements were made", json_object_size(statements));
	json_object_foreach(statements, text, target) check(db, text, json_string_value(target));
	json_decref(statements);
	web_free(w);
	conf_unref(conf);
	event_base_free(base);
}

int main(void)
{
	tap_run(test_plans);
	return tap_done();
}
