/* static_file.h: the files of src/web/static, put into the program when it is built. */
#ifndef STATIC_FILE_H
#define STATIC_FILE_H

struct static_file {
	const char *name, *text;
};
extern const struct static_file static_files[]; /* ends with a NULL name */

#endif
