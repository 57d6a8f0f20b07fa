/* conf_types.h: small registries of our own, so that tests of the configuration do not move with the shipped types. */
#ifndef CONF_TYPES_H
#define CONF_TYPES_H

#include "conf/conf.h"

/* The run options of asset type `night`: the five texts of tests/data/config. */
extern const struct opt night_run_opts[];

#endif
