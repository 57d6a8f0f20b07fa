#include "config.h"

#include "assets/fpi/h5out.h"

#include "assets/fpi/h5util.h"
#include "base/mem.h"

static int write_attribute(hid_t where, const char *name, const struct fpi_array *a)
{
	int r;

	if (a->kind == FPI_DOUBLES)
		return h5_attr_double(where, name, a->f[0]);
	if (a->kind == FPI_INTS)
		return h5_attr_int(where, name, a->i[0]);
	char *text = xstrndup(a->text, a->width);
	r = h5_attr_string(where, name, text);
	free(text);
	return r;
}

static int describe(hid_t dataset, const struct fpi_array *a)
{
	int r = 0;

	if (a->unit[0] != '\0')
		r |= h5_attr_string(dataset, "unit", a->unit);
	if (a->help[0] != '\0')
		r |= h5_attr_string(dataset, "description", a->help);
	return r;
}

static int write_dataset(hid_t where, const char *name, const struct fpi_array *a)
{
	hsize_t dims[2] = {a->dims[0], a->dims[1]};
	hid_t d;
	int r;

	if (a->kind == FPI_TEXTS)
		return h5_strings(where, name, a->n, a->width, a->text);
	if (a->kind == FPI_DOUBLES)
		d = h5_array(where, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, a->rank, dims, a->f, a->rank == 2);
	else
		d = h5_array(where, name, H5T_STD_I64LE, H5T_NATIVE_INT64, a->rank, dims, a->i, false);
	if (d < 0)
		return -1;
	r = describe(d, a);
	return H5Dclose(d) < 0 ? -1 : r;
}

static hid_t open_group(hid_t file, const char *name)
{
	htri_t there = H5Lexists(file, name, H5P_DEFAULT);

	if (there < 0)
		return -1;
	return there > 0 ? H5Gopen2(file, name, H5P_DEFAULT) : h5_group(file, name);
}

static int write_array(hid_t file, const struct fpi_array *a)
{
	const char *slash = strchr(a->name, '/'), *name = slash != NULL ? slash + 1 : a->name;
	char group[sizeof(a->name)] = "/";
	hid_t where;
	int r;

	if (slash != NULL)
		snprintf(group, sizeof(group), "%.*s", (int)(slash - a->name), a->name);
	where = slash != NULL ? open_group(file, group) : H5Gopen2(file, group, H5P_DEFAULT);
	if (where < 0)
		return -1;
	r = a->rank == 0 ? write_attribute(where, name, a) : write_dataset(where, name, a);
	return H5Gclose(where) < 0 ? -1 : r;
}

int fpi_h5_write(const struct fpi_arrays *arrays, struct strbuf *out, struct err *err)
{
	hid_t file = h5_new_in_memory();
	int r = file < 0 ? -1 : 0;

	for (size_t i = 0; r == 0 && i < arrays->n; i++)
		r = write_array(file, &arrays->v[i]);
	return h5_finish(file, r, out, err);
}
