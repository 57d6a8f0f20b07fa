#include "config.h"

#include "web/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char exposition_type[] = "text/plain; version=0.0.4; charset=utf-8";
const char exposition_type_open_metrics[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/* Of one entry of an Accept field: its weight, 0 to 1; -1: it is another type, or another version than ours. */
static double entry_weight(const char *entry, size_t len, const char *type, const char *our_version)
{
	const char *version = memmem(entry, len, "version=", 8), *q = memmem(entry, len, "q=", 2);
	size_t n = strlen(type);

	if (len < n || strncasecmp(entry, type, n) != 0 || (len > n && strchr(" \t;", entry[n]) == NULL))
		return -1;
	if (version != NULL && strncmp(version + 8, our_version, strlen(our_version)) != 0)
		return -1;
	return q ? strtod(q + 2, NULL) : 1;
}

static double weight(const char *accept, const char *type, const char *our_version)
{
	double best = -1;

	for (const char *p = accept; *p != '\0'; p += *p == ',') {
		size_t len;

		p += strspn(p, " \t");
		len = strcspn(p, ",");
		best = MAX(
		    entry_weight(p, len, type, our_version), best); /* in this order: what is no number loses */
		p += len;
	}
	return best;
}

bool exposition_wants_open_metrics(const char *accept)
{
	double open;

	if (accept == NULL)
		return false;
	open = weight(accept, "application/openmetrics-text", "1.0.0");
	return open > 0 && open >= weight(accept, "text/plain", "0.0.4");
}

/* The shortest that reads back as the same number. */
static void number(struct strbuf *out, double value)
{
	char text[40];

	if (isinf(value) || isnan(value)) {
		strbuf_addstr(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	strbuf_addstr(out, text);
}

static void label_value(struct strbuf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\' || *s == '"')
			strbuf_addch(out, '\\');
		if (*s == '\n')
			strbuf_addstr(out, "\\n");
		else
			strbuf_addch(out, *s);
	}
}

static void family(
    const struct exposition *x, const char *name, const char *type, const char *unit, const char *help)
{
	strbuf_addf(x->out, "# TYPE %s %s\n", name, type);
	if (x->open_metrics && unit != NULL)
		strbuf_addf(x->out, "# UNIT %s %s\n", name, unit);
	strbuf_addf(x->out, "# HELP %s %s\n", name, help);
}

void exposition_gauge(const struct exposition *x, const char *name, const char *unit, const char *help)
{
	family(x, name, "gauge", unit, help);
}

void exposition_counter(const struct exposition *x, const char *name, const char *unit, const char *help)
{
	char total[128];

	snprintf(total, sizeof(total), "%s%s", name, x->open_metrics ? "" : "_total");
	family(x, total, "counter", unit, help);
}

void exposition_sample(const struct exposition *x, const char *name, const char *const *labels, double value)
{
	strbuf_addstr(x->out, name);
	for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
		strbuf_addf(x->out, "%s%s=\"", i ? "," : "{", labels[i]);
		label_value(x->out, labels[i + 1]);
		strbuf_addch(x->out, '"');
	}
	strbuf_addstr(x->out, labels != NULL && labels[0] != NULL ? "} " : " ");
	number(x->out, value);
	strbuf_addch(x->out, '\n');
}

/* Bounds as OpenMetrics wants them: with a point. */
static const char *bound_text(double bound, char text[32])
{
	snprintf(text, 32, bound == (double)(int64_t)bound ? "%.1f" : "%.15g", bound);
	return text;
}

/* The labels that a family has, as pairs; returns where the next pair would go. */
static size_t own_labels(const struct metric_family *f, const struct metric_child *c, const char **out)
{
	size_t n = 0;

	for (size_t i = 0; i < METRIC_LABELS && f->label[i] != NULL; i++) {
		out[n++] = f->label[i];
		out[n++] = c->label[i];
	}
	out[n] = NULL;
	return n;
}

static void histogram(const struct exposition *x, const struct metric_family *f, const struct metric_child *c)
{
	const char *labels[2 * METRIC_LABELS + 3];
	size_t own = own_labels(f, c, labels);
	char name[128], text[32];
	uint64_t sum = 0;

	snprintf(name, sizeof(name), "%s_bucket", f->name);
	labels[own] = "le";
	labels[own + 2] = NULL;
	for (size_t i = 0; i <= f->nbounds; i++) {
		sum += c->bucket[i];
		labels[own + 1] = i < f->nbounds ? bound_text(f->bounds[i], text) : "+Inf";
		exposition_sample(x, name, labels, (double)sum);
	}
	labels[own] = NULL;
	snprintf(name, sizeof(name), "%s_sum", f->name);
	exposition_sample(x, name, labels, c->sum);
	snprintf(name, sizeof(name), "%s_count", f->name);
	exposition_sample(x, name, labels, (double)c->n);
}

void exposition_metric(const struct exposition *x, enum metric m)
{
	const struct metric_family *f = metric_family(m);
	char total[128];
	size_t n;
	const struct metric_child *c = metric_children(m, &n);

	snprintf(total, sizeof(total), "%s_total", f->name);
	if (f->kind == METRIC_HISTOGRAM)
		family(x, f->name, "histogram", f->unit, f->help);
	else if (x->open_metrics && (f->flags & METRIC_NAME_TAKEN) != 0)
		family(x, total, "unknown", NULL, f->help);
	else
		exposition_counter(x, f->name, f->unit, f->help);
	for (size_t i = 0; i < n; i++) {
		const char *labels[2 * METRIC_LABELS + 3];

		own_labels(f, &c[i], labels);
		if (f->kind == METRIC_HISTOGRAM)
			histogram(x, f, &c[i]);
		else
			exposition_sample(x, total, labels, c[i].sum);
	}
}

void exposition_end(const struct exposition *x)
{
	if (x->open_metrics)
		strbuf_addstr(x->out, "# EOF\n");
}
