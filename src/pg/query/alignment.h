/*
 * alignment.h - what the alignment of one document says of its items: their counterparts, and how probable these are.
 */
#ifndef XMCOH_PG_ALIGNMENT_H
#define XMCOH_PG_ALIGNMENT_H

#include "postgres.h"

#include "model/weights.h"

#include "xmcoh/align.h"

typedef struct Counterparts
{
	xmc_alignment alignment;
	int32	   *of_text;		/* (n) the image item of each text item; -1: none */
	int32	   *of_image;		/* (n) the text item of each image item; -1: none */
	int32	   *number;			/* (n) of an unlinked item: its index in alignment.image or alignment.text */
} Counterparts;

/* ERROR when texts of the document with this key are to be matched with images and the version cannot do that. */
extern void xmcoh_check_can_align(const DeployedModel *deployed, const char *key, const xmc_document *document);

/* Allocates in the arena and in CurrentMemoryContext. */
extern void xmcoh_find_counterparts(xmc_arena *arena, const xmc_model *model, const xmc_document *document, Counterparts *out);

/*
 * The probability that an image item and a text item belong together; -1 for one of them: that the other has no
 * counterpart.
 */
extern double xmcoh_counterpart_probability(const Counterparts *counterparts, int32 image, int32 text);

#endif
