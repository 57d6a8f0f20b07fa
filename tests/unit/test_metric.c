/* Counters: bounded, exact, and once: what a step hands over, and what waits for a commit. */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "metric/health.h"
#include "metric/metric.h"

#include <math.h>

static const struct metric_child *child(enum metric m, const char *label0, const char *label1)
{
	const struct metric_child *c;
	size_t n;

	c = metric_children(m, &n);
	for (size_t i = 0; i < n; i++)
		if ((label0 == NULL || strcmp(c[i].label[0], label0) == 0) &&
		    (label1 == NULL || strcmp(c[i].label[1], label1) == 0))
			return &c[i];
	return NULL;
}

static double value(enum metric m, const char *label0, const char *label1)
{
	const struct metric_child *c = child(m, label0, label1);

	return c ? c->sum : -1;
}

/* The rules of OpenMetrics that a row could break. */
static void test_families(void)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct metric_family *f = metric_family((enum metric)m);
		size_t n = strlen(f->name), unit = f->unit ? strlen(f->unit) : 0;

		ok(strncmp(f->name, "orchd_", 6) == 0 &&
		        strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n,
		    "%s is a name", f->name);
		ok(strstr(f->name, "_total") == NULL, "%s: _total is added where it is shown", f->name);
		ok(f->unit == NULL ||
		        (n > unit && strcmp(f->name + n - unit, f->unit) == 0 && f->name[n - unit - 1] == '_'),
		    "%s ends with its unit", f->name);
		ok(f->help[0] != '\0' && f->help[strlen(f->help) - 1] == '.' &&
		        strpbrk(f->help, "\\\"\n") == NULL,
		    "%s: one sentence", f->name);
		ok(f->label[0] != NULL || f->label[1] == NULL, "%s: labels from the first", f->name);
		ok((f->kind == METRIC_HISTOGRAM) == (f->nbounds > 0), "%s: buckets of a histogram", f->name);
		for (size_t i = 1; i < f->nbounds; i++)
			if (f->bounds[i] <= f->bounds[i - 1])
				ok(false, "%s: buckets rise", f->name);
	}
}

static void test_counter(void)
{
	char name[300];

	metric_count(METRIC_RUNS, "night", "ok");
	metric_count(METRIC_RUNS, "night", "ok");
	metric_add(METRIC_RUNS, 2.5, "night", "failed");
	metric_add(METRIC_RUNS, -1, "night", "failed");
	metric_add(METRIC_RUNS, NAN, "night", "failed");
	ok(value(METRIC_RUNS, "night", "ok") == 2 && value(METRIC_RUNS, "night", "failed") == 2.5,
	    "counted, never down");
	metric_expect(METRIC_RUNS, "day", "ok");
	ok(value(METRIC_RUNS, "day", "ok") == 0, "expected ones begin with 0");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	metric_count(METRIC_RUNS, name, NULL);
	ok(value(METRIC_RUNS, "other", "other") == 1, "a value that is too long or missing is another");
}

static void test_bounded(void)
{
	const struct metric_child *c;
	double sum = 0;
	size_t n;

	for (int i = 0; i < 3 * METRIC_CHILDREN; i++) {
		char name[32];

		snprintf(name, sizeof(name), "sensor-%d", i);
		metric_count(METRIC_SENSOR_TICKS, name, "skipped");
	}
	c = metric_children(METRIC_SENSOR_TICKS, &n);
	for (size_t i = 0; i < n; i++)
		sum += c[i].sum;
	is_int((int64_t)n, METRIC_CHILDREN + 1, "a family has a limit");
	is_int((int64_t)sum, 3 * METRIC_CHILDREN, "and loses nothing");
	is_int((int64_t)value(METRIC_SENSOR_TICKS, "other", "other"), 2 * METRIC_CHILDREN, "the rest is other");
}

