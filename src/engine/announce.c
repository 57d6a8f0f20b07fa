#include "config.h"

#include "engine/announce.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/template.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "engine/run.h"
#include "notify/sink.h"
#include "sensor/sensor.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_MAX   20 /* different ones of a run that are told */
#define MESSAGES_MAX 20
#define LABEL_BYTES  100
#define TEXT_BYTES   2000
#define GROUP_MAX    400
#define PENDING_MAX  10000 /* rows waiting for one notification */

static const struct {
	const char *name, *type;
} kinds[] = {
    [EVENT_FAILED] = {"failed", "org.orchd.run.failed.v1"},
    [EVENT_WARNINGS] = {"warnings", "org.orchd.run.warnings.v1"},
    [EVENT_RECOVERED] = {"recovered", "org.orchd.run.recovered.v1"},
    [EVENT_STALE] = {"stale", "org.orchd.key.stale.v1"},
    [EVENT_SUCCEEDED] = {"succeeded", "org.orchd.run.completed.v1"},
};
static_assert(NITEMS(kinds) == EVENT_NKINDS, "name every kind of event");

const char *event_kind_name(enum event_kind k)
{
	return kinds[k].name;
}

const char *event_kind_type(const char *kind)
{
	for (size_t i = 0; i < NITEMS(kinds); i++)
		if (strcmp(kinds[i].name, kind) == 0)
			return kinds[i].type;
	return NULL;
}

/* One thing to tell, before any notification has looked at it. */
struct news {
	struct state *state;
	tm_ms now;
	const char *job;
	char *subject; /* "run/12" */
	char *occasion; /* unique for the sink: the same news is told once */
	json_t *data;
	struct strvec labels;
};

static void news_release(struct news *n)
{
	free(n->subject);
	free(n->occasion);
	json_decref(n->data);
	strvec_release(&n->labels);
}

/* ---- the outbox ---- */

static void put_row(
    const struct news *n, const struct conf_notification *to, const char *event, const char *kind, json_t *data)
{
	struct sql *sql = n->state->sql;
	char *text = json_text(data);
	bool full = sql_get_int(sql, 0, "SELECT count(*) FROM outbox WHERE sink = ?1 AND state = 'pending'",
	                "s", to->name) >= PENDING_MAX;

	sql_do(sql,
	    "INSERT INTO outbox(sink, event, kind, subject, data, created_at, next_at, state, ended_at, "
	    "err_class,"
	    " err_code, err_text) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, nullif(?8, 0), ?9, ?10, ?11)"
	    " ON CONFLICT(sink, event) DO NOTHING",
	    "ssssststsss", to->name, event, kind, n->subject, text, n->now, full ? "failed" : "pending",
	    full ? n->now : (tm_ms)0, full ? "transient" : NULL, full ? "full" : NULL,
	    full ? "too many notifications wait already" : NULL);
	if (full)
		log_warn("notification %s: %s about %s is dropped, too many wait already", to->name, kind,
		    n->subject);
	free(text);
}

static json_t *label_array(const struct strvec *labels)
{
	json_t *list = json_array();

	for (size_t i = 0; i < labels->n; i++)
		json_array_append_new(list, json_text_new(labels->v[i]));
	return list;
}

/* Rows for one notification: one, or one for each label when its type wants them apart. */
static void tell(const struct news *n, const struct conf_notification *to, enum event_kind kind,
    const char *group, const struct strvec *labels, int64_t repeats, tm_ms since)
{
	bool apart = (to->type->flags & SINK_PER_LABEL) != 0;
	size_t rows = apart ? labels->n : 1;

	for (size_t i = 0; i < rows; i++) {
		json_t *data = json_object();
		struct strvec one = STRVEC_INIT;
		char *event;

		if (apart)
			strvec_push(&one, labels->v[i]);
		event = xasprintf(
		    "%s %s%s%s", n->occasion, kinds[kind].name, apart ? " " : "", apart ? labels->v[i] : "");
		json_object_set_new(data, "kind", json_string(kinds[kind].name));
		json_object_set_new(data, "group", json_text_new(group));
		json_object_update(data, n->data);
		json_object_set_new(data, "labels", label_array(apart ? &one : labels));
		if (repeats > 0)
			json_object_set_new(data, "repeats", json_integer(repeats));
		if (since > 0) {
			char at[UTCTIME_MAX];

			json_object_set_new(data, "since", json_string(utctime_format(since, at)));
		}
		put_row(n, to, event, kinds[kind].name, data);
		json_decref(data);
		strvec_release(&one);
		free(event);
	}
}

