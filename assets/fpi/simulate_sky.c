#include "config.h"

#include "assets/fpi/simulate_sky.h"

#include <math.h>

#define RAD (M_PI / 180)

#define CLEAR_SKY_C     (-34.0)
#define CLOUDY_SKY_C    (-4.0)
#define RED_PER_S       0.085 /* line counts per pixel and second at dusk in the zenith */
#define GREEN_PER_S     0.11
#define CONTINUUM_PER_S 0.01
#define BRIGHT_LEAST    0.10 /* of the dusk's brightness, before dawn */
#define SCATTER_MOST    0.7

/* Phases of the slow changes: every seed has its own night. */
enum stream { STREAM_PHASES = 1000001 };

static double phase_of(const struct sim_night *n, int which)
{
	struct rng r;

	rng_init(&r, n->spec.seed, (uint64_t)STREAM_PHASES + (uint64_t)which);
	return 2 * M_PI * rng_uniform(&r);
}

double sim_phase(const struct sim_night *n, double utc_s)
{
	return (utc_s - n->sunset_s) / (n->sunrise_s - n->sunset_s);
}

/* One bank of clouds with soft edges, as long as the asked part of the night. */
double sim_cloudiness(const struct sim_night *n, double utc_s)
{
	double part = n->spec.clouds, f = sim_phase(n, utc_s), edge = 0.03, center, half = part / 2;

	if (part <= 0)
		return 0;
	if (part >= 1)
		return 1;
	center = half + (1 - part) * (0.5 + 0.5 * sin(phase_of(n, 0)));
	return 0.5 * (tanh((f - center + half) / edge) - tanh((f - center - half) / edge));
}

double sim_cloud_at(const struct sim_night *n, double utc_s)
{
	double clear = CLEAR_SKY_C + 1.5 * sin(2 * M_PI * (utc_s - n->sunset_s) / 18000 + phase_of(n, 1));

	return clear + sim_cloudiness(n, utc_s) * (CLOUDY_SKY_C - clear);
}

double sim_ambient_at(const struct sim_night *n, double utc_s)
{
	return 10.3 - 6.5 * fmin(1.2, fmax(-0.3, sim_phase(n, utc_s)));
}

/* The etalon follows the room: a slow swing over the night and a small faster one. */
double sim_gap_at(const struct sim_night *n, double utc_s)
{
	double f = sim_phase(n, utc_s), p = phase_of(n, 2);
	double swing = sin(1.9 * M_PI * f + 0.3 * sin(p)) * (0.7 + 0.3 * f), ripple = 0.02 * sin(13 * f + p);

	return n->optics.gap_m + n->spec.gap_drift_nm * 1e-9 * (swing + ripple);
}

void sim_center_at(const struct sim_night *n, double utc_s, double *cx, double *cy)
{
	double f = sim_phase(n, utc_s), d = n->spec.center_drift_px;

	*cx = n->cx + d * (f + 0.12 * sin(9 * f + phase_of(n, 3)));
	*cy = n->cy - d * (0.8 * f * (2 - f) - 0.08 * sin(7 * f + phase_of(n, 4)));
}

static void winds_at(const struct sim_night *n, double f, bool green, struct sim_exposure *e)
{
	double height = green ? 0.5 : 1, p = phase_of(n, 5), q = phase_of(n, 6);

	e->u = height * n->spec.zonal_ms * (0.6 + 0.4 * cos(2 * M_PI * f + 0.5 * sin(p)));
	e->v = height * n->spec.meridional_ms * cos(M_PI * (1.15 * f + 0.1 * sin(q)));
	e->w = n->spec.vertical_ms * sin(2 * M_PI * 4.3 * f + phase_of(n, 7));
	e->temperature_K =
	    (green ? 0.23 : 1) * (n->spec.temperature_K - n->spec.cooling_K * f * f * (3 - 2 * f) +
	                             0.012 * n->spec.temperature_K * sin(11 * f + p));
}

/* Clouds scatter light from the whole sky into the beam: it brings the mean wind of all directions, which is nearly none. */
void sim_sky_at(const struct sim_night *n, double utc_s, bool green, struct sim_exposure *e)
{
	double f = sim_phase(n, utc_s), sz = sin(e->ze * RAD), cz = cos(e->ze * RAD),
	       cloud = sim_cloudiness(n, utc_s);
	double slant = 1 / sqrt(1 - 0.92 * sz * sz); /* a thin layer seen slantwise: van Rhijn */
	double night = BRIGHT_LEAST + (1 - BRIGHT_LEAST) * exp(-3.2 * f),
	       relief = 1 + 0.15 * sin(8 * f + e->az * RAD);

	winds_at(n, f, green, e);
	e->wind_los_clear = (e->u * sin(e->az * RAD) + e->v * cos(e->az * RAD)) * sz + e->w * cz;
	e->cloud_C = sim_cloud_at(n, utc_s);
	e->cloud_scatter = SCATTER_MOST * cloud;
	e->wind_los = (1 - e->cloud_scatter) * e->wind_los_clear + e->cloud_scatter * 0.5 * e->w;
	e->line_per_s =
	    n->spec.brightness * (green ? GREEN_PER_S : RED_PER_S) * night * relief * slant * (1 - 0.4 * cloud);
	e->continuum_per_s = n->spec.brightness * CONTINUUM_PER_S * (1 + 2 * cloud);
}