static void test_histogram(void)
{
	const struct metric_family *f = metric_family(METRIC_LOOP_LAG);
	const struct metric_child *c;
	uint64_t n = 0;

	metric_observe(METRIC_LOOP_LAG, f->bounds[0], NULL, NULL);
	metric_observe(METRIC_LOOP_LAG, f->bounds[1], NULL, NULL);
	metric_observe(METRIC_LOOP_LAG, 1e9, NULL, NULL);
	metric_observe(METRIC_LOOP_LAG, -3, NULL, NULL);
	metric_observe(METRIC_LOOP_LAG, NAN, NULL, NULL);
	c = child(METRIC_LOOP_LAG, NULL, NULL);
	ok(c->bucket[0] == 3 && c->bucket[1] == 1 && c->bucket[f->nbounds] == 1,
	    "a bound is inside of its bucket");
	for (size_t i = 0; i <= f->nbounds; i++)
		n += c->bucket[i];
	ok(n == c->n && n == 5 && c->sum >= 1e9 && isfinite(c->sum), "count and sum fit the buckets");
}

static void test_from_process_to_process(void)
{
	json_t *exported, *again;

	metric_add(METRIC_S3_BYTES, 1000, "received", NULL);
	metric_count(METRIC_S3_REQUESTS, "get", "200");
	metric_observe(METRIC_S3_REQUEST_DURATION, .02, "get", NULL);
	exported = metric_export();
	ok(json_object_get(exported, "orchd_runs") == NULL, "what steps do not count stays here");
	metric_import(exported);
	ok(value(METRIC_S3_BYTES, "received", NULL) == 2000 && value(METRIC_S3_REQUESTS, "get", "200") == 2,
	    "counters are added");
	ok(child(METRIC_S3_REQUEST_DURATION, "get", NULL)->n == 2 &&
	        fabs(value(METRIC_S3_REQUEST_DURATION, "get", NULL) - .04) < 1e-9,
	    "and histograms");
	again = metric_export();
	ok(json_equal(json_array_get(json_object_get(again, "orchd_s3_bytes"), 0),
	       json_array_get(json_object_get(exported, "orchd_s3_bytes"), 0)) == 0,
	    "the export says so");
	json_decref(exported);
	json_decref(again);
}

/* An exit record can be written by anybody who may write in the attempt's folder. */
static void test_import_refuses(void)
{
	static const char *const bad[] = {
	    "{\"orchd_s3_bytes\": [[\"sent\", -5]]}",
	    "{\"orchd_s3_bytes\": [[\"sent\", \"5\"]]}",
	    "{\"orchd_s3_bytes\": [[\"sent\"]]}",
	    "{\"orchd_s3_bytes\": [[\"sent\", \"x\", 5]]}",
	    "{\"orchd_s3_bytes\": [5, null, {}]}",
	    "{\"orchd_s3_bytes\": {\"sent\": 5}}",
	    "{\"orchd_s3_bytes\": [[7, 5]]}",
	    "{\"orchd_runs\": [[\"night\", \"forged\", 5]]}",
	    "{\"orchd_s3_request_duration_seconds\": [[\"put\", 1.0, 1, 1]]}",
	    "{\"orchd_s3_request_duration_seconds\": [[\"put\", 1.0, 1,1,1,1,1,1,1,1,1,1,1,-1]]}",
	    "{\"orchd_s3_request_duration_seconds\": [[\"put\", 1.0, 1,1,1,1,1,1,1,1,1,1,1,1e300]]}",
	    "{\"nothing\": []}",
	    "[]",
	};

	for (size_t i = 0; i < NITEMS(bad); i++) {
		json_t *j = json_loads(bad[i], 0, NULL);

		metric_import(j);
		ok(j != NULL && value(METRIC_S3_BYTES, "sent", NULL) == -1 &&
		        child(METRIC_S3_REQUEST_DURATION, "put", NULL) == NULL &&
		        value(METRIC_RUNS, "night", "forged") == -1,
		    "passed over: %s", bad[i]);
		json_decref(j);
	}
	metric_import(NULL);
}

