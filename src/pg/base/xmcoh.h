/*
 * xmcoh.h - what every file of the PostgreSQL side needs: the core's context on palloc, errors of the core as errors of
 * PostgreSQL, the tokeniser of the session, options out of jsonb; and the settings.
 */
#ifndef XMCOH_PG_XMCOH_H
#define XMCOH_PG_XMCOH_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/settings.h"

#include "xmcoh/base.h"
#include "xmcoh/options.h"
#include "xmcoh/text.h"

/*
 * A context for calls of the core. Each allocation is made in the CurrentMemoryContext of that moment; the stop callback is
 * xmcoh_stop. An interrupt leaves the core by longjmp, which the core's contract allows, because the core holds nothing but
 * palloc'ed memory. Out of memory is NULL, and so XMC_NO_MEMORY, not an ereport.
 */
extern xmc_ctx xmcoh_context(void);

/* The same, whose allocations are all made in one memory context. */
extern xmc_ctx xmcoh_context_in(MemoryContext memory);

/*
 * The stop callback: CHECK_FOR_INTERRUPTS(), and the end of a background worker whose postmaster is gone. arg is not used.
 */
extern bool xmcoh_stop(void *arg);

/* ereport(ERROR) with the context's message and the SQLSTATE of the status. The status must not be XMC_OK. */
extern _Noreturn void xmcoh_raise(xmc_status status, const xmc_ctx *ctx);

#define XMCOH_TRY(expression, ctx) \
	do { xmc_status status_ = (expression); if (status_ != XMC_OK) xmcoh_raise(status_, (ctx)); } while (0)

/* The tokeniser of this session, made at its first use. */
extern xmc_tokeniser *xmcoh_tokeniser(void);

/*
 * options.c: the options of a model that reads these inputs: the defaults, changed by `jsonb` (may be NULL). ERROR
 * invalid_parameter_value for an unknown key (the detail lists the known ones), a wrong type, a value out of bounds.
 */
extern void xmcoh_make_options(int32 image_dim, int32 text_dim, bool words, Jsonb *jsonb, xmc_options *out);

#endif
