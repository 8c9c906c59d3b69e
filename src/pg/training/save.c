/*
 * save.c - see save.h
 *
 * Whether a challenger is rejected is found out outside any transaction, since it can take seconds. Meanwhile somebody
 * may deploy another version: then the comparison says nothing of what is replaced, and is made again. Each further turn
 * takes another deployment, so it comes to an end.
 */
#include "training/save.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "training/champion.h"
#include "query/arguments.h"
#include "model/versions.h"
#include "base/statement.h"

/* ---- what is said of the version ---- */

static void
append_name(StringInfo out, const char *name)
{
	if (out->data[out->len - 1] != '{')
		appendStringInfoString(out, ", ");
	appendStringInfo(out, "\"%s\": ", name);
}

static void
append_field(StringInfo out, const char *name, double value)
{
	append_name(out, name);
	xmcoh_append_json_number(out, value);
}

static void
append_challenge(StringInfo out, const Challenge *challenge, double margin)
{
	const xmc_challenge *result = &challenge->result;

	append_name(out, "challenge");
	appendStringInfoChar(out, '{');
	append_field(out, "champion", challenge->champion > 0 ? challenge->champion : NAN);
	append_name(out, "compared");
	appendStringInfoString(out, challenge->not_compared ? "false" : "true");
	if (challenge->not_compared == NULL)
	{
		append_field(out, "documents", result->documents);
		append_name(out, "held_out_from_both");
		appendStringInfoString(out, challenge->fair ? "true" : "false");
		append_field(out, "tau", result->challenger.mean);
		append_field(out, "champion_tau", result->champion.mean);
		append_field(out, "difference", result->difference.mean);
		append_field(out, "difference_low", result->difference.low);
		append_field(out, "difference_high", result->difference.high);
		append_field(out, "margin", margin);
	}
	append_name(out, "rejected");
	appendStringInfoString(out, result->rejected ? "true}" : "false}");
}

/* model_version.report: what xmcoh.versions and xmcoh.evaluate read, and people. `challenge` NULL: there was none */
static char *
make_report(const FinishedTraining *training, const Challenge *challenge)
{
	const xmc_train_report *report = training->report;
	StringInfoData out;
	int64		pairs = 0;

	for (int32 d = 0; d < training->n; d++)
		pairs += training->document[d].n_pairs;
	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	append_field(&out, "documents", report->approved_documents);
	append_field(&out, "held_out_documents", report->held_out_documents);
	append_field(&out, "pool_documents", report->pool_documents);
	append_field(&out, "folds", report->folds);
	append_field(&out, "labelled_pairs", (double) pairs);
	append_field(&out, "ignored_pairs", (double) training->ignored_pairs);
	append_field(&out, "seed", training->options->seed);
	append_field(&out, "held_out_threshold", training->held_out_threshold);
	for (int e = 0; e < XMC_REPORTED_EVIDENCES; e++)
	{
		append_name(&out, xmcoh_score_kind_name((xmc_score_kind) e));
		appendStringInfoChar(&out, '{');
		append_field(&out, "tau", report->tau[e].mean);
		append_field(&out, "tau_low", report->tau[e].low);
		append_field(&out, "tau_high", report->tau[e].high);
		append_field(&out, "pair_accuracy", report->pair_accuracy[e]);
		append_field(&out, "calibration_error", report->calibration_error[e]);
		append_field(&out, "confident", report->confident[e]);
		append_field(&out, "best_epoch", report->best_epoch[e]);
		append_field(&out, "train_loss", report->train_loss[e]);
		append_field(&out, "held_out_loss", report->held_out_loss[e]);
		appendStringInfoChar(&out, '}');
	}
	if (report->alignment.documents > 0)
	{
		append_name(&out, "alignment");
		appendStringInfoChar(&out, '{');
		append_field(&out, "documents", report->alignment.documents);
		append_field(&out, "accuracy", report->alignment.accuracy);
		append_field(&out, "chance", report->alignment.chance);
		appendStringInfoChar(&out, '}');
	}
	if (challenge != NULL)
		append_challenge(&out, challenge, training->options->challenge_margin);
	appendStringInfoChar(&out, '}');
	return out.data;
}

static void
tell_challenge(StringInfo out, const Challenge *challenge, double margin)
{
	const xmc_challenge *result = &challenge->result;

	if (challenge->not_compared != NULL)
	{
		appendStringInfo(out, "; deployed without a comparison: %s", challenge->not_compared);
		return;
	}
	appendStringInfo(out, "; %s: held-out tau %.3f against %.3f of version %d, difference %.3f (95%% interval %.3f to %.3f)"
					 " on %d documents", result->rejected ? "rejected" : "deployed", result->challenger.mean,
					 result->champion.mean, challenge->champion, result->difference.mean, result->difference.low,
					 result->difference.high, result->documents);
	if (margin > 0)
		appendStringInfo(out, ", challenge_margin %g", margin);
	if (!challenge->fair)
		appendStringInfo(out, ", some of which version %d may have been trained on", challenge->champion);
}

