/*
 * image_h5check.c: is this file what the controller writes, sound in every address, count and size?
 *
 * libhdf5 trusts a file's structure and reads outside its memory when that is damaged, so it only gets to see files that were
 * walked here from end to end: one group with plain names, one contiguous data set, attributes of plain numbers and
 * texts (the layout of the library's oldest file version, which is also its default).  Everything else is refused.
 */
#include "config.h"

#include "assets/fpi/image_h5.h"

enum { BLOCKS_MAX = 16, NODE_K_MAX = 64, FREE_MAX = 64 };

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

/* An object's messages, one of each kind at most, where they matter. */
struct object {
	const uint8_t *msg[MSG_KINDS];
	uint16_t size[MSG_KINDS];
	uint64_t elements, width;
};

static int check_superblock(struct h5_file *f)
{
	static const uint8_t magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
	const uint8_t *p = h5_bytes(f, 0, 96);

	if (p == NULL || memcmp(p, magic, sizeof(magic)) != 0)
		return fpi_image_bad(f->err, "no HDF5 signature in %zu bytes", f->n);
	if (p[8] != 0 || p[9] != 0 || p[10] != 0 || p[12] != 0)
		return fpi_image_bad(f->err, "HDF5 superblock version %d; 0 is expected", p[8]);
	if (p[13] != 8 || p[14] != 8)
		return h5_bad(f, "addresses are not of 8 bytes");
	f->leaf_k = h5_u16(p + 16);
	f->tree_k = h5_u16(p + 18);
	if (h5_u64(p + 40) > f->n)
		return fpi_image_bad(
		    f->err, "truncated: %zu bytes of %llu", f->n, (unsigned long long)h5_u64(p + 40));
	/* what lies behind the end the file claims is not part of it */
	f->n = h5_u64(p + 40);
	if (h5_bytes(f, 0, 96) == NULL || h5_u64(p + 24) != 0 || h5_u64(p + 32) != H5_UNDEFINED ||
	    h5_u64(p + 48) != H5_UNDEFINED)
		return h5_bad(f, "base, free space or driver address");
	if (f->leaf_k < 1 || f->leaf_k > NODE_K_MAX || f->tree_k < 1 || f->tree_k > NODE_K_MAX ||
	    h5_u32(p + 20) != 0)
		return h5_bad(f, "group node sizes");
	f->root = h5_u64(p + 64);
	f->tree = f->heap = H5_UNDEFINED;
	if (h5_u32(p + 72) == 1) {
		f->tree = h5_u64(p + 80);
		f->heap = h5_u64(p + 88);
	} else if (h5_u32(p + 72) != 0) {
		return h5_bad(f, "root entry");
	}
	return 0;
}

/* Free blocks form a chain of offsets; 1 ends it. */
static int check_free_list(const struct h5_file *f, uint64_t at)
{
	for (int i = 0; at != 1; i++) {
		if (i == FREE_MAX || at > f->names_size || f->names_size - at < 16 ||
		    h5_u64(f->names + at + 8) < 16 || h5_u64(f->names + at + 8) > f->names_size - at)
			return h5_bad(f, "free list of the name heap");
		at = h5_u64(f->names + at);
	}
	return 0;
}

static int check_heap(struct h5_file *f, uint64_t address)
{
	const uint8_t *p = h5_signed(f, address, "HEAP", 32);

	if (p == NULL || !h5_all_zero(p + 4, 4))
		return h5_bad(f, "name heap");
	f->names_size = h5_u64(p + 8);
	f->names = h5_bytes(f, h5_u64(p + 24), f->names_size);
	if (f->names == NULL || f->names_size < 8)
		return h5_bad(f, "bytes of the name heap");
	return check_free_list(f, h5_u64(p + 16));
}

/* The name at an offset, terminated inside the heap; NULL if not. */
static const char *name_at(const struct h5_file *f, uint64_t offset)
{
	if (offset >= f->names_size || memchr(f->names + offset, '\0', f->names_size - offset) == NULL)
		return NULL;
	return (const char *)f->names + offset;
}

