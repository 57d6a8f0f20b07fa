#include "config.h"

#include "assets/fpi_analysis.h"

#include "base/mem.h"
#include "base/template.h"
#include "store/sync.h"

#include <stdlib.h>
#include <string.h>

#define AUX_MAX 2000

struct fpi_input_list {
	struct store *store;
	struct store_entry *entries; /* keys and ETags, same order as files */
	struct fpi_file *files;
	size_t n, cap;
};

struct place {
	const struct fpi_setup *setup;
	char year[8], date[16];
};

static const char *place_value(void *arg, const char *name, size_t *n)
{
	const struct place *p = arg;
	const struct {
		const char *name, *value;
	} row[] = {
	    {"instrument", p->setup->instrument.name},
	    {"site", p->setup->site.abbr},
	    {"year", p->year},
	    {"date", p->date},
	};

	for (size_t i = 0; i < NITEMS(row); i++)
		if (strcmp(row[i].name, name) == 0) {
			*n = strlen(row[i].value);
			return row[i].value;
		}
	return NULL;
}

/* The day `offset` days after the observation date. */
static void place_of(const struct fpi_setup *setup, int offset, struct place *p)
{
	struct civil c;

	civil_from_days(civil_days(setup->date.year, setup->date.month, setup->date.day) + offset, &c);
	p->setup = setup;
	snprintf(p->year, sizeof(p->year), "%04d", c.year % 10000);
	snprintf(p->date, sizeof(p->date), "%04d%02d%02d", c.year % 10000, c.month, c.day);
}

static const char *base_name(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? slash + 1 : key;
}

static void take(struct fpi_input_list *l, struct store_entry *e)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->entries = xreallocarray(l->entries, l->cap, sizeof(*l->entries));
		l->files = xreallocarray(l->files, l->cap, sizeof(*l->files));
	}
	l->entries[l->n] = *e;
	l->files[l->n] = (struct fpi_file){
	    .name = base_name(e->key), .path = e->key, .size = (uint64_t)MAX(e->size, (int64_t)0)};
	l->n++;
	e->key = NULL;
}

/* Keys directly below the prefix; sub-folders and empty marker objects are not files of a day. */
static int add_listing(struct fpi_input_list *l, const char *prefix, size_t limit, struct err *err)
{
	struct store_listing found;

	if (store_sync_list(l->store, prefix, limit, &found, err) == -1)
		return err_wrap(err, "%s", prefix);
	for (size_t i = 0; i < found.n; i++) {
		const char *rest = found.v[i].key + strlen(prefix);

		if (strchr(rest, '/') == NULL && base_name(found.v[i].key)[0] != '\0')
			take(l, &found.v[i]);
	}
	store_listing_release(&found);
	return 0;
}

static int add_folder(struct fpi_input_list *l, const char *template, const struct fpi_setup *setup, int offset,
    const char *name_prefix, size_t limit, struct err *err)
{
	struct strbuf prefix = STRBUF_INIT(STORE_KEY_MAX);
	struct place p;
	int rc;

	place_of(setup, offset, &p);
	rc = template_expand(template, place_value, &p, &prefix, err);
	if (rc == 0 && prefix.len > 0 && prefix.buf[prefix.len - 1] != '/')
		strbuf_addch(&prefix, '/');
	if (rc == 0 && name_prefix != NULL)
		rc = template_expand(name_prefix, place_value, &p, &prefix, err);
	if (rc == 0)
		rc = add_listing(l, prefix.buf, limit, err);
	strbuf_release(&prefix);
	return rc;
}

static bool has_name(const struct fpi_input_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->files[i].name, name) == 0)
			return true;
	return false;
}

/* A file that was archived counts before its original in the raw place. */
static int add_aux(struct fpi_input_list *l, const char *template, const struct fpi_setup *setup, int offset,
    const char *name_prefix, struct err *err)
{
	struct fpi_input_list found = {.store = l->store};

	if (add_folder(&found, template, setup, offset, name_prefix, AUX_MAX, err) == -1)
		return -1;
	for (size_t i = 0; i < found.n; i++) {
		if (has_name(l, found.files[i].name))
			store_entry_release(&found.entries[i]);
		else
			take(l, &found.entries[i]);
	}
	free(found.entries);
	free(found.files);
	return 0;
}

