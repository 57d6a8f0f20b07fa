/* flags.c */
#include "config.h"

#include "assets/fpi/flags.h"
#include "assets/fpi/quantile.h"
#include "base/mem.h"

#include <math.h>

enum { KEEP = -1, EDGE = 5 };

/* What the rules ask about. */
struct facts {
	const struct fpi_result *night;
	const struct fpi_sky *s;
	bool skyI_rules;
};

static bool skyI_low(const struct facts *f)
{
	return f->skyI_rules && f->s->skyI < f->night->setup.instrument.skyI_thresh[0];
}

static bool skyI_very_low(const struct facts *f)
{
	return f->skyI_rules && f->s->skyI < f->night->setup.instrument.skyI_thresh[1];
}

static bool skyB_high(const struct facts *f)
{
	return f->s->skyB > f->night->setup.instrument.skyB_thresh;
}

static bool zenith_reference(const struct facts *f)
{
	return f->night->reference == FPI_REF_ZENITH;
}

static bool drifted(const struct facts *f)
{
	return f->night->laser_drift;
}

static bool cloud_unknown(const struct facts *f)
{
	return isnan(f->s->cloud.mean);
}

static bool cloudy(const struct facts *f)
{
	return f->s->cloud.mean > -22;
}

static bool overcast(const struct facts *f)
{
	return f->s->cloud.mean > -10;
}

static bool ccd_warm(const struct facts *f)
{
	return f->s->frame.ccd_temp_C > -60;
}

static bool wind_uncertain(const struct facts *f)
{
	return f->s->sigma_fit > 100;
}

static bool temp_uncertain(const struct facts *f)
{
	return f->s->sigma_T > 100;
}

/* In this order; a later rule overwrites an earlier one. */
static const struct {
	bool (*applies)(const struct facts *);
	int wind, temp;
	const char *mark;
} rules[] = {
    {skyI_low, 1, 1, "skyI low W1T1"},
    {skyB_high, 1, 1, "skyB high W1T1"},
    {zenith_reference, 1, 1, "zen ref W1T1"},
    {drifted, 1, KEEP, "laser drift W1"},
    {cloud_unknown, 1, 1, "no cloud data W1T1"},
    {cloudy, 1, 1, "cloud>-22: W1T1"},
    {ccd_warm, 1, 1, "ccdtemp>-60: W1T1"},
    {overcast, 2, 1, "cloud>-10: W2T1"},
    {skyI_very_low, 2, 2, "skyI low W2T2"},
    {wind_uncertain, 2, 2, "sigma_wind large: W2T2"},
    {temp_uncertain, 2, 2, "sigma_T large: W2T2"},
};

void fpi_flags_set(
    const struct fpi_result *night, bool skyI_rules_for_red, struct fpi_sky *s, struct strbuf *marks)
{
	struct facts f = {.night = night, .s = s};

	f.skyI_rules = strcmp(night->tag, "X") == 0 || (skyI_rules_for_red && strcmp(night->tag, "XR") == 0);
	s->wind_flag = s->temp_flag = 0;
	for (size_t i = 0; i < NITEMS(rules); i++) {
		if (!rules[i].applies(&f))
			continue;
		s->wind_flag = rules[i].wind;
		if (rules[i].temp != KEEP)
			s->temp_flag = rules[i].temp;
		strbuf_addf(marks, "[%s] ", rules[i].mark);
	}
	s->wind_flag = MAX(s->wind_flag, night->setup.instrument.manual_wind_flag);
	s->temp_flag = MAX(s->temp_flag, night->setup.instrument.manual_temp_flag);
}

static double median_of(const double *v, size_t n)
{
	double *copy = xmemdup(v, n * sizeof(*v)), m = fpi_quantile(copy, n, 0.5);

	free(copy);
	return m;
}

static size_t unsteady_lasers(const struct fpi_laser *l, size_t n)
{
	double *I = xcalloc(n + 1, sizeof(*I)), m;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		I[i] = l[i].value[FPI_P_I];
	m = n > 0 ? median_of(I, n) : NAN;
	for (size_t i = 0; i < n; i++)
		count += fabs(I[i] - m) / m > 0.2;
	free(I);
	return count;
}

bool fpi_laser_drift(const struct fpi_laser *l, size_t nlaser, const struct fpi_sky *s, size_t nsky)
{
	double *wind = xcalloc(nsky + 1, sizeof(*wind)), change = 0;
	size_t n = 0, edge;

	for (size_t i = 0; i < nsky; i++)
		if (strcmp(s[i].direction, "Zenith") == 0)
			wind[n++] = s[i].wind;
	edge = MIN(n, (size_t)EDGE);
	if (n > 0)
		change = fabs(median_of(wind, edge) - median_of(wind + n - edge, edge));
	free(wind);
	return change > 30 && unsteady_lasers(l, nlaser) > 2;
}
