/*
 * run_names.h: what {name} means in an asset's templates: the run's own settings, names derived from them, and
 * the day after.
 *
 * With the run's {site: uao, observation_date: 20250429, instrument_name: minime05} and the asset's
 * names: {stub: 'fpi{instrument_name:-2}'}, the template 'raw/{stub}_{site}_{observation_date}.txt' is
 * 'raw/fpi05_uao_20250429.txt'.  {next_date} is the day after observation_date.
 */
#ifndef ASSETS_RUN_NAMES_H
#define ASSETS_RUN_NAMES_H

#include "base/err.h"
#include "base/json.h"
#include "conf/opt.h"

struct run_names {
	struct strmap v;
};

/*
 * Rows of an option table: the asset's derived names, a strmap at that offset; and what a run says of the night it is
 * about, three texts of these names in the run's conf.
 */
/* clang-format off */
#define RUN_NAMES_OPT(offset) \
    {.name = "names", .type = OPT_STRMAP, .off = (offset), \
        .help = "further names for the templates below, made of the run's settings, such as stub: " \
                "'fpi{instrument_name:-2}'"}
#define RUN_NAMES_CONFIG_OPTS(conf) \
    {.name = "site", .type = OPT_STRING, .off = offsetof(conf, site), .flags = OPT_REQUIRED, \
        .help = "site code, such as uao"}, \
    {.name = "observation_date", .type = OPT_DATE, .off = offsetof(conf, observation_date), .flags = OPT_REQUIRED, \
        .help = "night of the data, YYYYMMDD"}, \
    {.name = "instrument_name", .type = OPT_STRING, .off = offsetof(conf, instrument_name), \
        .help = "instrument, such as minime05"}
/* clang-format on */

/* Are these templates?  For the check of a type. */
int run_names_check(const struct strmap *derived, struct err *err);

/*
 * config: the run's mapping; derived: templates that may use it and each other in their order, may be NULL.
 * Values become parts of keys, so one with a slash or a control character is refused (class USAGE).
 */
int run_names_init(struct run_names *, const json_t *config, const struct strmap *derived, struct err *err);
void run_names_release(struct run_names *);
/* The filled template, checked as an object key or a prefix of keys; free() it.  NULL: class USAGE or CONFIG. */
char *run_names_key(const struct run_names *, const char *template, struct err *err);
/* The filled template, any text; free() it. */
char *run_names_text(const struct run_names *, const char *template, struct err *err);
const char *run_names_get(const struct run_names *, const char *name); /* lent, or NULL */

#endif
