/* The sensor of instruments that cut an archive into numbered pieces and send a check file along. */
#include "config.h"

#include "sensors/chunked_upload.h"

#include "base/mem.h"
#include "sensors/upload_walk.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

static const struct opt chunked_upload_opts[] = {
    {.name = "store",
        .type = OPT_STORE,
        .off = offsetof(struct chunked_upload_conf, store),
        .flags = OPT_REQUIRED,
        .help = "where the uploads arrive"},
    {.name = "prefix",
        .type = OPT_STRLIST,
        .off = offsetof(struct chunked_upload_conf, prefixes),
        .def = "",
        .max = "100",
        .flags = OPT_PREFIXES,
        .help = "the folder watched, or several that are listed at the same time; what lies in sub-folders is "
                "ignored; "
                "templates know it as {prefix}, without slash at the end"},
    {.name = "part",
        .type = OPT_PATTERN,
        .off = offsetof(struct chunked_upload_conf, part),
        .flags = OPT_REQUIRED,
        .help = "regular expression for the name of a piece; its named groups tell uploads apart and fill "
                "templates"},
    {.name = "check_file",
        .type = OPT_TEMPLATE,
        .off = offsetof(struct chunked_upload_conf, check_file),
        .flags = OPT_REQUIRED,
        .help = "name of the check file (first piece, number of pieces, bytes), from the groups of part"},
    {.name = "index_group",
        .type = OPT_STRING,
        .off = offsetof(struct chunked_upload_conf, index_group),
        .def = "part",
        .help = "the group of part that holds the number of the piece"},
    {.name = "date_group",
        .type = OPT_STRING,
        .off = offsetof(struct chunked_upload_conf, date_group),
        .def = "date",
        .help = "the group of part that must be a real date YYYYMMDD if there is such a group; older uploads "
                "go first"},
    {.name = "complete_when",
        .type = OPT_STRLIST,
        .off = offsetof(struct chunked_upload_conf, complete_when),
        .help = "what must agree with the check file: any of count, indices (0 to n-1, each once), bytes; all "
                "when not given"},
    {.name = "stale_after",
        .type = OPT_DURATION,
        .off = offsetof(struct chunked_upload_conf, stale_after),
        .def = "1d",
        .min = "0s",
        .help = "an incomplete upload unchanged for longer is shown as stale; 0s never"},
    {.name = "max_keys",
        .type = OPT_INT,
        .off = offsetof(struct chunked_upload_conf, max_keys),
        .def = "1000000",
        .min = "1",
        .max = "100000000",
        .help = "a listing longer than this fails the tick"},
    {.name = "max_pieces",
        .type = OPT_INT,
        .off = offsetof(struct chunked_upload_conf, max_pieces),
        .def = "100000",
        .min = "1",
        .max = "10000000",
        .help = "most pieces of one upload that are believed"},
    {.name = "check_size",
        .type = OPT_SIZE,
        .off = offsetof(struct chunked_upload_conf, check_size),
        .def = "64KiB",
        .min = "64B",
        .max = "1MiB",
        .help = "a larger check file is not read"},
    {.name = "check_reads",
        .type = OPT_INT,
        .off = offsetof(struct chunked_upload_conf, check_reads),
        .def = "8",
        .min = "1",
        .max = "64",
        .help = "check files read at the same time"},
    OPT_END,
};

/* ---- the type ---- */

static int read_complete_when(const struct chunked_upload_conf *conf, unsigned *when, struct err *err)
{
	static const struct {
		const char *name;
		unsigned flag;
	} words[] = {{"count", COMPLETE_COUNT}, {"indices", COMPLETE_INDICES}, {"bytes", COMPLETE_BYTES}};

	*when = 0;
	for (size_t i = 0; i < conf->complete_when.n; i++) {
		unsigned flag = 0;

		for (size_t k = 0; k < NITEMS(words); k++)
			if (strcmp(conf->complete_when.v[i], words[k].name) == 0)
				flag = words[k].flag;
		if (flag == 0)
			return err_set(err, ERR_CONFIG,
			    "complete_when: '%.60s' is none of count, indices, bytes",
			    conf->complete_when.v[i]);
		*when |= flag;
	}
	if (*when == 0)
		*when = COMPLETE_COUNT | COMPLETE_INDICES | COMPLETE_BYTES;
	return 0;
}

/* Each empty or with a slash at its end; none is the whole store. */
static void read_prefixes(const struct chunked_upload_conf *conf, struct strvec *out)
{
	for (size_t i = 0; i < conf->prefixes.n; i++) {
		const char *prefix = conf->prefixes.v[i];
		size_t n = strlen(prefix);

		strvec_pushf(out, "%s%s", prefix, n > 0 && prefix[n - 1] != '/' ? "/" : "");
	}
	if (out->n == 0)
		strvec_push(out, "");
}

