#include "config.h"

#include "query/run_filter.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096

/* The conditions, those that leave the fewest runs first.  All but the leading one get a + that keeps its index out of it. */
static const struct condition {
	size_t off; /* of the value in the filter */
	const char *but; /* leads with any value but this one, which nearly all runs have */
	const char *source, *id, *leads, *follows;
} conditions[] = {
    {offsetof(struct run_filter, partition), NULL, "run_place AS p", "p.run_id", "p.place = ?", NULL},
    {offsetof(struct run_filter, state), "succeeded", "run", "run.id", "run.state = ?", "+run.state = ?"},
    {offsetof(struct run_filter, origin), NULL, "run", "run.id", "run.origin = ?", "+run.origin = ?"},
    {offsetof(struct run_filter, job), NULL, "run", "run.id", "run.job = ?", "+run.job = ?"},
    {offsetof(struct run_filter, state), NULL, "run", "run.id", "run.state = ?", NULL},
};
static const struct condition everything = {.source = "run", .id = "run.id", .leads = "1"};

static const char *value_of(const struct run_filter *f, const struct condition *c)
{
	return *(const char *const *)(const void *)((const char *)f + c->off);
}

static const struct condition *leading(const struct run_filter *f)
{
	for (size_t i = 0; i < NITEMS(conditions); i++) {
		const char *value = value_of(f, &conditions[i]);

		if (value != NULL && (conditions[i].but == NULL || strcmp(conditions[i].but, value) != 0))
			return &conditions[i];
	}
	return &everything;
}

static void start(struct run_statement *st)
{
	*st = (struct run_statement){.text = STRBUF_INIT(TEXT_MAX)};
}

static void add_text(struct run_statement *st, const char *value)
{
	st->args[st->nargs++] = value;
}

static void add_number(struct run_statement *st, size_t slot, int64_t value)
{
	snprintf(st->number[slot], sizeof(st->number[slot]), "%" PRId64, value);
	add_text(st, st->number[slot]);
}

/* From the leading condition on, below `before`. */
static void add_lead(struct run_statement *st, const struct run_filter *f, const struct condition *lead)
{
	strbuf_addf(&st->text, " WHERE %s AND %s < CAST(? AS INTEGER)", lead->leads, lead->id);
	if (lead != &everything)
		add_text(st, value_of(f, lead));
	add_number(st, 0, f->before > 0 ? f->before : INT64_MAX);
}

static size_t add_others(struct run_statement *st, const struct run_filter *f, const struct condition *lead)
{
	size_t n = 0;

	for (size_t i = 0; i < NITEMS(conditions); i++) {
		const struct condition *c = &conditions[i];

		if (c->follows == NULL || c->off == lead->off || value_of(f, c) == NULL)
			continue;
		strbuf_addf(&st->text, " AND %s", c->follows);
		add_text(st, value_of(f, c));
		n++;
	}
	return n;
}

bool run_filter_floor(struct run_statement *st, const struct run_filter *f)
{
	const struct condition *lead = leading(f);
	bool bounded;

	start(st);
	bounded = add_others(st, f, lead) > 0;
	run_statement_release(st);
	start(st);
	strbuf_addf(&st->text, "SELECT %s FROM %s", lead->id, lead->source);
	add_lead(st, f, lead);
	strbuf_addf(&st->text, " ORDER BY %s DESC LIMIT 1 OFFSET CAST(? AS INTEGER)", lead->id);
	add_number(st, 1, RUN_FILTER_SEEN - 1);
	return bounded;
}

void run_filter_rows(struct run_statement *st, const struct run_filter *f, const char *columns, int64_t from)
{
	const struct condition *lead = leading(f);

	start(st);
	strbuf_addf(&st->text, "SELECT %s FROM %s", columns, lead->source);
	if (strcmp(lead->source, "run") != 0)
		strbuf_addf(&st->text, " CROSS JOIN run ON run.id = %s", lead->id);
	add_lead(st, f, lead);
	strbuf_addf(&st->text, " AND %s >= CAST(? AS INTEGER)", lead->id);
	add_number(st, 1, from);
	add_others(st, f, lead);
	strbuf_addf(&st->text, " ORDER BY %s DESC LIMIT CAST(? AS INTEGER)", lead->id);
	add_number(st, 2, f->limit);
}

void run_statement_release(struct run_statement *st)
{
	strbuf_release(&st->text);
}
