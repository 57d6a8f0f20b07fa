/*
 * image_hdf5.c: the HDF5 format: a two-dimensional data set "image" with everything else in its attributes.
 *
 * libhdf5 reads it from memory, never from disk, and only after fpi_hdf5_check has found its structure sound: one
 * contiguous image inside this very file, so nothing larger than the file is allocated and no other file is opened.
 */
#include "config.h"

#include "assets/fpi/image.h"
#include "base/mem.h"

#include <endian.h>
#include <hdf5.h>
#include <math.h>
#include <pthread.h>

/* The library keeps global state and serialises its calls anyway; not every build of it does so safely. */
static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

enum { BINNING = 2 };

/*
 * The library would copy the file twice before it reads a byte.  These callbacks lend it the caller's memory instead: the
 * file is opened for reading only, so nothing is written there.
 */
static void *lend(size_t n, H5FD_file_image_op_t op, void *bytes)
{
	(void)n;
	(void)op;
	return bytes;
}

static void *lend_copy(void *to, const void *from, size_t n, H5FD_file_image_op_t op, void *bytes)
{
	(void)n;
	(void)op;
	return to == from && to == bytes ? to : NULL;
}

static void *lend_more(void *old, size_t n, H5FD_file_image_op_t op, void *bytes)
{
	(void)old;
	(void)n;
	(void)op;
	(void)bytes;
	return NULL;
}

static herr_t lend_end(void *old, H5FD_file_image_op_t op, void *bytes)
{
	(void)old;
	(void)op;
	(void)bytes;
	return 0;
}

static void *same_data(void *bytes)
{
	return bytes;
}

static herr_t keep_data(void *bytes)
{
	(void)bytes;
	return 0;
}

/* The file in memory, which must stay until it is closed. */
static hid_t open_image(const uint8_t *p, size_t n)
{
	hid_t fapl = H5Pcreate(H5P_FILE_ACCESS), file = -1;
	void *bytes = (void *)(uintptr_t)p;
	H5FD_file_image_callbacks_t lending = {.image_malloc = lend,
	    .image_memcpy = lend_copy,
	    .image_realloc = lend_more,
	    .image_free = lend_end,
	    .udata_copy = same_data,
	    .udata_free = keep_data,
	    .udata = bytes};

	if (fapl >= 0 && H5Pset_fapl_core(fapl, 1 << 16, 0) >= 0 &&
	    H5Pset_file_image_callbacks(fapl, &lending) >= 0 && H5Pset_file_image(fapl, bytes, n) >= 0)
		file = H5Fopen("night", H5F_ACC_RDONLY, fapl);
	H5Pclose(fapl);
	return file;
}

static int read_number(hid_t set, const char *name, double *out, struct err *err)
{
	hid_t attr = H5Aexists(set, name) > 0 ? H5Aopen(set, name, H5P_DEFAULT) : -1, type, space;
	H5T_class_t class;
	hssize_t points;
	int rc = -1;

	if (attr < 0)
		return fpi_image_bad(err, "no attribute %s", name);
	type = H5Aget_type(attr);
	space = H5Aget_space(attr);
	class = H5Tget_class(type);
	points = H5Sget_simple_extent_npoints(space);
	if ((class != H5T_INTEGER && class != H5T_FLOAT) || points != 1 ||
	    H5Aread(attr, H5T_NATIVE_DOUBLE, out) < 0)
		fpi_image_bad(err, "attribute %s is not one number", name);
	else if (!isfinite(*out))
		fpi_image_bad(err, "attribute %s is %g", name, *out);
	else
		rc = 0;
	H5Sclose(space);
	H5Tclose(type);
	H5Aclose(attr);
	return rc;
}

