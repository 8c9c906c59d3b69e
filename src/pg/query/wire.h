/*
 * wire.h - the parts of an aggregate's state as bytes, in network byte order; a length of -1 stands for NULL. Reading
 * takes nothing on trust.
 */
#ifndef XMCOH_PG_WIRE_H
#define XMCOH_PG_WIRE_H

#include "postgres.h"

#include "lib/stringinfo.h"

extern void xmcoh_wire_bytes(StringInfo to, const char *bytes, int32 length);
extern void xmcoh_wire_floats(StringInfo to, const float *values, int32 length);

/* ERROR invalid_binary_representation. */
extern _Noreturn void xmcoh_wire_bad(const char *detail);

/* A length, at least `least`, of things of `width` bytes each that are all there. */
extern int32 xmcoh_wire_read_length(StringInfo from, int32 least, int32 width);

/* Bytes, at least `least` of them; inside `from`. */
extern const char *xmcoh_wire_read_bytes(StringInfo from, int32 least, int32 *length);

/* The same that are a text in the server's encoding: it goes back into values of the database. */
extern const char *xmcoh_wire_read_text(StringInfo from, int32 least, int32 *length);

/* Allocated in the current context. */
extern const float *xmcoh_wire_read_floats(StringInfo from, int32 *length);

#endif
