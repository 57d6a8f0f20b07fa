/* The files we install, put together as `orchctl init` does, with the types there are: they must load without a word. */
#include "config.h"

#include "tests/tap.h"

#include "base/strbuf.h"
#include "conf/conf.h"
#include "conf/node.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"

#include <sys/stat.h>

static char dir[300];

static void copy(const char *from, const char *to)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", dir, to);
	if (fs_read(test_src(from), &sb, &err) == -1 || fs_write_atomic(path, sb.buf, sb.len, 0644, &err) == -1)
		tap_bail("%s", err.text);
	strbuf_release(&sb);
}

static char *printed(const struct diags *ds)
{
	struct strbuf sb = STRBUF_INIT(65536);

	diags_print(ds, &sb);
	return strbuf_detach(&sb);
}

static struct conf *load_project(struct diags *ds)
{
	char path[600];

	snprintf(dir, sizeof(dir), "%s/project", test_dir());
	snprintf(path, sizeof(path), "%s/jobs", dir);
	mkdir(dir, 0700);
	mkdir(path, 0700);
	copy("etc/orch.yaml", "orch.yaml");
	copy("etc/sites-and-instruments.yaml", "sites-and-instruments.yaml");
	copy("jobs/airglow.yaml", "jobs/airglow.yaml");
	snprintf(path, sizeof(path), "%s/orch.yaml", dir);
	return conf_load(path, ds);
}

/* The users' present deployment knows the assets by longer names. */
static void check_airglow(const struct conf *c)
{
	static const char *const names[][2] = {
	    {"unzip", "unzip_chunked_archive"},
	    {"analyze", "analyze_data_pipeline"},
	    {"cleanup", "delete_raw"},
	    {"reanalyze", "reanalyze_data"},
	};
	const struct conf_job *job = conf_job_find(c, "analysis_job");
	const struct conf_sensor *s = conf_sensor_find(c, "instrument_upload_sensor");

	for (size_t i = 0; i < NITEMS(names); i++) {
		const struct conf_asset *a = conf_asset_find(c, names[i][0]);

		ok(a != NULL && conf_asset_find(c, names[i][1]) == a, "asset %s is also %s", names[i][0],
		    names[i][1]);
	}
	if (!ok(job != NULL && job->nasset == 3, "analysis_job has three assets"))
		return;
	ok(strcmp(job->asset[0]->name, "unzip") == 0 && strcmp(job->asset[1]->name, "analyze") == 0 &&
	        strcmp(job->asset[2]->name, "cleanup") == 0,
	    "raw data is deleted last");
	ok(s != NULL && strcmp(s->run_key, "sort-{date}-{stub}") == 0 && s->every == 3600000,
	    "the sensor is wired");
	ok(conf_section_file(c, "sites") != NULL && conf_section_file(c, "instruments") != NULL,
	    "the table of sites is found");
}

static void check_run(const struct conf *c)
{
	struct conf_asset *assets[] = {conf_asset_find(c, "reanalyze")};
	struct diags ds = DIAGS_INIT;
	json_t *run = conf_load_run(test_src("etc/run.yaml"), NULL, assets, 1, &ds);
	char *text = printed(&ds);

	is_str(text, "", "run.yaml is accepted without a word");
	is_str(json_str(run, "observation_date", NULL), "20250429", "with its values");
	free(text);
	json_decref(run);
	diags_release(&ds);
	/* The file of the users' present deployment, with keys that follow from the rest. */
	run = conf_load_run(test_src("tests/data/config/files/ok-run.yaml"), NULL, assets, 1, &ds);
	ok(run != NULL && ds.errors == 0 && json_object_size(run) == 2, "an older run file too");
	is_int(ds.n, 3, "with a note for each key that has no effect");
	json_decref(run);
	diags_release(&ds);
}

/* Binding what a context carries gives the same options again: steps and daemon agree. */
static void check_round_trip(const struct conf *c)
{
	for (size_t i = 0; i < c->nassets; i++) {
		const struct asset_type *t = c->assets[i].type;
		void *again = xcalloc(1, t->conf_size + 1);
		struct diags ds = DIAGS_INIT;
		json_t *j = opt_to_json(t->opts, c->assets[i].opts), *k;
		struct node *n = node_from_json(j, "context.json");

		ok(opt_bind(t->opts, n, "context", again, &ds) == 0, "the options of %s bind from JSON",
		    c->assets[i].name);
		k = opt_to_json(t->opts, again);
		ok(json_equal(j, k), "to the same");
		opt_release(t->opts, again);
		free(again);
		node_free(n);
		json_decref(j);
		json_decref(k);
		diags_release(&ds);
	}
}

int main(void)
{
	struct diags ds = DIAGS_INIT;
	struct conf *c = load_project(&ds);
	char *text = printed(&ds);

	is_str(text, "", "the shipped project loads without a word");
	free(text);
	diags_release(&ds);
	if (ok(c != NULL, "it is a configuration")) {
		check_airglow(c);
		check_run(c);
		check_round_trip(c);
	}
	conf_unref(c);
	return tap_done();
}
