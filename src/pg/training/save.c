/*
 * save.c - stores and deploys the version of a finished training, with its report and the job's message; see save.h
 *
 * The comparison with the deployed version can take seconds, so it is made outside any transaction. If another version is
 * deployed meanwhile, the result says nothing about the version to be replaced, and the comparison is made again.
 */
#include "training/save.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "base/json_object.h"
#include "base/statement.h"
#include "model/versions.h"
#include "query/arguments.h"
#include "training/champion.h"

/* ---- the version's report ---- */

static void
add_challenge(JsonbParseState **report, const Challenge *challenge, double margin)
{
	const xmc_challenge *result = &challenge->result;

	xmcoh_json_begin(report, "challenge");
	xmcoh_json_number(report, "champion", challenge->champion > 0 ? challenge->champion : NAN);
	xmcoh_json_bool(report, "compared", challenge->not_compared == NULL);
	if (challenge->not_compared == NULL)
	{
		xmcoh_json_number(report, "documents", result->documents);
		xmcoh_json_bool(report, "held_out_from_both", challenge->fair);
		xmcoh_json_bool(report, "too_few_to_tell", challenge->too_few);
		xmcoh_json_number(report, "tau", result->challenger.mean);
		xmcoh_json_number(report, "champion_tau", result->champion.mean);
		xmcoh_json_number(report, "difference", result->difference.mean);
		xmcoh_json_number(report, "difference_low", result->difference.low);
		xmcoh_json_number(report, "difference_high", result->difference.high);
		xmcoh_json_number(report, "margin", margin);
	}
	xmcoh_json_bool(report, "rejected", result->rejected);
	xmcoh_json_end(report);
}

/* Figures of one kind of score, into the object that is open. */
static void
add_figures(JsonbParseState **out, const xmc_figures *figures, int e)
{
	xmcoh_json_number(out, "tau", figures->tau[e].mean);
	xmcoh_json_number(out, "tau_low", figures->tau[e].low);
	xmcoh_json_number(out, "tau_high", figures->tau[e].high);
	xmcoh_json_number(out, "pair_accuracy", figures->pair_accuracy[e]);
	xmcoh_json_number(out, "calibration_error", figures->calibration_error[e]);
	xmcoh_json_number(out, "confident", figures->confident[e]);
}

/* What was measured for one kind of score, on new groups. */
static void
add_score_kind(JsonbParseState **out, const xmc_train_report *report, int e)
{
	xmcoh_json_begin(out, xmcoh_score_kind_name((xmc_score_kind) e));
	add_figures(out, &report->new_groups, e);
	xmcoh_json_number(out, "best_epoch", report->best_epoch[e]);
	xmcoh_json_number(out, "train_loss", report->train_loss[e]);
	xmcoh_json_number(out, "held_out_loss", report->held_out_loss[e]);
	xmcoh_json_end(out);
}

/* What was measured on new documents of known groups. */
static void
add_known_groups(JsonbParseState **out, const xmc_figures *figures)
{
	xmcoh_json_begin(out, "known_groups");
	xmcoh_json_number(out, "documents", figures->documents);
	xmcoh_json_number(out, "groups", figures->groups);
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
	{
		xmcoh_json_begin(out, xmcoh_score_kind_name((xmc_score_kind) e));
		add_figures(out, figures, e);
		xmcoh_json_end(out);
	}
	xmcoh_json_end(out);
}

