/*
 * image_img.c: the `.img` format: a packed little-endian header of 1024 bytes and 16-bit pixels.
 *
 * The header starts with a table of blocks (offset, size); a block may lie anywhere inside the 1024 bytes, so each is
 * located through the table and checked to be there in full.
 */
#include "config.h"

#include "assets/fpi/image.h"

#include <endian.h>

enum { HEADER = 1024, TABLE = 16 };

enum block { BLOCK_AV, BLOCK_DI, BLOCK_CP, BLOCK_CN, BLOCK_II, NBLOCKS };

static const struct {
	const char *name;
	int need; /* bytes */
} blocks[NBLOCKS] = {
    [BLOCK_AV] = {"AV", 0}, /* nothing is taken from it */
    [BLOCK_DI] = {"DI", 12},
    [BLOCK_CP] = {"CP", 148},
    [BLOCK_CN] = {"CN", 144},
    [BLOCK_II] = {"II", 48},
};

static int16_t le_i16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return (int16_t)le16toh(v);
}

static int32_t le_i32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return (int32_t)le32toh(v);
}

static double le_f32(const uint8_t *p)
{
	uint32_t v;
	float f;

	memcpy(&v, p, sizeof(v));
	v = le32toh(v);
	memcpy(&f, &v, sizeof(f));
	return (double)f;
}

static double le_f64(const uint8_t *p)
{
	uint64_t v;
	double d;

	memcpy(&v, p, sizeof(v));
	v = le64toh(v);
	memcpy(&d, &v, sizeof(d));
	return d;
}

static int find_blocks(const uint8_t *p, const uint8_t *at[NBLOCKS], struct err *err)
{
	for (int b = 0; b < NBLOCKS; b++) {
		int off = le_i16(p + TABLE + 4 * b), size = le_i16(p + TABLE + 4 * b + 2);

		if (off < 0 || size < blocks[b].need || off + size > HEADER)
			return fpi_image_bad(err,
			    "header block %s at %d with %d bytes; %d bytes inside the first %d are needed",
			    blocks[b].name, off, size, blocks[b].need, HEADER);
		at[b] = p + off;
	}
	return 0;
}

/* year, month, day of week, day, hour, minute, second; the milliseconds that follow are not kept by the controller */
static int read_time(const uint8_t *p, int64_t *local_us, struct err *err)
{
	struct civil c = {.year = le_i16(p),
	    .month = le_i16(p + 2),
	    .day = le_i16(p + 6),
	    .hour = le_i16(p + 8),
	    .minute = le_i16(p + 10),
	    .second = le_i16(p + 12)};

	if (c.year < 1970 || c.year > 2200 || !civil_is_date(c.year, c.month, c.day) || c.hour < 0 ||
	    c.hour > 23 || c.minute < 0 || c.minute > 59 || c.second < 0 || c.second > 59)
		return fpi_image_bad(
		    err, "start time %d-%d-%d %d:%d:%d", c.year, c.month, c.day, c.hour, c.minute, c.second);
	*local_us = civil_to_ms(&c) * 1000;
	return 0;
}

static int read_pixels(const uint8_t *p, size_t n, int64_t rows, int64_t columns, const uint8_t *cp,
    struct fpi_pixels *px, struct err *err)
{
	int32_t xbin = le_i32(cp + 84), ybin = le_i32(cp + 88);
	size_t count;

	if (rows < 1 || columns < 1 || xbin < 1 || ybin < 1)
		return fpi_image_bad(err, "chip of %lld x %lld pixels, binning %d x %d", (long long)rows,
		    (long long)columns, xbin, ybin);
	if (fpi_pixels_alloc(px, rows / ybin, columns / xbin, err) == -1)
		return -1;
	count = (size_t)px->width * (size_t)px->height;
	if (n < HEADER + 2 * count)
		return fpi_image_bad(err, "%zu bytes; an image of %d x %d pixels needs %zu", n, px->width,
		    px->height, HEADER + 2 * count);
	memcpy(px->u16, p + HEADER, 2 * count);
	for (size_t i = 0; i < count; i++)
		px->u16[i] = le16toh(px->u16[i]);
	return 0;
}

int fpi_img_decode(const uint8_t *p, size_t n, struct fpi_image *out, struct err *err)
{
	const uint8_t *at[NBLOCKS];
	struct fpi_frame *f = &out->frame;

	if (n < HEADER)
		return fpi_image_bad(err, "%zu bytes; the header alone has %d", n, HEADER);
	if (memcmp(p, "A3OI", 4) != 0)
		return fpi_image_bad(err, "does not start with A3OI");
	if (find_blocks(p, at, err) == -1 || read_time(at[BLOCK_II] + 4, &f->local_us, err) == -1)
		return -1;
	f->exposure_s = le_f32(at[BLOCK_CP] + 56);
	f->xbinning = le_i32(at[BLOCK_CP] + 84);
	f->az = le_f64(at[BLOCK_CN] + 16);
	f->ze = le_f64(at[BLOCK_CN] + 24);
	f->ccd_temp_C = le_i32(at[BLOCK_II] + 36);
	return read_pixels(
	    p, n, le_i32(at[BLOCK_DI] + 4), le_i32(at[BLOCK_DI] + 8), at[BLOCK_CP], &out->px, err);
}
