#include "config.h"

#include "sensors/upload_names.h"

#include "base/mem.h"
#include "base/pattern.h"
#include "base/pattern_digits.h"
#include "base/template.h"
#include "base/utctime.h"
#include "sensors/pattern_parts.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_DIGITS_MAX 9 /* fits uint32_t whatever the digits */

/*
 * The piece read last.  Most names are those of its next piece: when nothing but the digits of the index differs, and no
 * other group has a part in these, it is the same upload without another look.
 */
struct last_piece {
	char name[STORE_KEY_MAX];
	size_t n; /* 0: none, or its successors need a look of their own */
	size_t index, width; /* where its index stands */
};

struct upload_names {
	struct pattern *part, *check;
	bool digits_alike; /* to part */
	struct last_piece last;
	char *check_file, *index, *date; /* date NULL: none is checked */
	char *
	    begin; /* template of what every name of an upload's piece begins with; NULL: nothing tells them apart */
	struct strvec groups; /* of part, without the index */
	struct strbuf name; /* what upload_name lends */
	char why[ERR_TEXT_MAX];
	char datebuf[9];
};

/* ---- the check file's name as a pattern ---- */

struct reverse {
	struct upload_names *un;
	struct strvec pieces; /* what stands for each place so far */
};

/* Is the group part of what stands to the left already? */
static bool placed(const struct reverse *r, const char *name)
{
	size_t n;

	for (size_t i = 0; i < r->pieces.n; i++)
		if (pattern_find_group(r->pieces.v[i], name, &n) != NULL)
			return true;
	return false;
}

static const char *place_pattern(void *arg, const char *name, size_t *n)
{
	struct reverse *r = arg;
	const char *place, *group = pattern_find_group(pattern_text(r->un->part), name, n);

	if (group == NULL)
		return NULL;
	if (placed(r, name))
		strvec_pushf(&r->pieces, "\\E\\k<%s>\\Q", name);
	else
		strvec_pushf(&r->pieces, "\\E%.*s\\Q", (int)*n, group);
	place = r->pieces.v[r->pieces.n - 1];
	*n = strlen(place);
	return place;
}

static int compile_check(struct upload_names *un, struct err *err)
{
	struct reverse r = {.un = un};
	struct strbuf text = STRBUF_INIT(PATTERN_TEXT_MAX);
	int rc;

	strbuf_addstr(&text, "^\\Q");
	rc = template_expand(un->check_file, place_pattern, &r, &text, err);
	strbuf_addstr(&text, "\\E$");
	if (rc == 0 && (un->check = pattern_compile(text.buf, err)) == NULL)
		rc = -1;
	strvec_release(&r.pieces);
	strbuf_release(&text);
	return rc == 0 ? 0 : err_wrap(err, "check_file '%.200s' does not turn into a pattern", un->check_file);
}

/* ---- checks ---- */

struct place_check {
	struct upload_names *un;
	struct err *err;
	int rc;
};

static void check_place(void *arg, const char *name)
{
	struct place_check *c = arg;
	char cut[80];

	snprintf(cut, sizeof(cut), "{%s:", name);
	if (c->rc == -1)
		return;
	if (strcmp(name, c->un->index) == 0)
		c->rc = err_set(
		    c->err, ERR_CONFIG, "check_file names {%s}, but all pieces share one check file", name);
	else if (!pattern_has_name(c->un->part, name))
		c->rc = err_set(c->err, ERR_CONFIG, "check_file names {%s}, which is no group of part", name);
	else if (strstr(c->un->check_file, cut) != NULL)
		c->rc = err_set(
		    c->err, ERR_CONFIG, "check_file cannot cut {%s}: make the cut a group of part", name);
}

static int check_template(struct upload_names *un, struct err *err)
{
	struct place_check c = {.un = un, .err = err};

	if (strpbrk(un->check_file, "/\\") != NULL)
		return err_set(err, ERR_CONFIG, "check_file is a plain name, without slash and backslash");
	if (template_check(un->check_file, check_place, &c, err) == -1)
		return err_wrap(err, "check_file");
	return c.rc;
}

