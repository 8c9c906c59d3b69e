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
	bool		fair;			/* all documents, with their groups, were held out of both trainings */
	xmc_challenge result;
} Challenge;

/*
 * Compares the new version with the deployed one on held-out approved documents: on those that the champion's training
 * held out as well, if these are XMC_MIN_HELD_OUT_DOCUMENTS or more, else on all. A champion that is missing, is damaged or
 * reads other inputs is not compared. Writes the job's phase and champion. To be called outside transactions; allocates in
 * the current context. ERROR: those of xmc_challenge_run and of worker_check_state.
 */
extern void xmcoh_challenge_champion(const FinishedTraining *training, Challenge *out);

#endif
