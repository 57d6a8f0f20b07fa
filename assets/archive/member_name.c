#include "config.h"

#include "assets/archive/member_name.h"

#include "base/codec.h"

#include <ctype.h>
#include <string.h>

#define KEY_MAX 1024 /* of an object store */

const char *member_name_show(const char *name, char out[MEMBER_NAME_SHOWN])
{
	bool text = utf8_valid(name, strlen(name));
	size_t n = 0;

	for (; *name != '\0' && n < MEMBER_NAME_SHOWN - 8; name++) {
		unsigned char c = (unsigned char)*name;

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !text))
			n += (size_t)snprintf(out + n, MEMBER_NAME_SHOWN - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	/* Not in the middle of a character. */
	while (*name != '\0' && n > 0 && text && ((unsigned char)*name & 0xc0) == 0x80)
		name--, n--;
	snprintf(out + n, MEMBER_NAME_SHOWN - n, "%s", *name != '\0' ? "..." : "");
	return out;
}

static int refuse(struct err *err, const char *code, const char *name, const char *why)
{
	char shown[MEMBER_NAME_SHOWN];

	return err_code(err, ERR_BAD_DATA, code, "member '%s': %s", member_name_show(name, shown), why);
}

/* C0, DEL, and C1 in its UTF-8 form. */
static bool has_control(const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)s[0], d = (unsigned char)s[1];

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && d >= 0x80 && d < 0xa0))
			return true;
	}
	return false;
}

static bool is_absolute(const char *s)
{
	return s[0] == '/' || s[0] == '\\' || (isalpha((unsigned char)s[0]) && s[1] == ':');
}

/* A '..' between slashes of either kind. */
static bool has_parent(const char *s)
{
	for (size_t n; *s != '\0'; s += n + (s[n] != '\0')) {
		n = strcspn(s, "/\\");
		if (n == 2 && memcmp(s, "..", 2) == 0)
			return true;
	}
	return false;
}

/* The next component that counts, moving *s behind it; NULL at the end. */
static const char *next_component(const char **s, size_t *n)
{
	while (**s != '\0') {
		const char *start = *s;

		*n = strcspn(start, "/");
		*s = start + *n + (start[*n] != '\0');
		if (*n > 0 && !(*n == 1 && start[0] == '.'))
			return start;
	}
	return NULL;
}

/* Of the name as it becomes a path, folders included. */
static size_t path_length(const char *name)
{
	size_t n, sum = 0;

	while (next_component(&name, &n) != NULL)
		sum += n + (sum > 0);
	return sum;
}

static int check(const char *name, int64_t max_bytes, struct err *err)
{
	size_t n = path_length(name);

	if (!utf8_valid(name, strlen(name)))
		return refuse(err, "path.encoding", name, "the name is not UTF-8");
	if (has_control(name))
		return refuse(err, "path.control", name, "the name holds a control character");
	if (has_parent(name))
		return refuse(err, "path.traversal", name, "the name leads to a parent folder");
	if (is_absolute(name))
		return refuse(err, "path.absolute", name, "the name starts at a root or drive");
	if (strchr(name, '\\') != NULL)
		return refuse(err, "path.control", name, "the name holds a backslash");
	if (n > KEY_MAX)
		return refuse(err, "path.toolong", name, "the name is longer than a key can be");
	if ((int64_t)n > max_bytes)
		return refuse(err, "limit.path", name, "the name is longer than the limit max_path_bytes");
	return 0;
}

int member_name_check_folder(const char *name, int64_t max_bytes, struct err *err)
{
	return check(name, max_bytes, err);
}

/* A file's name does not end like a folder's. */
static bool ends_as_folder(const char *name)
{
	size_t n = strlen(name);

	return n == 0 || name[n - 1] == '/' || (n >= 2 && strcmp(name + n - 2, "/.") == 0);
}

int member_name_path(const char *name, bool flatten, int64_t max_bytes, struct strbuf *out, struct err *err)
{
	size_t start = out->len, n;
	const char *rest = name, *part;

	if (check(name, max_bytes, err) == -1)
		return -1;
	if (ends_as_folder(name))
		return refuse(err, "path.empty", name, "there is no file name");
	while ((part = next_component(&rest, &n)) != NULL) {
		if (flatten)
			strbuf_truncate(out, start);
		else if (out->len > start)
			strbuf_addch(out, '/');
		strbuf_add(out, part, n);
	}
	if (out->len == start)
		return refuse(err, "path.empty", name, "nothing is left of the name");
	if (out->overflowed || out->len > KEY_MAX)
		return refuse(err, "path.toolong", name, "the key would be longer than a key can be");
	return 0;
}
