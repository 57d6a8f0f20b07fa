#include "config.h"

#include "assets/runners.h"

#include <string.h>

#define ASSET(name)                                  \
	extern const struct asset_type asset_##name; \
	extern asset_run_fn asset_##name##_run;
#define COMMAND(name)
#include "assets/types.def"
#undef ASSET

static const struct asset_runner runners[] = {
#define ASSET(name) {&asset_##name, asset_##name##_run},
#include "assets/types.def"
#undef ASSET
#undef COMMAND
    {NULL, NULL}};

const struct asset_runner *asset_runner_find(const char *type_name)
{
	for (const struct asset_runner *r = runners; r->type != NULL; r++)
		if (strcmp(r->type->name, type_name) == 0)
			return r;
	return NULL;
}
