#!/bin/sh
# Make configure and Makefile.in from configure.ac and Makefile.am.
set -e
cd "$(dirname "$0")"
autoreconf --install --force -Wall,no-obsolete
# Automake ships the TAP driver but installs it only when it is named as a required file.
cp "$(automake --print-libdir)/tap-driver.sh" .