/* One within another would see the same objects and say something else of them. */
static int check_prefixes(const struct chunked_upload_conf *conf, struct err *err)
{
	struct strvec v = STRVEC_INIT;
	int rc = 0;

	read_prefixes(conf, &v);
	for (size_t i = 0; i < v.n && rc == 0; i++)
		for (size_t k = 0; k < v.n && rc == 0; k++)
			if (k != i && strncmp(v.v[i], v.v[k], strlen(v.v[i])) == 0)
				rc = err_set(err, ERR_CONFIG, "prefix: '%s' lies in '%s'", v.v[k], v.v[i]);
	strvec_release(&v);
	return rc;
}

static struct upload_names *names_of(const struct chunked_upload_conf *conf, struct err *err)
{
	return upload_names_new(conf->part, conf->check_file, conf->index_group, conf->date_group, err);
}

static int chunked_upload_check(const void *arg, struct err *err)
{
	struct upload_names *names;
	unsigned when;

	if ((names = names_of(arg, err)) == NULL)
		return -1;
	upload_names_free(names);
	return check_prefixes(arg, err) == -1 ? -1 : read_complete_when(arg, &when, err);
}

static int chunked_upload_names(
    const void *conf, void (*add)(void *arg, const char *name), void *arg, struct err *err)
{
	struct upload_names *names = names_of(conf, err);
	bool taken = false;
	const char *name;

	if (names == NULL)
		return -1;
	for (size_t i = 0; (name = upload_names_group(names, i)) != NULL; i++) {
		taken |= strcmp(name, UPLOAD_PREFIX_NAME) == 0;
		add(arg, name);
	}
	if (!taken)
		add(arg, UPLOAD_PREFIX_NAME);
	upload_names_free(names);
	return 0;
}

static void chunked_upload_stop(void *mem)
{
	struct chunked_upload *cu = mem;

	if (cu->walk != NULL)
		upload_walk_free(cu->walk);
	upload_table_release(&cu->table);
	upload_names_free(cu->names);
	strvec_release(&cu->prefixes);
	free(cu);
}

static void *chunked_upload_start(const void *arg, struct err *err)
{
	const struct chunked_upload_conf *conf = arg;
	struct chunked_upload *cu = xcalloc(1, sizeof(*cu));

	cu->conf = conf;
	read_prefixes(conf, &cu->prefixes);
	cu->names = names_of(conf, err);
	if (cu->names == NULL || read_complete_when(conf, &cu->complete_when, err) == -1) {
		chunked_upload_stop(cu);
		return NULL;
	}
	return cu;
}

static int chunked_upload_tick(void *mem, struct tick *tick, struct err *err)
{
	struct chunked_upload *cu = mem;
	struct store *store = tick_store(tick, cu->conf->store, err);

	if (store == NULL)
		return -1;
	assert(cu->walk == NULL);
	cu->walk = upload_walk_start(cu, store, tick);
	return 0;
}

/* The upload stands for all its keys: a tick finds them again by the key of its check file. */
static bool chunked_upload_hint(void *mem, const char *store, const char *key, struct strbuf *out)
{
	struct chunked_upload *cu = mem;
	const char *base = upload_base(cu, key);
	struct strbuf begin = STRBUF_INIT(STORE_KEY_MAX);
	struct upload_name name;

	if (strcmp(store, cu->conf->store) != 0 || base == NULL)
		return false;
	upload_names_read(cu->names, base, &name);
	if (name.role == UPLOAD_NONE)
		return false;
	if (upload_names_begin(cu->names, name.upload, &begin) == 0 &&
	    (name.role == UPLOAD_CHECK || strncmp(base, begin.buf, begin.len) == 0)) {
		strbuf_add(out, key, (size_t)(base - key));
		strbuf_add(out, name.upload, name.len);
	}
	strbuf_release(&begin);
	return true;
}

static bool chunked_upload_values(
    void *mem, const char *key, void (*add)(void *arg, const char *name, const char *value), void *arg)
{
	struct chunked_upload *cu = mem;
	const char *base = upload_base(cu, key);
	struct upload_values values;
	bool found;

	if (base == NULL)
		return false;
	upload_values_of(cu, key, (size_t)(base - key), &values);
	for (size_t i = 0; i < values.n; i++)
		add(arg, values.v[i].name, values.v[i].value);
	found = values.n > 0;
	upload_values_release(&values);
	return found;
}

static void chunked_upload_cancel(void *mem, struct tick *tick)
{
	struct chunked_upload *cu = mem;

	if (cu->walk != NULL && tick == upload_walk_tick(cu->walk))
		upload_walk_free(cu->walk);
}

const struct sensor_type sensor_chunked_upload = {
    .name = "chunked_upload",
    .summary = "uploads in numbered pieces with a check file: asks for a run when one is whole",
    .opts = chunked_upload_opts,
    .conf_size = sizeof(struct chunked_upload_conf),
    .names = chunked_upload_names,
    .check = chunked_upload_check,
    .start = chunked_upload_start,
    .stop = chunked_upload_stop,
    .tick = chunked_upload_tick,
    .cancel = chunked_upload_cancel,
    .hint = chunked_upload_hint,
    .values = chunked_upload_values,
};
