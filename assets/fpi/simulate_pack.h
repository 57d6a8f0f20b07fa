/*
 * simulate_pack.h: draw the frames of a synthetic night on several threads, into a folder of images, an upload, or both.
 *
 * The upload is what the instrument's packer makes: one gzip of a tar, cut into pieces, and the check file of ten lines.  Frames are
 * deflated by the threads that drew them and joined in order, so the bytes do not depend on the number of threads.
 */
#ifndef FPI_SIMULATE_PACK_H
#define FPI_SIMULATE_PACK_H

#include "assets/fpi/simulate.h"

struct sim_output {
	const char *images; /* DIR/YYYYMMDD/FILE; NULL: none */
	const char *upload; /* DIR/fpiNN_SITE_DATE.tar.gz000000...; NULL: none */
	size_t piece_bytes;
	int threads; /* 0: one per online core */
};

/* Draws every frame, also when nothing is kept, so that the truth is complete. */
int sim_pack(struct sim_night *, const struct sim_output *, struct err *err);
/* "fpi13" of minime13 in out; -1 with class USAGE when the name has no two digits at its end. */
int sim_stub(const struct sim_night *, char out[FPI_NAME_MAX], struct err *err);

#endif
