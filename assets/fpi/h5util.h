/* h5util.h: the few HDF5 calls that writing needs; every one returns -1 on failure, without the library's chatter. */
#ifndef FPI_H5UTIL_H
#define FPI_H5UTIL_H

#include "base/err.h"
#include "base/strbuf.h"

#include <hdf5.h>

/* A file that lives in memory until h5_finish; no time stamps are kept in it. */
hid_t h5_new_in_memory(void);
/* Close the file and append its bytes to out, unless failed is not 0. */
int h5_finish(hid_t file, int failed, struct strbuf *out, struct err *err);

/* A dataset with its values; compress: chunked and deflated.  Close the result with H5Dclose. */
hid_t h5_array(hid_t where, const char *name, hid_t disk_type, hid_t memory_type, int rank, const hsize_t *dims,
    const void *values, bool compress);
hid_t h5_group(hid_t where, const char *name); /* close with H5Gclose */
/* Strings of one fixed width, UTF-8, padded with NULs. */
int h5_strings(hid_t where, const char *name, size_t n, size_t width, const char *values);

int h5_attr_double(hid_t where, const char *name, double v);
int h5_attr_int(hid_t where, const char *name, int64_t v);
int h5_attr_string(hid_t where, const char *name, const char *v); /* variable length, UTF-8 */

#endif
