/*
 * exec: any command as an asset.  The work is orch-exec's (src/orch-step); this row says what may be configured.
 */
#include "config.h"

#include "base/template.h"
#include "step/asset.h"
#include "step/verdict.h"

struct exec_conf {
	struct strvec command, pass_env;
	bool shell, dry_run;
	struct strmap env, exit_codes, extras;
	char *workdir;
};

#define OFF(m) .off = offsetof(struct exec_conf, m)
static const struct opt exec_opts[] = {
    {.name = "command",
        .type = OPT_STRLIST,
        OFF(command),
        .flags = OPT_REQUIRED,
        .help = "program and arguments; {name} places are filled from the run's config and tags"},
    {.name = "dry_run",
        .type = OPT_BOOL,
        OFF(dry_run),
        .def = "false",
        .help = "the command is safe in a dry run (ORCH_DRY_RUN=1) and is started; otherwise it is only named"},
    {.name = "env", .type = OPT_STRMAP, OFF(env), .help = "environment variables; {name} places as in command"},
    {.name = "exit_codes",
        .type = OPT_STRMAP,
        OFF(exit_codes),
        .help = "what an exit code means: ok, warnings, no_data, transient, permanent, bad_data or config"},
    {.name = "extras",
        .type = OPT_STRMAP,
        OFF(extras),
        .help = "further values a Dagster Pipes script finds in context.extras"},
    {.name = "pass_env",
        .type = OPT_STRLIST,
        OFF(pass_env),
        .flags = OPT_VARIABLES,
        .help = "variables of the daemon's environment the command may see, such as a password it needs"},
    {.name = "shell",
        .type = OPT_BOOL,
        OFF(shell),
        .def = "false",
        .help = "the first part of command is a text for /bin/sh, the others are its $1, $2 and so on"},
    {.name = "workdir",
        .type = OPT_PATH,
        OFF(workdir),
        .def = ".",
        .help = "folder the command starts in: that of the file the asset stands in, if not said; its scratch "
                "is {work}"},
    OPT_END,
};

static bool is_env_name(const char *s)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return *s != '\0' && (*s < '0' || *s > '9') && s[strspn(s, chars)] == '\0';
}

/* Names orch-exec sets itself. */
static bool is_ours(const char *name)
{
	return strncmp(name, "ORCH_", 5) == 0 || strncmp(name, "DAGSTER_PIPES_", 14) == 0;
}

static int check_names(const struct strvec *names, const char *where, struct err *err)
{
	for (size_t i = 0; i < names->n; i++) {
		if (!is_env_name(names->v[i]))
			return err_set(
			    err, ERR_CONFIG, "%s: '%s' is no name of a variable", where, names->v[i]);
		if (is_ours(names->v[i]))
			return err_set(err, ERR_CONFIG, "%s: '%s' is set by orchd itself", where, names->v[i]);
	}
	return 0;
}

static int check_command(const struct exec_conf *conf, struct err *err)
{
	if (conf->command.n == 0 || conf->command.v[0][0] == '\0')
		return err_set(err, ERR_CONFIG, "command: the program is missing");
	for (size_t i = conf->shell ? 1 : 0; i < conf->command.n; i++)
		if (template_check(conf->command.v[i], NULL, NULL, err) == -1)
			return err_wrap(err, "command, part %zu (a literal brace is written twice)", i + 1);
	return 0;
}

static int exec_check(const void *p, struct err *err)
{
	const struct exec_conf *conf = p;
	struct verdict v;

	if (check_command(conf, err) == -1 || check_names(&conf->env.keys, "env", err) == -1 ||
	    check_names(&conf->pass_env, "pass_env", err) == -1)
		return -1;
	for (size_t i = 0; i < conf->env.values.n; i++)
		if (template_check(conf->env.values.v[i], NULL, NULL, err) == -1)
			return err_wrap(err, "env %s", conf->env.keys.v[i]);
	for (size_t i = 0; i < conf->exit_codes.keys.n; i++) {
		if (verdict_exit_code(conf->exit_codes.keys.v[i]) == -1)
			return err_set(err, ERR_CONFIG, "exit_codes: '%s' is no exit code (0 to 255)",
			    conf->exit_codes.keys.v[i]);
		if (!verdict_parse(conf->exit_codes.values.v[i], &v))
			return err_set(err, ERR_CONFIG, "exit_codes: '%s' is none of %s",
			    conf->exit_codes.values.v[i], verdict_words);
	}
	return 0;
}

const struct asset_type asset_exec = {
    .name = "exec",
    .summary = "run a command; scripts with the dagster-pipes package run unchanged",
    .code_version = "1",
    .opts = exec_opts,
    .conf_size = sizeof(struct exec_conf),
    .flags = ASSET_COMMAND | ASSET_ANY_CONFIG,
    .check = exec_check,
};
