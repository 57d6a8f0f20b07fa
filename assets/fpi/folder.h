/* folder.h: the files of folders as a source of images. */
#ifndef FPI_FOLDER_H
#define FPI_FOLDER_H

#include "assets/fpi/source.h"

struct fpi_folder;

/* The regular files directly inside each folder (hidden ones left out), in order of name.  Free with fpi_folder_free. */
struct fpi_folder *fpi_folder_open(const char *const *paths, size_t n, struct err *err);
void fpi_folder_free(struct fpi_folder *); /* NULL is fine */
/* Lent; lives as long as the folder. */
const struct fpi_source *fpi_folder_source(const struct fpi_folder *);

#endif
