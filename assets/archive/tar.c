#include "config.h"

#include "assets/archive/tar.h"

#include "assets/archive/member_name.h"
#include "assets/archive/tar_block.h"
#include "assets/archive/tar_pax.h"
#include "assets/archive/tar_sparse.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 *            +--------------------------------------------------+
 *            v                                                  |
 *   HEADER --+--> EXTENSION --> (apply) --> PADDING ------------+
 *      |     +--> SPARSE_BLOCK ..--+                            |
 *      |     +--> SPARSE_TEXT -----+--> DATA --> PADDING -------+
 *      |     +---------------------+
 *      +--> END (one zero block) --> ZEROS
 */
enum tar_state {
	TAR_HEADER,
	TAR_EXTENSION, /* payload of an extended header or long name */
	TAR_SPARSE_BLOCK, /* old GNU: the map goes on in a block of its own */
	TAR_SPARSE_TEXT, /* pax 1.0: the map stands as text before the data */
	TAR_DATA,
	TAR_PADDING,
	TAR_END,
	TAR_ZEROS,
	TAR_NSTATES
};

struct tar {
	enum tar_state state;
	const struct tar_sink *sink;
	void *arg;
	int64_t max_header;
	int64_t taken, content; /* bytes: all, and those stored as members' content */

	unsigned char block[TAR_BLOCK]; /* being collected */
	size_t have;
	struct tar_block header; /* of the member or extension under way */
	int64_t left; /* of its bytes */
	size_t padding;

	struct strbuf extension;
	/* What the extensions before the next member said. */
	struct tar_pax pax;
	bool has_pax;
	char *long_name;
	bool has_long_link;

	/* The member under way. */
	char *name;
	int64_t size;
	bool sparse;
	struct tar_sparse map;
	size_t map_text; /* pax 1.0: bytes of the map so far */
	int64_t map_left; /* numbers of the map still to come; -1: their count comes first */
	int64_t map_off; /* offset whose length comes next; -1: none */
};

struct tar *tar_new(int64_t max_header, const struct tar_sink *sink, void *arg)
{
	struct tar *t = xcalloc(1, sizeof(*t));

	t->sink = sink;
	t->arg = arg;
	t->max_header = max_header;
	strbuf_init(&t->extension, (size_t)max_header);
	tar_pax_init(&t->pax);
	return t;
}

static void forget_extensions(struct tar *t)
{
	tar_pax_release(&t->pax);
	t->has_pax = t->has_long_link = false;
	free(t->long_name);
	t->long_name = NULL;
}

void tar_free(struct tar *t)
{
	if (t == NULL)
		return;
	forget_extensions(t);
	strbuf_release(&t->extension);
	tar_sparse_release(&t->map);
	free(t->name);
	free(t);
}

int64_t tar_overhead(const struct tar *t)
{
	return t->taken - t->content;
}

static int corrupt(const struct tar *t, struct err *err, const char *why)
{
	return err_code(err, ERR_BAD_DATA, "corrupt.tar", "tar: near byte %" PRId64 ": %s", t->taken, why);
}

static int in_member(const struct tar *t, struct err *err)
{
	char shown[MEMBER_NAME_SHOWN];

	return err_wrap(err, "tar: member '%s'", member_name_show(t->name, shown));
}

static size_t padding_of(int64_t size)
{
	return (size_t)(-size & (TAR_BLOCK - 1));
}

static bool expects_member(const struct tar *t)
{
	return t->has_pax || t->long_name != NULL || t->has_long_link;
}

/* Bytes of the member as they shall be in the object. */
static int out(void *arg, const void *p, size_t n, struct err *err)
{
	struct tar *t = arg;

	return t->sink->data(t->arg, p, n, err);
}

static int end_member(struct tar *t, struct err *err)
{
	if (t->sparse && tar_sparse_finish(&t->map, out, t, err) == -1)
		return -1;
	tar_sparse_release(&t->map);
	t->padding = padding_of(t->header.size);
	t->state = TAR_PADDING;
	return t->sink->end(t->arg, err);
}

static int begin_member(struct tar *t, struct err *err)
{
	if (t->sparse && tar_sparse_start(&t->map, t->size, t->left, err) == -1)
		return in_member(t, err);
	if (t->sink->begin(t->arg, t->name, t->size, err) == -1)
		return -1;
	t->state = TAR_DATA;
	return t->left == 0 ? end_member(t, err) : 0;
}

