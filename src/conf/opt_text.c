#include "config.h"

#include "conf/opt_text.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "base/suggest.h"
#include "base/template.h"
#include "base/utctime.h"
#include "conf/node.h"
#include "conf/secret.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_MAX 1024

int opt_check_chars(const char *text, bool layout, struct err *err)
{
	if (!utf8_valid(text, strlen(text)))
		return err_set(err, ERR_CONFIG, "not valid UTF-8");
	for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++) {
		bool control = *s < 0x20 || *s == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);

		if (control && !(layout && (*s == '\n' || *s == '\t')))
			return err_set(err, ERR_CONFIG, "a control character (0x%02X)", *s == 0xc2 ? s[1] : *s);
	}
	return 0;
}

static bool is_dots(const char *s, size_t n)
{
	return (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.');
}

int opt_check_key(const char *key, bool prefix, struct err *err)
{
	size_t n = strlen(key);

	if (n > KEY_MAX)
		return err_set(err, ERR_CONFIG, "longer than %d bytes", KEY_MAX);
	if (opt_check_chars(key, false, err) == -1)
		return -1;
	if (n == 0)
		return prefix ? 0 : err_set(err, ERR_CONFIG, "empty");
	if (key[0] == '/')
		return err_set(err, ERR_CONFIG, "a leading '/'; keys are relative");
	for (const char *s = key; *s != '\0';) {
		size_t len = strcspn(s, "/");

		if (len == 0)
			return err_set(err, ERR_CONFIG, "an empty component ('//')");
		if (is_dots(s, len))
			return err_set(err, ERR_CONFIG, "a component '%.*s'", (int)len, s);
		s += len;
		if (*s == '/' && *++s == '\0' && !prefix)
			return err_set(err, ERR_CONFIG, "a trailing '/'");
	}
	return 0;
}

char *opt_path_absolute(const char *dir, const char *path)
{
	char cwd[PATH_MAX];
	struct strbuf sb = STRBUF_INIT(2 * PATH_MAX + NODE_VALUE_MAX);
	char *whole;

	if (path[0] != '/' && (dir == NULL || dir[0] != '/') && getcwd(cwd, sizeof(cwd)) != NULL) {
		char *base = dir != NULL ? fs_join(cwd, dir) : xstrdup(cwd);
		whole = fs_join(base, path);
		free(base);
	} else {
		whole = path[0] == '/' ? xstrdup(path) : fs_join(dir, path);
	}
	for (const char *s = whole; *s != '\0';) {
		size_t n = strcspn(s, "/");

		if (n > 0 && !(n == 1 && s[0] == '.')) {
			strbuf_addch(&sb, '/');
			strbuf_add(&sb, s, n);
		}
		s += n + (s[n] == '/');
	}
	if (sb.len == 0)
		strbuf_addch(&sb, '/');
	free(whole);
	return strbuf_detach(&sb);
}

/* ---- numbers ---- */

struct number_type {
	int (*parse)(const char *s, int64_t *out);
	const char *form, *least, *most;
};

static const struct number_type number_types[OPT_NTYPES] = {
    [OPT_INT] = {opt_parse_int, "a whole number in decimal digits", "-9223372036854775808",
        "9223372036854775807"},
    [OPT_SIZE] = {opt_parse_size,
        "a size: a whole number and B, KiB, MiB, GiB, TiB, kB, MB, GB or TB, such as 64MiB", "0B",
        "8388607TiB"},
    [OPT_DURATION] = {opt_parse_duration,
        "a duration: a whole number and ms, s, m, min, h or d, such as 90s, 15min or 1h30m", "0s", "3650d"},
};

static int parse_number(const struct opt *opt, const char *text, int64_t *out, struct err *err)
{
	const struct number_type *t = &number_types[opt->type];
	const char *least = opt->min != NULL ? opt->min : t->least,
	           *most = opt->max != NULL ? opt->max : t->most;
	int64_t v = 0, lo = 0, hi = 0;
	int rc = t->parse(text, &v);

	if (rc == -1)
		return err_set(err, ERR_CONFIG, "'%.60s' is not %s", text, t->form);
	if (t->parse(least, &lo) != 0 || t->parse(most, &hi) != 0)
		return err_set(err, ERR_BUG, "option '%s' has limits that are not %s", opt->name, t->form);
	if (rc == -2 || v < lo || v > hi)
		return err_set(
		    err, ERR_CONFIG, "'%.60s' is out of range; allowed are %s to %s", text, least, most);
	*out = v;
	return 0;
}

static int double_value(const char *text, double *out)
{
	struct node n = {.kind = NODE_TEXT, .text = (char *)text};

	if (text[0] == '+' || strpbrk(text, "eE") != NULL)
		return -1;
	return node_as_double(&n, out);
}

static int parse_double(const struct opt *opt, const char *text, double *out, struct err *err)
{
	double v, limit;

	if (double_value(text, &v) == -1)
		return err_set(err, ERR_CONFIG, "'%.60s' is not a decimal number, such as 0.25", text);
	if ((opt->min != NULL && (double_value(opt->min, &limit) == -1 || v < limit)) ||
	    (opt->max != NULL && (double_value(opt->max, &limit) == -1 || v > limit)))
		return err_set(err, ERR_CONFIG, "'%.60s' is out of range; allowed are %s to %s", text,
		    opt->min != NULL ? opt->min : "any", opt->max != NULL ? opt->max : "any");
	*out = v;
	return 0;
}

static int parse_bool(const char *text, bool *out, struct err *err)
{
	struct node n = {.kind = NODE_TEXT, .text = (char *)text};

	if (node_as_bool(&n, out) == -1)
		return err_set(err, ERR_CONFIG, "'%.60s' is not true or false (also yes, no, on, off)", text);
	return 0;
}

/* ---- texts ---- */

struct choice_list {
	char names[16][64];
	size_t n;
};

static void split_choices(const char *choices, struct choice_list *out)
{
	out->n = 0;
	for (const char *s = choices; *s != '\0' && out->n < NITEMS(out->names);) {
		size_t n = strcspn(s, " ");

		if (n > 0)
			snprintf(out->names[out->n++], sizeof(out->names[0]), "%.*s", (int)n, s);
		s += n + (s[n] == ' ');
	}
}

static const char *choice_name(const void *arg, size_t i)
{
	const struct choice_list *list = arg;

	return i < list->n ? list->names[i] : NULL;
}

static int check_choice(const struct opt *opt, const char *text, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(1024);
	struct choice_list list;
	const char *near;

	split_choices(opt->choices, &list);
	for (size_t i = 0; i < list.n; i++)
		if (strcmp(list.names[i], text) == 0)
			return 0;
	for (size_t i = 0; i < list.n; i++)
		strbuf_addf(&sb, "%s%s", i == 0 ? "" : ", ", list.names[i]);
	near = suggest_nearest(text, choice_name, &list);
	if (near != NULL)
		err_set(err, ERR_CONFIG, "'%.60s' is not one of %s; did you mean '%s'?", text, sb.buf, near);
	else
		err_set(err, ERR_CONFIG, "'%.60s' is not one of %s", text, sb.buf);
	strbuf_release(&sb);
	return -1;
}

/* Lengths of texts and numbers of items share one check. */
static int check_between(const struct opt *opt, size_t n, const char *what, struct err *err)
{
	int64_t lo = 0, hi = INT64_MAX;

	if ((opt->min != NULL && opt_parse_int(opt->min, &lo) != 0) ||
	    (opt->max != NULL && opt_parse_int(opt->max, &hi) != 0))
		return err_set(err, ERR_BUG, "option '%s' has limits that are not numbers", opt->name);
	if ((int64_t)n < lo)
		return err_set(err, ERR_CONFIG, "%zu %s, at least %s are needed", n, what, opt->min);
	if ((int64_t)n > hi)
		return err_set(err, ERR_CONFIG, "%zu %s, at most %s are allowed", n, what, opt->max);
	return 0;
}

static int check_string(const struct opt *opt, const char *text, struct err *err)
{
	if (text[0] == '\0' && (opt->flags & OPT_REQUIRED) != 0)
		return err_set(err, ERR_CONFIG, "must not be empty");
	return check_between(opt, strlen(text), "bytes", err);
}

static int check_pattern(const struct opt *opt, const char *text, struct err *err)
{
	struct pattern *p = pattern_compile(text, err);

	pattern_free(p);
	return p != NULL ? 0 : -1;
}

static int check_template(const struct opt *opt, const char *text, struct err *err)
{
	if (template_check(text, NULL, NULL, err) == -1)
		return err_wrap(err, "template '%.60s'", text);
	return 0;
}

static int check_key(const struct opt *opt, const char *text, struct err *err)
{
	bool prefix = opt->type != OPT_KEY;

	if (opt_check_key(text, prefix, err) == -1)
		return err_wrap(err, "'%.60s' cannot be %s", text, prefix ? "a key prefix" : "an object key");
	return 0;
}

static int check_path(const struct opt *opt, const char *text, struct err *err)
{
	if (text[0] == '\0')
		return err_set(err, ERR_CONFIG, "a path must not be empty");
	if (strlen(text) >= PATH_MAX)
		return err_set(err, ERR_CONFIG, "a path of more than %d bytes", PATH_MAX - 1);
	return 0;
}

static int check_date(const struct opt *opt, const char *text, struct err *err)
{
	struct civil c;

	if (strlen(text) != 8 || text[strspn(text, "0123456789")] != '\0')
		return err_set(err, ERR_CONFIG, "'%.60s' is not a date of the form YYYYMMDD", text);
	if (utctime_parse_yyyymmdd(text, &c) == -1)
		return err_set(err, ERR_CONFIG, "'%s' is not a real date (YYYYMMDD)", text);
	if ((opt->min != NULL && strcmp(text, opt->min) < 0) ||
	    (opt->max != NULL && strcmp(text, opt->max) > 0))
		return err_set(err, ERR_CONFIG, "'%s' is out of range; allowed are %s to %s", text,
		    opt->min != NULL ? opt->min : "any", opt->max != NULL ? opt->max : "any");
	return 0;
}

static int check_name(const struct opt *opt, const char *text, struct err *err)
{
	return text[0] != '\0' ? 0 : err_set(err, ERR_CONFIG, "must not be empty");
}

static int (*const text_checks[OPT_NTYPES])(const struct opt *, const char *, struct err *) = {
    [OPT_STRING] = check_string,
    [OPT_CHOICE] = check_choice,
    [OPT_PATTERN] = check_pattern,
    [OPT_TEMPLATE] = check_template,
    [OPT_KEY] = check_key,
    [OPT_PREFIX] = check_key,
    [OPT_PATH] = check_path,
    [OPT_DATE] = check_date,
    [OPT_STORE] = check_name,
    [OPT_DATABASE] = check_name,
};

static const char *stand_in(void *arg, const char *name, size_t *n)
{
	*n = 1;
	return "x";
}

/*
 * A text with places: its syntax, and the type's own check with a stand-in for every place, so that a '..' or a length
 * that no value can mend is found when the file is read.
 */
static int check_templated(const struct opt *opt, const char *text, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(2 * NODE_VALUE_MAX);
	int rc;

	if ((rc = template_expand(text, stand_in, NULL, &sb, err)) == 0 && opt->type != OPT_DATE &&
	    opt->type != OPT_CHOICE)
		rc = text_checks[opt->type](opt, sb.buf, err);
	strbuf_release(&sb);
	return rc == 0 ? 0 : err_wrap(err, "template '%.60s'", text);
}

static int check_text(const struct opt *opt, const char *text, struct err *err)
{
	if ((opt->flags & OPT_TEMPLATED) != 0 && strpbrk(text, "{}") != NULL)
		return check_templated(opt, text, err);
	return text_checks[opt->type](opt, text, err);
}

int opt_check_item(const struct opt *opt, const char *item, struct err *err)
{
	if (opt_check_chars(item, opt->choices == NULL, err) == -1)
		return -1;
	if (opt->choices != NULL)
		return check_choice(opt, item, err);
	if ((opt->flags & OPT_PREFIXES) != 0)
		return check_key(opt, item, err);
	if ((opt->flags & OPT_TEMPLATED) != 0 && template_check(item, NULL, NULL, err) == -1)
		return err_wrap(err, "template '%.60s'", item);
	return 0;
}

int opt_check_count(const struct opt *opt, size_t n, struct err *err)
{
	if (n == 0 && (opt->flags & OPT_REQUIRED) != 0)
		return err_set(err, ERR_CONFIG, "must not be empty");
	return check_between(opt, n, "items", err);
}

static int parse_list(const struct opt *opt, const char *text, struct strvec *out, struct err *err)
{
	struct strvec items = STRVEC_INIT;
	int rc = 0;

	for (const char *s = text; *s != '\0';) {
		size_t n = strcspn(s, " ");

		if (n > 0)
			strvec_pushn(&items, s, n);
		s += n + (s[n] == ' ');
	}
	for (size_t i = 0; i < items.n && rc == 0; i++)
		rc = opt_check_item(opt, items.v[i], err);
	if (rc == -1 || opt_check_count(opt, items.n, err) == -1) {
		strvec_release(&items);
		return -1;
	}
	strvec_release(out);
	*out = items;
	return 0;
}

int opt_parse_in(const struct opt *opt, const char *text, const char *dir, void *conf, struct err *err)
{
	void *field = (char *)conf + opt->off;
	char *path;

	/* First of all, since the messages below quote the text and may reach a terminal as they are. */
	if (opt->type != OPT_STRLIST && opt_check_chars(text, false, err) == -1)
		return -1;
	switch (opt->type) {
	case OPT_INT:
	case OPT_SIZE:
	case OPT_DURATION: return parse_number(opt, text, field, err);
	case OPT_DOUBLE: return parse_double(opt, text, field, err);
	case OPT_BOOL: return parse_bool(text, field, err);
	case OPT_STRLIST: return parse_list(opt, text, field, err);
	case OPT_STRMAP: return err_set(err, ERR_CONFIG, "a mapping cannot be given as one text");
	case OPT_SECRET: return secret_parse(text, dir, field, err);
	case OPT_PATH:
		if (check_text(opt, text, err) == -1)
			return -1;
		path = opt_path_absolute(dir, text);
		free(*(char **)field);
		*(char **)field = path;
		return 0;
	default:
		if (check_text(opt, text, err) == -1)
			return -1;
		xstrset(field, text);
		return 0;
	}
}

int opt_parse_text(const struct opt *opt, const char *text, void *conf, struct err *err)
{
	return opt_parse_in(opt, text, NULL, conf, err);
}
