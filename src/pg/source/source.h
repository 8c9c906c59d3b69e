/*
 * source.h - documents from the relations that columns.h tells of: a reader that yields one document at a time.
 */
#ifndef XMCOH_PG_SOURCE_H
#define XMCOH_PG_SOURCE_H

#include "base/xmcoh.h"

#include "utils/array.h"

#include "source/columns.h"

#include "xmcoh/dataset.h"

/* One document as it was read. Lives until the next xmcoh_source_next or xmcoh_source_close. */
typedef struct SourceDocument
{
	const char *key;			/* zero-terminated */
	int32		n;
	xmc_item   *item;			/* (n), sorted by xmc_item_compare, keys distinct */
	double	   *position;		/* (n) stored positions, NaN: none */
	int32		n_placed;		/* items that have a place in the stored order; 0 when there is none */
	int32	   *order;			/* (n_placed) their numbers, by position, equal ones by number; NULL when there is none */
	bool		is_total;		/* the order is one of all items, without equal positions */
	bool		approved;		/* its stored order is approved (then there is one) */
} SourceDocument;

typedef struct SourceReader SourceReader;

/*
 * A reader over all documents of a source and its members, or over the one whose key is `document`. The first call for a list
 * of sources reads the relations of all of them (rows.h), so `options` and `document` are the same for each, and no code of a
 * relation's owner runs after it. The caller is connected to SPI; the reader lives where the list does. Reads only the columns
 * that the options take. Memory is flat in the number of documents. Errors here: undefined_table, undefined_column,
 * datatype_mismatch, insufficient_privilege, unique_violation (an item of a document stands in two sources of the list).
 * Errors in xmcoh_source_next: null_value_not_allowed (document, item), unique_violation (item or position twice in a document),
 * data_exception (embeddings), program_limit_exceeded.
 */
extern SourceReader *xmcoh_source_open(const SourceColumns *columns, const xmc_options *options, const char *document);

/*
 * The next document in key order (bytes), or NULL at the end. Its stored order takes in the rows of every relation that has
 * a position column; if one of these has no position, there is no order, though the others have theirs. Positions may be
 * equal where no modality is in both items.
 */
extern const SourceDocument *xmcoh_source_next(SourceReader *reader);

extern void xmcoh_source_close(SourceReader *reader);

/* Whether an array of real is a one-dimensional one of `dim` finite numbers; false also where only closer looking tells. */
extern bool xmcoh_embedding_is_good(ArrayType *array, int dim);

/*
 * Checks that an embedding is one-dimensional with `dim` finite values and no NULL; gives its values, inside `array`.
 * ERROR data_exception naming `what` (such as: image of item "3" of document "4711"), got and wanted.
 */
extern const float *xmcoh_check_embedding(ArrayType *array, int dim, const char *what);

#endif
