#include "config.h"

#include "assets/fpi/templog.h"

#include "assets/fpi/textline.h"

#define COLUMNS_MAX          5
#define ETALON_INSIDE_OFFSET (-14.43) /* calibration of the sensor inside the etalon, K */

/* "08/05/2016 21:04:24" is local, "2016/08/05 21:04:24" UTC. */
static int read_when(const struct textword *w, const struct tz *tz, int64_t *utc_us)
{
	const char *blank = memchr(w->p, ' ', w->n);
	struct textword date = {w->p, blank ? (size_t)(blank - w->p) : 0}, time;
	int64_t s;
	bool local;

	if (blank == NULL)
		return -1;
	time = (struct textword){blank + 1, w->n - date.n - 1};
	time = textword_without(&time, ' ');
	local = textword_date_us(&date, &s) == 0;
	if ((!local && textword_date(&date, &s) == -1) || textword_time(&time, &s) == -1)
		return -1;
	*utc_us = (local ? tz_to_utc(tz, s) : s) * 1000000;
	return 0;
}

static int read_line(const struct textline *l, const struct tz *tz, struct fpi_templogs *out)
{
	double v[COLUMNS_MAX] = {0};
	int64_t t;

	if (l->nwords < 2 || l->nwords > COLUMNS_MAX || l->nwords == 4 || read_when(&l->word[0], tz, &t) == -1)
		return -1;
	for (size_t i = 1; i < l->nwords; i++)
		if (textword_number(&l->word[i], &v[i]) == -1)
			return -1;
	if (l->nwords == 3) {
		fpi_series_add(&out->dome, t, v[1]);
		fpi_series_add(&out->inside, t, v[2]);
	} else if (l->nwords == 5) {
		fpi_series_add(&out->etalon_inside, t, v[3] + ETALON_INSIDE_OFFSET);
	} else {
		fpi_series_add(&out->etalon_outside, t, v[1]);
	}
	return 0;
}

size_t fpi_templog_parse(const char *text, size_t n, const struct tz *tz, struct fpi_templogs *out)
{
	static const char nothing[] = "#Output";
	struct textline l = {0};
	size_t skipped = 0;

	if (n >= sizeof(nothing) - 1 && memcmp(text, nothing, sizeof(nothing) - 1) == 0)
		return 0;
	while (textline_next(&l, text, n, ','))
		if (l.n > 0 && !(l.nwords == 1 && l.word[0].n == 0) && read_line(&l, tz, out) == -1)
			skipped++;
	return skipped;
}

void fpi_templogs_sort(struct fpi_templogs *t)
{
	fpi_series_sort(&t->dome);
	fpi_series_sort(&t->inside);
	fpi_series_sort(&t->etalon_inside);
	fpi_series_sort(&t->etalon_outside);
}

void fpi_templogs_release(struct fpi_templogs *t)
{
	fpi_series_release(&t->dome);
	fpi_series_release(&t->inside);
	fpi_series_release(&t->etalon_inside);
	fpi_series_release(&t->etalon_outside);
}
