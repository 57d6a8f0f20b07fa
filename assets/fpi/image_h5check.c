/*
 * image_h5check.c: is this file what the controller writes, sound in every address, count and size?
 *
 * libhdf5 trusts a file's structure and reads outside its memory when that is damaged, so it only gets to see files that were
 * walked here from end to end: one group with plain names, one contiguous data set, attributes of plain numbers and
 * texts (the layout of the library's oldest file version, which is also its default).  Everything else is refused.
 */
#include "config.h"

#include "assets/fpi/image.h"

#include <endian.h>

#define UNDEFINED UINT64_MAX

enum { BLOCKS_MAX = 16, NODE_K_MAX = 64, TEXT_MAX = 256, NAME_MAX_BYTES = 256, FREE_MAX = 64 };

enum message {
	MSG_NIL = 0x00,
	MSG_SPACE = 0x01,
	MSG_TYPE = 0x03,
	MSG_FILL_OLD = 0x04,
	MSG_FILL = 0x05,
	MSG_LAYOUT = 0x08,
	MSG_ATTRIBUTE = 0x0c,
	MSG_CONTINUE = 0x10,
	MSG_GROUP = 0x11,
	MSG_TIME = 0x12,
	MSG_KINDS
};

enum class { CLASS_INT = 0, CLASS_FLOAT = 1, CLASS_TEXT = 3, CLASS_VARIABLE = 9 };

struct file {
	const uint8_t *p;
	size_t n;
	struct err *err;
	uint16_t leaf_k, tree_k;
	uint64_t root, tree, heap; /* tree and heap as the superblock caches them; UNDEFINED: it does not */
	const uint8_t *names; /* the heap's bytes */
	uint64_t names_size;
	uint64_t image; /* header of the data set */
};

/* An object's messages, one of each kind at most, where they matter. */
struct object {
	const uint8_t *msg[MSG_KINDS];
	uint16_t size[MSG_KINDS];
	uint64_t elements, width;
};

struct type {
	enum class class;
	uint32_t size;
	size_t coded; /* bytes it takes in the file */
};

