#include "config.h"

#include "assets/archive/tar_pax.h"

#include "assets/archive/member_name.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct record {
	const char *key, *value;
	size_t nkey, nvalue;
};

void tar_pax_init(struct tar_pax *px)
{
	*px = (struct tar_pax){.size = -1,
	    .sparse_size = -1,
	    .sparse_major = -1,
	    .sparse_minor = -1,
	    .sparse_blocks = -1,
	    .sparse_offset = -1};
}

void tar_pax_release(struct tar_pax *px)
{
	free(px->path);
	free(px->sparse_name);
	tar_sparse_release(&px->map);
	tar_pax_init(px);
}

static int corrupt(struct err *err, const char *why)
{
	return err_code(err, ERR_BAD_DATA, "corrupt.tar", "pax header: %s", why);
}

/* Cut the next record off *p; false: framing is wrong. */
static bool next_record(const char **p, size_t *n, struct record *r)
{
	size_t len = 0, digits = 0;
	const char *eq;

	for (; digits < *n && digits < 9 && (*p)[digits] >= '0' && (*p)[digits] <= '9'; digits++)
		len = len * 10 + (size_t)((*p)[digits] - '0');
	if (digits == 0 || (*p)[0] == '0' || digits >= *n || (*p)[digits] != ' ')
		return false;
	if (len > *n || len < digits + 4 || (*p)[len - 1] != '\n') /* blank, one letter, '=', newline */
		return false;
	r->key = *p + digits + 1;
	eq = memchr(r->key, '=', len - digits - 2);
	if (eq == NULL || eq == r->key || memchr(r->key, '\0', (size_t)(eq - r->key)) != NULL)
		return false;
	r->nkey = (size_t)(eq - r->key);
	r->value = eq + 1;
	r->nvalue = (size_t)(*p + len - 1 - r->value);
	*p += len;
	*n -= len;
	return true;
}

static int set_name(char **where, const struct record *r, struct err *err)
{
	char shown[MEMBER_NAME_SHOWN];

	if (r->nvalue == 0)
		return err_code(err, ERR_BAD_DATA, "path.empty", "pax header: an empty name");
	if (memchr(r->value, '\0', r->nvalue) != NULL)
		return err_code(err, ERR_BAD_DATA, "path.control", "pax header: NUL inside the name '%s'",
		    member_name_show(r->value, shown));
	free(*where);
	*where = xstrndup(r->value, r->nvalue);
	return 0;
}

static int set_number(int64_t *where, const struct record *r, struct err *err)
{
	const char *p = r->value;

	if (tar_sparse_decimal(&p, r->value + r->nvalue, where) == -1 || p != r->value + r->nvalue)
		return err_code(err, ERR_BAD_DATA, "corrupt.tar", "pax header: %.*s is not a decimal number",
		    (int)MIN(r->nkey, 40), r->key);
	return 0;
}

static int on_path(struct tar_pax *px, const struct record *r, struct err *err)
{
	return set_name(&px->path, r, err);
}

static int on_size(struct tar_pax *px, const struct record *r, struct err *err)
{
	return set_number(&px->size, r, err);
}

static int on_sparse_name(struct tar_pax *px, const struct record *r, struct err *err)
{
	return set_name(&px->sparse_name, r, err);
}

static int on_sparse_size(struct tar_pax *px, const struct record *r, struct err *err)
{
	return set_number(&px->sparse_size, r, err);
}

static int on_sparse_major(struct tar_pax *px, const struct record *r, struct err *err)
{
	return set_number(&px->sparse_major, r, err);
}

static int on_sparse_minor(struct tar_pax *px, const struct record *r, struct err *err)
{
	return set_number(&px->sparse_minor, r, err);
}

static int on_sparse_blocks(struct tar_pax *px, const struct record *r, struct err *err)
{
	return set_number(&px->sparse_blocks, r, err);
}

