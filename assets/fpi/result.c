/* result.c: names of parameters, and the end of a result. */
#include "config.h"

#include "assets/fpi/annuli.h"
#include "assets/fpi/notes.h"
#include "assets/fpi/result.h"

const char *const fpi_laser_param_name[FPI_NLASER] = {
    [FPI_P_N] = "n",
    [FPI_P_T] = "t",
    [FPI_P_LAM] = "lam",
    [FPI_P_R] = "R",
    [FPI_P_ALPHA] = "alpha",
    [FPI_P_I] = "I",
    [FPI_P_B] = "B",
    [FPI_P_A1] = "a1",
    [FPI_P_A2] = "a2",
    [FPI_P_B0] = "b0",
    [FPI_P_B1] = "b1",
    [FPI_P_B2] = "b2",
};

const char *const fpi_sky_param_name[FPI_NSKY] = {
    [FPI_S_LAMC] = "lamc",
    [FPI_S_T] = "T",
    [FPI_S_SKYI] = "skyI",
    [FPI_S_SKYB] = "skyB",
    [FPI_S_CCDB] = "ccdB",
};

const char *const fpi_reference_name[] = {
    [FPI_REF_LASER] = "laser",
    [FPI_REF_ZENITH] = "zenith",
};

static void frame_release(struct fpi_frame *f)
{
	free(f->name);
	free(f->path);
}

void fpi_result_free(struct fpi_result *r)
{
	struct fpi_notes notes;

	if (r == NULL)
		return;
	for (size_t i = 0; i < r->nlaser; i++) {
		frame_release(&r->laser[i].frame);
		fpi_fringe_release(&r->laser[i].fringe);
	}
	for (size_t i = 0; i < r->nsky; i++) {
		frame_release(&r->sky[i].frame);
		fpi_fringe_release(&r->sky[i].fringe);
	}
	notes = (struct fpi_notes){r->log, r->nlog, r->warnings, r->nwarnings};
	fpi_notes_release(&notes);
	free(r->laser);
	free(r->sky);
	free(r);
}
