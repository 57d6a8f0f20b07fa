/*
 * reference.h: what may be configured, from the tables that bind it: for `orchctl types` as text and as JSON.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "conf/opt.h"

/* [{"name", "type", "required", "default", "min", "max", "choices", "reload", "ignored", "help"}, ...], absent ones left out. */
json_t *reference_options(const struct opt *opts);
/*
 * {"stores": [...], "databases": [...], "sensors": [...], "assets": [...], "engine": [...]} with {"name", "summary",
 * "options"} each, assets with "run_options" and "command" too; engine holds the options that every object of a kind has.
 */
json_t *reference_types(void);
/*
 * The same for people; name is a type ("fpi_analysis"), a kind ("sensor", "sensors", "limits") or NULL for one line per
 * type.  -1, class USAGE, code "not_found", with the nearest name.
 */
int reference_print(const char *name, struct strbuf *out, struct err *err);

#endif
