#include "config.h"

#include "conf/secret.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/mem.h"
#include "conf/node.h"
#include "conf/opt_text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOW "write {env: NAME}, {file: PATH} or {credential: NAME}"

static const char *const source_name[] = {
    [SECRET_ENV] = "env",
    [SECRET_FILE] = "file",
    [SECRET_CREDENTIAL] = "credential",
};

static enum secret_source source_parse(const char *name, size_t n)
{
	for (size_t i = SECRET_ENV; i < NITEMS(source_name); i++)
		if (strlen(source_name[i]) == n && memcmp(source_name[i], name, n) == 0)
			return (enum secret_source)i;
	return SECRET_NONE;
}

static int check_name(enum secret_source source, const char *name, struct err *err)
{
	size_t n = 0;

	switch (source) {
	case SECRET_ENV:
		while (isalnum((unsigned char)name[n]) || name[n] == '_')
			n++;
		if (n == 0 || name[n] != '\0' || isdigit((unsigned char)name[0]))
			return err_set(
			    err, ERR_CONFIG, "'%.60s' cannot be the name of an environment variable", name);
		return 0;
	case SECRET_CREDENTIAL:
		if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
		    strcmp(name, "..") == 0)
			return err_set(err, ERR_CONFIG, "'%.60s' cannot be the name of a credential", name);
		return 0;
	default: return name[0] != '\0' ? 0 : err_set(err, ERR_CONFIG, "the path of a secret's file is empty");
	}
}

static int set_ref(
    enum secret_source source, const char *name, const char *dir, struct secret_ref *out, struct err *err)
{
	if (check_name(source, name, err) == -1)
		return -1;
	secret_release(out);
	out->source = source;
	out->name = source == SECRET_FILE ? opt_path_absolute(dir, name) : xstrdup(name);
	return 0;
}

int secret_parse(const char *text, const char *dir, struct secret_ref *out, struct err *err)
{
	const char *colon = strchr(text, ':');
	enum secret_source source = colon != NULL ? source_parse(text, (size_t)(colon - text)) : SECRET_NONE;

	if (source == SECRET_NONE)
		return err_set(err, ERR_CONFIG, "a secret is named as env:NAME, file:PATH or credential:NAME");
	return set_ref(source, colon + 1, dir, out, err);
}

static void warn_readable(const char *path, const struct mark *mark, const char *what, struct diags *diags)
{
	struct stat st;

	if (path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0)
		diag_add(diags, DIAG_WARNING, mark, "value",
		    "%s %s can be read by others (mode %04o); chmod 600 it", what, path,
		    (unsigned)st.st_mode & 07777);
}

static int bind_literal(const struct node *value, const char *key, const char *where, bool literal_ok,
    struct secret_ref *out, struct diags *diags)
{
	if (!literal_ok) {
		diag_add(diags, DIAG_ERROR, &value->mark, "value",
		    "the secret '%s' in %s must not stand in the file; " HOW, key, where);
		return -1;
	}
	warn_readable(value->mark.file, &value->mark, "a secret stands in a file that is not private:", diags);
	secret_release(out);
	*out = (struct secret_ref){SECRET_LITERAL, xstrdup(value->text)};
	return 0;
}

int secret_bind(const struct node *value, const char *key, const char *where, bool literal_ok, const char *dir,
    struct secret_ref *out, struct diags *diags)
{
	enum secret_source source = SECRET_NONE;
	struct err err = ERR_INIT;

	if (value->kind == NODE_TEXT)
		return bind_literal(value, key, where, literal_ok, out, diags);
	if (value->kind == NODE_MAP && value->n == 1 && value->item[0]->kind == NODE_TEXT)
		source = source_parse(value->key[0]->text, strlen(value->key[0]->text));
	if (source == SECRET_NONE) {
		diag_add(diags, DIAG_ERROR, &value->mark, value->kind == NODE_MAP ? "value" : "type",
		    "the secret '%s' in %s names exactly one source: " HOW, key, where);
		return -1;
	}
	if (set_ref(source, value->item[0]->text, dir, out, &err) == -1) {
		diag_add(
		    diags, DIAG_ERROR, &value->item[0]->mark, "value", "'%s' in %s: %s", key, where, err.text);
		return -1;
	}
	if (source == SECRET_FILE)
		warn_readable(out->name, &value->item[0]->mark, "the secret's file", diags);
	return 0;
}

