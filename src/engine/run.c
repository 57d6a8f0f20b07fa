/* What a run is in memory, and the words for its states. */
#include "config.h"

#include "engine/run_priv.h"

#include "base/mem.h"
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

static const char *const run_names[] = {
    [RUN_QUEUED] = "queued",
    [RUN_RUNNING] = "running",
    [RUN_SUCCEEDED] = "succeeded",
    [RUN_FAILED] = "failed",
    [RUN_CANCELED] = "canceled",
};
static_assert(NITEMS(run_names) == RUN_NSTATES, "name every run state");

static const char *const step_names[] = {
    [STEP_WAITING] = "waiting",
    [STEP_READY] = "ready",
    [STEP_RUNNING] = "running",
    [STEP_RETRYING] = "retrying",
    [STEP_SUCCEEDED] = "succeeded",
    [STEP_FAILED] = "failed",
    [STEP_SKIPPED] = "skipped",
    [STEP_CANCELED] = "canceled",
};
static_assert(NITEMS(step_names) == STEP_NSTATES, "name every step state");

static const char *const result_names[] = {
    [RESULT_NONE] = NULL,
    [RESULT_OK] = "ok",
    [RESULT_WARNINGS] = "warnings",
    [RESULT_NO_DATA] = "no_data",
};
static_assert(NITEMS(result_names) == RESULT_NKINDS, "name every outcome");

const char *run_state_name(enum run_state s)
{
	return run_names[s];
}

const char *step_state_name(enum step_state s)
{
	return step_names[s];
}

const char *result_name(enum result o)
{
	return result_names[o];
}

static int parse(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; name != NULL && i < n; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return (int)i;
	return 0;
}

enum run_state run_state_parse(const char *name)
{
	return (enum run_state)parse(run_names, NITEMS(run_names), name);
}

enum step_state step_state_parse(const char *name)
{
	return (enum step_state)parse(step_names, NITEMS(step_names), name);
}

enum result result_parse(const char *name)
{
	return (enum result)parse(result_names, NITEMS(result_names), name);
}

/* The run's steps among the dependencies of asset, also those reached through assets that are not part of the run. */
static void find_deps(const struct run *run, const struct conf_asset *asset, bool *is_dep)
{
	for (size_t i = 0; i < asset->ndep; i++) {
		size_t k = 0;

		while (k < run->nsteps && run->steps[k].conf != asset->dep[i])
			k++;
		if (k < run->nsteps)
			is_dep[k] = true;
		else
			find_deps(run, asset->dep[i], is_dep);
	}
}

void run_link_steps(struct run *run)
{
	bool *is_dep = xcalloc(run->nsteps, sizeof(*is_dep));

	for (size_t i = 0; i < run->nsteps; i++) {
		struct run_step *step = &run->steps[i];

		if (step->conf == NULL)
			continue;
		memset(is_dep, 0, run->nsteps * sizeof(*is_dep));
		find_deps(run, step->conf, is_dep);
		step->dep = xcalloc(run->nsteps, sizeof(*step->dep));
		for (size_t k = 0; k < run->nsteps; k++)
			if (is_dep[k])
				step->dep[step->ndep++] = k;
	}
	free(is_dep);
}

struct run *run_alloc(struct conf *conf, size_t nsteps)
{
	struct run *run = xcalloc(1, sizeof(*run));

	run->conf = conf_ref(conf);
	run->steps = xcalloc(nsteps, sizeof(*run->steps));
	run->nsteps = nsteps;
	for (size_t i = 0; i < nsteps; i++)
		run->steps[i].run = run;
	return run;
}

struct run *run_new(struct conf *conf, struct conf_asset *const *assets, size_t n, json_t *config, json_t *tags)
{
	struct run *run = run_alloc(conf, n);

	run->config = json_incref(config);
	run->tags = json_incref(tags);
	for (size_t i = 0; i < n; i++) {
		run->steps[i].asset = xstrdup(assets[i]->name);
		run->steps[i].conf = assets[i];
	}
	run_link_steps(run);
	return run;
}

void run_free(struct run *run)
{
	if (run == NULL)
		return;
	for (size_t i = 0; i < run->nsteps; i++) {
		assert(run->steps[i].attempt == NULL);
		free(run->steps[i].asset);
		free(run->steps[i].dep);
		free(run->steps[i].code_version);
		json_decref(run->steps[i].metadata);
	}
	free(run->steps);
	free(run->job);
	free(run->partition);
	free(run->origin);
	free(run->why);
	free(run->sensor);
	free(run->sensor_key);
	free(run->run_key);
	free(run->generation);
	free(run->cancel);
	json_decref(run->config);
	json_decref(run->tags);
	conf_unref(run->conf);
	free(run);
}

struct run_step *run_step_find(struct run *run, const char *asset)
{
	for (size_t i = 0; i < run->nsteps; i++)
		if (strcmp(run->steps[i].asset, asset) == 0)
			return &run->steps[i];
	return NULL;
}