static void test_batch(void)
{
	struct metric_batch b = {0};

	metric_batch_count(&b, METRIC_STEP_RETRIES, "unzip", "transient");
	metric_batch_observe(&b, METRIC_STEP_DURATION, 3, "unzip", NULL);
	ok(value(METRIC_STEP_RETRIES, "unzip", "transient") == -1, "not before it is certain");
	metric_batch_drop(&b);
	metric_batch_apply(&b);
	ok(value(METRIC_STEP_RETRIES, "unzip", "transient") == -1, "dropped is gone");
	metric_batch_count(&b, METRIC_STEP_RETRIES, "unzip", "transient");
	metric_batch_import(&b, json_loads("{\"orchd_deletes\": [[\"deleted\", 7]]}", 0, NULL));
	metric_batch_import(&b, NULL);
	metric_batch_apply(&b);
	metric_batch_apply(&b);
	ok(value(METRIC_STEP_RETRIES, "unzip", "transient") == 1 && value(METRIC_DELETES, "deleted", NULL) == 7,
	    "applied once");
}

/* Whether the place is away once it was asked twice within a millisecond, the second time with this answer. */
static bool away_after(enum err_class class, const char *code)
{
	struct err err = ERR_INIT;
	json_t *exported;
	bool away;

	health_note(HEALTH_STORE, "asked", NULL);
	err_code(&err, class, code, "text");
	health_note(HEALTH_STORE, "asked", class == ERR_NONE ? NULL : &err);
	exported = health_export();
	away = health_says_away(exported);
	json_decref(exported);
	return away;
}

static void test_away(void)
{
	ok(!health_says_away(NULL), "who asked nothing knows of nobody");
	ok(away_after(ERR_TRANSIENT, "net.connect") && away_after(ERR_TRANSIENT, "unreachable") &&
	        away_after(ERR_TRANSIENT, "http.503"),
	    "who does not answer is away");
	ok(!away_after(ERR_NONE, ""), "until he does");
	ok(!away_after(ERR_PERMANENT, "denied") && !away_after(ERR_TRANSIENT, "s3.InternalError"),
	    "who says no, or fails at something, is there");
}

static void test_health(void)
{
	struct err err = ERR_INIT;
	json_t *exported;

	ok(health_find(HEALTH_STORE, "data") == NULL, "not asked, not known");
	clock_set(1000000, 1000);
	health_note(HEALTH_STORE, "data", NULL);
	ok(health_is_good(health_find(HEALTH_STORE, "data")) && health_find(HEALTH_DATABASE, "data") == NULL,
	    "it answered");
	clock_set(1005000, 6000);
	err_code(&err, ERR_TRANSIENT, "net.connect", "nobody there");
	health_note(HEALTH_STORE, "data", &err);
	ok(!health_is_good(health_find(HEALTH_STORE, "data")), "and then did not");
	exported = health_export();
	clock_set(1009000, 10000);
	health_note(HEALTH_STORE, "data", NULL);
	health_import(exported);
	ok(health_is_good(health_find(HEALTH_STORE, "data")) &&
	        health_find(HEALTH_STORE, "data")->failed_at == 1005000,
	    "old news change nothing");
	json_decref(exported);
	exported = json_loads("[{\"kind\": \"database\", \"name\": \"results\", \"failed_at\": 99999999999999, "
	                      "\"class\": \"transient\","
	                      " \"code\": \"lost\", \"text\": \"gone\"}, {\"kind\": \"oven\", \"name\": "
	                      "\"x\"}, 7, {\"kind\": \"store\"}]",
	    0, NULL);
	health_import(exported);
	ok(health_find(HEALTH_DATABASE, "results")->failed_at == 1009000 &&
	        err_is(&health_find(HEALTH_DATABASE, "results")->err, "lost"),
	    "nothing comes from the future");
	json_decref(exported);
	clock_unset();
	for (int i = 0; i < 1000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "store-%d", i);
		health_note(HEALTH_STORE, name, NULL);
	}
	ok(health_find(HEALTH_STORE, "store-100") != NULL && health_find(HEALTH_STORE, "store-999") == NULL,
	    "places are bounded");
}

int main(void)
{
	tap_run(test_families);
	tap_run(test_counter);
	tap_run(test_bounded);
	tap_run(test_histogram);
	tap_run(test_from_process_to_process);
	tap_run(test_import_refuses);
	tap_run(test_batch);
	tap_run(test_away);
	tap_run(test_health);
	return tap_done();
}
