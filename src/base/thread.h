/*
 * thread.h: a thread beside the loop's, for what can only block.
 *
 * It has a small stack and gets no signals: they are for the loop's thread.
 */
#ifndef THREAD_H
#define THREAD_H

#include "base/util.h"

#include <pthread.h>

/* 0, or -1 with errno. */
int thread_start(pthread_t *, size_t stack, void *(*fn)(void *), void *arg);

#endif
