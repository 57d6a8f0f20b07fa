#include "config.h"

#include "step/verdict.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *word;
	struct verdict verdict;
} word_row[] = {
    {"ok", {ERR_NONE, OUTCOME_OK}},
    {"warnings", {ERR_NONE, OUTCOME_WARNINGS}},
    {"no_data", {ERR_NONE, OUTCOME_NO_DATA}},
    {"transient", {ERR_TRANSIENT, OUTCOME_OK}},
    {"permanent", {ERR_PERMANENT, OUTCOME_OK}},
    {"bad_data", {ERR_BAD_DATA, OUTCOME_OK}},
    {"config", {ERR_CONFIG, OUTCOME_OK}},
};
const char verdict_words[] = "ok, warnings, no_data, transient, permanent, bad_data, config";

static const int fault_signal[] = {SIGSEGV, SIGABRT, SIGILL, SIGFPE, SIGBUS, SIGSYS, SIGTRAP};

bool verdict_parse(const char *word, struct verdict *v)
{
	for (size_t i = 0; i < NITEMS(word_row); i++)
		if (strcmp(word_row[i].word, word) == 0) {
			*v = word_row[i].verdict;
			return true;
		}
	return false;
}

int verdict_exit_code(const char *text)
{
	char *end;
	long code = strtol(text, &end, 10);

	return text[0] < '0' || text[0] > '9' || *end != '\0' || code > 255 ? -1 : (int)code;
}

struct verdict verdict_of_exit(int exit_code, const json_t *exit_codes)
{
	struct verdict v = {.class = exit_code == 0    ? ERR_NONE
	                             : exit_code == 75 ? ERR_TRANSIENT
	                                               : ERR_PERMANENT};
	const char *key;
	json_t *word;

	json_object_foreach((json_t *)(uintptr_t)exit_codes, key,
	    word) if (verdict_exit_code(key) == exit_code && json_is_string(word))
	    verdict_parse(json_string_value(word), &v);
	return v;
}

struct verdict verdict_of_signal(int signal)
{
	for (size_t i = 0; i < NITEMS(fault_signal); i++)
		if (fault_signal[i] == signal)
			return (struct verdict){.class = ERR_PERMANENT};
	return (struct verdict){.class = ERR_TRANSIENT};
}
