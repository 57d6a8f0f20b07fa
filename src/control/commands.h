/*
 * commands.h: what can be asked of an engine, whoever carries the question: the socket or a program of its own.
 *
 * A command is started with its arguments and answers once, from the loop or from inside the start; those that wait may
 * send events before.  After command_cancel nothing more is called.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "base/err.h"
#include "base/json.h"
#include "query/query.h"

struct command;

struct command_caller {
	struct query query; /* reads through a reader of its own: only what is durable is told */
	/* NULL for a program that reads without owning the state: commands that change something fail with no_daemon. */
	struct engine *engine;
	int (*reload)(void *arg, struct err *err); /* NULL: not a daemon */
	void *reload_arg;
	char who[64];
};

struct command_cbs {
	void (*on_event)(const json_t *event, void *arg); /* lent */
	/* The end: result is lent; err is NULL on success. */
	void (*on_answer)(const json_t *result, const struct err *err, void *arg);
};

/* caller must outlive the command.  Returns a handle until the answer, or NULL when it was answered inside the call. */
struct command *command_start(struct command_caller *caller, const char *cmd, const json_t *args,
    const struct command_cbs *cbs, void *arg);
void command_cancel(struct command *);
/* Whether a command by this name changes something (needs the owner of the state). */
bool command_changes(const char *cmd);

#endif
