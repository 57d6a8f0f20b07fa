/* cmd_launch.c: asking for runs: materialize a selection, or launch a job. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/wait.h"

#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The problems of a run's configuration: errors refuse it, notes are told and do no harm. */
static int tell_problems(struct ctl *ctl, const struct diags *diags, struct err *err)
{
	struct strbuf text = STRBUF_INIT(1 << 18);

	if (diags->errors > 0 || !ctl->quiet) {
		diags_print(diags, &text);
		fputs(text.buf, stderr);
	}
	strbuf_release(&text);
	if (diags->errors == 0)
		return 0;
	return err_set(err, ERR_CONFIG, "the run's configuration has %zu problem%s", diags->errors,
	    diags->errors == 1 ? "" : "s");
}

/* What --set KEY=VALUE says. */
static int read_sets(struct ctl *ctl, json_t *sets, struct err *err)
{
	for (size_t i = 0; i < ctl->args.names.n; i++) {
		const char *text = ctl->args.values.v[i], *eq = strchr(text, '=');
		char key[200];

		if (strcmp(ctl->args.names.v[i], "set") != 0)
			continue;
		if (eq == NULL || eq == text || (size_t)(eq - text) >= sizeof(key))
			return err_set(err, ERR_USAGE, "--set '%.60s': KEY=VALUE is wanted", text);
		snprintf(key, sizeof(key), "%.*s", (int)(eq - text), text);
		json_object_set_new(sets, key, json_text_new(eq + 1));
	}
	return 0;
}

/* The run's config from --config and --set, checked by the assets' tables; a new reference, or NULL. */
static json_t *read_config(struct ctl *ctl, struct conf_asset *const *assets, size_t n, struct err *err)
{
	const char *file = args_get(&ctl->args, "config");
	struct diags diags = DIAGS_INIT;
	json_t *sets = json_object(), *config = NULL, *checked = NULL;

	if (read_sets(ctl, sets, err) == 0) {
		config = file ? conf_load_run(file, sets, assets, n, &diags) : json_incref(sets);
		if (config != NULL)
			checked = conf_check_run(config, "the run's config", assets, n, &diags);
		if (tell_problems(ctl, &diags, err) == -1) {
			json_decref(checked);
			checked = NULL;
		}
	}
	json_decref(config);
	json_decref(sets);
	diags_release(&diags);
	return checked;
}

/* Ask with what both commands share.  args is stolen. */
static int ask_run(
    struct ctl *ctl, const char *cmd, json_t *args, struct conf_asset *const *assets, size_t n, struct err *err)
{
	static const char *const passed[] = {"partition", NULL};
	json_t *config = read_config(ctl, assets, n, err), *result = NULL;
	struct wait_plan plan;
	int rc = -1;

	if (config != NULL && wait_plan(ctl, &plan, err) == 0) {
		json_object_set(args, "config", config);
		json_object_set_new(args, "dry_run", json_boolean(args_has(&ctl->args, "dry-run")));
		ctl_pass_options(ctl, args, passed);
		rc = ctl_ask(ctl, cmd, args, &result, err);
	}
	if (rc == 0)
		rc = wait_or_tell(ctl, result, &plan, err);
	json_decref(config);
	json_decref(args);
	json_decref(result);
	return rc;
}

static int materialize(struct ctl *ctl, struct err *err)
{
	struct conf_asset **assets = NULL;
	size_t n = conf_select(ctl->conf, ctl->args.operands.v, ctl->args.operands.n, &assets, err);
	json_t *args, *terms;
	int rc;

	if (n == 0)
		return -1;
	args = json_object();
	terms = json_array();
	for (size_t i = 0; i < ctl->args.operands.n; i++)
		json_array_append_new(terms, json_text_new(ctl->args.operands.v[i]));
	json_object_set_new(args, "selection", terms);
	rc = ask_run(ctl, "materialize", args, assets, n, err);
	free(assets);
	return rc;
}

static int launch(struct ctl *ctl, struct err *err)
{
	const char *name = args_operand(&ctl->args, 0);
	const struct conf_job *job = conf_job_find(ctl->conf, name);
	json_t *args;

	if (job == NULL)
		return conf_missing(ctl->conf, "job", name, err);
	args = json_object();
	json_object_set_new(args, "job", json_string(name));
	return ask_run(ctl, "launch", args, job->asset, job->nasset, err);
}

static const struct arg_opt run_opts[] = {
    {"config", 'c', ARG_VALUE, "RUN.yaml", "the run's settings, a file with a `config:` mapping"},
    {"set", 's', ARG_LIST, "KEY=VALUE", "one setting, over those of the file; may be given again"},
    {"partition", 'p', ARG_VALUE, "KEY", "the partition; otherwise made from the settings"},
    {"dry-run", 'n', ARG_FLAG, NULL, "tell what would be done, change nothing"},
    WAIT_OPTS,
    ARG_END,
};

const struct cmd cmd_materialize = {
    .noun = "materialize",
    .operands = "SELECTION...",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .opts = run_opts,
    .help = "make assets: run their steps in order",
    .more =
        "A selection is one or more of: name, +name (with all upstream), name+ (with all downstream), +name+,\n"
        "tag:x, and '*' for all. Exit code 0 when the run succeeded, 1 when it did not.",
    .run = materialize,
};

const struct cmd cmd_launch = {
    .noun = "launch",
    .operands = "JOB",
    .min_operands = 1,
    .max_operands = 1,
    .opts = run_opts,
    .help = "run a job",
    .run = launch,
};
