/* The two text formats, where they differ and where a value could break a line. */
#include "config.h"

#include "tests/tap.h"

#include "web/exposition.h"

#include <math.h>

static void test_samples(void)
{
	static const struct {
		double value;
		const char *text;
	} t[] = {
	    {0, "m 0\n"},
	    {1, "m 1\n"},
	    {-1, "m -1\n"},
	    {.1, "m 0.1\n"},
	    {1.0 / 3, "m 0.3333333333333333\n"},
	    {1776459785.123, "m 1776459785.123\n"},
	    {9007199254740991.0, "m 9007199254740991\n"},
	    {1e300, "m 1e+300\n"},
	    {INFINITY, "m +Inf\n"},
	    {-INFINITY, "m -Inf\n"},
	    {NAN, "m NaN\n"},
	};

	for (size_t i = 0; i < NITEMS(t); i++) {
		struct strbuf out = STRBUF_INIT(4096);
		struct exposition x = {.out = &out};

		exposition_sample(&x, "m", NULL, t[i].value);
		is_str(out.buf, t[i].text, "a number as it is written");
		if (isfinite(t[i].value))
			ok(strtod(out.buf + 2, NULL) == t[i].value, "and reads back as the same");
		strbuf_release(&out);
	}
}

static void test_labels(void)
{
	struct strbuf out = STRBUF_INIT(4096);
	struct exposition x = {.out = &out};

	exposition_sample(&x, "m", LABELS("a", "q\"b\\s\nn} 1", "b", ""), 5);
	is_str(out.buf, "m{a=\"q\\\"b\\\\s\\nn} 1\",b=\"\"} 5\n", "nothing in a value ends it");
	strbuf_release(&out);
}

static void show(enum metric m, bool open, const char *want, const char *what)
{
	struct strbuf out = STRBUF_INIT(65536);
	struct exposition x = {.out = &out, .open_metrics = open};

	exposition_metric(&x, m);
	exposition_end(&x);
	is_str(out.buf, want, what);
	strbuf_release(&out);
}

static void test_counter(void)
{
	metric_add(METRIC_S3_BYTES, 7, "sent", NULL);
	show(METRIC_S3_BYTES, false,
	    "# TYPE orchd_s3_bytes_total counter\n"
	    "# HELP orchd_s3_bytes_total Bytes of requests to S3 and of answers, without headers.\n"
	    "orchd_s3_bytes_total{direction=\"sent\"} 7\n",
	    "a counter in Prometheus' format");
	show(METRIC_S3_BYTES, true,
	    "# TYPE orchd_s3_bytes counter\n"
	    "# UNIT orchd_s3_bytes bytes\n"
	    "# HELP orchd_s3_bytes Bytes of requests to S3 and of answers, without headers.\n"
	    "orchd_s3_bytes_total{direction=\"sent\"} 7\n"
	    "# EOF\n",
	    "and in OpenMetrics");
	metric_count(METRIC_RUNS, "night", "ok");
	show(METRIC_RUNS, true,
	    "# TYPE orchd_runs_total unknown\n"
	    "# HELP orchd_runs_total Runs that ended, by outcome.\n"
	    "orchd_runs_total{job=\"night\",outcome=\"ok\"} 1\n"
	    "# EOF\n",
	    "a counter whose family's name is a gauge's");
}

/* Buckets are cumulative, and their bounds have a point. */
static void test_histogram(void)
{
	struct strbuf out = STRBUF_INIT(65536);
	struct exposition x = {.out = &out, .open_metrics = true};
	double last = -1;
	int buckets = 0;

	metric_observe(METRIC_S3_REQUEST_DURATION, .002, "get", NULL);
	metric_observe(METRIC_S3_REQUEST_DURATION, 2, "get", NULL);
	metric_observe(METRIC_S3_REQUEST_DURATION, 1000, "get", NULL);
	exposition_metric(&x, METRIC_S3_REQUEST_DURATION);
	for (const char *p = out.buf; (p = strstr(p, "_bucket{op=\"get\",le=\"")) != NULL; buckets++) {
		const char *le = strstr(p, "le=\"") + 4, *end = strchr(le, '"');
		double n = strtod(strchr(p, ' '), NULL);

		ok(n >= last && (memchr(le, '.', (size_t)(end - le)) != NULL || strncmp(le, "+Inf", 4) == 0),
		    "le %.*s: %g", (int)(end - le), le, n);
		last = n;
		p = end;
	}
	ok(buckets == (int)metric_family(METRIC_S3_REQUEST_DURATION)->nbounds + 1 && last == 3,
	    "the last one holds all");
	ok(strstr(out.buf, "_sum{op=\"get\"} 1002.002\n") != NULL &&
	        strstr(out.buf, "_count{op=\"get\"} 3\n") != NULL,
	    "sum and count");
	strbuf_release(&out);
}

static void test_accept(void)
{
	static const struct {
		const char *accept;
		bool open;
	} t[] = {
	    {NULL, false},
	    {"", false},
	    {"*/*", false},
	    {"text/plain", false},
	    {"application/openmetrics-text", true},
	    {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
	     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	        true},
	    {"application/openmetrics-text; version=0.0.1", false},
	    {"application/openmetrics-text;q=0", false},
	    {"application/openmetrics-text;q=0.2,text/plain;q=0.3", false},
	    {"text/plain;q=0.3 , application/openmetrics-text;q=0.3", true},
	    {"application/openmetrics-textual", false},
	    {"application/openmetrics-text;q=nan", false},
	    {",,,;;q=;,", false},
	    {"application/openmetrics-text;version=", false},
	};

	for (size_t i = 0; i < NITEMS(t); i++)
		ok(exposition_wants_open_metrics(t[i].accept) == t[i].open, "Accept: %s",
		    t[i].accept ? t[i].accept : "(none)");
}

int main(void)
{
	tap_run(test_samples);
	tap_run(test_labels);
	tap_run(test_counter);
	tap_run(test_histogram);
	tap_run(test_accept);
	return tap_done();
}
