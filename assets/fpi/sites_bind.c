#include "config.h"

#include "assets/fpi/sites_bind.h"

#include "base/suggest.h"

#include <math.h>

#define FIELD(s, f)  .off = offsetof(struct s, f), .size = sizeof(((struct s *)0)->f)
#define SITE(f)      FIELD(fpi_site, f)
#define INS(f)       FIELD(fpi_instrument, f)
#define DEF(f)       FIELD(fpi_defaults, f)
#define WITHIN(a, b) .min = (a), .max = (b)

static const struct sites_key table_keys[] = {
    {"version", SITES_INT, SITES_REQUIRED},
    {"networks", SITES_ANY},
    {"sites", SITES_ANY, SITES_REQUIRED},
    {"instruments", SITES_ANY, SITES_REQUIRED},
    {0},
};
const struct sites_schema sites_table_schema = {"the table", table_keys};

static const struct sites_key site_keys[] = {
    {"name", SITES_TEXT, SITES_REQUIRED, SITE(name)},
    {"location", SITES_LOCATION, SITES_REQUIRED, SITE(lat_deg)},
    {"timezone", SITES_TEXT, SITES_REQUIRED, SITE(timezone)},
    {"epochs", SITES_ANY},
    {"network", SITES_TEXT, SITES_NULLABLE, SITE(network)},
    {"sql_id", SITES_INT64, SITES_NULLABLE, SITE(sql_id)},
    {"share", SITES_BOOL, 0, SITE(share)},
    {"borders", SITES_BOOL, 0, SITE(borders)},
    {"cloud_thresh_C", SITES_DOUBLE, SITES_NULLABLE, SITE(cloud_thresh_C)},
    {"buffer_time_min", SITES_DOUBLE, SITES_NULLABLE, SITE(buffer_time_min)},
    {"directions", SITES_DIRECTIONS, SITES_REQUIRED, SITE(directions)},
    {0},
};
const struct sites_schema sites_site_schema = {"a site", site_keys};

static const struct sites_key location_keys[] = {
    {"lat_deg", SITES_DOUBLE, SITES_REQUIRED, SITE(lat_deg), WITHIN(-90, 90)},
    {"lon_deg", SITES_DOUBLE, SITES_REQUIRED, SITE(lon_deg), WITHIN(-360, 360)},
    {"alt_m", SITES_DOUBLE, SITES_REQUIRED, SITE(alt_m), WITHIN(-500, 9000)},
    {0},
};
static const struct sites_schema location_schema = {"a location", location_keys};

static const struct sites_key direction_keys[] = {
    {"az", SITES_DOUBLE, SITES_REQUIRED, FIELD(fpi_direction, az), WITHIN(-360, 360)},
    {"ze", SITES_DOUBLE, SITES_REQUIRED, FIELD(fpi_direction, ze), WITHIN(-180, 180)},
    {"exptime_s", SITES_DOUBLE, 0, FIELD(fpi_direction, exposure_s), WITHIN(0, 86400)},
    {0},
};
static const struct sites_schema direction_schema = {"a direction", direction_keys};

static const struct sites_key instrument_keys[] = {
    {"stations", SITES_RANGES, SITES_REQUIRED},
    {"estimate_blur", SITES_BOOL},
    {"bad_wind_dates", SITES_RANGES},
    {"bad_temperature_dates", SITES_RANGES},
    {"params", SITES_ANY, SITES_REQUIRED},
    {"epochs", SITES_ANY},
    {0},
};
const struct sites_schema sites_instrument_schema = {"an instrument", instrument_keys};

