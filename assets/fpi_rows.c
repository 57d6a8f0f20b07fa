/* The rows of one analysed line, as docs of the tables (assets/fpi/fpi_schema.c) name them. */
#include "config.h"

#include "assets/fpi/fpi_schema.h"
#include "assets/fpi_analysis.h"
#include "base/utctime.h"
#include "database/database.h"

#include <stdlib.h>
#include <string.h>

/* Columns and values side by side, so that a row reads as a list. */
struct row {
	const char *name[48];
	struct db_value value[48];
	char stamp[UTCTIME_MAX];
	size_t n;
};

static void add(struct row *r, const char *name, struct db_value v)
{
	assert(r->n < NITEMS(r->name));
	r->name[r->n] = name;
	r->value[r->n++] = v;
}

static const char *night_of(const struct fpi_setup *s, char out[16])
{
	snprintf(out, 16, "%04d%02d%02d", s->date.year % 10000, s->date.month, s->date.day);
	return out;
}

/* "YYYY-MM-DD HH:MM:SS.mmm" */
static const char *stamp_ms(int64_t utc_us, char out[UTCTIME_MAX])
{
	utctime_format(utc_us / 1000, out);
	out[10] = ' ';
	out[23] = '\0';
	return out;
}

static void add_key(
    struct row *r, const struct fpi_result *res, const struct fpi_frame *frame, const char *night)
{
	add(r, "instrument", DBV_TEXT(res->setup.instrument.name));
	add(r, "line_tag", DBV_TEXT(res->tag));
	add(r, "time_utc", DBV_TEXT(stamp_ms(frame->utc_us, r->stamp)));
	add(r, "site", DBV_TEXT(res->setup.site.abbr));
	add(r, "night", DBV_TEXT(night));
}

static int put_sky(struct database *db, const struct fpi_result *res, const struct fpi_sky *s,
    const char *run_id, struct err *err)
{
	struct row r = {0};
	char night[16];

	add_key(&r, res, &s->frame, night_of(&res->setup, night));
	add(&r, "direction", DBV_TEXT(s->direction));
	add(&r, "azimuth_deg", DBV_DOUBLE(s->az));
	add(&r, "zenith_deg", DBV_DOUBLE(s->ze));
	add(&r, "exposure_s", DBV_DOUBLE(s->frame.exposure_s));
	add(&r, "los_wind", DBV_DOUBLE(s->wind));
	add(&r, "los_wind_sigma", DBV_DOUBLE(s->sigma_wind));
	add(&r, "los_wind_fit_sigma", DBV_DOUBLE(s->sigma_fit));
	add(&r, "los_wind_cal_sigma", DBV_DOUBLE(s->sigma_cal));
	add(&r, "temperature", DBV_DOUBLE(s->T));
	add(&r, "temperature_sigma", DBV_DOUBLE(s->sigma_T));
	add(&r, "intensity", DBV_DOUBLE(s->skyI));
	add(&r, "intensity_sigma", DBV_DOUBLE(s->sigma_skyI));
	add(&r, "background", DBV_DOUBLE(s->skyB));
	add(&r, "background_sigma", DBV_DOUBLE(s->sigma_skyB));
	add(&r, "ccd_bias", DBV_DOUBLE(s->ccdB));
	add(&r, "reduced_chisq", DBV_DOUBLE(s->redchi));
	add(&r, "lambda_c", DBV_DOUBLE(s->value[FPI_S_LAMC]));
	add(&r, "cloud_mean_c", DBV_DOUBLE(s->cloud.mean));
	add(&r, "ccd_temp_c", DBV_DOUBLE(s->frame.ccd_temp_C));
	add(&r, "wind_flag", DBV_INT(s->wind_flag));
	add(&r, "temperature_flag", DBV_INT(s->temp_flag));
	add(&r, "reference", DBV_TEXT(fpi_reference_name[res->reference]));
	add(&r, "source_file", DBV_TEXT(s->frame.name));
	add(&r, "run_id", DBV_TEXT(run_id));
	return db_upsert(db, &fpi_sky_table, r.name, r.value, r.n, err);
}

static const struct {
	enum fpi_laser_param param;
	const char *column, *sigma;
} laser_column[] = {
    {FPI_P_T, "gap_m", "gap_m_sigma"},
    {FPI_P_R, "reflectivity", "reflectivity_sigma"},
    {FPI_P_ALPHA, "alpha", "alpha_sigma"},
    {FPI_P_I, "intensity", "intensity_sigma"},
    {FPI_P_B, "background", "background_sigma"},
    {FPI_P_A1, "a1", "a1_sigma"},
    {FPI_P_A2, "a2", "a2_sigma"},
    {FPI_P_B0, "b0", "b0_sigma"},
    {FPI_P_B1, "b1", "b1_sigma"},
    {FPI_P_B2, "b2", "b2_sigma"},
};

