#include "config.h"

#include "assets/fpi/fpi_schema.h"

/* What both kinds of exposure are known by. */
#define EXPOSURE_KEY                                                                                \
	{"instrument", COL_TEXT, 32, 0, NULL, "instrument, \"minime13\""},                          \
	    {"line_tag", COL_TEXT, 8, 0, NULL, "emission line of the night's files: X, XR or XG"},  \
	    {"time_utc", COL_DATETIME_MS, 0, 0, NULL, "start of the exposure"},                     \
	    {"site", COL_TEXT, 8, COL_REQUIRED, NULL, "site, \"uao\""},                             \
	{                                                                                           \
		"night", COL_TEXT, 8, COL_REQUIRED, NULL, "observation date of the night, YYYYMMDD" \
	}

#define MEASURED(name, unit, help)                                               \
	{name, COL_DOUBLE, 0, 0, unit, help},                                    \
	{                                                                        \
		name "_sigma", COL_DOUBLE, 0, 0, unit, "standard error of " name \
	}

static const struct schema_column sky_columns[] = {
    EXPOSURE_KEY,
    {"direction", COL_TEXT, 32, 0, NULL, "look direction: Zenith, North, ... or Unknown"},
    {"azimuth_deg", COL_DOUBLE, 0, 0, "deg", "azimuth from north over east"},
    {"zenith_deg", COL_DOUBLE, 0, 0, "deg", "zenith angle"},
    {"exposure_s", COL_DOUBLE, 0, 0, "s", "exposure time"},
    {"los_wind", COL_DOUBLE, 0, 0, "m/s", "line-of-sight wind, positive away from the instrument"},
    {"los_wind_sigma", COL_DOUBLE, 0, 0, "m/s", "standard error of los_wind"},
    {"los_wind_fit_sigma", COL_DOUBLE, 0, 0, "m/s", "its part from the fit of the sky frame"},
    {"los_wind_cal_sigma", COL_DOUBLE, 0, 0, "m/s", "its part from the calibration"},
    MEASURED("temperature", "K", "neutral temperature"),
    MEASURED("intensity", "counts/s", "line intensity"),
    MEASURED("background", "counts/s", "sky background"),
    {"ccd_bias", COL_DOUBLE, 0, 0, "counts", "fitted detector bias"},
    {"reduced_chisq", COL_DOUBLE, 0, 0, NULL, "reduced chi-square of the fit"},
    {"lambda_c", COL_DOUBLE, 0, 0, "m", "fitted centre wavelength"},
    {"cloud_mean_c", COL_DOUBLE, 0, 0, "degC", "mean reading of the cloud sensor during the exposure"},
    {"ccd_temp_c", COL_DOUBLE, 0, 0, "degC", "detector temperature"},
    {"wind_flag", COL_INT, 0, 0, NULL, "quality of los_wind: 0 good, 1 caution, 2 bad"},
    {"temperature_flag", COL_INT, 0, 0, NULL, "quality of temperature: 0 good, 1 caution, 2 bad"},
    {"reference", COL_TEXT, 16, 0, NULL, "Doppler reference of the night: laser or zenith"},
    {"source_file", COL_TEXT, 255, 0, NULL, "image the row comes from"},
    {"run_id", COL_TEXT, 64, 0, NULL, "run that wrote the row"},
    {0},
};

static const struct schema_column laser_columns[] = {
    EXPOSURE_KEY,
    MEASURED("gap_m", "m", "etalon gap"),
    MEASURED("reflectivity", NULL, "etalon reflectivity"),
    MEASURED("alpha", "rad/px", "magnification"),
    MEASURED("intensity", "counts", "laser intensity"),
    MEASURED("background", "counts", "background of the laser frame"),
    MEASURED("a1", NULL, "linear fall-off of the intensity with the radius"),
    MEASURED("a2", NULL, "quadratic fall-off of the intensity with the radius"),
    MEASURED("b0", "px", "mean blur"),
    MEASURED("b1", "px", "cosine part of the blur over the radius"),
    MEASURED("b2", "px", "sine part of the blur over the radius"),
    {"center_x", COL_DOUBLE, 0, 0, "px", "ring centre, column"},
    {"center_y", COL_DOUBLE, 0, 0, "px", "ring centre, row"},
    {"reduced_chisq", COL_DOUBLE, 0, 0, NULL, "reduced chi-square of the fit"},
    {"source_file", COL_TEXT, 255, 0, NULL, "image the row comes from"},
    {"run_id", COL_TEXT, 64, 0, NULL, "run that wrote the row"},
    {0},
};

/* Where users hold this table already, only the unique key is added to it. */
static const struct schema_column dataset_columns[] = {
    {"id", COL_ID, 0, 0, NULL, "row number"},
    {"Site", COL_INT, 0, COL_KEEP, NULL, "the site's sql_id"},
    {"Instrument", COL_INT, 0, COL_KEEP, NULL, "the instrument's id for this kind of picture"},
    {"StartUTTime", COL_DATETIME, 0, COL_KEEP, NULL, "start of the first sky exposure of the night"},
    {"StopUTTime", COL_DATETIME, 0, COL_KEEP, NULL, "start of the last sky exposure of the night"},
    {"SummaryImage", COL_TEXT, 255, 0, NULL, "key of the picture in the store"},
    {"LogFile", COL_TEXT, 255, 0, NULL, "name of the night's log"},
    {0},
};

const struct schema_table fpi_sky_table = {
    .name = "fpi_sky",
    .help = "one row for each sky exposure",
    .columns = sky_columns,
    .primary = {"instrument", "line_tag", "time_utc"},
    .keys =
        (const struct schema_key[]){
            {"fpi_sky_night", {"instrument", "line_tag", "night"}, false},
            {"fpi_sky_site", {"site", "time_utc"}, false},
            {0},
        },
};

const struct schema_table fpi_laser_table = {
    .name = "fpi_laser",
    .help = "one row for each exposure of the calibration laser",
    .columns = laser_columns,
    .primary = {"instrument", "line_tag", "time_utc"},
    .keys =
        (const struct schema_key[]){
            {"fpi_laser_night", {"instrument", "line_tag", "night"}, false},
            {0},
        },
};

const struct schema_table fpi_dataset_table = {
    .name = "DataSet",
    .help = "summary pictures of each night",
    .columns = dataset_columns,
    .primary = {"id"},
    .keys =
        (const struct schema_key[]){
            {"DataSet_SummaryImage", {"SummaryImage"}, true},
            {0},
        },
    .identity = {"SummaryImage"},
};

const struct schema fpi_schema = {
    .component = "fpi",
    .version = 1,
    .tables = (const struct schema_table *const[]){&fpi_sky_table, &fpi_laser_table, &fpi_dataset_table, NULL},
};
