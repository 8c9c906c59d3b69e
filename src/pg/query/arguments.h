/*
 * arguments.h - arguments that several SQL functions have: model, evidence, guidance, alignment, rounds, strategy.
 *
 * Each function raises ERROR for a value that is not allowed and lists the allowed ones.
 */
#ifndef XMCOH_PG_ARGUMENTS_H
#define XMCOH_PG_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

#include "xmcoh/review.h"
#include "xmcoh/scorer.h"

/* A text. ERROR null_value_not_allowed for NULL. */
extern char *xmcoh_text_argument(NullableDatum argument, const char *name);

/* The argument `by`, the name of a column; NULL: NULL. */
extern char *xmcoh_by_argument(NullableDatum argument);

/* The name of a model. ERROR null_value_not_allowed for NULL. */
extern text *xmcoh_model_argument(NullableDatum argument);

/* The argument `evidence`: which kind of score to use; NULL: fused. ERROR invalid_parameter_value. */
extern xmc_score_kind xmcoh_score_kind_argument(NullableDatum argument);

/* The name of a kind of score, as the argument `evidence` takes it. */
extern const char *xmcoh_score_kind_name(xmc_score_kind kind);

/*
 * The rule of guidance out of three arguments, from number `first` on: guidance, alignment, rounds; NULL: the default of
 * each. ERROR invalid_parameter_value.
 */
extern xmc_guidance_rule xmcoh_guidance_arguments(FunctionCallInfo fcinfo, int first);

/* A number from `least` to `most`; NULL: `usual`. ERROR invalid_parameter_value. */
extern int32 xmcoh_count_argument(NullableDatum argument, const char *name, int32 least, int32 most, int32 usual);

#define XMCOH_MOST_LISTED 1000	/* rows that a function lists */

/* The languages of sentences for people (phrases.h). */
typedef enum Language
{
	ENGLISH,
	JAPANESE,
	LANGUAGES
} Language;

/* The argument `language`; NULL: English. ERROR invalid_parameter_value. */
extern Language xmcoh_language_argument(NullableDatum argument);

/* The argument `strategy` of a review; NULL: learn. ERROR invalid_parameter_value. */
extern xmc_review_strategy xmcoh_strategy_argument(NullableDatum argument);

/* ERROR insufficient_privilege unless the current role has level review on the model. Needs SPI. */
extern void xmcoh_require_review(text *model);

/* The argument `precision`; NULL: 0.95. ERROR invalid_parameter_value. */
extern double xmcoh_precision_argument(NullableDatum argument);

/* The argument `n`, how many candidates are wanted, at most 100. ERROR null_value_not_allowed, invalid_parameter_value. */
extern int32 xmcoh_candidates_argument(NullableDatum argument);

#endif
