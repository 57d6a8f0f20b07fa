/* Run files: every case of tests/data/config as it stands there, then what several assets of one run make of a config. */
#include "config.h"

#include "tests/tap.h"

#include "base/fs.h"
#include "base/json.h"
#include "conf/node.h"
#include "step/asset.h"
#include "tests/unit/conf_types.h"

static struct conf_asset night = {.name = (char *)"night"}, brief = {.name = (char *)"brief"},
                         any = {.name = (char *)"any"};

static char *printed(const struct diags *ds)
{
	struct strbuf sb = STRBUF_INIT(65536);

	diags_print(ds, &sb);
	return strbuf_detach(&sb);
}

static bool class_is(const json_t *expect, const char *class)
{
	const json_t *classes = json_object_get(expect, "class"), *c;
	size_t i;

	json_array_foreach(classes, i, c) if (strcmp(json_string_value(c), class) == 0) return true;
	return false;
}

/* The first message must have one of the classes, the line and the hint, where these are fixed. */
static bool fits(const json_t *expect, const json_t *got, const struct diags *ds)
{
	const char *outcome = json_str(expect, "outcome", ""), *hint = json_str(expect, "hint", NULL);
	int64_t line = json_int(expect, "line", 0);
	bool hinted = hint == NULL;

	if (strcmp(outcome, "ok") == 0)
		return got != NULL && ds->errors == 0 && json_equal(got, json_object_get(expect, "values"));
	if (got != NULL || ds->n == 0 || !class_is(expect, ds->v[0].class) ||
	    (line != 0 && ds->v[0].mark.line != line))
		return false;
	for (size_t i = 0; i < ds->n && !hinted; i++)
		hinted = strstr(ds->v[i].text, hint) != NULL;
	return hinted;
}

static void run_case(const json_t *c)
{
	const json_t *env = json_object_get(c, "env"), *value;
	struct conf_asset *assets[] = {&night};
	struct diags ds = DIAGS_INIT;
	const char *name;
	char file[256];

	unsetenv("ORCH_NO_SUCH");
	json_object_foreach((json_t *)env, name, value) setenv(name, json_string_value(value), 1);
	snprintf(file, sizeof(file), "tests/data/config/%s", json_str(c, "file", ""));
	json_t *got = conf_load_run(test_src(file), NULL, assets, 1, &ds);
	char *text = printed(&ds), *shown = text;
	if (strncmp(text, test_src(""), strlen(test_src(""))) == 0)
		shown += strlen(test_src("tests/data/config/files/"));
	ok(fits(json_object_get(c, "expect"), got, &ds), "%s: %s: %.*s", json_str(c, "id", "?"),
	    json_str(c, "why", ""), (int)strcspn(shown, "\n"), shown);
	free(text);
	json_decref(got);
	diags_release(&ds);
}

static void test_corpus(void)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	size_t i;
	json_t *c;

	if (fs_read(test_src("tests/data/config/expected.json"), &sb, &err) == -1)
		tap_bail("%s", err.text);
	json_t *all = json_parse(sb.buf, sb.len, "expected.json", &err), *cases = json_object_get(all, "cases");
	is_int(json_array_size(cases), 25, "the corpus is whole");
	json_array_foreach(cases, i, c) run_case(c);
	json_decref(all);
	strbuf_release(&sb);
}

static void test_all_missing(void)
{
	struct conf_asset *assets[] = {&night};
	struct diags ds = DIAGS_INIT;

	ok(conf_load_run(test_src("tests/data/config/files/missing-key.yaml"), NULL, assets, 1, &ds) == NULL,
	    "refused");
	ok(ds.n == 2 && strstr(ds.v[0].text, "'observation_date' is missing") &&
	        strstr(ds.v[1].text, "'fpi_data_path'"),
	    "every missing key is named");
	diags_release(&ds);
}

