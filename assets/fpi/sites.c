#include "config.h"

#include "assets/fpi/sites.h"

#include "assets/fpi/sites_bind.h"
#include "base/mem.h"
#include "base/suggest.h"

struct fpi_table {
	char *file;
	struct node *root;
};

#define DAY_FOREVER INT64_MAX

/* ---- checking the whole table */

static bool is_map(struct diags *diags, const struct node *n, const char *what)
{
	if (n->kind == NODE_MAP)
		return true;
	diag_add(diags, DIAG_ERROR, &n->mark, "type", "%s must be a mapping, not a %s", what,
	    node_kind_name(n->kind));
	return false;
}

static void check_keys(const struct sites_schema *schema, const struct node *n, struct diags *diags)
{
	sites_require(schema, n, diags);
	sites_bind(schema, n, NULL, diags);
}

static void check_dates(const struct node *n, const char *first, const char *last, struct diags *diags)
{
	int64_t start, stop;

	if (sites_date(node_get(n, first), &start) == -1 || sites_date(node_get(n, last), &stop) == -1)
		return;
	if (stop < start)
		diag_add(diags, DIAG_ERROR, &n->mark, "value", "%s lies before %s", last, first);
}

/* Parameters overlaid by each epoch in turn: a value that only a later epoch spoils is found here, not years later. */
static void check_epochs(
    const struct sites_schema *schema, const struct node *n, void *out, struct diags *diags)
{
	const struct node *epochs = node_get(n, "epochs");
	int64_t last = INT64_MIN, from;

	if (epochs == NULL)
		return;
	if (epochs->kind != NODE_LIST) {
		diag_add(diags, DIAG_ERROR, &epochs->mark, "type", "epochs must be a list");
		return;
	}
	for (size_t i = 0; i < epochs->n; i++) {
		const struct node *e = epochs->item[i];

		if (!is_map(diags, e, "an epoch"))
			continue;
		check_keys(&sites_epoch_schema, e, diags);
		if (sites_date(node_get(e, "from"), &from) == 0) {
			if (from <= last)
				diag_add(
				    diags, DIAG_ERROR, &e->mark, "value", "epochs must be in order of 'from'");
			last = from;
		}
		if (node_get(e, "set") != NULL && is_map(diags, node_get(e, "set"), "set"))
			sites_bind(schema, node_get(e, "set"), out, diags);
	}
}

static void check_site(const char *name, const struct node *n, struct diags *diags)
{
	struct fpi_site site = {0};

	if (strlen(name) >= sizeof(site.abbr))
		diag_add(diags, DIAG_ERROR, &n->mark, "value", "the abbreviation is longer than %zu bytes",
		    sizeof(site.abbr) - 1);
	if (!is_map(diags, n, "a site"))
		return;
	sites_require(&sites_site_schema, n, diags);
	sites_bind(&sites_site_schema, n, &site, diags);
	check_epochs(&sites_site_schema, n, &site, diags);
}

static void check_stations(const struct node *n, const struct node *sites, struct diags *diags)
{
	const struct node *stations = node_get(n, "stations");

	if (stations == NULL || stations->kind != NODE_LIST)
		return;
	for (size_t i = 0; i < stations->n; i++) {
		const struct node *s = stations->item[i];
		const char *site = node_text(s, "site");

		if (!is_map(diags, s, "a station"))
			continue;
		check_keys(&sites_station_schema, s, diags);
		check_dates(s, "start", "stop", diags);
		if (site != NULL && node_get(sites, site) == NULL)
			diag_add(diags, DIAG_ERROR, &s->mark, "value", "there is no site '%s'", site);
	}
}

static void check_bad_dates(const struct node *list, struct diags *diags)
{
	if (list == NULL || list->kind != NODE_LIST)
		return;
	for (size_t i = 0; i < list->n; i++) {
		if (!is_map(diags, list->item[i], "a range of bad dates"))
			continue;
		check_keys(&sites_bad_dates_schema, list->item[i], diags);
		check_dates(list->item[i], "start", "stop", diags);
	}
}

static void check_instrument(
    const char *name, const struct node *n, const struct node *sites, struct diags *diags)
{
	struct fpi_instrument instrument = {0};
	const struct node *params;

	if (strlen(name) >= sizeof(instrument.name))
		diag_add(diags, DIAG_ERROR, &n->mark, "value", "the name is longer than %zu bytes",
		    sizeof(instrument.name) - 1);
	if (!is_map(diags, n, "an instrument"))
		return;
	check_keys(&sites_instrument_schema, n, diags);
	check_stations(n, sites, diags);
	check_bad_dates(node_get(n, "bad_wind_dates"), diags);
	check_bad_dates(node_get(n, "bad_temperature_dates"), diags);
	params = node_get(n, "params");
	if (params != NULL && is_map(diags, params, "params"))
		sites_bind(&sites_params_schema, params, &instrument, diags);
	check_epochs(&sites_params_schema, n, &instrument, diags);
}

