/*
 * champion.c - compares a new version with the deployed one, on documents that taught neither; see champion.h
 *
 * The deployed version is opened in one short transaction, through the cache of weights that all sessions share. save.c
 * checks that this version is still the deployed one when the new version replaces it.
 */
#include "training/champion.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/statement.h"
#include "model/versions.h"
#include "model/weights.h"

#include "xmcoh/groups.h"
#include "xmcoh/results.h"
#include "xmcoh/seen.h"

/* Opens a version. Damaged weights are no reason to lose the new version: NULL then, and *damage says what is wrong. */
static const xmc_model *
open_version(int32 model_id, int32 version, MemoryContext memory, const char **damage)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = CurrentMemoryContext;
	const xmc_model *volatile model = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		model = xmcoh_open_version(model_id, version);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED)
			ReThrowError(error);
		*damage = error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return model;
}

/* The deployed version as it was measured, opened; NULL, with out->not_compared set, when there is none to compare with. */
static const xmc_model *
open_champion(const FinishedTraining *training, Challenge *out, HeldOutRule *held_out)
{
	WorkerJob  *job = training->job;
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2] = {Int32GetDatum(job->model_id), Int32GetDatum(job->job_id)};
	const xmc_model *champion = NULL;
	MemoryContext memory = CurrentMemoryContext;
	bool		is_missing;
	bool		no_champion;

	*out = (Challenge) {0};
	worker_begin(false);

	/* Which version is deployed now, and what its training held out. */
	execute("UPDATE xmcoh.job_record AS j SET phase = 'comparing', champion = m.deployed_version FROM xmcoh.model AS m"
			" WHERE j.job_id = $2 AND m.model_id = $1 RETURNING j.state", SPI_OK_UPDATE_RETURNING, 2, types, values, NULL);
	worker_check_state(job, first_text(1));

	execute("SELECT j.champion, v.version IS NULL FROM xmcoh.job_record AS j LEFT JOIN xmcoh.model_version AS v ON v.model_id = $1 AND v.version = j.champion"
			" WHERE j.job_id = $2", SPI_OK_SELECT, 2, types, values, NULL);
	out->champion = DatumGetInt32(first_value(1, &no_champion));
	if (no_champion)
		out->champion = 0;
	is_missing = DatumGetBool(first_value(2, &no_champion));
	*held_out = xmcoh_held_out_rule(job->model_id, out->champion);

	/* Open the version, if it can be compared. */
	if (out->champion == 0)
		out->not_compared = "no version was deployed";
	else if (is_missing)
		out->not_compared = MemoryContextStrdup(memory, psprintf("version %d is missing", out->champion));
	else
		champion = open_version(job->model_id, out->champion, memory, &out->not_compared);
	if (champion != NULL && !xmc_same_inputs(&champion->options, training->options))
	{
		out->not_compared = MemoryContextStrdup(memory, psprintf("version %d reads other inputs", out->champion));
		champion = NULL;
	}
	worker_commit();
	return champion == NULL ? NULL : xmc_measured(champion);
}

/*
 * Marks the groups that taught the champion, among those of all documents: taught[d] for document d. A champion whose
 * training held out single documents may know their groups.
 */
static bool *
find_taught_groups(const FinishedTraining *training, const xmc_model *champion)
{
	Size		n = (Size) Max(training->n, 1);
	uint64	   *group = palloc_extended(sizeof(uint64) * n, MCXT_ALLOC_HUGE);
	int32	   *number = palloc_extended(sizeof(int32) * n, MCXT_ALLOC_HUGE);
	bool	   *has_taught = palloc_extended(sizeof(bool) * n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);	/* (groups) */
	bool	   *taught = palloc_extended(sizeof(bool) * n, MCXT_ALLOC_HUGE);
	int32		n_groups;

	for (int32 d = 0; d < training->n; d++)
		group[d] = training->document[d].group;
	XMCOH_TRY(xmc_number_groups(training->ctx, training->n, group, number, &n_groups), training->ctx);
	for (int32 d = 0; d < training->n; d++)
		has_taught[number[d]] |= xmc_seen_find(champion, training->key[d], strlen(training->key[d])) == XMC_SEEN_LABELLED;
	for (int32 d = 0; d < training->n; d++)
		taught[d] = has_taught[number[d]];
	pfree(group);
	pfree(number);
	pfree(has_taught);
	return taught;
}

