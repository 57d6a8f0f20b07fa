/* conf_opts.h: the engine's own options of every kind of object, next to those of its type. */
#ifndef CONF_OPTS_H
#define CONF_OPTS_H

#include "conf/conf.h"

extern const struct opt conf_sensor_opts[]; /* struct conf_sensor */
extern const struct opt conf_asset_opts[]; /* struct conf_asset */
extern const struct opt conf_job_opts[]; /* struct conf_job */
extern const struct opt conf_notification_opts[]; /* struct conf_notification */
extern const struct opt conf_limit_opts[]; /* struct conf_limits */
extern const struct opt conf_web_opts[]; /* struct conf_web */
extern const struct opt conf_push_opts[]; /* struct conf_push */
extern const struct opt conf_pool_opts[]; /* struct conf_pool: slots, written as `name: slots` */
extern const struct opt conf_top_opts[]; /* struct conf: single values at the top of the file */

/* Every table with the struct it binds to, NULL-terminated; for the reference and its test. */
struct conf_table {
	const char *what; /* "sensor" */
	const struct opt *opts;
	size_t conf_size;
};
extern const struct conf_table conf_tables[];

#endif
