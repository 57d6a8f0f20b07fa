/* test_fpi_image.c: both image formats, sound and damaged in every way we could think of. */
#include "config.h"

#include "tests/tap.h"

#include "assets/fpi/image.h"
#include "assets/fpi/image_write.h"

#include <hdf5.h>
#include <math.h>

enum { W = 32, H = 32, HEADER = 1024 };

static const struct image_header header = {.width = W,
    .height = H,
    .binning = 2,
    .exposure_s = 212.5,
    .az = -45.25,
    .ze = 30.5,
    .ccd_temp_C = -70,
    .local_us = 1470595246000000, /* 2016-08-07 18:40:46 */
    .site = "car",
    .instrument = "minime01",
    .lat_deg = -7.38,
    .lon_deg = -36.52};

static uint16_t pixel(int i)
{
	return (uint16_t)(300 + i * 7919 % 1000);
}

static void make(bool hdf5, struct strbuf *out)
{
	uint16_t px[W * H];
	struct err err = ERR_INIT;

	for (int i = 0; i < W * H; i++)
		px[i] = pixel(i);
	if ((hdf5 ? image_write_hdf5 : image_write_img)(&header, px, out, &err) == -1)
		tap_bail("%s", err.text);
}

static int decode(const char *name, const struct strbuf *b, size_t n, struct fpi_image *im, struct err *err)
{
	char *copy = xmemdup(b->buf, n + 1); /* of its own size, so that a read beyond it is noticed */
	int rc;

	copy = xreallocarray(copy, n > 0 ? n : 1, 1);
	*err = ERR_INIT;
	rc = fpi_image_decode(name, copy, n, false, im, err);
	free(copy);
	return rc;
}

static void is_sound(const char *name, const struct strbuf *b, bool with_fraction)
{
	struct fpi_image im;
	struct err err;
	int wrong = 0;

	if (!ok(decode(name, b, b->len, &im, &err) == 0, "%s is read: %s", name, err.text))
		return;
	ok(im.px.width == W && im.px.height == H && im.px.u16 != NULL && im.px.f64 == NULL,
	    "%s has 32 x 32 pixels", name);
	for (int i = 0; i < W * H; i++)
		wrong += im.px.u16[i] != pixel(i);
	is_int(wrong, 0, "all as written");
	ok(im.frame.exposure_s == 212.5 && im.frame.az == -45.25 && im.frame.ze == 30.5 &&
	        im.frame.ccd_temp_C == -70 && im.frame.xbinning == 2,
	    "exposure, angles, temperature, binning");
	is_int(im.frame.local_us, header.local_us + (with_fraction ? 250000 : 0), "start of the exposure");
	fpi_pixels_release(&im.px);
}

static void is_bad(const char *name, const struct strbuf *b, size_t n, const char *words, const char *what)
{
	struct fpi_image im = {.frame.exposure_s = -1};
	struct err err;

	if (!ok(decode(name, b, n, &im, &err) == -1, "%s", what)) {
		fpi_pixels_release(&im.px);
		return;
	}
	ok(err.class == ERR_BAD_DATA && err_is(&err, "bad_image") && strstr(err.text, words) != NULL,
	    "is refused: %s", err.text);
	ok(im.frame.exposure_s == -1 && im.px.u16 == NULL, "and nothing is given out");
}

static void test_img(void)
{
	struct strbuf b = STRBUF_INIT(1 << 20);

	make(false, &b);
	is_sound("CAR_X_1.img", &b, false);
	strbuf_add(&b, "trailing", 8);
	is_sound("CAR_X_1.img", &b, false);
	is_bad("a.img", &b, 0, "0 bytes", "an empty file");
	is_bad("a.img", &b, HEADER - 1, "1023 bytes", "half a header");
	is_bad("a.img", &b, HEADER + 2 * W * H - 1, "needs 3072", "one byte less than the pixels need");
	strbuf_release(&b);
}

