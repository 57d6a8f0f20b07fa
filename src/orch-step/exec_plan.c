#include "config.h"

#include "orch-step/exec_plan.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/template.h"
#include "orch-step/pipes_param.h"
#include "step/attempt_dir.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARG_MAX_BYTES (128 << 10)
#define DEFAULT_PATH  "/usr/local/bin:/usr/bin:/bin"

/* Variables of the daemon's own environment that any command may see; LC_* too. */
static const char *const passed[] = {
    "HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"};

static const char *env_get(const struct strvec *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}

static void env_set(struct strvec *env, const char *name, const char *value)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=') {
			free(env->v[i]);
			env->v[i] = xasprintf("%s=%s", name, value);
			return;
		}
	strvec_pushf(env, "%s=%s", name, value);
}

/* ---- {name} places */

static const char *text_of(const json_t *map, const char *name)
{
	return json_string_value(json_object_get(map, name));
}

static const char *fill(void *arg, const char *name, size_t *n)
{
	const struct step_context *ctx = arg;
	const struct {
		const char *name, *value;
	} own[] = {
	    {"run", ctx->run},
	    {"job", ctx->job},
	    {"asset", ctx->asset},
	    {"partition", ctx->partition},
	    {"work", ctx->work},
	    {"ledger", ctx->ledger},
	};
	const char *v = text_of(ctx->config, name);

	if (v == NULL)
		v = text_of(ctx->tags, name);
	for (size_t i = 0; v == NULL && i < NITEMS(own); i++)
		if (strcmp(own[i].name, name) == 0)
			v = own[i].value;
	*n = v ? strlen(v) : 0;
	return v;
}

static int expand(const char *text, const struct step_context *ctx, struct strbuf *out, struct err *err)
{
	strbuf_reset(out);
	if (template_expand(text, fill, (void *)(uintptr_t)ctx, out, err) == 0)
		return 0;
	if (out->overflowed)
		err_set(err, ERR_CONFIG, "longer than %d bytes", ARG_MAX_BYTES);
	err->class = ERR_CONFIG;
	return -1;
}

/* ---- environment */

/* ORCH_CONF_OBSERVATION_DATE from "observation_date". */
static void push_conf(struct strvec *env, const char *key, const char *value)
{
	char *name = xasprintf("ORCH_CONF_%s", key);

	for (char *p = name; *p != '\0'; p++)
		*p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
	env_set(env, name, value);
	free(name);
}

static void push_own(struct strvec *env, const char *dir, const struct step_context *ctx)
{
	const char *key;
	json_t *value;

	strvec_pushf(env, "ORCH_CONTEXT=%s/%s", dir, ATTEMPT_CONTEXT);
	strvec_pushf(env, "ORCH_JOURNAL=%s/%s", dir, ATTEMPT_JOURNAL);
	strvec_pushf(env, "ORCH_RUN_ID=%s", ctx->run);
	strvec_pushf(env, "ORCH_RUN_UID=%s", ctx->run_uid);
	strvec_pushf(env, "ORCH_JOB=%s", ctx->job);
	strvec_pushf(env, "ORCH_ASSET=%s", ctx->asset);
	strvec_pushf(env, "ORCH_ATTEMPT=%lld", (long long)ctx->attempt);
	strvec_pushf(env, "ORCH_PARTITION=%s", ctx->partition);
	strvec_pushf(env, "ORCH_WORK_DIR=%s", ctx->work);
	strvec_pushf(env, "ORCH_LEDGER_DIR=%s", ctx->ledger);
	strvec_pushf(env, "ORCH_DRY_RUN=%d", ctx->dry_run);
	json_object_foreach((json_t *)(uintptr_t)ctx->config, key, value) if (json_is_string(value))
	    push_conf(env, key, json_string_value(value));
}

static void pass(struct strvec *env, const char *name)
{
	const char *value = getenv(name);

	if (value != NULL)
		env_set(env, name, value);
}

static void push_passed(struct strvec *env, const json_t *pass_env)
{
	for (size_t i = 0; i < NITEMS(passed); i++)
		pass(env, passed[i]);
	for (char **e = environ; *e != NULL; e++)
		if (strncmp(*e, "LC_", 3) == 0)
			strvec_push(env, *e);
	for (size_t i = 0; i < json_array_size(pass_env); i++)
		if (json_is_string(json_array_get(pass_env, i)))
			pass(env, json_string_value(json_array_get(pass_env, i)));
	if (env_get(env, "PATH") == NULL)
		env_set(env, "PATH", DEFAULT_PATH);
}