json_t *secret_to_json(const struct secret_ref *ref)
{
	if (ref->source == SECRET_NONE)
		return NULL;
	if (ref->source == SECRET_LITERAL)
		return json_text_new(ref->name);
	return json_pack("{s:o}", source_name[ref->source], json_text_new(ref->name));
}

void secret_release(struct secret_ref *ref)
{
	if (ref->source == SECRET_LITERAL && ref->name != NULL)
		explicit_bzero(ref->name, strlen(ref->name));
	free(ref->name);
	*ref = (struct secret_ref){0};
}

/* One newline at the end is the editor's, not the secret's. */
static size_t without_newline(const char *s, size_t n)
{
	if (n > 0 && s[n - 1] == '\n')
		n--;
	if (n > 0 && s[n - 1] == '\r')
		n--;
	return n;
}

static int give(
    const char *s, size_t n, const char *what, const char *name, struct strbuf *out, struct err *err)
{
	n = without_newline(s, n);
	if (memchr(s, '\0', n) != NULL)
		return err_code(err, ERR_CONFIG, "secret", "the secret in %s %s holds a NUL byte", what, name);
	if (n > SECRET_MAX || strbuf_add(out, s, n) == -1)
		return err_code(err, ERR_CONFIG, "secret", "the secret in %s %s is too long", what, name);
	return 0;
}

static int from_env(const char *name, struct strbuf *out, struct err *err)
{
	const char *v = getenv(name);

	if (v == NULL)
		return err_code(err, ERR_CONFIG, "secret",
		    "the environment variable %s, which holds a secret, is not set", name);
	return give(v, strlen(v), "the environment variable", name, out, err);
}

/* Read by hand, so that the secret passes through one buffer that is wiped. */
static int from_file(const char *path, struct strbuf *out, struct err *err)
{
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char buf[SECRET_MAX + 3];
	size_t n = 0;
	struct stat st;
	ssize_t r;

	if (fd == -1)
		return err_code(err, ERR_CONFIG, "secret", "the secret's file %s: %s", path, strerror(errno));
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_code(err, ERR_CONFIG, "secret", "the secret's file %s is not a regular file", path);
	}
	while (n < sizeof(buf) && ((r = read(fd, buf + n, sizeof(buf) - n)) > 0 || (r == -1 && errno == EINTR)))
		n += r > 0 ? (size_t)r : 0;
	if (n < sizeof(buf) && r == -1)
		rc = err_code(err, ERR_CONFIG, "secret", "the secret's file %s: %s", path, strerror(errno));
	else
		rc = give(buf, n, "the file", path, out, err);
	explicit_bzero(buf, sizeof(buf));
	close(fd);
	return rc;
}

static int from_credential(const char *name, struct strbuf *out, struct err *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char *path;
	int rc;

	if (dir == NULL || dir[0] != '/')
		return err_code(err, ERR_CONFIG, "secret",
		    "the credential %s cannot be read: the service manager gave no credential directory", name);
	path = fs_join(dir, name);
	rc = from_file(path, out, err);
	free(path);
	return rc;
}

int secret_resolve(const struct secret_ref *ref, struct strbuf *out, struct err *err)
{
	/* All the room at once: a buffer that grows would leave copies behind. */
	if (strbuf_room(out, MIN(out->limit - out->len, (size_t)SECRET_MAX)) == NULL)
		return err_set(err, ERR_BUG, "no room for a secret");
	switch (ref->source) {
	case SECRET_ENV: return from_env(ref->name, out, err);
	case SECRET_FILE: return from_file(ref->name, out, err);
	case SECRET_CREDENTIAL: return from_credential(ref->name, out, err);
	case SECRET_LITERAL: return give(ref->name, strlen(ref->name), "the configuration", "", out, err);
	case SECRET_NONE: break;
	}
	return err_code(err, ERR_CONFIG, "secret", "no secret is configured");
}

void secret_wipe(struct strbuf *sb)
{
	if (sb->cap > 0)
		explicit_bzero(sb->buf, sb->cap);
	strbuf_release(sb);
}
