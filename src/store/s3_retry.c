#include "config.h"

#include "store/s3_retry.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const struct {
	const char *code;
	enum s3_verdict verdict;
} by_code[] = {
    {"AuthorizationHeaderMalformed", S3_WRONG_REGION},
    {"AuthorizationQueryParametersError", S3_WRONG_REGION},
    {"BadDigest", S3_RETRY},
    {"BandwidthLimitExceeded", S3_THROTTLED},
    {"ConditionalRequestConflict", S3_RETRY},
    {"EC2ThrottledException", S3_THROTTLED},
    {"ExpiredToken", S3_STALE_CREDENTIALS},
    {"ExpiredTokenException", S3_STALE_CREDENTIALS},
    {"InternalError", S3_RETRY},
    {"LimitExceededException", S3_THROTTLED},
    {"OperationAborted", S3_RETRY},
    {"PermanentRedirect", S3_WRONG_REGION},
    {"PriorRequestNotComplete", S3_RETRY},
    {"ProvisionedThroughputExceededException", S3_THROTTLED},
    {"RequestLimitExceeded", S3_THROTTLED},
    {"RequestThrottled", S3_THROTTLED},
    {"RequestThrottledException", S3_THROTTLED},
    {"RequestTimeTooSkewed", S3_WRONG_CLOCK},
    {"RequestTimeout", S3_RETRY},
    {"RequestTimeoutException", S3_RETRY},
    {"ServiceUnavailable", S3_THROTTLED},
    {"SlowDown", S3_THROTTLED},
    {"ThrottledException", S3_THROTTLED},
    {"Throttling", S3_THROTTLED},
    {"ThrottlingException", S3_THROTTLED},
    {"TokenRefreshRequired", S3_STALE_CREDENTIALS},
    {"TooManyRequests", S3_THROTTLED},
    {"TooManyRequestsException", S3_THROTTLED},
    {"TransactionInProgressException", S3_THROTTLED},
    {"XAmzContentSHA256Mismatch", S3_RETRY},
};

static const struct {
	int status;
	enum s3_verdict verdict;
} by_status[] = {
    {301, S3_WRONG_REGION},
    {307, S3_REDIRECTED},
    {308, S3_REDIRECTED},
    {408, S3_RETRY},
    {429, S3_THROTTLED},
    {500, S3_RETRY},
    {502, S3_RETRY},
    {503, S3_THROTTLED},
    {504, S3_RETRY},
};

enum s3_verdict s3_verdict(int status, const char *code, const struct err *err)
{
	for (size_t i = 0; i < NITEMS(by_code); i++)
		if (strcmp(code, by_code[i].code) == 0)
			return by_code[i].verdict;
	for (size_t i = 0; i < NITEMS(by_status); i++)
		if (status == by_status[i].status)
			return by_status[i].verdict;
	if ((status == 0 || status / 100 == 2) && err != NULL && err->class == ERR_TRANSIENT)
		return S3_RETRY;
	return S3_FAIL;
}

bool s3_budget_take(struct s3_budget *b, bool timeout)
{
	int cost = timeout ? 10 : 5;

	if (b->tokens < cost)
		return false;
	b->tokens -= cost;
	return true;
}

void s3_budget_earn(struct s3_budget *b)
{
	b->tokens = MIN(b->tokens + 1, S3_BUDGET);
}

tm_ms s3_retry_ceiling(int n, bool throttled)
{
	tm_ms base = throttled ? 1000 : 250;

	return n > 10 ? S3_DELAY_CAP : MIN((tm_ms)S3_DELAY_CAP, base << (n - 1));
}

tm_ms s3_retry_delay(int n, bool throttled, tm_ms retry_after)
{
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) == -1)
		r = (uint64_t)clock_mono_us() * 2654435761u;
	tm_ms jitter = (tm_ms)(r % (uint64_t)(s3_retry_ceiling(n, throttled) + 1));
	return MAX(jitter, MIN(retry_after, (tm_ms)S3_RETRY_AFTER_MAX));
}

tm_ms s3_retry_after(const char *retry_after, const char *amz_retry_after, tm_ms now)
{
	tm_ms wait = 0;
	char *end;

	if (amz_retry_after != NULL) {
		long ms = strtol(amz_retry_after, &end, 10);
		if (*amz_retry_after && *end == '\0' && ms > 0)
			wait = ms;
	}
	if (wait == 0 && retry_after != NULL) {
		long s = strtol(retry_after, &end, 10);
		time_t date = *retry_after && *end == '\0' ? -1 : curl_getdate(retry_after, NULL);
		if (*retry_after && *end == '\0' && s > 0)
			wait = (tm_ms)MIN(s, (long)S3_RETRY_AFTER_MAX) * 1000;
		else if (date != -1)
			wait = (tm_ms)date * 1000 - now;
	}
	return MAX((tm_ms)0, MIN(wait, (tm_ms)S3_RETRY_AFTER_MAX));
}
