/*
 * item_input.c - what the arguments of one row say about one item, from datums to the core; item_input.h is the contract.
 */
#include "query/item_input.h"

#include "mb/pg_wchar.h"
#include "utils/array.h"

#include "base/xmcoh.h"
#include "source/embedding.h"

/* What an error names: an embedding of an item, or just an embedding. */
static const char *
described(const char *what, const char *item)
{
	return item ? psprintf("%s of item \"%s\"", what, item) : what;
}

static const float *
read_embedding(NullableDatum datum, const char *what, ItemNamer name, void *arg, int32 *length)
{
	ArrayType  *array;

	*length = -1;
	if (datum.isnull)
		return NULL;
	array = DatumGetArrayTypeP(datum.value);
	*length = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	/*
	 * The length that the model reads is known only when the document is complete. Until then an empty array passes;
	 * xmcoh_item_of_input refuses its length.
	 */
	if (*length == 0 || xmcoh_embedding_is_good(array, *length))
		return (const float *) ARR_DATA_PTR(array);
	return xmcoh_check_embedding(array, *length, described(what, name == NULL ? NULL : name(arg)));
}

void
xmcoh_item_input_read(NullableDatum text, NullableDatum image, NullableDatum embedding, ItemNamer name, void *arg,
					ItemInput *out)
{
	out->text = NULL;
	out->text_length = -1;
	if (!text.isnull)
	{
		struct varlena *value = PG_DETOAST_DATUM_PACKED(text.value);

		out->text = VARDATA_ANY(value);
		out->text_length = (int32) VARSIZE_ANY_EXHDR(value);
	}
	out->image = read_embedding(image, "image", name, arg, &out->image_length);
	out->embedding = read_embedding(embedding, "text embedding", name, arg, &out->embedding_length);
}

/* The embedding, if the model reads one of `wanted` numbers; else NULL. ERROR for one of another length. */
static const float *
wanted_embedding(const float *values, int32 got, int32 wanted, const char *what, const char *item)
{
	if (wanted == 0 || got < 0)
		return NULL;
	if (got != wanted)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s has %d numbers, but the model reads %d", described(what, item), got, wanted)));
	return values;
}

void
xmcoh_item_of_input(const ItemInput *input, const DeployedModel *deployed, const char *key, size_t key_length,
					bool name_item, xmc_item *out)
{
	const xmc_options *options = &deployed->model->options;
	const char *item = NULL;

	if (name_item && (input->image_length != options->image_dim || input->embedding_length != options->text_dim))
		item = pnstrdup(key, key_length);
	*out = (xmc_item){.key = key, .key_length = key_length};
	if (input->text_length >= 0 && (options->words || deployed->encoder[XMC_TEXT] > 0))
	{
		char	   *utf8 = pg_server_to_any(input->text, input->text_length, PG_UTF8);

		out->text = utf8;
		out->text_length = utf8 == input->text ? (size_t) input->text_length : strlen(utf8);
	}
	out->image = wanted_embedding(input->image, input->image_length, options->image_dim, "image", item);
	out->text_embedding = wanted_embedding(input->embedding, input->embedding_length, options->text_dim,
										   "text embedding", item);
}

void
xmcoh_notice_missing_input(const DeployedModel *deployed, bool takes_embedding, xmc_score_kind kind,
						   const xmc_document *document, InputNotices *given)
{
	const xmc_options *options = &deployed->model->options;

	if (options->text_dim > 0 && deployed->encoder[XMC_TEXT] == 0 && !takes_embedding && !given->no_embedding && document->n > 0)
	{
		given->no_embedding = true;
		ereport(NOTICE,
				(errmsg("the model reads text embeddings of %d numbers, and this call leaves them out", options->text_dim),
				 errhint("Pass them as the argument text_embedding.")));
	}
	for (int32 i = 0; i < document->n && kind == XMC_SCORE_FUSED && !given->no_input; i++)
		if (document->has[i] == 0)
		{
			given->no_input = true;
			ereport(NOTICE,
					(errmsg("some items have nothing that the model reads"),
					 errdetail("These items take part without evidence, so their place is a guess.")));
		}
}

void
xmcoh_check_item_count(int64 n)
{
	if (n > xmcoh_max_document_items)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a document has more than %d items", xmcoh_max_document_items),
				 errhint("Check that each document has a key of its own. If documents are this long, raise"
						 " xmcoh.max_document_items.")));
}