/* What --set says stands in for what the file lacks or has wrong. */
static void test_over(void)
{
	static const struct {
		const char *file, *over, *want; /* want NULL: refused */
	} t[] = {
	    {"config: {site: uao}", "{\"observation_date\":\"20250429\"}",
	        "{\"observation_date\":\"20250429\",\"site\":\"uao\"}"},
	    {"config: {site: much too long}", "{\"site\":\"uao\",\"observation_date\":\"20250429\"}",
	        "{\"observation_date\":\"20250429\",\"site\":\"uao\"}"},
	    {"config:", "{\"site\":\"uao\"}", "{\"site\":\"uao\"}"},
	    {"config: {site: much too long}", "{\"observation_date\":\"20250429\"}", NULL},
	    {"config: {sit: uao}", "{\"site\":\"uao\"}", NULL},
	    {"config: {site: uao}", "{}", NULL},
	};
	struct conf_asset *assets[] = {&brief};
	char *path = fs_join(test_dir(), "over.yaml");

	for (size_t i = 0; i < NITEMS(t); i++) {
		json_t *over = json_loads(t[i].over, 0, NULL),
		       *want = t[i].want ? json_loads(t[i].want, 0, NULL) : NULL;
		struct diags ds = DIAGS_INIT;
		json_t *got;

		fs_write_atomic(path, t[i].file, strlen(t[i].file), 0600, NULL);
		got = conf_load_run(path, over, assets, 1, &ds);
		ok(want ? json_equal(got, want) : got == NULL && ds.errors > 0, "%s over %s", t[i].over,
		    t[i].file);
		json_decref(over), json_decref(want), json_decref(got);
		diags_release(&ds);
	}
	free(path);
}

/* A config given as JSON, against assets "n" night, "b" brief, "a" any. */
static const struct {
	const char *assets, *json, *want, *message;
} rows[] = {
    {"b", "{\"site\":\"uao\",\"observation_date\":\"20250429\"}",
        "{\"site\":\"uao\",\"observation_date\":\"20250429\"}", NULL},
    {"b", "{\"site\":\"uao\",\"observation_date\":20250429}",
        "{\"site\":\"uao\",\"observation_date\":\"20250429\"}", NULL},
    {"b", "{\"site\":\"uao\",\"observation_date\":\"20250429\",\"year\":\"2025\"}",
        "{\"site\":\"uao\",\"observation_date\":\"20250429\"}",
        "note: 'year' in request of x has no effect any more"},
    {"b", "{\"site\":\"uao\",\"observation_date\":\"20250429\",\"pieces\":[\"a\",\"b\"],\"strict\":true}",
        "{\"site\":\"uao\",\"observation_date\":\"20250429\",\"pieces\":[\"a\",\"b\"],\"strict\":\"true\"}",
        NULL},
    {"nb",
        "{\"site\":\"uao\",\"year\":\"2025\",\"observation_date\":\"20250429\",\"fpi_data_path\":\"a\",\"cloud_"
        "cover_path\":"
        "\"b\",\"instrument_name\":\"minime05\"}",
        "{\"site\":\"uao\",\"year\":\"2025\",\"observation_date\":\"20250429\",\"fpi_data_path\":\"a\",\"cloud_"
        "cover_path\":"
        "\"b\",\"instrument_name\":\"minime05\"}",
        NULL},
    {"bn", "{\"site\":\"long\",\"observation_date\":\"20250429\"}", NULL, "4 bytes, at most 3"},
    {"nb", "{\"site\":\"uao\"}", NULL, "'observation_date' is missing in request of x"},
    {"b", "{\"site\":\"uao\",\"observation_dat\":\"20250429\"}", NULL, "did you mean 'observation_date'?"},
    {"b", "{\"site\":\"uao\",\"observation_date\":\"20250429\",\"strict\":\"maybe\"}", NULL, "true or false"},
    {"b", "{\"site\":null,\"observation_date\":\"20250429\"}", NULL, "has no value"},
    {"b", "{\"site\":{\"a\":1},\"observation_date\":\"20250429\"}", NULL, "must be a text"},
    {"b", "[1]", NULL, "must be a mapping"},
    {"b", "{\"site\":\"u\\u0007o\",\"observation_date\":\"20250429\"}", NULL, "control character (0x07)"},
    {"b", "{\"site\":\"uao\",\"observation_date\":\"20250429\",\"notes\":{\"k\":\"v\"}}",
        "{\"site\":\"uao\",\"observation_date\":\"20250429\",\"notes\":{\"k\":\"v\"}}", NULL},
    {"a", "{\"anything\":\"goes\",\"n\":5}", "{\"anything\":\"goes\",\"n\":\"5\"}", NULL},
    {"a", "{\"anything\":[\"list\"]}", NULL, "must be a text"},
    {"ab", "{\"anything\":\"x\",\"site\":\"long\",\"observation_date\":\"20250429\"}", NULL, "at most 3"},
    {"", "{\"x\":\"1\"}", NULL, "unknown key 'x'"},
    {"", "{}", "{}", NULL},
};