static void check_table(const struct node *root, struct diags *diags)
{
	const struct node *sites, *instruments;
	int64_t version;

	if (!is_map(diags, root, "the table of sites and instruments"))
		return;
	check_keys(&sites_table_schema, root, diags);
	sites = node_get(root, "sites");
	instruments = node_get(root, "instruments");
	if (node_get(root, "version") != NULL &&
	    (node_as_int(node_get(root, "version"), &version) == -1 || version != 1))
		diag_add(diags, DIAG_ERROR, &node_get(root, "version")->mark, "value",
		    "only version 1 of this table is known");
	if (sites == NULL || instruments == NULL || !is_map(diags, sites, "sites") ||
	    !is_map(diags, instruments, "instruments"))
		return;
	for (size_t i = 0; i < sites->n; i++)
		check_site(sites->key[i]->text, sites->item[i], diags);
	for (size_t i = 0; i < instruments->n; i++)
		check_instrument(instruments->key[i]->text, instruments->item[i], sites, diags);
}

static struct fpi_table *table_of(const char *file, struct node *root, struct diags *diags)
{
	struct fpi_table *t;

	if (root == NULL)
		return NULL;
	check_table(root, diags);
	if (diags->errors > 0) {
		node_free(root);
		return NULL;
	}
	t = xcalloc(1, sizeof(*t));
	t->file = xstrdup(file);
	t->root = root;
	return t;
}

struct fpi_table *fpi_table_load(const char *path, struct diags *diags)
{
	return table_of(path, node_load_yaml(path, diags), diags);
}

struct fpi_table *fpi_table_parse(const char *file, const char *text, size_t n, struct diags *diags)
{
	return table_of(file, node_parse_yaml(file, text, n, diags), diags);
}

void fpi_table_free(struct fpi_table *t)
{
	if (t == NULL)
		return;
	free(t->file);
	node_free(t->root);
	free(t);
}

/* ---- answering for a night */

static const char *nth_key(const void *arg, size_t i)
{
	const struct node *map = arg;

	return i < map->n ? map->key[i]->text : NULL;
}

/* The entry of a section, or NULL with what an operator can do about it. */
static const struct node *entry(const struct fpi_table *t, const char *section, const char *what,
    const char *code, const char *name, struct err *err)
{
	const struct node *map = node_get(t->root, section), *n = node_get(map, name);
	const char *near;

	if (n != NULL)
		return n;
	near = suggest_nearest(name, nth_key, map);
	err_code(err, ERR_CONFIG, code,
	    "there is no %s '%s' in %s%s%s%s; correct the name, or add it under '%s'", what, name, t->file,
	    near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "", section);
	return NULL;
}

static bool in_range(const struct node *range, int64_t day)
{
	int64_t start = INT64_MIN, stop = DAY_FOREVER;

	sites_date(node_get(range, "start"), &start);
	sites_date(node_get(range, "stop"), &stop);
	return day >= start && day <= stop;
}

static const char *station_on(const struct node *instrument, int64_t day)
{
	const struct node *stations = node_get(instrument, "stations");

	for (size_t i = 0; i < stations->n; i++)
		if (in_range(stations->item[i], day))
			return node_text(stations->item[i], "site");
	return NULL;
}

static int not_stationed(const struct fpi_table *t, const char *name, const struct node *instrument,
    const struct civil *date, struct err *err)
{
	const struct node *stations = node_get(instrument, "stations");
	struct strbuf sb = STRBUF_INIT(ERR_TEXT_MAX);

	for (size_t i = 0; i < stations->n; i++) {
		const char *stop = node_text(stations->item[i], "stop");
		bool open = stop == NULL || node_is_null(node_get(stations->item[i], "stop"));

		strbuf_addf(&sb, "%s%s %s..%s", i > 0 ? ", " : "", node_text(stations->item[i], "site"),
		    node_text(stations->item[i], "start"), open ? "" : stop);
	}
	err_code(err, ERR_CONFIG, "not_stationed",
	    "instrument '%s' is at no site on %04d-%02d-%02d according to %s (%s); correct the date, or add a "
	    "station",
	    name, date->year, date->month, date->day, t->file, sb.buf);
	strbuf_release(&sb);
	return -1;
}

static void overlay_epochs(
    const struct sites_schema *schema, const struct node *n, int64_t day, void *out, struct diags *diags)
{
	const struct node *epochs = node_get(n, "epochs");
	int64_t from;

	for (size_t i = 0; epochs != NULL && i < epochs->n; i++)
		if (sites_date(node_get(epochs->item[i], "from"), &from) == 0 && from <= day)
			sites_bind(schema, node_get(epochs->item[i], "set"), out, diags);
}

