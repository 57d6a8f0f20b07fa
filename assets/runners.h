/* runners.h: the work of each asset type; linked into orch-step only. */
#ifndef ASSETS_RUNNERS_H
#define ASSETS_RUNNERS_H

#include "step/asset.h"

struct asset_runner {
	const struct asset_type *type;
	asset_run_fn *run;
};

/* NULL: there is no such type, or its work is a command. */
const struct asset_runner *asset_runner_find(const char *type_name);

#endif
