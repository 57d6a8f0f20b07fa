#include "config.h"

#include "engine/handover.h"

#include "engine/engine_priv.h"

#include "base/digest.h"
#include "base/fs.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "database/database.h"
#include "state/state.h"
#include "step/asset.h"
#include "step/attempt_dir.h"
#include "step/context.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/* Seen by every step, and by everybody in /proc.  ORCH_ covers fail points and the test clock. */
static const char *const plain_env[] = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR",
    "ORCH_*", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "SSL_CERT_FILE", "SSL_CERT_DIR"};
/* Every step's too, but they may hold a password. */
static const char *const proxy_env[] = {"http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"};

static bool env_matches(const char *pattern, const char *var, size_t n)
{
	size_t m = strlen(pattern);

	if (m > 0 && pattern[m - 1] == '*')
		return n >= m - 1 && strncmp(var, pattern, m - 1) == 0;
	return n == m && strncmp(var, pattern, n) == 0;
}

/* Every secret reference in a bound conf, by its table. */
static void each_secret(const struct opt *opts, const void *conf,
    void (*fn)(const struct secret_ref *, struct strvec *names), struct strvec *names)
{
	for (; opts != NULL && opts->name != NULL; opts++)
		if (opts->type == OPT_SECRET)
			fn((const struct secret_ref *)((const char *)conf + opts->off), names);
}

static void add_secret_name(const struct secret_ref *ref, struct strvec *names)
{
	if (ref->source == SECRET_ENV)
		strvec_push(names, ref->name);
	else if (ref->source == SECRET_CREDENTIAL)
		strvec_push(names, "CREDENTIALS_DIRECTORY");
}

/* The variables an asset asks for by name. */
static void add_variables(const struct conf_asset *asset, struct strvec *names)
{
	for (const struct opt *o = asset->type->opts; o != NULL && o->name != NULL; o++) {
		const struct strvec *v = (const struct strvec *)((const char *)asset->opts + o->off);

		for (size_t i = 0; o->type == OPT_STRLIST && (o->flags & OPT_VARIABLES) && i < v->n; i++)
			strvec_push(names, v->v[i]);
	}
}

typedef void place_fn(const char *name, void *arg);

/* The stores or databases an asset's options name. */
static void each_place(const struct conf_asset *asset, enum opt_type type, place_fn *fn, void *arg)
{
	for (const struct opt *o = asset->type->opts; o != NULL && o->name != NULL; o++) {
		const char *name =
		    o->type == type ? *(char *const *)((const char *)asset->opts + o->off) : NULL;

		if (name != NULL)
			fn(name, arg);
	}
}

struct env_arg {
	const struct conf *conf;
	struct strvec *names;
};

static void add_store_env(const char *name, void *arg)
{
	struct env_arg *a = arg;
	const struct conf_store *s = conf_store_find(a->conf, name);

	if (s == NULL)
		return;
	each_secret(s->type->opts, s->opts, add_secret_name, a->names);
	for (size_t i = 0; s->type->environment != NULL && s->type->environment[i] != NULL; i++)
		strvec_push(a->names, s->type->environment[i]);
}

static void add_database_env(const char *name, void *arg)
{
	struct env_arg *a = arg;
	const struct conf_database *d = conf_database_find(a->conf, name);

	if (d != NULL)
		each_secret(d->type->opts, d->opts, add_secret_name, a->names);
}

static bool any_matches(const char *const *patterns, size_t n, const char *var)
{
	size_t len = strcspn(var, "=");

	for (size_t i = 0; i < n; i++)
		if (env_matches(patterns[i], var, len))
			return true;
	return false;
}

void handover_environment(const struct run_step *step, struct strvec *plain, struct strvec *quiet)
{
	struct strvec names = STRVEC_INIT;
	struct env_arg a = {step->run->conf, &names};

	for (size_t i = 0; i < NITEMS(proxy_env); i++)
		strvec_push(&names, proxy_env[i]);
	each_place(step->conf, OPT_STORE, add_store_env, &a);
	each_place(step->conf, OPT_DATABASE, add_database_env, &a);
	each_secret(step->conf->type->opts, step->conf->opts, add_secret_name, &names);
	add_variables(step->conf, &names);
	for (char **e = environ; *e != NULL; e++) {
		if (any_matches(plain_env, NITEMS(plain_env), *e))
			strvec_push(plain, *e);
		else if (any_matches((const char *const *)names.v, names.n, *e))
			strvec_push(quiet, *e);
	}
	strvec_release(&names);
}

static json_t *place_json(const char *type, const struct opt *opts, const void *conf)
{
	return json_pack("{s:s, s:o}", "type", type, "options", opt_to_json(opts, conf));
}

struct places_arg {
	const struct conf *conf;
	json_t *obj;
};

