/*
 * delete_raw: remove what an archive was unpacked from, once every link of the chain behind it has been read
 * back and found durable.
 */
#include "config.h"

#include "assets/cleanup/conf.h"
#include "assets/run_names.h"
#include "base/template.h"
#include "step/asset.h"

#include <ctype.h>

#define CONF(field) offsetof(struct cleanup_conf, field)

static const struct opt cleanup_opts[] = {
    {.name = "store",
        .type = OPT_STORE,
        .off = CONF(store),
        .flags = OPT_REQUIRED,
        .help = "store of the pieces and of the results"},
    {.name = "database",
        .type = OPT_DATABASE,
        .off = CONF(database),
        .help = "database of the analysis, read again over a new connection before anything is deleted"},
    RUN_NAMES_OPT(CONF(names)),
    {.name = "unpack_asset",
        .type = OPT_STRING,
        .off = CONF(unpack_asset),
        .def = "unzip",
        .help = "asset of the same run whose manifest says what was consumed"},
    {.name = "analysis_asset",
        .type = OPT_STRING,
        .off = CONF(analysis_asset),
        .def = "analyze",
        .help = "asset of the same run whose results must be durable"},
    {.name = "prefix",
        .type = OPT_TEMPLATE,
        .off = CONF(prefix),
        .def = "raw/",
        .help = "nothing outside of it is ever deleted"},
    {.name = "hold",
        .type = OPT_DURATION,
        .off = CONF(hold),
        .def = "0s",
        .help = "least age of the newest piece; until then the step waits"},
    {.name = "delete_after_failed_analysis",
        .type = OPT_BOOL,
        .off = CONF(delete_after_failed_analysis),
        .def = "no",
        .help = "delete also when nothing could be analysed"},
    {.name = "trash",
        .type = OPT_TEMPLATE,
        .off = CONF(trash),
        .help = "copy every object below this prefix before it is deleted"},
    {.name = "shared",
        .type = OPT_STRMAP,
        .off = CONF(shared),
        .help = "objects that several instruments of a site use, key: sole_instrument, all_done or never"},
    {.name = "manifest",
        .type = OPT_TEMPLATE,
        .off = CONF(manifest),
        .help = "key of the unpack manifests, in which all_done looks up the site's other instruments"},
    {.name = "rows",
        .type = OPT_STRMAP,
        .off = CONF(rows),
        .help = "tables whose rows are counted again, table: column that holds the run"},
    OPT_END,
};

static const struct opt cleanup_run_opts[] = {
    RUN_NAMES_CONFIG_OPTS(struct cleanup_run_conf),
    OPT_END,
};

static bool is_identifier(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

static int check_shared(const struct cleanup_conf *conf, struct err *err)
{
	for (size_t i = 0; i < conf->shared.keys.n; i++) {
		const char *rule = conf->shared.values.v[i];

		if (template_check(conf->shared.keys.v[i], NULL, NULL, err) == -1)
			return err_wrap(err, "shared");
		if (strcmp(rule, "sole_instrument") != 0 && strcmp(rule, "all_done") != 0 &&
		    strcmp(rule, "never") != 0)
			return err_set(err, ERR_CONFIG,
			    "shared: %s: '%s' is none of sole_instrument, all_done, never",
			    conf->shared.keys.v[i], rule);
		if (strcmp(rule, "all_done") == 0 && conf->manifest == NULL)
			return err_set(err, ERR_CONFIG, "shared: all_done needs the option manifest");
	}
	return 0;
}

static int cleanup_check(const void *arg, struct err *err)
{
	const struct cleanup_conf *conf = arg;
	size_t n = conf->trash != NULL ? strlen(conf->trash) : 1;

	if (conf->prefix[0] == '\0')
		return err_set(err, ERR_CONFIG, "prefix: the whole store is too much");
	if (n == 0 || (conf->trash != NULL && conf->trash[n - 1] != '/'))
		return err_set(err, ERR_CONFIG, "trash: a folder ends with a slash");
	if (conf->trash != NULL && strncmp(conf->trash, conf->prefix, strlen(conf->prefix)) == 0)
		return err_set(err, ERR_CONFIG, "trash: it must lie outside of prefix");
	for (size_t i = 0; i < conf->rows.keys.n; i++)
		if (!is_identifier(conf->rows.keys.v[i]) || !is_identifier(conf->rows.values.v[i]))
			return err_set(err, ERR_CONFIG, "rows: '%s: %s' are not a table and a column",
			    conf->rows.keys.v[i], conf->rows.values.v[i]);
	if (run_names_check(&conf->names, err) == -1)
		return -1;
	return check_shared(conf, err);
}

static const char *const cleanup_sections[] = {"sites", NULL};

const struct asset_type asset_delete_raw = {
    .name = "delete_raw",
    .summary = "delete raw pieces after everything made of them was verified to be durable",
    .code_version = "1",
    .opts = cleanup_opts,
    .conf_size = sizeof(struct cleanup_conf),
    .run_opts = cleanup_run_opts,
    .run_conf_size = sizeof(struct cleanup_run_conf),
    .flags = ASSET_DELETES,
    .sections = cleanup_sections,
    .check = cleanup_check,
};