static int check_symbols(struct h5_file *f, uint64_t address)
{
	const uint8_t *p = h5_signed(f, address, "SNOD", 8 + 2 * f->leaf_k * 40U);

	if (p == NULL || p[4] != 1 || h5_u16(p + 6) > 2 * f->leaf_k)
		return h5_bad(f, "symbol node");
	for (int i = 0; i < h5_u16(p + 6); i++) {
		const uint8_t *entry = p + 8 + 40 * i;
		const char *name = name_at(f, h5_u64(entry));

		if (name == NULL || h5_u32(entry + 16) > 2)
			return h5_bad(f, "symbol");
		if (strcmp(name, "image") != 0)
			continue;
		if (h5_u32(entry + 16) != 0)
			return fpi_image_bad(f->err, "no data set 'image': the name is a link or a group");
		f->image = h5_u64(entry + 8);
	}
	return 0;
}

static int check_tree(struct h5_file *f, uint64_t address)
{
	uint64_t size = 24 + (2 * f->tree_k + 1) * 8U + 2 * f->tree_k * 8U;
	const uint8_t *p = h5_signed(f, address, "TREE", size);

	if (p == NULL || p[4] != 0 || p[5] != 0 || h5_u16(p + 6) > 2 * f->tree_k ||
	    h5_u64(p + 8) != H5_UNDEFINED || h5_u64(p + 16) != H5_UNDEFINED)
		return h5_bad(f, "group tree");
	for (int i = 0; i <= h5_u16(p + 6); i++)
		if (name_at(f, h5_u64(p + 24 + 16 * i)) == NULL)
			return h5_bad(f, "key of the group tree");
	for (int i = 0; i < h5_u16(p + 6); i++)
		if (check_symbols(f, h5_u64(p + 32 + 16 * i)) == -1)
			return -1;
	return 0;
}

struct block {
	uint64_t address, size;
};

static int take_message(
    const struct h5_file *f, struct object *o, const uint8_t *p, struct block *blocks, size_t *nblocks)
{
	uint16_t type = h5_u16(p), size = h5_u16(p + 2);

	if (p[4] & ~5) /* shared, or not to be understood by readers like this one */
		return h5_bad(f, "message flags");
	switch (type) {
	case MSG_NIL: return 0;
	case MSG_CONTINUE:
		if (size < 16 || *nblocks == BLOCKS_MAX)
			return h5_bad(f, "continuation");
		blocks[(*nblocks)++] = (struct block){h5_u64(p + 8), h5_u64(p + 16)};
		return 0;
	case MSG_ATTRIBUTE: return h5_check_attribute(f, p + 8, size);
	case MSG_SPACE:
	case MSG_TYPE:
	case MSG_FILL_OLD:
	case MSG_FILL:
	case MSG_LAYOUT:
	case MSG_GROUP:
	case MSG_TIME:
		if (o->msg[type] != NULL)
			return h5_bad(f, "message twice");
		o->msg[type] = p + 8;
		o->size[type] = size;
		return 0;
	default:
		return fpi_image_bad(
		    f->err, "HDF5 message of type 0x%x (filtered or newer layout) is not read", type);
	}
}

static int read_block(const struct h5_file *f, struct object *o, const struct block *b, struct block *blocks,
    size_t *nblocks, uint32_t *count)
{
	const uint8_t *p = h5_bytes(f, b->address, b->size);

	if (p == NULL)
		return h5_bad(f, "header block");
	for (uint64_t at = 0; at < b->size; (*count)++) {
		uint16_t size;

		if (b->size - at < 8 || (size = h5_u16(p + at + 2)) % 8 != 0 || size > b->size - at - 8)
			return h5_bad(f, "header message");
		if (take_message(f, o, p + at, blocks, nblocks) == -1)
			return -1;
		at += 8U + size;
	}
	return 0;
}

