/*
 * columns.h - what xmcoh.source_record says: which relations hold a model's documents, and which of their columns mean what.
 */
#ifndef XMCOH_PG_COLUMNS_H
#define XMCOH_PG_COLUMNS_H

#include "postgres.h"

#include "nodes/pg_list.h"

struct SourceReader;

/* A row of xmcoh.source_record: which columns of the relation mean what; NULL: there is none. */
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
	bool		all_approved;	/* every stored order is approved */
	List	   *members;		/* SourceColumns of the sources whose rows belong to this one's documents (documents_of) */
	struct SourceSet *set;		/* the sources that were listed together with this one; members have none */
	int			number;			/* of this one in the set */
} SourceColumns;

/* Sources that are listed together are read together, so that none is read that holds another's documents. */
typedef struct SourceSet
{
	MemoryContext memory;		/* where the list lies */
	int			n;
	const SourceColumns **columns;	/* (n) */
	struct SourceReader **reader;	/* (n) opened and not yet given to anybody; else NULL */
} SourceSet;

/*
 * The sources of a model as a List of SourceColumns, in the order they were attached, allocated in
 * CurrentMemoryContext; those whose rows belong to another's documents hang on that one. relation InvalidOid: all; else
 * that one, ERROR undefined_object when it is not a source of the model, invalid_parameter_value when its rows belong to
 * another's documents. Needs SPI.
 */
extern List *xmcoh_source_columns(int32 model_id, Oid relation);

/* The relation's qualified and quoted name, for queries and messages; NULL: there is none any more. */
extern char *xmcoh_relation_name(Oid relation);

/* What a column is read for, and as. */
typedef enum ColumnUse
{
	COLUMN_DOCUMENT,
	COLUMN_ITEM,
	COLUMN_TEXT,
	COLUMN_IMAGE,
	COLUMN_TEXT_EMBEDDING,
	COLUMN_POSITION,
	COLUMN_APPROVED,
	COLUMN_BEFORE,				/* of approved pairs */
	COLUMN_AFTER
} ColumnUse;

/* The argument that names it, such as: text_embedding. */
extern const char *xmcoh_column_role(ColumnUse use);

/* Its value for a query over the relation AS t, with its cast. */
extern char *xmcoh_column_value(const char *column, ColumnUse use);
extern Oid	xmcoh_column_type(ColumnUse use);

/*
 * ERROR undefined_column or datatype_mismatch, naming relation, column and use, if the relation has no such column any
 * more or its type cannot be cast. `hint`: what to do about a column that is missing; NULL: it is just being named. Runs no
 * code of the relation's owner.
 */
extern void xmcoh_check_column(Oid relation, const char *column, ColumnUse use, const char *hint);

#endif
