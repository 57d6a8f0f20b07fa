/* archive_fixture.h: a sink that keeps what was unpacked, the corpus of archives, and its limits. */
#ifndef ARCHIVE_FIXTURE_H
#define ARCHIVE_FIXTURE_H

#include "assets/archive/members.h"
#include "assets/archive/unpack.h"
#include "base/json.h"

#define ARCHIVE_DATA        "tests/data/archives/"
#define ARCHIVE_FILE_MAX    (16 << 20)
#define ARCHIVE_MEMBERS_MAX 512
#define ALL_AT_ONCE         SIZE_MAX

/* What came out; zeroed is empty. */
struct kept {
	struct entry {
		char *path;
		struct strbuf content;
		int64_t announced;
	} v[ARCHIVE_MEMBERS_MAX];
	size_t n;
	bool inside, flatten;
	struct members *members;
};
extern const struct unpack_sink keep_sink; /* its argument is a struct kept */
void kept_release(struct kept *);

/* What the corpus expects, and under which limits; the test program ends when it cannot be read. */
extern json_t *archive_expected;
extern struct unpack_limits archive_limits;
extern int64_t archive_max_chunks;
void archive_load_expected(void);
json_t *archive_load_json(const char *name);
void archive_load_file(const char *name, struct strbuf *sb);

/* Feed in steps; k holds what came out, also after a failure. */
int archive_unpack(const void *p, size_t n, size_t step, bool flatten, struct kept *k, struct err *err);
/* A gzip around p that costs nothing to make. */
void archive_gzip(const void *p, size_t n, struct strbuf *out);

#endif
