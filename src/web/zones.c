#include "config.h"

#include "web/zones.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/node.h"

#include <stdlib.h>
#include <string.h>

#define ZONES_MAX 1000

struct zone {
	char *name; /* of the entry */
	struct tz *tz;
};

struct zones {
	struct zone *v;
	size_t n;
};

static void add(struct zones *z, const char *name, const char *zone)
{
	struct err err = ERR_INIT;
	struct tz *tz;

	if (z->n == ZONES_MAX)
		return;
	if ((tz = tz_open(zone, &err)) == NULL) {
		log_warn("web: time zone of %s: %s", name, err.text);
		return;
	}
	z->v = xreallocarray(z->v, z->n + 1, sizeof(*z->v));
	z->v[z->n++] = (struct zone){xstrdup(name), tz};
}

static void add_section(struct zones *z, const struct node *section, const char *key)
{
	for (size_t i = 0; section != NULL && section->kind == NODE_MAP && i < section->n; i++) {
		const char *zone = node_text(section->item[i], key);

		if (zone != NULL)
			add(z, section->key[i]->text, zone);
	}
}

struct zones *zones_new(const struct conf *conf)
{
	const char *text = conf->web.time_zones, *star = text ? strstr(text, ".*.") : NULL, *file;
	struct diags diags = {0};
	struct zones *z;
	struct node *root;
	char *section;

	if (star == NULL)
		return NULL;
	z = xcalloc(1, sizeof(*z));
	section = xstrndup(text, (size_t)(star - text));
	if ((file = conf_section_file(conf, section)) != NULL &&
	    (root = node_load_yaml(file, &diags)) != NULL) {
		add_section(z, node_get(root, section), star + 3);
		node_free(root);
	}
	if (z->n == 0)
		log_warn("web: no time zone at %s", text);
	diags_release(&diags);
	free(section);
	return z;
}

void zones_free(struct zones *z)
{
	if (z == NULL)
		return;
	for (size_t i = 0; i < z->n; i++) {
		free(z->v[i].name);
		tz_free(z->v[i].tz);
	}
	free(z->v);
	free(z);
}

static const struct tz *find(const struct zones *z, const char *name, size_t n)
{
	for (size_t i = 0; i < z->n; i++)
		if (strncmp(z->v[i].name, name, n) == 0 && z->v[i].name[n] == '\0')
			return z->v[i].tz;
	return NULL;
}

const struct tz *zones_of(const struct zones *z, const char *partition)
{
	while (z != NULL && partition != NULL && *partition != '\0') {
		size_t n = strcspn(partition, "/");
		const struct tz *tz = find(z, partition, n);

		if (tz != NULL)
			return tz;
		partition += n + (partition[n] == '/');
	}
	return NULL;
}