static int check_groups(struct upload_names *un, struct err *err)
{
	const char *name;

	if (!pattern_has_name(un->part, un->index))
		return err_set(err, ERR_CONFIG,
		    "part has no group '%s' for the number of a piece: (?<%s>\\d{6})", un->index, un->index);
	for (size_t i = 0; (name = pattern_name(un->part, i)) != NULL; i++)
		if (strcmp(name, un->index) != 0)
			strvec_push(&un->groups, name);
	return check_template(un, err);
}

/* A group that the check file does not name would make one check file stand for several uploads. */
static int check_complete(const struct upload_names *un, struct err *err)
{
	for (size_t i = 0; i < un->groups.n; i++)
		if (!pattern_has_name(un->check, un->groups.v[i]))
			return err_set(err, ERR_CONFIG,
			    "check_file does not name {%s}: uploads that differ only in it would share a check "
			    "file",
			    un->groups.v[i]);
	return 0;
}

struct upload_names *upload_names_new(
    const char *part, const char *check_file, const char *index, const char *date, struct err *err)
{
	struct upload_names *un = xcalloc(1, sizeof(*un));

	un->name = STRBUF_INIT(STORE_KEY_MAX);
	un->check_file = xstrdup(check_file);
	un->index = xstrdup(index);
	if ((un->part = pattern_compile(part, err)) == NULL || check_groups(un, err) == -1 ||
	    compile_check(un, err) == -1 || check_complete(un, err) == -1) {
		upload_names_free(un);
		return NULL;
	}
	if (pattern_has_name(un->part, date))
		un->date = xstrdup(date);
	un->begin = pattern_begin(un->part, index);
	un->digits_alike = pattern_digits_alike(part);
	return un;
}

void upload_names_free(struct upload_names *un)
{
	if (un == NULL)
		return;
	pattern_free(un->part);
	pattern_free(un->check);
	strvec_release(&un->groups);
	strbuf_release(&un->name);
	free(un->check_file);
	free(un->index);
	free(un->date);
	free(un->begin);
	free(un);
}

const char *upload_names_group(const struct upload_names *un, size_t i)
{
	return i < un->groups.n ? un->groups.v[i] : NULL;
}

/* ---- reading ---- */

static const char *group_value(void *arg, const char *name, size_t *n)
{
	return pattern_group(arg, name, n);
}

static void none(struct upload_names *un, struct upload_name *out, const char *why)
{
	*out = (struct upload_name){.role = UPLOAD_NONE, .why = why};
	un->datebuf[0] = '\0';
}

static int read_date(struct upload_names *un, const struct pattern_match *m)
{
	struct civil c;
	const char *s;
	size_t n = 0;

	un->datebuf[0] = '\0';
	if (un->date == NULL)
		return 0;
	s = pattern_group(m, un->date, &n);
	if (s != NULL && n == 8) {
		memcpy(un->datebuf, s, 8);
		un->datebuf[8] = '\0';
		if (utctime_parse_yyyymmdd(un->datebuf, &c) == 0)
			return 0;
	}
	snprintf(un->why, sizeof(un->why), "'%.*s' in its name is not a date", (int)MIN(n, 40), s ? s : "");
	return -1;
}

static int parse_index(const char *s, size_t n, struct upload_name *out)
{
	if (n == 0 || n > INDEX_DIGITS_MAX)
		return -1;
	out->index = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		out->index = out->index * 10 + (uint32_t)(s[i] - '0');
	}
	out->width = (unsigned)n;
	return 0;
}

static int read_index(struct upload_names *un, const struct pattern_match *m, struct upload_name *out)
{
	size_t n;
	const char *s = pattern_group(m, un->index, &n);

	return s != NULL ? parse_index(s, n, out) : -1;
}

/* Do the groups of the upload lie outside of the index? */
static bool index_stands_alone(
    const struct upload_names *un, const struct pattern_match *m, const char *index, size_t width)
{
	for (size_t i = 0; i < un->groups.n; i++) {
		size_t n;
		const char *s = pattern_group(m, un->groups.v[i], &n);

		if (s != NULL && s < index + width && index < s + n)
			return false;
	}
	return true;
}

static void remember(struct upload_names *un, const struct pattern_match *m, const char *name, size_t n)
{
	struct last_piece *l = &un->last;
	const char *index = pattern_group(m, un->index, &l->width);

	if (!un->digits_alike || n > sizeof(l->name) || !index_stands_alone(un, m, index, l->width))
		return;
	memcpy(l->name, name, n);
	l->n = n;
	l->index = (size_t)(index - name);
}

