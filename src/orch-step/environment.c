#include "config.h"

#include "orch-step/environment.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **hidden;

void environment_hide(void)
{
	size_t n = 0;

	while (environ[n] != NULL)
		n++;
	hidden = xcalloc(n + 1, sizeof(*hidden));
	for (size_t i = 0; i < n; i++) {
		hidden[i] = xstrdup(environ[i]);
		explicit_bzero(environ[i], strlen(environ[i]));
	}
	environ = hidden;
}

void environment_wipe(void)
{
	environ = NULL;
	for (size_t i = 0; hidden != NULL && hidden[i] != NULL; i++) {
		explicit_bzero(hidden[i], strlen(hidden[i]));
		free(hidden[i]);
	}
	free(hidden);
	hidden = NULL;
}