/* ---- sparse maps */

/* Up to n pairs of an old GNU map; an empty length field ends it. */
static int add_gnu_pairs(struct tar *t, const unsigned char *p, size_t n, struct err *err)
{
	int64_t off, len;

	for (size_t i = 0; i < n && p[24 * i + 12] != '\0'; i++) {
		if (tar_number(p + 24 * i, 12, &off) == -1 || tar_number(p + 24 * i + 12, 12, &len) == -1)
			return corrupt(t, err, "sparse map: not a number");
		if (tar_sparse_add(&t->map, off, len, err) == -1)
			return in_member(t, err);
	}
	return 0;
}

static int start_gnu_sparse(struct tar *t, const unsigned char *b, struct err *err)
{
	if (t->has_pax && t->pax.has_sparse)
		return corrupt(t, err, "two kinds of sparse map");
	if (tar_number(b + 483, 12, &t->size) == -1)
		return corrupt(t, err, "the sparse file's size is not a number");
	t->sparse = true;
	if (add_gnu_pairs(t, b + 386, 4, err) == -1)
		return -1;
	if (b[482] == '\0')
		return begin_member(t, err);
	t->state = TAR_SPARSE_BLOCK;
	return 0;
}

static int start_pax_sparse(struct tar *t, struct err *err)
{
	struct tar_pax *px = &t->pax;
	bool text = px->sparse_major == 1;

	if (px->sparse_size < 0)
		return corrupt(t, err, "a sparse file without its size");
	if (px->sparse_major > 1 || (text && (px->sparse_minor != 0 || px->map.n > 0)))
		return corrupt(t, err, "a sparse format that does not exist");
	t->sparse = true;
	t->size = px->sparse_size;
	t->map = px->map;
	px->map = (struct tar_sparse){0};
	if (!text)
		return begin_member(t, err);
	t->map_text = 0;
	t->map_left = t->map_off = -1;
	t->state = TAR_SPARSE_TEXT;
	return 0;
}

/* One line of a pax 1.0 map: the number of pairs, then offset and length in turns. */
static int on_map_number(struct tar *t, struct err *err)
{
	const char *p = t->extension.buf, *end = p + t->extension.len;
	int64_t v;

	if (tar_sparse_decimal(&p, end, &v) == -1 || p != end)
		return corrupt(t, err, "sparse map: not a number");
	strbuf_reset(&t->extension);
	if (t->map_left == -1) {
		if (v > TAR_SPARSE_MAX) {
			err_code(err, ERR_BAD_DATA, "limit.header", "sparse map of %" PRId64 " pieces", v);
			return in_member(t, err);
		}
		t->map_left = 2 * v;
		return 0;
	}
	t->map_left--;
	if (t->map_off == -1) {
		t->map_off = v;
		return 0;
	}
	if (tar_sparse_add(&t->map, t->map_off, v, err) == -1)
		return in_member(t, err);
	t->map_off = -1;
	return 0;
}

/* ---- headers */

/* The name that counts: pax over GNU over the block's own. */
static int choose_name(struct tar *t, struct err *err)
{
	const char *pax = t->pax.sparse_name != NULL ? t->pax.sparse_name : t->pax.path;

	if (pax != NULL && t->long_name != NULL && strcmp(pax, t->long_name) != 0)
		return corrupt(t, err, "a pax name and another GNU long name for one member");
	xstrset(&t->name, pax != NULL ? pax : t->long_name != NULL ? t->long_name : t->header.name);
	return 0;
}

/* A pax size replaces the block's, which is then 0, cut off, or the same; a larger one would hide data. */
static int choose_size(struct tar *t, struct err *err)
{
	if (t->pax.size == -1)
		return 0;
	if (t->pax.size < t->header.size && !t->header.size_capped)
		return corrupt(t, err, "the pax size is smaller than the header's");
	t->header.size = t->pax.size;
	return 0;
}

/* Old archives mark a folder by a slash behind its name. */
static bool is_folder(const struct tar *t)
{
	size_t n = strlen(t->name);

	return t->header.kind == TAR_DIR ||
	       (t->header.kind == TAR_FILE && t->header.size == 0 && n > 0 && t->name[n - 1] == '/');
}

static int start_folder(struct tar *t, struct err *err)
{
	if (t->header.size != 0)
		return corrupt(t, err, "a folder with content");
	forget_extensions(t);
	return t->sink->dir(t->arg, t->name, err);
}

