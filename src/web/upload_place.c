#include "config.h"

#include "web/upload_place.h"

#include "base/mem.h"
#include "base/strvec.h"
#include "conf/conf.h"
#include "engine/partition.h"
#include "sensor/sensor.h"

#include <stdlib.h>
#include <string.h>

struct upload_places {
	const struct conf *conf;
	void **mem; /* of each sensor that was asked */
	bool *failed; /* the sensor cannot be started: its files have changed since */
};

/* What is known of one upload: the names that its sensor's templates may use. */
struct known {
	const struct conf_sensor *sensor;
	struct strvec names, values;
	struct strvec made; /* values of the run's config, lent to partition_expand */
};

struct upload_places *upload_places_new(const struct conf *conf)
{
	struct upload_places *p = xcalloc(1, sizeof(*p));

	p->conf = conf;
	p->mem = xcalloc(conf->nsensors + 1, sizeof(*p->mem));
	p->failed = xcalloc(conf->nsensors + 1, sizeof(*p->failed));
	return p;
}

void upload_places_free(struct upload_places *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->conf->nsensors; i++)
		if (p->mem[i] != NULL)
			p->conf->sensors[i].type->stop(p->mem[i]);
	free(p->mem);
	free(p->failed);
	free(p);
}

static void add_name(void *arg, const char *name, const char *value)
{
	struct known *k = arg;

	strvec_push(&k->names, name);
	strvec_push(&k->values, value);
}

static const char *name_value(void *arg, const char *name, size_t *n)
{
	const struct known *k = arg;

	for (size_t i = 0; i < k->names.n; i++)
		if (strcmp(k->names.v[i], name) == 0) {
			*n = strlen(k->values.v[i]);
			return k->values.v[i];
		}
	return NULL;
}

/* A value of the run's config, which is a template of the sensor's names itself. */
static const char *config_value(void *arg, const char *name, size_t *n)
{
	struct known *k = arg;
	const char *template = strmap_get(&k->sensor->config, name);
	struct strbuf out = STRBUF_INIT(PARTITION_MAX);
	int rc = template != NULL ? template_expand(template, name_value, k, &out, NULL) : -1;

	if (rc == 0)
		strvec_push(&k->made, out.buf);
	strbuf_release(&out);
	if (rc == -1)
		return NULL;
	*n = strlen(k->made.v[k->made.n - 1]);
	return k->made.v[k->made.n - 1];
}

/* As for a run: the sensor's own template, the job's, or that of its first asset with one. */
static char *expand(const struct upload_places *p, struct known *k)
{
	const struct conf_job *job = conf_job_find(p->conf, k->sensor->job);
	const char *text = k->sensor->partition != NULL || job == NULL ? k->sensor->partition : job->partition;
	struct strbuf out = STRBUF_INIT(PARTITION_MAX);

	for (size_t i = 0; text == NULL && job != NULL && i < job->nasset; i++)
		text = job->asset[i]->partition;
	if (text == NULL ||
	    partition_expand(text, text == k->sensor->partition ? name_value : config_value, k, &out, NULL) ==
	        -1 ||
	    out.len == 0) {
		strbuf_release(&out);
		return NULL;
	}
	return strbuf_detach(&out);
}

char *upload_place(struct upload_places *p, const char *sensor, const char *key)
{
	const struct conf_sensor *cs = conf_sensor_find(p->conf, sensor);
	struct known k = {.sensor = cs};
	char *partition = NULL;
	size_t i;

	if (cs == NULL || cs->type->values == NULL)
		return NULL;
	i = (size_t)(cs - p->conf->sensors);
	if (p->mem[i] == NULL && !p->failed[i]) {
		p->mem[i] = cs->type->start(cs->opts, NULL);
		p->failed[i] = p->mem[i] == NULL;
	}
	if (!p->failed[i] && cs->type->values(p->mem[i], key, add_name, &k))
		partition = expand(p, &k);
	strvec_release(&k.names);
	strvec_release(&k.values);
	strvec_release(&k.made);
	return partition;
}
