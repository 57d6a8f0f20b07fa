#include "config.h"

#include "assets/fpi/image_write.h"

#include "assets/fpi/h5util.h"
#include "base/mem.h"
#include "base/utctime.h"

#define IMG_HEADER 1024
#define US_PER_S   1000000

/* Little-endian fields at fixed places of the header. */
static void put16(unsigned char *h, size_t at, int v)
{
	h[at] = (unsigned char)(v & 0xff);
	h[at + 1] = (unsigned char)(v >> 8 & 0xff);
}

static void put32(unsigned char *h, size_t at, int64_t v)
{
	for (int i = 0; i < 4; i++)
		h[at + (size_t)i] = (unsigned char)(v >> 8 * i & 0xff);
}

static void put_bits(unsigned char *h, size_t at, uint64_t bits, int bytes)
{
	for (int i = 0; i < bytes; i++)
		h[at + (size_t)i] = (unsigned char)(bits >> 8 * i & 0xff);
}

static void put_float(unsigned char *h, size_t at, double v)
{
	float f = (float)v;
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	put_bits(h, at, bits, 4);
}

static void put_double(unsigned char *h, size_t at, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_bits(h, at, bits, 8);
}

/* year, month, day of the week, day, hour, minute, second, ms */
static void put_clock(unsigned char *h, size_t at, int64_t local_s)
{
	struct civil c;
	int64_t day = local_s / 86400 - (local_s % 86400 < 0);

	civil_from_ms(local_s * 1000, &c);
	int v[8] = {c.year, c.month, (int)(((day + 4) % 7 + 7) % 7), c.day, c.hour, c.minute, c.second, 0};
	for (size_t i = 0; i < NITEMS(v); i++)
		put16(h, at + 2 * i, v[i]);
}

enum { AV = 48, DI = AV + 52, CP = DI + 12, CN = CP + 148, II = CN + 144, II_END = II + 48 };
static_assert(II_END <= IMG_HEADER, "the blocks fit into the header");

static void img_header(const struct image_header *f, unsigned char *h)
{
	static const int blocks[][2] = {{AV, 52}, {DI, 12}, {CP, 148}, {CN, 144}, {II, 48}};
	int64_t start_s = f->local_us / US_PER_S;

	memcpy(h, "A3OI", 4);
	put32(h, 4, 1);
	put32(h, 8, 1);
	put32(h, 12, IMG_HEADER);
	for (size_t i = 0; i < NITEMS(blocks); i++) {
		put16(h, 16 + 4 * i, blocks[i][0]);
		put16(h, 18 + 4 * i, blocks[i][1]);
		put32(h, (size_t)blocks[i][0], 1);
	}
	put32(h, DI + 4, (int64_t)f->width * f->binning);
	put32(h, DI + 8, (int64_t)f->height * f->binning);
	put32(h, CP + 40, f->ccd_temp_C);
	put_float(h, CP + 52, f->exposure_s);
	put_float(h, CP + 56, f->exposure_s);
	put32(h, CP + 84, f->binning);
	put32(h, CP + 88, f->binning);
	put32(h, CP + 92, 1);
	put32(h, CP + 96, (int64_t)f->height * f->binning);
	put32(h, CP + 100, 1);
	put32(h, CP + 104, (int64_t)f->width * f->binning);
	put_double(h, CN + 16, f->az);
	put_double(h, CN + 24, f->ze);
	put_double(h, CN + 32, f->outside_C);
	put_double(h, CN + 40, f->pressure_Pa);
	put_clock(h, II + 4, start_s);
	put_clock(h, II + 20, start_s + (int64_t)(f->exposure_s + 1));
	put32(h, II + 36, f->ccd_temp_C);
	put32(h, II + 44, (int64_t)2 * f->width * f->height);
}

int image_write_img(const struct image_header *f, const uint16_t *pixels, struct strbuf *out, struct err *err)
{
	size_t n = (size_t)f->width * (size_t)f->height, bytes = IMG_HEADER + 2 * n;
	unsigned char *p = (unsigned char *)strbuf_room(out, bytes);

	if (p == NULL)
		return err_set(err, ERR_USAGE, "a frame of %d x %d pixels is too large", f->width, f->height);
	memset(p, 0, IMG_HEADER);
	img_header(f, p);
	for (size_t i = 0; i < n; i++)
		put16(p, IMG_HEADER + 2 * i, pixels[i]);
	strbuf_grew(out, bytes);
	return 0;
}

/* "2026-04-17 20:18:17.509117", without the fraction when it is zero, as the controller's language prints it */
static void clock_text(int64_t local_us, char out[UTCTIME_MAX])
{
	int64_t us = local_us % US_PER_S;

	utctime_format_sql((local_us - us) / 1000, out);
	if (us != 0)
		snprintf(out + strlen(out), UTCTIME_MAX - strlen(out), ".%06d", (int)us);
}

static int write_dataset(hid_t file, const struct image_header *f, const int64_t *counts)
{
	hsize_t dims[2] = {(hsize_t)f->height, (hsize_t)f->width};
	hid_t d = h5_array(file, "image", H5T_STD_I64LE, H5T_NATIVE_INT64, 2, dims, counts, false);
	char when[UTCTIME_MAX];
	int r;

	if (d < 0)
		return -1;
	clock_text(f->local_us, when);
	r = h5_attr_double(d, "ExposureTime", f->exposure_s) | h5_attr_double(d, "azAngle", f->az) |
	    h5_attr_double(d, "zeAngle", f->ze) | h5_attr_string(d, "LocalTime", when) |
	    h5_attr_int(d, "CCDTemperature", f->ccd_temp_C) | h5_attr_string(d, "SiteName", f->site) |
	    h5_attr_string(d, "Instrument", f->instrument) | h5_attr_double(d, "SiteLatitude", f->lat_deg) |
	    h5_attr_double(d, "SiteLongitude", f->lon_deg) | h5_attr_int(d, "XBinning", f->binning) |
	    h5_attr_int(d, "YBinning", f->binning) | h5_attr_double(d, "AmbientTemperature (C)", f->ambient_C) |
	    h5_attr_double(d, "OutsideTemperature (C)", f->outside_C) |
	    h5_attr_double(d, "Pressure (Pa)", f->pressure_Pa) | h5_attr_double(d, "Humidity (%)", f->humidity);
	return H5Dclose(d) < 0 ? -1 : r;
}

int image_write_hdf5(const struct image_header *f, const uint16_t *pixels, struct strbuf *out, struct err *err)
{
	size_t n = (size_t)f->width * (size_t)f->height;
	int64_t *counts = xcalloc(n, sizeof(*counts));
	hid_t file = h5_new_in_memory();
	int r;

	for (size_t i = 0; i < n; i++)
		counts[i] = pixels[i];
	r = file < 0 ? -1 : write_dataset(file, f, counts);
	free(counts);
	return h5_finish(file, r, out, err);
}
