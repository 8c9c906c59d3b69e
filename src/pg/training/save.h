/*
 * save.h - the end of a training run: the new version is stored, compared with the deployed one, deployed or not.
 */
#ifndef XMCOH_PG_SAVE_H
#define XMCOH_PG_SAVE_H

#include "training/finished_training.h"

/*
 * Stores the version, deploys it or not, and leaves the job 'succeeded' or 'rejected', all in one transaction. No
 * transaction is open while two versions are compared. ERROR: those of xmcoh_challenge_champion and of storing and deploying.
 */
extern void xmcoh_save(const FinishedTraining *training);

#endif
