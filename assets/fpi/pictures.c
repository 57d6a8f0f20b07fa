#include "config.h"

#include "assets/fpi/pictures.h"

#include "assets/fpi/picture_parts.h"
#include "base/mem.h"

#include <math.h>

#define MARGIN_S 600

/* The five of every site, then shades for the rest in table order. */
static const struct {
	const char *name;
	struct plot_color color;
} cardinal[] = {
    {"Zenith", {0.13, 0.13, 0.15}},
    {"North", {0.84, 0.15, 0.16}},
    {"East", {0.90, 0.62, 0.00}},
    {"South", {0.13, 0.58, 0.22}},
    {"West", {0.62, 0.22, 0.72}},
};
static const struct plot_color others[] = {
    {0.12, 0.47, 0.71},
    {0.09, 0.75, 0.81},
    {0.55, 0.34, 0.29},
    {0.89, 0.47, 0.76},
    {0.50, 0.50, 0.50},
    {0.74, 0.74, 0.13},
    {0.42, 0.68, 0.84},
    {0.19, 0.51, 0.49},
    {0.99, 0.55, 0.38},
    {0.40, 0.40, 0.75},
};

double picture_time(const struct fpi_frame *f)
{
	return (double)f->utc_us / 1e6;
}

double picture_opacity(int flag)
{
	return flag <= 0 ? 1 : flag == 1 ? 0.5 : 0.2;
}

static size_t count_direction(const struct fpi_result *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nsky; i++)
		n += strcmp(r->sky[i].direction, name) == 0;
	return n;
}

struct picture_direction *picture_directions(const struct fpi_result *r, size_t *n)
{
	const struct fpi_site *site = &r->setup.site;
	struct picture_direction *d = xcalloc(NITEMS(cardinal) + site->ndirections + 1, sizeof(*d));
	size_t k = 0, other = 0;

	for (size_t i = 0; i < NITEMS(cardinal); i++)
		if ((d[k].n = count_direction(r, cardinal[i].name)) > 0) {
			d[k].name = cardinal[i].name;
			d[k++].color = cardinal[i].color;
		}
	for (size_t i = 0; i < site->ndirections; i++) {
		const char *name = site->directions[i].name;
		bool known = strcmp(name, "Laser") == 0;

		for (size_t j = 0; j < NITEMS(cardinal); j++)
			known |= strcmp(name, cardinal[j].name) == 0;
		if (known || (d[k].n = count_direction(r, name)) == 0)
			continue;
		d[k].name = name;
		d[k++].color = others[other++ % NITEMS(others)];
	}
	*n = k;
	return d;
}

static void widen(const struct fpi_frame *f, double *t0, double *t1)
{
	*t0 = fmin(*t0, picture_time(f));
	*t1 = fmax(*t1, picture_time(f));
}

void picture_time_span(const struct fpi_result *r, bool with_lasers, double *t0, double *t1)
{
	*t0 = INFINITY;
	*t1 = -INFINITY;
	for (size_t i = 0; i < r->nsky; i++)
		widen(&r->sky[i].frame, t0, t1);
	for (size_t i = 0; with_lasers && i < r->nlaser; i++)
		widen(&r->laser[i].frame, t0, t1);
	if (*t0 > *t1) {
		*t0 = (double)r->sunset_us / 1e6;
		*t1 = (double)r->sunrise_us / 1e6;
	}
	*t0 -= MARGIN_S;
	*t1 += MARGIN_S;
}

static void clock_text(double utc_s, char out[8])
{
	int64_t minute = (int64_t)floor(utc_s / 60);

	minute = ((minute % 1440) + 1440) % 1440;
	snprintf(out, 8, "%02d:%02d", (int)(minute / 60), (int)(minute % 60));
}

void picture_heading(struct plot *p, const struct fpi_result *r, const char *what)
{
	const struct fpi_site *site = &r->setup.site;
	const struct civil *d = &r->setup.date;
	char title[400], line[400], clock[4][8];
	double first = 0, last = 0, offset = 0;

	if (r->nsky > 0) {
		first = picture_time(&r->sky[0].frame);
		last = picture_time(&r->sky[r->nsky - 1].frame);
		offset = (double)(r->sky[0].frame.local_us - r->sky[0].frame.utc_us) / 1e6;
	}
	clock_text(first, clock[0]);
	clock_text(last, clock[1]);
	clock_text(first + offset, clock[2]);
	clock_text(last + offset, clock[3]);
	snprintf(title, sizeof(title), "%s, %.1f nm", what, r->lam0_m * 1e9);
	plot_text(p, p->width / 2, 22, 0.5, 0, 21, true, plot_black, title);
	snprintf(line, sizeof(line),
	    "%s at %s (%s), night of %04d-%02d-%02d    sky frames %s\u2013%s UT, %s\u2013%s local    Doppler "
	    "reference: %s",
	    r->setup.instrument.name, site->name[0] != '\0' ? site->name : site->abbr, site->abbr, d->year,
	    d->month, d->day, clock[0], clock[1], clock[2], clock[3], fpi_reference_name[r->reference]);
	plot_text(p, p->width / 2, 52, 0.5, 0, 14, false, plot_grey, line);
}

void picture_legend(struct plot *p, double y, const struct fpi_result *r)
{
	struct plot_key key[FPI_DIRECTIONS_MAX + 8];
	size_t n, k = 0, per_row = 9;
	struct picture_direction *d = picture_directions(r, &n);

	for (size_t i = 0; i < n && k < FPI_DIRECTIONS_MAX; i++)
		key[k++] = (struct plot_key){d[i].name, d[i].color, 1};
	key[k++] = (struct plot_key){"caution", plot_black, picture_opacity(1)};
	key[k++] = (struct plot_key){"bad", plot_black, picture_opacity(2)};
	for (size_t i = 0; i < k; i += per_row)
		plot_legend(p, p->width / 2, y + 20 * (double)(i / per_row), 14, key + i, MIN(per_row, k - i));
	free(d);
}

int fpi_picture_draw(const struct fpi_result *r, enum fpi_picture which, struct strbuf *out, struct err *err)
{
	static const struct {
		int height;
		void (*draw)(struct plot *, const struct fpi_result *);
	} pictures[] = {
	    [FPI_PICTURE_DIAGNOSTICS] = {1420, picture_diagnostics},
	    [FPI_PICTURE_TEMPERATURE] = {700, picture_temperature},
	    [FPI_PICTURE_WINDS] = {700, picture_winds},
	};
	struct plot p;

	static_assert(NITEMS(pictures) == FPI_NPICTURES, "draw every picture");
	if (r->nsky == 0)
		return err_set(err, ERR_BUG, "a picture of a night without samples");
	plot_init(&p, PICTURE_WIDTH, pictures[which].height);
	pictures[which].draw(&p, r);
	return plot_finish(&p, out, err);
}
