/*
 * export.h: the status page as files, for mirrors that only serve files.
 *
 * Rendered by the functions behind the page itself, from the state database as it is, with or without a daemon.  All
 * links are relative, so the files work below any address and without a server.
 */
#ifndef EXPORT_H
#define EXPORT_H

#include "base/err.h"
#include "web/export_dir.h"

struct conf;

struct web_export_opts {
	const char *dir;
	int64_t days; /* of nights, back from the newest */
	int64_t runs; /* the newest ones, besides those of the nights shown */
	bool pictures; /* the runs' own, read from their stores */
	void (*on_progress)(int64_t files, void *arg); /* may be NULL */
	bool (*stop)(void *arg); /* asked between files; may be NULL */
	void *arg;
};

struct web_export_result {
	struct export_counts files;
	int64_t runs, pictures, pictures_missing;
};

/* Without a state there is nothing to show: code "not_found".  conf is lent. */
int web_export(
    struct conf *, const struct web_export_opts *, struct web_export_result *result, struct err *err);

#endif
