#include "config.h"

#include "metric/metric.h"

#include "base/mem.h"

#include <stdlib.h>

struct metric_entry {
	enum metric metric;
	double value;
	char *label[METRIC_LABELS];
	json_t *exported; /* this instead, when set */
};

static struct metric_entry *append(struct metric_batch *b)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 8;
		b->entry = xreallocarray(b->entry, b->cap, sizeof(*b->entry));
	}
	b->entry[b->n] = (struct metric_entry){0};
	return &b->entry[b->n++];
}

void metric_batch_observe(
    struct metric_batch *b, enum metric m, double value, const char *label0, const char *label1)
{
	struct metric_entry *e = append(b);

	*e = (struct metric_entry){.metric = m, .value = value};
	xstrset(&e->label[0], label0);
	xstrset(&e->label[1], label1);
}

void metric_batch_add(struct metric_batch *b, enum metric m, double n, const char *label0, const char *label1)
{
	metric_batch_observe(b, m, n, label0, label1);
}

void metric_batch_count(struct metric_batch *b, enum metric m, const char *label0, const char *label1)
{
	metric_batch_add(b, m, 1, label0, label1);
}

void metric_batch_import(struct metric_batch *b, json_t *exported)
{
	if (exported != NULL)
		append(b)->exported = exported;
}

static void empty(struct metric_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->entry[i].label[0]);
		free(b->entry[i].label[1]);
		json_decref(b->entry[i].exported);
	}
	free(b->entry);
	*b = (struct metric_batch){0};
}

void metric_batch_apply(struct metric_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct metric_entry *e = &b->entry[i];

		if (e->exported != NULL)
			metric_import(e->exported);
		else if (metric_family(e->metric)->kind == METRIC_HISTOGRAM)
			metric_observe(e->metric, e->value, e->label[0], e->label[1]);
		else
			metric_add(e->metric, e->value, e->label[0], e->label[1]);
	}
	empty(b);
}

void metric_batch_drop(struct metric_batch *b)
{
	empty(b);
}