static const char *name_value(void *arg, const char *name, size_t *n)
{
	const char *s = json_str(json_object_get(arg, "names"), name, "");

	*n = strlen(s);
	return s;
}

/* What belongs together; a run that lacks every name of the template belongs to its job. */
static char *group_of(const struct news *n, const struct conf_notification *to)
{
	struct strbuf out = STRBUF_INIT(GROUP_MAX);

	if (template_expand(to->group, name_value, n->data, &out, NULL) == -1 || out.len == 0) {
		strbuf_reset(&out);
		strbuf_add(&out, n->job, MIN(strlen(n->job), (size_t)GROUP_MAX));
	}
	return strbuf_detach(&out);
}

static bool wants(const struct conf_notification *to, enum event_kind kind, const char *job)
{
	return to->type != NULL && strvec_has(&to->on, kinds[kind].name) &&
	       (to->jobs.n == 0 || strvec_has(&to->jobs, job));
}

/* ---- trouble and its end ---- */

/* Whether every label was told less than the dedup time ago; counts what is held back. */
static bool held_back(const struct news *n, const struct conf_notification *to, const char *group)
{
	int64_t known = 0;

	for (size_t i = 0; i < n->labels.n; i++)
		known += sql_get_int(n->state->sql, 0,
		    "SELECT 1 FROM trouble WHERE sink = ?1 AND team = ?2 AND job = ?3 AND label = ?4 AND "
		    "told_at > ?5",
		    "sssst", to->name, group, n->job, n->labels.v[i], n->now - to->dedup);
	if (to->dedup == 0 || known < (int64_t)n->labels.n)
		return false;
	for (size_t i = 0; i < n->labels.n; i++)
		sql_do(n->state->sql,
		    "UPDATE trouble SET untold = untold + 1 WHERE sink = ?1 AND team = ?2 AND job = ?3 AND "
		    "label = ?4",
		    "ssss", to->name, group, n->job, n->labels.v[i]);
	return true;
}

static void tell_trouble(
    const struct news *n, const struct conf_notification *to, enum event_kind kind, const char *group)
{
	int64_t untold = 0;

	if (held_back(n, to, group))
		return;
	for (size_t i = 0; i < n->labels.n; i++) {
		untold = MAX(untold,
		    sql_get_int(n->state->sql, 0,
		        "SELECT untold FROM trouble WHERE sink = ?1 AND team = ?2 AND job = ?3 AND label = ?4",
		        "ssss", to->name, group, n->job, n->labels.v[i]));
		sql_do(n->state->sql,
		    "INSERT INTO trouble(sink, team, job, label, since, told_at) VALUES(?1, ?2, ?3, ?4, ?5, ?5)"
		    " ON CONFLICT(sink, team, job, label) DO UPDATE SET told_at = ?5, untold = 0",
		    "sssst", to->name, group, n->job, n->labels.v[i], n->now);
	}
	tell(n, to, kind, group, &n->labels, untold, 0);
}

/* Labels that were told and that this good run does not show. */
static void tell_recovery(const struct news *n, const struct conf_notification *to, const char *group)
{
	struct strvec gone = STRVEC_INIT;
	tm_ms since = n->now;
	struct sql_row *row = sql_query(n->state->sql,
	    "SELECT label, since FROM trouble WHERE sink = ?1 AND team = ?2 AND job = ?3 ORDER BY label", "sss",
	    to->name, group, n->job);

	while (sql_next(row))
		if (!strvec_has(&n->labels, sql_text(row, 0))) {
			strvec_push(&gone, sql_text(row, 0));
			since = MIN(since, sql_int(row, 1));
		}
	sql_end(row);
	for (size_t i = 0; i < gone.n; i++)
		sql_do(n->state->sql,
		    "DELETE FROM trouble WHERE sink = ?1 AND team = ?2 AND job = ?3 AND label = ?4", "ssss",
		    to->name, group, n->job, gone.v[i]);
	if (gone.n > 0 && wants(to, EVENT_RECOVERED, n->job))
		tell(n, to, EVENT_RECOVERED, group, &gone, 0, since);
	strvec_release(&gone);
}