/* model_version.report, which xmcoh.versions and xmcoh.evaluate read. `challenge` NULL: there was none */
static Jsonb *
make_report(const FinishedTraining *training, const Challenge *challenge)
{
	const xmc_train_report *report = training->report;
	JsonbParseState *out = NULL;
	int64		pairs = 0;

	for (int32 d = 0; d < training->n; d++)
		pairs += training->document[d].n_pairs;
	xmcoh_json_begin(&out, NULL);
	if (training->model->encoder[XMC_TEXT][0] != '\0')
		xmcoh_json_text(&out, "encoder", training->model->encoder[XMC_TEXT]);
	if (training->model->encoder[XMC_IMAGE][0] != '\0')
		xmcoh_json_text(&out, "image_encoder", training->model->encoder[XMC_IMAGE]);
	xmcoh_json_number(&out, "documents", report->approved_documents);
	xmcoh_json_number(&out, "held_out_documents", report->held_out_documents);
	xmcoh_json_number(&out, "measured_documents", report->new_groups.documents);
	xmcoh_json_number(&out, "measured_groups", report->new_groups.groups);
	xmcoh_json_number(&out, "pool_documents", report->pool_documents);
	xmcoh_json_number(&out, "folds", report->folds);
	xmcoh_json_number(&out, "labelled_pairs", (double) pairs);
	xmcoh_json_number(&out, "ignored_pairs", (double) training->ignored_pairs);
	xmcoh_json_number(&out, "seed", training->options->seed);
	xmcoh_json_number(&out, "held_out_threshold", training->held_out_rule.threshold);
	if (training->has_groups)
	{
		xmcoh_json_number(&out, "held_out_seed", training->held_out_rule.seed);
		xmcoh_json_number(&out, "groups", report->groups);
		xmcoh_json_number(&out, "largest_group", report->largest_group);
		xmcoh_json_number(&out, "held_out_groups", report->held_out_groups);
	}
	if (training->found != NULL)
		xmcoh_json_number(&out, "documents_joined", training->found->documents);
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
		add_score_kind(&out, report, e);
	if (report->known_groups.documents > 0)
		add_known_groups(&out, &report->known_groups);
	if (report->alignment.documents > 0)
	{
		xmcoh_json_begin(&out, "alignment");
		xmcoh_json_number(&out, "documents", report->alignment.documents);
		xmcoh_json_number(&out, "accuracy", report->alignment.accuracy);
		xmcoh_json_number(&out, "chance", report->alignment.chance);
		xmcoh_json_end(&out);
	}
	if (challenge != NULL)
		add_challenge(&out, challenge, training->options->challenge_margin);
	return xmcoh_json_end(&out);
}

/* ---- the job's message ---- */

static void
append_challenge(StringInfo out, const Challenge *challenge, const xmc_options *options)
{
	double		margin = options->challenge_margin;
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
	if (challenge->too_few)
		appendStringInfo(out, ", too few to tell (%d groups; option challenge_documents is %d), so on_doubt decided",
						 result->groups, options->challenge_documents);
	if (margin > 0)
		appendStringInfo(out, ", challenge_margin %g", margin);
	if (!challenge->fair)
		appendStringInfo(out, ", some of which version %d may have been trained on", challenge->champion);
}

/* Why there were fewer rounds than option rounds asks for. */
static void
append_rounds_end(StringInfo out, const xmc_train_report *report)
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
				appendStringInfo(out, ", though they agree on more pairs, %.0f%% instead of %.0f%%:"
								 " they reinforce each other's mistakes",
								 100 * last->agreement_after, 100 * last->agreement_before);
			break;
	}
}

/* What the groups are, and what so few of them cannot tell. */
static void
append_groups(StringInfo out, const xmc_train_report *report, const xmc_found_groups *found)
{
	if (found != NULL)
		appendStringInfo(out, "; %d documents share images or long texts with others", found->documents);
	if (found != NULL && (found->near_images > 0 || found->near_texts > 0))
		appendStringInfo(out, "; %d images (cosine at least %.2f) and %d texts (at least %.0f%% of the words) are near duplicates"
						 " of others", found->near_images, XMC_NEAR_IMAGE, found->near_texts, 100 * XMC_NEAR_TEXT);
	if (found != NULL && found->limit < INT32_MAX)
		appendStringInfo(out, " (left out were %d images and texts of more than %d documents, which would join more than"
						 " half)", found->left_out, found->limit);
	appendStringInfo(out, "; %d groups, %d held out, the largest of %d documents", report->groups, report->held_out_groups,
					 report->largest_group);
	if (report->new_groups.groups < XMC_MIN_INTERVAL_GROUPS && report->new_groups.groups < report->new_groups.documents)
		appendStringInfo(out, "; the figures are of %d %s: how good the orders of other groups are cannot be told, so"
						 " there are no intervals", report->new_groups.groups, report->new_groups.groups == 1 ? "group" : "groups");
}

