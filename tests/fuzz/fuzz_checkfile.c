/*
 * Fuzz target: the check file of an upload.  The first byte says how many pieces are listed beside it.
 */
#include "config.h"

#include "formats/checkfile.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_corpus[] = {
    "tests/data/archives/files/chunks-ok",
    "tests/data/archives/files/chunks-ok-crlf",
    "tests/data/archives/files/manifest-count-huge",
    "tests/data/archives/files/manifest-first-name-traversal",
    "tests/data/archives/files/manifest-no-data",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct checkfile_piece v[16];
	struct err err = ERR_INIT;
	struct checkfile cf;
	char names[16][32];
	size_t pieces = n > 0 ? p[0] % 16 : 0;

	if (checkfile_parse((const char *)p, n, 10000, &cf, &err) == -1) {
		FUZZ_PROMISE(err.class == ERR_BAD_DATA && err_is(&err, "manifest") && err.text[0] != '\0');
		return 0;
	}
	FUZZ_PROMISE(
	    cf.pieces >= 0 && cf.pieces <= 10000 && cf.bytes >= 0 && (cf.pieces == 0) == (cf.bytes == 0));
	FUZZ_PROMISE(
	    cf.first[0] != '\0' && strchr(cf.first, '/') == NULL && checkfile_no_data(&cf) == (cf.pieces == 0));
	for (size_t i = 0; i < pieces; i++) {
		snprintf(names[i], sizeof(names[i]), "x%06zu", i);
		v[i] = (struct checkfile_piece){
		    names[i], (int64_t)(p[(i + 1) % n] % 32), (int64_t)p[i % n] << (p[i % n] % 56)};
	}
	if (checkfile_compare(&cf, v, pieces, &err) == -1)
		FUZZ_PROMISE(err.class == ERR_BAD_DATA && err.code[0] != '\0');
	else
		FUZZ_PROMISE((int64_t)pieces == cf.pieces);
	return 0;
}