static int worst_flag(const struct node *ranges, int64_t day)
{
	int64_t worst = 0, flag;

	for (size_t i = 0; ranges != NULL && i < ranges->n; i++)
		if (in_range(ranges->item[i], day) &&
		    node_as_int(node_get(ranges->item[i], "flag"), &flag) == 0)
			worst = MAX(worst, flag);
	return (int)worst;
}

static void set_site(const char *abbr, const struct node *n, int64_t day, struct fpi_site *site)
{
	struct diags none = DIAGS_INIT;

	sites_defaults(&sites_site_schema, site);
	snprintf(site->abbr, sizeof(site->abbr), "%s", abbr);
	sites_bind(&sites_site_schema, n, site, &none);
	overlay_epochs(&sites_site_schema, n, day, site, &none);
	while (site->lon_deg >= 180)
		site->lon_deg -= 360;
	while (site->lon_deg < -180)
		site->lon_deg += 360;
	diags_release(&none); /* the table was checked when it was loaded */
}

static int set_instrument(const struct fpi_table *t, const char *name, const struct node *n, int64_t day,
    struct fpi_instrument *ins, struct err *err)
{
	struct diags none = DIAGS_INIT;
	const char *missing;

	sites_defaults(&sites_params_schema, ins);
	snprintf(ins->name, sizeof(ins->name), "%s", name);
	snprintf(ins->plot_ref, sizeof(ins->plot_ref), "laser");
	ins->many_fringes = ins->estimate_blur = true;
	node_as_bool(node_get(n, "estimate_blur"), &ins->estimate_blur);
	sites_bind(&sites_params_schema, node_get(n, "params"), ins, &none);
	overlay_epochs(&sites_params_schema, n, day, ins, &none);
	ins->manual_wind_flag = worst_flag(node_get(n, "bad_wind_dates"), day);
	ins->manual_temp_flag = worst_flag(node_get(n, "bad_temperature_dates"), day);
	diags_release(&none);

	missing = sites_missing(&sites_params_schema, ins);
	if (missing != NULL)
		return err_code(err, ERR_CONFIG, "incomplete",
		    "instrument '%s' has no '%s' in %s:%d; without it its images cannot be analysed", name,
		    missing, t->file, n->mark.line);
	if (ins->N0 < 0 || ins->N0 >= ins->N1 || ins->N1 > ins->N)
		return err_code(err, ERR_CONFIG, "incomplete",
		    "instrument '%s' in %s:%d: the annuli must satisfy 0 <= N0 < N1 <= N, not N0 %d, N1 %d, N "
		    "%d",
		    name, t->file, n->mark.line, ins->N0, ins->N1, ins->N);
	return 0;
}

int fpi_table_resolve(const struct fpi_table *t, const char *instrument, const char *site,
    const struct civil *date, struct fpi_setup *out, struct err *err)
{
	const struct node *n = entry(t, "instruments", "instrument", "unknown_instrument", instrument, err);
	int64_t day = civil_days(date->year, date->month, date->day);
	struct fpi_setup setup = {.date = {.year = date->year, .month = date->month, .day = date->day}};
	const char *at;

	if (n == NULL || (site != NULL && entry(t, "sites", "site", "unknown_site", site, err) == NULL))
		return -1;
	at = station_on(n, day);
	if (at == NULL)
		return not_stationed(t, instrument, n, date, err);
	if (site != NULL && strcmp(site, at) != 0)
		return err_code(err, ERR_BAD_DATA, "other_site",
		    "the data come from site '%s', but on %04d-%02d-%02d instrument '%s' is at '%s' according "
		    "to %s; correct "
		    "the site, or the instrument's stations",
		    site, date->year, date->month, date->day, instrument, at, t->file);
	set_site(at, node_get(node_get(t->root, "sites"), at), day, &setup.site);
	if (set_instrument(t, instrument, n, day, &setup.instrument, err) == -1)
		return -1;
	*out = setup;
	return 0;
}

int fpi_table_stationed(
    const struct fpi_table *t, const char *site, const struct civil *date, struct strvec *out, struct err *err)
{
	const struct node *instruments = node_get(t->root, "instruments");
	int64_t day = civil_days(date->year, date->month, date->day);

	if (entry(t, "sites", "site", "unknown_site", site, err) == NULL)
		return -1;
	for (size_t i = 0; i < instruments->n; i++) {
		const char *at = station_on(instruments->item[i], day);

		if (at != NULL && strcmp(at, site) == 0)
			strvec_push(out, instruments->key[i]->text);
	}
	return 0;
}