static int find_aux(const struct fpi_analysis_conf *conf, const struct fpi_setup *setup,
    struct fpi_input_list *l, struct err *err)
{
	static const char *const log_names[] = {
	    "TempL_{site}_{date}", "TempL00_{site}_{date}", "TempL01_{site}_{date}"};

	/*
	 * Files are named by local date; the night has two, and dates around them cost nothing.  The file of 1 January may
	 * lie in the folder of the night's year or of its own.
	 */
	for (int day = -1; day <= 2; day++) {
		if (add_aux(l, conf->clouds, setup, day, "Cloud_{site}_{date}", err) == -1 ||
		    add_aux(l, conf->raw, setup, day, "Cloud_{site}_{date}", err) == -1)
			return -1;
		for (size_t i = 0; i < NITEMS(log_names); i++)
			if (add_aux(l, conf->templogs, setup, day, log_names[i], err) == -1 ||
			    add_aux(l, conf->raw, setup, day, log_names[i], err) == -1)
				return -1;
	}
	return 0;
}

/* The neighbour year's folder, for nights at the turn of the year. */
static int find_aux_other_year(const struct fpi_analysis_conf *conf, const struct fpi_setup *setup,
    struct fpi_input_list *l, struct err *err)
{
	struct place night, next;
	char name[96];

	place_of(setup, 0, &night);
	place_of(setup, 1, &next);
	if (strcmp(night.year, next.year) == 0)
		return 0;
	snprintf(name, sizeof(name), "Cloud_%s_%s", setup->site.abbr, next.date);
	return add_aux(l, conf->clouds, setup, 0, name, err);
}

static int read_file(void *arg, size_t i, struct strbuf *out, struct err *err)
{
	const struct fpi_input_list *l = arg;
	const struct store_entry *e = &l->entries[i];
	struct err why;

	if (store_sync_get(l->store, e->key, e->etag, out, NULL, err) == 0)
		return 0;
	/* Another instrument's run copies the cloud file of their common site: the next attempt lists anew. */
	if (err != NULL && (err_is(err, "precondition") || err_is(err, "not_found"))) {
		why = *err;
		err_code(err, ERR_TRANSIENT, "changed", "an input changed while it was read: %s", why.text);
	}
	return -1;
}

static struct fpi_source source_of(struct fpi_input_list *l)
{
	return (struct fpi_source){
	    .files = l->files, .n = l->n, .arg = l, .concurrent = false, .read = read_file};
}

static struct fpi_input_list *list_new(struct store *store)
{
	struct fpi_input_list *l = xcalloc(1, sizeof(*l));

	l->store = store;
	return l;
}

static void list_free(struct fpi_input_list *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++)
		store_entry_release(&l->entries[i]);
	free(l->entries);
	free(l->files);
	free(l);
}

int fpi_inputs_find(const struct fpi_analysis_conf *conf, struct store *store, const struct fpi_setup *setup,
    struct fpi_inputs *out, struct err *err)
{
	struct fpi_inputs in = {.image_list = list_new(store), .aux_list = list_new(store)};

	for (int day = -1; day <= 1; day++)
		if (add_folder(in.image_list, conf->images, setup, day, NULL, (size_t)conf->max_images, err) ==
		    -1)
			goto fail;
	if (find_aux(conf, setup, in.aux_list, err) == -1 ||
	    find_aux_other_year(conf, setup, in.aux_list, err) == -1)
		goto fail;
	in.images = source_of(in.image_list);
	in.aux = source_of(in.aux_list);
	*out = in;
	return 0;
fail:
	fpi_inputs_release(&in);
	return -1;
}

void fpi_inputs_release(struct fpi_inputs *in)
{
	list_free(in->image_list);
	list_free(in->aux_list);
	*in = (struct fpi_inputs){0};
}
