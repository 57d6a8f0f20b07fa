#include "config.h"

#include "web/web_priv.h"

#include "web/static_file.h"

#include <string.h>

static const struct {
	const char *ending, *type;
} types[] = {
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".json", "application/json"},
};

void page_static(struct page *p)
{
	const char *path = p->ask->path, *name = strrchr(path, '/') + 1, *ending;

	if (strcmp(name, "favicon.ico") == 0)
		name = "icon.svg";
	for (const struct static_file *f = static_files; f->name != NULL; f++) {
		if (strcmp(f->name, name) != 0)
			continue;
		ending = strrchr(name, '.');
		for (size_t i = 0; i < NITEMS(types); i++)
			if (strcmp(types[i].ending, ending) == 0)
				p->content_type = types[i].type;
		p->immutable = true;
		strbuf_addstr(&p->body, f->text);
		return;
	}
	p->status = 404;
	p->content_type = "text/plain; charset=utf-8";
	strbuf_addstr(&p->body, "there is no such file\n");
}
