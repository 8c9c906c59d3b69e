/*
 * columns.h - which relations hold a model's documents, and what each of their columns is used for.
 *
 * The table xmcoh.source_record says so; one row is one relation.
 */
#ifndef XMCOH_PG_COLUMNS_H
#define XMCOH_PG_COLUMNS_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "xmcoh/model.h"

struct SourceReader;

/* A row of xmcoh.source_record: the names of the columns by their use; NULL: the relation has no column for this use. */
typedef struct SourceColumns
{
	Oid			relation;
	const char *document;
	const char *item;
	const char *text;
	const char *image;
	const char *text_embedding;
	const char *position;
	const char *approved;		/* a boolean column, or NULL */
	int32		encoder[XMC_MODALITIES];	/* the numbers of the model's text encoders, for texts and for images; 0: none */
	bool		all_approved;	/* every stored order is approved */
	List	   *group;			/* names of the columns that together say the group of a document; NIL: none do */
	const char *by;				/* set by xmcoh_sources_by; NULL: none, or the relation does not have the column */
	List	   *members;		/* SourceColumns; their rows belong to this source's documents (documents_of) */
	struct SourceSet *set;		/* the sources of the same list; NULL for a member */
	int			number;			/* of this source in the set */
} SourceColumns;

/* The sources of one list. They are read together, so that an item that two of them hold is an error. */
typedef struct SourceSet
{
	MemoryContext memory;		/* of the list */
	int			n;
	const SourceColumns **columns;	/* (n) */
	struct SourceReader **reader;	/* (n) opened and not returned by xmcoh_source_open yet; else NULL */
} SourceSet;

/*
 * The sources of a model as a List of SourceColumns, in the order in which they were attached, in CurrentMemoryContext. A
 * source whose rows belong to another source's documents is a member of that source. relation InvalidOid: all sources; else
 * that source alone. Errors: undefined_object (not a source of the model), invalid_parameter_value (a member),
 * undefined_table (a source whose relation does not exist any more). Needs SPI.
 */
extern List *xmcoh_source_columns(int32 model_id, Oid relation);

/*
 * Has the readers of these sources read a column that the caller groups documents by (SourceDocument.by). Of each source one
 * relation, the source itself or a member, must have the column: ERROR undefined_column. column NULL: nothing is done.
 */
extern void xmcoh_sources_by(List *sources, const char *column);

/* The relation's qualified and quoted name, for queries and messages; NULL: the relation does not exist any more. */
extern char *xmcoh_relation_name(Oid relation);

/* What a column is used for. */
typedef enum ColumnUse
{
	COLUMN_DOCUMENT,
	COLUMN_ITEM,
	COLUMN_TEXT,
	COLUMN_IMAGE,
	COLUMN_IMAGE_TEXT,			/* a text that stands for the image: a model with an image encoder reads it */
	COLUMN_TEXT_EMBEDDING,
	COLUMN_POSITION,
	COLUMN_APPROVED,
	COLUMN_GROUP,
	COLUMN_BY,					/* named by the argument `by` of a function that groups documents */
	COLUMN_BEFORE,				/* of approved pairs */
	COLUMN_AFTER
} ColumnUse;

/* The argument of xmcoh.attach_source or xmcoh.attach_pairs that names a column of this use, such as: text_embedding. */
extern const char *xmcoh_column_role(ColumnUse use);

/* The column's value in a query over the relation AS t, cast to the type that this use is read as; and that type. */
extern char *xmcoh_column_value(const char *column, ColumnUse use);
extern Oid	xmcoh_column_type(ColumnUse use);

/*
 * The name of a document's group as text in such a query, from several columns; NULL if one of them is NULL. One column
 * gives its text. The texts of several columns stand with the control character U+001F between.
 */
extern char *xmcoh_group_value(List *columns);

/*
 * How the image column of a relation is used: COLUMN_IMAGE_TEXT if the model has an image encoder and the column is of a text
 * type; else COLUMN_IMAGE.
 */
extern ColumnUse xmcoh_image_use(Oid relation, const char *column, bool has_encoder);

/*
 * ERROR undefined_column if the relation has no such column, datatype_mismatch if the column's type cannot be cast; both
 * name relation, column and use. `hint`: what to do about a missing column; NULL: no hint. Runs no code of the relation's
 * owner.
 */
extern void xmcoh_check_column(Oid relation, const char *column, ColumnUse use, const char *hint);

/* How many numbers the type of a column declares, as vector(128) and halfvec(128) of pgvector do; 0: the type does not tell. */
extern int32 xmcoh_declared_dim(Oid relation, const char *column);

#endif
