#include "config.h"

#include "assets/fpi/cloud.h"

#include "assets/fpi/textline.h"

#include <math.h>

#define WET  (-998.0)
#define NONE (-999.0)

const char *const fpi_cloud_format_name[] = {
    [FPI_CLOUD_BOLTWOOD_OLD] = "old Boltwood",
    [FPI_CLOUD_BOLTWOOD] = "Boltwood",
    [FPI_CLOUD_SKYALERT] = "SkyAlert",
    [FPI_CLOUD_SKYALERT_ETHERNET] = "SkyAlert Ethernet",
};

/* Columns of the sky and of the ambient temperature; the sky column holds a difference, or both are absolute. */
static const struct layout {
	size_t date, time, sky, ambient;
	bool absolute;
	double wet; /* what -998 stands for */
} layouts[] = {
    [FPI_CLOUD_BOLTWOOD_OLD] = {0, 1, 3, 4, false, NAN},
    [FPI_CLOUD_BOLTWOOD] = {0, 1, 10, 11, false, 0},
    [FPI_CLOUD_SKYALERT] = {1, 2, 5, 6, true, NAN},
    [FPI_CLOUD_SKYALERT_ETHERNET] = {0, 1, 4, 3, true, NAN},
};

/* The first line that names its format decides. */
static bool line_tells(const struct textline *l, enum fpi_cloud_format *format)
{
	const struct textword *third = &l->word[2];

	if (textline_has(l, "FvrSkyTemAmbBlkHeaFlg") && textline_has(l, "SeqChk"))
		*format = FPI_CLOUD_BOLTWOOD_OLD;
	else if (textline_has(l, "T  Ser# Firmw Serrs  Cldy VCldy Windy VWindy  Rain   Wet  DC   Day  Vday  Ty "
	                         "SNBot SNTop EV WCC  ClarV"))
		*format = FPI_CLOUD_BOLTWOOD;
	else if (memchr(l->p, ')', MIN(l->n, 10)) != NULL)
		*format = FPI_CLOUD_SKYALERT;
	else if (l->nwords > 2 && third->n > 2 && third->p[third->n - 2] == 'E')
		*format = FPI_CLOUD_SKYALERT_ETHERNET;
	else
		return false;
	return true;
}

enum fpi_cloud_format fpi_cloud_format(const char *text, size_t n)
{
	enum fpi_cloud_format format = FPI_CLOUD_BOLTWOOD;
	struct textline l = {0};

	while (textline_next(&l, text, n, ' '))
		if (line_tells(&l, &format))
			break;
	return format;
}

/* Lines that are no readings and no mistakes either. */
static bool is_reading(const struct textline *l, enum fpi_cloud_format format)
{
	if (l->nwords == 0 || textword_is(&l->word[0], "Date"))
		return false;
	if (format == FPI_CLOUD_BOLTWOOD_OLD)
		return !(l->n >= 4 && memcmp(l->p, "Date", 4) == 0) && !textline_has(l, "illegal");
	if (format == FPI_CLOUD_BOLTWOOD)
		return l->nwords > 3 && textword_is(&l->word[2], "M") && textword_is(&l->word[3], "~D");
	return true;
}

static double value_of(const struct layout *how, double sky, double ambient)
{
	if (sky == NONE)
		return NAN;
	if (sky == WET)
		return how->wet;
	return how->absolute ? sky - ambient : sky;
}

static int read_reading(
    const struct textline *l, enum fpi_cloud_format format, const struct tz *tz, struct fpi_series *out)
{
	const struct layout *how = &layouts[format];
	struct textword date, time;
	double sky, ambient;
	int64_t local_s;

	if (l->nwords <= MAX(MAX(how->date, how->time), MAX(how->sky, how->ambient)))
		return -1;
	date = textword_without(&l->word[how->date], '\0');
	time = l->word[how->time];
	if (format == FPI_CLOUD_SKYALERT) /* the clock prints hundredths, with either sign of decimals */
		time.n -= MIN(time.n, 3);
	if (textword_date(&date, &local_s) == -1 || textword_time(&time, &local_s) == -1 ||
	    textword_number(&l->word[how->sky], &sky) == -1 ||
	    textword_number(&l->word[how->ambient], &ambient) == -1)
		return -1;
	if (format == FPI_CLOUD_SKYALERT && textword_is(&l->word[3], "F")) {
		sky = (sky - 32) * 5 / 9;
		ambient = (ambient - 32) * 5 / 9;
	} else if (format == FPI_CLOUD_SKYALERT && !textword_is(&l->word[3], "C")) {
		return -1;
	}
	fpi_series_add(out, tz_to_utc(tz, local_s) * 1000000, value_of(how, sky, ambient));
	return 0;
}

size_t fpi_cloud_parse(const char *text, size_t n, const struct tz *tz, struct fpi_series *out)
{
	enum fpi_cloud_format format = fpi_cloud_format(text, n);
	struct textline l = {0};
	size_t skipped = 0;

	while (textline_next(&l, text, n, ' '))
		if (is_reading(&l, format) && read_reading(&l, format, tz, out) == -1)
			skipped++;
	return skipped;
}
