#include "config.h"

#include "metric/metric.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 200
#define OTHER     "other"

static const double bounds_loop[] = {.001, .0025, .005, .01, .015, .02, .03, .05, .1, .25, 1, 5};
static const double bounds_commit[] = {.0005, .001, .0025, .005, .01, .02, .05, .1, .5, 2.5};
static const double bounds_tick[] = {.01, .05, .1, .5, 1, 5, 15, 60, 300, 900};
static const double bounds_step[] = {.1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400};
static const double bounds_delay[] = {.002, .005, .01, .02, .05, .1, .5, 1, 10, 60, 600, 3600};
static const double bounds_request[] = {.001, .005, .01, .05, .1, .5, 1, 5, 15, 60, 300};

#define KIND_COUNTER         METRIC_COUNTER, NULL, 0
#define KIND_BUCKETS(b)      METRIC_HISTOGRAM, b, NITEMS(b)
#define KIND_SECONDS_LOOP    KIND_BUCKETS(bounds_loop)
#define KIND_SECONDS_COMMIT  KIND_BUCKETS(bounds_commit)
#define KIND_SECONDS_TICK    KIND_BUCKETS(bounds_tick)
#define KIND_SECONDS_STEP    KIND_BUCKETS(bounds_step)
#define KIND_SECONDS_DELAY   KIND_BUCKETS(bounds_delay)
#define KIND_SECONDS_REQUEST KIND_BUCKETS(bounds_request)

#define ROW(name, unit, label0, label1, flags, help, kind, bounds, nbounds) \
	{name, unit, {label0, label1}, help, kind, flags, bounds, nbounds},
#define EXPAND(row, ...) row(__VA_ARGS__)

static const struct metric_family families[METRIC_COUNT] = {
#define METRIC(id, name, kind, unit, label0, label1, flags, help) \
	EXPAND(ROW, name, unit, label0, label1, flags, help, KIND_##kind)
#include "metric/families.def"
#undef METRIC
};

static struct children {
	struct metric_child *child;
	size_t n, cap;
} all[METRIC_COUNT];

const struct metric_family *metric_family(enum metric m)
{
	return &families[m];
}

const struct metric_child *metric_children(enum metric m, size_t *n)
{
	*n = all[m].n;
	return all[m].child;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct metric_child *find(enum metric m, const char *const label[METRIC_LABELS])
{
	for (size_t i = 0; i < all[m].n; i++) {
		struct metric_child *c = &all[m].child[i];

		if (same(c->label[0], label[0]) && same(c->label[1], label[1]))
			return c;
	}
	return NULL;
}

/* The child with these values: a new one, or "other" where there is no room for new ones. */
static struct metric_child *child(enum metric m, const char *label0, const char *label1)
{
	const struct metric_family *f = &families[m];
	const char *label[METRIC_LABELS] = {f->label[0] ? label0 : NULL, f->label[1] ? label1 : NULL};
	struct children *of = &all[m];
	struct metric_child *c;

	for (size_t i = 0; i < METRIC_LABELS; i++)
		if (f->label[i] != NULL && (label[i] == NULL || strlen(label[i]) > LABEL_MAX))
			label[i] = OTHER;
	if ((c = find(m, label)) != NULL)
		return c;
	if (of->n >= METRIC_CHILDREN) {
		for (size_t i = 0; i < METRIC_LABELS; i++)
			label[i] = f->label[i] ? OTHER : NULL;
		if ((c = find(m, label)) != NULL)
			return c;
	}
	if (of->n == of->cap) {
		of->cap = of->cap ? of->cap * 2 : 1;
		of->child = xreallocarray(of->child, of->cap, sizeof(*of->child));
	}
	c = &of->child[of->n++];
	*c = (struct metric_child){0};
	for (size_t i = 0; i < METRIC_LABELS; i++)
		c->label[i] = label[i] ? xstrdup(label[i]) : NULL;
	if (f->kind == METRIC_HISTOGRAM)
		c->bucket = xcalloc(f->nbounds + 1, sizeof(*c->bucket));
	return c;
}

void metric_add(enum metric m, double n, const char *label0, const char *label1)
{
	assert(families[m].kind == METRIC_COUNTER);
	if (n > 0)
		child(m, label0, label1)->sum += n;
}

void metric_count(enum metric m, const char *label0, const char *label1)
{
	metric_add(m, 1, label0, label1);
}

void metric_observe(enum metric m, double value, const char *label0, const char *label1)
{
	const struct metric_family *f = &families[m];
	struct metric_child *c = child(m, label0, label1);
	size_t i = 0;

	assert(f->kind == METRIC_HISTOGRAM);
	value = value > 0 ? value : 0; /* a clock set back, or no number */
	while (i < f->nbounds && value > f->bounds[i])
		i++;
	c->bucket[i]++;
	c->n++;
	c->sum += value;
}

void metric_expect(enum metric m, const char *label0, const char *label1)
{
	child(m, label0, label1);
}

/* ---- from process to process */

static json_t *export_child(const struct metric_family *f, const struct metric_child *c)
{
	json_t *row = json_array();

	for (size_t i = 0; i < METRIC_LABELS; i++)
		if (f->label[i] != NULL)
			json_array_append_new(row, json_text_new(c->label[i]));
	json_array_append_new(row, json_real(c->sum));
	for (size_t i = 0; f->kind == METRIC_HISTOGRAM && i <= f->nbounds; i++)
		json_array_append_new(row, json_integer((json_int_t)c->bucket[i]));
	return row;
}

json_t *metric_export(void)
{
	json_t *obj = json_object();

	for (int m = 0; m < METRIC_COUNT; m++) {
		json_t *rows;

		if ((families[m].flags & METRIC_OF_STEPS) == 0 || all[m].n == 0)
			continue;
		rows = json_array();
		for (size_t i = 0; i < all[m].n; i++)
			json_array_append_new(rows, export_child(&families[m], &all[m].child[i]));
		json_object_set_new(obj, families[m].name, rows);
	}
	return obj;
}

static bool is_amount(const json_t *j)
{
	return json_is_number(j) && isfinite(json_number_value(j)) && json_number_value(j) >= 0;
}

/* All numbers of a row before any of it counts. */
static void import_row(enum metric m, const json_t *row)
{
	const struct metric_family *f = &families[m];
	size_t nlabels = (f->label[0] != NULL) + (f->label[1] != NULL);
	size_t nnumbers = f->kind == METRIC_HISTOGRAM ? f->nbounds + 2 : 1;
	const char *label[METRIC_LABELS] = {0};
	uint64_t n = 0;
	struct metric_child *c;

	if (json_array_size(row) != nlabels + nnumbers)
		return;
	for (size_t i = 0; i < nlabels; i++)
		if ((label[i] = json_string_value(json_array_get(row, i))) == NULL)
			return;
	for (size_t i = 0; i < nnumbers; i++)
		if (!is_amount(json_array_get(row, nlabels + i)) ||
		    (i > 0 && json_number_value(json_array_get(row, nlabels + i)) > 1e15))
			return;
	c = child(m, label[0], label[1]);
	c->sum += json_number_value(json_array_get(row, nlabels));
	for (size_t i = 1; i < nnumbers; i++) {
		n = (uint64_t)json_number_value(json_array_get(row, nlabels + i));
		c->bucket[i - 1] += n;
		c->n += n;
	}
}

void metric_import(const json_t *exported)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		const json_t *rows = json_object_get(exported, families[m].name), *row;
		size_t i;

		if ((families[m].flags & METRIC_OF_STEPS) == 0)
			continue;
		json_array_foreach(rows, i, row) import_row((enum metric)m, row);
	}
}
