/* image_h5.h: what the walk through an HDF5 file's structure shares: the file, and typed reads inside it. */
#ifndef FPI_IMAGE_H5_H
#define FPI_IMAGE_H5_H

#include "assets/fpi/image.h"

#define H5_UNDEFINED UINT64_MAX

enum h5_class { CLASS_INT = 0, CLASS_FLOAT = 1, CLASS_TEXT = 3, CLASS_VARIABLE = 9 };

struct h5_file {
	const uint8_t *p;
	size_t n;
	struct err *err;
	uint16_t leaf_k, tree_k;
	uint64_t root, tree, heap; /* tree and heap as the superblock caches them; H5_UNDEFINED: it does not */
	const uint8_t *names; /* the heap's bytes */
	uint64_t names_size;
	uint64_t image; /* header of the data set */
};

struct h5_type {
	enum h5_class class;
	uint32_t size;
	size_t coded; /* bytes it takes in the file */
};

static inline uint16_t h5_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t h5_u32(const uint8_t *p)
{
	return h5_u16(p) | (uint32_t)h5_u16(p + 2) << 16;
}

static inline uint64_t h5_u64(const uint8_t *p)
{
	return h5_u32(p) | (uint64_t)h5_u32(p + 4) << 32;
}

static inline int h5_bad(const struct h5_file *f, const char *what)
{
	return fpi_image_bad(f->err, "HDF5 structure not sound or not plain: %s", what);
}

/* n bytes at an address, or NULL. */
static inline const uint8_t *h5_bytes(const struct h5_file *f, uint64_t address, uint64_t n)
{
	return address <= f->n && n <= f->n - address ? f->p + address : NULL;
}

static inline const uint8_t *h5_signed(
    const struct h5_file *f, uint64_t address, const char *signature, uint64_t n)
{
	const uint8_t *p = h5_bytes(f, address, n);

	return p != NULL && memcmp(p, signature, 4) == 0 ? p : NULL;
}

static inline bool h5_all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Elements of a dataspace message: at most two dimensions, of at most FPI_SIDE_MAX; -1 when it is anything else. */
int64_t h5_space_elements(const uint8_t *p, size_t n);
/* A plain number, a fixed text or a text of variable length; false for any other type. */
bool h5_read_type(const uint8_t *p, size_t n, struct h5_type *t);
/* An attribute message, its value and what that points to. */
int h5_check_attribute(const struct h5_file *, const uint8_t *p, size_t n);
/* A fill value message (old: of the first kind) for elements of width bytes. */
bool h5_check_fill(const uint8_t *p, size_t n, bool old, uint64_t width);

#endif
