/*
 * evidence.h - what a row's arguments say about one item: its text, its image, its text embedding; any may be NULL.
 */
#ifndef XMCOH_EVIDENCE_H
#define XMCOH_EVIDENCE_H

#include "postgres.h"

#include "fmgr.h"

#include "xmcoh/dataset.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

typedef struct Evidence
{
	int32		text_length;	/* bytes, in the server's encoding; -1: NULL */
	int32		image_length;	/* numbers; -1: NULL */
	int32		embedding_length;	/* numbers; -1: NULL */
	const char *text;
	const float *image;			/* (image_length) */
	const float *embedding;		/* (embedding_length) */
} Evidence;

/* What an item is called, asked for only where an error names it. */
typedef const char *(*EvidenceName) (void *arg);

/*
 * Takes text, real[] and real[] out of their datums; detoasts into the current context, else points into them. `name`
 * NULL: the item has none. ERROR data_exception for an embedding that is not one-dimensional,
 * has a NULL, a NaN or an infinity.
 */
extern void xmcoh_evidence_read(NullableDatum text, NullableDatum image, NullableDatum embedding, EvidenceName name,
								void *arg, Evidence *out);

/*
 * The item as the core takes it: text in UTF-8, and of the embeddings those that the model reads (others are left
 * alone). ERROR data_exception, naming got and wanted, when one has not as many numbers as the model reads.
 */
extern void xmcoh_evidence_item(const Evidence *evidence, const xmc_options *options, const char *key,
								size_t key_length, bool name_item, xmc_item *out);

typedef struct ScoredDocument
{
	xmc_document document;
	xmc_scores	scores;
} ScoredDocument;

/* Scores n items, sorted by xmc_item_compare, as one document; allocates in the current context. */
extern void xmcoh_score_items(const xmc_model *model, int32 n, const xmc_item *item, ScoredDocument *out);

/* What a call site has said already. */
typedef struct EvidenceNotices
{
	bool		no_evidence;
	bool		no_embedding;
} EvidenceNotices;

/*
 * NOTICEs, each once: the model reads text embeddings, and the call leaves them out (takes_embedding false: its form has no
 * such argument); an item has nothing that the model reads, where the evidence to go by is all of it.
 */
extern void xmcoh_notice_evidence(const xmc_options *options, bool takes_embedding, xmc_score_kind evidence,
								  const xmc_document *document, EvidenceNotices *given);

/* ERROR program_limit_exceeded when n is over xmcoh.max_document_items. `document`: its key, NULL when not known. */
extern void xmcoh_check_item_count(int64 n, const char *document);

/*
 * A function's argument that says which evidence to go by; NULL: fused. ERROR invalid_parameter_value, listing what is
 * known, for anything else.
 */
extern xmc_score_kind xmcoh_evidence_argument(NullableDatum argument);
extern const char *xmcoh_evidence_name(xmc_score_kind evidence);

/*
 * Three arguments from `first` on that say how to guide: guidance, alignment, rounds; NULL: the default of each. ERROR
 * invalid_parameter_value, listing what is known.
 */
extern xmc_guidance_rule xmcoh_guidance_arguments(FunctionCallInfo fcinfo, int first);

/*
 * Decodes by one evidence the items that it speaks of (xmc_score_kind_items): order[k] = the item at place k; returns how
 * many there are. `order` has room for all items of the document.
 */
extern int32 xmcoh_decode_evidence(const xmc_document *document, const xmc_scores *scores, xmc_score_kind evidence,
								   int32 *order);

#endif
