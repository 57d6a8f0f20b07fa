/*
 * payload.h: the text of an answer that many readers are given: made once, packed once, never copied.
 *
 * Counted: whoever keeps one holds a reference, and so does every answer under way until the socket has taken it.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include "base/strbuf.h"

struct evbuffer;
struct payload;

/* Takes what is in body, which is empty afterwards. */
struct payload *payload_new(struct strbuf *body);
struct payload *payload_ref(struct payload *);
void payload_unref(struct payload *); /* NULL is fine */
size_t payload_size(const struct payload *); /* memory it holds */

enum payload_form { PAYLOAD_PLAIN, PAYLOAD_GZIP };

/* How many bytes it has in a form; 0 for PAYLOAD_GZIP: packing is not worth it.  The first call for that form packs. */
size_t payload_length(struct payload *, enum payload_form);
/* Behind what is in out, without a copy. */
void payload_send(struct payload *, enum payload_form, struct evbuffer *out);
/* Does an Accept-Encoding field (NULL: none was sent) allow gzip? */
bool payload_accepted(const char *accept_encoding);

#endif
