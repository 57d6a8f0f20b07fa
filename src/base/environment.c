#include "config.h"

#include "base/environment.h"

#include "base/mem.h"
#include "base/secmem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **hidden, *texts;

void environment_hide(void)
{
	size_t n = 0, bytes = 0;
	char *to;

	for (; environ[n] != NULL; n++)
		bytes += strlen(environ[n]) + 1;
	hidden = xcalloc(n + 1, sizeof(*hidden));
	texts = to = secmem_alloc(bytes);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(environ[i]);

		hidden[i] = memcpy(to, environ[i], len);
		to += len + 1;
		explicit_bzero(environ[i], len);
	}
	environ = hidden;
}

void environment_wipe(void)
{
	environ = NULL;
	secmem_free(texts);
	free(hidden);
	texts = NULL;
	hidden = NULL;
}
