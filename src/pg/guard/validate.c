/*
 * validate.c - the procedure validate_document: the check of a guard, by call.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "guard/violation.h"
#include "query/arguments.h"

PG_FUNCTION_INFO_V1(xmcoh_validate_document);

/* validate_document(model, document, source, precision, allow_approved) */
Datum
xmcoh_validate_document(PG_FUNCTION_ARGS)
{
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	CheckRule	rule = {.model = text_to_cstring(model),.precision = xmcoh_precision_argument(fcinfo->args[3])};
	CheckedDocument checked = {0};

	checked.key = xmcoh_text_argument(fcinfo->args[1], "document");
	rule.source = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2);
	rule.allow_approved = PG_ARGISNULL(4) || PG_GETARG_BOOL(4);
	rule.deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	xmcoh_find_violations(&rule, 1, &checked);
	if (!checked.exists)
		ereport(ERROR, errcode(ERRCODE_NO_DATA_FOUND),
				errmsg("document \"%s\" of model \"%s\" does not exist", checked.key, rule.model));
	if (checked.violation != NULL)
		xmcoh_report_violation(ERROR, &rule, checked.violation, NULL, NULL);
	PG_RETURN_VOID();
}
