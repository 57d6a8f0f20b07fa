/*
 * upload_names.h: what an object's name says: a piece of which upload, an upload's check file, or neither.
 *
 * An upload is known by the name of its check file.  From a piece that name is made by filling the check_file template
 * with the pattern's groups; for the way back the template becomes a pattern itself, each {name} replaced by what the
 * group of that name matches, so that a check file without pieces is recognised too.
 */
#ifndef UPLOAD_NAMES_H
#define UPLOAD_NAMES_H

#include "base/err.h"
#include "base/strvec.h"
#include "sensor/sensor.h"

struct upload_names;

/*
 * part: pattern of a piece's name; index: its group that holds the piece's number; check_file: template of the check
 * file's name, which must tell apart whatever the pattern's other groups tell apart; date: the group that must be a
 * real date, "" when none must.  NULL with class CONFIG.
 */
struct upload_names *upload_names_new(
    const char *part, const char *check_file, const char *index, const char *date, struct err *err);
void upload_names_free(struct upload_names *); /* NULL is fine */
/* The i-th group that every upload has a value for, lent; NULL past the last. */
const char *upload_names_group(const struct upload_names *, size_t i);

enum upload_role { UPLOAD_NONE, UPLOAD_PIECE, UPLOAD_CHECK };

/* Lent until the next call with the same upload_names. */
struct upload_name {
	enum upload_role role;
	const char *why; /* UPLOAD_NONE: the reason */
	const char *upload; /* the upload's name */
	size_t len;
	const char *date; /* eight digits, or "" */
	uint32_t index; /* UPLOAD_PIECE */
	unsigned width; /* digits of the index as written */
	bool again; /* of the same upload as the name read before */
};
void upload_names_read(struct upload_names *, const char *name, struct upload_name *out);

/* The values of the groups for an upload of that name. */
struct upload_values {
	struct strvec text;
	struct name_value *v; /* lends from text and from the upload_names */
	size_t n;
};
void upload_names_values(struct upload_names *, const char *upload, struct upload_values *out);
void upload_values_release(struct upload_values *);
/*
 * Append what the names of all pieces of that upload begin with, so that a listing of it finds them.  -1: it is no
 * upload's name, or the pattern does not say so much.
 */
int upload_names_begin(struct upload_names *, const char *upload, struct strbuf *out);

#endif
