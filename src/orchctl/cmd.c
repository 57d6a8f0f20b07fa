/* cmd.c: the table of commands, finding a row, and help made from it. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/table.h"

#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

#define CMD(name) extern const struct cmd cmd_##name;
#include "orchctl/cmds.def"
#undef CMD

const struct cmd *const cmds[] = {
#define CMD(name) &cmd_##name,
#include "orchctl/cmds.def"
#undef CMD
    NULL};

const struct arg_opt common_opts[] = {
    {"config-file", 'f', ARG_LIST, "FILE",
        "configuration; otherwise $ORCH_CONFIG, ./orch.yaml, /etc/orch/orch.yaml"},
    {"help", 'h', ARG_FLAG, NULL, "explain the command"},
    {"json", 0, ARG_FLAG, NULL, "one JSON object on standard output"},
    {"quiet", 'q', ARG_FLAG, NULL, "say only what was asked for"},
    ARG_END,
};

static bool is_word(const char *have, const char *alias, const char *word)
{
	return strcmp(have, word) == 0 || (alias != NULL && strcmp(alias, word) == 0);
}

struct choice {
	const char *found; /* the last that `word` begins */
	size_t n;
	char list[200];
};

static void consider(struct choice *c, const char *name)
{
	size_t used = strlen(c->list);

	/* Rows of one noun stand together. */
	if (c->found != NULL && strcmp(c->found, name) == 0)
		return;
	snprintf(c->list + used, sizeof(c->list) - used, "%s%s", used ? ", " : "", name);
	c->found = name;
	c->n++;
}

/*
 * The one name that `word` is, or begins; NULL with candidates in err.  name(arg, i) lists them; they follow `noun`,
 * which is empty for nouns.
 */
static const char *pick(const char *word, const char *(*name)(const void *arg, size_t i), const void *arg,
    const char *noun, struct err *err)
{
	const char *gap = noun[0] != '\0' ? " " : "";

	struct choice c = {0};
	const char *n, *near;

	for (size_t i = 0; (n = name(arg, i)) != NULL; i++) {
		if (strcmp(n, word) == 0)
			return n;
		if (strncmp(n, word, strlen(word)) == 0)
			consider(&c, n);
	}
	if (c.n == 1)
		return c.found;
	near = suggest_nearest(word, name, arg);
	if (c.n > 1)
		err_set(err, ERR_USAGE, "command '%s%s%.40s' could be %s", noun, gap, word, c.list);
	else
		err_set(err, ERR_USAGE, "no command '%s%s%.40s'%s%s; try 'orchctl help%s%s'", noun, gap, word,
		    near ? "; did you mean " : "", near ? near : "", gap, noun);
	return NULL;
}

static const char *noun_at(const void *arg, size_t i)
{
	return cmd_noun(i);
}

const char *cmd_noun(size_t i)
{
	size_t n = 0;

	for (const struct cmd *const *c = cmds; *c != NULL; c++)
		if (((*c)->flags & CMD_HIDDEN) == 0 && (c == cmds || strcmp((*c)->noun, c[-1]->noun) != 0) &&
		    n++ == i)
			return (*c)->noun;
	return NULL;
}

const char *cmd_verb(const char *noun, size_t i)
{
	size_t n = 0;

	for (const struct cmd *const *c = cmds; *c != NULL; c++)
		if (strcmp((*c)->noun, noun) == 0 && (*c)->verb != NULL && n++ == i)
			return (*c)->verb;
	return NULL;
}

/* The i-th verb of a noun, aliases after them. */
static const char *verb_at(const void *arg, size_t i)
{
	size_t n = 0;

	for (const char *verb; (verb = cmd_verb(arg, n)) != NULL; n++)
		if (n == i)
			return verb;
	for (const struct cmd *const *c = cmds; *c != NULL; c++)
		if (strcmp((*c)->noun, arg) == 0 && (*c)->verb != NULL && (*c)->alias != NULL && n++ == i)
			return (*c)->alias;
	return NULL;
}

