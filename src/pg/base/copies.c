/* copies.c - whether this database has copies of the models of another server; copies.h is the contract */
#include "base/copies.h"

#include "commands/extension.h"
#include "utils/catcache.h"
#include "utils/syscache.h"

#include "base/access.h"

const char *
xmcoh_missing_hint(const char *otherwise)
{
	CatCList   *subscriptions = SearchSysCacheList1(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(xmcoh_extension_table("model")));
	bool		is_copy = subscriptions->n_members > 0;

	ReleaseSysCacheList(subscriptions);
	if (is_copy)
		return "The models here are copies of those of another server, and what is new there may not have arrived yet;"
			" `xmcoh cluster status` shows the lag.";
	if (OidIsValid(get_extension_oid("citus", true)))
		return psprintf("%s If the coordinator has it, `xmcoh cluster add` copies it to all nodes of Citus.", otherwise);
	return otherwise;
}
