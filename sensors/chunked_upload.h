/* chunked_upload.h: the options of the chunked_upload sensor, bound by its table. */
#ifndef CHUNKED_UPLOAD_H
#define CHUNKED_UPLOAD_H

#include "sensor/sensor.h"

struct chunked_upload_conf {
	char *store, *part, *check_file, *index_group, *date_group;
	struct strvec prefixes, complete_when;
	tm_ms stale_after;
	int64_t max_keys, max_pieces, check_size, check_reads;
};

extern const struct sensor_type sensor_chunked_upload;

#endif