static char *
make_message(const FinishedTraining *training, const Challenge *challenge)
{
	const xmc_train_report *report = training->report;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "trained on %d documents, %d of them held out at first",
					 report->approved_documents, report->held_out_documents);
	if (training->has_groups)
		append_groups(&out, report, training->found);
	if (report->pool_documents > 0)
		appendStringInfo(&out, "; %d without approved pairs taken in", report->pool_documents);
	append_rounds_end(&out, report);
	if (training->ignored_pairs > 0)
		appendStringInfo(&out, "; approved pairs ignored because they name unknown documents or items: %lld",
						 (long long) training->ignored_pairs);
	if (training->stale_decisions > 0)
		appendStringInfo(&out, "; decisions left out, wholly or in part, because their documents have changed: %lld",
						 (long long) training->stale_decisions);
	if (training->note != NULL)
		appendStringInfo(&out, "; %s", training->note);
	if (challenge != NULL)
		append_challenge(&out, challenge, training->options);
	return out.data;
}

/* ---- the last transaction ---- */

/*
 * Writes the version, its deployment and the job's end. The job's row is locked last, so that cancel_job need not wait
 * while a large version is written; drop_model locks the model's row and the job's row in the same order. false, and
 * nothing is written: the deployed version is not the one that the new version was compared with.
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

	worker_begin(true);

	/* Lock the model's row: nobody else deploys until the commit. */
	values[0] = Int32GetDatum(job->model_id);
	values[1] = ObjectIdGetDatum(job->role);
	if (execute("SELECT coalesce(m.deployed_version, 0), xmcoh_internal.may(m.owner, m.model_id, 'train', $2), m.name"
				" FROM xmcoh.model AS m WHERE m.model_id = $1 FOR NO KEY UPDATE", SPI_OK_SELECT,
				2, (Oid[]) {INT4OID, OIDOID}, values, NULL) == 0)
		worker_give_up(job);
	worker_check_submitter(job, DatumGetBool(first_value(2, &none)), first_text(3));
	if (challenge != NULL && challenge->champion != DatumGetInt32(first_value(1, &none)))
	{
		worker_commit();
		return false;
	}

	/* Store the version, and deploy it. */
	training->write_figures(training->arg, training->report);
	version = xmcoh_store_version(job->model_id, training->model, job->job_id,
								  JsonbToCString(NULL, &make_report(training, challenge)->root, 0));
	if (strcmp(training->on_success, "keep") != 0 && !rejected)
	{
		values[0] = Int32GetDatum(job->model_id);
		values[1] = Int32GetDatum(version);
		execute("SELECT xmcoh_internal.deploy($3, m.name, $2, false) FROM xmcoh.model AS m WHERE m.model_id = $1",
				SPI_OK_SELECT, 3, (Oid[]) {INT4OID, INT4OID, OIDOID},
				(Datum[]) {values[0], values[1], ObjectIdGetDatum(job->role)}, NULL);
	}

	/* End the job, unless somebody has cancelled it. */
	values[0] = Int32GetDatum(job->job_id);
	execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1 FOR NO KEY UPDATE", SPI_OK_SELECT, 1, types, values, NULL);
	worker_check_state(job, first_text(1));
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum(make_message(training, challenge));
	values[3] = number_or_null(training->report->new_groups.tau[XMC_SCORE_FUSED].mean, &nulls[3]);
	values[4] = CStringGetTextDatum(rejected ? "rejected" : "succeeded");
	values[5] = number_or_null(training->last ? training->last->train_loss : NAN, &nulls[5]);
	values[6] = number_or_null(training->last ? training->last->held_out_loss : NAN, &nulls[6]);
	values[7] = Int64GetDatum(training->total);
	values[8] = Int32GetDatum(training->round);
	execute("UPDATE xmcoh.job_record SET state = $5, version = $2, message = $3, phase = 'done',"
			" train_loss = coalesce($6, train_loss), held_out_loss = coalesce($7, held_out_loss),"
			" held_out_tau = coalesce($4, held_out_tau), total = coalesce(total, $8), done = coalesce(total, $8),"
			" round = $9, finished_at = clock_timestamp() WHERE job_id = $1", SPI_OK_UPDATE, 9, types, values, nulls);
	worker_commit();
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
