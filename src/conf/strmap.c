#include "config.h"

#include "conf/opt.h"

#include "base/mem.h"

#include <string.h>

const char *strmap_get(const struct strmap *m, const char *key)
{
	for (size_t i = 0; i < m->keys.n; i++)
		if (strcmp(m->keys.v[i], key) == 0)
			return m->values.v[i];
	return NULL;
}

void strmap_set(struct strmap *m, const char *key, const char *value)
{
	for (size_t i = 0; i < m->keys.n; i++) {
		if (strcmp(m->keys.v[i], key) == 0) {
			xstrset(&m->values.v[i], value);
			return;
		}
	}
	strvec_push(&m->keys, key);
	strvec_push(&m->values, value);
}

void strmap_release(struct strmap *m)
{
	strvec_release(&m->keys);
	strvec_release(&m->values);
}