static int start_member(struct tar *t, struct err *err)
{
	int rc;

	if (choose_name(t, err) == -1 || choose_size(t, err) == -1)
		return -1;
	if (is_folder(t))
		return start_folder(t, err);
	t->size = t->left = t->header.size;
	t->sparse = false;
	if (t->header.kind == TAR_SPARSE)
		rc = start_gnu_sparse(t, t->block, err);
	else if (t->pax.has_sparse)
		rc = start_pax_sparse(t, err);
	else
		rc = begin_member(t, err);
	forget_extensions(t);
	return rc;
}

static int start_extension(struct tar *t, struct err *err)
{
	bool twice = (t->header.kind == TAR_PAX && t->has_pax) ||
	             (t->header.kind == TAR_LONG_NAME && t->long_name != NULL) ||
	             (t->header.kind == TAR_LONG_LINK && t->has_long_link);

	/* Readers differ on which of two counts. */
	if (twice)
		return corrupt(t, err, "two extended headers of one kind for one member");
	if (t->header.size > t->max_header)
		return err_code(err, ERR_BAD_DATA, "limit.header",
		    "tar: near byte %" PRId64 ": extended header of %" PRId64 " bytes, at most %" PRId64
		    " are allowed",
		    t->taken, t->header.size, t->max_header);
	strbuf_reset(&t->extension);
	t->left = t->header.size;
	t->state = TAR_EXTENSION;
	return 0;
}

static int apply_long_name(struct tar *t, struct err *err)
{
	const char *p = t->extension.buf;
	size_t n = t->extension.len;
	char shown[MEMBER_NAME_SHOWN];

	while (n > 0 && p[n - 1] == '\0')
		n--;
	if (memchr(p, '\0', n) != NULL)
		return err_code(err, ERR_BAD_DATA, "path.control", "tar: NUL inside the long name '%s'",
		    member_name_show(p, shown));
	t->long_name = xstrndup(p, n);
	return 0;
}

static int apply_extension(struct tar *t, struct err *err)
{
	int rc = 0;

	if (t->header.kind == TAR_PAX) {
		t->has_pax = true;
		rc = tar_pax_parse(&t->pax, t->extension.buf, t->extension.len, err);
	} else if (t->header.kind == TAR_PAX_GLOBAL) {
		rc = tar_pax_check_global(t->extension.buf, t->extension.len, err);
	} else if (t->header.kind == TAR_LONG_NAME) {
		rc = apply_long_name(t, err);
	} else {
		t->has_long_link = true; /* plain files have no target */
	}
	strbuf_reset(&t->extension);
	t->padding = padding_of(t->header.size);
	t->state = TAR_PADDING;
	return rc == -1 ? err_wrap(err, "near byte %" PRId64, t->taken) : 0;
}

static int on_header(struct tar *t, struct err *err)
{
	if (tar_block_is_zero(t->block)) {
		t->state = TAR_END;
		return expects_member(t) ? corrupt(t, err, "an extended header without its member") : 0;
	}
	if (tar_block_parse(t->block, &t->header, err) == -1)
		return err_wrap(err, "tar: near byte %" PRId64, t->taken);
	switch (t->header.kind) {
	case TAR_PAX:
	case TAR_PAX_GLOBAL:
	case TAR_LONG_NAME:
	case TAR_LONG_LINK: return start_extension(t, err);
	case TAR_FILE:
	case TAR_DIR:
	case TAR_SPARSE: break;
	}
	return start_member(t, err);
}

static int on_sparse_block(struct tar *t, struct err *err)
{
	if (add_gnu_pairs(t, t->block, 21, err) == -1)
		return -1;
	return t->block[504] == '\0' ? begin_member(t, err) : 0;
}

static int on_end(struct tar *t, struct err *err)
{
	t->state = TAR_ZEROS;
	return tar_block_is_zero(t->block) ? 0 : corrupt(t, err, "a lone zero block, then something else");
}

/* ---- taking bytes: each takes some of p and says how many, or -1 */

static int64_t take_block(struct tar *t, const unsigned char *p, size_t n, struct err *err)
{
	size_t take = MIN(n, TAR_BLOCK - t->have);
	int rc = 0;

	memcpy(t->block + t->have, p, take);
	t->have += take;
	t->taken += (int64_t)take;
	if (t->have < TAR_BLOCK)
		return (int64_t)take;
	t->have = 0;
	if (t->state == TAR_HEADER)
		rc = on_header(t, err);
	else if (t->state == TAR_SPARSE_BLOCK)
		rc = on_sparse_block(t, err);
	else
		rc = on_end(t, err);
	return rc == -1 ? -1 : (int64_t)take;
}