/* Why the rounds ended before there were as many as asked for. */
static void
tell_rounds(StringInfo out, const xmc_train_report *report)
{
	const xmc_round_report *last = &report->round[Max(report->n_rounds, 1) - 1];

	switch (report->rounds_end)
	{
		case XMC_ROUNDS_DONE:
			break;
		case XMC_ROUNDS_NOTHING_TO_SAY:
			appendStringInfo(out, "; %d rounds: there was nothing to teach without approved pairs", report->n_rounds);
			break;
		case XMC_ROUNDS_PUPIL_LOST:
			appendStringInfo(out, "; round %d put back: its pupil lost on held-out documents, tau %.3f to %.3f", last->round,
							 last->tau_before, last->tau_after);
			break;
		case XMC_ROUNDS_FUSED_LOST:
		case XMC_ROUNDS_REINFORCED:
			appendStringInfo(out, "; round %d put back: both modalities together lost on held-out documents, tau %.3f to %.3f",
							 last->round, last->fused_tau_before, last->fused_tau_after);
			if (report->rounds_end == XMC_ROUNDS_REINFORCED)
				appendStringInfo(out, ", though they agree on more pairs, %.0f%% instead of %.0f%%: they reinforce each other's mistakes",
								 100 * last->agreement_after, 100 * last->agreement_before);
			break;
	}
}

static char *
make_message(const FinishedTraining *training, const Challenge *challenge)
{
	const xmc_train_report *report = training->report;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "trained on %d documents, %d held out",
					 report->approved_documents - report->held_out_documents, report->held_out_documents);
	if (report->pool_documents > 0)
		appendStringInfo(&out, "; %d without approved pairs taken in", report->pool_documents);
	tell_rounds(&out, report);
	if (training->ignored_pairs > 0)
		appendStringInfo(&out, "; %lld approved pairs ignored: they name unknown documents or items",
						 (long long) training->ignored_pairs);
	if (training->note != NULL)
		appendStringInfo(&out, "; %s", training->note);
	if (challenge != NULL)
		tell_challenge(&out, challenge, training->options->challenge_margin);
	return out.data;
}

/* ---- the last transaction ---- */

/*
 * The version, its deployment and the job's end: all or nothing. The job's row is locked last, so that cancel_job need
 * not wait until a large version is written, and in the order in which drop_model takes the model's row and the job's.
 * False, and nothing is written: another version is deployed than the one that the new version was compared with.
 */
static bool
save(const FinishedTraining *training, const Challenge *challenge)
{
	WorkerJob  *job = training->job;
	Oid			types[9] = {INT4OID, INT4OID, TEXTOID, FLOAT8OID, TEXTOID, FLOAT8OID, FLOAT8OID, INT8OID, INT4OID};
	Datum		values[9];
	char		nulls[10] = "         ";
	bool		rejected = challenge != NULL && challenge->result.rejected;
	bool		none;
	int32		version;

	worker_begin(job, true);

	/* Only who has the model's lock can deploy. */
	values[0] = Int32GetDatum(job->model_id);
	values[1] = ObjectIdGetDatum(job->role);
	if (execute("SELECT coalesce(m.deployed_version, 0), xmcoh_internal.may(m.owner, m.model_id, 'train', $2), m.name"
				" FROM xmcoh.model AS m WHERE m.model_id = $1 FOR NO KEY UPDATE", SPI_OK_SELECT,
				2, (Oid[]) {INT4OID, OIDOID}, values, NULL) == 0)
		worker_give_up(job);
	worker_check_submitter(job, DatumGetBool(first_value(2, &none)), first_text(3));
	if (challenge != NULL && challenge->champion != DatumGetInt32(first_value(1, &none)))
	{
		worker_commit(job);
		return false;
	}

	training->write_figures(training->arg, training->report);
	version = xmcoh_store_version(job->model_id, training->model, job->job_id, make_report(training, challenge));
	if (strcmp(training->on_success, "keep") != 0 && !rejected)
	{
		values[0] = Int32GetDatum(job->model_id);
		values[1] = Int32GetDatum(version);
		execute("SELECT xmcoh_internal.deploy($3, m.name, $2) FROM xmcoh.model AS m WHERE m.model_id = $1",
				SPI_OK_SELECT, 3, (Oid[]) {INT4OID, INT4OID, OIDOID},
				(Datum[]) {values[0], values[1], ObjectIdGetDatum(job->role)}, NULL);
	}
	values[0] = Int32GetDatum(job->job_id);
	execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1 FOR NO KEY UPDATE", SPI_OK_SELECT, 1, types, values, NULL);
	worker_check_state(job, first_text(1));
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum(make_message(training, challenge));
	values[3] = number_or_null(training->report->tau[XMC_EVIDENCE_FUSED].mean, &nulls[3]);
	values[4] = CStringGetTextDatum(rejected ? "rejected" : "succeeded");
	values[5] = number_or_null(training->last ? training->last->train_loss : NAN, &nulls[5]);
	values[6] = number_or_null(training->last ? training->last->held_out_loss : NAN, &nulls[6]);
	values[7] = Int64GetDatum(training->total);
	values[8] = Int32GetDatum(training->round);
	execute("UPDATE xmcoh.job_record SET state = $5, version = $2, message = $3, phase = 'done',"
			" train_loss = coalesce($6, train_loss), held_out_loss = coalesce($7, held_out_loss),"
			" held_out_tau = coalesce($4, held_out_tau), total = coalesce(total, $8), done = coalesce(total, $8),"
			" round = $9, finished_at = clock_timestamp() WHERE job_id = $1", SPI_OK_UPDATE, 9, types, values, nulls);
	worker_commit(job);
	worker_log(job, psprintf("ended %s with version %d, %s", rejected ? "rejected" : "succeeded", version,
							 rejected || strcmp(training->on_success, "keep") == 0 ? "not deployed" : "deployed"));
	return true;
}

void
xmcoh_save(const FinishedTraining *training)
{
	Challenge	challenge;
	bool		challenging = strcmp(training->on_success, "challenge") == 0;

	do
	{
		if (challenging)
			xmcoh_challenge_champion(training, &challenge);
	} while (!save(training, challenging ? &challenge : NULL));
}
