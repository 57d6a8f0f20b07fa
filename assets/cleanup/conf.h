/* conf.h: settings of the asset type delete_raw. */
#ifndef ASSETS_CLEANUP_CONF_H
#define ASSETS_CLEANUP_CONF_H

#include "conf/opt.h"

struct cleanup_conf {
	char *store;
	char *database; /* of the results; NULL: the one that the analysis has recorded */
	struct strmap names;
	char *unpack_asset, *analysis_asset;
	char *prefix; /* template: nothing outside is ever deleted */
	tm_ms hold;
	bool delete_after_failed_analysis;
	char *trash; /* template; NULL: delete for good */
	struct strmap shared; /* key template -> sole_instrument | all_done | never */
	char *manifest; /* template of the unpack manifests, for all_done */
	struct strmap rows; /* table -> column that holds the run */
};

struct cleanup_run_conf {
	char *site, *observation_date, *instrument_name;
};

#endif
