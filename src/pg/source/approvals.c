/*
 * approvals.c - what people decided about documents that a query scores; approvals.h is the contract.
 */
#include "source/approvals.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/access.h"
#include "source/pairs.h"
#include "source/rows.h"

static int
compare_documents(const void *a, const void *b)
{
	return strcmp(((const Approval *) a)->document, ((const Approval *) b)->document);
}

/* The query over xmcoh.approved_pair: document, before, after. */
static char *
table_query(int32 model_id, const DocumentKeys *keys)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT t.document, t.before, t.after FROM xmcoh.approved_pair AS t");
	if (keys != NULL)
		xmcoh_append_key_filter(&query, xmcoh_extension_table("approved_pair"), "document", keys);
	appendStringInfo(&query, " %s t.model_id OPERATOR(pg_catalog.=) %d", keys ? "AND" : "WHERE", model_id);
	return query.data;
}

/* Reads xmcoh.approved_pair as the owner of the extension. */
static Rows *
read_table(int32 model_id, const DocumentKeys *keys)
{
	static const Oid types[3] = {TEXTOID, TEXTOID, TEXTOID};
	char	   *query = table_query(model_id, keys);
	Oid			user;
	int			security;
	Rows	   *rows;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	rows = xmcoh_rows_read(query, xmcoh_key_parameters(xmcoh_extension_table("approved_pair"), "document", keys), lengthof(types),
						   types, "approved pairs");
	SetUserIdAndSecContext(user, security);
	return rows;
}

Approvals *
xmcoh_read_approvals(int32 model_id, const DocumentKeys *keys)
{
	Approvals  *approvals = palloc0(sizeof(Approvals));
	const ApprovedPairs *of_relations = xmcoh_read_relation_pairs(model_id, keys, true);
	int64		capacity = of_relations->n + 64;
	Rows	   *rows = read_table(model_id, keys);

	approvals->approval = palloc_extended(capacity * sizeof(Approval), MCXT_ALLOC_HUGE);
	for (int64 i = 0; i < of_relations->n; i++)
		approvals->approval[approvals->n++] = (Approval) {of_relations->pair[i].document, of_relations->pair[i].before,
			of_relations->pair[i].after, false};
	while (xmcoh_rows_next(rows))
	{
		char	   *value[3];
		bool		is_null;

		for (int c = 0; c < 3; c++)
			value[c] = TextDatumGetCString(xmcoh_rows_value(rows, c + 1, &is_null));
		if (approvals->n == capacity)
			approvals->approval = repalloc_huge(approvals->approval, (capacity *= 2) * sizeof(Approval));
		approvals->approval[approvals->n++] = (Approval) {value[0], value[1], value[2], false};
	}
	xmcoh_rows_end(rows);
	qsort(approvals->approval, approvals->n, sizeof(Approval), compare_documents);
	return approvals;
}

/* The first approval whose document is not before `document`; n when there is none. */
static int64
first_of_document(const Approvals *approvals, const char *document)
{
	int64		low = 0;
	int64		high = approvals->n;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (strcmp(approvals->approval[middle].document, document) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The number of the item with this key; -1 when the document has none. */
static int32
item_number(int32 n, const xmc_item *item, const char *key)
{
	xmc_item	wanted = {.key = key,.key_length = strlen(key)};
	const xmc_item *found = bsearch(&wanted, item, n, sizeof(xmc_item), xmc_item_compare);

	return found ? (int32) (found - item) : -1;
}

uint8 *
xmcoh_decided(xmc_ctx *ctx, const Approvals *approvals, const char *document, int32 n, const xmc_item *item)
{
	uint8	   *decided = NULL;
	bool		contradicts = false;
	xmc_status	status;

	for (int64 i = first_of_document(approvals, document);
		 i < approvals->n && strcmp(approvals->approval[i].document, document) == 0; i++)
	{
		const Approval *approval = &approvals->approval[i];
		int32		before = item_number(n, item, approval->before);
		int32		after = item_number(n, item, approval->after);

		if (before < 0 || after < 0)
			continue;
		if (decided == NULL && (decided = xmc_zalloc(ctx, (size_t) n * n, 1)) == NULL)
			xmcoh_raise(XMC_NO_MEMORY, ctx);
		if (approval->either && decided[(size_t) before * n + after] == XMC_UNDECIDED)
			xmc_decide(n, decided, before, after, XMC_DECIDED_EITHER);
		else if (!approval->either)
		{
			contradicts |= before == after || decided[(size_t) before * n + after] == XMC_DECIDED_AFTER;
			xmc_decide(n, decided, before, after, XMC_DECIDED_BEFORE);
		}
	}
	if (decided == NULL)
		return NULL;
	status = contradicts ? XMC_BAD_INPUT : xmc_decided_close(ctx, n, decided);
	if (status == XMC_OK)
		return decided;
	if (status != XMC_BAD_INPUT)
		xmcoh_raise(status, ctx);
	ereport(WARNING,
			errmsg("approved pairs of document \"%s\" contradict each other", document),
			errdetail("No order fulfils them, so they are left out."),
			errhint("Take back one pair of each cycle. xmcoh.train lists the cycles."));
	xmc_release(ctx, decided);
	return NULL;
}
