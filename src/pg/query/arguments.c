/*
 * arguments.c - arguments that several SQL functions have; arguments.h is the contract.
 *
 * The tables give the names in SQL of the core's enums.
 */
#include "query/arguments.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/access.h"

char *
xmcoh_text_argument(NullableDatum argument, const char *name)
{
	if (argument.isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name)));
	return text_to_cstring(DatumGetTextPP(argument.value));
}

text *
xmcoh_model_argument(NullableDatum argument)
{
	if (argument.isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be NULL")));
	return DatumGetTextPP(argument.value);
}

static const char *const score_kind_names[XMC_SCORE_KINDS] = {
	[XMC_SCORE_TEXT] = "text", [XMC_SCORE_IMAGE] = "image", [XMC_SCORE_FUSED] = "fused",
	[XMC_SCORE_TEXT_GUIDED] = "text guided", [XMC_SCORE_IMAGE_GUIDED] = "image guided"
};
static const char *const guidance_names[XMC_GUIDANCE_MODES] = {
	[XMC_GUIDANCE_SOFT] = "soft", [XMC_GUIDANCE_HARD] = "hard", [XMC_GUIDANCE_UNCALIBRATED] = "uncalibrated",
	[XMC_GUIDANCE_PAPER] = "paper",[XMC_GUIDANCE_STORED] = "stored"
};
static const char *const language_names[LANGUAGES] = {[ENGLISH] = "en", [JAPANESE] = "ja"};
static const char *const strategy_names[] = {[XMC_REVIEW_LEARN] = "learn", [XMC_REVIEW_CORRECT] = "correct",
[XMC_REVIEW_SECOND] = "second"};
static const char *const alignment_names[] = {"known", "inferred"};	/* by xmc_guidance_rule.inferred */

/* The number of an argument's value among the names; NULL: `usual`. ERROR for another value; `what` names the argument. */
static int
choice(NullableDatum argument, const char *what, int usual, int n, const char *const *names)
{
	StringInfoData known;
	char	   *name;

	if (argument.isnull)
		return usual;
	name = text_to_cstring(DatumGetTextPP(argument.value));
	for (int k = 0; k < n; k++)
		if (strcmp(name, names[k]) == 0)
		{
			pfree(name);
			return k;
		}
	initStringInfo(&known);
	for (int k = 0; k < n; k++)
		appendStringInfo(&known, "%s%s", k == 0 ? "" : k == n - 1 ? " and " : ", ", names[k]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown %s \"%s\"", what, name),
			 errhint("The known values are %s.", known.data)));
}

xmc_score_kind
xmcoh_score_kind_argument(NullableDatum argument)
{
	return (xmc_score_kind) choice(argument, "evidence", XMC_SCORE_FUSED, XMC_SCORE_KINDS, score_kind_names);
}

const char *
xmcoh_score_kind_name(xmc_score_kind kind)
{
	return score_kind_names[kind];
}

xmc_guidance_rule
xmcoh_guidance_arguments(FunctionCallInfo fcinfo, int first)
{
	const NullableDatum *argument = &fcinfo->args[first];
	xmc_guidance_rule rule = {
		.mode = (xmc_guidance_mode) choice(argument[0], "guidance", XMC_GUIDANCE_SOFT, XMC_GUIDANCE_MODES, guidance_names),
		.inferred = choice(argument[1], "alignment", 0, lengthof(alignment_names), alignment_names),
		.rounds = argument[2].isnull ? 3 : DatumGetInt32(argument[2].value)
	};

	if (rule.rounds < 1 || rule.rounds > XMC_GUIDANCE_MAX_ROUNDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rounds must be between 1 and %d", XMC_GUIDANCE_MAX_ROUNDS)));
	return rule;
}

Language
xmcoh_language_argument(NullableDatum argument)
{
	return (Language) choice(argument, "language", ENGLISH, LANGUAGES, language_names);
}

int32
xmcoh_count_argument(NullableDatum argument, const char *name, int32 least, int32 most, int32 usual)
{
	int32		count = argument.isnull ? usual : DatumGetInt32(argument.value);

	if (count < least || count > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %d and %d", name, least, most)));
	return count;
}

xmc_review_strategy
xmcoh_strategy_argument(NullableDatum argument)
{
	return (xmc_review_strategy) choice(argument, "strategy", XMC_REVIEW_LEARN, lengthof(strategy_names), strategy_names);
}

void
xmcoh_require_review(text *model)
{
	Oid			types[2] = {OIDOID, TEXTOID};
	Datum		values[2] = {ObjectIdGetDatum(GetUserId()), PointerGetDatum(model)};
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_execute_with_args("SELECT xmcoh_internal.model_id($1, $2, 'review')", 2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not find out the level on a model");
	SetUserIdAndSecContext(user, security);
}

double
xmcoh_precision_argument(NullableDatum argument)
{
	double		precision = argument.isnull ? 0.95 : DatumGetFloat8(argument.value);

	if (!(precision >= 0.5 && precision < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("precision must be at least 0.5 and less than 1")));
	return precision;
}

char *
xmcoh_by_argument(NullableDatum argument)
{
	return argument.isnull ? NULL : TextDatumGetCString(argument.value);
}

#define MOST_CANDIDATES 100

int32
xmcoh_candidates_argument(NullableDatum argument)
{
	if (argument.isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("n must not be NULL")));
	return xmcoh_count_argument(argument, "n", 0, MOST_CANDIDATES, 0);
}