/*
 * Chooses the held-out documents; with `both`, those of them that the champion's training held out too, with their groups.
 * Returns their number.
 */
static int32
choose_documents(const FinishedTraining *training, const xmc_model *champion, const HeldOutRule *both,
				 const xmc_document **chosen)
{
	bool	   *taught = both && training->has_groups ? find_taught_groups(training, champion) : NULL;
	int32		n = 0;

	for (int32 d = 0; d < training->n; d++)
		if (training->document[d].n_pairs > 0 && training->held_out[d] &&
			(both == NULL || (xmcoh_was_held_out(both, champion, training->key[d], training->group[d]) &&
							  !(taught && taught[d]))))
			chosen[n++] = &training->document[d];
	if (taught)
		pfree(taught);
	return n;
}

/* Compares by what both trainings measured, if these are enough documents; else false. */
static bool
compare_measured(const FinishedTraining *training, const xmc_model *champion, Challenge *out)
{
	Size		n = (Size) Max(training->n, 1);
	double	   *tau[2] = {palloc_extended(sizeof(double) * n, MCXT_ALLOC_HUGE), palloc_extended(sizeof(double) * n, MCXT_ALLOC_HUGE)};
	const xmc_document **both = palloc_extended(sizeof *both * n, MCXT_ALLOC_HUGE);
	int32	   *group = palloc_extended(sizeof(int32) * n, MCXT_ALLOC_HUGE);
	int32		n_groups;
	int32		found = 0;
	bool		enough;

	for (int32 d = 0; d < training->n; d++)
	{
		const xmc_document *document = &training->document[d];
		xmc_found_result by_champion;
		xmc_found_result by_challenger;

		if (document->n_pairs == 0 || !xmc_results_find(training->model, training->key[d], document, &by_challenger) ||
			!xmc_results_find(champion, training->key[d], document, &by_champion))
			continue;
		XMCOH_TRY(xmc_check_stop(training->ctx), training->ctx);
		tau[0][found] = by_champion.result.order[XMC_SCORE_FUSED].tau;
		tau[1][found] = by_challenger.result.order[XMC_SCORE_FUSED].tau;
		both[found++] = document;
	}
	enough = found >= training->options->challenge_documents;
	if (enough)
	{
		XMCOH_TRY(xmc_number_document_groups(training->ctx, found, both, group, &n_groups), training->ctx);
		XMCOH_TRY(xmc_challenge_measured(training->ctx, found, tau, group, n_groups, training->options->challenge_margin,
										 &out->result), training->ctx);
		out->fair = true;
	}
	pfree(tau[0]);
	pfree(tau[1]);
	pfree(both);
	pfree(group);
	return enough;
}

/* Compares by held-out documents, which both models score now. */
static void
compare_held_out(const FinishedTraining *training, const xmc_model *champion, const HeldOutRule *held_out, Challenge *out)
{
	const xmc_document **chosen = palloc_extended(sizeof *chosen * (Size) training->n, MCXT_ALLOC_HUGE);
	int32		n = 0;

	if (held_out->is_known)
		n = choose_documents(training, champion, held_out, chosen);
	out->fair = n >= XMC_MIN_HELD_OUT_DOCUMENTS;
	if (!out->fair)
		n = choose_documents(training, champion, NULL, chosen);
	XMCOH_TRY(xmc_challenge_run(training->ctx, champion, xmc_measured(training->model), n, chosen,
								training->options->challenge_margin, &out->result), training->ctx);
	pfree(chosen);
}

void
xmcoh_challenge_champion(const FinishedTraining *training, Challenge *out)
{
	HeldOutRule held_out = {0};
	const xmc_model *champion = open_champion(training, out, &held_out);

	if (champion == NULL)
		return;
	if (!compare_measured(training, champion, out))
	{
		/* Documents have tokens only where this training fine-tunes the encoder; without them the champion would score otherwise. */
		if (champion->network[XMC_TEXT].n_adapters > 0 && training->options->fine_tune == 0)
		{
			out->not_compared = psprintf("version %d fine-tunes the text encoder, and this one does not", out->champion);
			return;
		}
		compare_held_out(training, champion, &held_out, out);
	}
	out->too_few = out->result.documents < training->options->challenge_documents || out->result.groups < 2;
	if (out->too_few)
		out->result.rejected = training->options->on_doubt != 0;
}
