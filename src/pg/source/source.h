/*
 * source.h - the documents of a source, one at a time: items, stored positions, stored order, whether that is approved.
 *
 * columns.h says which relations and columns a source has; rows.h reads a relation.
 */
#ifndef XMCOH_PG_SOURCE_H
#define XMCOH_PG_SOURCE_H

#include "base/xmcoh.h"

#include "source/columns.h"
#include "source/keys.h"

#include "xmcoh/dataset.h"
#include "xmcoh/text_encoder.h"

/* One document as it was read. It lives until the next xmcoh_source_next or xmcoh_source_close, or see xmcoh_source_keep. */
typedef struct SourceDocument
{
	const char *key;			/* zero-terminated */
	int32		n;
	xmc_item   *item;			/* (n), sorted by xmc_item_compare, keys distinct */
	xmc_encoder_text *image_text;	/* (n) texts that stand for the images, not empty; text NULL: none; NULL: none at all */
	double	   *position;		/* (n) stored positions, NaN: none */
	int32		n_placed;		/* items that have a place in the stored order; 0 when there is none */
	int32	   *order;			/* (n_placed) their numbers, by position, then by number; NULL without an order */
	bool		is_total;		/* all items have a position, and no two have the same */
	bool		approved;		/* its stored order is approved (then there is one) */
	const char *group;			/* the name of its group (xmcoh_group_value); NULL: the document is a group of its own */
	const char *by;				/* the text of the column of xmcoh_sources_by; NULL: none, or NULL */
} SourceDocument;

typedef struct SourceReader SourceReader;

/*
 * A reader over all documents of a source and its members, or over those with the given keys (NULL: all). The first call
 * for a list of sources reads the relations of all sources of the list (rows.h). So `options` and `keys` must be the same in
 * each call, and no code of a relation's owner runs after the first call. The reader lives in the memory context of the
 * list. Only the columns that the options and the model's encoders need are read. Memory does not depend on the number of documents. Needs SPI.
 * Errors: undefined_table, undefined_column, datatype_mismatch, insufficient_privilege, unique_violation (two sources of
 * the list hold one item of one document).
 */
extern SourceReader *xmcoh_source_open(const SourceColumns *columns, const xmc_options *options, const DocumentKeys *keys);

/*
 * The next document in key order (bytes), or NULL at the end. The stored order covers the rows of every relation that has a
 * position column. If one of these rows has no position, the document has no stored order, but SourceDocument.position
 * still holds the positions. Two items may have the same position if they have no modality in common. Errors:
 * null_value_not_allowed (document, item), unique_violation (an item or a position twice in a document), data_exception
 * (embeddings, position NaN, rows of a document that name different groups or differ in the column of xmcoh_sources_by),
 * program_limit_exceeded.
 */
extern const SourceDocument *xmcoh_source_next(SourceReader *reader);

/*
 * The last document of xmcoh_source_next lives on, until the memory context `parent` is reset or deleted. *document is a copy
 * of the struct, because the reader's own is filled again.
 */
extern void xmcoh_source_keep(SourceReader *reader, MemoryContext parent, SourceDocument *document);

/* The group of a document for the core; and the name by which it is held out, which is its key without a group. */
extern uint64 xmcoh_source_group(const SourceDocument *document);
extern const char *xmcoh_source_group_name(const SourceDocument *document);

extern void xmcoh_source_close(SourceReader *reader);

/* Receives a document, which lives during the call. False: no further document is needed. */
typedef bool (*SourceVisitor) (void *arg, const SourceDocument *document);

/* Visits the documents of all sources of a list, or those with these keys, one source after the other. */
extern void xmcoh_source_visit(List *sources, const xmc_options *options, const DocumentKeys *keys, SourceVisitor visit,
							   void *arg);

#endif
