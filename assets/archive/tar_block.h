/*
 * tar_block.h: one 512-byte header block of a tar archive: v7, ustar, GNU and pax.
 *
 * Owner, mode and times mean nothing for an object and are not read; what is read is read strictly.
 */
#ifndef ARCHIVE_TAR_BLOCK_H
#define ARCHIVE_TAR_BLOCK_H

#include "base/err.h"

#define TAR_BLOCK          512
#define TAR_BLOCK_NAME_MAX 257 /* prefix, slash, name, NUL */

enum tar_kind {
	TAR_FILE,
	TAR_DIR,
	TAR_SPARSE, /* old GNU sparse file; its map starts in this block */
	TAR_PAX, /* records for the next member */
	TAR_PAX_GLOBAL, /* records for all further members */
	TAR_LONG_NAME, /* GNU: the next member's name */
	TAR_LONG_LINK, /* GNU: the next member's link target */
};

struct tar_block {
	enum tar_kind kind;
	int64_t size; /* bytes that follow; not negative */
	bool size_capped; /* the field holds its largest octal number: a bigger one stands in a pax record */
	char name[TAR_BLOCK_NAME_MAX];
};

bool tar_block_is_zero(const unsigned char *b);
/*
 * Fails with class BAD_DATA: "corrupt.tar" (checksum, number), "type" (link, device, anything else that is no
 * plain file or folder).
 */
int tar_block_parse(const unsigned char b[TAR_BLOCK], struct tar_block *out, struct err *err);
/* A numeric field: octal digits between blanks, or base-256; -1 when it is neither, negative, or beyond int64_t. */
int tar_number(const unsigned char *p, size_t n, int64_t *out);

#endif