/* What to write where: block -1 is the file itself, else the block's number in the table. */
static const struct {
	const char *what, *words;
	int block, offset;
	size_t n;
	union {
		int16_t i16[8];
		int32_t i32[2];
		float f32;
		double f64;
		char text[8];
	} v;
} damage[] = {
    {"another magic", "A3OI", -1, 0, 4, {.text = "A3OJ"}},
    {"a block before the file", "block DI", -1, 20, 2, {.i16 = {-4}}},
    {"a block beyond the header", "block CP", -1, 24, 2, {.i16 = {1000}}},
    {"a block that is too short", "block CN", -1, 30, 2, {.i16 = {20}}},
    {"a block of negative size", "block II", -1, 34, 2, {.i16 = {-48}}},
    {"the largest size a block can claim", "block AV", -1, 18, 2, {.i16 = {INT16_MAX}}},
    {"binning 0", "binning 0", 2, 84, 4, {.i32 = {0}}},
    {"negative binning", "binning", 2, 88, 4, {.i32 = {-1}}},
    {"a chip of no rows", "chip", 1, 4, 4, {.i32 = {0}}},
    {"a chip of 2^31 rows", "pixels", 1, 4, 4, {.i32 = {INT32_MAX}}},
    {"a negative chip", "chip", 1, 8, 4, {.i32 = {INT32_MIN}}},
    {"more pixels than the file has", "needs", 1, 4, 4, {.i32 = {2000}}},
    {"month 13", "start time", 4, 6, 2, {.i16 = {13}}},
    {"30 February", "start time", 4, 4, 8, {.i16 = {2016, 2, 0, 30}}},
    {"hour 24", "start time", 4, 12, 2, {.i16 = {24}}},
    {"year 0", "start time", 4, 4, 2, {.i16 = {0}}},
    {"no exposure", "exposure", 2, 56, 4, {.f32 = 0}},
    {"an endless exposure", "exposure", 2, 56, 4, {.f32 = INFINITY}},
    {"an azimuth that is not a number", "look direction", 3, 16, 8, {.f64 = NAN}},
    {"a zenith angle of a million degrees", "look direction", 3, 24, 8, {.f64 = 1e6}},
    {"a CCD below absolute zero", "CCD", 4, 36, 4, {.i32 = {-300}}},
};

static void test_img_damage(void)
{
	for (size_t i = 0; i < NITEMS(damage); i++) {
		struct strbuf b = STRBUF_INIT(1 << 20);
		int16_t at = 0;

		make(false, &b);
		if (damage[i].block >= 0)
			memcpy(&at, b.buf + 16 + 4 * damage[i].block, sizeof(at));
		memcpy(b.buf + at + damage[i].offset, &damage[i].v, damage[i].n);
		is_bad("a.img", &b, b.len, damage[i].words, damage[i].what);
		strbuf_release(&b);
	}
}

/* ---- HDF5 */

static void set_number(hid_t set, const char *name, double v)
{
	hid_t space = H5Screate(H5S_SCALAR),
	      attr = H5Acreate2(set, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT);

	H5Awrite(attr, H5T_NATIVE_DOUBLE, &v);
	H5Aclose(attr);
	H5Sclose(space);
}

static void set_text(hid_t set, const char *name, const char *v, bool variable)
{
	hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1), attr;

	H5Tset_size(type, variable ? H5T_VARIABLE : strlen(v));
	attr = H5Acreate2(set, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
	H5Awrite(attr, type, variable ? (const void *)&v : v);
	H5Aclose(attr);
	H5Tclose(type);
	H5Sclose(space);
}

enum shape { PLAIN, DEFLATED, CHUNKED, RANK3, UNWRITTEN, TOO_LARGE, NO_IMAGE, LINKED };

struct spec {
	hid_t type;
	enum shape shape;
	const char *time;
	bool fixed_text;
	const char *without; /* an attribute to leave out */
	double wild; /* pixel 5, when not 0 */
};

static void write_attributes(hid_t set, const struct spec *s)
{
	static const struct {
		const char *name;
		double v;
	} row[] = {{"ExposureTime", 212.5}, {"azAngle", -45.25}, {"zeAngle", 30.5}, {"CCDTemperature", -70},
	    {"XBinning", 4}};

	for (size_t i = 0; i < NITEMS(row); i++)
		if (s->without == NULL || strcmp(row[i].name, s->without) != 0)
			set_number(set, row[i].name, row[i].v);
	if (s->time != NULL)
		set_text(set, "LocalTime", s->time, !s->fixed_text);
}

static void write_set(hid_t file, const struct spec *s)
{
	hsize_t dim[3] = {H, W, 1}, chunk[2] = {H / 2, W};
	hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space, set;
	double px[W * H];

	for (int i = 0; i < W * H; i++)
		px[i] = pixel(i);
	px[5] = s->wild != 0 ? s->wild : px[5];
	if (s->shape == TOO_LARGE)
		dim[0] = dim[1] = 1 << 20;
	if (s->shape == DEFLATED || s->shape == CHUNKED)
		H5Pset_chunk(plist, 2, chunk);
	if (s->shape == DEFLATED)
		H5Pset_deflate(plist, 6);
	space = H5Screate_simple(s->shape == RANK3 ? 3 : 2, dim, NULL);
	set = H5Dcreate2(file, "image", s->type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
	if (s->shape != UNWRITTEN && s->shape != TOO_LARGE)
		H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, px);
	write_attributes(set, s);
	H5Dclose(set);
	H5Sclose(space);
	H5Pclose(plist);
}