/* 0.0: offset and numbytes come in turns, a pair of records for each piece of data. */
static int on_sparse_offset(struct tar_pax *px, const struct record *r, struct err *err)
{
	if (px->sparse_offset != -1)
		return corrupt(err, "two GNU.sparse.offset without GNU.sparse.numbytes between them");
	return set_number(&px->sparse_offset, r, err);
}

static int on_sparse_numbytes(struct tar_pax *px, const struct record *r, struct err *err)
{
	int64_t len;

	if (px->sparse_offset == -1)
		return corrupt(err, "GNU.sparse.numbytes without GNU.sparse.offset");
	if (set_number(&len, r, err) == -1 || tar_sparse_add(&px->map, px->sparse_offset, len, err) == -1)
		return -1;
	px->sparse_offset = -1;
	return 0;
}

/* 0.1: the whole map as "offset,numbytes,offset,numbytes". */
static int on_sparse_map(struct tar_pax *px, const struct record *r, struct err *err)
{
	const char *p = r->value, *end = p + r->nvalue;
	int64_t off, len;

	tar_sparse_release(&px->map);
	while (p < end) {
		if (tar_sparse_decimal(&p, end, &off) == -1 || p == end || *p++ != ',' ||
		    tar_sparse_decimal(&p, end, &len) == -1 || (p < end && *p++ != ',') ||
		    (p == end && p[-1] == ','))
			return corrupt(err, "GNU.sparse.map is not a list of numbers");
		if (tar_sparse_add(&px->map, off, len, err) == -1)
			return -1;
	}
	return 0;
}

static const struct keyword {
	const char *name;
	int (*on)(struct tar_pax *, const struct record *, struct err *);
	bool sparse;
} keywords[] = {
    {"path", on_path, false},
    {"size", on_size, false},
    {"GNU.sparse.major", on_sparse_major, true},
    {"GNU.sparse.map", on_sparse_map, true},
    {"GNU.sparse.minor", on_sparse_minor, true},
    {"GNU.sparse.name", on_sparse_name, true},
    {"GNU.sparse.numblocks", on_sparse_blocks, true},
    {"GNU.sparse.numbytes", on_sparse_numbytes, true},
    {"GNU.sparse.offset", on_sparse_offset, true},
    {"GNU.sparse.realsize", on_sparse_size, true},
    {"GNU.sparse.size", on_sparse_size, true},
};

static const struct keyword *keyword_find(const struct record *r)
{
	for (size_t i = 0; i < NITEMS(keywords); i++)
		if (strlen(keywords[i].name) == r->nkey && memcmp(keywords[i].name, r->key, r->nkey) == 0)
			return &keywords[i];
	return NULL;
}

int tar_pax_parse(struct tar_pax *px, const char *p, size_t n, struct err *err)
{
	const struct keyword *k;
	struct record r;

	while (n > 0) {
		if (!next_record(&p, &n, &r))
			return corrupt(err, "a record's length, '=' or newline is wrong");
		if ((k = keyword_find(&r)) == NULL)
			continue;
		if (k->on(px, &r, err) == -1)
			return -1;
		px->has_sparse = px->has_sparse || k->sparse;
	}
	if (px->sparse_offset != -1)
		return corrupt(err, "GNU.sparse.offset without GNU.sparse.numbytes");
	if (px->sparse_blocks != -1 && px->sparse_major != 1 && (size_t)px->sparse_blocks != px->map.n)
		return corrupt(err, "the sparse map has another length than GNU.sparse.numblocks says");
	return 0;
}

int tar_pax_check_global(const char *p, size_t n, struct err *err)
{
	struct record r;

	while (n > 0) {
		if (!next_record(&p, &n, &r))
			return corrupt(err, "a record's length, '=' or newline is wrong");
		if (keyword_find(&r) != NULL)
			return err_code(err, ERR_BAD_DATA, "corrupt.tar",
			    "global pax header: %.*s for every member", (int)MIN(r.nkey, 40), r.key);
	}
	return 0;
}
