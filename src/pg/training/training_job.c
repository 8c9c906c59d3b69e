/* training_job.c - what a job trains with; see training_job.h */
#include "training/training_job.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/statement.h"
#include "model/encoders.h"

/* The encoder of which the training changes the last `layers` layers. */
static const struct xmc_transformer *
encoder_to_tune(int32 encoder_id, int32 layers)
{
	/* xmcoh_internal.check_training has refused this with a better message */
	if (encoder_id == 0 || layers > xmcoh_encoder_shape(encoder_id)->layers)
		elog(ERROR, "option \"fine_tune\" is %d, but the model has no text encoder of so many layers", layers);
	return xmcoh_encoder_transformer(encoder_id, true);
}

/* The model's encoders, from the query of xmcoh_start_training_job; their names are for the version. */
static void
read_encoders(TrainingJob *out)
{
	bool		is_null[XMC_MODALITIES];

	for (int m = 0; m < XMC_MODALITIES; m++)
		out->encoder.id[m] = DatumGetInt32(first_value(11 + m, &is_null[m]));
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (is_null[m])
			out->encoder.id[m] = 0;
		else
			strlcpy(out->encoder_name[m], xmcoh_encoder_sha256(out->encoder.id[m]), sizeof out->encoder_name[m]);
	if (out->options.fine_tune > 0)
	{
		out->base_encoder = encoder_to_tune(out->encoder.id[XMC_TEXT], out->options.fine_tune);
		out->shares_encoder = xmcoh_share_encoder(out->encoder.id[XMC_TEXT], &out->shared_encoder);
	}
}

void
xmcoh_start_training_job(WorkerJob *job, MemoryContext memory, TrainingJob *out)
{
	Oid			types[3] = {INT4OID, INT4OID, OIDOID};
	Datum		values[3] = {Int32GetDatum(job->job_id), Int32GetDatum(xmcoh_training_workers), ObjectIdGetDatum(job->role)};
	bool		is_null;

	*out = (TrainingJob) {0};
	worker_begin(true);
	/* sizes and samples are arguments of a study, which are no options of a training */
	if (execute("UPDATE xmcoh.job_record AS j SET state = 'running', phase = 'reading', slices = coalesce(j.slices, $2)"
				" FROM xmcoh.model AS m WHERE j.job_id = $1 AND j.state = 'starting' AND m.model_id = j.model_id"
				" RETURNING m.image_dim, m.text_dim, m.words, m.options || (j.options - '{sizes,samples}'::text[]),"
				" j.on_success, j.slices, j.resumed_at IS NOT NULL,"
				" EXISTS (SELECT FROM xmcoh.job_checkpoint AS c WHERE c.job_id = j.job_id), m.name,"
				" xmcoh_internal.may(m.owner, m.model_id, 'train', $3), m.encoder_id, m.image_encoder_id",
				SPI_OK_UPDATE_RETURNING, 3, types, values, NULL) == 0)
	{
		execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
		worker_check_state(job, first_text(1));
		worker_give_up(job);
	}
	xmcoh_make_options(DatumGetInt32(first_value(1, &is_null)), DatumGetInt32(first_value(2, &is_null)),
					   DatumGetBool(first_value(3, &is_null)), DatumGetJsonbP(first_value(4, &is_null)), &out->options);
	out->on_success = MemoryContextStrdup(memory, TextDatumGetCString(first_value(5, &is_null)));
	out->shards = DatumGetInt32(first_value(6, &is_null));
	out->was_interrupted = DatumGetBool(first_value(7, &is_null));
	out->has_checkpoint = DatumGetBool(first_value(8, &is_null));
	worker_check_submitter(job, DatumGetBool(first_value(10, &is_null)), first_text(9));
	read_encoders(out);
	worker_commit();
}