/* ---- runs ---- */

static void add_label(struct strvec *labels, const char *text, size_t len)
{
	char *label = xstrndup(text, MIN(len, (size_t)LABEL_BYTES));

	if (labels->n < LABELS_MAX && !strvec_has(labels, label))
		strvec_push(labels, label);
	free(label);
}

static void add_message(
    json_t *messages, const char *asset, const char *label, size_t label_len, const char *text)
{
	struct strbuf l = STRBUF_INIT(LABEL_BYTES), t = STRBUF_INIT(TEXT_BYTES);
	json_t *m = json_object();

	strbuf_add(&l, label, MIN(label_len, (size_t)LABEL_BYTES));
	strbuf_add(&t, text, MIN(strlen(text), (size_t)TEXT_BYTES));
	json_object_set_new(m, "asset", json_text_new(asset));
	json_object_set_new(m, "label", json_text_new(l.buf));
	json_object_set_new(m, "text", json_text_new(t.buf));
	if (json_array_size(messages) < MESSAGES_MAX)
		json_array_append_new(messages, m);
	else
		json_decref(m);
	strbuf_release(&l);
	strbuf_release(&t);
}

/* Warnings of the last attempt of each step, kept by engine/attempt.c as "label: text". */
static void collect_warnings(struct news *n, const struct run *run, json_t *messages)
{
	struct sql_row *row = sql_query(n->state->sql,
	    "SELECT e.asset, e.text FROM event AS e JOIN step AS s ON s.run_id = e.run_id AND s.asset = e.asset"
	    " WHERE e.run_id = ?1 AND e.kind = 'warning' AND e.attempt = s.attempts AND s.state = 'succeeded'"
	    " ORDER BY e.id",
	    "i", run->id);

	while (sql_next(row)) {
		const char *text = sql_text(row, 1), *colon = strstr(text, ": ");
		size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);

		add_label(&n->labels, text, len);
		add_message(messages, sql_text(row, 0), text, len, colon != NULL ? colon + 2 : text);
	}
	sql_end(row);
}

static void collect_errors(struct news *n, const struct run *run, json_t *messages)
{
	for (size_t i = 0; i < run->nsteps; i++) {
		const struct run_step *s = &run->steps[i];
		const char *label = s->err.code[0] ? s->err.code : err_class_name(s->err.class);

		if (s->state != STEP_FAILED)
			continue;
		add_label(&n->labels, label, strlen(label));
		add_message(messages, s->asset, label, strlen(label), s->err.text);
	}
}

static void set_text(json_t *obj, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		json_object_set_new(obj, key, json_text_new(value));
}

static void set_time(json_t *obj, const char *key, tm_ms t)
{
	char text[UTCTIME_MAX];

	if (t != 0)
		json_object_set_new(obj, key, json_string(utctime_format(t, text)));
}

static void add_names(json_t *names, json_t *from)
{
	const char *key;
	json_t *value;

	json_object_foreach(from, key, value) if (json_is_string(value)) json_object_set(names, key, value);
}