static int put_laser(struct database *db, const struct fpi_result *res, const struct fpi_laser *l,
    const char *run_id, struct err *err)
{
	struct row r = {0};
	char night[16];

	add_key(&r, res, &l->frame, night_of(&res->setup, night));
	for (size_t i = 0; i < NITEMS(laser_column); i++) {
		add(&r, laser_column[i].column, DBV_DOUBLE(l->value[laser_column[i].param]));
		add(&r, laser_column[i].sigma, DBV_DOUBLE(l->error[laser_column[i].param]));
	}
	add(&r, "center_x", DBV_DOUBLE(l->fringe.cx));
	add(&r, "center_y", DBV_DOUBLE(l->fringe.cy));
	add(&r, "reduced_chisq", DBV_DOUBLE(l->redchi));
	add(&r, "source_file", DBV_TEXT(l->frame.name));
	add(&r, "run_id", DBV_TEXT(run_id));
	return db_upsert(db, &fpi_laser_table, r.name, r.value, r.n, err);
}

/* The year of the path here is that of the first frame in UTC: so the site of the network expects it. */
static void picture_path(const struct fpi_result *res, const char *picture, char out[400])
{
	char start[UTCTIME_MAX];

	utctime_format_sql(res->first_sky_us / 1000, start);
	snprintf(out, 400, "SummaryImages/%.4s/%.160s", start, picture);
}

static int put_dataset(
    struct database *db, const struct fpi_result *res, const char *picture, int64_t kind_id, struct err *err)
{
	char start[UTCTIME_MAX], stop[UTCTIME_MAX], stem[128], image[400], log[200];
	struct row r = {0};

	utctime_format_sql(res->first_sky_us / 1000, start);
	utctime_format_sql(res->last_sky_us / 1000, stop);
	fpi_stem(&res->setup, res->tag, stem);
	picture_path(res, picture, image);
	snprintf(log, sizeof(log), "SummaryLogs/%s_log.log", stem);
	add(&r, "Site", DBV_INT(res->setup.site.sql_id));
	add(&r, "Instrument", DBV_INT(kind_id));
	add(&r, "StartUTTime", DBV_TEXT(start));
	add(&r, "StopUTTime", DBV_TEXT(stop));
	add(&r, "SummaryImage", DBV_TEXT(image));
	add(&r, "LogFile", DBV_TEXT(log));
	return db_upsert(db, &fpi_dataset_table, r.name, r.value, r.n, err);
}

/* The pictures that DataSet tells of, in the order of its rows. */
enum { PICTURE_DIAGNOSTICS, PICTURE_TEMPERATURE, PICTURE_WINDS, NPICTURES };

static void picture_names(const struct fpi_result *res, char out[NPICTURES][160])
{
	char stem[128];

	fpi_stem(&res->setup, res->tag, stem);
	fpi_diagnostics_name(&res->setup, res->tag, out[PICTURE_DIAGNOSTICS]);
	snprintf(out[PICTURE_TEMPERATURE], sizeof(out[0]), "%s_temperature.png", stem);
	snprintf(out[PICTURE_WINDS], sizeof(out[0]), "%s_winds.png", stem);
}

json_t *fpi_rows_pictures(const struct fpi_result *res)
{
	char names[NPICTURES][160], path[400];
	json_t *list = json_array();

	picture_names(res, names);
	for (size_t i = 0; i < NPICTURES; i++) {
		picture_path(res, names[i], path);
		json_array_append_new(list, json_string(path));
	}
	return list;
}

static int put_datasets(struct database *db, const struct fpi_result *res, struct err *err)
{
	const struct fpi_instrument *in = &res->setup.instrument;
	bool green = strchr(res->tag, 'G') != NULL;
	const int64_t kind[] = {
	    [PICTURE_DIAGNOSTICS] = in->sql_diagnostics_id,
	    [PICTURE_TEMPERATURE] = green ? in->sql_green_temperatures_id : in->sql_temperatures_id,
	    [PICTURE_WINDS] = green ? in->sql_green_winds_id : in->sql_winds_id,
	};
	char names[NPICTURES][160];

	picture_names(res, names);
	for (size_t i = 0; i < NPICTURES; i++)
		if (put_dataset(db, res, names[i], kind[i], err) == -1)
			return -1;
	return 0;
}

int fpi_rows_replace(struct database *db, const struct fpi_result *res, const char *run_id, struct err *err)
{
	char night[16];
	struct db_value key[] = {
	    DBV_TEXT(res->setup.instrument.name), DBV_TEXT(res->tag), DBV_TEXT(night_of(&res->setup, night))};

	if (db_exec(db, "DELETE FROM fpi_sky WHERE instrument = ? AND line_tag = ? AND night = ?", key, 3, NULL,
	        err) == -1 ||
	    db_exec(db, "DELETE FROM fpi_laser WHERE instrument = ? AND line_tag = ? AND night = ?", key, 3,
	        NULL, err) == -1)
		return -1;
	for (size_t i = 0; i < res->nsky; i++)
		if (put_sky(db, res, &res->sky[i], run_id, err) == -1)
			return -1;
	for (size_t i = 0; i < res->nlaser; i++)
		if (put_laser(db, res, &res->laser[i], run_id, err) == -1)
			return -1;
	return put_datasets(db, res, err);
}
