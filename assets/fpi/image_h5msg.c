/* image_h5msg.c: the messages of HDF5 object headers that an image has: shapes, types, attributes, fill values. */
#include "config.h"

#include "assets/fpi/image_h5.h"

enum { TEXT_MAX = 256, NAME_MAX_BYTES = 256, ELEMENTS_MAX = 64 };

int64_t h5_space_elements(const uint8_t *p, size_t n)
{
	size_t dims = n > 0 && p[0] == 1 ? 8 : 4;
	int64_t elements = 1;

	if (n < dims || p[0] < 1 || p[0] > 2 || p[1] > 2 || p[2] > 1 ||
	    n < dims + (size_t)p[1] * 8 * (1 + p[2]))
		return -1;
	if (p[0] == 1 ? !h5_all_zero(p + 3, 5) : p[3] != (p[1] > 0))
		return -1;
	for (int i = 0; i < p[1]; i++) {
		uint64_t dim = h5_u64(p + dims + 8 * i);

		/* no room to grow: the same number stands as the maximum */
		if (dim < 1 || dim > FPI_SIDE_MAX || (p[2] && h5_u64(p + dims + 8 * (p[1] + i)) != dim))
			return -1;
		elements *= (int64_t)dim;
	}
	return elements;
}

static bool number_type(const uint8_t *p, size_t n, struct h5_type *t)
{
	static const uint8_t f32[12] = {0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0};
	static const uint8_t f64[12] = {0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0};

	if (t->class == CLASS_INT) {
		t->coded = 12;
		return n >= 12 && (t->size == 1 || t->size == 2 || t->size == 4 || t->size == 8) &&
		       (p[1] & ~9) == 0 && p[2] == 0 && p[3] == 0 && h5_u16(p + 8) == 0 &&
		       h5_u16(p + 10) == 8 * t->size;
	}
	t->coded = 20;
	return n >= 20 && (t->size == 4 || t->size == 8) && (p[1] & ~1) == 0x20 && p[2] == 8 * t->size - 1 &&
	       p[3] == 0 && memcmp(p + 8, t->size == 4 ? f32 : f64, sizeof(f32)) == 0;
}

bool h5_read_type(const uint8_t *p, size_t n, struct h5_type *t)
{
	struct h5_type base;

	if (n < 8 || p[0] >> 4 < 1 || p[0] >> 4 > 3)
		return false;
	*t = (struct h5_type){.class = p[0] & 15, .size = h5_u32(p + 4), .coded = 8};
	switch ((int)t->class) {
	case CLASS_INT:
	case CLASS_FLOAT: return number_type(p, n, t);
	case CLASS_TEXT:
		return t->size >= 1 && t->size <= TEXT_MAX && (p[1] & 15) <= 2 && p[1] >> 4 <= 1 && p[2] == 0 &&
		       p[3] == 0;
	case CLASS_VARIABLE:
		/* a text: a sequence of characters of one byte */
		if ((p[1] & 15) != 1 || p[1] >> 4 > 2 || p[2] > 1 || p[3] != 0 || t->size != 16 || n < 16 ||
		    (p[8] & 15) == CLASS_VARIABLE || !h5_read_type(p + 8, n - 8, &base) || base.size != 1)
			return false;
		t->coded = 8 + base.coded;
		return true;
	default: return false;
	}
}

/* Object `index` of a global heap, `want` bytes long: the whole collection must be sound. */
static bool heap_object(const struct h5_file *f, uint64_t address, uint32_t index, uint64_t want)
{
	const uint8_t *p = h5_signed(f, address, "GCOL", 16);
	uint64_t size, at = 16;
	bool found = false;

	if (p == NULL || p[4] != 1 || !h5_all_zero(p + 5, 3) || (size = h5_u64(p + 8)) < 4096 ||
	    h5_bytes(f, address, size) == NULL)
		return false;
	while (size - at >= 16) {
		uint64_t length = h5_u64(p + at + 8), padded = (length + 7) & ~(uint64_t)7;

		if (h5_u16(p + at) == 0) { /* free space up to the end, its own head included */
			if (length != size - at)
				return false;
			break;
		}
		if (padded < length || padded > size - at - 16)
			return false;
		found = found || (h5_u16(p + at) == index && length >= want);
		at += 16 + padded;
	}
	return found;
}

static size_t round8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Version 1 pads its parts to 8 bytes, 2 and 3 do not; 3 has a character set before the name. */
int h5_check_attribute(const struct h5_file *f, const uint8_t *p, size_t n)
{
	size_t head = n > 0 && p[0] == 3 ? 9 : 8, name, type, space;
	struct h5_type t;
	int64_t elements;

	if (n < head || p[0] < 1 || p[0] > 3 || p[1] != 0 || (head == 9 && p[8] > 1))
		return h5_bad(f, "attribute");
	name = p[0] == 1 ? round8(h5_u16(p + 2)) : h5_u16(p + 2);
	type = p[0] == 1 ? round8(h5_u16(p + 4)) : h5_u16(p + 4);
	space = p[0] == 1 ? round8(h5_u16(p + 6)) : h5_u16(p + 6);
	if (head + name + type + space > n || h5_u16(p + 2) < 2 || h5_u16(p + 2) > NAME_MAX_BYTES ||
	    memchr(p + head, '\0', h5_u16(p + 2)) != p + head + h5_u16(p + 2) - 1)
		return h5_bad(f, "name of an attribute");
	elements = h5_space_elements(p + head + name + type, h5_u16(p + 6));
	if (!h5_read_type(p + head + name, h5_u16(p + 4), &t) || t.coded > h5_u16(p + 4) || elements < 1 ||
	    elements > ELEMENTS_MAX)
		return fpi_image_bad(
		    f->err, "attribute %.64s is neither a number nor a text", (const char *)p + head);
	if ((uint64_t)elements * t.size > n - head - name - type - space)
		return fpi_image_bad(f->err, "attribute %.64s is cut off", (const char *)p + head);
	p += head + name + type + space;
	for (int64_t i = 0; i < elements && t.class == CLASS_VARIABLE; i++, p += 16)
		if (h5_u32(p) != 0 && !heap_object(f, h5_u64(p + 4), h5_u32(p + 12), h5_u32(p)))
			return h5_bad(f, "text of an attribute");
	return 0;
}

bool h5_check_fill(const uint8_t *p, size_t n, bool old, uint64_t width)
{
	size_t head = old ? 0 : 4;

	if (!old && (n < 4 || p[0] < 1 || p[0] > 2 || p[1] < 1 || p[1] > 3 || p[2] > 2 || p[3] > 1))
		return false;
	if (!old && p[0] == 2 && p[3] == 0)
		return true;
	return n >= head + 4 && (h5_u32(p + head) == 0 || (h5_u32(p + head) == width && n >= head + 4 + width));
}
