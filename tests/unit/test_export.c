/* Names of exported files say what they are, stay in their folder, and differ when their targets do. */
#include "config.h"

#include "tests/tap.h"

#include "web/export_dir.h"
#include "web/export_link.h"

#include <ctype.h>
#include <sys/stat.h>

static const struct {
	const char *target, *name;
} names[] = {
    {"/", "index.html"},
    {"/runs", "runs.html"},
    {"/runs/41", "runs/41.html"},
    {"/runs?state=failed&job=", "runs,state=failed.html"},
    {"/nights?until=20260401", "nights,until=20260401.html"},
    {"/nights?until=20260401&after=uao/minime05", "nights,until=20260401,after=uao~2Fminime05.html"},
    {"/partition/uao/20260407/minime05", "partition/uao/20260407/minime05.html"},
    {"/partition/a.html/b", "partition/a~2Ehtml/b.html"},
    {"/partition/%2e%2e/%2E%2E/etc/passwd", "partition/~2E~2E/~2E~2E/etc/passwd.html"},
    {"/partition/..%2f..%2fetc", "partition/~2E~2E/~2E~2E/etc.html"},
    {"/partition//x", "partition/~/x.html"},
    {"/assets/.hidden", "assets/~2Ehidden.html"},
    {"/assets/a~b,c=d", "assets/a~7Eb~2Cc~3Dd.html"},
    {"/assets/%C3%A9%20x", "assets/~C3~A9~20x.html"},
    {"/static/style.css", "static/style.css"},
    {"/badge/unzip.svg", "badge/unzip.svg"},
    {"/picture/7/SummaryImages/2026/a.png", "picture/7/SummaryImages/2026/a.png"},
    {"/api/v1/runs", "api/v1/runs.json"},
    {"/api/v1/openapi.json", "api/v1/openapi.json"},
    {"/feed.atom", "feed.atom"},
};

static void name_of(struct strbuf *out, const char *target)
{
	struct httpd_head t;

	strbuf_reset(out);
	if (export_target(&t, target) == 0)
		export_name(out, &t);
	httpd_head_release(&t);
}

static void test_names(void)
{
	struct strbuf name = STRBUF_INIT(65536);

	for (size_t i = 0; i < NITEMS(names); i++) {
		name_of(&name, names[i].target);
		is_str(name.buf, names[i].name, names[i].target);
	}
	strbuf_release(&name);
}

static bool is_harmless(const char *s)
{
	bool start = true;
	size_t n = 0;

	for (; *s != '\0'; s++) {
		if (*s == '/' ? start : !isalnum((unsigned char)*s) && strchr("-_.~,=", *s) == NULL)
			return false;
		if (start && *s == '.')
			return false;
		start = *s == '/';
		if ((n = start ? 0 : n + 1) > 200)
			return false;
	}
	return !start;
}

