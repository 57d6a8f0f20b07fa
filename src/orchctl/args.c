#include "config.h"

#include "orchctl/args.h"

#include "base/suggest.h"
#include "conf/opt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tables {
	const struct arg_opt *own, *common;
};

static const struct arg_opt *option_at(const struct tables *t, size_t i)
{
	size_t n = 0;

	for (const struct arg_opt *o = t->own; o != NULL && o->name != NULL; o++)
		if (n++ == i)
			return o;
	for (const struct arg_opt *o = t->common; o != NULL && o->name != NULL; o++)
		if (n++ == i)
			return o;
	return NULL;
}

static const char *name_at(const void *arg, size_t i)
{
	const struct arg_opt *o = option_at(arg, i);

	return o ? o->name : NULL;
}

static const struct arg_opt *find(const struct tables *t, const char *name, size_t n, struct err *err)
{
	char word[64];
	const struct arg_opt *o;
	const char *near;

	for (size_t i = 0; (o = option_at(t, i)) != NULL; i++)
		if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	snprintf(word, sizeof(word), "%.*s", (int)MIN(n, sizeof(word) - 1), name);
	near = suggest_nearest(word, name_at, t);
	err_set(err, ERR_USAGE, "no option --%s%s%s", word, near ? "; did you mean --" : "", near ? near : "");
	return NULL;
}

static const struct arg_opt *find_letter(const struct tables *t, char letter, struct err *err)
{
	const struct arg_opt *o;

	for (size_t i = 0; (o = option_at(t, i)) != NULL; i++)
		if (o->letter == letter)
			return o;
	err_set(err, ERR_USAGE, "no option -%c", letter);
	return NULL;
}

static int take(struct args *a, const struct arg_opt *o, const char *value, struct err *err)
{
	if (o->kind != ARG_LIST && args_has(a, o->name))
		return err_set(err, ERR_USAGE, "--%s is given twice", o->name);
	strvec_push(&a->names, o->name);
	strvec_push(&a->values, value);
	return 0;
}

/* One option at argv[i]; returns how many words it took, or -1. */
static int parse_option(
    struct args *a, const struct tables *t, char *const *argv, size_t i, size_t n, struct err *err)
{
	bool is_long = argv[i][1] == '-';
	const char *name = argv[i] + (is_long ? 2 : 1), *eq = is_long ? strchr(name, '=') : NULL;
	const char *attached = eq ? eq + 1 : !is_long && name[1] != '\0' ? name + 1 : NULL;
	const struct arg_opt *o =
	    is_long ? find(t, name, eq ? (size_t)(eq - name) : strlen(name), err) : find_letter(t, *name, err);

	if (o == NULL)
		return -1;
	if (o->kind == ARG_FLAG && attached != NULL)
		return err_set(err, ERR_USAGE, "--%s takes no value", o->name);
	if (o->kind == ARG_FLAG || o->kind == ARG_OPTIONAL || attached != NULL)
		return take(a, o, attached ? attached : "", err) == -1 ? -1 : 1;
	if (i + 1 >= n)
		return err_set(err, ERR_USAGE, "--%s wants a value (%s)", o->name, o->value);
	return take(a, o, argv[i + 1], err) == -1 ? -1 : 2;
}

int args_parse(struct args *a, const struct arg_opt *own, const struct arg_opt *common, char *const *argv,
    size_t n, struct err *err)
{
	struct tables t = {own, common};
	bool ended = false;

	a->opts = own;
	for (size_t i = 0; i < n;) {
		int took = 1;

		if (!ended && strcmp(argv[i], "--") == 0)
			ended = true;
		else if (!ended && argv[i][0] == '-' && argv[i][1] != '\0')
			took = parse_option(a, &t, argv, i, n, err);
		else
			strvec_push(&a->operands, argv[i]);
		if (took == -1)
			return -1;
		i += (size_t)took;
	}
	return 0;
}

void args_release(struct args *a)
{
	strvec_release(&a->names);
	strvec_release(&a->values);
	strvec_release(&a->operands);
}

const char *args_get(const struct args *a, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < a->names.n; i++)
		if (strcmp(a->names.v[i], name) == 0)
			value = a->values.v[i];
	return value;
}

bool args_has(const struct args *a, const char *name)
{
	return args_get(a, name) != NULL;
}

const char *args_operand(const struct args *a, size_t i)
{
	return i < a->operands.n ? a->operands.v[i] : NULL;
}

int args_number(const struct args *a, const char *name, int64_t def, int64_t max, int64_t *out, struct err *err)
{
	const char *text = args_get(a, name);
	char *end;
	long long v;

	*out = def;
	if (text == NULL)
		return 0;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || v < 1 || v > max)
		return err_set(err, ERR_USAGE, "--%s: '%s' is not a whole number from 1 to %lld", name, text,
		    (long long)max);
	*out = v;
	return 0;
}

int args_duration(const char *text, tm_ms *out, struct err *err)
{
	static const struct opt row = {.name = "duration", .type = OPT_DURATION, .min = "1ms"};
	char seconds[32];

	if (text[strspn(text, "0123456789")] == '\0' && strlen(text) < 16) {
		snprintf(seconds, sizeof(seconds), "%ss", text);
		text = seconds;
	}
	return opt_parse_text(&row, text, out, err);
}
