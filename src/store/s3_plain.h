/*
 * s3_plain.h: the plain XML in which S3 servers write listings, read at the speed of memory.  Private to the s3 store.
 *
 * A tick over 100,000 keys is 30 MB of XML, and general parsers spend most of a tick on what no server ever sends.
 * This reader knows elements, ASCII text, the predefined entities, and the one declaration and namespace of S3.  It can
 * only say yes: whatever is not exactly that, good or bad, is "not plain", and s3_xml.h gives the verdict on the same
 * bytes.  What it accepts s3_xml.h accepts with the same elements, which the fuzz target of both keeps comparing.
 */
#ifndef STORE_S3_PLAIN_H
#define STORE_S3_PLAIN_H

#include "store/s3_xml.h"

/* Who takes the elements of a path; NULL: nobody. */
typedef s3_xml_element *s3_plain_taker(const char *path);

/*
 * 0: a whole document with that root; every element was given to its taker, in the order of their ends.  -1: not plain,
 * or a taker refused one: forget what was delivered.  taker_of is asked once for each path.  p[n] must be a NUL; the
 * bytes are put back as they were.
 */
int s3_plain_read(char *p, size_t n, const char *root, s3_plain_taker *taker_of, void *arg);

#endif
