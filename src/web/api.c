/* The JSON API: query's objects, as `orchctl --json` shows them. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/utctime.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOG_BYTES 65536
#define LIMIT_MAX 300 /* rows of one answer; the next one goes on behind them */

static int64_t limit_of(const struct page *p, int64_t def)
{
	int64_t n = page_number(p, "limit", 0);

	return n <= 0 ? def : MIN(n, (int64_t)LIMIT_MAX);
}

/* Takes obj; NULL: err is the answer. */
static void give(struct page *p, json_t *obj, const struct err *err)
{
	p->content_type = "application/json";
	if (obj == NULL) {
		p->status = layout_error_status(err);
		obj = query_object();
		json_object_set_new(obj, "error",
		    json_pack("{s:s, s:s, s:o}", "class", err_class_name(err->class), "code", err->code, "text",
		        json_text_new(layout_error_text(err))));
	}
	json_write(obj, &p->body);
	strbuf_addch(&p->body, '\n');
	json_decref(obj);
}

void api_status(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_status(&p->web->query, &err), &err);
}

void api_runs(struct page *p)
{
	struct run_filter f = {.state = page_param(p, "state"),
	    .job = page_param(p, "job"),
	    .partition = page_param(p, "partition"),
	    .origin = page_param(p, "origin"),
	    .before = page_number(p, "before", 0),
	    .limit = limit_of(p, 50)};
	struct err err = ERR_INIT;

	give(p, query_runs(&p->web->query, &f, &err), &err);
}

void api_run(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_run(&p->web->query, strtoll(p->arg[0], NULL, 10), &err), &err);
}

void api_run_logs(struct page *p)
{
	struct err err = ERR_INIT;

	give(p,
	    query_run_logs(
	        &p->web->query, strtoll(p->arg[0], NULL, 10), page_param(p, "asset"), LOG_BYTES, &err),
	    &err);
}

void api_assets(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_assets(&p->web->query, &err), &err);
}

void api_asset(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_asset(&p->web->query, p->arg[0], page_param(p, "partition"), &err), &err);
}

void api_sensors(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_sensors(&p->web->query, &err), &err);
}

void api_sensor_keys(struct page *p)
{
	struct err err = ERR_INIT;

	give(p,
	    query_keys(&p->web->query, p->arg[0], page_param(p, "verdict"), page_param(p, "after"),
	        limit_of(p, LIMIT_MAX), &err),
	    &err);
}

void api_schedules(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_schedules(&p->web->query, page_number(p, "next", 0), &err), &err);
}

void api_sensor_ticks(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_ticks(&p->web->query, p->arg[0], limit_of(p, 50), &err), &err);
}

void api_nights(struct page *p)
{
	const struct nights_ask ask = {.until = page_param(p, "until"),
	    .after = page_param(p, "after"),
	    .days = (int)MIN(page_number(p, "days", 28), (int64_t)366)};
	struct err err = ERR_INIT;
	struct nights *m = nights_read(&p->web->query, &ask, clock_now(), &err);

	give(p, m ? nights_json(m) : NULL, &err);
	nights_free(m);
}

void api_queue(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_queue(&p->web->query, &err), &err);
}

void api_outbox(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_outbox(&p->web->query, page_param(p, "state"), limit_of(p, 50), &err), &err);
}

void api_audit(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_audit(&p->web->query, page_number(p, "id", 0), &err), &err);
}

void api_why(struct page *p)
{
	struct err err = ERR_INIT;

	give(p, query_why(&p->web->query, p->arg[0], &err), &err);
}

/* Events after an id, oldest first: for those who follow without a stream. */
void api_events(struct page *p)
{
	json_t *obj = query_object(), *list = json_array();
	int64_t after = page_number(p, "after", 0), limit = limit_of(p, 100), last = after;
	struct sql_row *row;

	row = sql_query(p->web->query.state->sql,
	    "SELECT id, at, run_id, asset, attempt, kind, text FROM event WHERE id > ?1 ORDER BY id LIMIT ?2",
	    "ii", after, limit);
	while (sql_next(row)) {
		last = sql_int(row, 0);
		json_array_append_new(
		    list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)last, "at",
		              query_time(sql_int(row, 1)), "run",
		              sql_is_null(row, 2) ? json_null() : json_integer(sql_int(row, 2)), "asset",
		              json_text_new(sql_text(row, 3)), "kind", json_text_new(sql_text(row, 5)), "text",
		              json_text_new(sql_text(row, 6))));
	}
	sql_end(row);
	json_object_set_new(obj, "events", list);
	json_object_set_new(obj, "next", json_integer(last));
	give(p, obj, NULL);
}

void api_missing(struct page *p)
{
	struct err err = ERR_INIT;

	err_code(&err, ERR_USAGE, "not_found",
	    "there is nothing at %s; /api/v1/openapi.json describes what there is", p->ask->path);
	give(p, NULL, &err);
}
