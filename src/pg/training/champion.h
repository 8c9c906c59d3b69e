/*
 * champion.h - compares the version that a training has made with the deployed one (design section 6, "Champion and
 * challenger").
 */
#ifndef XMCOH_PG_CHAMPION_H
#define XMCOH_PG_CHAMPION_H

#include "training/finished_training.h"

#include "xmcoh/challenge.h"

typedef struct Challenge
{
	int32		champion;		/* the version that was deployed at the comparison; 0: none was */
	const char *not_compared;	/* why there was no comparison, as a sentence without full stop; NULL: there was one */
	bool		fair;			/* neither version had learned from the documents, or their groups, when these were measured */
	bool		too_few;		/* documents or groups to tell: option challenge_documents; result.rejected is then option on_doubt */
	xmc_challenge result;
} Challenge;

/*
 * Compares the new version with the deployed one: on the approved documents that both trainings measured (xmcoh/results.h) with
 * the same items and labels, each by models that had not learned from it. If these are fewer than option challenge_documents, on
 * held-out approved documents: on those that the champion's training held out as well, if these are XMC_MIN_HELD_OUT_DOCUMENTS
 * or more, else on all. A champion that is missing, is damaged or
 * reads other inputs is not compared. Writes the job's phase and champion. To be called outside transactions; allocates in
 * the current context. ERROR: those of xmc_challenge_run and of worker_check_state.
 */
extern void xmcoh_challenge_champion(const FinishedTraining *training, Challenge *out);

#endif
