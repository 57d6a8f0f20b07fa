/* Run a fuzz target over its corpus, whole and cut at many places, or over the files named as arguments. */
#include "config.h"

#include "tests/tap.h"

#include "base/strbuf.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

#define CUTS 32

static bool run_file(const char *path, bool cut)
{
	struct strbuf sb = STRBUF_INIT(4 << 20);
	struct err err = ERR_INIT;

	if (fs_read(path, &sb, &err) == -1) {
		diag("%s", err.text);
		return false;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)sb.buf, sb.len);
	for (size_t i = 1; cut && i < CUTS; i++) {
		/* A copy of exact size, so that a sanitizer sees a read beyond it. */
		size_t n = sb.len * i / CUTS;
		uint8_t *part = xmemdup(sb.buf, n);

		LLVMFuzzerTestOneInput(part, n);
		free(part);
	}
	strbuf_release(&sb);
	return true;
}

static void run_folder(const char *name)
{
	DIR *d = opendir(test_src(name));
	size_t files = 0, read = 0;
	struct dirent *de;
	char path[1024];

	while (d != NULL && (de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.' || de->d_type == DT_DIR)
			continue;
		snprintf(path, sizeof(path), "%s/%s", test_src(name), de->d_name);
		files++;
		read += run_file(path, true);
	}
	if (d != NULL)
		closedir(d);
	ok(files > 0 && read == files, "%zu files of %s, and %d cuts of each", read, name, CUTS - 1);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		ok(run_file(argv[i], false), "%s", argv[i]);
	for (size_t i = 0; argc == 1 && fuzz_corpus[i] != NULL; i++)
		run_folder(fuzz_corpus[i]);
	return tap_done();
}
