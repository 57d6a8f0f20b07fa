/* conf.h: settings of the asset type unzip_chunked_archive. */
#ifndef ASSETS_UNZIP_CONF_H
#define ASSETS_UNZIP_CONF_H

#include "assets/archive/unpack.h"
#include "conf/opt.h"

struct unzip_conf {
	char *store;
	struct strmap names;
	char *prefix, *pieces, *check_file; /* templates; check_file NULL: none is expected */
	int64_t digits;
	char *destination, *manifest;
	bool flatten;
	struct strmap copies, copies_if_present; /* from template -> to template */
	struct unpack_limits limits;
	int64_t max_chunks, max_manifest_bytes;
};

struct unzip_run_conf {
	char *site, *observation_date, *instrument_name;
	struct strvec file_chunks, cloud_files;
	char *instrument_log_file;
};

#endif