/* The piece read last with another index: the upload's name and date stand where they were left. */
static bool read_again(struct upload_names *un, const char *name, size_t n, struct upload_name *out)
{
	const struct last_piece *l = &un->last;
	size_t end = l->index + l->width;

	if (n != l->n || n == 0 || memcmp(name, l->name, l->index) != 0 ||
	    memcmp(name + end, l->name + end, n - end) != 0 ||
	    parse_index(name + l->index, l->width, out) == -1)
		return false;
	out->role = UPLOAD_PIECE;
	out->upload = un->name.buf;
	out->len = un->name.len;
	out->date = un->datebuf;
	out->again = true;
	return true;
}

/* A match of either pattern becomes the upload's name. */
static void read_match(
    struct upload_names *un, enum upload_role role, struct pattern_match *m, struct upload_name *out)
{
	struct err err;

	if (read_date(un, m) == -1) {
		none(un, out, un->why);
		return;
	}
	if (role == UPLOAD_PIECE && read_index(un, m, out) == -1) {
		none(un, out, "the number in its name is not a decimal number of at most 9 digits");
		return;
	}
	strbuf_reset(&un->name);
	if (template_expand(un->check_file, group_value, m, &un->name, &err) == -1) {
		snprintf(
		    un->why, sizeof(un->why), "no check file name follows from its name: %.200s", err.text);
		none(un, out, un->why);
		return;
	}
	out->role = role;
	out->upload = un->name.buf;
	out->len = un->name.len;
	out->date = un->datebuf;
}

static void read_new(struct upload_names *un, const char *name, size_t n, struct upload_name *out)
{
	struct pattern_match m;
	struct err err;
	int rc;

	un->last.n = 0;
	if ((rc = pattern_match(un->part, name, n, &m, &err)) == 1) {
		read_match(un, UPLOAD_PIECE, &m, out);
		if (out->role == UPLOAD_PIECE)
			remember(un, &m, name, n);
	} else if (rc == 0 && (rc = pattern_match(un->check, name, n, &m, &err)) == 1) {
		read_match(un, UPLOAD_CHECK, &m, out);
	} else if (rc == -1) {
		snprintf(un->why, sizeof(un->why), "%s", err.text);
		none(un, out, un->why);
	} else {
		none(un, out, "neither a piece nor a check file by its name");
	}
}

void upload_names_read(struct upload_names *un, const char *name, struct upload_name *out)
{
	size_t n = strlen(name);

	*out = (struct upload_name){.role = UPLOAD_NONE};
	if (!read_again(un, name, n, out))
		read_new(un, name, n, out);
}

void upload_names_values(struct upload_names *un, const char *upload, struct upload_values *out)
{
	struct pattern_match m;
	size_t n;

	*out = (struct upload_values){0};
	if (pattern_match(un->check, upload, strlen(upload), &m, NULL) != 1)
		return; /* it was made by the same pattern */
	out->v = xcalloc(un->groups.n + 1, sizeof(*out->v));
	for (size_t i = 0; i < un->groups.n; i++) {
		const char *s = pattern_group(&m, un->groups.v[i], &n);

		strvec_pushn(&out->text, s ? s : "", s ? n : 0);
		out->v[out->n++] = (struct name_value){un->groups.v[i], out->text.v[out->text.n - 1]};
	}
}

void upload_values_release(struct upload_values *v)
{
	strvec_release(&v->text);
	free(v->v);
	*v = (struct upload_values){0};
}

static const char *value_of(void *arg, const char *name, size_t *n)
{
	const struct upload_values *v = arg;

	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i].name, name) == 0) {
			*n = strlen(v->v[i].value);
			return v->v[i].value;
		}
	return NULL;
}

int upload_names_begin(struct upload_names *un, const char *upload, struct strbuf *out)
{
	struct upload_values values;
	int rc = -1;

	upload_names_values(un, upload, &values);
	if (values.n > 0 && un->begin != NULL)
		rc = template_expand(un->begin, value_of, &values, out, NULL);
	upload_values_release(&values);
	return rc;
}
