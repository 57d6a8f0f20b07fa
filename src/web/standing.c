#include "config.h"

#include "web/standing.h"

#include "base/mem.h"
#include "base/utctime.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS   INT64_C(86400000)
#define NIGHT_MS (DAY_MS * 3 / 2) /* the night of a date has ended everywhere by noon of the next day, UTC */
#define QUIET_MS (14 * DAY_MS)

static int64_t age_of(const char *date, tm_ms now)
{
	struct civil c;

	if (utctime_parse_yyyymmdd(date, &c) == -1)
		return INT64_MIN;
	return now - civil_days(c.year, c.month, c.day) * DAY_MS - NIGHT_MS;
}

static bool is_stuck(const struct night *n, int64_t age, tm_ms late_after)
{
	if (n == NULL || n->state == NULL)
		return false;
	if (strcmp(n->state, "pending") == 0)
		return late_after > 0 && age > late_after;
	return strcmp(n->state, "failed") == 0 || strcmp(n->state, "invalid") == 0 ||
	       strcmp(n->state, "stale") == 0;
}

static const char *standing_of(const struct night *newest, int64_t age, tm_ms late_after)
{
	if (age == INT64_MIN || age > QUIET_MS)
		return "quiet";
	if (late_after > 0 && age > late_after)
		return "late";
	return is_stuck(newest, age, late_after) ? "stuck" : "current";
}

void standing_judge(struct nights *m, tm_ms late_after, tm_ms now)
{
	for (size_t i = 0; i < m->nrows; i++)
		m->row[i].standing =
		    standing_of(nights_newest(m, &m->row[i]), age_of(m->row[i].newest, now), late_after);
	free(m->stuck);
	m->nstuck = 0;
	m->stuck = xcalloc(MAX(m->nrows * m->ndates, (size_t)1), sizeof(*m->stuck));
	for (size_t k = 0; k < m->ndates; k++) {
		int64_t age = age_of(m->date[k], now);

		for (size_t i = 0; i < m->nrows; i++)
			if (is_stuck(&m->row[i].night[k], age, late_after))
				m->stuck[m->nstuck++] = (struct night_at){.row = i, .date = k};
	}
}

int64_t standing_count(const struct nights *m, const char *standing)
{
	int64_t n = 0;

	for (size_t i = 0; i < m->nrows; i++)
		n += strcmp(m->row[i].standing, standing) == 0;
	return n;
}
