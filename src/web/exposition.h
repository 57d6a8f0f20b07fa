/*
 * exposition.h: the text formats of Prometheus: its own (0.0.4), and OpenMetrics 1.0.
 *
 * A family is its name, then its samples.  The two formats differ in what a counter's family is called, in units, in
 * the order of what describes a family, and in the end.
 */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include "base/strbuf.h"
#include "metric/metric.h"

struct exposition {
	struct strbuf *out;
	bool open_metrics;
};

/* Whether an Accept field prefers OpenMetrics; NULL: no. */
bool exposition_wants_open_metrics(const char *accept);
extern const char exposition_type[], exposition_type_open_metrics[]; /* for Content-Type */

/* A gauge's family; unit may be NULL. */
void exposition_gauge(const struct exposition *, const char *name, const char *unit, const char *help);
/* One without the _total it gets, when it is kept elsewhere than in metric.h. */
void exposition_counter(const struct exposition *, const char *name, const char *unit, const char *help);
/* name as it stands there; labels as name and value in turn, ended by NULL; NULL: none. */
void exposition_sample(const struct exposition *, const char *name, const char *const *labels, double value);
#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
/* A whole family of metric.h. */
void exposition_metric(const struct exposition *, enum metric);
void exposition_end(const struct exposition *);

#endif
