/* secret.h: reading secret references; resolving them is in opt.h. */
#ifndef SECRET_H
#define SECRET_H

#include "conf/opt.h"

#define SECRET_MAX 8192 /* bytes of a secret */

struct node;
struct diags;

/* "env:NAME", "file:PATH", "credential:NAME"; dir (may be NULL) is where relative paths start. */
int secret_parse(const char *text, const char *dir, struct secret_ref *out, struct err *err);
/* {env: NAME}, {file: PATH}, {credential: NAME}, or the secret itself when literal_ok.  -1 with the problem in diags. */
int secret_bind(const struct node *value, const char *key, const char *where, bool literal_ok, const char *dir,
    struct secret_ref *out, struct diags *diags);
json_t *secret_to_json(const struct secret_ref *); /* NULL for SECRET_NONE */
void secret_release(struct secret_ref *);

#endif