/* Random paths: every name is harmless, and one path has one name. */
static void test_any_path(void)
{
	static const char hex[] = "0123456789ABCDEF";
	struct strbuf name = STRBUF_INIT(65536), other = STRBUF_INIT(65536);
	unsigned seed = 20261126;
	bool good = true, differ = true;
	int made = 0;

	for (int round = 0; round < 3000; round++) {
		char target[2000] = "/partition/", *p = target + strlen(target);
		size_t n = 1 + (size_t)rand_r(&seed) % (round % 50 == 0 ? 600 : 12);

		for (size_t i = 0; i < n; i++) {
			unsigned c =
			    round % 2 ? (unsigned)rand_r(&seed) % 256 : (unsigned)"./~,=a-%"[rand_r(&seed) % 8];

			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
		*p = '\0';
		name_of(&name, target);
		if (name.len == 0)
			continue; /* control characters: the server refuses these */
		made++;
		good &= is_harmless(name.buf);
		p[-1] = p[-1] == '1' ? '3' : '1';
		name_of(&other, target);
		differ &= strcmp(name.buf, other.buf) != 0;
	}
	ok(good && made > 500, "%d random paths give harmless names (seed 20261126)", made);
	ok(differ, "paths that differ in one byte have different names");
	strbuf_release(&name);
	strbuf_release(&other);
}

/* ---- links */

static bool lead(struct strbuf *out, const char *target, void *arg)
{
	struct httpd_head t;
	bool leads = strstr(target, "gone") == NULL && export_target(&t, target) == 0;

	if (leads) {
		export_name(out, &t);
		httpd_head_release(&t);
	}
	return leads;
}

static const struct {
	const char *from, *in, *out;
} links[] = {
    {"index.html", "<a href=\"/runs/1\">x</a>", "<a href=\"runs/1.html\">x</a>"},
    {"runs/1.html", "<a class=\"c\" href=\"/\">x</a>", "<a class=\"c\" href=\"../index.html\">x</a>"},
    {"partition/a/b.html", "<img src=\"/picture/1/a.png\" alt=\"\">",
        "<img src=\"../../picture/1/a.png\" alt=\"\">"},
    {"index.html", "<a href=\"/gone\">x</a>", "<a>x</a>"},
    {"index.html", "<a href=\"#main\">x</a><a href=\"/runs#x\">y</a>",
        "<a href=\"#main\">x</a><a href=\"runs.html#x\">y</a>"},
    {"index.html", "<a href=\"/runs?state=a&amp;job=b\">x</a>", "<a href=\"runs,state=a,job=b.html\">x</a>"},
    {"index.html", "<p> href=&quot;/gone&quot; </p>", "<p> href=&quot;/gone&quot; </p>"},
    {"index.html", "<a href=\"/runs", "<a href=\"/runs"},
};

static void test_links(void)
{
	for (size_t i = 0; i < NITEMS(links); i++) {
		struct strbuf in = STRBUF_INIT(1000), out = STRBUF_INIT(1000);

		strbuf_addstr(&in, links[i].in);
		export_rewrite(&out, &in, links[i].from, lead, NULL);
		is_str(out.buf, links[i].out, links[i].in);
		strbuf_release(&in);
		strbuf_release(&out);
	}
}

/* ---- the folder */

static void put(struct export_dir *d, const char *name, const char *text, bool stamped)
{
	ok(export_dir_put(d, name, text, strlen(text), stamped, NULL) == 0, "put %s", name);
}

static struct export_dir *open_dir(const char *path)
{
	struct err err = ERR_INIT;
	struct export_dir *d = export_dir_open(path, &err);

	ok(d != NULL, "open %s", d ? "an export" : err.text);
	return d;
}

static void test_folder(void)
{
	char *path = fs_join(test_dir(), "mirror"), *page = fs_join(path, "a/b.html");
	struct export_dir *d = open_dir(path), *second;
	struct err err = ERR_INIT;
	struct strbuf text = STRBUF_INIT(1000);

	put(d, "a/b.html", "x <time id=\"as-of\">1</time>", true);
	put(d, "c.html", "c", false);
	second = export_dir_open(path, &err);
	ok(second == NULL && err_is(&err, "locked"), "two exports do not work on one folder");
	ok(export_dir_finish(d, NULL) == 0, "finish");
	export_dir_close(d);

	d = open_dir(path);
	put(d, "a/b.html", "x <time id=\"as-of\">2</time>", true);
	is_int(export_dir_counts(d)->written, 0, "a page that differs in its stamp alone stays");
	ok(fs_read(page, &text, NULL) == 0 && strstr(text.buf, ">1<") != NULL, "with the stamp that it has");
	put(d, "a/b.html", "y <time id=\"as-of\">2</time>", true);
	is_int(export_dir_counts(d)->written, 1, "one that changed is written");
	ok(export_dir_finish(d, NULL) == 0, "finish");
	is_int(export_dir_counts(d)->removed, 1, "what was not put again is removed");
	export_dir_close(d);

	d = open_dir(path);
	ok(export_dir_finish(d, NULL) == 0 && !fs_exists(page), "and the last of a folder takes it along");
	export_dir_close(d);
	free(page);
	page = fs_join(path, "a");
	ok(!fs_exists(page), "the empty folder is gone");
	free(page);
	free(path);
	strbuf_release(&text);
}

int main(void)
{
	tap_run(test_names);
	tap_run(test_any_path);
	tap_run(test_links);
	tap_run(test_folder);
	return tap_done();
}