/* A string attribute of fixed or variable length, shorter than size. */
static int read_text(hid_t set, const char *name, char *out, size_t size, struct err *err)
{
	hid_t attr = H5Aexists(set, name) > 0 ? H5Aopen(set, name, H5P_DEFAULT) : -1, type, space;
	char *text = NULL;
	int rc = -1;

	if (attr < 0)
		return fpi_image_bad(err, "no attribute %s", name);
	type = H5Aget_type(attr);
	space = H5Aget_space(attr);
	out[0] = '\0';
	if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1) {
		fpi_image_bad(err, "attribute %s is not one text", name);
	} else if (H5Tis_variable_str(type) > 0) {
		if (H5Aread(attr, type, &text) >= 0 && text != NULL) {
			rc = strlen(text) < size ? 0 : -1;
			snprintf(out, size, "%s", text);
			H5Dvlen_reclaim(type, space, H5P_DEFAULT, &text);
		}
	} else if (H5Tget_size(type) < size && H5Aread(attr, type, out) >= 0) {
		out[H5Tget_size(type)] = '\0';
		rc = 0;
	}
	if (rc == -1 && err != NULL && err->class == ERR_NONE)
		fpi_image_bad(err, "attribute %s cannot be read", name);
	H5Sclose(space);
	H5Tclose(type);
	H5Aclose(attr);
	return rc;
}

/* "YYYY-MM-DD HH:MM:SS" with or without a fraction of up to six digits */
static int parse_local_time(const char *s, int64_t *local_us, struct err *err)
{
	struct civil c = {0};
	int64_t us = 0, unit = 100000;
	int n = 0;

	if (sscanf(s, "%4d-%2d-%2d%*1[ T]%2d:%2d:%2d%n", &c.year, &c.month, &c.day, &c.hour, &c.minute,
	        &c.second, &n) != 6 ||
	    n != 19 || c.year < 1970 || c.year > 2200 || !civil_is_date(c.year, c.month, c.day) || c.hour < 0 ||
	    c.hour > 23 || c.minute < 0 || c.minute > 59 || c.second < 0 || c.second > 59)
		return fpi_image_bad(err, "LocalTime '%s' is not YYYY-MM-DD HH:MM:SS", s);
	s += n;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			us += unit * (*s - '0');
	if (*s != '\0')
		return fpi_image_bad(err, "LocalTime ends in '%s'", s);
	*local_us = civil_to_ms(&c) * 1000 + us;
	return 0;
}

static int read_header(hid_t set, bool header_binning, struct fpi_frame *f, struct err *err)
{
	char time[64];

	if (read_number(set, "ExposureTime", &f->exposure_s, err) == -1 ||
	    read_number(set, "azAngle", &f->az, err) == -1 || read_number(set, "zeAngle", &f->ze, err) == -1 ||
	    read_number(set, "CCDTemperature", &f->ccd_temp_C, err) == -1 ||
	    read_text(set, "LocalTime", time, sizeof(time), err) == -1 ||
	    parse_local_time(time, &f->local_us, err) == -1)
		return -1;
	f->xbinning = BINNING;
	if (header_binning && H5Aexists(set, "XBinning") > 0)
		return read_number(set, "XBinning", &f->xbinning, err);
	return 0;
}

static int read_shape(hid_t set, struct fpi_pixels *px, struct err *err)
{
	hid_t space = H5Dget_space(set);
	hsize_t dim[2] = {0, 0};
	int rank = H5Sget_simple_extent_ndims(space);

	if (rank == 2)
		H5Sget_simple_extent_dims(space, dim, NULL);
	H5Sclose(space);
	if (rank != 2)
		return fpi_image_bad(err, "image has %d dimensions", rank);
	return fpi_pixels_alloc(px, dim[1] > INT32_MAX ? INT32_MAX : (int64_t)dim[1],
	    dim[0] > INT32_MAX ? INT32_MAX : (int64_t)dim[0], err);
}

/* Pixels on their way: as they stand in the file, or converted to the widest type of their class. */
struct raw {
	const uint8_t *ints; /* 64-bit little-endian integers, lent; NULL: see wide */
	void *wide; /* int64_t or double */
	bool is_float;
};

static int read_wide(hid_t set, size_t pixels, struct raw *out, struct err *err)
{
	hid_t memory = out->is_float ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;

	out->wide = malloc(pixels * 8);
	if (out->wide == NULL)
		return err_set(err, ERR_TRANSIENT, "no memory for an image of %zu pixels", pixels);
	if (H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out->wide) >= 0)
		return 0;
	free(out->wide);
	return fpi_image_bad(err, "image cannot be read");
}

