/* flags.h: how far a sample can be trusted: 0 good, 1 caution, 2 bad. */
#ifndef FPI_FLAGS_H
#define FPI_FLAGS_H

#include "assets/fpi/night.h"
#include "base/strbuf.h"

/*
 * Zenith winds at dusk and dawn differ, and the laser's brightness changed: the gap between laser frames is not to be
 * believed.  Winds are those before or after the reference alike.
 */
bool fpi_laser_drift(const struct fpi_laser *, size_t nlaser, const struct fpi_sky *, size_t nsky);

/*
 * Set both flags of one sample from what else the result says; marks gets the reasons for the log ("cloud>-22: W1T1 "),
 * in the order of the rules, the last of which wins.
 */
void fpi_flags_set(const struct fpi_result *, bool skyI_rules_for_red, struct fpi_sky *, struct strbuf *marks);

#endif