static const struct sites_key params_keys[] = {
    {"N", SITES_INT, SITES_NEEDED, INS(N), WITHIN(10, FPI_ANNULI_MAX)},
    {"N0", SITES_INT, SITES_NEEDED, INS(N0), WITHIN(0, FPI_ANNULI_MAX)},
    {"N1", SITES_INT, SITES_NEEDED, INS(N1), WITHIN(1, FPI_ANNULI_MAX)},
    {"focal_length_m", SITES_DOUBLE, SITES_NEEDED, INS(focal_length_m), WITHIN(0.001, 100)},
    {"pix_size_m", SITES_DOUBLE, SITES_NEEDED, INS(pix_size_m), WITHIN(1e-7, 1e-2)},
    {"lam_laser_m", SITES_DOUBLE, SITES_NEEDED, INS(lam_laser_m), WITHIN(1e-7, 1e-5)},
    {"lam0_m", SITES_DOUBLE, SITES_NEEDED, INS(lam0_m), WITHIN(1e-7, 1e-5)},
    {"lam0_green_m", SITES_DOUBLE, 0, INS(lam0_green_m), WITHIN(1e-7, 1e-5)},
    {"nominal_gap_m", SITES_DOUBLE, SITES_NEEDED, INS(nominal_gap_m), WITHIN(1e-4, 1)},
    {"many_fringes", SITES_BOOL, 0, INS(many_fringes)},
    {"sql_winds_id", SITES_INT64, SITES_NULLABLE, INS(sql_winds_id)},
    {"sql_temperatures_id", SITES_INT64, SITES_NULLABLE, INS(sql_temperatures_id)},
    {"sql_diagnostics_id", SITES_INT64, SITES_NULLABLE, INS(sql_diagnostics_id)},
    {"sql_green_winds_id", SITES_INT64, SITES_NULLABLE, INS(sql_green_winds_id)},
    {"sql_green_temperatures_id", SITES_INT64, SITES_NULLABLE, INS(sql_green_temperatures_id)},
    {"send_to_madrigal", SITES_BOOL, 0, INS(send_to_madrigal)},
    {"skyI_quality_thresh", SITES_THRESHOLDS, 0, INS(skyI_thresh)},
    {"skyB_quality_thresh", SITES_THRESHOLD, SITES_NULLABLE, INS(skyB_thresh)},
    {"plot_ref", SITES_TEXT, 0, INS(plot_ref)},
    {"expected_tags", SITES_TAGS, SITES_NEEDED, INS(tags)},
    {"default_params", SITES_DEFAULTS, SITES_NEEDED, INS(defaults)},
    {0},
};
const struct sites_schema sites_params_schema = {"an instrument's parameters", params_keys};

static const struct sites_key defaults_keys[] = {
    {"R", SITES_DOUBLE, SITES_REQUIRED, DEF(R), WITHIN(0, 1)},
    {"alpha", SITES_DOUBLE, SITES_REQUIRED, DEF(alpha)},
    {"I", SITES_DOUBLE, SITES_REQUIRED, DEF(I)},
    {"B", SITES_DOUBLE, SITES_REQUIRED, DEF(B)},
    {"a1", SITES_DOUBLE, SITES_REQUIRED, DEF(a1)},
    {"a2", SITES_DOUBLE, SITES_REQUIRED, DEF(a2)},
    {"b0", SITES_DOUBLE, SITES_REQUIRED, DEF(b0)},
    {"b1", SITES_DOUBLE, SITES_REQUIRED, DEF(b1)},
    {"b2", SITES_DOUBLE, SITES_REQUIRED, DEF(b2)},
    {"center", SITES_CENTER, SITES_REQUIRED, DEF(center_x)},
    {0},
};
static const struct sites_schema defaults_schema = {"default_params", defaults_keys};

static const struct sites_key epoch_keys[] = {
    {"from", SITES_DATE, SITES_REQUIRED},
    {"set", SITES_ANY, SITES_REQUIRED},
    {0},
};
const struct sites_schema sites_epoch_schema = {"an epoch", epoch_keys};

static const struct sites_key station_keys[] = {
    {"site", SITES_TEXT, SITES_REQUIRED},
    {"start", SITES_DATE, SITES_REQUIRED},
    {"stop", SITES_DATE, SITES_REQUIRED | SITES_NULLABLE},
    {0},
};
const struct sites_schema sites_station_schema = {"a station", station_keys};

