#include "config.h"

#include "assets/fpi/h5util.h"

#define IMAGE_STEP (1 << 20) /* the file in memory grows by this */
#define DEFLATE    4

hid_t h5_new_in_memory(void)
{
	hid_t access, file;

	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	access = H5Pcreate(H5P_FILE_ACCESS);
	if (access < 0)
		return -1;
	file = H5Pset_fapl_core(access, IMAGE_STEP, false) < 0
	           ? -1
	           : H5Fcreate("memory", H5F_ACC_TRUNC, H5P_DEFAULT, access);
	H5Pclose(access);
	return file;
}

int h5_finish(hid_t file, int failed, struct strbuf *out, struct err *err)
{
	ssize_t n = 0;
	char *room = NULL;

	if (file >= 0 && failed == 0 && H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0)
		n = H5Fget_file_image(file, NULL, 0);
	if (n > 0)
		room = strbuf_room(out, (size_t)n);
	if (room != NULL && H5Fget_file_image(file, room, (size_t)n) == n)
		strbuf_grew(out, (size_t)n);
	else
		room = NULL;
	if (file >= 0)
		H5Fclose(file);
	return room != NULL ? 0
	                    : err_set(err, ERR_BUG,
	                          n > 0 ? "an HDF5 file of %zd bytes is too large"
	                                : "the HDF5 library refused to write (%zd)",
	                          n);
}

static hid_t dataset_options(int rank, const hsize_t *dims, bool compress)
{
	hid_t p = H5Pcreate(H5P_DATASET_CREATE);
	bool empty = false;

	for (int i = 0; i < rank; i++)
		empty |= dims[i] == 0;
	if (p < 0 || H5Pset_obj_track_times(p, false) < 0)
		return -1;
	if (compress && !empty &&
	    (H5Pset_chunk(p, rank, dims) < 0 || H5Pset_shuffle(p) < 0 || H5Pset_deflate(p, DEFLATE) < 0))
		return -1;
	return p;
}

hid_t h5_array(hid_t where, const char *name, hid_t disk_type, hid_t memory_type, int rank, const hsize_t *dims,
    const void *values, bool compress)
{
	hid_t space = H5Screate_simple(rank, dims, NULL), options = dataset_options(rank, dims, compress),
	      d = -1;

	if (space >= 0 && options >= 0)
		d = H5Dcreate2(where, name, disk_type, space, H5P_DEFAULT, options, H5P_DEFAULT);
	if (d >= 0 && H5Sget_simple_extent_npoints(space) > 0 &&
	    H5Dwrite(d, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
		H5Dclose(d);
		d = -1;
	}
	if (space >= 0)
		H5Sclose(space);
	if (options >= 0)
		H5Pclose(options);
	return d;
}

hid_t h5_group(hid_t where, const char *name)
{
	hid_t p = H5Pcreate(H5P_GROUP_CREATE), g = -1;

	if (p >= 0 && H5Pset_obj_track_times(p, false) >= 0)
		g = H5Gcreate2(where, name, H5P_DEFAULT, p, H5P_DEFAULT);
	if (p >= 0)
		H5Pclose(p);
	return g;
}

static hid_t string_type(size_t width)
{
	hid_t t = H5Tcopy(H5T_C_S1);

	if (t >= 0 && (H5Tset_size(t, width) < 0 || H5Tset_cset(t, H5T_CSET_UTF8) < 0 ||
	                  H5Tset_strpad(t, H5T_STR_NULLPAD) < 0)) {
		H5Tclose(t);
		return -1;
	}
	return t;
}

int h5_strings(hid_t where, const char *name, size_t n, size_t width, const char *values)
{
	hid_t type = string_type(width), d = -1;
	hsize_t dims[1] = {n};

	if (type >= 0) {
		d = h5_array(where, name, type, type, 1, dims, values, false);
		H5Tclose(type);
	}
	return d >= 0 ? H5Dclose(d) : -1;
}

static int write_attr(
    hid_t where, const char *name, hid_t disk_type, hid_t memory_type, hid_t space, const void *v)
{
	hid_t a = space < 0 ? -1 : H5Acreate2(where, name, disk_type, space, H5P_DEFAULT, H5P_DEFAULT);
	int r = a < 0 || H5Awrite(a, memory_type, v) < 0 ? -1 : 0;

	if (a >= 0)
		H5Aclose(a);
	if (space >= 0)
		H5Sclose(space);
	return r;
}

int h5_attr_double(hid_t where, const char *name, double v)
{
	return write_attr(where, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, H5Screate(H5S_SCALAR), &v);
}

int h5_attr_int(hid_t where, const char *name, int64_t v)
{
	return write_attr(where, name, H5T_STD_I64LE, H5T_NATIVE_INT64, H5Screate(H5S_SCALAR), &v);
}

int h5_attr_string(hid_t where, const char *name, const char *v)
{
	hid_t type = H5Tcopy(H5T_C_S1);
	int r = -1;

	if (type < 0)
		return -1;
	if (H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
		r = write_attr(where, name, type, type, H5Screate(H5S_SCALAR), &v);
	H5Tclose(type);
	return r;
}
