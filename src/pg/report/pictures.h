/*
 * pictures.h - pictures of models and documents: what they show is read as the caller, by the functions and views that the
 * caller could read, too; src/core/picture draws.
 */
#ifndef XMCOH_PG_PICTURES_H
#define XMCOH_PG_PICTURES_H

#include "postgres.h"

#include "query/arguments.h"

#include "xmcoh/markup.h"
#include "xmcoh/picture.h"

/* What a picture shows; the first three are of a document, the others of a model. */
typedef enum PictureKind
{
	PICTURE_PAIRS,
	PICTURE_ORDER,
	PICTURE_ALIGNMENT,
	PICTURE_RELIABILITY,
	PICTURE_LEARNING,
	PICTURE_QUALITY,
	PICTURE_ROUNDS,
	PICTURE_KINDS
} PictureKind;

#define IS_OF_DOCUMENT(kind) ((kind) <= PICTURE_ALIGNMENT)

/* The language of a picture, as the core knows it. */
static inline xmc_picture_language
picture_language(Language language)
{
	return language == JAPANESE ? XMC_PICTURE_JAPANESE : XMC_PICTURE_ENGLISH;
}

/*
 * Draws the pairs, the order or the alignment of a document of a source (InvalidOid: of any; the first that has it). Needs SPI.
 * Errors: undefined_object (model, document), those of order_documents, and of xmcoh_find_counterparts.
 */
extern void xmcoh_draw_document(xmc_markup *out, PictureKind kind, text *model, const char *document, Oid source, Language language);

/*
 * Draws a picture of a model by what is recorded of it. Returns false, and draws nothing, where there is nothing to show. Needs
 * SPI.
 */
extern bool xmcoh_draw_chart(xmc_markup *out, PictureKind kind, const char *model, Language language);

#endif
