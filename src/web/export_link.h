/* export_link.h: from what the page's own links say to names of files, and relative ways between them. */
#ifndef EXPORT_LINK_H
#define EXPORT_LINK_H

#include "base/strbuf.h"
#include "net/httpd_head.h"

/*
 * The file for a target ("/runs?state=failed" -> "runs,state=failed.html").  Only letters, digits and -._=,~ come into
 * it, and no component begins with a dot, whatever the target holds: everything else becomes ~XX, and components that
 * grow too long end in a digest.  Different targets have different names.
 */
void export_name(struct strbuf *out, const struct httpd_head *target);

/* Decode a target ("/runs/41?x=y") the way the server does; release it in any case.  -1: it is none. */
int export_target(struct httpd_head *out, const char *target);

/*
 * Copy a page, with every link that begins at the root of the page (as all of ours do) led through `lead`: it appends
 * the name of the file to out and returns true, or false for a link that leads nowhere and is left out, so that its
 * text stays.  from is the page's own name.
 */
typedef bool export_lead_fn(struct strbuf *out, const char *target, void *arg);
void export_rewrite(
    struct strbuf *out, const struct strbuf *page, const char *from, export_lead_fn *lead, void *arg);

#endif
