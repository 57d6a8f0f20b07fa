/* The configuration's files: which may be trusted, which include which. */
#include "config.h"

#include "conf/conf_loader.h"

#include "base/digest.h"
#include "base/fs.h"
#include "base/mem.h"
#include "conf/opt_text.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where to complain about a file: the entry that names it, or the file itself. */
static struct mark mark_of(const struct conf_file *f)
{
	return f->from != NULL ? f->from->mark : (struct mark){f->shown, 0, 0};
}

/*
 * Whoever can write these files decides what we run.  A foreign owner is refused, except by root, who works on
 * somebody's behalf (containers, sudo) and is told once.
 */
static int check_trust(struct loader *l, const struct conf_file *f, const struct stat *st)
{
	struct mark m = {f->shown, 0, 0};

	if (!S_ISREG(st->st_mode)) {
		diag_add(l->diags, DIAG_ERROR, &m, "io", "not a regular file");
		return -1;
	}
	if ((st->st_mode & S_IWOTH) != 0) {
		diag_add(l->diags, DIAG_ERROR, &m, "io",
		    "everybody can write this file (mode %04o); chmod o-w it", (unsigned)st->st_mode & 07777);
		return -1;
	}
	if (st->st_uid == 0 || st->st_uid == geteuid())
		return 0;
	if (geteuid() != 0) {
		diag_add(l->diags, DIAG_ERROR, &m, "io",
		    "the file belongs to another user (uid %u); chown it to root or to the user who runs this",
		    (unsigned)st->st_uid);
		return -1;
	}
	if (f->parent == NULL)
		diag_add(l->diags, DIAG_WARNING, &m, "io",
		    "the file belongs to another user (uid %u), who can change it", (unsigned)st->st_uid);
	return 0;
}

static int load_file(struct loader *l, struct conf_file *f, struct digest *digest)
{
	struct strbuf sb = STRBUF_INIT(NODE_FILE_MAX);
	struct err err = ERR_INIT;
	struct mark m = mark_of(f);
	struct stat st, link;
	uint64_t len;

	if (stat(f->shown, &st) == -1) {
		const char *why = strerror(errno);
		bool dangling = errno == ENOENT && lstat(f->shown, &link) == 0 && S_ISLNK(link.st_mode);

		diag_add(l->diags, DIAG_ERROR, &m, "io", "%s%s%s", f->from != NULL ? f->shown : "",
		    f->from != NULL ? ": " : "", dangling ? "the link points to nothing" : why);
		return -1;
	}
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	if (check_trust(l, f, &st) == -1)
		return -1;
	if (fs_read(f->shown, &sb, &err) == -1) {
		diag_add(l->diags, DIAG_ERROR, &m, err_is(&err, "limit") ? "limit" : "io", "%s", err.text);
	} else {
		len = sb.len;
		digest_update(digest, &len, sizeof(len));
		digest_update(digest, sb.buf, sb.len);
		f->root = node_parse_yaml(f->shown, sb.buf, sb.len, l->diags);
	}
	strbuf_release(&sb);
	return f->root != NULL ? 0 : -1;
}

/* NULL when the entry may be read; else why not. */
static const char *seen_before(const struct loader *l, const struct conf_file *f, const char **by)
{
	for (const struct conf_file *p = f->parent; p != NULL; p = p->parent)
		if (p->dev == f->dev && p->ino == f->ino)
			return *by = p->shown, "includes itself";
	for (size_t i = 0; i < l->nfiles; i++)
		if (l->files[i] != f && l->files[i]->dev == f->dev && l->files[i]->ino == f->ino)
			return *by = l->files[i]->shown, "is included twice";
	return NULL;
}

static void free_file(struct conf_file *f)
{
	node_free(f->root);
	free(f->shown);
	free(f->path);
	free(f);
}

/* Queue a file; what it includes is seen to when its turn comes. */
static void add_file(struct loader *l, const char *shown, const struct conf_file *parent,
    const struct node *from, struct digest *digest)
{
	struct conf_file *f;
	const char *why, *by;
	struct stat st;

	if (l->nfiles == CONF_FILES_MAX) {
		if (!l->too_many)
			diag_add(l->diags, DIAG_ERROR, &from->mark, "limit", "more than %d configuration files",
			    CONF_FILES_MAX);
		l->too_many = true;
		l->whole = false;
		return;
	}
	f = xcalloc(1, sizeof(*f));
	*f = (struct conf_file){
	    .shown = xstrdup(shown), .path = opt_path_absolute(NULL, shown), .parent = parent, .from = from};
	if (from != NULL && stat(shown, &st) == 0) {
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		if ((why = seen_before(l, f, &by)) != NULL) {
			diag_add(l->diags, DIAG_ERROR, &from->mark, "io", "%s %s", by, why);
			free_file(f);
			return;
		}
	}
	l->files[l->nfiles++] = f;
	strvec_push(&l->conf->files, f->path);
	if (load_file(l, f, digest) == -1)
		l->whole = false;
}

