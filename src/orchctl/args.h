/* args.h: the options and operands of one command, parsed by its table. */
#ifndef ARGS_H
#define ARGS_H

#include "base/err.h"
#include "base/strvec.h"

enum arg_kind {
	ARG_FLAG,
	ARG_VALUE, /* --name VALUE or --name=VALUE */
	ARG_OPTIONAL, /* --name or --name=VALUE */
	ARG_LIST, /* as ARG_VALUE, may be given again */
};

struct arg_opt {
	const char *name; /* without dashes */
	char letter; /* short form, 0: none */
	enum arg_kind kind;
	const char *value; /* what the value is called in the usage */
	const char *help;
};
#define ARG_END              \
	{                    \
		.name = NULL \
	}

struct args {
	const struct arg_opt *opts; /* the command's */
	struct strvec names, values; /* of options given, in order; a flag's value is "" */
	struct strvec operands;
};

/* Options of two tables (either may be NULL) anywhere among the operands; "--" ends them.  Class USAGE. */
int args_parse(struct args *, const struct arg_opt *own, const struct arg_opt *common, char *const *argv,
    size_t n, struct err *err);
void args_release(struct args *);

bool args_has(const struct args *, const char *name);
const char *args_get(const struct args *, const char *name); /* the last one given, or NULL */
const char *args_operand(const struct args *, size_t i); /* NULL beyond the end */
/* A whole number from 1 to max, or def when the option is absent. */
int args_number(const struct args *, const char *name, int64_t def, int64_t max, int64_t *out, struct err *err);
/* "30", "90s", "1h30m" in milliseconds; a plain number is seconds. */
int args_duration(const char *text, tm_ms *out, struct err *err);

#endif
