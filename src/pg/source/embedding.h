/*
 * embedding.h - embeddings as arrays of real: what is a good one, and the error for each that is not.
 *
 * A good embedding has one dimension, as many numbers as the model reads, no NULL, no NaN and no infinity.
 */
#ifndef XMCOH_PG_EMBEDDING_H
#define XMCOH_PG_EMBEDDING_H

#include "postgres.h"

#include "utils/array.h"

/*
 * Whether an array of real is a good embedding of `dim` numbers. The test is fast and errs on one side: false for an array
 * whose null bitmap has no NULL in it, which xmcoh_check_embedding accepts.
 */
extern bool xmcoh_embedding_is_good(ArrayType *array, int dim);

/*
 * The `dim` numbers of an embedding, inside `array`. ERROR data_exception for one that is not good, with what was got and
 * what is wanted; `what` names it, such as: image of item "3" of document "4711".
 */
extern const float *xmcoh_check_embedding(ArrayType *array, int dim, const char *what);

#endif
