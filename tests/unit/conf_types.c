#include "config.h"

#include "tests/unit/conf_types.h"

#include "database/database.h"
#include "notify/sink.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"

#include <string.h>

struct place_conf {
	char *path;
	int64_t port;
	struct secret_ref password;
};

static const struct opt place_opts[] = {
    {.name = "path",
        .type = OPT_PATH,
        .off = offsetof(struct place_conf, path),
        .flags = OPT_REQUIRED,
        .help = "where it is"},
    {.name = "port",
        .type = OPT_INT,
        .off = offsetof(struct place_conf, port),
        .def = "3306",
        .min = "1",
        .max = "65535",
        .help = "port of the server"},
    {.name = "password",
        .type = OPT_SECRET,
        .off = offsetof(struct place_conf, password),
        .help = "the secret"},
    OPT_END,
};

static const struct store_type store_dir = {
    .name = "dir", .summary = "a folder", .opts = place_opts, .conf_size = sizeof(struct place_conf)};
const struct store_type *const store_types[] = {&store_dir, NULL};

static const struct db_type db_sqlite = {
    .name = "sqlite", .summary = "a file", .opts = place_opts, .conf_size = sizeof(struct place_conf)};
const struct db_type *const db_types[] = {&db_sqlite, NULL};

static const struct sink_type sink_post = {
    .name = "post", .summary = "a letter", .opts = place_opts, .conf_size = sizeof(struct place_conf)};
const struct sink_type *const sink_types[] = {&sink_post, NULL};

struct watch_conf {
	char *store, *part;
};

static const struct opt watch_opts[] = {
    {.name = "store",
        .type = OPT_STORE,
        .off = offsetof(struct watch_conf, store),
        .flags = OPT_REQUIRED,
        .help = "the store watched"},
    {.name = "part",
        .type = OPT_PATTERN,
        .off = offsetof(struct watch_conf, part),
        .def = "^(?<site>[a-z]+)_(?<date>\\d{8})$",
        .help = "names of pieces"},
    OPT_END,
};

static int watch_names(const void *conf, void (*add)(void *arg, const char *name), void *arg, struct err *err)
{
	add(arg, "site");
	add(arg, "date");
	return 0;
}

static int watch_check(const void *conf, struct err *err)
{
	const struct watch_conf *c = conf;

	return strstr(c->part, "(?<site>") != NULL ? 0 : err_set(err, ERR_CONFIG, "part has no group 'site'");
}

static const struct sensor_type sensor_watch = {.name = "watch",
    .summary = "watch a place",
    .opts = watch_opts,
    .conf_size = sizeof(struct watch_conf),
    .names = watch_names,
    .check = watch_check};
const struct sensor_type *const sensor_types[] = {&sensor_watch, NULL};

struct plain_conf {
	char *store, *results, *note;
	struct strvec command;
};

static const struct opt plain_opts[] = {
    {.name = "store",
        .type = OPT_STORE,
        .off = offsetof(struct plain_conf, store),
        .help = "where objects are"},
    {.name = "database",
        .type = OPT_DATABASE,
        .off = offsetof(struct plain_conf, results),
        .help = "where rows go"},
    {.name = "results",
        .type = OPT_PREFIX,
        .off = offsetof(struct plain_conf, note),
        .flags = OPT_TEMPLATED,
        .help = "prefix of what it writes"},
    {.name = "command",
        .type = OPT_STRLIST,
        .off = offsetof(struct plain_conf, command),
        .help = "what it runs"},
    OPT_END,
};

static int plain_check(const void *conf, struct err *err)
{
	const struct plain_conf *c = conf;

	if (c->command.n > 0 && strcmp(c->command.v[0], "false") == 0)
		return err_set(err, ERR_CONFIG, "it would always fail");
	return 0;
}

struct night_run {
	char *site, *year, *date, *fpi, *cloud;
};

#define NIGHT(n, t, f)                                                                         \
	.name = (n), .type = (t), .off = offsetof(struct night_run, f), .flags = OPT_REQUIRED, \
	.help = "of the night"

const struct opt night_run_opts[] = {
    {NIGHT("site", OPT_STRING, site)},
    {NIGHT("year", OPT_STRING, year)},
    {NIGHT("observation_date", OPT_DATE, date)},
    {NIGHT("fpi_data_path", OPT_PREFIX, fpi)},
    {NIGHT("cloud_cover_path", OPT_PREFIX, cloud)},
    OPT_END,
};

struct short_run {
	char *site, *date, *name;
	bool strict;
	struct strvec pieces;
	struct strmap notes;
};

static const struct opt short_run_opts[] = {
    {.name = "site",
        .type = OPT_STRING,
        .off = offsetof(struct short_run, site),
        .max = "3",
        .flags = OPT_REQUIRED,
        .help = "short name of the site"},
    {.name = "observation_date",
        .type = OPT_DATE,
        .off = offsetof(struct short_run, date),
        .flags = OPT_REQUIRED,
        .help = "date of the evening"},
    {.name = "instrument_name",
        .type = OPT_STRING,
        .off = offsetof(struct short_run, name),
        .help = "one of several"},
    {.name = "strict",
        .type = OPT_BOOL,
        .off = offsetof(struct short_run, strict),
        .def = "no",
        .help = "be strict"},
    {.name = "pieces", .type = OPT_STRLIST, .off = offsetof(struct short_run, pieces), .help = "the pieces"},
    {.name = "notes",
        .type = OPT_STRMAP,
        .off = offsetof(struct short_run, notes),
        .help = "words along with it"},
    {.name = "year", .type = OPT_STRING, .flags = OPT_IGNORED, .help = "of the night"},
    OPT_END,
};

static const char *const night_sections[] = {"sites", "instruments", "version", NULL};

static const struct asset_type asset_plain = {.name = "plain",
    .summary = "needs nothing",
    .opts = plain_opts,
    .conf_size = sizeof(struct plain_conf),
    .check = plain_check};
static const struct asset_type asset_night = {.name = "night",
    .summary = "a night",
    .opts = plain_opts,
    .conf_size = sizeof(struct plain_conf),
    .run_opts = night_run_opts,
    .run_conf_size = sizeof(struct night_run),
    .sections = night_sections};
static const struct asset_type asset_short = {.name = "short",
    .summary = "a night by its names",
    .opts = plain_opts,
    .conf_size = sizeof(struct plain_conf),
    .run_opts = short_run_opts,
    .run_conf_size = sizeof(struct short_run)};
static const struct asset_type asset_free = {.name = "free",
    .summary = "takes any config",
    .opts = plain_opts,
    .conf_size = sizeof(struct plain_conf),
    .flags = ASSET_ANY_CONFIG};
const struct asset_type *const asset_types[] = {&asset_plain, &asset_night, &asset_short, &asset_free, NULL};
