/*
 * ctl.h: the frame of orchctl: one row per command, what a command gets, and the few calls all of them use.
 */
#ifndef CTL_H
#define CTL_H

#include "base/err.h"
#include "base/json.h"
#include "orchctl/args.h"
#include "orchctl/link.h"
#include "orchctl/text.h"

struct conf;
struct ctl;

enum {
	CMD_NO_CONF = 1 << 0, /* runs without a configuration */
	CMD_DEFAULT = 1 << 1, /* what the noun alone means */
	CMD_HIDDEN = 1 << 2, /* for programs: in no help, and not to be cut short */
};

struct cmd {
	const char *noun, *verb; /* "runs", "show"; verb NULL: the noun alone */
	const char *alias; /* of the verb, or of the noun when there is no verb; may be NULL */
	const char *operands; /* as in the usage line, may be NULL */
	size_t min_operands, max_operands;
	const struct arg_opt *opts; /* may be NULL */
	unsigned flags;
	const char *help; /* one sentence, lower case, no full stop */
	const char *more; /* further lines of its help; may be NULL */
	/* The exit code, or -1 with err. */
	int (*run)(struct ctl *ctl, struct err *err);
};
extern const struct cmd *const cmds[]; /* NULL-terminated, in the order of the help */

struct ctl {
	const struct cmd *cmd;
	const char *conf_file; /* -f, or NULL */
	bool json, quiet;
	bool whole_noun; /* the command is the default of its noun, whose verb was not given */
	struct args args;
	struct conf *conf; /* NULL with CMD_NO_CONF */
	struct link *link;
};

#define CTL_ANSWER_MS 60000 /* for questions that are answered at once */
#define CTL_LIST_MAX  1000

/* Ask with a deadline. */
int ctl_ask(struct ctl *, const char *cmd, const json_t *args, json_t **result, struct err *err);
/* The same with one text argument. */
int ctl_ask_name(
    struct ctl *, const char *cmd, const char *key, const char *value, json_t **result, struct err *err);
/* Ask; with --json print the answer as it is, otherwise hand it to show.  The usual shape of a command that looks. */
int ctl_show(struct ctl *, const char *cmd, json_t *args_stolen,
    void (*show)(struct ctl *, const json_t *result), struct err *err);
/* One object, pretty on a terminal. */
void ctl_print_json(const json_t *j);
/* The first operand as a run's number. */
int ctl_run_id(const struct ctl *, int64_t *id, struct err *err);
/* Copy options that were given into args under their own names. */
void ctl_pass_options(const struct ctl *, json_t *args, const char *const *names);
/* Cleaned and coloured on stdout, with a line's end when `line` is set. */
void ctl_put(enum paint paint, const char *text);
/* "  label      text" with the text cleaned; nothing when text is NULL or empty. */
void ctl_put_field(const char *label, const char *text);

/*
 * Find the row of argv's first words; *words is how many they are.  Class USAGE with candidates.  A noun alone is its
 * default or, before --help, any of its rows.
 */
const struct cmd *cmd_find(char *const *argv, size_t n, size_t *words, struct err *err);
/* The i-th noun, each once, and the i-th verb of a noun; NULL behind the last. */
const char *cmd_noun(size_t i);
const char *cmd_verb(const char *noun, size_t i);
const struct cmd *cmd_row(
    const char *noun, const char *verb); /* verb NULL: what the noun alone means; NULL: none */
const char *type_name(size_t i); /* of sensors, assets, stores...; NULL behind the last */
void cmd_explain(const struct cmd *cmd); /* of one command */
void cmd_usage(const char *noun); /* of all, or of one noun's commands */
void cmd_explain_noun(
    const struct cmd *cmd); /* of all commands of its noun, or of itself where there are no more */
extern const struct arg_opt common_opts[];

#endif