static void make_hdf5(const struct spec *s, struct strbuf *out)
{
	hid_t fapl = H5Pcreate(H5P_FILE_ACCESS), file;
	ssize_t n;

	H5Pset_fapl_core(fapl, 1 << 16, 0);
	file = H5Fcreate("test", H5F_ACC_TRUNC, H5P_DEFAULT, fapl);
	if (s->shape == LINKED)
		H5Lcreate_external("/etc/passwd", "/image", file, "image", H5P_DEFAULT, H5P_DEFAULT);
	else if (s->shape != NO_IMAGE)
		write_set(file, s);
	H5Fflush(file, H5F_SCOPE_GLOBAL);
	n = H5Fget_file_image(file, NULL, 0);
	strbuf_reset(out);
	if (strbuf_room(out, (size_t)n) == NULL || H5Fget_file_image(file, out->buf, (size_t)n) != n)
		tap_bail("no HDF5 file of %zd bytes", n);
	strbuf_grew(out, (size_t)n);
	H5Fclose(file);
	H5Pclose(fapl);
}

#define TIME "2016-08-07 18:40:46"

static void test_hdf5(void)
{
	struct strbuf b = STRBUF_INIT(1 << 20);
	struct spec sound[] = {{H5T_STD_I64LE, PLAIN, TIME, false, NULL, 0},
	    {H5T_STD_U16LE, PLAIN, TIME ".250000", false, NULL, 0},
	    {H5T_STD_I32BE, PLAIN, TIME ".25", true, NULL, 0},
	    {H5T_STD_I16LE, PLAIN, TIME, true, "XBinning", 0}};

	make(true, &b);
	is_sound("UAO_XR_1.hdf5", &b, false);
	for (size_t i = 0; i < NITEMS(sound); i++) {
		make_hdf5(&sound[i], &b);
		is_sound("UAO_XR_1.hdf5", &b, strchr(sound[i].time, '.') != NULL);
	}
	strbuf_release(&b);
}

static void test_hdf5_wide(void)
{
	struct strbuf b = STRBUF_INIT(1 << 20);
	struct spec wide[] = {{H5T_IEEE_F32LE, PLAIN, TIME, false, NULL, 0.5},
	    {H5T_STD_I64LE, PLAIN, TIME, false, NULL, -3}, {H5T_STD_I32LE, PLAIN, TIME, false, NULL, 70000}};
	struct fpi_image im;
	struct err err;

	for (size_t i = 0; i < NITEMS(wide); i++) {
		make_hdf5(&wide[i], &b);
		ok(decode("a.hdf5", &b, b.len, &im, &err) == 0 && im.px.u16 == NULL &&
		        im.px.f64[5] == wide[i].wild && im.px.f64[6] == pixel(6),
		    "pixels with a %g become doubles %s", wide[i].wild, err.text);
		fpi_pixels_release(&im.px);
	}
	ok(fpi_image_decode("a.hdf5", b.buf, b.len, true, &im, &err) == 0 && im.frame.xbinning == 4,
	    "XBinning is believed when asked to");
	fpi_pixels_release(&im.px);
	strbuf_release(&b);
}

