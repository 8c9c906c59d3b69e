/* unknown_words.c - counts the words of documents that taught a model nothing; see unknown_words.h */
#include "xmcoh/unknown_words.h"

#include <math.h>

double
xmc_used_rows(const xmc_model *model)
{
	int64_t		rows = INT64_C(1) << model->options.hash_bits;
	int64_t		used = 0;

	if (!model->sparse)
		return 0;
	for (int64_t k = 0; k < rows; k++)
		used += model->sparse[k] != 0;
	return (double) used / (double) rows;
}

void
xmc_count_unknown_words(const xmc_model *model, const xmc_document *document, int64_t *words, int64_t *unknown)
{
	int			shift = 32 - model->options.hash_bits;
	int32_t		n = document->word_start ? document->word_start[document->n] : 0;

	/* A word has the same upper bits as the feature of kind XMC_FEATURE_WORD. */
	for (int32_t k = 0; k < n; k++)
		*unknown += model->sparse[document->word[k] >> shift] == 0;
	*words += n;
}

double
xmc_unknown_share(double used_rows, double words, double unknown)
{
	if (words == 0 || used_rows == 0 || used_rows > XMC_MOST_USED_ROWS)
		return NAN;
	return fmin(1, unknown / words / (1 - used_rows));
}