static int push_configured(struct strvec *env, const struct step_context *ctx, struct err *err)
{
	struct strbuf value = STRBUF_INIT(ARG_MAX_BYTES);
	const char *name;
	json_t *text;
	int rc = 0;

	json_object_foreach(json_object_get(ctx->options, "env"), name, text)
	{
		if (!json_is_string(text))
			rc = err_set(err, ERR_CONFIG, "env %s: not a text", name);
		else if (expand(json_string_value(text), ctx, &value, err) == -1)
			rc = err_wrap(err, "env %s", name);
		if (rc == -1)
			break;
		env_set(env, name, value.buf);
	}
	strbuf_release(&value);
	return rc;
}

static int make_env(struct exec_plan *plan, const char *dir, const struct step_context *ctx, struct err *err)
{
	push_passed(&plan->env, json_object_get(ctx->options, "pass_env"));
	if (push_configured(&plan->env, ctx, err) == -1)
		return -1;
	push_own(&plan->env, dir, ctx);
	return pipes_push_env(&plan->env, dir, ctx, err);
}

/* ---- command */

static bool wants_shell(const struct step_context *ctx)
{
	const json_t *v = json_object_get(ctx->options, "shell");

	return json_is_true(v) || (json_is_string(v) && strcmp(json_string_value(v), "true") == 0);
}

static int make_argv(struct exec_plan *plan, const struct step_context *ctx, struct err *err)
{
	const json_t *command = json_object_get(ctx->options, "command");
	struct strbuf arg = STRBUF_INIT(ARG_MAX_BYTES);
	bool shell = wants_shell(ctx);
	int rc = 0;

	if (json_array_size(command) == 0)
		return err_set(err, ERR_CONFIG, "option \"command\" is empty");
	if (shell) {
		strvec_push(&plan->argv, "/bin/sh");
		strvec_push(&plan->argv, "-c");
	}
	for (size_t i = 0; rc == 0 && i < json_array_size(command); i++) {
		const char *text = json_string_value(json_array_get(command, i));

		if (text == NULL)
			rc = err_set(err, ERR_CONFIG, "command, part %zu: not a text", i + 1);
		else if (shell && i == 0)
			strvec_push(&plan->argv, text);
		else if (expand(text, ctx, &arg, err) == -1)
			rc = err_wrap(err, "command, part %zu", i + 1);
		else
			strvec_push(&plan->argv, arg.buf);
		/* What a shell calls $0. */
		if (shell && i == 0)
			strvec_push(&plan->argv, ctx->asset);
	}
	strbuf_release(&arg);
	return rc;
}

/* The first executable regular file on PATH; NULL when there is none. */
static char *search_path(const char *name, const char *path)
{
	while (*path != '\0') {
		size_t n = strcspn(path, ":");
		char *file = n > 0 ? xasprintf("%.*s/%s", (int)n, path, name) : xasprintf("./%s", name);
		struct stat st;

		if (stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0)
			return file;
		free(file);
		path += n + (path[n] == ':');
	}
	return NULL;
}

static int find_program(struct exec_plan *plan, struct err *err)
{
	const char *name = plan->argv.v[0], *path = env_get(&plan->env, "PATH");
	struct stat st;

	if (stat(plan->workdir, &st) == -1 || !S_ISDIR(st.st_mode))
		return err_code(err, ERR_CONFIG, "no_workdir", "working directory %s: %s", plan->workdir,
		    errno == ENOENT ? "does not exist" : "is not a directory that can be entered");
	if (strchr(name, '/') == NULL) {
		plan->program = search_path(name, path);
		if (plan->program == NULL)
			return err_code(
			    err, ERR_CONFIG, "no_program", "%s: no such program on PATH (%s)", name, path);
		return 0;
	}
	plan->program = fs_join(plan->workdir, name);
	if (access(plan->program, F_OK) == -1)
		return err_code(err, ERR_CONFIG, "no_program", "%s: no such file", plan->program);
	return 0;
}

int exec_plan_make(struct exec_plan *plan, const char *dir, const struct step_context *ctx, struct err *err)
{
	struct exec_plan made = {.workdir = xstrdup(json_str(ctx->options, "workdir", ctx->work))};

	if (make_env(&made, dir, ctx, err) == -1 || make_argv(&made, ctx, err) == -1 ||
	    find_program(&made, err) == -1) {
		exec_plan_release(&made);
		return -1;
	}
	*plan = made;
	return 0;
}

void exec_plan_release(struct exec_plan *plan)
{
	free(plan->program);
	free(plan->workdir);
	strvec_release(&plan->argv);
	strvec_wipe(&plan->env);
	*plan = (struct exec_plan){0};
}

char *exec_plan_text(const struct exec_plan *plan)
{
	struct strbuf sb = STRBUF_INIT(4096);

	for (size_t i = 0; i < plan->argv.n && !sb.overflowed; i++)
		strbuf_addf(&sb, "%s%s", i > 0 ? " " : "", plan->argv.v[i]);
	return strbuf_detach(&sb);
}
