/* Retries: verdicts, the jitter's envelope, the budget, and what servers ask for. */
#include "config.h"

#include "tests/tap.h"

#include "store/s3_retry.h"

static void test_verdicts(void)
{
	static const struct {
		int status;
		const char *code;
		enum s3_verdict want;
	} t[] = {{500, "", S3_RETRY}, {502, "", S3_RETRY}, {503, "", S3_THROTTLED}, {504, "", S3_RETRY},
	    {429, "", S3_THROTTLED}, {400, "SlowDown", S3_THROTTLED}, {400, "RequestTimeout", S3_RETRY},
	    {400, "BadDigest", S3_RETRY}, {409, "OperationAborted", S3_RETRY}, {409, "BucketNotEmpty", S3_FAIL},
	    {501, "NotImplemented", S3_FAIL}, {403, "AccessDenied", S3_FAIL}, {403, "", S3_FAIL},
	    {404, "NoSuchKey", S3_FAIL}, {412, "PreconditionFailed", S3_FAIL},
	    {403, "RequestTimeTooSkewed", S3_WRONG_CLOCK}, {400, "ExpiredToken", S3_STALE_CREDENTIALS},
	    {400, "AuthorizationHeaderMalformed", S3_WRONG_REGION}, {301, "", S3_WRONG_REGION},
	    {307, "", S3_REDIRECTED}, {500, "InternalError", S3_RETRY}};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < NITEMS(t); i++)
		is_int(s3_verdict(t[i].status, t[i].code, NULL), t[i].want,
		    t[i].code[0] ? t[i].code : "by status");
	err_code(&err, ERR_TRANSIENT, "net.reset", "x");
	is_int(s3_verdict(0, "", &err), S3_RETRY, "no answer: again");
	is_int(s3_verdict(200, "", &err), S3_RETRY, "half an answer: again");
	err_code(&err, ERR_PERMANENT, "tls", "x");
	is_int(s3_verdict(0, "", &err), S3_FAIL, "a certificate does not get better");
	err_code(&err, ERR_BAD_DATA, "corrupt", "x");
	is_int(s3_verdict(200, "", &err), S3_FAIL, "nor does a contradiction");
}

static void test_delays(void)
{
	for (int throttled = 0; throttled < 2; throttled++) {
		for (int n = 1; n <= 40; n++) {
			tm_ms top = s3_retry_ceiling(n, throttled), most = 0, sum = 0;
			bool inside = true;

			for (int i = 0; i < 400; i++) {
				tm_ms d = s3_retry_delay(n, throttled, 0);
				inside = inside && d >= 0 && d <= top;
				most = MAX(most, d);
				sum += d;
			}
			/* Uniform: the mean of 400 lies within a tenth of the middle with a chance of 1 - 5e-4 each side. */
			if (!inside || most < top / 2 || sum / 400 < top * 38 / 100 ||
			    sum / 400 > top * 62 / 100)
				ok(false, "attempt %d: ceiling %lld, most %lld, mean %lld", n, (long long)top,
				    (long long)most, (long long)(sum / 400));
		}
	}
	ok(s3_retry_ceiling(1, false) == 250 && s3_retry_ceiling(2, false) == 500, "the ceiling doubles");
	ok(s3_retry_ceiling(30, false) == S3_DELAY_CAP && s3_retry_ceiling(30, true) == S3_DELAY_CAP,
	    "up to 20 s");
	ok(s3_retry_delay(1, false, 3000) == 3000, "what the server asks for is the least");
	ok(s3_retry_delay(1, false, INT64_MAX) == S3_RETRY_AFTER_MAX, "within reason");
}

static void test_retry_after(void)
{
	const tm_ms now = INT64_C(1763692800000); /* 2025-11-21T02:40:00Z */

	is_int(s3_retry_after("3", NULL, now), 3000, "seconds");
	is_int(s3_retry_after("Fri, 21 Nov 2025 02:40:07 GMT", NULL, now), 7000, "a date");
	is_int(s3_retry_after("Fri, 21 Nov 2025 02:39:07 GMT", NULL, now), 0, "a date gone by");
	is_int(s3_retry_after(NULL, "1500", now), 1500, "milliseconds of the other header");
	is_int(s3_retry_after("9", "1500", now), 1500, "which wins");
	is_int(s3_retry_after("soon", "-4", now), 0, "nonsense");
	is_int(s3_retry_after("", "", now), 0, "nothing");
	is_int(s3_retry_after("99999999999999", NULL, now), S3_RETRY_AFTER_MAX, "for ever");
	is_int(s3_retry_after(NULL, NULL, now), 0, "no headers");
}

static void test_budget(void)
{
	struct s3_budget b = {.tokens = S3_BUDGET};
	int n = 0;

	while (s3_budget_take(&b, false))
		n++;
	is_int(n, 100, "a hundred retries without a success");
	for (int i = 0; i < 9; i++)
		s3_budget_earn(&b);
	ok(!s3_budget_take(&b, true), "nine successes do not pay for a time-out");
	s3_budget_earn(&b);
	ok(s3_budget_take(&b, true) && b.tokens == 0, "ten do");
	for (int i = 0; i < 2 * S3_BUDGET; i++)
		s3_budget_earn(&b);
	is_int(b.tokens, S3_BUDGET, "no more than the whole is saved up");
}

int main(void)
{
	tap_run(test_verdicts);
	tap_run(test_delays);
	tap_run(test_retry_after);
	tap_run(test_budget);
	return tap_done();
}