static int64_t take_extension(struct tar *t, const unsigned char *p, size_t n, struct err *err)
{
	size_t take = (size_t)MIN((int64_t)n, t->left);

	strbuf_add(&t->extension, p, take);
	t->taken += (int64_t)take;
	t->left -= (int64_t)take;
	if (t->left == 0 && apply_extension(t, err) == -1)
		return -1;
	return (int64_t)take;
}

/* The map counts as stored bytes and fills whole blocks. */
static int64_t take_sparse_text(struct tar *t, const unsigned char *p, size_t n, struct err *err)
{
	size_t i = 0;
	bool complete;

	do {
		complete = t->map_left == 0;
		if (complete && t->map_text % TAR_BLOCK == 0)
			return begin_member(t, err) == -1 ? -1 : (int64_t)i;
		if (t->left == 0)
			return corrupt(t, err, "sparse map: longer than what is stored");
		if (i == n)
			break;
		t->left--;
		t->taken++;
		t->map_text++;
		if (!complete && p[i] == '\n' && on_map_number(t, err) == -1)
			return -1;
		if (!complete && p[i] != '\n' &&
		    (t->extension.len > 20 || strbuf_addch(&t->extension, (char)p[i]) == -1))
			return corrupt(t, err, "sparse map: not a number");
		i++;
	} while (true);
	return (int64_t)i;
}

static int64_t take_data(struct tar *t, const unsigned char *p, size_t n, struct err *err)
{
	size_t take = (size_t)MIN((int64_t)n, t->left);
	int rc = t->sparse ? tar_sparse_push(&t->map, p, take, out, t, err) : out(t, p, take, err);

	if (rc == -1)
		return -1;
	t->taken += (int64_t)take;
	t->content += (int64_t)take;
	t->left -= (int64_t)take;
	if (t->left == 0 && end_member(t, err) == -1)
		return -1;
	return (int64_t)take;
}

static int64_t take_padding(struct tar *t, const unsigned char *p, size_t n, struct err *err)
{
	size_t take = MIN(n, t->padding);

	t->taken += (int64_t)take;
	t->padding -= take;
	if (t->padding == 0)
		t->state = TAR_HEADER;
	return (int64_t)take;
}

static int64_t take_zeros(struct tar *t, const unsigned char *p, size_t n, struct err *err)
{
	if (p[0] != 0 || memcmp(p, p + 1, n - 1) != 0)
		return err_code(err, ERR_BAD_DATA, "trailing",
		    "tar: something follows the end marker at byte %" PRId64, t->taken);
	t->taken += (int64_t)n;
	return (int64_t)n;
}

static int64_t (*const take[])(struct tar *, const unsigned char *, size_t, struct err *) = {
    [TAR_HEADER] = take_block,
    [TAR_EXTENSION] = take_extension,
    [TAR_SPARSE_BLOCK] = take_block,
    [TAR_SPARSE_TEXT] = take_sparse_text,
    [TAR_DATA] = take_data,
    [TAR_PADDING] = take_padding,
    [TAR_END] = take_block,
    [TAR_ZEROS] = take_zeros,
};
static_assert(NITEMS(take) == TAR_NSTATES, "every state takes bytes");

int tar_push(struct tar *t, const void *p, size_t n, struct err *err)
{
	const unsigned char *s = p;

	while (n > 0) {
		int64_t took = take[t->state](t, s, n, err);

		if (took == -1)
			return -1;
		s += took;
		n -= (size_t)took;
	}
	return 0;
}

int tar_finish(struct tar *t, struct err *err)
{
	if (t->taken == 0)
		return err_code(err, ERR_BAD_DATA, "empty", "tar: there is not a single byte");
	if (t->state == TAR_ZEROS)
		return 0;
	if (t->state == TAR_DATA) {
		err_code(err, ERR_BAD_DATA, "truncated", "the archive ends inside it");
		return in_member(t, err);
	}
	return err_code(err, ERR_BAD_DATA, "truncated",
	    "tar: the archive ends without its end marker, after %" PRId64 " bytes", t->taken);
}
