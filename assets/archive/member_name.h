/*
 * member_name.h: from the name a sender gave a member to the path of an object; names are data from strangers.
 *
 * Empty and '.' components are dropped; nothing else changes: no decoding, no other Unicode form.
 */
#ifndef ARCHIVE_MEMBER_NAME_H
#define ARCHIVE_MEMBER_NAME_H

#include "base/err.h"
#include "base/strbuf.h"

/*
 * Append the path to out (which may hold a prefix already).  flatten keeps the last component only, after the
 * whole name was checked.  Class BAD_DATA: "path.traversal", "path.absolute", "path.empty", "path.control"
 * (also backslashes), "path.encoding", "path.toolong" (longer than a key), "limit.path" (longer than
 * max_bytes).
 */
int member_name_path(const char *name, bool flatten, int64_t max_bytes, struct strbuf *out, struct err *err);
/* The same checks for a folder, which becomes no object and may be empty ("./"). */
int member_name_check_folder(const char *name, int64_t max_bytes, struct err *err);

/* The name for an error text: cut, bytes that are no printable UTF-8 as \\xNN; returns out. */
#define MEMBER_NAME_SHOWN 256
const char *member_name_show(const char *name, char out[MEMBER_NAME_SHOWN]);

#endif
