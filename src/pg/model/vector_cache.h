/*
 * vector_cache.h - vectors of texts that this session has computed lately, within xmcoh.encoder_cache; those that were used
 * last are kept.
 */
#ifndef XMCOH_PG_VECTOR_CACHE_H
#define XMCOH_PG_VECTOR_CACHE_H

#include "postgres.h"

#include "xmcoh/text_encoder.h"

/*
 * Copies the vector of a text by the encoder whose file has this SHA-256 (hexadecimal) to out (dim). False: the cache does not
 * have the vector.
 */
extern bool xmcoh_cached_vector(const char *sha256, const xmc_encoder_text *text, int32 dim, float *out);

/* Adds a vector (dim) that the cache does not have. */
extern void xmcoh_cache_vector(const char *sha256, const xmc_encoder_text *text, int32 dim, const float *vector);

#endif
