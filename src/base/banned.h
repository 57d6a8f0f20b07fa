/*
 * banned.h: C string calls that cannot be used safely become compile errors; forced into every file by the build.
 *
 * A file whose library's header names one of them is built with BANNED_LATER, and includes this itself after it.
 */
#if !defined(BANNED_H) && !defined(BANNED_LATER)
#define BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#undef gets
#undef localtime
#undef gmtime
#undef ctime
#undef asctime
#undef atoi
#undef atol
#undef atof
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok localtime gmtime asctime atoi atol atof

/* A word that libhdf5's header uses for a member: banned as a call only. */
#define ctime(t) ctime_is_banned

#endif
