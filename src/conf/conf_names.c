/* conf_names.c: the names of what is configured, one after the other, and which is nearest to a word. */
#include "config.h"

#include "conf/conf.h"

#include "base/suggest.h"

#include <string.h>

const char *conf_asset_name(const void *conf, size_t i)
{
	const struct conf *c = conf;

	return i < c->nassets ? c->assets[i].name : NULL;
}

const char *conf_job_name(const void *conf, size_t i)
{
	const struct conf *c = conf;

	return i < c->njobs ? c->jobs[i].name : NULL;
}

const char *conf_sensor_name(const void *conf, size_t i)
{
	const struct conf *c = conf;

	return i < c->nsensors ? c->sensors[i].name : NULL;
}

int conf_missing(const struct conf *conf, const char *kind, const char *name, struct err *err)
{
	static const struct {
		const char *kind;
		const char *(*name)(const void *conf, size_t i);
	} kinds[] = {{"asset", conf_asset_name}, {"job", conf_job_name}, {"sensor", conf_sensor_name}};
	const char *near = NULL;

	for (size_t i = 0; i < NITEMS(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			near = suggest_nearest(name, kinds[i].name, conf);
	return err_code(err, ERR_PERMANENT, "not_found", "no %s '%.100s' in the configuration%s%s%s", kind,
	    name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
