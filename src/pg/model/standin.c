/*
 * standin.c - stands in for encoders.c: a vector is the mean of hashed words.
 */
#include "model/encoders.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "xmcoh/hash.h"

PG_FUNCTION_INFO_V1(xmcoh_embed_standin);

static const xmc_text_encoder_shape shape = {.family = "bert",.dim = 16,.max_tokens = 128};

int32
xmcoh_find_encoder(const char *name, size_t name_length)
{
	(void) name;
	return name_length == 4 ? 1 : 2;
}

const xmc_text_encoder_shape *
xmcoh_encoder_shape(int32 encoder_id)
{
	(void) encoder_id;
	return &shape;
}

const char *
xmcoh_encoder_sha256(int32 encoder_id)
{
	/* sha256 of tiny and of other */
	return encoder_id == 1 ? "8950abfda7b727630760dd35bcf5c3daa7631aff223a90f7728c0d2521dde10c" : "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
}

void
xmcoh_encode_texts(int32 encoder_id, int32 n, const xmc_encoder_text *text, float *out)
{
	for (int32 k = 0; k < n; k++)
	{
		float	   *v = out + (Size) k * 16;
		int			words = 1;

		memset(v, 0, 16 * sizeof(float));
		for (size_t a = 0, b; a < text[k].length; a = b + 1)
		{
			for (b = a; b < text[k].length && text[k].text[b] != ' '; b++)
				;
			words++;
			for (int d = 0; d < 16; d++)
				v[d] += (float) (xmc_hash_bytes(text[k].text + a, b - a, (uint64) d + (uint64) encoder_id * 100) % 2001) / 1000 - 1;
		}
		for (int d = 0; d < 16; d++)
			v[d] /= (float) words;
	}
}

Datum
xmcoh_embed_standin(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	text	   *t = PG_GETARG_TEXT_PP(1);
	xmc_encoder_text one = {VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t)};
	Datum		d[16];
	float		v[16];

	xmcoh_encode_texts(xmcoh_find_encoder(NULL, VARSIZE_ANY_EXHDR(name)), 1, &one, v);
	for (int k = 0; k < 16; k++)
		d[k] = Float4GetDatum(v[k]);
	PG_RETURN_ARRAYTYPE_P(construct_array(d, 16, FLOAT4OID, 4, true, TYPALIGN_INT));
}