static int read_object(const struct h5_file *f, uint64_t address, struct object *o)
{
	const uint8_t *p = h5_bytes(f, address, 16);
	struct block blocks[BLOCKS_MAX];
	size_t nblocks = 1;
	uint32_t count = 0;

	*o = (struct object){0};
	if (p == NULL || p[0] != 1 || p[1] != 0 || h5_u32(p + 4) < 1 || h5_u32(p + 4) > 16)
		return h5_bad(f, "object header");
	blocks[0] = (struct block){address + 16, h5_u32(p + 8)};
	for (size_t i = 0; i < nblocks; i++) {
		struct block b = blocks[i];

		if (read_block(f, o, &b, blocks, &nblocks, &count) == -1)
			return -1;
	}
	return count == h5_u16(p + 2) ? 0 : h5_bad(f, "number of messages");
}

static int check_root(struct h5_file *f)
{
	struct object o;
	const uint8_t *p;

	if (read_object(f, f->root, &o) == -1)
		return -1;
	p = o.msg[MSG_GROUP];
	if (p == NULL || o.size[MSG_GROUP] < 16)
		return h5_bad(f, "root group");
	if ((f->tree != H5_UNDEFINED && f->tree != h5_u64(p)) ||
	    (f->heap != H5_UNDEFINED && f->heap != h5_u64(p + 8)))
		return h5_bad(f, "root group and superblock differ");
	if (check_heap(f, h5_u64(p + 8)) == -1 || check_tree(f, h5_u64(p)) == -1)
		return -1;
	return f->image != H5_UNDEFINED ? 0 : fpi_image_bad(f->err, "no data set 'image'");
}

static int check_layout(const struct h5_file *f, const struct object *o)
{
	const uint8_t *p = o->msg[MSG_LAYOUT];

	if (p == NULL || o->size[MSG_LAYOUT] < 18 || p[0] != 3 || p[1] != 1)
		return fpi_image_bad(f->err, "image is not stored in one piece");
	if (h5_u64(p + 2) == H5_UNDEFINED)
		return fpi_image_bad(f->err, "image was never written");
	if (h5_u64(p + 10) != o->elements * o->width || h5_bytes(f, h5_u64(p + 2), h5_u64(p + 10)) == NULL)
		return fpi_image_bad(f->err, "image has %llu bytes of %llu", (unsigned long long)h5_u64(p + 10),
		    (unsigned long long)(o->elements * o->width));
	return 0;
}

static int check_image(const struct h5_file *f)
{
	struct object o;
	struct h5_type t;
	int64_t elements;

	if (read_object(f, f->image, &o) == -1)
		return -1;
	if (o.msg[MSG_SPACE] == NULL || (elements = h5_space_elements(o.msg[MSG_SPACE], o.size[MSG_SPACE])) < 0)
		return fpi_image_bad(f->err, "image does not have two dimensions of at most %d", FPI_SIDE_MAX);
	if (o.msg[MSG_TYPE] == NULL || !h5_read_type(o.msg[MSG_TYPE], o.size[MSG_TYPE], &t) ||
	    t.class > CLASS_FLOAT)
		return fpi_image_bad(f->err, "image pixels are not numbers of at most 8 bytes");
	o.elements = (uint64_t)elements;
	o.width = t.size;
	if (o.msg[MSG_FILL] != NULL && !h5_check_fill(o.msg[MSG_FILL], o.size[MSG_FILL], false, t.size))
		return h5_bad(f, "fill value");
	if (o.msg[MSG_FILL_OLD] != NULL &&
	    !h5_check_fill(o.msg[MSG_FILL_OLD], o.size[MSG_FILL_OLD], true, t.size))
		return h5_bad(f, "old fill value");
	if (o.msg[MSG_TIME] != NULL && (o.size[MSG_TIME] < 8 || o.msg[MSG_TIME][0] != 1))
		return h5_bad(f, "modification time");
	if (o.msg[MSG_GROUP] != NULL)
		return h5_bad(f, "image is also a group");
	return check_layout(f, &o);
}

int fpi_hdf5_check(const uint8_t *p, size_t n, struct err *err)
{
	struct h5_file f = {.p = p, .n = n, .err = err, .image = H5_UNDEFINED};

	if (check_superblock(&f) == -1 || check_root(&f) == -1)
		return -1;
	return check_image(&f);
}
