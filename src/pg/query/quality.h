/*
 * quality.h - how good the stored orders of all documents of a model are, and how far people agree with the deployed version:
 * figures of the whole and of groups, for snapshots.
 */
#ifndef XMCOH_PG_QUALITY_H
#define XMCOH_PG_QUALITY_H

#include "postgres.h"

#include "utils/jsonb.h"

#define XMCOH_MOST_GROUPS 1000	/* of one snapshot */

typedef struct QualityNotes QualityNotes;

/*
 * What the extension's tables say of a model's documents: open violations, and decisions since the deployed version was
 * deployed. Read as the extension's owner, because whoever takes a snapshot may not read all of that. Needs SPI. Allocates in
 * CurrentMemoryContext. ERROR object_not_in_prerequisite_state: no version is deployed.
 */
extern QualityNotes *xmcoh_quality_notes(int32 model_id);

/*
 * Reads and checks all documents, as the current role. `by`: the column that names a document's group; NULL: there are no
 * groups. Gives an object with the version and an array `groups`, the whole first. Needs SPI. Allocates in
 * CurrentMemoryContext. Errors: those of check_documents; program_limit_exceeded (more than XMCOH_MOST_GROUPS groups);
 * object_in_use (another version was deployed since the notes were read).
 */
extern Jsonb *xmcoh_quality_measure(const char *model, const char *by, QualityNotes *notes);

#endif