static const struct sites_key bad_dates_keys[] = {
    {"start", SITES_DATE, SITES_REQUIRED},
    {"stop", SITES_DATE, SITES_REQUIRED | SITES_NULLABLE},
    {"flag", SITES_INT, SITES_REQUIRED, WITHIN(0, 2)},
    {0},
};
const struct sites_schema sites_bad_dates_schema = {"a range of bad dates", bad_dates_keys};

/* ---- values */

int sites_date(const struct node *n, int64_t *days)
{
	int y, m, d, end = 0;

	if (n == NULL || n->kind != NODE_TEXT || strlen(n->text) != 10 ||
	    sscanf(n->text, "%4d-%2d-%2d%n", &y, &m, &d, &end) != 3 || end != 10 || !civil_is_date(y, m, d))
		return -1;
	*days = civil_days(y, m, d);
	return 0;
}

static void wrong(struct diags *diags, const struct node *n, const char *key, const char *want)
{
	diag_add(diags, DIAG_ERROR, &n->mark, "type", "'%s' must be %s, not %s%s%s", key, want,
	    n->kind == NODE_TEXT ? "'" : "a ", n->kind == NODE_TEXT ? n->text : node_kind_name(n->kind),
	    n->kind == NODE_TEXT ? "'" : "");
}

static bool out_of_range(const struct sites_key *k, const struct node *n, double v, struct diags *diags)
{
	if (!(k->max > k->min) || (v >= k->min && v <= k->max))
		return false;
	diag_add(diags, DIAG_ERROR, &n->mark, "value", "'%s' must lie between %g and %g, not be %s", k->name,
	    k->min, k->max, n->text);
	return true;
}

static void bind_text(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	if (n->kind != NODE_TEXT)
		wrong(diags, n, k->name, "a text");
	else if (k->size > 0 && strlen(n->text) >= k->size)
		diag_add(diags, DIAG_ERROR, &n->mark, "value", "'%s' is longer than %zu bytes", k->name,
		    k->size - 1);
	else if (to != NULL)
		snprintf(to, k->size, "%s", n->text);
}

static void bind_double(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	double v;

	if (node_as_double(n, &v) == -1)
		wrong(diags, n, k->name, "a number");
	else if (!out_of_range(k, n, v, diags) && to != NULL)
		*(double *)to = v;
}

static void bind_int(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	int64_t v;

	if (node_as_int(n, &v) == -1)
		wrong(diags, n, k->name, "a whole number");
	else if (k->kind == SITES_INT && (v < INT32_MIN || v > INT32_MAX))
		wrong(diags, n, k->name, "a smaller number");
	else if (out_of_range(k, n, (double)v, diags) || to == NULL)
		return;
	else if (k->kind == SITES_INT)
		*(int *)to = (int)v;
	else
		*(int64_t *)to = v;
}

static void bind_bool(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	bool v;

	if (node_as_bool(n, &v) == -1)
		wrong(diags, n, k->name, "true or false");
	else if (to != NULL)
		*(bool *)to = v;
}

static void bind_date(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	int64_t days;

	if (sites_date(n, &days) == -1)
		wrong(diags, n, k->name, "a date such as 2026-04-17");
}

/* A list of two numbers; -1 once it was reported.  null stands for -INFINITY where it is allowed. */
static int read_pair(
    const struct sites_key *k, const struct node *n, bool nullable, double v[2], struct diags *diags)
{
	if (n->kind != NODE_LIST || n->n != 2) {
		wrong(diags, n, k->name, "a list of two numbers");
		return -1;
	}
	for (int i = 0; i < 2; i++) {
		if (nullable && node_is_null(n->item[i])) {
			v[i] = -INFINITY;
		} else if (node_as_double(n->item[i], &v[i]) == -1) {
			wrong(diags, n->item[i], k->name,
			    nullable ? "a list of numbers or nulls" : "a list of numbers");
			return -1;
		}
	}
	return 0;
}

