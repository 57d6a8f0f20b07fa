/* The shared files: profiles with static keys, a process to ask, or a role and who may assume it. */
#include "config.h"

#include "store/credentials_impl.h"

#include "base/fs.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1024 * 1024)

static char *file_name(const char *variable, const char *in_home)
{
	const char *set = getenv(variable), *home = getenv("HOME");

	if (set != NULL && *set)
		return xstrdup(set);
	return home && *home ? fs_join(home, in_home) : NULL;
}

/* "[name]", in the config file "[profile name]" too; NULL: not a section line. */
static bool section_is(const char *line, size_t n, const char *profile, bool prefixed)
{
	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r'))
		n--;
	if (n < 2 || line[n - 1] != ']')
		return false;
	line++, n -= 2;
	while (n > 0 && (*line == ' ' || *line == '\t'))
		line++, n--;
	if (prefixed && n > 8 && strncmp(line, "profile", 7) == 0 && (line[7] == ' ' || line[7] == '\t')) {
		line += 8, n -= 8;
		while (n > 0 && (*line == ' ' || *line == '\t'))
			line++, n--;
	} else if (prefixed && strcmp(profile, "default") != 0) {
		return false; /* only "default" goes without the word */
	}
	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	return n == strlen(profile) && strncmp(line, profile, n) == 0;
}

static void take_setting(const char *line, size_t n, struct strmap *out)
{
	const char *eq = memchr(line, '=', n), *end = line + n;
	char *key, *value;

	if (eq == NULL)
		return;
	size_t k = (size_t)(eq - line);
	while (k > 0 && (line[k - 1] == ' ' || line[k - 1] == '\t'))
		k--;
	eq++;
	while (eq < end && (*eq == ' ' || *eq == '\t'))
		eq++;
	while (end > eq && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	key = xstrndup(line, k);
	value = xstrndup(eq, (size_t)(end - eq));
	/* The first file read (credentials) wins over the second (config). */
	if (strmap_get(out, key) == NULL)
		strmap_set(out, key, value);
	free(key);
	secret_free(value);
}

/* Add a file's settings of one profile.  1: the section is there, 0: it is not, -1: error. */
static int read_profile(
    const char *path, const char *profile, bool prefixed, struct strmap *out, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(FILE_MAX);
	struct err e = ERR_INIT;
	bool inside = false;
	int found = 0;

	if (path == NULL)
		return 0;
	if (fs_read(path, &sb, &e) == -1) {
		strbuf_release(&sb);
		if (err_is(&e, "not_found"))
			return 0;
		*err = e;
		return -1;
	}
	for (const char *line = sb.buf; *line;) {
		size_t n = strcspn(line, "\n");

		if (*line == '[') {
			inside = section_is(line, n, profile, prefixed);
			found |= inside;
		} else if (inside && *line != '#' && *line != ';' && *line != ' ' && *line != '\t') {
			take_setting(
			    line, n, out); /* indented lines belong to nested settings of other tools */
		}
		line += n + (line[n] == '\n');
	}
	secret_wipe(&sb);
	return found;
}

static int load_profile(const char *profile, struct strmap *out, struct err *err)
{
	char *keys = file_name("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
	char *config = file_name("AWS_CONFIG_FILE", ".aws/config");
	int a = read_profile(keys, profile, false, out, err),
	    b = a == -1 ? -1 : read_profile(config, profile, true, out, err);

	free(keys);
	free(config);
	return b == -1 ? -1 : a || b;
}

static void wipe_map(struct strmap *m)
{
	for (size_t i = 0; i < m->values.n; i++)
		explicit_bzero(m->values.v[i], strlen(m->values.v[i]));
	strmap_release(m);
}

static enum source_result static_keys(
    const struct strmap *p, const char *profile, struct credential *out, struct err *err)
{
	char *where = xasprintf("profile %s", profile);
	enum source_result r = credential_pair(out, where, strmap_get(p, "aws_access_key_id"),
	    strmap_get(p, "aws_secret_access_key"), strmap_get(p, "aws_session_token"), err);

	free(where);
	return r;
}

/* Who assumes the role: keys at hand (another profile's, or the environment's). */
static enum source_result assuming_identity(
    const struct strmap *p, const char *profile, struct credential *out, struct err *err)
{
	const char *source = strmap_get(p, "source_profile"), *where = strmap_get(p, "credential_source");
	enum source_result r = SOURCE_ABSENT;

	if (source != NULL) {
		struct strmap other = {0};
		if (load_profile(source, &other, err) == -1)
			r = SOURCE_ERROR;
		else
			r = static_keys(&other, source, out, err);
		wipe_map(&other);
	} else if (where != NULL && strcmp(where, "Environment") == 0) {
		r = credential_pair(out, "the environment", getenv("AWS_ACCESS_KEY_ID"),
		    getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN"), err);
	}
	if (r == SOURCE_ABSENT) {
		err_code(err, ERR_CONFIG, "credentials",
		    "profile %s: role_arn needs a source_profile with keys, credential_source = Environment, "
		    "or a "
		    "web_identity_token_file",
		    profile);
		r = SOURCE_ERROR;
	}
	return r;
}

static enum source_result assume_role(
    struct credentials *c, const struct strmap *p, const char *profile, struct err *err)
{
	const char *arn = strmap_get(p, "role_arn"), *token = strmap_get(p, "web_identity_token_file");
	struct credential by = {0};

	if (token != NULL)
		return role_by_web_identity(c, arn, token, strmap_get(p, "role_session_name"), err);
	enum source_result r = assuming_identity(p, profile, &by, err);
	if (r == SOURCE_FOUND)
		r = role_by_identity(
		    c, arn, strmap_get(p, "role_session_name"), strmap_get(p, "external_id"), &by, err);
	credential_release(&by);
	return r;
}

enum source_result source_profile(struct credentials *c, struct credential *out, struct err *err)
{
	const char *named = c->conf.profile && *c->conf.profile ? c->conf.profile : getenv("AWS_PROFILE"),
	           *profile;
	struct strmap p = {0};
	enum source_result r = SOURCE_ABSENT;

	profile = named && *named ? named : "default";
	int found = load_profile(profile, &p, err);
	if (found == -1) {
		r = SOURCE_ERROR;
	} else if (!found && named && *named) {
		err_code(
		    err, ERR_CONFIG, "credentials", "profile %s is in neither of the shared files", profile);
		r = SOURCE_ERROR;
	} else if (strmap_get(&p, "role_arn") != NULL) {
		r = assume_role(c, &p, profile, err);
	} else {
		r = static_keys(&p, profile, out, err);
		if (r == SOURCE_ABSENT && strmap_get(&p, "credential_process") != NULL)
			r = credentials_from_process(c, strmap_get(&p, "credential_process"), err);
	}
	wipe_map(&p);
	return r;
}
