/* trim.h: give back what only starting up needed. */
#ifndef TRIM_H
#define TRIM_H

/*
 * Loading some fifty libraries touches megabytes of their symbol tables and code that an idle daemon never looks at
 * again.  Forget those pages (they stay in the page cache and come back by a minor fault when wanted) and return the
 * free heap.  Only clean pages of read-only file mappings are touched, so nothing can be lost.
 */
void trim_memory(void);

#endif
