#include "config.h"

#include "step/asset.h"

#define ASSET(name)   extern const struct asset_type asset_##name;
#define COMMAND(name) ASSET(name)
#include "assets/types.def"
#undef ASSET
#undef COMMAND

const struct asset_type *const asset_types[] = {
#define ASSET(name)   &asset_##name,
#define COMMAND(name) ASSET(name)
#include "assets/types.def"
#undef ASSET
#undef COMMAND
    NULL};

const struct asset_type *asset_type_find(const char *name)
{
	for (size_t i = 0; asset_types[i] != NULL; i++)
		if (strcmp(asset_types[i]->name, name) == 0)
			return asset_types[i];
	return NULL;
}
