/* provenance.h: what the files of a night say about their making. */
#ifndef FPI_PROVENANCE_H
#define FPI_PROVENANCE_H

/* All lent; NULL is written as an empty text. */
struct fpi_provenance {
	const char *software, *run_id, *run_uid;
};

#endif
