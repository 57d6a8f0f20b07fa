/* fpi_analysis.h: what is shared by the files of the asset type fpi_analysis. */
#ifndef FPI_ANALYSIS_H
#define FPI_ANALYSIS_H

#include "assets/fpi/products.h"
#include "assets/fpi/source.h"
#include "base/err.h"
#include "base/json.h"

struct database;
struct step;
struct store;

struct fpi_analysis_conf {
	char *store, *database;
	char *images, *clouds, *templogs, *raw;
	char *results, *summary_images, *madrigal;
	char *reference, *doppler_statistic;
	bool zenith_fall_back, skyI_rules_for_red, header_binning, fail_on_all_errors;
	int64_t threads, max_images;
};

struct fpi_analysis_run_conf {
	char *site, *observation_date, *instrument_name;
	bool fail_on_all_errors;
};

/* ---- fpi_inputs.c: the night's files in the store ---- */

struct fpi_inputs {
	struct fpi_source images, aux; /* to be handed to the analysis */
	struct fpi_input_list *image_list, *aux_list;
};

/* List the day folders of the night and its neighbours, and the auxiliary files of the site.  Nothing is fetched yet. */
int fpi_inputs_find(const struct fpi_analysis_conf *, struct store *, const struct fpi_setup *,
    struct fpi_inputs *out, struct err *err);
void fpi_inputs_release(struct fpi_inputs *);

/* ---- fpi_publish.c: results to the store and the database ---- */

struct fpi_published {
	char manifest_key[256], manifest_sha256[65];
	int64_t objects, bytes, sky_rows, laser_rows;
};

/*
 * Objects, then rows with their effect in one transaction, then the manifest: a reader that sees the manifest sees all.
 * Equal for every repetition but for the log's times.  In a dry run everything is only told.
 */
int fpi_publish(struct step *, const struct fpi_analysis_conf *, const struct fpi_result *,
    struct fpi_published *out, struct err *err);
/*
 * The log of a failed line, for people; neither rows nor a manifest.  Where an earlier analysis stands, it leaves all of that
 * alone, the log too, and has another name, until an analysis is good again.
 */
int fpi_publish_log(
    struct step *, const struct fpi_analysis_conf *, const struct fpi_result *, struct err *err);

/* ---- fpi_rows.c ---- */

/* Replace the rows of this (instrument, tag, night) inside the caller's transaction. */
int fpi_rows_replace(struct database *, const struct fpi_result *, const char *run_id, struct err *err);
/* The SummaryImage of each DataSet row of this line: an array of texts. */
json_t *fpi_rows_pictures(const struct fpi_result *);

#endif
