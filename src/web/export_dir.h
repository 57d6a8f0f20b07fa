/*
 * export_dir.h: the folder of an export: which files are ours in it, and that they are always whole.
 *
 * The file ".orchd-export" marks such a folder and lists our files; others (of the mirror's own) are left alone.  Names
 * go onto the list before their files appear, so an export that was killed leaves nothing that a later one would not
 * find.
 */
#ifndef EXPORT_DIR_H
#define EXPORT_DIR_H

#include "base/err.h"
#include "base/strbuf.h"

struct export_dir;

/*
 * An empty folder, a former export, or one that is made now; anything else is refused (PERMANENT code "refused"), as is
 * one that another export works on ("locked").
 */
struct export_dir *export_dir_open(const char *path, struct err *err);
void export_dir_close(struct export_dir *); /* NULL is fine */

/*
 * Put a file, unless it is there with the same content.  name is relative and of export_name's making.  With `stamped`
 * the time that a page says it was made at does not count as content.
 */
int export_dir_put(
    struct export_dir *, const char *name, const void *p, size_t n, bool stamped, struct err *err);
/*
 * The same for a file that is put piece by piece; it appears with the end, when it is `whole`.  One at a time.  After an error
 * of a piece the end, which frees it, says that it is not whole.
 */
struct export_file;
struct export_file *export_dir_begin(struct export_dir *, const char *name, struct err *err);
int export_dir_add(struct export_file *, const void *p, size_t n, struct err *err);
int export_dir_end(struct export_file *, bool whole, struct err *err);
/* The file is still wanted as it is, whatever it holds.  False: there is none. */
bool export_dir_keep(struct export_dir *, const char *name);
/* Remove what was not put this time, and make the list final. */
int export_dir_finish(struct export_dir *, struct err *err);

struct export_counts {
	int64_t files, bytes, written, removed;
};
const struct export_counts *export_dir_counts(const struct export_dir *);

#endif
