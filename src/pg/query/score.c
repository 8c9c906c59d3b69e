/*
 * score.c - the SQL functions precedes and order_score: the fused score of one pair of items.
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/primnodes.h"

#include "base/xmcoh.h"
#include "model/weights.h"
#include "query/arguments.h"
#include "query/item_input.h"
#include "query/scored_document.h"

#include "xmcoh/order.h"

PG_FUNCTION_INFO_V1(xmcoh_precedes);
PG_FUNCTION_INFO_V1(xmcoh_order_score);

/* What one call site keeps between calls. */
typedef struct ScoreSite
{
	ModelLookup lookup;
	InputNotices notices;
} ScoreSite;

static const char *
item_name(void *arg)
{
	return arg;
}

/* Whether the query has this argument, and not as the constant NULL. An argument that is left out is its default, NULL. */
static bool
is_given(FunctionCallInfo fcinfo, int argument)
{
	Node	   *call = fcinfo->flinfo->fn_expr;
	List	   *arguments = call != NULL && IsA(call, FuncExpr) ? ((FuncExpr *) call)->args : NIL;
	Node	   *expression = argument < list_length(arguments) ? list_nth(arguments, argument) : NULL;

	return expression == NULL || !IsA(expression, Const) || !((Const *) expression)->constisnull;
}

/*
 * Log-odds that item a stands before item b. Arguments: model, text_a, image_a, text_b, image_b, text_embedding_a,
 * text_embedding_b.
 */
static double
pair_score(FunctionCallInfo fcinfo)
{
	static const int text_argument[2] = {1, 3};
	static const int image_argument[2] = {2, 4};
	static const int embedding_argument[2] = {5, 6};
	static char key[2][2] = {"a", "b"};
	ScoreSite  *site = fcinfo->flinfo->fn_extra;
	const DeployedModel *deployed;
	ScoredDocument scored;
	xmc_item	item[2];
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);

	if (site == NULL)
		site = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ScoreSite));
	deployed = xmcoh_lookup_deployed(&site->lookup, fcinfo->flinfo->fn_mcxt, VARDATA_ANY(model),
									 VARSIZE_ANY_EXHDR(model), false);
	for (int k = 0; k < 2; k++)
	{
		ItemInput	input;

		xmcoh_item_input_read(fcinfo->args[text_argument[k]], fcinfo->args[image_argument[k]],
							fcinfo->args[embedding_argument[k]], item_name, key[k], &input);
		xmcoh_item_of_input(&input, deployed, key[k], 1, true, &item[k]);
	}
	xmcoh_score_items(deployed, 2, item, &scored);
	xmcoh_notice_missing_input(deployed,
						  is_given(fcinfo, embedding_argument[0]) || is_given(fcinfo, embedding_argument[1]),
						  XMC_SCORE_FUSED, &scored.document, &site->notices);
	return scored.scores.score[XMC_SCORE_FUSED][1];	/* row a, column b of the 2 x 2 matrix */
}

Datum
xmcoh_precedes(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(xmc_probability(pair_score(fcinfo)));
}

Datum
xmcoh_order_score(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(pair_score(fcinfo));
}