/* dir is taken literally, whatever it is called. */
static char *glob_pattern(const char *dir, const char *entry)
{
	struct strbuf sb = STRBUF_INIT(4 * NODE_VALUE_MAX);

	for (const char *s = dir; entry[0] != '/' && *s != '\0'; s++) {
		if (strchr("*?[\\", *s) != NULL)
			strbuf_addch(&sb, '\\');
		strbuf_addch(&sb, *s);
	}
	if (sb.len > 0 && sb.buf[sb.len - 1] != '/')
		strbuf_addch(&sb, '/');
	strbuf_addstr(&sb, entry);
	return strbuf_detach(&sb);
}

static void include_glob(struct loader *l, const struct conf_file *f, const struct node *entry, const char *dir,
    struct digest *digest)
{
	char *pattern = glob_pattern(dir, entry->text);
	struct strvec found = STRVEC_INIT;
	glob_t g = {0};

	if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			strvec_push(&found, g.gl_pathv[i]);
	globfree(&g);
	strvec_sort(&found); /* by bytes, not by the locale */
	if (found.n == 0)
		diag_add(l->diags, DIAG_WARNING, &entry->mark, "io", "'%.200s' matches no file", entry->text);
	for (size_t i = 0; i < found.n; i++)
		add_file(l, found.v[i], f, entry, digest);
	strvec_release(&found);
	free(pattern);
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || (n > 0 && dir[n - 1] == '/'));
}

static bool climbs(const char *path)
{
	for (const char *s = path; *s != '\0'; s += strspn(s, "/")) {
		size_t n = strcspn(s, "/");

		if (n == 2 && memcmp(s, "..", 2) == 0)
			return true;
		s += n;
	}
	return false;
}

static void include_entry(
    struct loader *l, const struct conf_file *f, const struct node *entry, struct digest *digest)
{
	/* "x.yaml", not "./x.yaml", beside a file that was given without a folder. */
	char *dir = strchr(f->shown, '/') != NULL ? fs_dirname(f->shown) : xstrdup("");
	char *shown = NULL, *path = NULL;

	if (entry->kind != NODE_TEXT || entry->text[0] == '\0') {
		diag_add(l->diags, DIAG_ERROR, &entry->mark, "type",
		    "an entry of 'include' must be a file name, not %s",
		    entry->kind == NODE_TEXT ? "empty" : node_kind_name(entry->kind));
		goto out;
	}
	shown = fs_join(dir, entry->text);
	path = opt_path_absolute(NULL, shown);
	if (climbs(entry->text) || (!is_below(path, l->conf->dir) && !is_below(path, ORCH_DATADIR))) {
		diag_add(l->diags, DIAG_ERROR, &entry->mark, "value",
		    "'%.200s' is outside of the configuration's folder %s", entry->text, l->conf->dir);
		goto out;
	}
	if (strpbrk(entry->text, "*?[") != NULL)
		include_glob(l, f, entry, dir, digest);
	else
		add_file(l, shown, f, entry, digest);
out:
	free(dir);
	free(shown);
	free(path);
}

static void read_includes(struct loader *l, const struct conf_file *f, struct digest *digest)
{
	const struct node *v = node_get(f->root, "include");

	if (v == NULL)
		return;
	node_expand_env((struct node *)v, l->diags);
	if (v->kind != NODE_LIST) {
		include_entry(l, f, v, digest);
		return;
	}
	for (size_t i = 0; i < v->n; i++)
		include_entry(l, f, v->item[i], digest);
}

void conf_files_read(struct loader *l)
{
	struct digest *digest = digest_new(DIGEST_SHA256);

	l->whole = true;
	add_file(l, l->shown, NULL, NULL, digest);
	for (size_t i = 0; i < l->nfiles; i++)
		if (l->files[i]->root != NULL)
			read_includes(l, l->files[i], digest);
	digest_final(digest, l->conf->digest);
}

void conf_files_free(struct loader *l)
{
	for (size_t i = 0; i < l->nfiles; i++)
		free_file(l->files[i]);
	l->nfiles = 0;
}
