/* node_yaml.h: what the YAML reader's two halves share: checks of the bytes, and libyaml's messages made readable. */
#ifndef NODE_YAML_H
#define NODE_YAML_H

#include "conf/diag.h"

#include <yaml.h>

/* UTF-8 without NUL and control characters; -1 with the first offence in diags.  Runs before libyaml sees the text. */
int yaml_check_bytes(const char *file, const char *text, size_t n, struct diags *diags);
/* The parser's error as a message with a place. */
void yaml_explain(
    const yaml_parser_t *parser, const char *file, const char *text, size_t n, struct diags *diags);

#endif
