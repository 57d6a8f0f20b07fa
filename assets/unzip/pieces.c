#include "config.h"

#include "assets/unzip/pieces.h"

#include "base/mem.h"
#include "formats/checkfile.h"
#include "step/step.h"

#include <inttypes.h>

const char *pieces_base_name(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash != NULL ? slash + 1 : key;
}

void pieces_release(struct pieces *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		store_entry_release(&ps->v[i]);
	free(ps->v);
	store_entry_release(&ps->check);
	*ps = (struct pieces){0};
}

/* The number behind `name` in a piece's key; -1: it is no piece of this archive. */
static int64_t piece_index(const char *key, const char *name, int64_t digits)
{
	const char *base = pieces_base_name(key);
	size_t n = strlen(name);

	if (strncmp(base, name, n) != 0 || strlen(base + n) != (size_t)digits ||
	    strspn(base + n, "0123456789") != (size_t)digits)
		return -1;
	return strtoll(base + n, NULL, 10);
}

static void take(struct pieces *ps, struct store_entry *e)
{
	ps->v = xreallocarray(ps->v, ps->n + 1, sizeof(*ps->v));
	ps->v[ps->n++] = *e;
	ps->bytes += e->size;
	*e = (struct store_entry){0};
}

static int find_listed(struct step *step, struct store *st, const struct unzip_conf *conf, const char *prefix,
    const char *name, struct pieces *ps, struct err *err)
{
	struct store_listing list = {0};
	char *start = xasprintf("%s%s", prefix, name);
	int rc = store_sync_list(st, start, (size_t)conf->max_chunks + 1000, &list, err);

	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		struct store_entry *e = &list.v[i];

		if (strchr(e->key + strlen(prefix), '/') == NULL &&
		    piece_index(e->key, name, conf->digits) >= 0)
			take(ps, e);
		else
			step_log(step, LOG_INFO_, "%s is no piece of this archive: ignored", e->key);
	}
	store_listing_release(&list);
	free(start);
	return rc;
}

/* Keys from outside: only those that belong to this instrument and night. */
static int find_given(struct step *step, struct store *st, const struct unzip_conf *conf, const char *prefix,
    const struct strvec *keys, const char *name, struct pieces *ps, struct err *err)
{
	for (size_t i = 0; i < keys->n; i++) {
		struct store_entry e = {0};

		if (strncmp(keys->v[i], prefix, strlen(prefix)) != 0 ||
		    piece_index(keys->v[i], name, conf->digits) < 0) {
			step_warn(step, "warning:foreign_chunk", "%s is no piece of %s%s: dropped", keys->v[i],
			    prefix, name);
			continue;
		}
		if (store_sync_head(st, keys->v[i], &e, err) == -1) {
			if (err_is(err, "not_found"))
				err_code(
				    err, ERR_BAD_DATA, "chunks.missing", "piece %s is not there", keys->v[i]);
			return -1;
		}
		take(ps, &e);
	}
	if (ps->n == 0)
		return err_code(err, ERR_BAD_DATA, "chunks.missing",
		    "No valid file chunks remain of the %zu given for %s%s", keys->n, prefix, name);
	return 0;
}

static int read_check_file(struct step *step, struct store *st, const struct unzip_conf *conf, const char *key,
    struct pieces *ps, struct checkfile *cf, struct err *err)
{
	struct strbuf text = STRBUF_INIT((size_t)conf->max_manifest_bytes);
	int rc = store_sync_get(st, key, NULL, &text, &ps->check, err);

	if (rc == -1 && (err_is(err, "not_found") || err_is(err, "limit")))
		err_code(err, ERR_BAD_DATA, "manifest", "check file %s: %s", key,
		    err_is(err, "limit") ? "larger than the limit max_manifest_bytes" : "it is not there");
	if (rc == 0)
		rc = checkfile_parse(text.buf, text.len, conf->max_chunks, cf, err);
	strbuf_release(&text);
	return rc;
}