const struct cmd *cmd_row(const char *noun, const char *verb)
{
	for (const struct cmd *const *c = cmds; *c != NULL; c++) {
		if (strcmp((*c)->noun, noun) != 0)
			continue;
		if (verb == NULL ? (*c)->verb == NULL || ((*c)->flags & CMD_DEFAULT)
		                 : (*c)->verb != NULL && is_word((*c)->verb, (*c)->alias, verb))
			return *c;
	}
	return NULL;
}

static const struct cmd *hidden_row(const char *noun)
{
	for (const struct cmd *const *c = cmds; *c != NULL; c++)
		if (((*c)->flags & CMD_HIDDEN) != 0 && strcmp((*c)->noun, noun) == 0)
			return *c;
	return NULL;
}

static bool is_help(const char *word)
{
	return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

const struct cmd *cmd_find(char *const *argv, size_t n, size_t *words, struct err *err)
{
	const struct cmd *c = hidden_row(argv[0]);
	const char *noun, *verb;

	*words = 1;
	if (c != NULL)
		return c;
	if ((noun = pick(argv[0], noun_at, NULL, "", err)) == NULL)
		return NULL;
	c = cmd_row(noun, NULL);
	if (c == NULL && n > 1 && is_help(argv[1]))
		return cmd_row(noun, cmd_verb(noun, 0));
	if (verb_at(noun, 0) == NULL || (c != NULL && (n < 2 || argv[1][0] == '-')))
		return c;
	if (n < 2) {
		err_set(err, ERR_USAGE, "%s what? try 'orchctl help %s'", noun, noun);
		return NULL;
	}
	if ((verb = pick(argv[1], verb_at, noun, noun, err)) == NULL)
		return NULL;
	*words = 2;
	return cmd_row(noun, verb);
}

/* ---- help */

static void put_usage(const struct cmd *c)
{
	printf("orchctl %s%s%s%s%s%s\n", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
	    c->operands ? " " : "", c->operands ? c->operands : "", c->opts ? " [options]" : "");
}

static void put_options(const struct arg_opt *opts, const char *title)
{
	struct strbuf sb = STRBUF_INIT(200);
	struct table *t;

	if (opts == NULL)
		return;
	printf("\n%s\n", title);
	t = table_new("option|meaning");
	for (const struct arg_opt *o = opts; o->name != NULL; o++) {
		if (o->letter != 0)
			strbuf_addf(&sb, "-%c, ", o->letter);
		strbuf_addf(&sb, "--%s", o->name);
		if (o->kind != ARG_FLAG)
			strbuf_addf(&sb, o->kind == ARG_OPTIONAL ? "[=%s]" : " %s", o->value);
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, o->help);
	}
	table_wrap(t);
	table_end(t, 2, NULL);
	strbuf_release(&sb);
}

void cmd_explain(const struct cmd *c)
{
	fputs("usage: ", stdout);
	put_usage(c);
	printf("\n%s\n", c->help);
	if (c->more != NULL)
		printf("\n%s\n", c->more);
	put_options(c->opts, "options");
	put_options(common_opts, "options of every command");
}

void cmd_usage(const char *noun)
{
	struct table *t = table_new("command|what it does");
	struct strbuf sb = STRBUF_INIT(300);

	if (noun == NULL)
		puts("usage: orchctl [-f FILE] [--json] COMMAND ...\n");
	for (const struct cmd *const *p = cmds; *p != NULL; p++) {
		const struct cmd *c = *p;

		if ((c->flags & CMD_HIDDEN) != 0 || (noun != NULL && strcmp(noun, c->noun) != 0))
			continue;
		strbuf_addf(&sb, "%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
		    c->operands ? " " : "", c->operands ? c->operands : "");
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, c->help);
	}
	table_wrap(t);
	table_end(t, 2, NULL);
	strbuf_release(&sb);
	if (noun == NULL)
		puts("\n'orchctl help COMMAND' tells more. Words may be cut short as long as they are unique.");
}

void cmd_explain_noun(const struct cmd *c)
{
	if (c->verb == NULL || cmd_verb(c->noun, 1) == NULL) {
		cmd_explain(c);
		return;
	}
	printf("usage: orchctl %s COMMAND ...\n\n", c->noun);
	cmd_usage(c->noun);
	printf("\n'orchctl help %s COMMAND' tells more.\n", c->noun);
}