static void test_hdf5_damage(void)
{
	struct strbuf b = STRBUF_INIT(1 << 20);
	const struct {
		const char *what, *words;
		struct spec s;
	} row[] = {
	    {"a compressed image", "filtered", {H5T_STD_I64LE, DEFLATED, TIME, false, NULL, 0}},
	    {"an image in chunks", "one piece", {H5T_STD_I64LE, CHUNKED, TIME, false, NULL, 0}},
	    {"three dimensions", "two dimensions", {H5T_STD_I64LE, RANK3, TIME, false, NULL, 0}},
	    {"pixels that were never written", "never written",
	        {H5T_STD_I64LE, UNWRITTEN, TIME, false, NULL, 0}},
	    {"a million pixels a side", "two dimensions", {H5T_STD_I64LE, TOO_LARGE, TIME, false, NULL, 0}},
	    {"no image", "no data set", {H5T_STD_I64LE, NO_IMAGE, TIME, false, NULL, 0}},
	    {"an image in another file", "newer layout", {H5T_STD_I64LE, LINKED, TIME, false, NULL, 0}},
	    {"no LocalTime", "LocalTime", {H5T_STD_I64LE, PLAIN, NULL, false, NULL, 0}},
	    {"a LocalTime that is none", "LocalTime", {H5T_STD_I64LE, PLAIN, "yesterday", false, NULL, 0}},
	    {"a LocalTime with a tail", "LocalTime", {H5T_STD_I64LE, PLAIN, TIME "-05:00", false, NULL, 0}},
	    {"a date that does not exist", "LocalTime",
	        {H5T_STD_I64LE, PLAIN, "2026-02-29 00:00:00", false, NULL, 0}},
	    {"a very long LocalTime", "LocalTime",
	        {H5T_STD_I64LE, PLAIN,
	            TIME ".0000000000000000000000000000000000000000000000000000000000000000x", false, NULL, 0}},
	    {"a long fixed LocalTime", "LocalTime",
	        {H5T_STD_I64LE, PLAIN,
	            TIME ".00000000000000000000000000000000000000000000000000000000000000000", true, NULL, 0}},
	    {"no ExposureTime", "ExposureTime", {H5T_STD_I64LE, PLAIN, TIME, false, "ExposureTime", 0}},
	    {"no azAngle", "azAngle", {H5T_STD_I64LE, PLAIN, TIME, false, "azAngle", 0}},
	    {"a pixel that is not a number", "pixel 5", {H5T_IEEE_F64LE, PLAIN, TIME, false, NULL, NAN}},
	    {"a pixel beyond measure", "pixel 5", {H5T_IEEE_F64LE, PLAIN, TIME, false, NULL, 1e30}},
	};

	for (size_t i = 0; i < NITEMS(row); i++) {
		make_hdf5(&row[i].s, &b);
		is_bad("a.hdf5", &b, b.len, row[i].words, row[i].what);
	}
	make(true, &b);
	strbuf_release(&b);
}

static void test_hdf5_truncated(void)
{
	struct strbuf b = STRBUF_INIT(1 << 20);
	size_t refused = 0, tried = 0;

	make(true, &b);
	is_bad("a.hdf5", &b, 0, "signature", "an empty file");
	is_bad("a.hdf5", &b, 63, "signature", "a piece of the superblock");
	is_bad("a.hdf5", &b, b.len - 1, "truncated", "one byte less");
	is_bad("a.img", &b, b.len, "A3OI", "HDF5 under the name .img");
	for (size_t n = 0; n < b.len; n += 61, tried++) {
		struct fpi_image im = {0};
		struct err err;

		refused += decode("a.hdf5", &b, n, &im, &err) == -1 && err.class == ERR_BAD_DATA;
		fpi_pixels_release(&im.px);
	}
	is_int((int64_t)refused, (int64_t)tried, "cut anywhere, it is refused");
	strbuf_release(&b);
}

/* Flip bytes at random: whatever comes out must be whole or an error, never a crash.  ORCH_SEED makes a longer run from that seed. */
static void test_flips(void)
{
	const char *names[2] = {"a.img", "a.hdf5"}, *given = getenv("ORCH_SEED");
	int rounds = given != NULL ? 100000 : 3000;
	uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 20261121;

	printf("# seed %llu\n", (unsigned long long)seed);
	for (int kind = 0; kind < 2; kind++) {
		struct strbuf b = STRBUF_INIT(1 << 20);
		size_t strange = 0, refused = 0;

		make(kind == 1, &b);
		for (int round = 0; round < rounds; round++) {
			struct fpi_image im = {0};
			struct err err;
			char saved[4];
			size_t at[4];

			for (int k = 0; k < 4; k++) {
				seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
				/* the structure stands at both ends; between them are pixels */
				at[k] = (seed >> 33) % MIN(b.len, (size_t)4096);
				if (kind == 1 && (seed >> 20 & 1))
					at[k] = b.len - 1 - at[k];
				saved[k] = b.buf[at[k]];
				b.buf[at[k]] = (char)(seed >> 56);
			}
			if (decode(names[kind], &b, b.len, &im, &err) == -1)
				strange += err.class != ERR_BAD_DATA, refused++;
			else
				strange +=
				    im.px.width < FPI_SIDE_MIN || (im.px.u16 == NULL) == (im.px.f64 == NULL);
			fpi_pixels_release(&im.px);
			for (int k = 3; k >= 0; k--)
				b.buf[at[k]] = saved[k];
		}
		is_int((int64_t)strange, 0, names[kind]);
		ok(refused > 0 && refused < (size_t)rounds, "%zu of %d damaged files are refused", refused,
		    rounds);
		strbuf_release(&b);
	}
}

int main(void)
{
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	tap_run(test_img);
	tap_run(test_img_damage);
	tap_run(test_hdf5);
	tap_run(test_hdf5_wide);
	tap_run(test_hdf5_damage);
	tap_run(test_hdf5_truncated);
	tap_run(test_flips);
	return tap_done();
}