static void bind_thresholds(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	double v[2];

	if (read_pair(k, n, true, v, diags) == 0 && to != NULL)
		memcpy(to, v, sizeof(v));
}

static void bind_center(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	double v[2];

	if (read_pair(k, n, false, v, diags) == -1 || to == NULL)
		return;
	struct fpi_defaults *d = CONTAINER_OF(to, struct fpi_defaults, center_x);
	d->center_x = v[0];
	d->center_y = v[1];
}

static void bind_tags(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	char tags[FPI_TAGS_MAX][FPI_NAME_MAX] = {0};

	if (n->kind != NODE_LIST || n->n == 0 || n->n > FPI_TAGS_MAX) {
		diag_add(diags, DIAG_ERROR, &n->mark, "type", "'%s' must be a list of 1 to %d tags", k->name,
		    FPI_TAGS_MAX);
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		const struct node *t = n->item[i];

		if (t->kind != NODE_TEXT || t->text[0] == '\0' || strlen(t->text) >= FPI_NAME_MAX ||
		    strspn(t->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(t->text)) {
			wrong(diags, t, k->name, "a list of tags in capital letters");
			return;
		}
		snprintf(tags[i], sizeof(tags[i]), "%s", t->text);
	}
	if (to == NULL)
		return;
	memcpy(to, tags, sizeof(tags));
	CONTAINER_OF(to, struct fpi_instrument, tags)->ntags = n->n;
}

static void bind_location(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	if (n->kind != NODE_MAP) {
		wrong(diags, n, k->name, "a mapping");
		return;
	}
	sites_require(&location_schema, n, diags);
	sites_bind(&location_schema, n, to != NULL ? CONTAINER_OF(to, struct fpi_site, lat_deg) : NULL, diags);
}

/* Always replaced as a whole. */
static void bind_defaults(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	if (n->kind != NODE_MAP) {
		wrong(diags, n, k->name, "a mapping");
		return;
	}
	sites_require(&defaults_schema, n, diags);
	sites_bind(&defaults_schema, n, to, diags);
}

static void bind_directions(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	struct fpi_site *site = to != NULL ? CONTAINER_OF(to, struct fpi_site, directions) : NULL;

	if (n->kind != NODE_MAP || n->n > FPI_DIRECTIONS_MAX) {
		diag_add(diags, DIAG_ERROR, &n->mark, "type", "'%s' must be a mapping of at most %d names",
		    k->name, FPI_DIRECTIONS_MAX);
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		struct fpi_direction d = {.az = NAN, .ze = NAN, .exposure_s = NAN};

		if (strlen(n->key[i]->text) >= sizeof(d.name))
			diag_add(
			    diags, DIAG_ERROR, &n->key[i]->mark, "value", "the direction's name is too long");
		snprintf(d.name, sizeof(d.name), "%s", n->key[i]->text);
		d.has_angles = !node_is_null(n->item[i]);
		if (d.has_angles && n->item[i]->kind != NODE_MAP) {
			wrong(diags, n->item[i], d.name, "a mapping or null");
		} else if (d.has_angles) {
			sites_require(&direction_schema, n->item[i], diags);
			sites_bind(&direction_schema, n->item[i], &d, diags);
		}
		if (site != NULL)
			site->directions[i] = d;
	}
	if (site != NULL)
		site->ndirections = n->n;
}

static void bind_ranges(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
	if (n->kind != NODE_LIST)
		wrong(diags, n, k->name, "a list");
}

static void bind_any(const struct sites_key *k, const struct node *n, void *to, struct diags *diags)
{
}

/* One row per kind: how a value is read, what stands for null, what stands for "not known". */
static const struct {
	void (*bind)(const struct sites_key *, const struct node *, void *to, struct diags *);
	double null_value, unknown;
} kinds[] = {
    [SITES_ANY] = {bind_any},
    [SITES_TEXT] = {bind_text},
    [SITES_DOUBLE] = {bind_double, NAN, NAN},
    [SITES_INT] = {bind_int, 0, -1},
    [SITES_INT64] = {bind_int, 0, 0},
    [SITES_BOOL] = {bind_bool},
    [SITES_DATE] = {bind_date},
    [SITES_DIRECTIONS] = {bind_directions},
    [SITES_THRESHOLDS] = {bind_thresholds, -INFINITY, -INFINITY},
    [SITES_CENTER] = {bind_center},
    [SITES_THRESHOLD] = {bind_double, INFINITY, INFINITY},
    [SITES_TAGS] = {bind_tags},
    [SITES_LOCATION] = {bind_location, NAN, NAN},
    [SITES_DEFAULTS] = {bind_defaults, NAN, NAN},
    [SITES_RANGES] = {bind_ranges},
};

/* The members of a kind are numbers of one type, or bytes that zero clears. */
static void fill(const struct sites_key *k, void *to, double v)
{
	if (k->kind == SITES_INT)
		*(int *)to = (int)v;
	else if (k->kind == SITES_INT64)
		*(int64_t *)to = (int64_t)v;
	else if (k->kind == SITES_DOUBLE || k->kind == SITES_THRESHOLD || k->kind == SITES_THRESHOLDS ||
	         k->kind == SITES_LOCATION || k->kind == SITES_DEFAULTS)
		for (size_t i = 0; i < k->size / sizeof(double); i++)
			((double *)to)[i] = v;
	else
		memset(to, 0, k->size);
}

static const struct sites_key *find_key(const struct sites_schema *schema, const char *name)
{
	for (const struct sites_key *k = schema->keys; k->name != NULL; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static const char *nth_name(const void *arg, size_t i)
{
	const struct sites_schema *schema = arg;

	for (size_t j = 0; j < i; j++)
		if (schema->keys[j].name == NULL)
			return NULL;
	return schema->keys[i].name;
}

static void unknown_key(const struct sites_schema *schema, const struct node *key, struct diags *diags)
{
	const char *near = suggest_nearest(key->text, nth_name, schema);

	diag_add(diags, DIAG_ERROR, &key->mark, "unknown", "unknown key '%s' in %s%s%s%s", key->text,
	    schema->what, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

void sites_bind(const struct sites_schema *schema, const struct node *map, void *out, struct diags *diags)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct sites_key *k = find_key(schema, map->key[i]->text);
		void *to = out != NULL && k != NULL && k->size > 0 ? (char *)out + k->off : NULL;

		if (k == NULL)
			unknown_key(schema, map->key[i], diags);
		else if (!((k->flags & SITES_NULLABLE) && node_is_null(map->item[i])))
			kinds[k->kind].bind(k, map->item[i], to, diags);
		else if (to != NULL)
			fill(k, to, kinds[k->kind].null_value);
	}
}

void sites_require(const struct sites_schema *schema, const struct node *map, struct diags *diags)
{
	for (const struct sites_key *k = schema->keys; k->name != NULL; k++)
		if ((k->flags & SITES_REQUIRED) && node_get(map, k->name) == NULL)
			diag_add(
			    diags, DIAG_ERROR, &map->mark, "missing", "%s has no '%s'", schema->what, k->name);
}

void sites_defaults(const struct sites_schema *schema, void *out)
{
	for (const struct sites_key *k = schema->keys; k->name != NULL; k++)
		if (k->size > 0)
			fill(k, (char *)out + k->off, kinds[k->kind].unknown);
}

static bool is_known(const struct sites_key *k, const void *at)
{
	if (k->kind == SITES_INT)
		return *(const int *)at != -1;
	if (k->kind == SITES_DOUBLE || k->kind == SITES_DEFAULTS)
		return !isnan(*(const double *)at);
	return *(const char *)at != '\0';
}

const char *sites_missing(const struct sites_schema *schema, const void *out)
{
	for (const struct sites_key *k = schema->keys; k->name != NULL; k++)
		if ((k->flags & SITES_NEEDED) && !is_known(k, (const char *)out + k->off))
			return k->name;
	return NULL;
}