static json_t *run_data(const struct run *run, json_t *messages)
{
	json_t *data = json_object(), *names = json_object();

	json_object_set_new(data, "run", json_integer(run->id));
	set_text(data, "job", run->job);
	set_text(data, "partition", run->partition);
	set_text(data, "outcome", run->outcome ? result_name(run->outcome) : run_state_name(run->state));
	set_text(data, "origin", run->origin);
	set_time(data, "created_at", run->created_at);
	set_time(data, "started_at", run->started_at);
	set_time(data, "ended_at", run->ended_at);
	if (run->state == RUN_FAILED)
		json_object_set_new(data, "error",
		    json_pack("{s:s, s:s, s:o}", "class", err_class_name(run->err.class), "code", run->err.code,
		        "text", json_text_new(run->err.text)));
	json_object_set_new(data, "messages", messages);
	add_names(names, run->config);
	add_names(names, run->tags);
	set_text(names, "job", run->job);
	set_text(names, "partition", run->partition);
	set_text(names, "sensor", run->sensor);
	set_text(names, "key", run->sensor_key);
	json_object_set_new(data, "names", names);
	return data;
}

static void news_of_run(struct news *n, struct state *st, const struct run *run, tm_ms now)
{
	json_t *messages = json_array();

	*n = (struct news){.state = st, .now = now};
	n->job = run->job ? run->job : run->nsteps > 0 ? run->steps[0].asset : "";
	n->subject = xasprintf("run/%" PRId64, run->id);
	n->occasion = xstrdup(n->subject);
	collect_errors(n, run, messages);
	collect_warnings(n, run, messages);
	if (n->labels.n == 0 && (run->state == RUN_FAILED || run->outcome == RESULT_WARNINGS))
		strvec_push(&n->labels, run->state == RUN_FAILED ? "failed" : "warning");
	n->data = run_data(run, messages);
}

void announce_run(struct state *st, const struct conf *conf, const struct run *run, tm_ms now)
{
	bool failed = run->state == RUN_FAILED, warned = run->outcome == RESULT_WARNINGS;
	enum event_kind kind = failed ? EVENT_FAILED : warned ? EVENT_WARNINGS : EVENT_SUCCEEDED;
	struct news n;

	if (conf->nnotifications == 0 || run->dry_run || run->state == RUN_CANCELED ||
	    run->outcome == RESULT_NO_DATA)
		return;
	news_of_run(&n, st, run, now);
	for (size_t i = 0; i < conf->nnotifications; i++) {
		const struct conf_notification *to = &conf->notifications[i];
		char *group = group_of(&n, to);

		if (!failed)
			tell_recovery(&n, to, group);
		if (wants(to, kind, n.job) && kind == EVENT_SUCCEEDED)
			tell(&n, to, kind, group, &n.labels, 0, 0);
		else if (wants(to, kind, n.job))
			tell_trouble(&n, to, kind, group);
		free(group);
	}
	news_release(&n);
}

/* ---- keys ---- */

void announce_key(struct state *st, const struct conf *conf, const struct conf_sensor *sensor,
    const struct key_report *r, tm_ms now)
{
	struct news n = {.state = st, .now = now, .job = sensor->job};
	char hash[SHA256_HEX];
	json_t *names;

	if (conf->nnotifications == 0 || r->verdict != KEY_STALE)
		return;
	names = json_object();
	set_text(names, "job", sensor->job);
	set_text(names, "sensor", sensor->name);
	set_text(names, "key", r->key);
	/* Partitions are the engine's; a key is what comes nearest before there is a run. */
	set_text(names, "partition", r->key);
	n.data = json_object();
	set_text(n.data, "job", sensor->job);
	set_text(n.data, "sensor", sensor->name);
	set_text(n.data, "key", r->key);
	set_text(n.data, "reason", r->reason);
	json_object_set_new(n.data, "names", names);
	strvec_push(&n.labels, "stale");
	n.subject = xasprintf("key/%s/%s", sensor->name, r->key);
	sha256_hex(r->fingerprint ? r->fingerprint : "", r->fingerprint ? strlen(r->fingerprint) : 0, hash);
	n.occasion = xasprintf("%s %.16s", n.subject, hash);
	for (size_t i = 0; i < conf->nnotifications; i++) {
		const struct conf_notification *to = &conf->notifications[i];
		char *group;

		if (!wants(to, EVENT_STALE, sensor->job))
			continue;
		group = group_of(&n, to);
		tell_trouble(&n, to, EVENT_STALE, group);
		free(group);
	}
	news_release(&n);
}