static void add_store(const char *name, void *arg)
{
	struct places_arg *a = arg;
	const struct conf_store *s = conf_store_find(a->conf, name);

	if (s != NULL)
		json_object_set_new(a->obj, name, place_json(s->type->name, s->type->opts, s->opts));
}

static void add_database(const char *name, void *arg)
{
	struct places_arg *a = arg;
	const struct conf_database *d = conf_database_find(a->conf, name);

	if (d != NULL)
		json_object_set_new(a->obj, name, place_json(d->type->name, d->type->opts, d->opts));
}

/* Every asset of the run before this one that succeeded, not only direct dependencies: clean-up wants them all. */
static json_t *upstream_json(const struct run_step *step)
{
	json_t *obj = json_object();

	for (const struct run_step *s = step->run->steps; s < step; s++) {
		if (s->state != STEP_SUCCEEDED)
			continue;
		json_object_set_new(obj, s->asset,
		    json_pack("{s:s?, s:s, s:s, s:O?}", "type", s->conf ? s->conf->type->name : NULL, "run_uid",
		        s->run_uid, "outcome", result_name(s->outcome), "metadata", s->metadata));
	}
	return obj;
}

static json_t *deps_json(const struct run_step *step)
{
	json_t *list = json_array();

	for (size_t i = 0; i < step->ndep; i++)
		json_array_append_new(list, json_string(step->run->steps[step->dep[i]].asset));
	return list;
}

static json_t *sections_json(const struct run_step *step)
{
	const char *const *wanted = step->conf->type->sections;
	const struct conf *conf = step->run->conf;
	json_t *obj = json_object();

	for (; wanted != NULL && *wanted != NULL; wanted++)
		for (size_t i = 0; i < conf->nsections; i++)
			if (strcmp(conf->sections[i].name, *wanted) == 0)
				json_object_set_new(obj, *wanted, json_string(conf->sections[i].file));
	return obj;
}

char *handover_code_version(const struct conf_asset *asset)
{
	return xasprintf("%s%s%s", asset->type->code_version, asset->code_version ? "/" : "",
	    asset->code_version ? asset->code_version : "");
}

void handover_run_uid(const struct run_step *step, const char *code_version, char out[65])
{
	json_t *upstream = json_array(), *identity;
	char *text;

	for (size_t i = 0; i < step->ndep; i++)
		json_array_append_new(upstream, json_string(step->run->steps[step->dep[i]].run_uid));
	identity = json_pack("{s:s, s:s, s:o, s:s, s:O, s:s?, s:o, s:s}", "asset", step->asset, "type",
	    step->conf->type->name, "options", opt_to_json(step->conf->type->opts, step->conf->opts),
	    "partition", step->run->partition, "config", step->run->config, "generation", step->run->generation,
	    "upstream", upstream, code_version ? "code" : "software", code_version ? code_version : "0.1.0");
	text = json_canonical(identity);
	sha256_hex(text, strlen(text), out);
	free(text);
	json_decref(identity);
}

int handover_context(const struct run_step *step, int64_t attempt, const char *dir, const char *ledger,
    struct state *state, struct err *err)
{
	const struct run *run = step->run;
	json_t *options = opt_to_json(step->conf->type->opts, step->conf->opts), *deps = deps_json(step);
	json_t *upstream = upstream_json(step), *stores = json_object(), *databases = json_object();
	json_t *sections = sections_json(step);
	struct places_arg sa = {run->conf, stores}, da = {run->conf, databases};
	char *id = xasprintf("%s-%" PRId64, state->instance, run->id), *work = fs_join(dir, ATTEMPT_WORK);
	char *hold = hold_reason(state, run->partition);
	struct step_context ctx = {.run = id,
	    .run_uid = step->run_uid,
	    .job = run->job,
	    .asset = step->asset,
	    .type = step->conf->type->name,
	    .code_version = step->conf->code_version,
	    .partition = run->partition,
	    .hold = hold,
	    .ledger = ledger,
	    .work = work,
	    .attempt = attempt,
	    .epoch = state->epoch,
	    .log_bytes = run->conf->limits.log_bytes,
	    .grace_ms = step->conf->grace,
	    .dry_run = run->dry_run,
	    .options = options,
	    .config = run->config,
	    .tags = run->tags,
	    .deps = deps,
	    .upstream = upstream,
	    .stores = stores,
	    .databases = databases,
	    .sections = sections};
	int rc;

	each_place(step->conf, OPT_STORE, add_store, &sa);
	each_place(step->conf, OPT_DATABASE, add_database, &da);
	rc = context_save(dir, &ctx, err);
	json_decref(options);
	json_decref(deps);
	json_decref(upstream);
	json_decref(stores);
	json_decref(databases);
	json_decref(sections);
	free(id);
	free(work);
	free(hold);
	return rc;
}