/* What the controller writes needs no conversion and is left where it is. */
static int read_pixels(hid_t set, const uint8_t *p, size_t n, size_t pixels, struct raw *out, struct err *err)
{
	hid_t type = H5Dget_type(set);
	haddr_t at = H5Dget_offset(set);
	bool plain = H5Tequal(type, H5T_STD_I64LE) > 0 && at != HADDR_UNDEF && at <= n && pixels * 8 <= n - at;

	out->is_float = H5Tget_class(type) == H5T_FLOAT;
	H5Tclose(type);
	if (!plain)
		return read_wide(set, pixels, out, err);
	out->ints = p + at;
	return 0;
}

/* Everything that needs the library. */
static int read_set(
    const uint8_t *p, size_t n, bool header_binning, struct fpi_image *out, struct raw *raw, struct err *err)
{
	hid_t file = open_image(p, n), set = -1;
	int rc = -1;

	if (file < 0)
		return fpi_image_bad(err, "damaged HDF5 file");
	set = H5Dopen2(file, "image", H5P_DEFAULT);
	if (set < 0)
		fpi_image_bad(err, "no data set 'image'");
	else if (read_header(set, header_binning, &out->frame, err) == 0 && read_shape(set, &out->px, err) == 0)
		rc = read_pixels(set, p, n, (size_t)out->px.width * (size_t)out->px.height, raw, err);
	if (set >= 0)
		H5Dclose(set);
	H5Fclose(file);
	return rc;
}

static int64_t int_at(const struct raw *raw, size_t i)
{
	int64_t v;

	memcpy(&v, (raw->ints != NULL ? raw->ints : (const uint8_t *)raw->wide) + 8 * i, sizeof(v));
	return raw->ints != NULL ? (int64_t)le64toh((uint64_t)v) : v;
}

/* Into u16 when the values allow it. */
static bool narrow_ints(const struct raw *raw, size_t n, uint16_t *out)
{
	uint64_t high = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t v = int_at(raw, i);

		high |= (uint64_t)v;
		out[i] = (uint16_t)v;
	}
	return high <= UINT16_MAX;
}

/* The first pixel that no camera gives, or n. */
static size_t find_wild(const double *v, size_t n)
{
	size_t i = 0;

	while (i < n && fabs(v[i]) < 1e12)
		i++;
	return i;
}

/* As doubles, in memory of their own; integers are converted in place where they are ours. */
static double *to_doubles(struct raw *raw, size_t n)
{
	double *f = raw->wide;

	if (raw->is_float)
		return f;
	if (f == NULL)
		f = xcalloc(n, sizeof(*f));
	for (size_t i = 0; i < n; i++)
		f[i] = (double)int_at(raw, i);
	return f;
}

/* raw->wide is kept or freed. */
static int take_pixels(struct raw *raw, struct fpi_pixels *px, struct err *err)
{
	size_t n = (size_t)px->width * (size_t)px->height, wild;
	double *f;

	if (!raw->is_float && narrow_ints(raw, n, px->u16)) {
		free(raw->wide);
		return 0;
	}
	f = to_doubles(raw, n);
	wild = find_wild(f, n);
	if (wild < n) {
		fpi_image_bad(err, "pixel %zu is %g", wild, f[wild]);
		free(f);
		return -1;
	}
	free(px->u16);
	px->u16 = NULL;
	px->f64 = f;
	return 0;
}

int fpi_hdf5_decode(const uint8_t *p, size_t n, bool header_binning, struct fpi_image *out, struct err *err)
{
	struct raw raw = {0};
	int rc;

	if (fpi_hdf5_check(p, n, err) == -1)
		return -1;
	pthread_mutex_lock(&library);
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	rc = read_set(p, n, header_binning, out, &raw, err);
	pthread_mutex_unlock(&library);
	return rc == -1 ? -1 : take_pixels(&raw, &out->px, err);
}
