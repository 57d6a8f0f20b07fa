/* Every sensor type.  A new one is one line here. */
#include "config.h"

#include "sensors/chunked_upload.h"
#include "sensors/cron.h"

#include <string.h>

const struct sensor_type *const sensor_types[] = {
    &sensor_chunked_upload,
    &sensor_cron,
    NULL,
};

const struct sensor_type *sensor_type_find(const char *name)
{
	for (size_t i = 0; sensor_types[i] != NULL; i++)
		if (strcmp(sensor_types[i]->name, name) == 0)
			return sensor_types[i];
	return NULL;
}
