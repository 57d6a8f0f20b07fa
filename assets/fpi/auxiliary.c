#include "config.h"

#include "assets/fpi/auxiliary.h"

#include "assets/fpi/cloud.h"

#define US_PER_S 1000000

static int64_t day_of(int64_t local_s)
{
	return local_s / 86400 - (local_s % 86400 < 0);
}

static int64_t local_day(const struct tz *tz, int64_t utc_us)
{
	struct tz_local l;

	tz_to_local(tz, utc_us / US_PER_S, &l);
	return day_of(l.local_s);
}

/* "PREFIX[digits]_SITE_YYYYMMDD.txt" with a date among first..last. */
static bool name_fits(
    const char *name, const char *prefix, bool digits, const char *site, int64_t first, int64_t last)
{
	size_t n = strlen(prefix), m = strlen(site);
	char date[9] = "";
	struct civil c;
	int64_t day;

	if (strncmp(name, prefix, n) != 0)
		return false;
	name += n;
	if (digits)
		name += strspn(name, "0123456789");
	if (name[0] != '_' || strncmp(name + 1, site, m) != 0 || name[m + 1] != '_' ||
	    strlen(name + m + 2) != 12 || strcmp(name + m + 10, ".txt") != 0)
		return false;
	memcpy(date, name + m + 2, 8);
	if (utctime_parse_yyyymmdd(date, &c) == -1)
		return false;
	day = civil_days(c.year, c.month, c.day);
	return day >= first && day <= last;
}

static bool seen_before(const struct fpi_source *src, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(src->files[j].name, src->files[i].name) == 0)
			return true;
	return false;
}

static void note_skipped(struct fpi_auxiliary *out, const char *name, size_t skipped)
{
	if (skipped > 0)
		strvec_pushf(
		    &out->notes, "%s: %zu malformed line%s skipped.", name, skipped, skipped == 1 ? "" : "s");
}

static void note_presence(struct fpi_auxiliary *out, const struct fpi_series *s, const char *what)
{
	strvec_pushf(
	    &out->notes, s->n > 0 ? "Found and loaded %s sensor data." : "No %s sensor data found.", what);
}

int fpi_auxiliary_load(const struct fpi_source *src, const struct fpi_site *site, const struct tz *tz,
    int64_t first_utc_us, int64_t last_utc_us, struct fpi_auxiliary *out, struct err *err)
{
	int64_t first = local_day(tz, first_utc_us), last = local_day(tz, last_utc_us);
	int64_t last_utc = MAX(last, day_of(last_utc_us / US_PER_S));
	struct strbuf sb = STRBUF_INIT(FPI_FILE_MAX);
	int r = 0;

	*out = (struct fpi_auxiliary){0};
	for (size_t i = 0; src != NULL && i < src->n && r == 0; i++) {
		const char *name = src->files[i].name;
		bool cloud = name_fits(name, "Cloud", false, site->abbr, first, last);

		if ((!cloud && !name_fits(name, "TempL", true, site->abbr, first, last_utc)) ||
		    seen_before(src, i))
			continue;
		strbuf_reset(&sb);
		r = src->read(src->arg, i, &sb, err);
		if (r == -1)
			break;
		note_skipped(out, name,
		    cloud ? fpi_cloud_parse(sb.buf, sb.len, tz, &out->cloud)
		          : fpi_templog_parse(sb.buf, sb.len, tz, &out->temp));
	}
	strbuf_release(&sb);
	fpi_series_sort(&out->cloud);
	fpi_templogs_sort(&out->temp);
	note_presence(out, &out->cloud, "cloud");
	note_presence(out, &out->temp.dome, "dome temperature");
	note_presence(out, &out->temp.inside, "inside temperature");
	note_presence(out, &out->temp.etalon_inside, "etalon inside temperature");
	note_presence(out, &out->temp.etalon_outside, "etalon outside temperature");
	return r;
}

void fpi_auxiliary_release(struct fpi_auxiliary *a)
{
	fpi_series_release(&a->cloud);
	fpi_templogs_release(&a->temp);
	strvec_release(&a->notes);
}

void fpi_auxiliary_apply(const struct fpi_auxiliary *a, struct fpi_sky *sky, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t start = sky[i].frame.utc_us;
		double exposure = sky[i].frame.exposure_s;

		sky[i].cloud = fpi_series_stats(&a->cloud, start, exposure);
		sky[i].dome = fpi_series_stats(&a->temp.dome, start, exposure);
		sky[i].inside = fpi_series_stats(&a->temp.inside, start, exposure);
		sky[i].etalon_inside = fpi_series_stats(&a->temp.etalon_inside, start, exposure);
		sky[i].etalon_outside = fpi_series_stats(&a->temp.etalon_outside, start, exposure);
	}
}
