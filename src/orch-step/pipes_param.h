/*
 * pipes_param.h: the two environment variables of the Dagster Pipes protocol.
 *
 * Each holds base64 of zlib-deflated JSON: DAGSTER_PIPES_CONTEXT the parameters of the default context loader,
 * {"data": {...}} or, when that would be too long for an environment, {"path": FILE}; DAGSTER_PIPES_MESSAGES those of the
 * default message writer, {"path": JOURNAL}.
 */
#ifndef PIPES_PARAM_H
#define PIPES_PARAM_H

#include "step/context.h"

#include "base/strvec.h"

/* Push both variables; dir is the attempt's folder. */
int pipes_push_env(struct strvec *env, const char *dir, const struct step_context *ctx, struct err *err);

#endif
