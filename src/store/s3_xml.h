/*
 * s3_xml.h: XML answers as they arrive, from servers we do not trust.  Private to the s3 store.
 *
 * libxml2's SAX push parser with its generous defaults closed: no document type (so no entities), depth, text and
 * total size bounded by us, the end of the input checked.  Elements are told apart by local name and position: the
 * path "ListBucketResult/Contents/Key".  What is not asked for is passed over.
 *
 * Error codes: xml.malformed xml.truncated xml.trailing (TRANSIENT: an answer cut or garbled on its way), xml.doctype
 * xml.limit xml.root (BAD_DATA: it will be the same next time).
 */
#ifndef STORE_S3_XML_H
#define STORE_S3_XML_H

#include "base/err.h"
#include "base/strbuf.h"

#define S3_XML_BODY_MAX  (16 * 1024 * 1024)
#define S3_XML_ERROR_MAX (64 * 1024)
#define S3_XML_DEPTH_MAX 64
#define S3_XML_TEXT_MAX  (16 * 1024) /* of one element; a key of 1024 bytes percent-encoded has 3072 */

struct s3_xml;

/* An element has ended; text is its own character data when it has no children.  -1 with err stops the parse. */
typedef int s3_xml_element(void *arg, const char *path, const char *text, size_t n, struct err *err);

/* root: the only document element accepted; an <Error> document is delivered too when error_ok. */
struct s3_xml *s3_xml_new(
    const char *root, bool error_ok, size_t max_bytes, s3_xml_element *on_element, void *arg);
void s3_xml_free(struct s3_xml *);
/* -1 once anything was wrong; further bytes are ignored.  The first error stays. */
int s3_xml_feed(struct s3_xml *, const char *p, size_t n);
/* The input has ended: 0 only for a whole, well-formed document with the right root. */
int s3_xml_finish(struct s3_xml *, struct err *err);
/* The document element's local name, or NULL before it; "Error" tells an error document. */
const char *s3_xml_root(const struct s3_xml *);
/* Where the parse stopped, "" outside the document. */
const char *s3_xml_where(const struct s3_xml *);

/* What an <Error> document says.  Texts are cut to their field; all may be empty. */
struct s3_error {
	char code[64], region[64], request_id[128], server_time[32], message[200], bucket[64], endpoint[256];
};
/* An s3_xml_element for arg = struct s3_error. */
int s3_error_element(void *arg, const char *path, const char *text, size_t n, struct err *err);
/* -1 for a whole <Error> document in place of an answer; err is left alone when its code will speak. */
int s3_error_refuses(const struct s3_error *, struct err *err);
/* A whole body at once; 0 when it is an error document with a code. */
int s3_error_parse(const char *body, size_t n, struct s3_error *out);
/* The text of one element of a small answer; an <Error> document goes to doc (-1, err left alone). */
int s3_xml_pick(const char *body, size_t n, const char *root, const char *path, struct strbuf *out,
    struct s3_error *doc, struct err *err);

#endif
