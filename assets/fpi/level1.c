#include "config.h"

#include "assets/fpi/level1.h"

#include "base/mem.h"

#include <math.h>

static const char header[] = "LEVEL 1 DATA PRODUCT:\n"
                             "---------------------\n"
                             "UTCTime____________  ____Az  ___Ze  ______T  _T_Sig  ___Wind  _W_Sig  FitSig  "
                             "CalSig  _____I  _I_Sig  ___Bkgd B_Sig  Sec  "
                             "Chisqr  CldInd TF WF  __Ref  ______Wl  Vers\n";

/* NAN without the sign that the C library may print before it. */
static double unsigned_nan(double v)
{
	return isnan(v) ? (double)NAN : v;
}

#define V(x) unsigned_nan(x)

static void put_line(const struct fpi_result *r, const struct fpi_sky *s, struct strbuf *out)
{
	char when[UTCTIME_MAX];
	int64_t us = ((s->frame.utc_us % 1000000) + 1000000) % 1000000;

	strbuf_addf(out, "%s  %6.1f  %5.1f  %7.2f  %6.2f  %7.2f  %6.2f  %6.2f  %6.2f",
	    utctime_format_sql((s->frame.utc_us - us) / 1000, when), V(s->az), V(s->ze), V(s->T), V(s->sigma_T),
	    V(s->wind), V(s->sigma_wind), V(s->sigma_fit), V(s->sigma_cal));
	strbuf_addf(out, "  %6.4f  %6.4f  -999.00  -999  %3.0f  %6.2f  %6.1f  %1d  %1d  %-6s  %7.1e  %-5s\n",
	    V(s->skyI), V(s->sigma_skyI), V(s->frame.exposure_s), V(s->redchi), V(s->cloud.mean), s->temp_flag,
	    s->wind_flag, fpi_reference_name[r->reference], r->lam0_m, "NONE");
}

static int by_time(const void *a, const void *b)
{
	const struct fpi_sky *const *x = a, *const *y = b;

	if ((*x)->frame.utc_us != (*y)->frame.utc_us)
		return (*x)->frame.utc_us < (*y)->frame.utc_us ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

void fpi_level1_write(const struct fpi_result *r, struct strbuf *out)
{
	const struct fpi_sky **order = xcalloc(r->nsky + 1, sizeof(struct fpi_sky *));

	for (size_t i = 0; i < r->nsky; i++)
		order[i] = &r->sky[i];
	qsort(order, r->nsky, sizeof(struct fpi_sky *), by_time);
	strbuf_addstr(out, header);
	for (size_t i = 0; i < r->nsky; i++)
		put_line(r, order[i], out);
	free(order);
}