/* Sort by number and compare with the check file, or with nothing but the numbers themselves. */
static int compare(
    struct pieces *ps, const struct checkfile *cf, const char *name, int64_t digits, struct err *err)
{
	struct checkfile_piece *v = xcalloc(ps->n + 1, sizeof(*v));
	struct store_entry *sorted = xcalloc(ps->n + 1, sizeof(*sorted));
	struct checkfile whole = {.pieces = (int64_t)ps->n, .bytes = ps->bytes};
	int rc;

	for (size_t i = 0; i < ps->n; i++)
		v[i] = (struct checkfile_piece){
		    pieces_base_name(ps->v[i].key), piece_index(ps->v[i].key, name, digits), ps->v[i].size};
	snprintf(whole.first, sizeof(whole.first), "%s%0*d", name, (int)digits, 0);
	rc = checkfile_compare(cf != NULL ? cf : &whole, v, ps->n, err);
	/* The numbers are 0..n-1, each once. */
	for (size_t i = 0; rc == 0 && i < ps->n; i++)
		sorted[piece_index(ps->v[i].key, name, digits)] = ps->v[i];
	if (rc == 0)
		memcpy(ps->v, sorted, ps->n * sizeof(*sorted));
	free(sorted);
	free(v);
	return rc;
}

static int find(struct step *step, struct store *st, const struct unzip_conf *conf,
    const struct unzip_run_conf *run, const char *prefix, const char *name, const char *check_key,
    struct pieces *ps, struct err *err)
{
	struct checkfile cf;
	int rc;

	if (run->file_chunks.n > 0)
		rc = find_given(step, st, conf, prefix, &run->file_chunks, name, ps, err);
	else
		rc = find_listed(step, st, conf, prefix, name, ps, err);
	if (rc == 0 && ps->n > (size_t)conf->max_chunks)
		return err_code(err, ERR_BAD_DATA, "limit.chunks", "more than %" PRId64 " pieces %s%s",
		    conf->max_chunks, prefix, name);
	if (rc == -1)
		return -1;
	if (check_key != NULL) {
		rc = read_check_file(step, st, conf, check_key, ps, &cf, err);
		if (rc == -1 && ps->n == 0 && ps->check.key == NULL && err_is(err, "manifest"))
			return err_code(err, ERR_BAD_DATA, "not_found",
			    "No file chunks found with prefix %s%s, and no check file %s", prefix, name,
			    check_key);
		ps->no_data = rc == 0 && checkfile_no_data(&cf);
		if (rc == -1 || ps->no_data)
			return rc;
	}
	if (ps->n == 0)
		return err_code(
		    err, ERR_BAD_DATA, "not_found", "No file chunks found with prefix %s%s", prefix, name);
	return compare(ps, check_key != NULL ? &cf : NULL, name, conf->digits, err);
}

int pieces_find(struct step *step, struct store *st, const struct unzip_conf *conf,
    const struct unzip_run_conf *run, const struct run_names *names, struct pieces *out, struct err *err)
{
	char *prefix = run_names_key(names, conf->prefix, err);
	char *name = prefix != NULL ? run_names_key(names, conf->pieces, err) : NULL;
	char *check =
	    name != NULL && conf->check_file != NULL ? run_names_key(names, conf->check_file, err) : NULL;
	struct pieces ps = {0};
	int rc = -1;

	if (name != NULL && (check != NULL || conf->check_file == NULL)) {
		char *key = check != NULL ? xasprintf("%s%s", prefix, check) : NULL;

		if (run->instrument_log_file != NULL)
			xstrset(&key, run->instrument_log_file);
		rc = find(step, st, conf, run, prefix, name, key, &ps, err);
		free(key);
	}
	free(check);
	free(name);
	free(prefix);
	if (rc == -1)
		pieces_release(&ps);
	else
		*out = ps;
	return rc;
}