static void test_check(void)
{
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct conf_asset *assets[4];
		struct diags ds = DIAGS_INIT;
		size_t n = 0;

		for (const char *s = rows[i].assets; *s != '\0'; s++)
			assets[n++] = *s == 'n' ? &night : *s == 'b' ? &brief : &any;
		json_t *config = json_parse(rows[i].json, strlen(rows[i].json), "row", NULL);
		json_t *got = conf_check_run(config, "request of x", assets, n, &ds);
		char *text = printed(&ds), *json = got != NULL ? json_text(got) : NULL;
		is_str(json, rows[i].want, rows[i].json);
		ok(rows[i].message == NULL ? ds.n == 0 : strstr(text, rows[i].message) != NULL, "says: %.*s",
		    (int)strcspn(text, "\n"), text);
		ok((rows[i].want == NULL) == (ds.errors > 0), "errors and only errors refuse");
		free(text);
		free(json);
		json_decref(config);
		json_decref(got);
		diags_release(&ds);
	}
}

static void test_file_shapes(void)
{
	static const struct {
		const char *text, *words;
	} files[] = {
	    {"site: uao\n", "'config' is missing"},
	    {"config:\n  site: uao\n  observation_date: 20250429\nops: {}\n",
	        "unknown key 'ops' in a run file"},
	    {"[a]\n", "must be a mapping, not a list"},
	    {"# nothing\n", "holds nothing"},
	    {"config: [a]\n", "config must be a mapping, not a list"},
	    {"config:\n", "'site' is missing"},
	    {"config:\n  site: ${ORCH_NO_SUCH}\n  observation_date: 20250429\n", "ORCH_NO_SUCH"},
	};
	struct conf_asset *assets[] = {&brief};
	char path[512];

	snprintf(path, sizeof(path), "%s/run.yaml", test_dir());
	for (size_t i = 0; i < NITEMS(files); i++) {
		struct diags ds = DIAGS_INIT;

		fs_write_atomic(path, files[i].text, strlen(files[i].text), 0600, NULL);
		ok(conf_load_run(path, NULL, assets, 1, &ds) == NULL, "refused: file %zu", i);
		ok(ds.n > 0 && strstr(ds.v[0].text, files[i].words) != NULL &&
		        strcmp(ds.v[0].mark.file, path) == 0,
		    "with %s", files[i].words);
		diags_release(&ds);
	}
	struct diags ds = DIAGS_INIT;
	ok(conf_load_run("/nonexistent.yaml", NULL, assets, 1, &ds) == NULL && strcmp(ds.v[0].class, "io") == 0,
	    "a missing file");
	diags_release(&ds);
}

int main(void)
{
	for (size_t i = 0; asset_types[i] != NULL; i++) {
		if (strcmp(asset_types[i]->name, "night") == 0)
			night.type = asset_types[i];
		if (strcmp(asset_types[i]->name, "short") == 0)
			brief.type = asset_types[i];
		if (strcmp(asset_types[i]->name, "free") == 0)
			any.type = asset_types[i];
	}
	tap_run(test_corpus);
	tap_run(test_all_missing);
	tap_run(test_over);
	tap_run(test_check);
	tap_run(test_file_shapes);
	return tap_done();
}
