/*
 * The listing's parser alone: processor time for a saved page of ListObjectsV2, every check included.
 *
 *     bench/bench_listing PAGE.xml PREFIX [ROUNDS]
 *
 * Prints milliseconds per page and keys of it; the page is fed in the pieces that libcurl delivers.
 */
#include "config.h"

#include "base/fs.h"
#include "store/s3_listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PIECE 16384

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t parse(const struct strbuf *page, const char *prefix, struct err *err)
{
	struct s3_listing *l = s3_listing_new(prefix, NULL);
	const struct store_object *objs;
	size_t n = 0;

	s3_listing_begin(l);
	for (size_t at = 0; at < page->len; at += PIECE)
		s3_listing_feed(l, page->buf + at, MIN((size_t)PIECE, page->len - at));
	if (s3_listing_end(l, &objs, &n, err) == -1)
		n = 0;
	s3_listing_free(l);
	return n;
}

int main(int argc, char **argv)
{
	struct strbuf page = STRBUF_INIT(S3_XML_BODY_MAX);
	struct err err = ERR_INIT;
	long rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 300;
	size_t n = 0;

	if (argc < 3 || rounds < 1) {
		fprintf(stderr, "usage: bench_listing PAGE.xml PREFIX [ROUNDS]\n");
		return 2;
	}
	if (fs_read(argv[1], &page, &err) == -1 || (n = parse(&page, argv[2], &err)) == 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	double began = cpu_ms();
	for (long i = 0; i < rounds; i++)
		parse(&page, argv[2], &err);
	printf("%.4f %zu\n", (cpu_ms() - began) / (double)rounds, n);
	strbuf_release(&page);
	return 0;
}
