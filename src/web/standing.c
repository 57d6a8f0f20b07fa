#include "config.h"

#include "web/web_priv.h"

#include "base/utctime.h"
#include "conf/conf.h"

#include <string.h>

#define DAY_MS   INT64_C(86400000)
#define NIGHT_MS (DAY_MS * 3 / 2) /* the night of a date has ended everywhere by noon of the next day, UTC */
#define QUIET_MS (14 * DAY_MS)

static int64_t age_of(const char *date, tm_ms now)
{
	struct civil c;

	if (date == NULL || utctime_parse_yyyymmdd(date, &c) == -1)
		return INT64_MIN;
	return now - civil_days(c.year, c.month, c.day) * DAY_MS - NIGHT_MS;
}

static bool cell_is_stuck(const json_t *cell, int64_t age, tm_ms late_after)
{
	const char *state = json_str(cell, "state", "");

	if (strcmp(state, "pending") == 0)
		return late_after > 0 && age > late_after;
	return strcmp(state, "failed") == 0 || strcmp(state, "invalid") == 0 || strcmp(state, "stale") == 0;
}

static const char *standing_of(const json_t *row, int64_t age, tm_ms late_after)
{
	const char *newest = json_str(row, "newest", NULL);
	const json_t *cell = json_object_get(json_object_get(row, "cells"), newest ? newest : "");

	if (age == INT64_MIN || age > QUIET_MS)
		return "quiet";
	if (late_after > 0 && age > late_after)
		return "late";
	return cell_is_stuck(cell, age, late_after) ? "stuck" : "current";
}

static void add_stuck(json_t *stuck, const json_t *row, const char *date, const json_t *cell)
{
	static const char *const kept[] = {"state", "text", "partition", "key"};
	json_t *one = json_pack("{s:s, s:O}", "date", date, "row", json_object_get(row, "name"));

	for (size_t i = 0; i < NITEMS(kept); i++)
		json_object_set(one, kept[i], json_object_get(cell, kept[i]));
	json_array_append_new(stuck, one);
}

void standing_add(json_t *matrix, const struct conf *conf, tm_ms now)
{
	json_t *stuck = json_array(), *row, *date;
	tm_ms late_after = conf->web.late_after;
	size_t i, k;

	json_array_foreach(json_object_get(matrix, "rows"), i, row)
	{
		int64_t age = age_of(json_str(row, "newest", NULL), now);

		json_object_set_new(row, "standing", json_string(standing_of(row, age, late_after)));
	}
	json_array_foreach(json_object_get(matrix, "dates"), k, date)
	{
		const char *text = json_string_value(date);

		json_array_foreach(json_object_get(matrix, "rows"), i, row)
		{
			const json_t *cell = json_object_get(json_object_get(row, "cells"), text);

			if (cell != NULL && cell_is_stuck(cell, age_of(text, now), late_after))
				add_stuck(stuck, row, text, cell);
		}
	}
	json_object_set_new(matrix, "stuck", stuck);
}

int64_t standing_count(const json_t *matrix, const char *standing)
{
	const json_t *row;
	int64_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(matrix, "rows"), i, row) n +=
	    strcmp(json_str(row, "standing", ""), standing) == 0;
	return n;
}