static uint16_t u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p)
{
	return u16(p) | (uint32_t)u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static int bad(const struct file *f, const char *what)
{
	return fpi_image_bad(f->err, "HDF5 structure not sound or not plain: %s", what);
}

/* n bytes at an address, or NULL. */
static const uint8_t *bytes_at(const struct file *f, uint64_t address, uint64_t n)
{
	return address <= f->n && n <= f->n - address ? f->p + address : NULL;
}

static const uint8_t *signed_at(const struct file *f, uint64_t address, const char *signature, uint64_t n)
{
	const uint8_t *p = bytes_at(f, address, n);

	return p != NULL && memcmp(p, signature, 4) == 0 ? p : NULL;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* ---- superblock and root group */

static int check_superblock(struct file *f)
{
	static const uint8_t magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
	const uint8_t *p = bytes_at(f, 0, 96);

	if (p == NULL || memcmp(p, magic, sizeof(magic)) != 0)
		return fpi_image_bad(f->err, "no HDF5 signature in %zu bytes", f->n);
	if (p[8] != 0 || p[9] != 0 || p[10] != 0 || p[12] != 0)
		return fpi_image_bad(f->err, "HDF5 superblock version %d; 0 is expected", p[8]);
	if (p[13] != 8 || p[14] != 8)
		return bad(f, "addresses are not of 8 bytes");
	f->leaf_k = u16(p + 16);
	f->tree_k = u16(p + 18);
	if (u64(p + 40) > f->n)
		return fpi_image_bad(
		    f->err, "truncated: %zu bytes of %llu", f->n, (unsigned long long)u64(p + 40));
	/* what lies behind the end the file claims is not part of it */
	f->n = u64(p + 40);
	if (bytes_at(f, 0, 96) == NULL || u64(p + 24) != 0 || u64(p + 32) != UNDEFINED ||
	    u64(p + 48) != UNDEFINED)
		return bad(f, "base, free space or driver address");
	if (f->leaf_k < 1 || f->leaf_k > NODE_K_MAX || f->tree_k < 1 || f->tree_k > NODE_K_MAX ||
	    u32(p + 20) != 0)
		return bad(f, "group node sizes");
	f->root = u64(p + 64);
	f->tree = f->heap = UNDEFINED;
	if (u32(p + 72) == 1) {
		f->tree = u64(p + 80);
		f->heap = u64(p + 88);
	} else if (u32(p + 72) != 0) {
		return bad(f, "root entry");
	}
	return 0;
}

/* Free blocks form a chain of offsets; 1 ends it. */
static int check_free_list(const struct file *f, uint64_t at)
{
	for (int i = 0; at != 1; i++) {
		if (i == FREE_MAX || at > f->names_size || f->names_size - at < 16 ||
		    u64(f->names + at + 8) < 16 || u64(f->names + at + 8) > f->names_size - at)
			return bad(f, "free list of the name heap");
		at = u64(f->names + at);
	}
	return 0;
}

static int check_heap(struct file *f, uint64_t address)
{
	const uint8_t *p = signed_at(f, address, "HEAP", 32);

	if (p == NULL || !all_zero(p + 4, 4))
		return bad(f, "name heap");
	f->names_size = u64(p + 8);
	f->names = bytes_at(f, u64(p + 24), f->names_size);
	if (f->names == NULL || f->names_size < 8)
		return bad(f, "bytes of the name heap");
	return check_free_list(f, u64(p + 16));
}

/* The name at an offset, terminated inside the heap; NULL if not. */
static const char *name_at(const struct file *f, uint64_t offset)
{
	if (offset >= f->names_size || memchr(f->names + offset, '\0', f->names_size - offset) == NULL)
		return NULL;
	return (const char *)f->names + offset;
}

static int check_symbols(struct file *f, uint64_t address)
{
	const uint8_t *p = signed_at(f, address, "SNOD", 8 + 2 * f->leaf_k * 40U);

	if (p == NULL || p[4] != 1 || u16(p + 6) > 2 * f->leaf_k)
		return bad(f, "symbol node");
	for (int i = 0; i < u16(p + 6); i++) {
		const uint8_t *entry = p + 8 + 40 * i;
		const char *name = name_at(f, u64(entry));

		if (name == NULL || u32(entry + 16) > 2)
			return bad(f, "symbol");
		if (strcmp(name, "image") != 0)
			continue;
		if (u32(entry + 16) != 0)
			return fpi_image_bad(f->err, "no data set 'image': the name is a link or a group");
		f->image = u64(entry + 8);
	}
	return 0;
}

static int check_tree(struct file *f, uint64_t address)
{
	uint64_t size = 24 + (2 * f->tree_k + 1) * 8U + 2 * f->tree_k * 8U;
	const uint8_t *p = signed_at(f, address, "TREE", size);

	if (p == NULL || p[4] != 0 || p[5] != 0 || u16(p + 6) > 2 * f->tree_k || u64(p + 8) != UNDEFINED ||
	    u64(p + 16) != UNDEFINED)
		return bad(f, "group tree");
	for (int i = 0; i <= u16(p + 6); i++)
		if (name_at(f, u64(p + 24 + 16 * i)) == NULL)
			return bad(f, "key of the group tree");
	for (int i = 0; i < u16(p + 6); i++)
		if (check_symbols(f, u64(p + 32 + 16 * i)) == -1)
			return -1;
	return 0;
}

/* ---- messages */

/* Elements of a dataspace of at most two dimensions, or -1. */
static int64_t space_elements(const uint8_t *p, size_t n)
{
	size_t dims = n > 0 && p[0] == 1 ? 8 : 4;
	int64_t elements = 1;

	if (n < dims || p[0] < 1 || p[0] > 2 || p[1] > 2 || p[2] > 1 ||
	    n < dims + (size_t)p[1] * 8 * (1 + p[2]))
		return -1;
	if (p[0] == 1 ? !all_zero(p + 3, 5) : p[3] != (p[1] > 0))
		return -1;
	for (int i = 0; i < p[1]; i++) {
		uint64_t dim = u64(p + dims + 8 * i);

		/* no room to grow: the same number stands as the maximum */
		if (dim < 1 || dim > FPI_SIDE_MAX || (p[2] && u64(p + dims + 8 * (p[1] + i)) != dim))
			return -1;
		elements *= (int64_t)dim;
	}
	return elements;
}

static bool number_type(const uint8_t *p, size_t n, struct type *t)
{
	static const uint8_t f32[12] = {0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0};
	static const uint8_t f64[12] = {0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0};

	if (t->class == CLASS_INT) {
		t->coded = 12;
		return n >= 12 && (t->size == 1 || t->size == 2 || t->size == 4 || t->size == 8) &&
		       (p[1] & ~9) == 0 && p[2] == 0 && p[3] == 0 && u16(p + 8) == 0 &&
		       u16(p + 10) == 8 * t->size;
	}
	t->coded = 20;
	return n >= 20 && (t->size == 4 || t->size == 8) && (p[1] & ~1) == 0x20 && p[2] == 8 * t->size - 1 &&
	       p[3] == 0 && memcmp(p + 8, t->size == 4 ? f32 : f64, sizeof(f32)) == 0;
}

static bool read_type(const uint8_t *p, size_t n, struct type *t)
{
	struct type base;

	if (n < 8 || p[0] >> 4 < 1 || p[0] >> 4 > 3)
		return false;
	*t = (struct type){.class = p[0] & 15, .size = u32(p + 4), .coded = 8};
	switch ((int)t->class) {
	case CLASS_INT:
	case CLASS_FLOAT: return number_type(p, n, t);
	case CLASS_TEXT:
		return t->size >= 1 && t->size <= TEXT_MAX && (p[1] & 15) <= 2 && p[1] >> 4 <= 1 && p[2] == 0 &&
		       p[3] == 0;
	case CLASS_VARIABLE:
		/* a text: a sequence of characters of one byte */
		if ((p[1] & 15) != 1 || p[1] >> 4 > 2 || p[2] > 1 || p[3] != 0 || t->size != 16 || n < 16 ||
		    (p[8] & 15) == CLASS_VARIABLE || !read_type(p + 8, n - 8, &base) || base.size != 1)
			return false;
		t->coded = 8 + base.coded;
		return true;
	default: return false;
	}
}

/* Object `index` of a global heap, `want` bytes long: the whole collection must be sound. */
static bool heap_object(const struct file *f, uint64_t address, uint32_t index, uint64_t want)
{
	const uint8_t *p = signed_at(f, address, "GCOL", 16);
	uint64_t size, at = 16;
	bool found = false;

	if (p == NULL || p[4] != 1 || !all_zero(p + 5, 3) || (size = u64(p + 8)) < 4096 ||
	    bytes_at(f, address, size) == NULL)
		return false;
	while (size - at >= 16) {
		uint64_t length = u64(p + at + 8), padded = (length + 7) & ~(uint64_t)7;

		if (u16(p + at) == 0) { /* free space up to the end, its own head included */
			if (length != size - at)
				return false;
			break;
		}
		if (padded < length || padded > size - at - 16)
			return false;
		found = found || (u16(p + at) == index && length >= want);
		at += 16 + padded;
	}
	return found;
}

static size_t round8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Version 1 pads its parts to 8 bytes, 2 and 3 do not; 3 has a character set before the name. */
static int check_attribute(const struct file *f, const uint8_t *p, size_t n)
{
	size_t head = n > 0 && p[0] == 3 ? 9 : 8, name, type, space;
	struct type t;
	int64_t elements;

	if (n < head || p[0] < 1 || p[0] > 3 || p[1] != 0 || (head == 9 && p[8] > 1))
		return bad(f, "attribute");
	name = p[0] == 1 ? round8(u16(p + 2)) : u16(p + 2);
	type = p[0] == 1 ? round8(u16(p + 4)) : u16(p + 4);
	space = p[0] == 1 ? round8(u16(p + 6)) : u16(p + 6);
	if (head + name + type + space > n || u16(p + 2) < 2 || u16(p + 2) > NAME_MAX_BYTES ||
	    memchr(p + head, '\0', u16(p + 2)) != p + head + u16(p + 2) - 1)
		return bad(f, "name of an attribute");
	elements = space_elements(p + head + name + type, u16(p + 6));
	if (!read_type(p + head + name, u16(p + 4), &t) || t.coded > u16(p + 4) || elements < 1 ||
	    elements > 64)
		return fpi_image_bad(
		    f->err, "attribute %.64s is neither a number nor a text", (const char *)p + head);
	if ((uint64_t)elements * t.size > n - head - name - type - space)
		return fpi_image_bad(f->err, "attribute %.64s is cut off", (const char *)p + head);
	p += head + name + type + space;
	for (int64_t i = 0; i < elements && t.class == CLASS_VARIABLE; i++, p += 16)
		if (u32(p) != 0 && !heap_object(f, u64(p + 4), u32(p + 12), u32(p)))
			return bad(f, "text of an attribute");
	return 0;
}

static bool check_fill(const uint8_t *p, size_t n, bool old, uint64_t width)
{
	size_t head = old ? 0 : 4;

	if (!old && (n < 4 || p[0] < 1 || p[0] > 2 || p[1] < 1 || p[1] > 3 || p[2] > 2 || p[3] > 1))
		return false;
	if (!old && p[0] == 2 && p[3] == 0)
		return true;
	return n >= head + 4 && (u32(p + head) == 0 || (u32(p + head) == width && n >= head + 4 + width));
}

/* ---- object headers */

struct block {
	uint64_t address, size;
};

static int take_message(
    const struct file *f, struct object *o, const uint8_t *p, struct block *blocks, size_t *nblocks)
{
	uint16_t type = u16(p), size = u16(p + 2);

	if (p[4] & ~5) /* shared, or not to be understood by readers like this one */
		return bad(f, "message flags");
	switch (type) {
	case MSG_NIL: return 0;
	case MSG_CONTINUE:
		if (size < 16 || *nblocks == BLOCKS_MAX)
			return bad(f, "continuation");
		blocks[(*nblocks)++] = (struct block){u64(p + 8), u64(p + 16)};
		return 0;
	case MSG_ATTRIBUTE: return check_attribute(f, p + 8, size);
	case MSG_SPACE:
	case MSG_TYPE:
	case MSG_FILL_OLD:
	case MSG_FILL:
	case MSG_LAYOUT:
	case MSG_GROUP:
	case MSG_TIME:
		if (o->msg[type] != NULL)
			return bad(f, "message twice");
		o->msg[type] = p + 8;
		o->size[type] = size;
		return 0;
	default:
		return fpi_image_bad(
		    f->err, "HDF5 message of type 0x%x (filtered or newer layout) is not read", type);
	}
}

static int read_block(const struct file *f, struct object *o, const struct block *b, struct block *blocks,
    size_t *nblocks, uint32_t *count)
{
	const uint8_t *p = bytes_at(f, b->address, b->size);

	if (p == NULL)
		return bad(f, "header block");
	for (uint64_t at = 0; at < b->size; (*count)++) {
		uint16_t size;

		if (b->size - at < 8 || (size = u16(p + at + 2)) % 8 != 0 || size > b->size - at - 8)
			return bad(f, "header message");
		if (take_message(f, o, p + at, blocks, nblocks) == -1)
			return -1;
		at += 8U + size;
	}
	return 0;
}

static int read_object(const struct file *f, uint64_t address, struct object *o)
{
	const uint8_t *p = bytes_at(f, address, 16);
	struct block blocks[BLOCKS_MAX];
	size_t nblocks = 1;
	uint32_t count = 0;

	*o = (struct object){0};
	if (p == NULL || p[0] != 1 || p[1] != 0 || u32(p + 4) < 1 || u32(p + 4) > 16)
		return bad(f, "object header");
	blocks[0] = (struct block){address + 16, u32(p + 8)};
	for (size_t i = 0; i < nblocks; i++) {
		struct block b = blocks[i];

		if (read_block(f, o, &b, blocks, &nblocks, &count) == -1)
			return -1;
	}
	return count == u16(p + 2) ? 0 : bad(f, "number of messages");
}

static int check_root(struct file *f)
{
	struct object o;
	const uint8_t *p;

	if (read_object(f, f->root, &o) == -1)
		return -1;
	p = o.msg[MSG_GROUP];
	if (p == NULL || o.size[MSG_GROUP] < 16)
		return bad(f, "root group");
	if ((f->tree != UNDEFINED && f->tree != u64(p)) || (f->heap != UNDEFINED && f->heap != u64(p + 8)))
		return bad(f, "root group and superblock differ");
	if (check_heap(f, u64(p + 8)) == -1 || check_tree(f, u64(p)) == -1)
		return -1;
	return f->image != UNDEFINED ? 0 : fpi_image_bad(f->err, "no data set 'image'");
}

static int check_layout(const struct file *f, const struct object *o)
{
	const uint8_t *p = o->msg[MSG_LAYOUT];

	if (p == NULL || o->size[MSG_LAYOUT] < 18 || p[0] != 3 || p[1] != 1)
		return fpi_image_bad(f->err, "image is not stored in one piece");
	if (u64(p + 2) == UNDEFINED)
		return fpi_image_bad(f->err, "image was never written");
	if (u64(p + 10) != o->elements * o->width || bytes_at(f, u64(p + 2), u64(p + 10)) == NULL)
		return fpi_image_bad(f->err, "image has %llu bytes of %llu", (unsigned long long)u64(p + 10),
		    (unsigned long long)(o->elements * o->width));
	return 0;
}

static int check_image(const struct file *f)
{
	struct object o;
	struct type t;
	int64_t elements;

	if (read_object(f, f->image, &o) == -1)
		return -1;
	if (o.msg[MSG_SPACE] == NULL || (elements = space_elements(o.msg[MSG_SPACE], o.size[MSG_SPACE])) < 0)
		return fpi_image_bad(f->err, "image does not have two dimensions of at most %d", FPI_SIDE_MAX);
	if (o.msg[MSG_TYPE] == NULL || !read_type(o.msg[MSG_TYPE], o.size[MSG_TYPE], &t) ||
	    t.class > CLASS_FLOAT)
		return fpi_image_bad(f->err, "image pixels are not numbers of at most 8 bytes");
	o.elements = (uint64_t)elements;
	o.width = t.size;
	if (o.msg[MSG_FILL] != NULL && !check_fill(o.msg[MSG_FILL], o.size[MSG_FILL], false, t.size))
		return bad(f, "fill value");
	if (o.msg[MSG_FILL_OLD] != NULL && !check_fill(o.msg[MSG_FILL_OLD], o.size[MSG_FILL_OLD], true, t.size))
		return bad(f, "old fill value");
	if (o.msg[MSG_TIME] != NULL && (o.size[MSG_TIME] < 8 || o.msg[MSG_TIME][0] != 1))
		return bad(f, "modification time");
	if (o.msg[MSG_GROUP] != NULL)
		return bad(f, "image is also a group");
	return check_layout(f, &o);
}

int fpi_hdf5_check(const uint8_t *p, size_t n, struct err *err)
{
	struct file f = {.p = p, .n = n, .err = err, .image = UNDEFINED};

	if (check_superblock(&f) == -1 || check_root(&f) == -1)
		return -1;
	return check_image(&f);
}
