/* orchctl: asks the daemon, or does the same without one.  See ctl.h for its frame and cmds.def for its commands. */
#include "config.h"

#include "orchctl/ctl.h"

#include "base/environment.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* What to do next, by the stable code of an error. */
static const struct {
	const char *code, *hint;
} hints[] = {
    {"no_daemon", "start it with 'orchd', or stop what owns the state"},
    {"locked", "another process works on this state; try again when it has ended"},
    {"hold", "'orchctl release PARTITION' lifts a hold"},
    {"no_access", "ask for membership in the group of the control socket"},
};

static int load_conf(struct ctl *ctl, struct err *err)
{
	struct diags diags = DIAGS_INIT;
	struct strbuf text = STRBUF_INIT(1 << 20);
	char *path = conf_find(ctl->conf_file, err);

	if (path == NULL)
		return -1;
	ctl->conf = conf_load(path, &diags);
	if (ctl->conf == NULL) {
		diags_print(&diags, &text);
		fputs(text.buf, stderr);
		err_set(err, ERR_CONFIG, "%s: %zu problem%s", path, diags.errors, diags.errors == 1 ? "" : "s");
	}
	strbuf_release(&text);
	diags_release(&diags);
	free(path);
	return ctl->conf ? 0 : -1;
}

static int check_operands(const struct ctl *ctl, struct err *err)
{
	const struct cmd *c = ctl->cmd;

	if (ctl->args.operands.n < c->min_operands)
		return err_set(err, ERR_USAGE, "%s%s%s wants %s", c->noun, c->verb ? " " : "",
		    c->verb ? c->verb : "", c->operands);
	if (ctl->args.operands.n > c->max_operands)
		return err_set(
		    err, ERR_USAGE, "'%.60s' is one word too many", ctl->args.operands.v[c->max_operands]);
	return 0;
}

static int run(struct ctl *ctl, struct err *err)
{
	int rc;

	if (args_has(&ctl->args, "help")) {
		(ctl->whole_noun ? cmd_explain_noun : cmd_explain)(ctl->cmd);
		return 0;
	}
	if (check_operands(ctl, err) == -1)
		return -1;
	if (!(ctl->cmd->flags & CMD_NO_CONF)) {
		if (load_conf(ctl, err) == -1)
			return -1;
		ctl->link = link_new(ctl->conf);
	}
	rc = ctl->cmd->run(ctl, err);
	link_free(ctl->link);
	if (ctl->conf != NULL)
		conf_unref(ctl->conf);
	return rc;
}

static int fail(const struct ctl *ctl, const struct err *err)
{
	struct strbuf text = STRBUF_INIT(8 * ERR_TEXT_MAX);

	text_clean(&text, err->text);
	fprintf(stderr, "orchctl: %s\n", text.buf);
	for (size_t i = 0; i < NITEMS(hints); i++)
		if (err_is(err, hints[i].code))
			fprintf(stderr, "         %s\n", hints[i].hint);
	if (ctl->json) {
		json_t *obj = json_object(), *e = json_object();

		json_object_set_new(e, "class", json_string(err_class_name(err->class)));
		json_object_set_new(e, "code", json_text_new(err->code));
		json_object_set_new(e, "text", json_text_new(err->text));
		json_object_set_new(obj, "schema", json_string("orchd/1"));
		json_object_set_new(obj, "error", e);
		ctl_print_json(obj);
		json_decref(obj);
	}
	strbuf_release(&text);
	return err_exit_code(err);
}

/* Options before the command are those of every command. */
static size_t leading_options(char *const *argv, size_t n)
{
	size_t i = 0;

	while (i < n && argv[i][0] == '-' && strcmp(argv[i], "--") != 0)
		i += strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--config-file") == 0 ? 2 : 1;
	return MIN(i, n);
}

/* 1: a command was found; 0: there is none, and help is what was wanted; -1. */
static int parse(struct ctl *ctl, char *const *argv, size_t n, struct err *err)
{
	size_t lead = leading_options(argv, n), words = 0;
	int rc = args_parse(&ctl->args, NULL, common_opts, argv, lead, err);

	if (rc == 0 && lead < n) {
		ctl->cmd = cmd_find(argv + lead, n - lead, &words, err);
		ctl->whole_noun = words == 1;
		rc = ctl->cmd ? 1 : -1;
	}
	if (rc == 1 && args_parse(&ctl->args, ctl->cmd->opts, common_opts, argv + lead + words,
	                   n - lead - words, err) == -1)
		rc = -1;
	ctl->json = args_has(&ctl->args, "json");
	ctl->quiet = args_has(&ctl->args, "quiet");
	ctl->conf_file = args_get(&ctl->args, "config-file");
	if (rc == 0 && !args_has(&ctl->args, "help"))
		rc = err_set(err, ERR_USAGE, "no command; 'orchctl help' lists them");
	return rc;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {0};
	struct err err = ERR_INIT;
	int rc;

	/* Without a daemon credentials pass through this memory too. */
	prctl(PR_SET_DUMPABLE, 0);
	environment_hide();
	/* Without a daemon the engine is in this process; what it would log is told by the command. */
	log_open(LOG_ERROR_);
	text_setup();
	rc = parse(&ctl, argv + 1, (size_t)MAX(argc - 1, 0), &err);
	if (rc == 0)
		cmd_usage(NULL);
	else if (rc == 1)
		rc = run(&ctl, &err);
	if (rc == -1)
		rc = fail(&ctl, &err);
	args_release(&ctl.args);
	if (fflush(stdout) == EOF || ferror(stdout)) {
		fputs("orchctl: cannot write the output\n", stderr);
		rc = rc ? rc : 1;
	}
	return rc;
}
