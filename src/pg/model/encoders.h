/*
 * encoders.h - imported text encoders: from a name or number to an open encoder, and vectors of texts through the session's
 * cache (design section 5, "Encoders").
 */
#ifndef XMCOH_PG_ENCODERS_H
#define XMCOH_PG_ENCODERS_H

#include "postgres.h"

#include "model/cachefile.h"

#include "xmcoh/text_encoder.h"

/*
 * The number of the encoder `name`, which the current user may use. Needs an active snapshot. Errors: undefined_object (no such
 * encoder), insufficient_privilege.
 */
extern int32 xmcoh_find_encoder(const char *name, size_t name_length);

/*
 * What an encoder is, by number, without a check of privileges: who may use a model may use its encoder through it. Valid until
 * the end of the transaction. Errors: undefined_object, data_corrupted.
 */
extern const xmc_text_encoder_shape *xmcoh_encoder_shape(int32 encoder_id);

/* The SHA-256 of the file of an encoder in hexadecimal digits, likewise. Valid until the end of the transaction. */
extern const char *xmcoh_encoder_sha256(int32 encoder_id);

/*
 * The parameters of an encoder, for a model that fine-tunes it, likewise. `keep`: valid until the process ends. Errors: the same.
 */
extern const struct xmc_transformer *xmcoh_encoder_transformer(int32 encoder_id, bool keep);

/* An encoder that is open in this process. */
typedef struct OpenEncoder OpenEncoder;

/* Opens an encoder by number, likewise. Errors: the same. */
extern const OpenEncoder *xmcoh_open_encoder(int32 encoder_id);

/* The file of an encoder, for a process that is connected to no database; false: this session has a private copy. */
extern bool xmcoh_share_encoder(int32 encoder_id, SharedFile *out);

/* An encoder that another process shares, in such a process, until that ends; NULL: the file is not there any more. */
extern const OpenEncoder *xmcoh_open_shared_encoder(const SharedFile *shared);

/* An open encoder for the core; and its parameters. */
extern xmc_text_encoder *xmcoh_text_encoder_of(const OpenEncoder *opened);
extern const struct xmc_transformer *xmcoh_transformer_of(const OpenEncoder *opened);

/* The tokens of a text in UTF-8, likewise: *n of them, in CurrentMemoryContext. Errors: the same, and those of the core. */
extern int32 *xmcoh_encoder_tokens(int32 encoder_id, const char *text, size_t length, int32 *n);

/*
 * Vectors of n texts, in UTF-8, into out (n, dim). Equal texts are embedded once. Vectors that the session has computed lately
 * come from its cache (xmcoh.encoder_cache). No check of privileges. Writes nothing to the database. Errors: undefined_object,
 * data_corrupted, those of the core.
 */
extern void xmcoh_encode_texts(int32 encoder_id, int32 n, const xmc_encoder_text *text, float *out);

/* The same with an encoder that is open, under a given context. Errors: those of the core. */
extern xmc_status xmcoh_encode_texts_by(xmc_ctx *ctx, const OpenEncoder *opened, int32 n, const xmc_encoder_text *text, float *out);

#endif
