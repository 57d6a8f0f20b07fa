#include "config.h"

#include "base/environment.h"

#include "base/mem.h"
#include "base/secmem.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static char **hidden, *texts;

/* Returns so much room behind the texts of the variables; there may be as many texts in it as bytes. */
static char *hide(size_t room)
{
	size_t n = 0, bytes = 0;
	char *to;

	for (; environ[n] != NULL; n++)
		bytes += strlen(environ[n]) + 1;
	hidden = xcalloc(n + room + 1, sizeof(*hidden));
	texts = to = secmem_alloc(bytes + room);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(environ[i]);

		hidden[i] = memcpy(to, environ[i], len);
		to += len + 1;
		explicit_bzero(environ[i], len);
	}
	environ = hidden;
	return to;
}

static void add(char *text, const char *end)
{
	size_t n = 0;

	while (hidden[n] != NULL)
		n++;
	for (; text < end; text += strlen(text) + 1)
		hidden[n++] = text;
}

void environment_hide(void)
{
	hide(0);
}

void environment_wipe(void)
{
	environ = NULL;
	secmem_free(texts);
	free(hidden);
	texts = NULL;
	hidden = NULL;
}

/* In one write: small ones would share its pages badly.  All of it must fit, because nobody reads yet. */
static int fill_pipe(int fd, char *const *vars, struct err *err)
{
	size_t bytes = 0, at = 0;
	char *block;
	ssize_t n;

	for (size_t i = 0; vars[i] != NULL; i++)
		bytes += strlen(vars[i]) + 1;
	if (bytes > ENVIRONMENT_MAX)
		return err_set(err, ERR_CONFIG, "%zu bytes of variables for a step, %d are allowed", bytes,
		    ENVIRONMENT_MAX);
	if (fcntl(fd, F_GETPIPE_SZ) < (int)bytes && fcntl(fd, F_SETPIPE_SZ, (int)bytes) == -1)
		return err_errno(err, "a pipe for %zu bytes of variables", bytes);
	block = secmem_alloc(bytes);
	for (size_t i = 0; vars[i] != NULL; i++) {
		size_t len = strlen(vars[i]) + 1;

		memcpy(block + at, vars[i], len);
		at += len;
	}
	n = write(fd, block, bytes);
	secmem_free(block);
	return n == (ssize_t)bytes ? 0 : err_errno(err, "hand over %zu bytes of variables", bytes);
}

int environment_pack(char *const *vars, struct err *err)
{
	int ends[2], fd = -1;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return err_errno(err, "a pipe for variables");
	if (fill_pipe(ends[1], vars, err) == 0 &&
	    (fd = fcntl(ends[0], F_DUPFD_CLOEXEC, ENVIRONMENT_FD + 1)) == -1)
		err_errno(err, "a pipe for variables");
	close(ends[0]);
	close(ends[1]);
	return fd;
}

/* Takes the entry out. */
static bool is_announced(void)
{
	char **e = environ;

	while (*e != NULL && strcmp(*e, ENVIRONMENT_FD_ENTRY) != 0)
		e++;
	if (*e == NULL)
		return false;
	explicit_bzero(*e, strlen(*e)); /* as all the others will be */
	do
		e[0] = e[1];
	while (*e++ != NULL);
	return true;
}

int environment_receive(struct err *err)
{
	bool announced = is_announced();
	int bytes = 0, rc = 0;
	char *to;

	if (announced && ioctl(ENVIRONMENT_FD, FIONREAD, &bytes) == -1)
		rc = err_errno(err, "the variables handed over");
	to = hide((size_t)bytes);
	if (bytes > 0 && (read(ENVIRONMENT_FD, to, (size_t)bytes) != bytes || to[bytes - 1] != '\0'))
		rc = err_errno(err, "read the variables handed over");
	else
		add(to, to + bytes);
	if (announced)
		close(ENVIRONMENT_FD);
	return rc;
}
