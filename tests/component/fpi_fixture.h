/*
 * fpi_fixture.h: the files of a night in memory, as a source that counts what is asked of it and that tests may damage.
 */
#ifndef FPI_FIXTURE_H
#define FPI_FIXTURE_H

#include "assets/fpi/night.h"

#include <jansson.h>
#include <stdatomic.h>

struct fixture_file {
	char *name, *path;
	char *bytes;
	size_t n;
	atomic_int reads;
};

struct fixture {
	struct fixture_file *files;
	struct fpi_file *list;
	struct fpi_source source;
	atomic_int reading; /* calls under way */
	atomic_int most; /* of them at once */
	size_t fail_at; /* this file cannot be fetched; SIZE_MAX: all can */
};

/* The regular members of an archive (pieces of one, in order).  Bails out when it cannot. */
void fixture_archive(struct fixture *, const char *const *paths, size_t n);
/* The regular files of a folder whose names start with prefix. */
void fixture_folder(struct fixture *, const char *path, const char *prefix);
void fixture_release(struct fixture *);

size_t fixture_find(const struct fixture *, const char *part_of_name);
void fixture_drop(struct fixture *, size_t i);
/* Keep only files whose name holds `word`, at most n of them. */
void fixture_keep(struct fixture *, const char *word, size_t n);
/* Write into an .img header: offsets are within one of the blocks at table entry `block` (1 DI, 2 CP, 3 CN, 4 II). */
void fixture_patch_img(struct fixture *, size_t i, int block, int offset, const void *value, size_t n);

/* Setup of an instrument from the table that is installed. */
void fixture_setup(const char *instrument, const char *site, const char *yyyymmdd, struct fpi_setup *out);
/* A JSON file below tests/data/fpi. */
json_t *fixture_json(const char *name);

#endif
