/* picture_parts.h: what the pictures of a night share: heading, directions with their colours, the time axis. */
#ifndef FPI_PICTURE_PARTS_H
#define FPI_PICTURE_PARTS_H

#include "assets/fpi/plot.h"
#include "assets/fpi/result.h"

#define PICTURE_WIDTH 1200

struct picture_direction {
	const char *name;
	struct plot_color color;
	size_t n; /* samples */
};

/* Directions with samples, in the order of the legend; Unknown and Laser are left out.  The caller's to free(). */
struct picture_direction *picture_directions(const struct fpi_result *, size_t *n);
void picture_heading(struct plot *, const struct fpi_result *, const char *what);
/* The hours of UT from a little before the first to a little after the last frame, sky frames only or both kinds. */
void picture_time_span(const struct fpi_result *, bool with_lasers, double *t0, double *t1);
/* The directions, and what faded points mean. */
void picture_legend(struct plot *, double y, const struct fpi_result *);

/* What is shown of sample i; an error of NAN: no bar. */
typedef void picture_value(const struct fpi_result *, size_t i, double *y, double *error, int *flag);
/* One curve per direction, points faded by flag, joined by lines of some opacity. */
void picture_curves(struct plot *, const struct panel *, const struct fpi_result *, double radius,
    double joined, picture_value *);

double picture_time(const struct fpi_frame *);
double picture_opacity(int flag);

void picture_diagnostics(struct plot *, const struct fpi_result *);
void picture_temperature(struct plot *, const struct fpi_result *);
void picture_winds(struct plot *, const struct fpi_result *);

/*
 * The wind of a sample as it is shown: zenith samples less the second reference; others projected on the horizontal, the
 * vertical wind taken off, South and West turned round so that winds blow to the north and east in all directions.
 */
void picture_wind(const struct fpi_result *, size_t i, double *wind, double *error);

#endif
