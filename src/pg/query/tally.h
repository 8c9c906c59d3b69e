/*
 * tally.h - the figures of recovered orders over documents, as xmcoh.evaluate shows them: Acc, PMR, neighbours, tau, baselines.
 */
#ifndef XMCOH_PG_TALLY_H
#define XMCOH_PG_TALLY_H

#include "postgres.h"

#include "query/by_groups.h"

#include "xmcoh/calibrate.h"

/* One document, of which the right places of `items` items are known. */
typedef struct TalliedDocument
{
	double		items;
	double		matches;		/* items at their place */
	double		neighbours;		/* pairs of neighbours that are right, of items - 1 */
	double		perfect;		/* 1 or 0 */
	double		tau;			/* NaN where no item stands before another */
	double		random_matches; /* what a random order is expected to have */
	double		random_perfect;
	uint64		unit;			/* documents with the same number depend on each other; 0: on no other */
	int32		by;				/* number of the group that the caller's column makes */
} TalliedDocument;

typedef struct Tally
{
	MemoryContext memory;
	int32		documents;
	int32		capacity;
	TalliedDocument *document;	/* (documents) */
	double		widening;		/* of intervals, >= 1 (xmc_results) */
	int32		n_reliability;
	xmc_reliability **reliability;	/* (n_reliability) of the pairs, by group of the caller's column; NULL: no pair */
} Tally;

extern void xmcoh_tally_add(Tally *tally, const TalliedDocument *document);

/* Where the probabilities of the pairs of a document of this group are added. */
extern xmc_reliability *xmcoh_tally_reliability(Tally *tally, int32 by);

/* The columns of the figures, in the order of those of xmcoh.evaluate, from `items` on. */
enum
{
	TALLY_ITEMS, TALLY_ACC, TALLY_PMR = TALLY_ACC + 3, TALLY_NEIGHBOURS = TALLY_PMR + 3, TALLY_TAU = TALLY_NEIGHBOURS + 3,
	TALLY_RANDOM_ACC = TALLY_TAU + 3, TALLY_RANDOM_PMR, TALLY_RANDOM_TAU, TALLY_CALIBRATION_ERROR, TALLY_COLUMNS
};

/* The figures of a group. */
typedef struct TallyRow
{
	int32		documents;
	int32		units;			/* that are independent */
	Datum		values[TALLY_COLUMNS];
	bool		nulls[TALLY_COLUMNS];
} TallyRow;

/*
 * The figures of each group, row (groups). by_column: the groups are those of a column, and their intervals those of
 * xmc_group_means; else there is one group, with intervals of the bootstrap.
 */
extern void xmcoh_tally_rows(const Tally *tally, int32 groups, bool by_column, TallyRow *row);

#endif
