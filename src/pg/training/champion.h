/*
 * champion.h - a version that has just been trained against the deployed one (design section 6, "Champion and challenger").
 */
#ifndef XMCOH_PG_CHAMPION_H
#define XMCOH_PG_CHAMPION_H

#include "training/save.h"

#include "xmcoh/challenge.h"

typedef struct Challenge
{
	int32		champion;		/* the version that was deployed then; 0: none was */
	const char *not_compared;	/* why not, as a sentence without full stop; NULL: they were */
	bool		fair;			/* on documents that were held out of both trainings */
	xmc_challenge result;
} Challenge;

/*
 * Compares the new version with the one that is deployed now, on held-out approved documents: on those that the
 * champion's training held out as well, if they are XMC_MIN_HELD_OUT_DOCUMENTS or more, else on all. A champion that is
 * missing, damaged or reads other inputs is not compared. Writes the job's phase and champion. Called outside
 * transactions; allocates in the current context. Errors: those of xmc_challenge_run, and when the job is not ours any
 * more.
 */
extern void xmcoh_challenge_champion(const FinishedTraining *training, Challenge *out);

#endif
