/* Text from outside shows literally: nothing in it becomes markup, moves its neighbours or hides. */
#include "config.h"

#include "tests/tap.h"

#include "web/html.h"

static const struct {
	const char *in, *out, *what;
} texts[] = {
    {"plain text", "plain text", "plain text is itself"},
    {"<b>\"x\" & 'y'</b>", "&lt;b&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/b&gt;", "markup and quotes"},
    {"</script><script>alert(1)</script>", "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
        "the end of a script"},
    {"a\x1b[31mred", "a\\x1b[31mred", "a terminal's escape"},
    {"a\rb\bc\x7f", "a\\x0db\\x08c\\x7f", "control characters"},
    {"one\ntwo\tthree", "one\ntwo\tthree", "line ends and tabs stay"},
    {"gnp.\xe2\x80\xae"
     "exe",
        "gnp.\\u{202e}exe", "a right-to-left override"},
    {"a\xe2\x80\x8b"
     "b\xef\xbb\xbf",
        "a\\u{200b}b\\u{feff}", "characters that cannot be seen"},
    {"\xe6\x97\xa5\xe6\x9c\xac \xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac \xc3\xa9", "other scripts are themselves"},
    {"\xff\xc3(", "\xef\xbf\xbd\xef\xbf\xbd(", "bytes that are not UTF-8"},
    {"\xc0\xbcscript\xc0\xbe", "\xef\xbf\xbd\xef\xbf\xbdscript\xef\xbf\xbd\xef\xbf\xbd",
        "an overlong form of <"},
    {"\xc2\x85x", "\\u{0085}x", "a C1 control"},
    {"", "", "nothing"},
};

static void test_texts(void)
{
	for (size_t i = 0; i < NITEMS(texts); i++) {
		struct strbuf out = STRBUF_INIT(4096);

		html_text(&out, texts[i].in);
		is_str(out.buf, texts[i].out, texts[i].what);
		strbuf_release(&out);
	}
}

static void test_urls(void)
{
	struct strbuf out = STRBUF_INIT(4096);

	html_url(&out, "a b/c?d#e&f\"<\xc3\xa9~-._");
	is_str(out.buf, "a%20b%2Fc%3Fd%23e%26f%22%3C%C3%A9~-._", "a component of a path");
	strbuf_release(&out);
}

static void test_places(void)
{
	struct strbuf out = STRBUF_INIT(4096);

	html(&out, "<a href=\"/x/%u\" title=\"%s\">%i %d%r 100%%</a>", "a/b", "\"><i>", INT64_C(-5), 7,
	    "<b>!</b>");
	is_str(out.buf, "<a href=\"/x/a%2Fb\" title=\"&quot;&gt;&lt;i&gt;\">-5 7<b>!</b> 100%</a>",
	    "every kind of place");
	strbuf_reset(&out);
	html(&out, "[%s]", (const char *)NULL);
	is_str(out.buf, "[]", "NULL is nothing");
	strbuf_release(&out);
}

/* Whatever the bytes: no markup, and the text ends where it should. */
static void test_any_bytes(void)
{
	unsigned seed = 20261121;
	bool good = true;

	for (int round = 0; round < 2000 && good; round++) {
		struct strbuf out = STRBUF_INIT(65536);
		char in[257];
		size_t n = (size_t)rand_r(&seed) % 256;

		for (size_t i = 0; i < n; i++)
			in[i] = (char)(rand_r(&seed) % (round % 2 ? 256 : 64));
		html_text_n(&out, in, n);
		for (const char *s = out.buf; *s != '\0'; s++)
			good &= *s != '<' && *s != '>' && *s != '"' && *s != '\'' &&
			        (*s == '\n' || *s == '\t' || (unsigned char)*s >= 0x20);
		good &= strlen(out.buf) == out.len && !out.overflowed;
		strbuf_release(&out);
	}
	ok(good, "2000 random texts (seed 20261121) give no markup and no control characters");
}

int main(void)
{
	tap_run(test_texts);
	tap_run(test_urls);
	tap_run(test_places);
	tap_run(test_any_bytes);
	return tap_done();
}
